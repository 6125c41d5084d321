"""When words are said, as files: SubRip captions (.srt) and JSON."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict

from tts.audio.files import atomic_output, write_all
from tts.errors import UsageError
from tts.speech import Span

FORMATS = ("srt", "json")
_LINE = 42  # characters: what broadcasters put on one line
_GAP = 0.3  # seconds of silence that end a caption


def to_srt(words: Sequence[Span]) -> str:
    """Captions of up to 42 characters, cut where the speaker pauses."""
    groups: list[list[Span]] = []
    for word in words:
        last = groups[-1] if groups else []
        length = sum(len(w.text) + 1 for w in last) + len(word.text)
        if not last or length > _LINE or word.start - last[-1].end > _GAP:
            groups.append([])
        groups[-1].append(word)
    blocks = [
        f"{number}\n{_clock(group[0].start)} --> {_clock(group[-1].end)}\n"
        f"{' '.join(word.text for word in group)}\n"
        for number, group in enumerate(groups, 1)
    ]
    return "\n".join(blocks)


def _clock(seconds: float) -> str:
    whole = round(seconds * 1000)
    minutes, rest = divmod(whole, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d},{rest % 1000:03d}"


def to_json(words: Sequence[Span], phones: Sequence[Span]) -> str:
    """{"words": [{"text", "start", "end"}, ...], "phones": [...]}, seconds."""
    spans = {"words": words, "phones": phones}
    rows = {
        name: [
            asdict(span) | {"start": round(span.start, 3), "end": round(span.end, 3)}
            for span in each
        ]
        for name, each in spans.items()
    }
    return json.dumps(rows, ensure_ascii=False) + "\n"


def captions(format: str, words: Sequence[Span], phones: Sequence[Span]) -> str:
    """The text of a file of this format.

    Raises:
        UsageError: an unknown format.
    """
    if format == "srt":
        return to_srt(words)
    if format == "json":
        return to_json(words, phones)
    raise UsageError(f"unknown format of timestamps {format!r}; there is: {', '.join(FORMATS)}")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a small text file atomically; errors as `atomic_output`."""
    with atomic_output(path) as file:
        write_all(file, text.encode())
