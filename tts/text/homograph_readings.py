"""Pronunciations of homographs in American English (tts.text.homographs)."""

#: IPA of each reading of a word. Readings that are named as a part of speech are chosen by it,
#: others by the rules of tts.text.homographs
READINGS: dict[str, dict[str, str]] = {}
_CLASSES = """
record noun ɹˈɛkɚd verb ɹᵻkˈɔːɹd|present noun pɹˈɛzənt verb pɹɪzˈɛnt
object noun ˈɑːbdʒɛkt verb əbdʒˈɛkt|subject noun sˈʌbdʒɛkt verb səbdʒˈɛkt
project noun pɹˈɑːdʒɛkt verb pɹədʒˈɛkt|produce noun pɹˈoʊduːs verb pɹədˈuːs
permit noun pˈɜːmɪt verb pɚmˈɪt|conduct noun kˈɑːndʌkt verb kəndˈʌkt
conflict noun kˈɑːnflɪkt verb kənflˈɪkt|contest noun kˈɑːntɛst verb kəntˈɛst
contract noun kˈɑːntɹækt verb kəntɹˈækt|contrast noun kˈɑːntɹæst verb kəntɹˈæst
convert noun kˈɑːnvɜːt verb kənvˈɜːt|convict noun kˈɑːnvɪkt verb kənvˈɪkt
decrease noun dˈiːkɹiːs verb dɪkɹˈiːs|increase noun ˈɪŋkɹiːs verb ɪŋkɹˈiːs
export noun ˈɛkspoːɹt verb ɛkspˈoːɹt|import noun ˈɪmpoːɹt verb ɪmpˈoːɹt
extract noun ˈɛkstɹækt verb ɛkstɹˈækt|insult noun ˈɪnsʌlt verb ɪnsˈʌlt
protest noun pɹˈoʊtɛst verb pɹətˈɛst|rebel noun ɹˈɛbəl verb ɹɪbˈɛl
refund noun ɹˈiːfʌnd verb ɹɪfˈʌnd|reject noun ɹˈiːdʒɛkt verb ɹɪdʒˈɛkt
suspect noun sˈʌspɛkt verb səspˈɛkt|transfer noun tɹˈænsfɜː verb tɹænsfˈɜː
transport noun tɹˈænspoːɹt verb tɹænspˈoːɹt|upset noun ˈʌpsɛt verb ʌpsˈɛt
update noun ˈʌpdeɪt verb ʌpdˈeɪt|upgrade noun ˈʌpɡɹeɪd verb ʌpɡɹˈeɪd
progress noun pɹˈɑːɡɹɛs verb pɹəɡɹˈɛs|conducts noun kˈɑːndʌkts verb kəndˈʌkts
desert noun dˈɛzɚt verb dɪzˈɜːt|survey noun sˈɜːveɪ verb sɚvˈeɪ
escort noun ˈɛskoːɹt verb ɛskˈoːɹt|defect noun dˈiːfɛkt verb dɪfˈɛkt
digest noun dˈaɪdʒɛst verb daɪdʒˈɛst|discount noun dˈɪskaʊnt verb dɪskˈaʊnt
address noun ˈædɹɛs verb ɐdɹˈɛs|attribute noun ˈætɹɪbjuːt verb ətɹˈɪbjuːt
combine noun kˈɑːmbaɪn verb kəmbˈaɪn|compound noun kˈɑːmpaʊnd verb kəmpˈaʊnd
compact noun kˈɑːmpækt verb kəmpˈækt|console noun kˈɑːnsoʊl verb kənsˈoʊl
content noun kˈɑːntɛnt adjective kəntˈɛnt|entrance noun ˈɛntɹəns verb ɛntɹˈæns
invalid noun ˈɪnvəlɪd adjective ɪnvˈælɪd|minute noun mˈɪnɪt adjective maɪnˈuːt
perfect noun pˈɜːfɪkt verb pɚfˈɛkt|research noun ɹˈiːsɜːtʃ verb ɹɪsˈɜːtʃ
segment noun sˈɛɡmənt verb sɛɡmˈɛnt|torment noun tˈɔːɹmɛnt verb tɔːɹmˈɛnt
recall noun ɹˈiːkɔːl verb ɹɪkˈɔːl|rewrite noun ɹˈiːɹaɪt verb ɹiːɹˈaɪt
refuse noun ɹˈɛfjuːs verb ɹɪfjˈuːz|use noun jˈuːs verb jˈuːz
abuse noun ɐbjˈuːs verb ɐbjˈuːz|excuse noun ɛkskjˈuːs verb ɛkskjˈuːz
house noun hˈaʊs verb hˈaʊz|close adjective klˈoʊs verb klˈoʊz
estimate noun ˈɛstɪmət verb ˈɛstɪmˌeɪt|graduate noun ɡɹˈædʒuːət verb ɡɹˈædʒuːˌeɪt
separate adjective sˈɛpɹət verb sˈɛpɚɹˌeɪt|moderate adjective mˈɑːdɚɹət verb mˈɑːdɚɹˌeɪt
alternate adjective ˈɔːltɚnət verb ˈɔːltɚnˌeɪt|duplicate noun dˈuːplɪkət verb dˈuːplɪkˌeɪt
delegate noun dˈɛlɪɡət verb dˈɛlɪɡˌeɪt|associate noun ɐsˈoʊʃiət verb ɐsˈoʊʃiˌeɪt
appropriate adjective ɐpɹˈoʊpɹiət verb ɐpɹˈoʊpɹiˌeɪt|advocate noun ˈædvəkət verb ˈædvəkˌeɪt
deliberate adjective dɪlˈɪbɹət verb dɪlˈɪbɚɹˌeɪt|elaborate adjective ɪlˈæbɹət verb ɪlˈæbɚɹˌeɪt
intimate adjective ˈɪntɪmət verb ˈɪntɪmˌeɪt|animate adjective ˈænɪmət verb ˈænɪmˌeɪt
approximate adjective ɐpɹˈɑːksɪmət verb ɐpɹˈɑːksɪmˌeɪt
coordinate noun koʊˈɔːɹdɪnət verb koʊˈɔːɹdɪnˌeɪt
subordinate noun səbˈɔːɹdɪnət verb səbˈɔːɹdɪnˌeɪt|live adjective lˈaɪv verb lˈɪv
resume noun ɹˈɛzuːmˌeɪ verb ɹɪzˈuːm|wound noun wˈuːnd wind wˈaʊnd
wind noun wˈɪnd verb wˈaɪnd|tear noun tˈɪɹ verb tˈɛɹ|tears noun tˈɪɹz verb tˈɛɹz
lead verb lˈiːd metal lˈɛd|read present ɹˈiːd past ɹˈɛd|bass music bˈeɪs fish bˈæs
bow bend bˈaʊ knot bˈoʊ|row line ɹˈoʊ quarrel ɹˈaʊ|sow plant sˈoʊ pig sˈaʊ
dove bird dˈʌv dive dˈoʊv|polish noun pˈɑːlɪʃ nation pˈoʊlɪʃ|job work dʒˈɑːb name dʒˈoʊb
sewer drain sˈuːɚ tailor sˈoʊɚ|number count nˈʌmbɚ numb nˈʌmɚ|does verb dˈʌz deer dˈoʊz
learned verb lˈɜːnd adjective lˈɜːnɪd|aged verb ˈeɪdʒd adjective ˈeɪdʒɪd
blessed verb blˈɛst adjective blˈɛsɪd|august month ˈɔːɡəst adjective ɔːɡˈʌst
uses noun jˈuːsɪz verb jˈuːzɪz|records noun ɹˈɛkɚdz verb ɹᵻkˈɔːɹdz
closer adjective klˈoʊsɚ verb klˈoʊzɚ|insults noun ˈɪnsʌlts verb ɪnsˈʌlts
objects noun ˈɑːbdʒɛkts verb əbdʒˈɛkts|presents noun pɹˈɛzənts verb pɹɪzˈɛnts
projects noun pɹˈɑːdʒɛkts verb pɹədʒˈɛkts|permits noun pˈɜːmɪts verb pɚmˈɪts
rebels noun ɹˈɛbəlz verb ɹɪbˈɛlz|suspects noun sˈʌspɛkts verb səspˈɛkts
used habit jˈuːst verb jˈuːzd
lives noun lˈaɪvz verb lˈɪvz|winds noun wˈɪndz verb wˈaɪndz
"""
for _entry in _CLASSES.strip().replace("\n", "|").split("|"):
    _word, *_rest = _entry.split()
    READINGS[_word] = dict(zip(_rest[::2], _rest[1::2], strict=True))


def _plurals() -> None:
    """Add both readings of the forms with "s" of words that are nouns and verbs ("exports")."""
    for word, known in list(READINGS.items()):
        form = word + ("es" if word.endswith(("s", "x", "ch")) else "s")
        if set(known) != {"noun", "verb"} or word.endswith("ss") or form in READINGS:
            continue
        if word not in ("house", "resume", "refuse", "wind", "polish") and word[-1] != "s":
            READINGS[form] = {name: with_s(ipa) for name, ipa in known.items()}


def with_s(ipa: str) -> str:
    """Return the IPA of a word with the ending of its plural."""
    if ipa.endswith(("s", "z", "ʃ", "ʒ")):
        return ipa + "ᵻz"
    return ipa + ("s" if ipa[-1] in "ptkfθ" else "z")


_plurals()
