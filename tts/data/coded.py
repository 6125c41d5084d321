"""A corpus encoded by a waveform codec: the training targets of generators over that codec.

It is encoded once and saved with the corpus, as FOLDER/coded/NAME.u16 (codes [latents, K]) or .f16
(continuous latents [latents, D]). NAME identifies the codec, its weights, the number of codebooks
and the corpus, so that files of another codec or of a former corpus are not used.
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
#: seconds between two log messages about the progress
_EVERY = 30.0
#: number of latents from which their standard deviation is estimated
_MEASURED = 200_000


class CodedCorpus:
    """Codes or latents of all utterances of a corpus. They are computed if they do not exist yet.

    Args:
        corpus: with audio.
        space: the latent space of the codec.
        weights: checksum of the codec's weights (tts_codecs.registry.weights_of).

    Attributes:
        scale: measured factor that gives continuous latents a variance of 1 (latent diffusion,
            Rombach et al. 2022); 1 for codes. `cut` applies the scale of `space` instead.

    Raises:
        DataError: a corpus without audio, or with another frame rate of features.
        OutputError: the file cannot be written.
    """

    def __init__(self, corpus: Corpus, space: WaveSpace, weights: str):
        if corpus.sample_rate / corpus.hop != FEATURE_RATE:
            raise DataError(f"{corpus.folder} has not {FEATURE_RATE:g} frames a second")
        self.corpus, self.space = corpus, space
        info = space.info
        self.width = info.num_codebooks if space.coded else info.dim
        self.lengths = np.array([self._count(index) for index in range(len(corpus))])
        self.offsets = np.cumsum(self.lengths) - self.lengths
        identity = [weights, info.sample_rate, info.hop, self.width, corpus.fingerprint()]
        digest = hashlib.sha256(" ".join(map(str, identity)).encode())
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
            self.scale = 1 / max(1e-4, float(some.std()))

    def _count(self, index: int) -> int:
        """Number of latents of an utterance."""
        seconds = self.corpus.frames(index) * self.corpus.hop / self.corpus.sample_rate
        samples = -(-seconds * self.space.info.sample_rate // 1)
        return int(-(-samples // self.space.info.hop))

    def _write(self, path: Path, kind: str) -> None:
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise write_error(path.parent, error) from error
        rate, logged = self.space.info.sample_rate, time.monotonic()
        with atomic_output(path) as file:
            for index in range(len(self.corpus)):
                samples = self.corpus.audio(index)
                if rate != self.corpus.sample_rate:
                    samples = resample(samples, self.corpus.sample_rate, rate)
                wav = torch.from_numpy(samples)[None, None].to(self.space.codec.device)
                latents = self.space.codec.encode(wav).data[0].cpu().numpy()
                # After resampling there may be a sample more or less.
                latents = latents[: self.lengths[index]]
                missing = self.lengths[index] - len(latents)
                write_all(file, np.pad(latents, ((0, missing), (0, 0)), "edge").astype(kind))
                if time.monotonic() - logged > _EVERY:
                    logged = time.monotonic()
                    log.warning("coding the corpus: %d of %d", index + 1, len(self.corpus))

    def cut(
        self, index: int, begin: int, durations: list[int], features: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Convert a segment to the frames of the codec. It begins with the latent that contains its
        first frame.

        Args:
            index: of the utterance.
            begin: first frame of the segment in the utterance.
            durations: [S] in feature frames.
            features: [T, C] of the segment.

        Returns:
            durations [S] in codec frames, features [T', C] resampled to codec frames, and latents
            [ceil(T' / patch), *], int64 for codes.
        """
        patch, factor = self.space.patch, self.space.factor
        last = int(self.lengths[index]) - 1
        first = min(int(begin * factor / patch), last)
        ends = (begin + torch.tensor(durations).cumsum(0)) * factor - first * patch
        frames = frames_until(ends[None], torch.ones(1, len(durations)))[0]
        count = int(frames.sum())
        positions = ((first * patch + torch.arange(count) + 0.5) / factor).long() - begin
        rows = np.minimum(first + np.arange(-(-count // patch)), last) + self.offsets[index]
        values = self.table[rows]
        latents = torch.from_numpy(values.astype(np.int64 if self.space.coded else np.float32))
        if not self.space.coded:
            latents = latents * self.space.scale
        return frames, features[positions.clamp(0, len(features) - 1)], latents
