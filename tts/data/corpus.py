"""A packed corpus, the training data that `tts data prepare` writes.

Folder layout (all little-endian):
    items.jsonl     one object per utterance: id, speaker, text, offset, samples, phones, mods and
                    words (index of the first token of each word)
    audio.i16       all utterances one after another, int16 mono at `sample_rate`
    f0.f32          F0 in Hz at frame boundaries (0 = unvoiced), samples/hop + 1 per utterance
    features.f16    [frames, 82] source-filter features (tts_codecs.envelope), added later with the
                    pitch network of a trained vocoder
    speaker.f32     [items, 256] speaker embeddings of whole utterances
    speaker_warped.f32  [items, warps, 256] embeddings of frequency-warped copies (optional)
    coded/          codes or latents of waveform codecs (tts.data.coded), computed when a generator
                    over such a codec is trained
    cache.json      sample_rate, hop, source and attribution
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, overload

import numpy as np

from tts.errors import DataError, UsageError
from tts.resources import nearest
from tts.text.names import speaker_name
from tts_codecs.envelope import CHANNELS

SPEAKER_DIM = 256
ARRAYS = ("audio.i16", "f0.f32", "speaker.f32")
#: files that `tts data features`, `vtlp` and `align` add, in addition to those in coded/
MADE_LATER = ("durations.json", "features.f16", "speaker_warped.f32")
#: files that `tts data prepare` replaces or removes
FILES = ("manifest.tsv", "cache.json", "items.jsonl", *ARRAYS, *MADE_LATER)
#: largest number of speakers that an error message lists
_LISTED = 20
#: endings of the files in coded/
CODED = ("u16", "u32", "f16")


@dataclass
class Item:
    """One utterance.

    Attributes:
        id: name, unique in the corpus.
        speaker: name of the speaker, normalised (tts.text.names).
        text: transcript.
        offset, samples: position and length in audio.i16, in samples.
        frame_offset: position in f0.f32.
        phones, mods: phone and modifier of each token.
        words: index of the first token of each word.
    """

    id: str
    speaker: str
    text: str
    offset: int
    samples: int
    frame_offset: int = 0
    phones: list[int] = field(default_factory=list)
    mods: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.speaker = speaker_name(self.speaker)


class Corpus:
    """Read access to a packed corpus. Arrays are memory-mapped, so that processes share them.

    Raises:
        DataError: the folder is not a prepared corpus, or is incomplete or damaged.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        try:
            self.meta = json.loads((self.folder / "cache.json").read_text(encoding="utf-8"))
            lines = (self.folder / "items.jsonl").read_text(encoding="utf-8").split("\n")
            self.sample_rate: int = self.meta["sample_rate"]
            self.hop: int = self.meta["hop"]
            self.items = [Item(**json.loads(line)) for line in lines if line]
            samples = self._locate_items()
            frames = sum(item.samples // self.hop + 1 for item in self.items)
        except OSError as error:
            raise DataError(
                f"{folder} is not a prepared corpus ({error.strerror}); run `tts data prepare`"
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError) as error:
            raise DataError(
                f"{folder} is damaged ({error}); run `tts data prepare` again"
            ) from error
        self._features: np.ndarray | None = None
        self._warped: np.ndarray | None = None
        self._durations: dict[str, list[int]] | None = None
        self._audio: np.ndarray | None = self._array("audio.i16", "<i2", samples)
        self._f0: np.ndarray | None = self._array("f0.f32", "<f4", frames)
        table = self._array("speaker.f32", "<f4", SPEAKER_DIM * len(self.items))
        self._speaker = table.reshape(-1, SPEAKER_DIM)

    def _locate_items(self) -> int:
        """Check `offset` of all items, and set their `frame_offset`; return the total number of
        samples."""
        samples = frames = 0
        for item in self.items:
            if item.offset != samples or item.samples < 0:
                raise ValueError(f"{item.id} is not where the one before it ends")
            item.frame_offset = frames
            samples += item.samples
            frames += item.samples // self.hop + 1
        return samples

    def _array(self, name: str, kind: str, length: int) -> np.ndarray:
        path = self.folder / name
        try:
            if length and path.stat().st_size == length * np.dtype(kind).itemsize:
                return np.memmap(path, dtype=kind, mode="r")
        except OSError:
            pass  # missing or unreadable, which is reported below like a wrong size
        raise DataError(f"{self.folder} is incomplete ({name}); run `tts data prepare` again")

    def __len__(self) -> int:
        return len(self.items)

    def fingerprint(self) -> str:
        """Checksum that identifies the corpus: of the length, one frame and the speaker embedding
        of every utterance.

        Speaker embeddings depend on whole utterances; reading all audio would take minutes.
        """
        digest = hashlib.sha256()
        for index, item in enumerate(self.items):
            digest.update(f"{item.id}\n{item.samples}\n".encode())
            digest.update(self.audio(index, self.frames(index) // 2, 1).tobytes())
        digest.update(np.ascontiguousarray(self._speaker).tobytes())
        return digest.hexdigest()

    def frames(self, index: int) -> int:
        """Number of mel frames of an utterance."""
        return self.items[index].samples // self.hop

    def audio(self, index: int, start: int = 0, frames: int | None = None) -> np.ndarray:
        """Samples of `frames` frames from frame `start` on (by default all), float32 in -1..1."""
        item = self.items[index]
        count = self.frames(index) - start if frames is None else frames
        begin = item.offset + start * self.hop
        if self._audio is None:
            raise DataError(f"{self.folder} holds no audio: pack it with --audio")
        return self._audio[begin : begin + count * self.hop].astype(np.float32) / 32768.0

    def samples(self, index: int) -> np.ndarray:
        """All samples of an utterance, int16, including those after its last complete frame."""
        if self._audio is None:
            raise DataError(f"{self.folder} holds no audio: pack it with --audio")
        item = self.items[index]
        return np.array(self._audio[item.offset : item.offset + item.samples])

    def f0(self, index: int, start: int = 0, frames: int | None = None) -> np.ndarray:
        """F0 in Hz at the end of each frame (0 = unvoiced), float32 [frames]."""
        count = self.frames(index) - start if frames is None else frames
        begin = self.items[index].frame_offset + start + 1
        if self._f0 is None:
            raise DataError(f"{self.folder} holds no audio: pack it with --audio")
        return np.array(self._f0[begin : begin + count])

    def features(self, index: int, start: int = 0, frames: int | None = None) -> np.ndarray:
        """Source-filter features, float32 [frames, channels]; DataError if they were not computed
        yet."""
        if self._features is None:
            path = self.folder / "features.f16"
            total = sum(item.samples for item in self.items) // self.hop * CHANNELS
            if not path.is_file() or path.stat().st_size != 2 * total:
                raise DataError(
                    f"{self.folder} has no features; run `tts data features` with a vocoder"
                )
            self._features = np.memmap(path, dtype="<f2", mode="r").reshape(-1, CHANNELS)
        begin = self.items[index].offset // self.hop + start
        count = self.frames(index) - start if frames is None else frames
        return self._features[begin : begin + count].astype(np.float32)

    def vtlp_speaker(self, index: int, warp: int) -> np.ndarray | None:
        """Speaker embedding of an utterance warped by VTLP_FACTORS[warp] (tts.data.vtlp), float32
        [256]; None if the corpus has none."""
        table = self._warped_table()
        return None if table is None else np.array(table[index, warp])

    @property
    def vtlp_copies(self) -> int:
        """Number of warped copies per utterance for which there are embeddings; 0 for none."""
        table = self._warped_table()
        return 0 if table is None else table.shape[1]

    def _warped_table(self) -> np.ndarray | None:
        path = self.folder / "speaker_warped.f32"
        if self._warped is None and path.is_file():
            size = path.stat().st_size
            if not size or size % (4 * SPEAKER_DIM * len(self.items)):
                raise DataError(
                    f"{path} is of another corpus, or damaged: run `tts data vtlp` again"
                )
            table = np.memmap(path, dtype="<f4", mode="r")
            self._warped = table.reshape(len(self.items), -1, SPEAKER_DIM)
        return self._warped

    @overload
    def durations(self, required: Literal[True] = True) -> dict[str, list[int]]: ...
    @overload
    def durations(self, required: Literal[False]) -> dict[str, list[int]] | None: ...
    def durations(self, required: bool = True) -> dict[str, list[int]] | None:
        """Frames of each token by the id of an utterance, as `tts train` of the aligner wrote them.

        Raises:
            DataError: there are none, and they are `required`.
        """
        path = self.folder / "durations.json"
        if self._durations is not None:
            return self._durations
        if path.is_file():
            try:
                durations = json.loads(path.read_text())
                if not isinstance(durations, dict) or not all(map(_counts, durations.values())):
                    raise ValueError("not frames by utterance")
                return durations
            except ValueError as error:
                raise DataError(f"{path} is damaged: align the corpus again") from error
        if required:
            raise DataError(
                f"{self.folder} has no durations.json: align the corpus first "
                f"(`tts data align {self.folder}`)"
            )
        return None

    def speaker(self, index: int) -> np.ndarray:
        """Speaker embedding of an utterance, float32 [256]."""
        return np.array(self._speaker[index])


def _counts(frames: object) -> bool:
    """Whether these are frames of tokens."""
    return isinstance(frames, list) and all(type(n) is int and n >= 0 for n in frames)


def speakers_of(corpus: Corpus, names: Iterable[str]) -> frozenset[str]:
    """Normalised names of speakers of a corpus that are to be left out.

    Raises:
        UsageError: the corpus has no such speaker. A misspelt name would otherwise keep a speaker
            who was to be left out.
    """
    left_out = frozenset(map(speaker_name, names))
    known = {item.speaker for item in corpus.items}
    for name in sorted(left_out - known):
        hint = nearest(name, known)
        if len(known) > _LISTED and "did you mean" not in hint:
            hint = f", but {len(known)} others"
        raise UsageError(f"{corpus.folder} has no speaker {name!r} to leave out{hint}")
    return left_out
