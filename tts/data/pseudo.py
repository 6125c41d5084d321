"""Pseudo-labels: phones of untranscribed recordings, recognized by a phone probe.

For semi-supervised training, the phones that a recognizer finds replace the transcript. The rows
with the highest confidence are used in addition to the few transcribed recordings. They have the
format of tts.data.distillation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tts.audio.reference import load_reference
from tts.data.corpus import Corpus
from tts.data.distillation import Row, RowData, write_rows
from tts.errors import DataError, TTSError
from tts.losses.phone import PhoneProbe
from tts.text.tokens import collate_tokens
from tts.voice.reading import PENALTY, AlignedRecording, align_recording
from tts.voice.speaker import SpeakerEncoder
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

#: smallest number of frames of a row and of a prompt, and largest number of a prompt
_LEAST, _LEAST_PROMPT, _MOST_PROMPT = 50, 25, 200


@dataclass(frozen=True)
class Recording:
    """A recording of one speaker: features [T, C], the speaker embedding [256], and the name of the
    speaker, "" if unknown."""

    features: Tensor
    speaker: Tensor
    name: str = ""


def of_corpus(corpus: Corpus) -> list[Recording]:
    """The recordings of a corpus, without their transcripts."""
    return [
        Recording(
            torch.from_numpy(corpus.features(index)),
            torch.from_numpy(corpus.speaker(index).copy()),
            corpus.items[index].speaker,
        )
        for index in range(len(corpus))
    ]


def of_folder(
    folder: str | Path, vocoder: SourceFilterVocoder, encoder: SpeakerEncoder
) -> list[Recording]:
    """The recordings in a folder and its subfolders. Files that cannot be read are left out.

    Raises:
        DataError: no file is a readable recording.
    """
    recordings = []
    for path in sorted(each for each in Path(folder).rglob("*") if each.is_file()):
        try:
            reference = load_reference(path, vocoder.mel.sample_rate, max_seconds=60.0, trim=False)
        except TTSError:  # no recording, too short, or damaged
            continue
        samples = torch.from_numpy(np.ascontiguousarray(reference.samples))
        whole = samples[: len(samples) // vocoder.mel.hop * vocoder.mel.hop]
        with torch.inference_mode():
            features = vocoder.analyse(whole[None])[0][0].clone()
        recordings.append(Recording(features, encoder.embed(samples)))
    if not recordings:
        raise DataError(f"no recordings in {folder}")
    return recordings


def write_pseudo_labels(
    recordings: Sequence[Recording],
    probe: PhoneProbe,
    phones: Sequence[int],
    folder: str | Path,
    rows: int,
    keep: float = 0.75,
    max_frames: int = 180,
    penalty: float = PENALTY,
    seed: int = 0,
) -> int:
    """Recognize the phones of recordings, and write random excerpts with these as labels.

    Args:
        recordings: to label.
        probe: the phone recognizer.
        phones: ids of the phones that can be recognized.
        folder: to be written.
        rows: largest number of rows.
        keep: fraction of the drawn excerpts that is kept, those with the highest confidence.
        max_frames: longest excerpt.
        penalty: for a change of phone (tts.voice.reading).
        seed: of the random numbers.

    Returns:
        the number of rows.

    Raises:
        DataError: no recording is long enough.
        OutputError: the folder cannot be written.
    """
    long = [each for each in recordings if len(each.features) >= _LEAST]
    if not long:
        raise DataError(f"no recording has a second ({_LEAST} frames) to learn from")
    alignments = [align_recording(probe, each.features, phones, penalty) for each in long]
    rng = np.random.default_rng(seed)
    weights = np.array([len(each.features) for each in long], np.float64)
    weights /= weights.sum()
    drawn: list[tuple[float, RowData]] = []
    for _ in range(math.ceil(rows / keep)):
        at = int(rng.choice(len(long), p=weights))
        near = [long[i] for i in range(len(long)) if i != at and _same(long[i], long[at])]
        # If a voice has only one recording, half of it is left for the prompt.
        most = max_frames if near else min(max_frames, max(_LEAST, len(long[at].features) // 2))
        excerpt = _stretch(alignments[at], rng, most)
        if excerpt is None:
            continue
        row, features, begin = excerpt
        # The voice is that of another recording of the same folder or corpus, where there is one,
        # else of the recording itself, but not of what is to be learned.
        rest = _outside(long[at], begin, begin + row.frames)
        prompt_source = near[int(rng.integers(len(near)))] if near else rest
        if len(prompt_source.features) < _LEAST_PROMPT:
            continue
        prompt = _prompt(prompt_source, rng)
        row.prompt_frames, row.speaker = len(prompt.features), long[at].name
        drawn.append((_error(probe, row, features), (row, features, *_parts(prompt))))
    if not drawn:
        raise DataError("nothing is said in these recordings")
    best = sorted(range(len(drawn)), key=lambda n: drawn[n][0])[: max(1, round(keep * len(drawn)))]

    def chosen() -> Iterator[RowData]:
        for number in sorted(best[:rows]):
            yield drawn[number][1]

    write_rows(folder, chosen())
    return len(best[:rows])


def _stretch(
    recording: AlignedRecording, rng: np.random.Generator, most: int
) -> tuple[Row, Tensor, int] | None:
    """A row of random phones in a row, without its prompt, its features and the frame at which it
    begins; None for a short one."""
    first, last = recording.stretch(rng, most)
    tokens = recording.tokens
    durations = list(tokens.durations[first:last])
    frames = sum(durations)
    if frames < _LEAST or frames > 2 * most:
        return None
    begin = sum(tokens.durations[:first])
    row = Row(list(tokens.ids[first:last]), list(tokens.mods[first:last]), durations, frames, 0)
    return row, recording.features[begin : begin + frames], begin


def _outside(recording: Recording, begin: int, end: int) -> Recording:
    """The longer of what a recording has before and after a stretch of it."""
    before, after = recording.features[:begin], recording.features[end:]
    return Recording(before if len(before) >= len(after) else after, recording.speaker)


def _same(one: Recording, other: Recording) -> bool:
    """Whether two recordings are of one speaker: where it is not known, embeddings of two people
    are rarely that near."""
    if one.name and other.name:
        return one.name == other.name
    return float(torch.dot(one.speaker, other.speaker)) > 0.75


def _prompt(recording: Recording, rng: np.random.Generator) -> Recording:
    """A random stretch of a recording as the prompt of its voice."""
    most = min(_MOST_PROMPT, len(recording.features))
    size = int(rng.integers(min(_LEAST_PROMPT, most), most + 1))
    begin = int(rng.integers(len(recording.features) - size + 1))
    return Recording(recording.features[begin : begin + size], recording.speaker)


def _parts(prompt: Recording) -> tuple[Tensor, Tensor]:
    return prompt.features, prompt.speaker


@torch.inference_mode()
def _error(probe: PhoneProbe, row: Row, features: Tensor) -> float:
    """How unsure the probe is of what it has read."""
    tokens = collate_tokens([(row.ids, row.mods)])
    durations = torch.tensor([row.durations])
    mask = features.new_ones(1, len(features), 1)
    return float(probe.errors(features[None].float(), mask, tokens, durations))
