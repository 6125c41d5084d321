"""Training task of the generators."""

import copy
import inspect
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from tts.audio.files import atomic_output, write_all
from tts.config import trained_by
from tts.data.batch import Batch, prompt_of, tokens_of
from tts.data.coded import CodedCorpus
from tts.data.corpus import Corpus
from tts.data.distillation import DistillationData
from tts.data.segments import SegmentSampler
from tts.errors import CheckpointError, ConfigError
from tts.generators.base import Request
from tts.generators.heads.categorical import CategoricalHead
from tts.generators.latent_space import CodeSpace, LatentSpace, padded_with_mean
from tts.generators.wave_space import WaveSpace
from tts.losses.identity import SpeakerIdentity
from tts.losses.perceptual import PerceptualLosses
from tts.losses.phone import PhoneProbe
from tts.losses.speaker import SpeakerProbe
from tts.registry import (
    HEADS,
    build_generator,
    load_latent_space,
    load_module,
)
from tts.resources import checkpoint_folder
from tts.systems import plain_name
from tts.train.parts import load_part, option_of_data
from tts.train.resident import ResidentSampler
from tts.train.task import Logs
from tts.voice.profile import PhoneProfile
from tts_codecs.base import trusted
from tts_codecs.checkpoint import CONFIG, save_checkpoint
from tts_codecs.envelope import envelope_part, source_part, unpack_pitch
from tts_codecs.quantizers import Quantizer
from tts_codecs.registry import weights_of
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

_log = logging.getLogger(__name__)


def complete_arguments(model: dict[str, Any], codec: str) -> tuple[dict[str, Any], LatentSpace]:
    """Complete the arguments of a generator by those that follow from its codec.

    Args:
        model: arguments of `build_generator`, which have priority.
        codec: as of GeneratorTask.

    Returns:
        the arguments, with the sizes of the head and the order of residual codes, and the latent
        space of the codec.

    Raises:
        CheckpointError: the codec is missing or damaged.
    """
    head = dict(model.get("head") or {"kind": "linear"})
    strategy = dict(model.get("strategy") or {})
    head_class = HEADS.get(str(head.get("kind")))
    conditioner = dict(model.get("conditioner") or {})
    posterior = bool(getattr(head_class, "posterior", False))
    try:
        patch, merge = conditioner.get("patch", 2), strategy.get("merge", 1)
        space = load_latent_space(
            codec, "cpu", posterior, patch, merge, float(model.get("latent_scale", 1.0))
        )
    except CheckpointError as error:
        raise CheckpointError(f"{error}{trained_by(plain_name('codec', codec))}") from error
    if space.patch != 2:
        model = {**model, "conditioner": {"patch": space.patch, **conditioner}}
    order, sizes = space.default_arguments(str(strategy.get("kind")), str(head.get("kind")))
    accepted = {} if head_class is None else inspect.signature(head_class).parameters
    head = {key: value for key, value in sizes.items() if key in accepted} | head
    if "head" in model or sizes:
        model = {**model, "head": head}
    return {**model, "strategy": order | strategy}, space


def learned_codebooks(space: LatentSpace) -> list[Tensor]:
    """The entries [V, D] of each codebook that is generated; empty without learned ones."""
    quantizer, count = None, 0
    if isinstance(space, CodeSpace):
        quantizer, count = space.autoencoder.quantizer, space.num_codebooks
    elif isinstance(space, WaveSpace):
        quantizer, count = getattr(space.codec, "quantizer", None), space.info.num_codebooks
    return quantizer.codebooks[:count] if isinstance(quantizer, Quantizer) else []


class GeneratorTask:
    """Training of any generator (tts.registry.build_generator) on segments of utterances.

    Args:
        model: arguments of `build_generator`; those that follow from the codec may be left out.
        batch_size: segments of a batch; max_frames: length of a segment at most.
        codec: whose latents are generated: "features" for the features themselves, the checkpoint
            of a codec of features, or a codec of waveforms. The latter encodes the corpus once
            (tts.data.coded) and has no features, so that vocal tract length perturbation, the
            profile and the losses of probes are not available.
        probe: checkpoint of the speaker probe (tts.losses.speaker); speaker_loss: weight of its
            loss.
        phone_probe: checkpoint of the phone probe (tts.losses.phone); phone_loss: weight of its
            loss.
        identity: checkpoint of a speaker classifier (tts.losses.identity); identity_loss,
            style_loss: weights of its losses.
        recognizer: checkpoint of the phone recognizer, in whose hidden states what is generated
            should be near the recording; recognizer_loss: weight of the distance.
        prior_loss: weight of the regression of features (the prior mean of the strategies).
        alignment_loss: weight of the attention loss of text readers (tts.modules.text_reader).
        distill_data: folders of utterances generated by a teacher (tts.data.distillation);
            distill_ratio: probability with which a batch comes from these and not from the corpus.
        profile: checkpoint of the phone profile (tts.voice.profile), by which features are
            normalised.
        held_out: speakers that are left out.
        shares: factors on how often speakers are drawn, by prefixes of their names.
        prompt: smallest and largest number of frames of a voice prompt.
        vocoder: checkpoint that makes audio samples for TensorBoard; None logs pictures alone.
        resident: whether the corpus is kept on the device and batches are made there; by default on
            a GPU, unless there is distillation data.
        system: the resolved YAML of a system (tts.systems), which is exported with the weights.

    Raises:
        ConfigError: options do not go together.
        CheckpointError: a checkpoint is missing, damaged or of another kind.
        DataError: data are missing or damaged.
    """

    def __init__(
        self,
        corpus: Corpus,
        model: dict[str, Any] | None = None,
        batch_size: int = 12,
        max_frames: int = 180,
        codec: str = "features",
        probe: str | None = None,
        speaker_loss: float = 1.0,
        phone_probe: str | None = None,
        phone_loss: float = 0.1,
        identity: str | None = None,
        identity_loss: float = 1.0,
        style_loss: float = 0.3,
        recognizer: str | None = None,
        recognizer_loss: float = 1.0,
        prior_loss: float = 2.0,
        alignment_loss: float = 1.0,
        distill_data: tuple[str, ...] = (),
        distill_ratio: float = 1.0,
        profile: str | None = None,
        held_out: tuple[str, ...] = (),
        shares: dict[str, float] | None = None,
        prompt: tuple[int, int] = (75, 200),
        vocoder: str | None = "vocoder",
        resident: bool | None = None,
        system: dict[str, Any] | None = None,
    ):
        self.vocoder, self.system = vocoder, system
        self.weights = {
            "prior": prior_loss, "speaker_loss": speaker_loss, "phone_loss": phone_loss,
            "identity_loss": identity_loss, "style_loss": style_loss, "alignment": alignment_loss,
            "recognizer_loss": recognizer_loss,
        }  # fmt: skip
        self.arguments, self.latent_space = complete_arguments(dict(model or {}), codec)
        coded = None
        if isinstance(self.latent_space, WaveSpace):
            if resident or distill_data:
                raise ConfigError(f"{codec}: resident and distill_data are of features")
            if profile or probe or phone_probe or identity or recognizer:
                _log.warning("%s is of waveforms: trained without probes and profile", codec)
            profile = probe = phone_probe = identity = recognizer = None
            coded = CodedCorpus(corpus, self.latent_space, weights_of(codec))
            if not self.latent_space.coded:
                self.arguments.setdefault("latent_scale", coded.scale)
                self.latent_space.scale = self.arguments["latent_scale"]
        self.sampler = SegmentSampler(
            corpus, max_frames, prompt=prompt, held_out=held_out, shares=shares, coded=coded
        )
        self.profile = cast(
            "PhoneProfile | None", load_part("profile", profile, "profile", optional=False)
        )
        if self.profile is not None and phone_probe is None:
            raise ConfigError("profile needs phone_probe")
        with option_of_data("options.distill_data"):
            self.distill_data = DistillationData(distill_data, held_out) if distill_data else None
        self.distill_ratio = distill_ratio
        if resident and distill_data:
            raise ConfigError("resident: distillation data is not read there")
        self.resident = resident
        self.resident_sampler: ResidentSampler | None = None
        self.batch_size = batch_size
        self.generator = build_generator(**self.arguments)
        self.generator.check_latent_space(self.latent_space)
        codebooks = learned_codebooks(self.latent_space)
        if codebooks and isinstance(self.generator.head, CategoricalHead):
            self.generator.head.start_from(codebooks)
        # An attention window changes from step to step.
        self.varies = bool(getattr(self.generator.strategy, "window", 0))
        self.perceptual = PerceptualLosses(
            self.latent_space,
            cast("SpeakerProbe | None", load_part("options.probe", probe, "probe")),
            cast(
                "PhoneProbe | None",
                load_part("options.phone_probe", phone_probe, "phone_probe", profile is None),
            ),
            cast("SpeakerIdentity | None", load_part("options.identity", identity, "identity")),
            cast("PhoneProbe | None", load_part("options.recognizer", recognizer, "phone_probe")),
        )
        # The phone probe that makes batches; it stays on the CPU if batches are made there, while
        # that of the losses moves to the GPU.
        self.phones = self.perceptual.phones
        self.modules: dict[str, nn.Module] = {"generator": self.generator}
        self.groups = {"generator": ["generator"]}

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw segments with voice prompts and latents."""
        source: DistillationData | SegmentSampler = self.sampler
        if self.distill_data is not None and rng.random() < self.distill_ratio:
            source = self.distill_data
        return self._add_latents(source.draw(rng, self.batch_size))

    def place(self, device: torch.device) -> bool:
        """Move the networks of the losses to a device, and the corpus if batches are made there."""
        on_gpu = device.type == "cuda" and self.distill_data is None
        coded = self.latent_space.waveform_codec is not None
        if coded or not (on_gpu if self.resident is None else self.resident):
            if device.type != "cpu":
                # Threads make batches on the CPU and need the probes there too.
                self.perceptual = copy.deepcopy(self.perceptual).to(device)
            return False
        self.resident_sampler = ResidentSampler(self.sampler, device)
        self.perceptual = self.perceptual.to(device)
        if self.profile is not None:
            self.profile = self.profile.to(device)
        return True

    @property
    def frozen(self) -> list[nn.Module]:
        """Networks that the losses run but do not train."""
        made = self.perceptual
        return [m for m in (made.voice, made.phones, made.recognizer) if m is not None]

    def resident_batch(self, rng: torch.Generator, host: np.random.Generator) -> Batch:
        """Draw as `batch`, on the device."""
        assert self.resident_sampler is not None
        with torch.no_grad(), trusted():
            return self._add_latents(self.resident_sampler.draw(rng, host, self.batch_size))

    def _add_latents(self, batch: Batch) -> Batch:
        """Normalize the features of a batch by the profile, and encode them as latents."""
        if self.profile is not None:
            prompt = prompt_of(batch)
            assert self.phones is not None
            shift = self.profile(self.phones, prompt)
            count = batch["features"].shape[1]
            batch["shift"] = self.profile.frames(shift, tokens_of(batch), batch["durations"], count)
            batch["features"] = batch["features"] - batch["shift"]
        if "latents" not in batch:  # batches of a coded corpus have them
            batch["features"] = padded_with_mean(
                batch["features"], batch["frames"], prompt_of(batch)
            )
            batch["latents"] = self.latent_space.encode(batch["features"], prompt_of(batch))
        return batch

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Yield the weighted sum of the losses of Generator.loss."""
        request = Request(tokens_of(batch), prompt_of(batch), batch["durations"])
        request.longest = batch["features"].shape[1]
        with trusted():
            parts = self.generator.loss(
                request, batch["features"], batch["latents"], self.perceptual, batch.get("shift")
            )
        loss = sum(self.weights.get(name, 1.0) * value for name, value in parts.items())
        assert isinstance(loss, Tensor)
        yield "generator", loss, {name: value.detach() for name, value in parts.items()}

    def export(self, folder: Path, step: int) -> None:
        """Write the weights, and the YAML of the system if there is one."""
        save_checkpoint(folder, self.generator, "generator", self.arguments, step=step)
        if self.system is not None:
            text = yaml.safe_dump({**self.system, "generator": "."}, sort_keys=False)
            with atomic_output(folder / "model.yaml") as file:
                write_all(file, text.encode())

    def sample(self, writer: Any, step: int) -> None:
        """Log an utterance: a picture of real and generated features, and the generated audio.

        Audio needs the checkpoint of the vocoder. With a codec of waveforms, only audio is logged.
        """
        batch = self.sampler.draw(np.random.default_rng(0), 1)
        device = next(self.generator.parameters()).device
        batch = {k: v.to(device) for k, v in batch.items() if isinstance(v, Tensor)}
        request = Request(tokens_of(batch), prompt_of(batch), batch["durations"])
        training = self.generator.training
        self.generator.eval()
        try:
            latents = self.generator.generate(request, [torch.Generator().manual_seed(0)])
        finally:
            self.generator.train(training)
        if isinstance(self.latent_space, WaveSpace):
            codec = self.latent_space.codec.to(device)
            wav = codec.decode(self.latent_space.frames(latents))
            writer.add_audio("generated", wav[0].cpu(), step, codec.info.sample_rate)
            return
        generated = self._decode(latents, request)
        picture = torch.cat([batch["features"][:, : generated.shape[1]], generated], 2)[0].T.flip(0)
        low, high = picture.min(), picture.max()
        writer.add_image("features", ((picture - low) / (high - low))[None].cpu(), step)
        if self.vocoder is None or not (checkpoint_folder(self.vocoder) / CONFIG).is_file():
            return
        vocoder = cast(SourceFilterVocoder, load_module(self.vocoder, str(device)))
        with torch.inference_mode():
            wav, _ = vocoder(envelope_part(generated), unpack_pitch(source_part(generated)))
        writer.add_audio("generated", wav[0].cpu(), step, vocoder.sample_rate)

    @torch.inference_mode()
    def _decode(self, latents: Tensor, request: Request) -> Tensor:
        """Decode generated latents to features [B, T, C] of the length of the request."""
        space = self.perceptual.latent_space
        features, _ = space.decode(latents, space.start(request.prompt), True)
        features = features[:, : int(request.frames[0])]
        if self.profile is None or self.phones is None:
            return features
        near = request.to(self.profile.mean.device)
        assert near.durations is not None
        shift = self.profile(self.phones, near.prompt)
        shift = self.profile.frames(shift, near.tokens, near.durations, features.shape[1])
        return features + shift.to(features.device)
