"""Speaker adaptation: fine-tuning of a generator to a voice in some seconds.

The generator takes a few dozen training steps on random spans of the recording. Each span has
another one as its prompt, so that the voice is learned and not one sentence. No transcript is
needed: the phone recognizer finds phones and durations (a Viterbi search with a penalty for
changes). The change of the weights is then compressed to low-rank factors (tts.tuning.low_rank).

The voice carries these factors. When the voice speaks, the model makes the adapted generator of
them (tts.tuning.adapted_generators). The model's own generator does not change, so threads and
batches may mix voices.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from tts.config import ModelConfig
from tts.errors import UsageError, VoiceError
from tts.generators.base import Request
from tts.generators.generator import Generator
from tts.generators.latent_space import LatentSpace, padded_with_mean
from tts.modules.voice_prompt import VoicePrompt
from tts.progress import Progress
from tts.registry import load_module
from tts.text.tokens import collate_tokens
from tts.tuning.low_rank import compress
from tts.voice.profile import VoiceShifts
from tts.voice.reading import AlignedRecording, align_recording, align_transcript
from tts.voice.tuning import Tuning
from tts.voice.voice import Voice
from tts_codecs.vocoder.source_filter import SourceFilterVocoder


class TunedModel(Protocol):
    """The parts of a model that adaptation uses (tts.pipeline.acoustic.AcousticModel).

    Attributes:
        config: configuration of the model.
        device: PyTorch device.
        shifts: phone probe and profile; None for a model without them.
        latent_space: codec between features and latents.
        vocoder: vocoder of the features.
    """

    config: ModelConfig
    device: str
    shifts: VoiceShifts | None
    latent_space: LatentSpace
    vocoder: SourceFilterVocoder


#: least seconds of speech for an adaptation
MIN_SECONDS = 2.5
#: training losses, the initialisation of new layers and the SVD draw from PyTorch's global random
#: generator, which threads share
_TRAINING_LOCK = threading.Lock()
#: parts of the names of weights that have a row for each symbol (tts.modules.phone_encoder) or code
#: (tts.generators.heads.categorical)
TABLES = "phones.symbol", "phones.modifier", "head.table", "head.shared", "head.bias"


@dataclass(frozen=True)
class AdaptationOptions:
    """Options of the training.

    Attributes:
        steps: steps of the optimizer (AdamW).
        lr: peak learning rate.
        averaged: share of the steps, the last ones, over which the weights are averaged. Otherwise
            the gradient noise of so few batches is audible.
        share: share of the learned change that a strength of 1 applies. All of it is hardly nearer
            to the person in words other than those of the recording, and less clear.
        seconds: seconds of speech from which on `share` is applied in full. With less speech it
            falls in proportion, since little speech tells more about its words than about the
            person.
        rows: spans in a batch.
        frames: most frames of a span.
        weight_bytes: most bytes of the factors, in half precision.
        seed: seed of the choice of spans and of all noise.
    """

    steps: int = 60
    lr: float = 5e-4
    averaged: float = 0.5
    share: float = 0.8
    seconds: float = 5.0
    rows: int = 4
    frames: int = 180
    weight_bytes: int = 850_000
    seed: int = 0


def parse_strength(value: object) -> float:
    """Return the strength that a table or a form gives as yes, no, or a number from 0 to 1.

    Raises:
        UsageError: it is none of these.
    """
    known = {"": 0.0, "no": 0.0, "false": 0.0, "yes": 1.0, "true": 1.0}
    text = "" if value is None else str(value).strip().lower()
    try:
        found = known[text] if text in known else float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise UsageError(f"adapt is yes, no, or a strength from 0 to 1, not {value!r}")
    return found


class _Losses(nn.Module):
    """The training losses of a generator as a function of its weights."""

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator

    def forward(self, request: Request, features: Tensor, latents: Tensor) -> Tensor:
        losses = self.generator.loss(request, features, latents)
        return torch.stack([2 * v if k == "prior" else v for k, v in losses.items()]).sum()


def adapt(
    model: TunedModel,
    voice: Voice,
    recordings: Sequence[Tensor],
    options: AdaptationOptions | None = None,
    strength: float = 1.0,
    progress: Progress | None = None,
    transcript: str = "",
) -> Voice:
    """Adapt the generator of a model to a voice.

    Args:
        model: the model.
        voice: the voice, encoded from the recordings.
        recordings: features [T, C] of each recording of the person.
        options: options of the training; the defaults if None.
        strength: 0 to 1, how much of the learned change is used in synthesis.
        progress: called before every step; an exception that it raises stops the training.
        transcript: words of a single recording, which are used if they fit the recording. The entry
            "learned" in the metadata of the voice is "words" then, otherwise "sounds".

    Returns:
        The voice with factors for the generator. It is not calibrated.

    Raises:
        UsageError: a strength out of range, or a model that cannot be adapted.
        VoiceError: less than 2.5 s of speech.
    """
    options = options or AdaptationOptions()
    if not 0 <= strength <= 1:
        raise UsageError(f"strength {strength} is out of range: 0 to 1")
    shifts = model.shifts
    if shifts is None:
        raise UsageError(f"voices of {model.config.name!r} cannot be adapted")
    known = shifts.profile.phones
    recordings = [each.to(model.device) for each in recordings]
    aligned = [align_recording(shifts.recognizer, each, known) for each in recordings]
    from_transcript = None
    if transcript and len(recordings) == 1:
        from_transcript = align_transcript(
            shifts.probe, recordings[0], known, transcript, model.config.language
        )
        aligned = [from_transcript] if from_transcript else aligned
    frames = sum(each.spoken for each in aligned)
    seconds = frames * model.vocoder.hop / model.vocoder.sample_rate
    if seconds < MIN_SECONDS:
        raise VoiceError(
            f"adapting needs {MIN_SECONDS:g} s of speech and the recording holds {seconds:.1f}: "
            "give a longer one, or use the voice without adapting"
        )
    with _TRAINING_LOCK:
        generator = cast(Generator, load_module(model.config.generator, model.device, "generator"))
        if seconds < options.seconds:
            options = replace(options, share=options.share * seconds / options.seconds)
        learned = _learn(model, generator, voice, aligned, options, progress)
        factors = compress(learned, options.weight_bytes)
    voice = replace(voice, meta={**voice.meta, "learned": "words" if from_transcript else "sounds"})
    return voice.tuned(Tuning(shifts.generator, None, factors, strength))


def _learn(
    model: TunedModel,
    generator: Generator,
    voice: Voice,
    aligned: Sequence[AlignedRecording],
    options: AdaptationOptions,
    progress: Progress | None,
) -> dict[str, Tensor]:
    """Train, and return what a strength of 1 adds to each weight, by name."""
    base = {name: value.detach() for name, value in generator.named_parameters()}
    added = {
        name: torch.zeros_like(value, requires_grad=True)
        for name, value in base.items()
        if is_adapted(name)
    }
    first_averaged = min(int(options.steps * (1 - options.averaged)), options.steps - 1)
    averaged_share = options.share / (options.steps - first_averaged)
    mean = {name: torch.zeros_like(base[name]) for name in added}
    optimizer = torch.optim.AdamW(
        list(added.values()), lr=options.lr, weight_decay=0.0, fused=model.device == "cpu"
    )
    losses = _Losses(generator.train())
    spans = _Spans(aligned, voice.speaker.to(model.device), options)
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(options.seed)
        for step in range(options.steps):
            if progress is not None:
                progress(step, options.steps)
            request, features, latents = _targets(model, *spans.batch())
            weights = {
                f"generator.{name}": value + added[name] if name in added else value
                for name, value in base.items()
            }
            loss = torch.func.functional_call(losses, weights, (request, features, latents))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(added.values(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = options.lr * _lr_factor(step, options.steps)
            optimizer.step()
            if step >= first_averaged:
                for name, value in added.items():
                    mean[name] += value.detach() * averaged_share
    if progress is not None:
        progress(options.steps, options.steps)
    return mean


def _lr_factor(step: int, steps: int) -> float:
    """Return the factor of the learning rate: a short warm-up and a linear decay."""
    return min(1.0, (step + 1) / 4) * (1 - 0.7 * step / steps)


def _targets(
    model: TunedModel, request: Request, features: Tensor
) -> tuple[Request, Tensor, Tensor]:
    """Return a request, its features [B, T, C] as the generator makes them, without the shifts of
    its phones, and their latents."""
    shifts = model.shifts
    assert shifts is not None
    deviations = shifts.deviations(request.prompt)
    if deviations is not None:
        assert request.durations is not None
        features = features - shifts.profile.frames(
            deviations.clone(), request.tokens, request.durations, features.shape[1]
        )
    features = padded_with_mean(features, request.frames, request.prompt)
    return request, features, model.latent_space.encode(features, request.prompt)


class _Spans:
    """Batches of random spans of recordings, with prompts from anywhere in the recordings.

    Args:
        aligned: the recordings, of which long ones are chosen more often.
        speaker: [D], the speaker embedding.
        options: options of the training.
    """

    def __init__(
        self, aligned: Sequence[AlignedRecording], speaker: Tensor, options: AdaptationOptions
    ):
        self.aligned, self.speaker, self.options = aligned, speaker, options
        lengths = np.array([len(each.features) for each in aligned], dtype=float)
        self._share = lengths / lengths.sum()
        self._rng = np.random.default_rng(options.seed)

    def batch(self) -> tuple[Request, Tensor]:
        """Return a batch: the request, and its features [B, T, C]."""
        rng, options = self._rng, self.options
        tokens, durations, features, prompts = [], [], [], []
        for index in rng.choice(len(self.aligned), options.rows, p=self._share):
            each = self.aligned[index]
            first, last = each.stretch(rng, options.frames)
            aligned = each.tokens
            begin = sum(aligned.durations[:first])
            frames = aligned.durations[first:last]
            tokens.append((aligned.ids[first:last], aligned.mods[first:last]))
            durations.append(torch.tensor(frames))
            features.append(each.features[begin : begin + sum(frames)])
            prompts.append(self._prompt())
        device = self.speaker.device
        lengths = torch.tensor([len(each) for each in prompts], device=device)
        prompt = VoicePrompt(
            self.speaker.expand(options.rows, -1), pad_sequence(prompts, batch_first=True), lengths
        )
        request = Request(
            collate_tokens(tokens).to(device),
            prompt,
            pad_sequence(durations, batch_first=True).to(device),
        )
        return request, pad_sequence(features, batch_first=True)

    def _prompt(self) -> Tensor:
        """Return the features [T, C] of a prompt."""
        rng = self._rng
        source = self.aligned[int(rng.choice(len(self.aligned), p=self._share))].features
        size = int(rng.integers(min(100, len(source) // 2), min(300, len(source)) + 1))
        start = int(rng.integers(len(source) - size + 1))
        return source[start : start + size]


def is_adapted(name: str) -> bool:
    """Return whether a weight of a generator is adapted, by its name. All are but the tables of
    symbols and codes, of which a recording holds too few."""
    return not any(part in name for part in TABLES)
