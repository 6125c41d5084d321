"""Text front end: symbols, normalisation, sentences, phonemes."""

import hashlib
import random
import threading

import pytest

from tts.errors import TextError, UsageError
from tts.text.frontend import Frontend
from tts.text.normalize import clean, normalize
from tts.text.numbers import cardinal, ordinal, plural, roman, year
from tts.text.phonemes import Phonemizer, languages
from tts.text.sentences import split_sentences
from tts.text.symbols import (
    MODS,
    N_MODS,
    N_SYMBOLS,
    PAUSES,
    SIL,
    SYMBOLS,
    UNK,
    VOWELS,
    decode_phones,
    encode_phones,
    ids_to_phones,
    make_mod,
    phones_to_ids,
    split_mod,
)

CASES = [
    ("It costs $12.50.", "It costs twelve dollars and fifty cents."),
    ("£3bn", "three billion pounds"),
    ("€5 and $1 and $0.99", "five euros and one dollar and ninety-nine cents"),
    ("$3.5 million", "three point five million dollars"),
    ("£1.01", "one pound and one penny"),
    ("¥500", "five hundred yen"),
    ("50 USD", "fifty U S dollars"),
    ("2024-05-03", "May third, twenty twenty-four"),
    ("2024-99-03", "twenty twenty-four ninety-nine zero three"),
    ("May 3rd", "May third"),
    ("on May 3, 2024 we", "on May third, twenty twenty-four we"),
    ("3 May 2024", "the third of May, twenty twenty-four"),
    ("3/5/2024", "March fifth, twenty twenty-four"),
    ("25/12/1999", "December twenty-fifth, nineteen ninety-nine"),
    ("Sept. 11, 2001", "September eleventh, two thousand one"),
    ("10:30", "ten thirty"),
    ("at 5pm.", "at five P M."),
    ("5:05 p.m. today", "five oh five P M today"),
    ("10:00", "ten o'clock"),
    ("13:00", "thirteen hundred"),
    ("15:45:30", "fifteen forty-five and thirty seconds"),
    ("5 km", "five kilometers"),
    ("1 kg", "one kilogram"),
    ("30%", "thirty percent"),
    ("20°C", "twenty degrees Celsius"),
    ("-5 °C", "minus five degrees Celsius"),
    ("25°", "twenty-five degrees"),
    ("3.5GHz", "three point five gigahertz"),
    ("60 km/h", "sixty kilometers per hour"),
    ("100 m²", "one hundred square meters"),
    ("1/2 cup", "one half cup"),
    ("2 1/2 cups", "two and a half cups"),
    ("5½ inches", "five and a half inches"),
    ("3/4", "three quarters"),
    ("24/7", "twenty-four seven"),
    ("555-123-4567", "five five five, one two three, four five six seven"),
    ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
    ("Chapter IV", "Chapter four"),
    ("Henry VIII", "Henry the eighth"),
    ("Queen Elizabeth I spoke", "Queen Elizabeth the first spoke"),
    ("World War II", "World War two"),
    ("Rocky II", "Rocky two"),
    ("And I said", "And I said"),
    ("Dr. Smith", "doctor Smith"),
    ("Elm Dr. is near", "Elm drive is near"),
    ("Mr. and Mrs. Jones", "mister and missus Jones"),
    ("St. John lives on Main St.", "saint John lives on Main street."),
    ("e.g. this, i.e. that", "for example this, that is that"),
    ("cats vs. dogs", "cats versus dogs"),
    ("pears, etc.", "pears, et cetera."),
    ("pears, etc. are", "pears, et cetera are"),
    ("the FBI and NASA", "the F B I and nasa"),
    ("the U.S. army", "the U S army"),
    ("I said NO", "I said no"),
    ("the CDs", "the C D's"),
    ("Ph.D. student", "P H D student"),
    ("J. R. R. Tolkien", "J R R Tolkien"),
    ("No. 5", "number five"),
    ("No. I won't.", "No. I won't."),
    ("me@example.com", "me at example dot com"),
    ("https://www.example.com/a-b.", "W W W dot example dot com slash a dash b."),
    ("visit example.org, now", "visit example dot org, now"),
    ("A & B", "A and B"),
    ("5 + 3 = 8", "five plus three equals eight"),
    ("#1 fan", "number one fan"),
    ("@home", "at home"),
    ("hi 😀👩‍👩‍👧 there", "hi there"),
    ("1st 2nd 23rd 100th", "first second twenty-third one hundredth"),
    ("in 1905, 2005 and 2024", "in nineteen oh five, two thousand five and twenty twenty-four"),
    ("the 1980s, the '90s", "the nineteen eighties, the nineties"),
    ("1,234,567", "one million two hundred thirty-four thousand five hundred sixty-seven"),
    ("3.14159", "three point one four one five nine"),
    (".5", "zero point five"),
    ("-3", "minus three"),
    ("007", "zero zero seven"),
    ("1.2.3", "one point two point three"),
    ("mp3 and B2B", "M P three and B two B"),
    ("1914–1918", "nineteen fourteen to nineteen eighteen"),
    ("10-15 people", "ten to fifteen people"),
    ("well-known", "well-known"),
    ("wait - what", "wait — what"),
    ("wow!!! really???", "wow! really?"),
    ("um...", "um…"),
    ("“quoted” ‘text’", "\"quoted\" 'text'"),
    ("ﬁne ＡＢＣ１２", "fine A B C twelve"),
    ("٣ cats", "three cats"),
    ("a\0b\x07", "ab"),
    ("\u202eabc\u202c\ufeff", "abc"),
    ("x\u00a0y", "x y"),
    ("9" * 40, " ".join(["nine"] * 40)),
]


@pytest.fixture(scope="module")
def english() -> Frontend:
    return Frontend("en-us")


def test_tables_are_frozen() -> None:
    # Trained weights index these tables: a change breaks every checkpoint.
    digest = hashlib.sha256(repr((SYMBOLS, MODS)).encode()).hexdigest()
    assert digest.startswith("ec92ab0370501860")
    assert (N_SYMBOLS, N_MODS) == (179, 144) == (len(set(SYMBOLS)), len(set(MODS)))
    assert SYMBOLS[:4] == ("<pad>", "<unk>", "<sil>", "<null>")


def test_flat_ids_round_trip() -> None:
    assert ids_to_phones(phones_to_ids("həlˈoʊ wˈɜːld, n̩!")) == "həlˈoʊ wˈɜːld, n̩!"
    assert phones_to_ids(["ʃ", "漢"]) == [SYMBOLS.index("ʃ"), UNK]


def test_mods_round_trip() -> None:
    assert [make_mod(*split_mod(m)) for m in range(N_MODS)] == list(range(N_MODS))
    assert (make_mod(1), make_mod(2), make_mod(long=True)) == (1, 2, 3)


def test_encode_of_decode_is_identity_for_random_tokens() -> None:
    draw = random.Random(0)
    vowels = [SYMBOLS.index(v) for v in sorted(VOWELS)]
    for _ in range(200):
        # Consonants between, so that a stress or tone has one vowel to go to.
        ids = [i for _ in range(5) for i in (phones_to_ids("t")[0], draw.choice(vowels))]
        mods = [m for _ in range(5) for m in (draw.choice([0, 3, 24]), draw.randrange(N_MODS))]
        assert encode_phones(decode_phones(ids, mods)) == (ids, mods)


def test_stress_moves_to_the_vowel_and_marks_merge() -> None:
    assert decode_phones(*encode_phones("ˈstɹɛŋθ")) == "stɹˈɛŋθ"
    assert decode_phones(*encode_phones("bˈʌʔn̩")) == "bˈʌʔn̩"
    assert encode_phones("ɜː") == ([SYMBOLS.index("ɜ")], [3])
    assert decode_phones(*encode_phones("xˈɑu˨˩˦")) == decode_phones(*encode_phones("xˈɑu3"))
    assert encode_phones("ɔ̃")[1] == encode_phones("õ")[1] == [12]
    assert len(encode_phones("t͡ʃ")[0]) == 2


def test_unknown_symbols_are_recorded_not_fatal() -> None:
    dropped: list[str] = []
    assert len(encode_phones("h漢ə", dropped)[0]) == 2
    assert dropped == ["漢"]


@pytest.mark.parametrize(("written", "spoken"), CASES, ids=[c[0][:20] for c in CASES])
def test_normalize(written: str, spoken: str) -> None:
    assert normalize(written) == spoken


@pytest.mark.parametrize(("written", "spoken"), CASES[:-1], ids=[c[0][:20] for c in CASES[:-1]])
def test_normalize_inside_of_a_sentence(written: str, spoken: str) -> None:
    assert normalize(f"so, {written}") == f"so, {spoken}"


def test_languages_without_rules_keep_numbers() -> None:
    assert normalize("Det kostar 12,50 €.", "sv") == "Det kostar 12,50 €."
    assert normalize("你好，世界。", "cmn") == "你好, 世界."


@pytest.mark.parametrize(
    ("text", "sentences", "pauses"),
    [
        ("Samuel L. Jackson spoke.", 1, 0),
        ("George W. Bush and John F. Kennedy", 1, 0),
        ("F. Scott Fitzgerald read about E. coli.", 1, 0),
        ("by A. Smith", 1, 0),
        ("He lives in N. Korea.", 1, 0),
        ("J. K. Rowling writes.", 1, 0),
        ("Take plan B. Bring a coat.", 2, 0),
        ("The CIA. Congress objected.", 2, 0),
        ("It has vitamin C. It is good.", 2, 0),
        ("She has a Ph.D. He does not.", 2, 0),
        ("He is from the U.S. He is tall.", 2, 0),
    ],
)
def test_the_dot_of_an_initial_is_no_pause(
    english: Frontend, text: str, sentences: int, pauses: int
) -> None:
    said = english(text)
    inner = [i for phones in said for i in phones.ids[1:-1] if i in PAUSES]
    ends = sum(phones.ids[-2] in PAUSES for phones in said)
    assert (len(said), len(inner) - ends) == (sentences, pauses)
    whole = english.one(text)
    inner = [i for i in whole.ids[1:-2] if i in PAUSES]
    assert len(inner) == sentences - 1 + pauses


@pytest.mark.peer
def test_numbers_equal_inflect() -> None:
    inflect = pytest.importorskip("inflect")
    engine = inflect.engine()
    draw = random.Random(2)
    for n in [0, 12, 13, 20, 40, 85, 100, 999, 1000, *(draw.randrange(10**12) for _ in range(2))]:
        words = engine.number_to_words(n, andword="").replace(",", "")
        assert cardinal(n) == " ".join(words.split())
        assert ordinal(n) == " ".join(engine.ordinal(words).split())
    for name in ("foot", "inch", "meter", "watt", "century", "thirty", "square meter"):
        assert plural(name) == engine.plural(name)


def test_numbers_agree_with_their_parts() -> None:
    for n in [0, 7, 10, 13, 21, 100, 999, 1000, 10**6, 10**9 + 1]:
        assert ordinal(n) != cardinal(n)
        assert "and" not in cardinal(n).replace("thousand", "")
    assert [year(y) for y in (1066, 1900, 2000, 2010)] == [
        "ten sixty-six",
        "nineteen hundred",
        "two thousand",
        "twenty ten",
    ]
    assert (roman("XLII"), roman("IIX"), roman("IC")) == (42, None, None)


def test_lone_surrogate_names_its_place() -> None:
    with pytest.raises(TextError, match="character 2"):
        normalize("ab\ud800")


def test_random_unicode_never_fails_and_never_leaves_controls() -> None:
    draw = random.Random(1)
    for _ in range(200):
        raw = "".join(
            chr(draw.choice([draw.randrange(128), draw.randrange(0xD800), draw.randrange(0x20000)]))
            for _ in range(40)
        )
        raw = "".join(c for c in raw if not 0xD800 <= ord(c) < 0xE000)
        out = normalize(raw)
        assert all(c == "\n" or ord(c) >= 32 for c in out)
        assert clean(clean(raw)) == clean(raw)


def test_sentences_know_abbreviations() -> None:
    text = 'Dr. Smith paid. He said "Go!" and left. Really?! J. Doe came. Am 3. Mai etc. The end.'
    assert [s.text for s in split_sentences(text)] == [
        "Dr. Smith paid.",
        'He said "Go!" and left.',
        "Really?!",
        "J. Doe came.",
        "Am 3. Mai etc.",
        "The end.",
    ]


def test_paragraphs_pause_longer_and_wrapped_lines_join() -> None:
    one, two, three = split_sentences("First\nline. Second.\n\n\nThird.")
    assert (one.text, three.text) == ("First line.", "Third.")
    assert two.pause_after > one.pause_after > three.pause_after == 0


def test_words_cover_the_phones(english: Frontend) -> None:
    phones = english.one("I've been one of the 1999 well-known guests, you know.")
    assert len(phones.ids) == len(phones.mods)
    assert phones.ids[0] == phones.ids[-1] == SIL
    covered = {i for _, first, last in phones.words for i in range(first, last)}
    assert covered == {i for i, s in enumerate(phones.ids) if s not in PAUSES}
    assert all(first < last for _, first, last in phones.words)
    spans = {word: decode_phones(phones.ids[a:b], phones.mods[a:b]) for word, a, b in phones.words}
    # espeak joins "of the"; each word still has its own phones
    assert spans["of"] == "ʌv" and spans["the"] == "ðə"
    assert spans["know"] == "nˈoʊ"


def test_same_word_count_by_chance_does_not_shift_words(english: Frontend) -> None:
    words = dict(english.phonemizer.phonemize_words("all of the well-known guests"))
    assert words["guests"] == "ɡˈɛsts" and words["the"] == "ðə"


def test_one_and_batch_agree_and_capitals_do_not_matter(english: Frontend) -> None:
    texts = ["the birch canoe slid", "on the smooth planks", "it is"]
    assert english.batch_one(texts) == [english.one(t) for t in texts]
    assert english.one(texts[0].upper()) == english.one(texts[0])
    with pytest.raises(TextError, match="text 1"):
        english.batch_one(["fine", "?"])


def test_punctuation_becomes_pause_tokens(english: Frontend) -> None:
    text = "Well, (yes) no -- stop!?"
    assert str(english.one(text)) == "wˈɛl , jˈɛs , nˈoʊ — stˈɑːp ?"
    sil = Frontend("en-us", pauses="sil").one(text)
    assert {s for s in sil.ids if s in PAUSES} == {SIL}
    plain = Frontend("en-us", pauses="none").one(text)
    assert plain.ids[1:-1] == [s for s in english.one(text).ids if s not in PAUSES]


def test_letters_that_are_words_are_letters_only_in_initials(english: Frontend) -> None:
    assert str(english.one("a CIA man")).startswith("ɐ sˈiː ˈaɪ ˈeɪ")
    assert "ˈɛf bˈiː ˈaɪ" in str(english.one("I met the FBI."))
    assert str(english.one("I am here")).startswith("aɪ ")


def test_direct_phones(english: Frontend) -> None:
    phones = Frontend.from_phones("həlˈoʊ, wˈɜːld")
    assert str(phones) == "həlˈoʊ , wˈɜːld"
    assert Frontend.from_phones(str(phones)).ids == phones.ids
    inline = english.one("Say [[təmˈɑːtoʊ plˈiːz]]. Now.")
    assert "təmˈɑːtoʊ plˈiːz" in str(inline)
    assert "[[təmˈɑːtoʊ plˈiːz]]" in inline.text
    with pytest.raises(TextError, match="IPA"):
        Frontend.from_phones("漢 !")


def test_sentences_carry_their_pauses(english: Frontend) -> None:
    first, second = english("Dr. Lee said hello. We left.")
    assert first.pause_after > 0 == second.pause_after
    assert first.text == "doctor Lee said hello."


@pytest.mark.parametrize(
    "bad", ["", "  \n", "?!", "😀", "\0", "...", "[[]]", "[[漢]]", "\u0301" * 9]
)
def test_nothing_to_say(english: Frontend, bad: str) -> None:
    with pytest.raises(TextError):
        english(bad)
    with pytest.raises(TextError):
        english.one(bad)


@pytest.mark.parametrize(
    ("asked", "nearest"), [("german", "de"), ("en-xx", "en-us"), ("spanish", "es"), ("xx", "")]
)
def test_unknown_language_names_the_nearest(asked: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=f"{asked}.*{nearest}"):
        Phonemizer(asked)


@pytest.mark.parametrize(
    ("lang", "text", "ipa"),
    [
        ("de", "schöne Äpfel", "ʃˈøːnə ˈɛpfəl"),
        ("fr", "un bon vin", "œ̃ bˈɔ̃ vˈɛ̃"),
        ("es", "hola señor", "ˈola seɲˈoɾ"),
        ("cmn", "马。", "mˈɑ2 ."),
        ("cs", "prst", "pˈr̩st"),
    ],
)
def test_other_languages(lang: str, text: str, ipa: str) -> None:
    phones = Frontend(lang).one(text)
    assert str(phones) == ipa
    assert phones.dropped == []


def test_languages_are_listed() -> None:
    assert {"en-us", "de", "fr-fr", "es", "cmn"} <= set(languages())


def test_threads_give_the_same_phones(english: Frontend) -> None:
    texts = [f"the number is {n} of the list" for n in range(20)]
    german = Frontend("de")
    wanted = [(english.one(t).ids, german.one(t).ids) for t in texts]
    found: dict[int, list[tuple[list[int], list[int]]]] = {}

    def work(n: int) -> None:
        found[n] = [(english.one(t).ids, german.one(t).ids) for t in texts]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[n] == wanted for n in range(4))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("say [[@@@]] now", ["[[@@@]]: '@' is no phone and is left out"]),
        ("[[zzz###]] and [[5,@a]]", ["'#' is no phone", "'5', '@' are no phones"]),
        ("Hello. [[@]]", ["'@' is no phone"]),
        ("an unclosed [[təm here", ["'[[təm here' begins phones that ]] does not end"]),
        ("[[a[b]] too", ["'[[a[b]] too' begins phones"]),
        ("[[təmˈɑːtoʊ]], [[to.mˈa-to, ta]] and [[ˈʌn͡dɚ]] a[1] [x]", []),
    ],
)
def test_what_is_no_phone_is_told(
    text: str, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    Frontend("en-us")(text)
    found = [record.getMessage() for record in caplog.records]
    assert len(found) == len(told) and all(a in b for a, b in zip(told, found, strict=True)), found
