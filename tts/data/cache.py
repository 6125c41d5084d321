"""A packed corpus: what training reads, made once by `tts data prepare`.

Folder layout (all little-endian):
    items.jsonl     one object per utterance: id, speaker, text, offset, samples, phones, mods
    audio.i16       all utterances one after another, int16 mono at `sample_rate`
    f0.f32          fundamental in Hz at frame boundaries (0 = unvoiced), samples/hop + 1 each
    speaker.f32     [items, 256] speaker embedding of the whole utterance
    cache.json      sample_rate, hop, source and attribution
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tts.errors import DataError

SPEAKER_DIM = 256


@dataclass
class Item:
    """One utterance. `offset` and `samples` count samples in audio.i16."""

    id: str
    speaker: str
    text: str
    offset: int
    samples: int
    frame_offset: int = 0
    phones: list[int] = field(default_factory=list)
    mods: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)


class Cache:
    """Read access to a packed corpus; arrays are memory-mapped, so many processes share them."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        try:
            self.meta = json.loads((self.folder / "cache.json").read_text())
            lines = (self.folder / "items.jsonl").read_text().splitlines()
        except OSError as error:
            raise DataError(
                f"{folder} is not a prepared corpus ({error.strerror}); run `tts data prepare`"
            ) from error
        self.sample_rate: int = self.meta["sample_rate"]
        self.hop: int = self.meta["hop"]
        self.items = [Item(**json.loads(line)) for line in lines]
        frames = 0
        for item in self.items:
            item.frame_offset = frames
            frames += item.samples // self.hop + 1
        self._audio = np.memmap(self.folder / "audio.i16", dtype="<i2", mode="r")
        self._f0 = np.memmap(self.folder / "f0.f32", dtype="<f4", mode="r")
        total = sum(item.samples for item in self.items)
        if len(self._audio) != total or len(self._f0) != frames:
            raise DataError(f"{folder} is incomplete; run `tts data prepare` again")

    def __len__(self) -> int:
        return len(self.items)

    def frames(self, index: int) -> int:
        """Number of mel frames of an utterance."""
        return self.items[index].samples // self.hop

    def audio(self, index: int, start: int = 0, frames: int | None = None) -> np.ndarray:
        """Samples as float32 in -1..1, from frame `start` on, `frames` frames long."""
        item = self.items[index]
        count = self.frames(index) - start if frames is None else frames
        begin = item.offset + start * self.hop
        return self._audio[begin : begin + count * self.hop].astype(np.float32) / 32768.0

    def f0(self, index: int, start: int = 0, frames: int | None = None) -> np.ndarray:
        """Fundamental in Hz at the END of each frame (0 = unvoiced), float32 [frames]."""
        count = self.frames(index) - start if frames is None else frames
        begin = self.items[index].frame_offset + start + 1
        return np.array(self._f0[begin : begin + count])

    def speaker(self, index: int) -> np.ndarray:
        """Speaker embedding of an utterance, float32 [256]."""
        path = self.folder / "speaker.f32"
        table = np.memmap(path, dtype="<f4", mode="r").reshape(-1, SPEAKER_DIM)
        return np.array(table[index])
