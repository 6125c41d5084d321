"""The decoder of models over a codec of waveforms: that codec, and no vocoder."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from tts.generators.base import Request
from tts.generators.conditioning import AlignmentResult
from tts.generators.wave_space import FEATURE_RATE, WaveSpace
from tts.pipeline.feature_decoder import FADE_FRAMES, FIRST_FRAMES


class WaveDecoder:
    """A `Decoder` that hands latents to the codec they are of.

    Args:
        space: of the codec.
    """

    def __init__(self, space: WaveSpace):
        self.space, self.codec = space, space.codec
        self.sample_rate = space.info.sample_rate
        self.frame_rate = space.frame_rate
        self.fade = FADE_FRAMES / FEATURE_RATE

    def _latents(self, frames: int) -> int:
        """Latents of as much time as so many frames of features, one at least."""
        return max(1, round(frames / FEATURE_RATE * self.space.info.frame_rate))

    def stream(
        self,
        latents: Iterator[Tensor],
        request: Request,
        alignment: AlignmentResult,
        pitch: float,
        chunk_frames: int,
    ) -> Iterator[tuple[Tensor, bool]]:
        """Yield the waveform of one sentence in pieces [n], n >= 1, and whether it is the last.
        What comes last is kept for the end: there it is known to be the last."""
        state = self.codec.init_state(1)
        size = self._latents(min(chunk_frames, FIRST_FRAMES))
        # The last piece has to hold the whole of the closing fade.
        closing = math.ceil(self.fade * self.space.info.frame_rate)
        held: Tensor | None = None
        made = 0
        for piece in latents:
            held = piece if held is None else torch.cat([held, piece], 1)
            while held.shape[1] > size + closing:
                wav, state = self.codec.decode_chunk(self.space.frames(held[:, :size]), state)
                held, size = held[:, size:], self._latents(chunk_frames)
                made += wav.shape[2]
                if wav.shape[2]:
                    yield wav[0, 0].clone(), False
        if held is None:
            return
        wav, _ = self.codec.decode_chunk(self.space.frames(held), state, last=True)
        yield wav[0, 0, : self._samples(request, alignment, 0) - made].clone(), True

    def rows(
        self, latents: Tensor, request: Request, alignment: AlignmentResult, pitch: float
    ) -> list[Tensor]:
        """Waveforms [N] of all rows of latents [B, U, *], each as long as the row itself. Each is
        decoded alone, as what follows its end must not reach into it."""
        out = []
        for row in range(len(latents)):
            samples = self._samples(request, alignment, row)
            count = -(-samples // self.space.info.hop)
            wav = self.codec.decode(self.space.frames(latents[row : row + 1, :count]))
            out.append(wav[0, 0, :samples].clone())
        return out

    def _samples(self, request: Request, alignment: AlignmentResult, row: int) -> int:
        """Samples of a row."""
        # A pointer has its own idea of how long each phone is.
        frames = request.frames if alignment.durations is None else alignment.durations.sum(1)
        return int(frames[row]) * self.space.info.hop // self.space.patch
