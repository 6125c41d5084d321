"""A corpus as a codec of waveforms codes it: what generators over such a codec learn to make.

It is coded once and kept beside the corpus, as FOLDER/coded/NAME.u16 (codes [latents, K]) or .f16
(numbers [latents, D]); NAME tells which codec, which weights of it, how many codebooks and which
corpus: codes of one that was there before are not taken for those of this one.
"""

import hashlib
import logging
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tts.audio.files import atomic_output, write_all, write_error
from tts.audio.resample import resample
from tts.data.corpus import Corpus
from tts.errors import DataError
from tts.generators.wave_space import FEATURE_RATE, WaveSpace
from tts.prosody.durations import frames_until

log = logging.getLogger(__name__)
#: seconds between two lines about how far it is
_EVERY = 30.0
#: latents that their spread is measured on
_MEASURED = 200_000


class CodedCorpus:
    """Codes or latents of all utterances of a corpus, coded now if they aren't there yet.

    Args:
        space: of the codec; weights: their checksum (tts_codecs.registry.weights_of).

    Attributes:
        scale: factor that gives numbers a variance of 1 (Rombach et al. 2022, latent diffusion), as
            measured; 1 for codes. `cut` applies that of `space`.

    Raises:
        DataError: a corpus without audio, or features of another rate.
        OutputError: it cannot be written.
    """

    def __init__(self, corpus: Corpus, space: WaveSpace, weights: str):
        if corpus.sample_rate / corpus.hop != FEATURE_RATE:
            raise DataError(f"{corpus.folder} has not {FEATURE_RATE:g} frames a second")
        self.corpus, self.space = corpus, space
        info = space.info
        self.width = info.num_codebooks if space.coded else info.dim
        self.lengths = np.array([self._count(index) for index in range(len(corpus))])
        self.offsets = np.cumsum(self.lengths) - self.lengths
        made_of = [weights, info.sample_rate, info.hop, self.width, corpus.fingerprint()]
        digest = hashlib.sha256(" ".join(map(str, made_of)).encode())
        if not space.coded:
            kind, ending = "<f2", "f16"
        else:
            kind, ending = ("<u2", "u16") if info.codebook_size <= 2**16 else ("<u4", "u32")
        path = corpus.folder / "coded" / f"{info.name}-{digest.hexdigest()[:8]}.{ending}"
        shape = (int(self.lengths.sum()), self.width)
        size = shape[0] * shape[1] * np.dtype(kind).itemsize
        if not path.is_file() or path.stat().st_size != size:
            self._write(path, kind)
        self.table: np.ndarray = np.memmap(path, dtype=kind, mode="r", shape=shape)
        self.scale = 1.0
        if not space.coded:
            some = self.table[:: -(-len(self.table) // _MEASURED)].astype(np.float32)
            self.scale = float(1 / max(1e-4, some.std()))

    def _count(self, index: int) -> int:
        """Latents of an utterance."""
        seconds = self.corpus.frames(index) * self.corpus.hop / self.corpus.sample_rate
        samples = -(-seconds * self.space.info.sample_rate // 1)
        return int(-(-samples // self.space.info.hop))

    def _write(self, path: Path, kind: str) -> None:
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise write_error(path.parent, error) from error
        rate, told = self.space.info.sample_rate, time.monotonic()
        with atomic_output(path) as file:
            for index in range(len(self.corpus)):
                samples = self.corpus.audio(index)
                if rate != self.corpus.sample_rate:
                    samples = resample(samples, self.corpus.sample_rate, rate)
                wav = torch.from_numpy(samples)[None, None].to(self.space.codec.device)
                found = self.space.codec.encode(wav).data[0].cpu().numpy()
                # Resampling may round to a sample more or less.
                found = found[: self.lengths[index]]
                short = self.lengths[index] - len(found)
                write_all(file, np.pad(found, ((0, short), (0, 0)), "edge").astype(kind))
                if time.monotonic() - told > _EVERY:
                    told = time.monotonic()
                    log.warning("coding the corpus: %d of %d", index + 1, len(self.corpus))

    def cut(
        self, index: int, begin: int, durations: list[int], features: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A segment on the grid of the codec: it begins with the latent that its first frame lies
        in.

        Args:
            index: of the utterance; begin: its frame at which the segment begins.
            durations: [S] in frames of features; features: [T, C] of the segment.

        Returns:
            durations [S] in frames of the codec, features [T', C] at their places, latents
            [ceil(T' / patch), *], codes as int64.
        """
        patch, factor = self.space.patch, self.space.factor
        last = int(self.lengths[index]) - 1
        first = min(int(begin * factor / patch), last)
        ends = (begin + torch.tensor(durations).cumsum(0)) * factor - first * patch
        frames = frames_until(ends[None], torch.ones(1, len(durations)))[0]
        count = int(frames.sum())
        places = ((first * patch + torch.arange(count) + 0.5) / factor).long() - begin
        rows = np.minimum(first + np.arange(-(-count // patch)), last) + self.offsets[index]
        found = self.table[rows]
        latents = torch.from_numpy(found.astype(np.int64 if self.space.coded else np.float32))
        if not self.space.coded:
            latents = latents * self.space.scale
        return frames, features[places.clamp(0, len(features) - 1)], latents
