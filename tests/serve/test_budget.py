"""What a text may cost: dear ones are refused before much is read, and sentences are short."""

import re
from collections.abc import Iterator

import pytest

from benchmarks.studies.refusals import KINDS, MOST
from tts.errors import TextError
from tts.facade import TTS
from tts.serve.budget import (
    MAX_SAMPLES,
    PIECE_CHARACTERS,
    SAMPLE_PIECES,
    TOLERANCE,
    Budget,
    estimate_phones,
    is_plain,
    sample_of,
    sentences_within,
)
from tts.text.pieces import MAX_PHONES, in_pieces
from tts.text.symbols import SIL, Phones
from tts.types import Options

PLAIN = ("The birch canoe slid on the smooth planks. " * 10)[:400]


@pytest.fixture
def tts(tiny_home: object) -> TTS:
    return TTS.load("default", "cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_refused_before_much_is_read(kind: str, tts: TTS, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is counted, in characters that the front end was given and phones it made of them."""
    text, given, made = KINDS[kind], [0], [0]
    whole = tts.sentences

    def counted(said: str, *rest: object, **named: object) -> Iterator[Phones]:
        given[0] += len(said)
        for phones in whole(said, *rest, **named):  # type: ignore[arg-type]
            made[0] += len(phones)
            yield phones

    monkeypatch.setattr(tts, "sentences", counted)
    try:
        found = sentences_within(tts, text, Options(), Budget())
    except TextError as error:
        if "nothing to say" not in str(error):
            assert re.search(r"[\d,]+ phones, [\d,]+ s of speech|letters, over", str(error)), error
            assert given[0] <= 2 * MAX_SAMPLES * SAMPLE_PIECES * PIECE_CHARACTERS and made[0] < 5000
    else:
        assert sum(map(len, found)) <= TOLERANCE * Budget().phones
        assert max(map(len, found)) <= MAX_PHONES


def test_a_sample_is_of_all_parts_and_follows_from_the_text() -> None:
    text = "".join(chr(0x4E00 + n) for n in range(MOST))
    sample = sample_of(text)
    assert sample == sample_of(text) != sample_of(text[::-1])
    pieces = sample.split(" ")
    assert len(pieces) == SAMPLE_PIECES and all(
        len(p) == PIECE_CHARACTERS and p in text for p in pieces
    )
    assert sample_of(text, 1) not in (sample, sample_of(text, 2))
    quarters = [text.index(piece) * SAMPLE_PIECES // MOST for piece in pieces]
    assert quarters == [0, 1, 2, 3]
    sample_of("\ud800" * MOST)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en-us", "On 3/4/2021 at 9:30 he paid $12.50 (20%). "),
        ("de", "Am 3. Mai 2024 kostete es 12,50 \u20ac. "),
        ("ru", "\u041f\u043e\u0433\u043e\u0434\u0430. "),
    ],
)
def test_a_sample_tells_what_the_whole_costs(tts: TTS, language: str, sentence: str) -> None:
    text, options = (sentence * 100)[:1500], Options(language=language)
    found = sum(map(len, sentences_within(tts, text, options, Budget())))
    assert found / TOLERANCE < estimate_phones(tts, text, options) < TOLERANCE * found


@pytest.mark.parametrize("text", ["1" * MOST, ("Dial " + "12" * 60 + ". ") * 30])
def test_long_numbers_are_not_thought_dear(tts: TTS, text: str) -> None:
    """A piece of one would be millions, the whole is said digit by digit."""
    found = sum(map(len, sentences_within(tts, text, Options(), Budget())))
    assert found / TOLERANCE < estimate_phones(tts, text, Options()) < TOLERANCE * found


def test_samples_have_whole_words() -> None:
    words = {"canoe", "smooth", "planks", "\u00e9t\u00e9"}
    assert set(sample_of(" ".join(sorted(words) * 50)).split()) <= words


def test_english_is_read_once(tts: TTS, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_plain(KINDS["plain"]) and not is_plain(KINDS["telephone"])
    calls = []
    whole = tts.sentences
    monkeypatch.setattr(tts, "sentences", lambda *a, **k: calls.append(a) or whole(*a, **k))
    sentences_within(tts, KINDS["plain"], Options(), Budget())
    assert len(calls) == 1


def test_limits() -> None:
    with pytest.raises(TextError, match="13,0.. phones|1,2.. s"):
        Budget().check(4096, 13_001, 1.0)
    with pytest.raises(TextError, match="73,728 letters"):
        Budget().check_letters("\ufdfa" * 4096)
    Budget().check_letters("\ufb03 " * 2048)  # three letters each
    with pytest.raises(TextError, match="send it in parts"):
        Budget().check(4096, 8000, 0.5)
    Budget().check(4096, 8000, 1.0)


def test_sentences_are_short_whatever_their_characters(tts: TTS) -> None:
    for text in ("\u4e2d" * 250, "1" * 500, "[[" + "na" * 900 + "]]", "A% " * 100):
        whole = list(tts.acoustic.frontend().sentences(text))
        pieces = list(tts.sentences(text))
        assert max(len(piece) for piece in pieces) <= MAX_PHONES
        inner = [[i for i in p.ids if i != SIL] for p in (*whole, *pieces)]
        assert sum(inner[: len(whole)], []) == sum(inner[len(whole) :], [])
        assert [p.pause_after for p in whole if p.pause_after] == [
            p.pause_after for p in pieces if p.pause_after
        ]
        for piece in pieces:
            assert piece.words and len(piece.ids) == len(piece.mods)
            assert len(piece.spans) == len(piece.words)
            assert all(1 <= first < past < len(piece) for _, first, past in piece.words)
    # Ordinary sentences are left as they are.
    assert list(tts.sentences(PLAIN)) == list(tts.acoustic.frontend().sentences(PLAIN))


def test_breaks_and_words_of_pieces() -> None:
    ids, words = [SIL], []
    for n in range(10):
        words.append((f"w{n}", len(ids), len(ids) + 50))
        ids += [20] * 50
    whole = Phones(
        [*ids, SIL], [0] * (len(ids) + 1), words, pause_after=0.5, breaks={0: 1.0, 7: 2.0, 10: 3.0}
    )
    pieces = list(in_pieces([whole], 200))
    assert len(pieces) >= 3 and all(len(p) <= 200 for p in pieces)
    assert [w for p in pieces for w, _, _ in p.words] == [w for w, _, _ in words]
    found = {
        p.words[n][0] if n < len(p.words) else "end": s for p in pieces for n, s in p.breaks.items()
    }
    assert found == {"w0": 1.0, "w7": 2.0, "end": 3.0}
    assert [p.pause_after for p in pieces] == [0] * (len(pieces) - 1) + [0.5]


def test_pauses_are_counted(tts: TTS) -> None:
    options = Options(markup="pauses")
    fits = "Hi " + "[pause 50] you " * 23 + "there."
    assert (
        sum(sum(p.breaks.values()) for p in sentences_within(tts, fits, options, Budget())) > 1000
    )
    for speed in (1.0, 2.0):
        with pytest.raises(TextError, match=r"1,4.. s of speech with 1,4.. s of pauses"):
            sentences_within(
                tts,
                "Hi " + "[pause 50] you " * 28 + "there.",
                Options(markup="pauses", speed=speed),
                Budget(),
            )
