"""Corpora that exist already when `tts data prepare` is asked for them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tts.data.corpus import MADE_LATER, Corpus
from tts.errors import DataError, UsageError


@dataclass
class Summary:
    """Summary of a prepared corpus: number of utterances, hours of audio, number of speakers, and a
    line per skipped utterance."""

    utterances: int
    hours: float
    speakers: int
    skipped: list[str] = field(default_factory=list)


def existing_summary(
    out: Path, of: str, entries: int, tell: Callable[[str], None]
) -> Summary | None:
    """The summary of an existing corpus that is made of the same; None if there is no corpus, or a
    damaged one.

    Args:
        of: identifies what the corpus is to be made of (tts.data.unfinished.identity).
        entries: how many utterances the manifest has.
        tell: called with a line if there is nothing to do.

    Raises:
        UsageError: the corpus is made of something else.
    """
    try:
        corpus = Corpus(out)
    except DataError:
        return None
    if corpus.meta.get("of") != of:
        later = [name for name in MADE_LATER if (out / name).exists()]
        from_it = f", and {', '.join(later)} made from it" if later else ""
        raise UsageError(
            f"{str(out)!r} holds a corpus of other recordings, or made with other settings, "
            f"code or packages{from_it}: give another folder, or --again to replace it and remove "
            "what was made from it"
        )
    tell(f"{out} is made of the same: nothing to do")
    samples = sum(item.samples for item in corpus.items)
    left_out = "skipped when the corpus was made"
    return Summary(
        len(corpus),
        samples / corpus.sample_rate / 3600,
        len({item.speaker for item in corpus.items}),
        [left_out] * (entries - len(corpus)),
    )
