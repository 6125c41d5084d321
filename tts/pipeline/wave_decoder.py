"""Decoder over a codec of waveforms: the codec itself, without a vocoder."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from tts.generators.base import Request
from tts.generators.conditioning import AlignmentResult
from tts.generators.wave_space import FEATURE_RATE, WaveSpace
from tts.pipeline.feature_decoder import FADE_FRAMES, FIRST_FRAMES


class WaveDecoder:
    """A `Decoder` that lets the codec decode its own latents.

    Args:
        space: of the codec.
    """

    def __init__(self, space: WaveSpace):
        self.space, self.codec = space, space.codec
        self.sample_rate = space.info.sample_rate
        self.frame_rate = space.frame_rate
        self.fade = FADE_FRAMES / FEATURE_RATE

    def _latents(self, frames: int) -> int:
        """How many latents last as long as so many frames of features; at least one."""
        return max(1, round(frames / FEATURE_RATE * self.space.info.frame_rate))

    def stream(
        self,
        latents: Iterator[Tensor],
        request: Request,
        alignment: AlignmentResult,
        pitch: float,
        chunk_frames: int,
    ) -> Iterator[tuple[Tensor, bool]]:
        """Yield the waveform of one sentence in pieces; see tts.pipeline.ports.Decoder.stream. The
        newest latents are held back until more follow or the latents end, so that the last piece
        is known as the last."""
        state = self.codec.init_state(1)
        size = self._latents(min(chunk_frames, FIRST_FRAMES))
        # The last piece has to be as long as the fade-out.
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
        """Waveforms [N] of all rows of latents [B, U, *], each as long as its own row. Each row is
        decoded alone, since padding must not reach into it."""
        out = []
        for row in range(len(latents)):
            samples = self._samples(request, alignment, row)
            count = -(-samples // self.space.info.hop)
            wav = self.codec.decode(self.space.frames(latents[row : row + 1, :count]))
            out.append(wav[0, 0, :samples].clone())
        return out

    def _samples(self, request: Request, alignment: AlignmentResult, row: int) -> int:
        """Samples of a row."""
        # A pointer may have found other durations than those of the request.
        frames = request.frames if alignment.durations is None else alignment.durations.sum(1)
        return int(frames[row]) * self.space.info.hop // self.space.patch
