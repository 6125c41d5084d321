"""Decoder over source-filter features: latents to features, and features to a waveform."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tts.generators.base import Request
from tts.generators.conditioning import AlignmentResult
from tts.generators.latent_space import LatentSpace
from tts.modules.voice_prompt import VoicePrompt
from tts_codecs.envelope import envelope_part, source_part, unpack_pitch
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

#: frames of the first chunk of a sentence, few so that it is heard early
FIRST_FRAMES = 12
FADE_FRAMES = 3


class FeatureDecoder:
    """A `Decoder` by way of source-filter features: latents to features, features to waveform.

    Args:
        latent_space: turns latents [B, u, *] into features [B, T, C].
        vocoder: turns those into a waveform.
    """

    def __init__(self, latent_space: LatentSpace, vocoder: SourceFilterVocoder):
        self.latent_space, self.vocoder = latent_space, vocoder
        self.sample_rate = self.vocoder.sample_rate
        self.frame_rate = self.vocoder.mel.sample_rate / self.vocoder.mel.hop
        self.fade = FADE_FRAMES / self.frame_rate

    def stream(
        self,
        latents: Iterator[Tensor],
        request: Request,
        alignment: AlignmentResult,
        pitch: float,
        chunk_frames: int,
    ) -> Iterator[tuple[Tensor, bool]]:
        """Yield the waveform of one sentence in pieces; see tts.pipeline.ports.Decoder.stream. The
        newest frames are held back until more follow or the latents end, so that the last piece is
        known as the last."""
        features = self._features(latents, request, alignment, chunk_frames)
        state = None
        size = min(chunk_frames, FIRST_FRAMES)
        waiting: Tensor | None = None
        for piece in features:
            waiting = piece if waiting is None else torch.cat([waiting, piece], 1)
            if state is None:
                state = self.vocoder.initial(1, waiting)
            while waiting.shape[1] > size:
                part, waiting = waiting[:, :size], waiting[:, size:]
                f0 = unpack_pitch(source_part(part))
                wav, state, _ = self.vocoder.chunk(envelope_part(part), state, f0, pitch)
                size = chunk_frames
                if wav.shape[1]:
                    yield wav[0], False
        if waiting is None or state is None:
            return
        f0 = unpack_pitch(source_part(waiting))
        wav, state, _ = self.vocoder.chunk(envelope_part(waiting), state, f0, pitch)
        wav = torch.cat([wav, self.vocoder.flush(1, state, pitch, given=True)], 1)
        yield wav[0], True

    def _features(
        self,
        latents: Iterator[Tensor],
        request: Request,
        alignment: AlignmentResult,
        chunk_frames: int,
    ) -> Iterator[Tensor]:
        """Yield features [1, t, C]. Latents are decoded in groups that suffice for a piece, since
        a call per latent costs several times as much."""
        state = self.latent_space.start(request.prompt)
        begin = 0
        enough = min(chunk_frames, FIRST_FRAMES) + 1 + self.latent_space.look_ahead
        held: list[Tensor] = []
        for piece in latents:
            # Only a further latent shows that those held are not the last.
            if sum(part.shape[1] for part in held) * self.latent_space.patch >= enough:
                features, state = self.latent_space.decode(torch.cat(held, 1), state, False)
                yield request.voiced(features, begin)
                begin += features.shape[1]
                held, enough = [], chunk_frames
            held.append(piece)
        features, state = self.latent_space.decode(torch.cat(held, 1), state, True)
        frames = request.frames if alignment.durations is None else alignment.durations.sum(1)
        yield request.voiced(features[:, : int(frames[0]) - begin], begin)

    def rows(
        self, latents: Tensor, request: Request, alignment: AlignmentResult, pitch: float
    ) -> list[Tensor]:
        """Waveforms [N] of all rows of latents [B, U, *], each as long as its own row. The latents
        of each row are decoded alone, since padding must not reach into it; the vocoder runs on all
        rows together."""
        # A pointer may have found other durations than those of the request.
        if alignment.durations is not None:
            request = replace(
                request, durations=alignment.durations, frames=alignment.durations.sum(1)
            )
        features = [self._row(latents, request, row) for row in range(len(latents))]
        envelopes = pad_sequence(
            [envelope_part(each) for each in features],
            batch_first=True,
            padding_value=self.vocoder.silence,
        )
        f0 = pad_sequence([unpack_pitch(source_part(each)) for each in features], batch_first=True)
        wav, _ = self.vocoder(envelopes, f0, pitch)
        hop = self.vocoder.hop
        return [row[: len(each) * hop].clone() for row, each in zip(wav, features, strict=True)]

    def _row(self, latents: Tensor, request: Request, row: int) -> Tensor:
        """Features [T, C] of one row."""
        frames = int(request.frames[row])
        prompt = request.prompt
        one = slice(row, row + 1)
        alone = VoicePrompt(
            prompt.speaker[one],
            prompt.features[one, : int(prompt.lengths[row])],
            prompt.lengths[one],
        )
        count = -(-frames // self.latent_space.patch)
        features, _ = self.latent_space.decode(
            latents[one, :count], self.latent_space.start(alone), True
        )
        return request.voiced(features[:, :frames], row=row)[0]
