"""Captions: the text as it was written, in lines that can be read, in every format."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tts import TTS
from tts.captions import captions, to_json, to_srt, to_vtt, write_text, written
from tts.text.frontend import Frontend
from tts.text.marked import marked_sentences
from tts.text.markup import parse_markup, without_tags
from tts.types import Span


def spoken(text: str, each: float = 0.3, markup: str = "none", emoji: bool = False) -> list[Span]:
    """The words of a text as the front end finds them, one after the other."""
    out: list[Span] = []
    front = Frontend("en-us")
    if markup in ("pauses", "ssml"):
        sentences = marked_sentences(front, parse_markup(text, markup))
    else:
        sentences = front.sentences(text, plain=markup == "plain", emoji=emoji)
    for phones in sentences:
        rest = 0.2 if out else 0.0
        spans = phones.spans or [None] * len(phones.words)
        for (word, _, _), at in zip(phones.words, spans, strict=True):
            begin = out[-1].end + rest if out else 0.0
            rest = 0.0
            out.append(Span(word, begin, begin + each, at))
    return out


def shown(srt: str) -> list[str]:
    """Text of the captions, each in one line."""
    return [" ".join(block.splitlines()[2:]) for block in srt.strip().split("\n\n")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith paid $5 at 10:30.", "Dr. Smith paid $5 at 10:30."),
        ("It cost 1,250 euros, on 3 May 2024!", "It cost 1,250 euros, on 3 May 2024!"),
        ('He said: "Stop (now)," and left.', 'He said: "Stop (now)," and left.'),
        ("A well-known state-of-the-art thing.", "A well-known state-of-the-art thing."),
        ("Yes — it is 25% off.", "Yes — it is 25% off."),
        ("in N.Y.; see the U.S.A. now", "in N.Y.; see the U.S.A. now"),
    ],
)
def test_text_as_it_was_written(text: str, expected: str) -> None:
    words = spoken(text)
    assert " ".join(shown(to_srt(words, text))) == expected
    said = [word.spoken for word in written(words, text)]
    assert " ".join(said) == " ".join(word.text for word in words)


def test_times_of_normalised_words_map_back() -> None:
    text = "She paid $5 twice."
    rows = json.loads(to_json(spoken(text), [], text))["words"]
    assert [row["text"] for row in rows] == ["She", "paid", "$5", "twice"]
    assert rows[2]["spoken"] == "five dollars"
    assert rows[2]["start"] == pytest.approx(0.6) and rows[2]["end"] == pytest.approx(1.2)
    # Without the text, as spoken.
    assert len(json.loads(to_json(spoken(text), []))["words"]) == 5


def test_letters_with_dots_are_one_written_form() -> None:
    text = "from N.Y. in the U.S.A.; at 9 a.m. by J. Smith"
    rows = json.loads(to_json(spoken(text), [], text))["words"]
    assert [row["text"] for row in rows if "." in row["text"]] == ["N.Y.", "U.S.A.", "9 a.m."]
    assert {row["spoken"] for row in rows} >= {"N Y", "U S A"}


@pytest.mark.parametrize("text", ["Great job 👍 🎉🎉", "Great 👍 job 🎉 and (🎉), 👍.", "👍 a"])
def test_emoji_keep_the_blanks_around_them(text: str) -> None:
    pytest.importorskip("emoji")
    words = spoken(text, emoji=True)
    assert " ".join(shown(to_srt(words, text))) == text
    for word in words:
        assert word.at is not None
        place = text[slice(*word.at)]
        assert place == place.strip()


def test_lines_and_cuts() -> None:
    text = (
        "When the old clock on the wall struck three, all of the children ran out to the garden, "
        "where the first of the apples had fallen from the tree that their grandfather planted. "
        "Nobody said a word."
    )
    srt = to_srt(spoken(text, 0.25), text)
    blocks = [block.splitlines() for block in srt.strip().split("\n\n")]
    assert " ".join(" ".join(block[2:]) for block in blocks) == text
    assert all(3 <= len(block) <= 4 for block in blocks)
    assert all(len(line) <= 42 for block in blocks for line in block[2:])
    assert blocks[0][-1].endswith(",") and shown(srt)[-1] == "Nobody said a word."
    assert [block[0] for block in blocks] == [str(n + 1) for n in range(len(blocks))]
    times = [block[1].split(" --> ") for block in blocks]
    assert all(a < b for a, b in times)
    assert all(a[1] <= b[0] for a, b in zip(times, times[1:], strict=False))


def test_a_pause_ends_a_caption() -> None:
    words = [Span("one", 0, 0.5), Span("two", 0.6, 1), Span("three", 2, 2.5)]
    assert shown(to_srt(words)) == ["one two", "three"]
    assert to_srt([]) == "" and to_vtt([]).startswith("WEBVTT")


def test_web_captions_are_escaped() -> None:
    text = "Tom & Jerry."
    vtt = to_vtt(spoken(text), text)
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> ") and "Tom &amp; Jerry." in vtt


def test_markup_is_not_shown() -> None:
    text = "This is **very** important."
    assert " ".join(shown(to_srt(spoken(text), text))) == "This is very important."


def test_of_a_model(tiny_home: Path) -> None:
    text = "Dr. Smith paid $5. It was 10:30."
    audio = TTS.load("default", "cpu").synthesize(text)
    for kind in ("srt", "vtt"):
        assert "Dr. Smith paid $5." in captions(kind, audio.words, audio.phones, text)
    starts = [word.start for word in audio.words]
    assert starts == sorted(starts)


def test_a_named_pipe_is_written_into(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    path = tmp_path / "words.json"
    os.mkfifo(path)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(path.read_text)
        write_text(path, "[]")
        assert reading.result(10) == "[]"
    assert path.is_fifo() and [each.name for each in tmp_path.iterdir()] == ["words.json"]


@pytest.mark.parametrize(
    ("markup", "text", "expected"),
    [
        ("none", "This is **very important**. Use `pip`, then `make`.", None),
        ("none", "Wait (**really**)!", "Wait (really)!"),
        ("none", "It&apos;s &#8220;now&#8221; ok.", "It's \u201cnow\u201d ok."),
        ("none", "snake_case_name is.", "snake_case_name is."),
        ("none", "**Bold** and [link](http://x.com) &amp; <b>tag</b>.", "Bold and link & tag."),
        ("none", "1. Buy milk\n2. Drink it", "1. Buy milk 2. Drink it"),
        ("none", "One<br>two inter-\nnational.", "One two international."),
        ("none", "I see you \U0001f44d.", "I see you \U0001f44d."),
        ("plain", "Is it so !", "Is it so !"),
        ("pauses", "wait [pause 1] here [pause 500ms], ok.", "wait here, ok."),
        ("pauses", "wait[pause 1]here.", "wait here."),
        ("ssml", "Un<emphasis>believ</emphasis>able!", "Unbelievable!"),
        ("ssml", "It&apos;s &#8220;now&#8221; ok.", "It's \u201cnow\u201d ok."),
        ("ssml", "He said <emphasis>\"no\"</emphasis>.", 'He said "no".'),
        ("ssml", "I <emphasis>am</emphasis>, (<emphasis>so</emphasis>) too.", "I am, (so) too."),
        ("ssml", "Tom <![CDATA[&]]> Jerry ran.", "Tom & Jerry ran."),
        ("ssml", "Tom <![CDATA[& Bob <b>]]> ran; fast.", "Tom & Bob <b> ran; fast."),
        ("ssml", "<sub alias='and so'>&amp;</sub> z.", "& z."),
        ("ssml", "<p>One.</p>\r\n<p>Two\r\nthree.</p>", "One. Two three."),
        ("ssml", "<p>One</p><p>Two</p>", "One Two"),
        ("ssml", "here <break/>! Yes.", "here! Yes."),
        ("ssml", "Call <say-as interpret-as='telephone'>555-0199</say-as>!", "Call 555-0199!"),
    ],
)  # fmt: skip
def test_text_with_markup_as_it_was_written(markup: str, text: str, expected: str | None) -> None:
    source = without_tags(text, markup)
    assert len(source) == len(text)
    found = " ".join(shown(to_srt(spoken(text, markup=markup), source)))
    assert found == (expected or "This is very important. Use pip, then make.")
