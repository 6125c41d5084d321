"""Pauses and SSML: what is read, what is refused, and what comes of it in the audio."""

import json
from pathlib import Path

import numpy as np
import pytest

from tts import TTS
from tts.cli.main import run
from tts.errors import TextError, UsageError
from tts.pipeline.render import Utterance
from tts.text.analysis import read_sentences
from tts.text.frontend import Frontend
from tts.text.languages import LANGUAGES
from tts.text.marked import marked_sentences
from tts.text.markup import MarkupError, parse_markup, without_tags
from tts.text.pause_marks import REMOVED
from tts.text.style import PLAIN, Style
from tts.text.symbols import Phones
from tts.types import Options, joined

TEXT = "The birch canoe slid on the smooth planks."


@pytest.fixture
def tts(tiny_home: Path) -> TTS:
    return TTS.load("default", device="cpu")


def sentences(text: str, markup: str = "ssml") -> list[Phones]:
    return list(marked_sentences(Frontend("en-us"), parse_markup(text, markup)))


def words(text: str) -> list[str]:
    return [word for phones in sentences(text) for word, _, _ in phones.words]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("0.5", 0.5), ("0.5s", 0.5), (" 500 ms", 0.5), (".5", 0.5), ("2", 2.0), ("0", 0.0)],
)
def test_pauses_are_as_long_as_they_say(tts: TTS, said: str, seconds: float) -> None:
    audio = tts.synthesize(f"Hello [pause {said}] there.", markup="pauses")
    one, two = audio.words
    # A frame is 20 ms; a word that follows at once starts where the other ends.
    assert two.start - one.end == pytest.approx(seconds, abs=0.021)
    assert audio.seconds >= two.end


def test_pauses_between_and_around_sentences(tts: TTS) -> None:
    plain = tts.synthesize("Hello. There.")
    asked = tts.synthesize("[pause 1]Hello.[pause 2]There. [pause 3]", markup="pauses")
    one, two = asked.words
    assert one.start == pytest.approx(1.0, abs=0.021)
    assert two.start - one.end == pytest.approx(2.0, abs=0.021)
    assert asked.seconds - two.end == pytest.approx(3.0, abs=0.041)
    # The speech itself is the same.
    count = round(0.1 * tts.sample_rate)
    at, was = round(one.start * tts.sample_rate), round(plain.words[0].start * tts.sample_rate)
    assert np.corrcoef(asked.samples[at:][:count], plain.samples[was:][:count])[0, 1] > 0.99
    # Two at one place are one long one; the words keep their places in the source.
    source = "Hello[pause 1] [pause 1] there."
    both = tts.synthesize(source, markup="pauses").words
    assert both[1].start - both[0].end == pytest.approx(2.0, abs=0.021)
    assert [source[slice(*(word.at or (0, 0)))] for word in both] == ["Hello", "there"]


def test_pauses_do_not_follow_the_speed(tts: TTS) -> None:
    for speed in (0.5, 2.0):
        one, two = tts.synthesize("Hello [pause 1] there.", markup="pauses", speed=speed).words
        assert two.start - one.end == pytest.approx(1.0, abs=0.021)


def test_text_without_markup_is_the_same_audio(tts: TTS) -> None:
    wanted = tts.synthesize(f"{TEXT} {TEXT}").samples
    for markup in ("pauses", "ssml"):
        found = tts.synthesize(f"{TEXT} {TEXT}", markup=markup).samples
        np.testing.assert_array_equal(found, wanted)
    # And without the option, markup is text.
    assert "pause" in [word.text for word in tts.synthesize("Hi [pause 1] you").words]


def test_tags_do_not_change_how_words_are_read() -> None:
    plain = "Dr. Smith paid $5 million for the 3rd house on May 4th, and read it."
    tagged = plain.replace("$5", "<emphasis>$5</emphasis>")
    tagged = tagged.replace("3rd", "<prosody rate='slow'>3rd</prosody>")
    (wanted,), (found,) = list(Frontend("en-us").sentences(plain)), sentences(tagged)
    assert (found.ids, found.mods, found.words) == (wanted.ids, wanted.mods, wanted.words)
    for (start, end), (first, last) in zip(wanted.spans, found.spans, strict=True):
        assert tagged[first:last].replace("</emphasis>", "") == plain[start:end]
    pairs = list(zip(found.words, found.styles, strict=True))
    assert [word for (word, _, _), style in pairs if style.rate == 0.75] == ["third"]
    # What is written as one form begins in the tag.
    loud = [word for (word, _, _), style in pairs if style.gain > 0]
    assert loud == ["five", "million", "dollars"]


def test_what_tags_say() -> None:
    assert words("<speak>A <sub alias='World Wide Web'>WWW</sub> page</speak>")[1:4] == [
        "World",
        "Wide",
        "Web",
    ]
    (phones,) = sentences("I say <phoneme alphabet='ipa' ph='təmˈɑːtoʊ'>tomato</phoneme> now.")
    assert [word for word, _, _ in phones.words] == ["I", "say", "tomato", "now"]
    assert "təmˈɑːtoʊ" in str(phones)
    plain = [word for word, _, _ in Frontend("en-us").one("a < b & c A").words]
    assert words("a &lt; b &amp; c &#65;") == plain
    assert words("<speak><![CDATA[5 < 6]]></speak>") == words("5 &lt; 6")
    two = sentences("<p><s>One</s><s>Two</s></p><p>Three</p>")
    assert [p.pause_after for p in two] == [0.35, 0.7, 0.0]
    (none,) = sentences("Well, <break strength='none'/>I go.".replace(", <", "<"))
    assert none.breaks == {1: 0.0}


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("characters", "ab1-", "B one dash"), ("digits", "2024", "two zero two four"),
        ("telephone", "555-0123", "five five five zero one two three"),
        ("cardinal", "1,234", "one thousand two hundred thirty-four"), ("number", "-3.5",
        "minus three point five"), ("ordinal", "21", "twenty-first"), ("fraction", "3/4",
        "three quarters"), ("time", "9:05pm", "nine oh five P M"),
        ("date\" format=\"dmy", "4/5/2024", "May fourth twenty twenty-four"),
        ("date", "5/4", "May fourth"), ("currency", "$5", "five dollars"),
    ],
)  # fmt: skip
def test_say_as(kind: str, text: str, said: str) -> None:
    found = " ".join(words(f'<say-as interpret-as="{kind}">{text}</say-as>'))
    assert found.endswith(said), found


def test_iso_dates_are_read_in_every_language() -> None:
    for language in LANGUAGES:
        heard = Frontend(language).one("Am 2024-05-03.")
        assert str(heard) != str(Frontend(language).one("Am 2024 05 03."))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<speak>a\n b <voice name='x'>c</voice></speak>", ("<voice>", "line 2, column 4")),
        ("a <brake/>", ("<brake>", "column 3", "did you mean 'break'")),
        ("<amazon:effect name='x'>c</amazon:effect>", ("<amazon:effect>", "column 1")),
        ("<break tim='1s'/>", ("'tim'", "did you mean 'time'", "column 1")),
        ("<break time='soon'/>", ("<break>", "'soon'")),
        ("<break time='61s'/>", ("<break>", "out of range")),
        ("<break>x</break>", ("<break>", "column 8")),
        ("<prosody rate='quick'>x</prosody>", ("<prosody>", "rate 'quick'")),
        ("<prosody rate='900%'>x</prosody>", ("<prosody>", "out of range")),
        ("<prosody pitch='200Hz'>x</prosody>", ("<prosody>", "hertz")),
        ("<prosody volume='+60dB'>x</prosody>", ("<prosody>", "out of range")),
        ("<prosody>x</prosody>", ("<prosody>", "rate, pitch or volume")),
        ("<emphasis level='huge'>x</emphasis>", ("<emphasis>", "'huge'")),
        ("<phoneme ph='🙂'>x</phoneme>", ("<phoneme>", "IPA")),
        ("<phoneme alphabet='x-sampa' ph='a'>x</phoneme>", ("<phoneme>", "x-sampa")),
        ("<sub>x</sub>", ("<sub>", "alias")),
        ("<sub alias='x'>a <break/></sub>", ("<break>", "<sub>")),
        ("<say-as interpret-as='date' format='dmy'>31/31/2000</say-as>", ("<say-as>", "date")),
        ("<say-as interpret-as='roman'>x</say-as>", ("<say-as>", "'roman'")),
        ("<say-as interpret-as='digits'>x</say-as>", ("<say-as>", "digits")),
        ("<speak>a <p>b", ("<p>", "column 10", "not closed")),
        ("<p>a</s></p>", ("<p>", "column 1", "not closed")),
        ("fish & chips", ("column 7", "&amp;")),
        ("a < b", ("column", "&lt;")),
        ("<speak>a</speak> b", ("column 18",)),
        ("<speak><speak>a</speak></speak>", ("<speak>", "column 8")),
        ("<speak xml:lang='de-DE'>a</speak>", ("'de-DE'", "en-us")),
        ("<!DOCTYPE s [<!ENTITY a 'b'>]><speak>&a;</speak>", ("<!DOCTYPE>", "refused")),
        ("<speak>&undefined;</speak>", ("undefined entity",)),
        ("<p>" * 300 + "</p>" * 300, ("<p>", "inside of each other")),
        ("Hi [pause] you", ("[pause]", "column 4")),
        ("Hi [pause soon] you", ("[pause soon]", "column 4")),
        ("Hi [pause -1] you", ("[pause -1]",)),
        ("Hi [pause 1 you", ("[pause", "column 4", "closing")),
    ],
)  # fmt: skip
def test_one_error_names_the_tag_and_its_place(text: str, told: tuple[str, ...]) -> None:
    with pytest.raises(MarkupError) as error:
        parse_markup(text, "ssml")
    message = str(error.value)
    assert "\n" not in message and len(message) < 300
    for part in told:
        assert part in message, message


def test_options_and_nothing_to_say(tts: TTS) -> None:
    with pytest.raises(UsageError, match="none, plain, pauses or ssml, not 'html'"):
        tts.stream(TEXT, markup="html")
    for text in ("<break time='1s'/>", "<speak/>", "<speak> <p> </p> </speak>"):
        with pytest.raises(TextError):
            tts.synthesize(text, markup="ssml")


def test_nested_styles_multiply() -> None:
    (phones,) = sentences(
        "one <prosody rate='80%' pitch='+2st' volume='-6dB'>two <prosody rate='50%'>three"
        "</prosody> four</prosody> five"
    )
    assert phones.styles[0] == phones.styles[-1] == PLAIN
    two, three, four = phones.styles[1:4]
    assert two == four == Style(0.8, 2 ** (2 / 12), -6.0)
    assert three == Style(pytest.approx(0.4), two.pitch, -6.0)


def test_rate_pitch_and_volume_of_a_part(tts: TTS) -> None:
    plain = tts.synthesize("one two three")
    slow = tts.synthesize("one <prosody rate='50%'>two</prosody> three", markup="ssml")
    length = [word.end - word.start for word in plain.words]
    found = [word.end - word.start for word in slow.words]
    assert found[1] > 1.5 * length[1]
    assert abs(found[0] - length[0]) < 0.041 and abs(found[2] - length[2]) < 0.041

    quiet = tts.synthesize("one <prosody volume='silent'>two</prosody> three", markup="ssml")
    rate = tts.sample_rate
    first = round((quiet.words[1].start + 0.01) * rate)
    last = round((quiet.words[2].start - 0.03) * rate)
    assert not np.abs(quiet.samples[first:last]).any()
    begin = round((quiet.words[1].start - 0.03) * rate)
    np.testing.assert_array_equal(quiet.samples[:begin], plain.samples[:begin])

    phones = sentences("one <prosody pitch='+12st'>wonderful</prosody> three")
    voice = tts.voice("default")
    request = tts.acoustic.request(phones, [voice])
    assert request.shift is not None and request.durations is not None
    frames = np.repeat(np.arange(len(phones[0].ids)), request.durations[0].tolist())
    height = request.shift[0, :, -2]
    _, (_, a, b), _ = phones[0].words
    inside = np.flatnonzero((frames >= a) & (frames < b))
    # An octave is two units of the pitch channel; it moves within a few frames.
    assert float(height[inside].max()) == pytest.approx(2.0)
    assert float(height[: inside[0] - 2].abs().max()) == 0
    assert not request.shift[..., :-2].any()


def test_batches_and_streams_agree(tts: TTS) -> None:
    text = "Hi <break time='1.5s'/> <prosody volume='loud' rate='slow'>you there</prosody>. Go on!"
    voice, options = tts.voice("default"), Options(markup="ssml")
    utterances = [
        Utterance(phones, voice, options, number)
        for number, phones in enumerate(tts.sentences(text, markup="ssml"))
    ]
    together = tts.renderer.render_batch(utterances)
    alone = [list(tts.say(t.phones, voice, options, t.number, 5)) for t in utterances]
    for one, many in zip(alone, together, strict=True):
        whole = joined(one, tts.sample_rate)
        np.testing.assert_allclose(whole.samples, many.samples, atol=2e-4)
        assert whole.words == many.words
    gains = [chunk.gain for chunk in alone[0] if chunk.words or chunk.gain is not None]
    assert together[0].gain is not None
    made = np.concatenate([gain for gain in gains if gain is not None])
    np.testing.assert_allclose(made, together[0].gain[: len(made)], atol=1e-6)


def test_captions_show_the_text_without_tags() -> None:
    text = "<speak>Tom &amp; <emphasis>Jo</emphasis> [pause 1] ran.</speak>"
    shown = without_tags(text, "ssml")
    assert len(shown) == len(text)
    assert shown.replace(REMOVED, "").split() == ["Tom", "&", "Jo", "ran."]
    for at, character in enumerate(shown):
        assert character in (" ", REMOVED, text[at])


def test_command_line(tiny_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, times = tmp_path / "out.wav", tmp_path / "out.json"
    text = "Hi <break time='1s'/> you."
    given = ["synthesize", text, "-o", str(out), "--timestamps", str(times), "-q"]
    assert run([*given, "--ssml"]) == 0
    one, two = json.loads(times.read_text())["words"]
    assert two["start"] - one["end"] == pytest.approx(1.0, abs=0.03)
    assert run(["synthesize", "Hi [pause 1] you", "-o", str(out), "--markup", "pauses", "-q"]) == 0
    out.unlink()
    assert run(["synthesize", "Hi <brake/>", "--ssml", "-o", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "<brake> at line 1, column 4" in error
    assert run(["synthesize", "Hi", "--markup", "html", "-o", str(out)]) == 2
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "markup", "fits"),
    [
        ("Hi [pause 30][pause 30] you", "pauses", True),
        ("Hi [pause 40] [pause 40] you", "pauses", False),
        ("Hi [pause 40]. ... [pause 40] You", "pauses", False),
        ("Hi [pause 40] 🙂 [pause 40] you", "pauses", False),
        ("[pause 40] [pause 40] Hi", "pauses", False),
        ("Hi [pause 40] [pause 40]", "pauses", False),
        ("<p>Hi<break time='40s'/></p><p><break time='40s'/>you</p>", "ssml", False),
        ("Hi [pause 40] to [pause 40] you", "pauses", True),
        ("Hi [pause 40] & [pause 40] you", "pauses", True),
    ],
)
def test_pauses_at_one_place_are_a_minute_together(text: str, markup: str, fits: bool) -> None:
    if fits:
        assert sum(sum(p.breaks.values()) for p in sentences(text, markup)) > 50
    else:
        with pytest.raises(MarkupError, match="60 s are the most at one place"):
            sentences(text, markup)


def test_long_pauses_come_in_short_pieces(tts: TTS) -> None:
    source = (
        "[pause 20] Hi [pause 30] <prosody volume='soft'>you</prosody>. [pause 40] Go. [pause 9]"
    )
    chunks = list(tts.stream(source, markup="ssml"))
    assert max(len(chunk.samples) for chunk in chunks) <= 1.5 * tts.sample_rate
    audio = joined(chunks, tts.sample_rate)
    hi, you, go = audio.words
    assert hi.start == pytest.approx(20, abs=0.03)
    assert you.start - hi.end == pytest.approx(30, abs=0.03)
    assert go.start - you.end == pytest.approx(40, abs=0.03)
    assert audio.seconds - go.end == pytest.approx(9, abs=0.05)
    assert [chunk.text for chunk in chunks if chunk.text] == ["Hi you.", "Go."]
    assert chunks[0].words or chunks[0].text, "what is told comes with the first chunk"


@pytest.mark.parametrize(
    "begin",
    ["<!-- a comment -->", "<!-- a --> <!-- b -->\n", "<![CDATA[5 < 6]]> ", "<?xml version='1.0'?>",
     "<?xml version='1.0' encoding='latin-1'?>\r\n", " \n<?xml version='1.0'?>\n<!-- c -->",
     "\ufeff", "\ufeff<?xml version='1.0'?>", "<?xml-stylesheet href='x'?>"],
)  # fmt: skip
@pytest.mark.parametrize("root", [True, False])
def test_ssml_may_begin_with_what_is_not_said(begin: str, root: bool) -> None:
    inner = "One <emphasis>caf\u00e9</emphasis>."
    if root and "CDATA" in begin:
        inner, begin = begin + inner, ""
    text = begin + (f"<speak>{inner}</speak>" if root else inner)
    (phones,) = sentences(text)
    assert [text[a:b] for a, b in phones.spans][-2:] == ["One", "caf\u00e9"]
    assert phones.styles[-1].gain > 0 == phones.styles[-2].gain
    broken = f"{begin}a\n b <brake/>"
    with pytest.raises(MarkupError, match=f"line {broken.count(chr(10)) + 1}, column 4"):
        parse_markup(broken, "ssml")


def test_many_comments_take_no_time() -> None:
    with pytest.raises(MarkupError):
        parse_markup("<!---->" * 3000 + "<brake/>", "ssml")


@pytest.mark.parametrize(
    ("text", "markup", "told"),
    [
        ("<speak>Hi</speak>", "none", "'<speak>' is read as words: --ssml"),
        ('Hi <break time="1s"/> there', "pauses", "--ssml"),
        ("Ready? [pause 1.5] Go.", "none", "'[pause 1.5]' is read as words: --markup pauses"),
        ("<speak>Hi</speak> [pause 1]", "plain", ""),
        ("Ready? [pause 500ms] Go.", "pauses", ""),
        ("<speak>Hi</speak>", "ssml", ""),
        ("<p>Read <b>this</b>.</p> [pause here] a <break b", "none", ""),
    ],
)
def test_markup_that_was_not_asked_for(
    text: str, markup: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert list(read_sentences(Frontend("en-us"), text, markup))
    lines = [each.getMessage() for each in caplog.records if each.name.startswith("tts.text")]
    assert len(lines) == bool(told)
    assert told in "".join(lines)
