"""When words are said, as files: SubRip (.srt) and WebVTT (.vtt) captions, and JSON.

They show the text as it was written: `Dr. Smith paid $5`, where "doctor smith paid five dollars" is
said.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from tts.audio.files import write_file
from tts.errors import UsageError
from tts.text.pause_marks import REMOVED
from tts.text.text_input import check_text
from tts.types import Span

FORMATS = ("srt", "vtt", "json")
_LINE = 42  # characters: what broadcasters put on one line, two of which make a caption
_GAP = 0.3  # seconds of silence that end a caption
_REST = 0.05  # and after a dot, which then ends a sentence
_LONGEST = 7.0  # seconds of a caption
_SHORTEST = 1.0  # what one is shown at least, where nothing follows
_SENTENCE, _PHRASE = ".!?…", ",;:—–)"
_QUOTES = "\"'”’»)]"
_LOOSE = re.compile(rf"\s+{REMOVED}+(?=[,.;:!?…)\]}}”’])")
_MARKUP = str.maketrans("", "", "*_#`>|\\")


@dataclass
class Written:
    """A word as it was written, and when it is said.

    Attributes:
        text: without the marks around it; spoken: how it is said; start, end: seconds.
        before, after: marks and quotes that touch it; glued: nothing is between it and the next.
    """

    text: str
    spoken: str
    start: float
    end: float
    before: str = ""
    after: str = ""
    glued: bool = False

    @property
    def shown(self) -> str:
        """With its marks."""
        return f"{self.before}{self.text}{self.after}"

    @property
    def ends(self) -> str:
        """The last mark that is no quote, "" for none."""
        return self.after.rstrip(_QUOTES)[-1:]


def written(words: Sequence[Span], text: str = "") -> list[Written]:
    """Words as they were written; several that one written form stands for ("$5") become one.

    Args:
        text: that the places of the words (`Span.at`) lie in; without it they stand as spoken.

    Raises:
        TextError: `text` is not a string.
    """
    check_text(text or "", pieces=False)
    out: list[Written] = []
    places: list[tuple[int, int]] = []
    for word in words:
        at = word.at if text else None
        if at is None or not 0 <= at[0] < at[1] <= len(text):
            out.append(Written(word.text, word.text, word.start, word.end))
            places.append((-1, -1))
        elif places and at[0] < places[-1][1]:
            last, (first, end) = out[-1], places[-1]
            # Also of words that changed places: "3 May" is said "May third".
            places[-1] = (min(first, at[0]), max(end, at[1]))
            last.text = _line(text[slice(*places[-1])])
            last.spoken, last.end = f"{last.spoken} {word.text}", word.end
        else:
            out.append(Written(_line(text[slice(*at)]), word.text, word.start, word.end))
            places.append(at)
    for number, (first, end) in enumerate(places):
        if first < 0:
            continue
        if number == 0:
            out[0].before = _between(f" {text[:first]}")[1]
        known = number + 1 < len(places) and places[number + 1][0] >= 0
        follows = places[number + 1][0] if known else len(text)
        # What stands at the end opens nothing.
        gap = text[end : max(end, follows)] + ("" if known else " ")
        out[number].after, opening = _between(gap)
        if known:
            out[number].glued = not any(c.isspace() for c in _shown(text[end:follows]))
            out[number + 1].before = opening
    return out


def _line(text: str) -> str:
    return " ".join(text.replace(REMOVED, "").split())


def _shown(gap: str) -> str:
    """Text between two words without what is not shown, and without the blank before a tag that a
    mark follows."""
    return _LOOSE.sub("", gap).replace(REMOVED, "")


def _between(gap: str) -> tuple[str, str]:
    """Text between two words as what follows the first and what opens the second."""
    gap = _shown(gap)
    if gap and not gap.strip("_"):
        return gap, ""  # of a name such as snake_case
    plain = gap.translate(_MARKUP)
    pieces = plain.split()
    head = pieces.pop(0) if pieces and not plain[0].isspace() else ""
    tail = pieces.pop() if pieces and not plain[-1].isspace() else ""
    # Dashes that stand alone are shown, words that are not spoken are not.
    alone = [piece for piece in pieces if not any(c.isalnum() for c in piece)]
    return head + "".join(f" {piece}" for piece in alone), tail


def _groups(words: Sequence[Written]) -> list[list[Written]]:
    """Words of each caption: of one sentence, cut at phrases where it is long."""
    out: list[list[Written]] = []
    group: list[Written] = []
    for number, word in enumerate(words):
        group.append(word)
        while len(group) > 1 and (not _lines(group) or group[-1].end - group[0].start > _LONGEST):
            cut = _cut(group)
            out.append(group[:cut])
            group = group[cut:]
        following = words[number + 1] if number + 1 < len(words) else None
        pause = following is not None and following.start - word.end > _GAP
        # An abbreviation has a dot too, but nobody pauses there.
        rest = following is not None and following.start - word.end > _REST
        over = word.ends in tuple("!?…") or (word.ends == "." and rest)
        if following is None or (not word.glued and (pause or over)):
            out.append(group)
            group = []
    return [each for each in out if each]


def _cut(group: Sequence[Written]) -> int:
    """Where a group that is too long is cut: after a phrase in its second half, or before its last
    word."""
    places = [at for at in range(1, len(group)) if not group[at - 1].glued] or [len(group) - 1]
    phrases = [at for at in places if group[at - 1].ends in tuple(_PHRASE + _SENTENCE)]
    late = [at for at in phrases if len(_joined(group[:at])) >= _LINE // 2]
    return late[-1] if late else places[-1]


def _joined(words: Sequence[Written]) -> str:
    parts = [word.shown + ("" if word.glued else " ") for word in words]
    return "".join(parts).strip()


def _lines(group: Sequence[Written]) -> str:
    """A caption in one or two lines, "" where it does not fit; a single word always does."""
    whole = _joined(group)
    if len(whole) <= _LINE or len(group) == 1:
        return whole
    best: tuple[float, str] | None = None
    for at in range(1, len(group)):
        if group[at - 1].glued:
            continue
        first, second = _joined(group[:at]), _joined(group[at:])
        if max(len(first), len(second)) > _LINE:
            continue
        # Even lines, and rather after a mark.
        cost = abs(len(first) - len(second)) - 12.0 * bool(group[at - 1].ends.strip(" "))
        if best is None or cost < best[0]:
            best = (cost, f"{first}\n{second}")
    return best[1] if best else ""


def _cues(words: Sequence[Span], text: str) -> list[tuple[float, float, str]]:
    groups = _groups(written(words, text))
    out = []
    for number, group in enumerate(groups):
        following = groups[number + 1][0].start if number + 1 < len(groups) else float("inf")
        end = min(max(group[-1].end, group[0].start + _SHORTEST), following)
        out.append((group[0].start, max(end, group[0].start), _lines(group) or _joined(group)))
    return out


def to_srt(words: Sequence[Span], text: str = "") -> str:
    """Captions of one or two lines of up to 42 characters, cut at sentences, pauses and phrases."""
    blocks = [
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{shown}\n"
        for number, (start, end, shown) in enumerate(_cues(words, text), 1)
    ]
    return "\n".join(blocks)


def to_vtt(words: Sequence[Span], text: str = "") -> str:
    """The same as WebVTT."""
    blocks = [
        f"{_clock(start, '.')} --> {_clock(end, '.')}\n{escape(shown, quote=False)}\n"
        for start, end, shown in _cues(words, text)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _clock(seconds: float, mark: str) -> str:
    whole = round(seconds * 1000)
    minutes, rest = divmod(whole, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"


def to_json(words: Sequence[Span], phones: Sequence[Span], text: str = "") -> str:
    """{"words": [{"text", "spoken", "start", "end"}, ...], "phones": [{"text", "start", "end"},
    ...]}, seconds."""
    shown = [
        {"text": word.text, "spoken": word.spoken, **_times(word)} for word in written(words, text)
    ]
    sounds = [{"text": phone.text, **_times(phone)} for phone in phones]
    return json.dumps({"words": shown, "phones": sounds}, ensure_ascii=False) + "\n"


def _times(span: Span | Written) -> dict[str, float]:
    return {"start": round(span.start, 3), "end": round(span.end, 3)}


def captions(format: str, words: Sequence[Span], phones: Sequence[Span], text: str = "") -> str:
    """The text of a file of this format.

    Args:
        text: that was said, as it was written.

    Raises:
        UsageError: an unknown format.
    """
    if format == "srt":
        return to_srt(words, text)
    if format == "vtt":
        return to_vtt(words, text)
    if format == "json":
        return to_json(words, phones, text)
    raise UsageError(f"unknown format of timestamps {format!r}; there is: {', '.join(FORMATS)}")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a small text file; see tts.audio.files.write_file."""
    write_file(path, text.encode())
