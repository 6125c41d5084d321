"""Text front end: sentences, words, phones and pauses."""

import random
import threading

import pytest

from tts.errors import TextError, UsageError
from tts.text.frontend import Frontend
from tts.text.normalize import clean, normalize
from tts.text.phonemes import Phonemizer, languages
from tts.text.sentences import split_sentences
from tts.text.symbols import (
    PAUSES,
    SIL,
    decode_phones,
)


@pytest.fixture(scope="module")
def english() -> Frontend:
    return Frontend("en-us")


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
    ("asked", "nearest"),
    [
        ("german", "de"),
        ("en-xx", "en-us"),
        ("spanish", "es"),
        ("english", "en-us"),
        ("xx", "give an espeak code"),
    ],
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


@pytest.mark.parametrize(
    "before", ["a", "the", "I saw a", "I saw the", "We go to", "This is for a"]
)
@pytest.mark.parametrize(("word", "ipa"), [("cat", "kˈæt"), ("apple", "ˈæpəl"), ("dog", "dˈɑːɡ")])
def test_words_before_phones_are_read_as_before_a_word(before: str, word: str, ipa: str) -> None:
    """An article at the end of a clause is the name of a letter; one before phones is not."""
    frontend = Frontend("en-us")
    written, given = frontend.one(f"{before} {word}."), frontend.one(f"{before} [[{ipa}]].")
    assert str(given).split()[:-2] == str(written).split()[:-2]
    assert [each for each, _, _ in given.words[:-1]] == before.split()
