"""The renderer: sentences to audio through the ports of a pipeline, streamed or in batches.

Everything that speaks goes through it: the command line, streams, batches, the server, the demo and
the evaluation.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tts.errors import UsageError
from tts.generators.base import SamplingOptions
from tts.generators.conditioning import AlignmentResult
from tts.pipeline.ports import Pipeline
from tts.prosody.style import silence, with_volume_and_breaks
from tts.text.symbols import Phones
from tts.types import Chunk, Options, joined, spans_of
from tts.voice.voice import Voice

#: largest number of sentences in a batch by device; a CPU gains nothing from batches that its cache
#: cannot hold
MAX_UTTERANCES = {"cpu": 8, "cuda": 64}
#: largest number of phones in a batch, padding included: memory stays under a gigabyte
MAX_PHONES = 6000


@dataclass(frozen=True)
class Utterance:
    """One sentence of a text, in a voice. `number` is its index in the text; its own random seed
    follows from this and the seed of the options."""

    phones: Phones
    voice: Voice
    options: Options
    number: int = 0


class Fade:
    """Linear fade-in and fade-out of a sentence that comes in pieces. Without them the onset of a
    noisy voice is heard as a consonant, and its end as a click."""

    def __init__(self, samples: int, device: torch.device):
        self.ramp = torch.linspace(0, 1, samples, device=device)
        self.begun = 0

    def __call__(self, wave: Tensor, last: bool) -> Tensor:
        """Fade the next piece [n] in place; the last one may be shorter than the ramp."""
        rising = self.ramp[self.begun : self.begun + len(wave)]
        wave[: len(rising)] *= rising
        self.begun += len(wave)
        if last:
            count = min(len(self.ramp), len(wave))
            wave[len(wave) - count :] *= self.ramp.flip(0)[len(self.ramp) - count :]
        return wave


class Renderer:
    """Sentences to audio.

    Args:
        name: of the model, for messages.
        pipeline: its ports; sampling: its default options; device: on which it computes.
    """

    def __init__(self, name: str, pipeline: Pipeline[Any], sampling: SamplingOptions, device: str):
        self.name, self.pipeline, self.sampling, self.device = name, pipeline, sampling, device

    def options(self, options: Options) -> SamplingOptions:
        """The model's sampling options with those that a request changes."""
        given = {"steps": options.steps, "temperature": options.temperature}
        changed: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
        sampling = replace(self.sampling, **changed)
        return sampling if options.guidance is None else sampling.guided_by(options.guidance)

    def pause(self, phones: Phones, speed: float) -> NDArray[np.float32]:
        """The silence after a sentence, [N]; pauses that markup sets do not follow the speed."""
        return np.zeros(self._pause_samples(phones, speed), np.float32)

    def _pause_samples(self, phones: Phones, speed: float) -> int:
        seconds = phones.breaks.get(len(phones.words), phones.pause_after / speed)
        return int(seconds * self.pipeline.decoder.sample_rate)

    def check(self, options: Options) -> None:
        """Raise UsageError for options that the model cannot follow."""
        if options.pitch != 1.0 and not self.pipeline.capabilities.pitch:
            raise UsageError(f"{self.name} cannot change the pitch: leave it at 1")

    def stream(self, utterance: Utterance, chunk_frames: int = 25) -> Iterator[Chunk]:
        """One sentence and the pause after it, chunk by chunk; times count from its start.

        Args:
            chunk_frames: frames per chunk from the second on.

        Raises:
            UsageError, VoiceError: options that the model cannot follow, or a voice that it cannot
                speak in.
        """
        self.check(utterance.options)
        return with_volume_and_breaks(self._stream(utterance, chunk_frames), utterance.phones)

    @torch.inference_mode()
    def _stream(self, utterance: Utterance, chunk_frames: int) -> Iterator[Chunk]:
        options, rate = utterance.options, self.pipeline.decoder.sample_rate
        rng = torch.Generator().manual_seed(options.seed_of(utterance.number))
        shown = utterance.phones.text
        for part in self.pipeline.lengths.parts(utterance.phones, utterance.voice, options.speed):
            for chunk in self._stream_part(replace(utterance, phones=part), rng, chunk_frames):
                chunk.text, shown = shown, ""
                yield chunk
            yield from silence(self._pause_samples(part, options.speed), rate)

    def _stream_part(
        self, utterance: Utterance, rng: torch.Generator, chunk_frames: int
    ) -> Iterator[Chunk]:
        """One part of a sentence, generated in one run. Word times come with the first chunk, or
        with the last if the generator finds them itself; every chunk then waits for the next, so
        that the last one is known."""
        ports, options, sampling = self.pipeline, utterance.options, self.options(utterance.options)
        request = ports.lengths.request([utterance.phones], [utterance.voice], [options.speed])
        alignment = AlignmentResult()
        latents = ports.generator.stream(request, utterance.voice, [rng], sampling, alignment)
        times_last = ports.generator.decides_lengths(sampling)
        fade: Fade | None = None
        first, waiting = True, None
        for wave, last in ports.decoder.stream(
            latents, request, alignment, options.pitch, chunk_frames
        ):
            fade = fade or self._fade(wave)
            wave = fade(wave, last)
            chunk = Chunk(wave.float().cpu().numpy(), ports.decoder.sample_rate)
            if first and not times_last:
                self._set_times(chunk, utterance.phones, alignment, 0)
            first = False
            if waiting is not None:
                yield waiting
            waiting = chunk if times_last else None
            if not times_last:
                yield chunk
        if waiting is not None:
            self._set_times(waiting, utterance.phones, alignment, 0)
            yield waiting

    def _fade(self, wave: Tensor) -> Fade:
        """A new fade of the decoder's length, on the device of a waveform."""
        decoder = self.pipeline.decoder
        return Fade(round(decoder.fade * decoder.sample_rate), wave.device)

    def _set_times(
        self, chunk: Chunk, phones: Phones, alignment: AlignmentResult, row: int
    ) -> None:
        """Set the times of words and phones of a sentence in one of its chunks, if known."""
        if self.pipeline.capabilities.word_times and alignment.durations is not None:
            frames = alignment.durations[row].tolist()
            frame = 1 / self.pipeline.decoder.frame_rate
            chunk.words, chunk.phones = spans_of(phones, frames, frame)

    def batches(self, utterances: Sequence[Utterance]) -> list[list[int]]:
        """Group utterances into batches of the same weights and options and of similar length;
        each batch is a list of indices of `utterances`."""
        # Once for each utterance: the checksum of an adapted voice reads all of its factors.
        kinds = [self._kind(utterance) for utterance in utterances]
        most = MAX_UTTERANCES.get(torch.device(self.device).type, MAX_UTTERANCES["cpu"])
        out: list[list[int]] = []
        lengths = [len(utterance.phones) for utterance in utterances]
        for at in sorted(range(len(utterances)), key=lambda n: (kinds[n], lengths[n], n)):
            longest = lengths[at]
            full = out and (
                len(out[-1]) == most
                or (len(out[-1]) + 1) * longest > MAX_PHONES
                or kinds[out[-1][0]] != kinds[at]
            )
            if not out or full:
                out.append([])
            out[-1].append(at)
        return out

    def _kind(self, utterance: Utterance) -> str:
        """Key that is equal for utterances that can share a batch: options, pitch and weights."""
        weights = self.pipeline.generator.group(utterance.voice)
        return repr((self.options(utterance.options), utterance.options.pitch, weights))

    def render_all(self, utterances: Sequence[Utterance]) -> list[Chunk]:
        """Each sentence with its pause as one Chunk whose times count from its start; in batches,
        if the model can."""
        if not self.pipeline.capabilities.batching:
            return [self.render(utterance) for utterance in utterances]
        found: dict[int, Chunk] = {}
        for batch in self.batches(utterances):
            chunks = self.render_batch([utterances[at] for at in batch])
            found.update(zip(batch, chunks, strict=True))
        return [found[at] for at in range(len(utterances))]

    def render(self, utterance: Utterance) -> Chunk:
        """`stream` as one Chunk."""
        return self._joined(self.stream(utterance), utterance.phones)

    def _joined(self, chunks: Iterable[Chunk], phones: Phones) -> Chunk:
        """The chunks of a sentence as one."""
        rate, pieces = self.pipeline.decoder.sample_rate, list(chunks)
        audio, gain = joined(pieces, rate), None
        if any(piece.gain is not None for piece in pieces):
            ones = (np.ones_like(p.samples) if p.gain is None else p.gain for p in pieces)
            gain = np.concatenate(list(ones))
        return Chunk(audio.samples, rate, phones.text, audio.words, audio.phones, gain)

    @torch.inference_mode()
    def render_batch(self, utterances: Sequence[Utterance]) -> list[Chunk]:
        """Sentences that can be generated together (`batches`), each with its pause.

        Each equals what `stream` gives but for rounding (under 1e-3); the same batch gives the same
        bytes.

        Raises:
            UsageError, VoiceError: as `stream`.
        """
        for each in utterances:
            self.check(each.options)
        ports, options = self.pipeline, utterances[0].options
        request = ports.lengths.request(
            [each.phones for each in utterances],
            [each.voice for each in utterances],
            [each.options.speed for each in utterances],
        )
        rngs = [
            torch.Generator().manual_seed(each.options.seed_of(each.number)) for each in utterances
        ]
        alignment, sampling = AlignmentResult(), self.options(options)
        latents = ports.generator.stream(request, utterances[0].voice, rngs, sampling, alignment)
        waves = ports.decoder.rows(torch.cat(list(latents), 1), request, alignment, options.pitch)
        out: list[Chunk] = []
        for row, (utterance, wave) in enumerate(zip(utterances, waves, strict=True)):
            wave = self._fade(wave)(wave, True).float().cpu()
            pause = torch.from_numpy(self.pause(utterance.phones, utterance.options.speed))
            samples = torch.cat([wave, pause]).numpy()
            chunk = Chunk(samples, ports.decoder.sample_rate, utterance.phones.text)
            self._set_times(chunk, utterance.phones, alignment, row)
            out.append(
                self._joined(with_volume_and_breaks([chunk], utterance.phones), utterance.phones)
            )
        return out
