"""Speaker adaptation: fine-tuning of a generator to a voice in some seconds.

The generator takes a few dozen training steps on random spans of the recording. Each has another
span as its prompt, so that the voice is learned and not one sentence. No transcript is needed: the
phone recognizer reads phones and durations (a Viterbi search with a penalty for changes). The
change of the weights is then compressed to low-rank factors of under a megabyte: as in LoRA (Hu et
al. 2021), but by a singular value decomposition after training, which keeps the singular vectors
that matter most across all weights.

The voice carries these factors. A model makes the adapted generator from them when the voice speaks
and keeps the last few. The model's own generator does not change, so threads and batches may mix
voices.
"""

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
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
from tts.quantize import prepare_weights
from tts.registry import load_module
from tts.text.tokens import collate_tokens
from tts.voice.profile import VoiceShifts
from tts.voice.reading import AlignedRecording, align_recording, align_transcript
from tts.voice.tuning import Tuning
from tts.voice.voice import Voice
from tts_codecs.renamed import current_names
from tts_codecs.vocoder.source_filter import SourceFilterVocoder


class TunedModel(Protocol):
    """A model as adaptation sees it (tts.pipeline.acoustic.AcousticModel)."""

    config: ModelConfig
    device: str
    shifts: VoiceShifts | None
    latent_space: LatentSpace
    vocoder: SourceFilterVocoder


LEAST_SECONDS = 2.5
#: training losses, the initialisation of new layers and the SVD draw from PyTorch's global random
#: generator, which threads share
_ONE_AT_A_TIME = threading.Lock()
#: suffixes of the names of the two factors of a matrix
SPLIT = ".a", ".b"
#: parts of the names of weights that have a row for each symbol (tts.modules.phone_encoder) or code
#: (tts.generators.heads.categorical)
TABLES = "phones.symbol", "phones.modifier", "head.table", "head.shared", "head.bias"


@dataclass(frozen=True)
class AdaptationOptions:
    """How a generator is fitted to a voice.

    Attributes:
        steps: of the optimizer; lr: its peak learning rate (AdamW).
        averaged: the last share of the steps, over which the weights are averaged; otherwise the
            gradient noise of so few batches is audible.
        share: how much of the learned change a strength of 1 applies. All of it is hardly nearer to
            the person in words other than the recording's, and less clear.
        seconds: of speech from which on `share` is used in full. With less the share falls in
            proportion, as little speech says more about its words than about the person.
        rows: spans in a step; frames: of each at most.
        weight_bytes: most bytes of the factors, in half precision.
        seed: of the choice of spans and of all noise.
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
    """The strength that a table or a form gives as yes, no, or a number from 0 to 1.

    Raises:
        UsageError: anything else.
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
    """The voice with factors that adapt the generator of `model` to it; not calibrated.

    Args:
        voice: encoded from the recordings.
        recordings: features [T, C] of each recording of the person.
        strength: 0 to 1, how much of the learned change is used in synthesis.
        progress: called before every step; an exception that it raises stops the training.
        transcript: the words of a single recording, which are used if they fit the recording. The
            note "learned" of the voice says "words" then, otherwise "sounds".

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
    told = None
    if transcript and len(recordings) == 1:
        told = align_transcript(
            shifts.probe, recordings[0], known, transcript, model.config.language
        )
        aligned = [told] if told else aligned
    said = sum(each.spoken for each in aligned)
    seconds = said * model.vocoder.hop / model.vocoder.sample_rate
    if seconds < LEAST_SECONDS:
        raise VoiceError(
            f"adapting needs {LEAST_SECONDS:g} s of speech and the recording holds {seconds:.1f}: "
            "give a longer one, or use the voice without adapting"
        )
    with _ONE_AT_A_TIME:
        generator = cast(Generator, load_module(model.config.generator, model.device, "generator"))
        if seconds < options.seconds:
            options = replace(options, share=options.share * seconds / options.seconds)
        learned = _learn(model, generator, voice, aligned, options, progress)
        factors = compress(learned, options.weight_bytes)
    voice = replace(voice, meta={**voice.meta, "learned": "words" if told else "sounds"})
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
    shifts = model.shifts
    assert shifts is not None
    rng = np.random.default_rng(options.seed)
    base = {name: value.detach() for name, value in generator.named_parameters()}
    added = {
        name: torch.zeros_like(value, requires_grad=True)
        for name, value in base.items()
        if adapted(name)
    }
    last = min(int(options.steps * (1 - options.averaged)), options.steps - 1)
    mean = {name: torch.zeros_like(base[name]) for name in added}
    optimizer = torch.optim.AdamW(
        list(added.values()), lr=options.lr, weight_decay=0.0, fused=model.device == "cpu"
    )
    lengths = np.array([len(each.features) for each in aligned], dtype=float)
    share = lengths / lengths.sum()
    losses = _Losses(generator.train())
    speaker = voice.speaker.to(model.device)
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(options.seed)
        for step in range(options.steps):
            if progress is not None:
                progress(step, options.steps)
            request, features = _batch(aligned, share, speaker, rng, options)
            found = shifts.deviations(request.prompt)
            if found is not None:
                assert request.durations is not None
                features = features - shifts.profile.frames(
                    found.clone(), request.tokens, request.durations, features.shape[1]
                )
            features = padded_with_mean(features, request.frames, request.prompt)
            latents = model.latent_space.encode(features, request.prompt)
            weights = {
                f"generator.{name}": value + added[name] if name in added else value
                for name, value in base.items()
            }
            loss = torch.func.functional_call(losses, weights, (request, features, latents))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(added.values(), 1.0)
            done = step / options.steps
            for group in optimizer.param_groups:
                group["lr"] = options.lr * min(1.0, (step + 1) / 4) * (1 - 0.7 * done)
            optimizer.step()
            if step >= last:
                for name, value in added.items():
                    mean[name] += value.detach() * (options.share / (options.steps - last))
    if progress is not None:
        progress(options.steps, options.steps)
    return mean


def _batch(
    aligned: Sequence[AlignedRecording],
    share: np.ndarray,
    speaker: Tensor,
    rng: np.random.Generator,
    options: AdaptationOptions,
) -> tuple[Request, Tensor]:
    """A batch of random spans, with prompts from anywhere in the recordings: the request, and the
    features [B, T, C]."""
    tokens, durations, features, prompts = [], [], [], []
    for index in rng.choice(len(aligned), options.rows, p=share):
        each = aligned[index]
        first, last = each.stretch(rng, options.frames)
        said = each.tokens
        begin = sum(said.durations[:first])
        frames = said.durations[first:last]
        tokens.append((said.ids[first:last], said.mods[first:last]))
        durations.append(torch.tensor(frames))
        features.append(each.features[begin : begin + sum(frames)])
        source = aligned[int(rng.choice(len(aligned), p=share))].features
        size = int(rng.integers(min(100, len(source) // 2), min(300, len(source)) + 1))
        start = int(rng.integers(len(source) - size + 1))
        prompts.append(source[start : start + size])
    device = speaker.device
    lengths = torch.tensor([len(each) for each in prompts], device=device)
    prompt = VoicePrompt(
        speaker.expand(options.rows, -1), pad_sequence(prompts, batch_first=True), lengths
    )
    request = Request(
        collate_tokens(tokens).to(device),
        prompt,
        pad_sequence(durations, batch_first=True).to(device),
    )
    return request, pad_sequence(features, batch_first=True)


def adapted(name: str) -> bool:
    """Whether a weight of a generator, by its name, is adapted: all are but the tables of symbols
    and codes, of which a recording holds too few."""
    return not any(part in name for part in TABLES)


def compress(learned: dict[str, Tensor], most: int) -> dict[str, Tensor]:
    """Compress the learned change of weights to at most `most` bytes in half precision.

    Vectors are kept whole. Matrices become low-rank factors; singular vectors are kept in the order
    of squared singular value per number stored, over all matrices together.

    Returns:
        NAME for vectors; NAME.a [O, r] and NAME.b [r, I] for matrices, which are flattened from the
        second dimension on.
    """
    factors: dict[str, Tensor] = {}
    parts: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
    gains: list[tuple[float, int, str]] = []
    left = most // 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for name, value in learned.items():
            if value.dim() < 2:
                factors[name] = value
                left -= value.numel()
                continue
            matrix = value.flatten(1)
            rank = min(*matrix.shape, 24)
            u, s, v = torch.svd_lowrank(matrix, q=rank, niter=2)
            parts[name] = u, s, v
            size = sum(matrix.shape)
            gains += [(float(x) ** 2 / size, size, name) for x in s]
    ranks = dict.fromkeys(parts, 0)
    for gain, size, name in sorted(gains, reverse=True):
        if size <= left and gain > 0:
            ranks[name] += 1
            left -= size
    for name, rank in ranks.items():
        if rank:
            u, s, v = parts[name]
            root = s[:rank].sqrt()
            factors[name + SPLIT[0]] = (u[:, :rank] * root).contiguous()
            factors[name + SPLIT[1]] = (v[:, :rank] * root).T.contiguous()
    return {name: value.half().cpu() for name, value in factors.items()}


@torch.no_grad()
def apply(generator: Generator, factors: dict[str, Tensor], strength: float) -> None:
    """Add factors to the weights of a generator, in place.

    Raises:
        VoiceError: factors that do not fit.
    """
    weights = dict(generator.named_parameters())
    factors = current_names(factors)
    for name, value in factors.items():
        if name.endswith(SPLIT[1]):
            continue
        whole = name.removesuffix(SPLIT[0])
        weight = weights.get(whole)
        fits = weight is not None and weight.numel() == value.numel()
        if whole != name:
            other = factors.get(whole + SPLIT[1])
            if other is None or value.dim() != 2 or value.shape[-1] != other.shape[0]:
                raise VoiceError(f"the voice's factors of {whole!r} do not belong together")
            # Asked before they are multiplied: thin factors may make a huge matrix.
            fits = weight is not None and weight.numel() == len(value) * other[0].numel()
            value = value.float() @ other.float() if fits else value
        if weight is None or not fits:
            raise VoiceError(f"the voice has factors for {whole!r}, which this generator has not")
        weight.add_(value.view_as(weight).to(weight), alpha=strength)


class AdaptedGenerators:
    """Cache of the adapted generators of a model, one per voice.

    Args:
        checkpoint: folder of the generator; weights, device: as the model has them.
        watch: called with each new generator.
        most: how many generators are kept, each as large as that of the model.
    """

    def __init__(
        self,
        checkpoint: str,
        weights: str,
        device: str,
        watch: Callable[[nn.Module], None],
        most: int = 2,
    ):
        self.checkpoint, self.weights, self.device = checkpoint, weights, device
        self.watch, self.most = watch, most
        self._plain: Generator | None = None
        self._made: OrderedDict[str, Generator] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, voice: Voice, tuning: Tuning) -> Generator:
        """The generator of a voice with an adaptation; VoiceError as `apply`."""
        key = voice.sha256
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
            if self._plain is None:
                # As it is on disk, in half precision: nothing is lost, and half of the memory.
                self._plain = cast(
                    Generator, load_module(self.checkpoint, self.device, "generator")
                ).half()
            made = copy.deepcopy(self._plain).float()
            apply(made, tuning.factors, tuning.strength)
            prepare_weights(made, self.weights, self.device)
            self.watch(made)
            self._made[key] = made
            while len(self._made) > self.most:
                self._made.popitem(last=False)
            return made
