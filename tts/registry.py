"""The registry: architecture names to classes, and checkpoints to modules."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from tts.align.aligner import Aligner
from tts.errors import ConfigError
from tts.generators.backbone import Backbone
from tts.generators.conditioner import Conditioner
from tts.generators.generator import Generator
from tts.generators.heads.categorical import CategoricalHead
from tts.generators.heads.depth import DepthHead
from tts.generators.heads.energy import EnergyHead
from tts.generators.heads.flow_mlp import FlowMLPHead
from tts.generators.heads.gaussian import GaussianHead
from tts.generators.heads.kl import KLHead
from tts.generators.heads.linear import LinearHead
from tts.generators.heads.local_dit import LocalDiTHead
from tts.generators.heads.regression import RegressionHead
from tts.generators.latent_space import CodeSpace, FeatureSpace, LatentSpace, VAESpace
from tts.generators.options import RELAXED
from tts.generators.protocols import Strategy
from tts.generators.strategies.autoregressive import Autoregressive
from tts.generators.strategies.coarse_first import CoarseFirst
from tts.generators.strategies.diffusion import Diffusion
from tts.generators.strategies.flow import Flow
from tts.generators.strategies.masked import Masked
from tts.generators.strategies.one_shot import OneShot
from tts.generators.strategies.soundstorm import SoundStorm
from tts.generators.strategies.span_ar import SpanAR
from tts.generators.wave_space import FEATURE_RATE, WaveSpace
from tts.losses.identity import SpeakerIdentity
from tts.losses.phone import PhoneProbe
from tts.losses.speaker import SpeakerProbe
from tts.prosody.durations import DurationModel
from tts.prosody.phrasing import PhrasingModel
from tts.published.f5.generator import build_f5, f5_sampling_options
from tts.renamed import unknown_key
from tts.resources import checkpoint_folder, codec_without_folder, nearest
from tts.voice.enhancer import SpeechEnhancer
from tts.voice.overlap import OverlapDetector
from tts.voice.profile import PhoneProfile
from tts.voice.speaker import SpeakerEncoder
from tts_codecs import registry
from tts_codecs.bandwidth import codebooks_at, one_bandwidth, split_bandwidth
from tts_codecs.base import Codec
from tts_codecs.errors import CheckpointError
from tts_codecs.latent import LatentAutoencoder
from tts_codecs.layered import bandwidths, use_bandwidth
from tts_codecs.ranges import wrong_number
from tts_codecs.spectral import SpectralAutoencoder

HEADS: dict[str, type[nn.Module]] = {
    "categorical": CategoricalHead,
    "depth": DepthHead,
    "energy": EnergyHead,
    "flow_mlp": FlowMLPHead,
    "gaussian": GaussianHead,
    "kl": KLHead,
    "linear": LinearHead,
    "local_dit": LocalDiTHead,
    "regression": RegressionHead,
}
STRATEGIES: dict[str, Callable[..., Strategy]] = {
    "flow": Flow,
    "diffusion": Diffusion,
    "masked": Masked,
    "autoregressive": Autoregressive,
    "coarse_first": CoarseFirst,
    "span_ar": SpanAR,
    "soundstorm": SoundStorm,
    "one_shot": OneShot,
}

#: arguments of Backbone that follow from the other parts
BACKBONE_GIVEN = ("dim", "memory_dim", "global_dim", "causal", "time_conditioned")


def _pick(table: Mapping[str, Callable[..., Any]], spec: dict[str, Any], what: str) -> Any:
    """The entry `spec["kind"]` names and the other keys, checked against its signature."""
    rest = dict(spec)
    kind = rest.pop("kind", None)
    if kind not in table:
        raise ConfigError(f"unknown kind of {what}, {kind!r}{nearest(str(kind), table)}")
    return table[kind], _known(table[kind], rest, what)


def _known(
    cls: Callable[..., Any], given: dict[str, Any], what: str, fixed: Sequence[str] = ()
) -> dict[str, Any]:
    """`given`, if all of it are arguments of `cls` other than those `fixed` here, and numbers in
    their ranges."""
    known = [name for name in inspect.signature(cls).parameters if name not in fixed]
    for name in given:
        if name not in known:
            raise ConfigError(f"unknown key {name!r} of {what}{unknown_key(name, known)}")
    if wrong := wrong_number(cls, given, what):
        raise ConfigError(wrong)
    return given


def _made(what: str, make: Callable[..., Any], *given: Any, **more: Any) -> Any:
    """What `make` makes; its ConfigErrors with the section of the YAML."""
    try:
        return make(*given, **more)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from error


def build_generator(
    strategy: dict[str, Any],
    head: dict[str, Any] | None = None,
    conditioner: dict[str, Any] | None = None,
    backbone: dict[str, Any] | None = None,
    dim: int = 256,
    latent_scale: float = 1.0,
) -> Generator:
    """A generator from the names of its parts.

    Args:
        strategy, head: `kind` names the class, the other keys are its arguments.
        conditioner, backbone: arguments of tts.generators.generator.Conditioner and
            tts.generators.backbone.Backbone.
        dim: width of the network.
        latent_scale: of the latents it fills; training of one over a codec of waveforms finds it.

    Raises:
        ConfigError: an unknown kind or key, naming the nearest, or a number out of its range.
    """
    own = {"dim": dim, "latent_scale": latent_scale}
    if wrong := wrong_number(build_generator, own):
        raise ConfigError(wrong)
    make_strategy, strategy_keys = _pick(STRATEGIES, strategy, "strategy")
    make_head, head_keys = _pick(HEADS, head or {"kind": "linear"}, "head")
    parts = _known(Conditioner, conditioner or {}, "conditioner", ("dim",))
    made_conditioner = Conditioner(dim=dim, **parts)
    made_strategy = make_strategy(**strategy_keys)
    network = _made(
        "backbone",
        made_strategy.network,
        dim,
        memory_dim=made_conditioner.voice_dim,
        global_dim=made_conditioner.global_dim,
        causal=made_strategy.causal,
        time_conditioned=made_strategy.time_conditioned,
        **_known(Backbone, backbone or {}, "backbone", BACKBONE_GIVEN),
    )
    sizes = {
        "size": made_conditioner.size,
        "features": made_conditioner.size,
        "channels": made_conditioner.channels,
    }
    accepted = inspect.signature(make_head).parameters
    if made_strategy.groups > 1:
        sizes["groups"] = made_strategy.groups
    if made_strategy.groups > 1 and "groups" not in accepted:
        raise ConfigError("groups of codebooks with blocks of their own go with head categorical")
    head_keys = {key: value for key, value in sizes.items() if key in accepted} | head_keys
    made_head = _made("head", make_head, dim=dim, **head_keys)
    return Generator(made_conditioner, network, made_head, made_strategy, latent_scale)


def sampling_options(
    strategy: dict[str, Any],
    head: dict[str, Any] | None = None,
    conditioner: dict[str, Any] | None = None,
    **_: Any,
) -> dict[str, tuple[str, ...]]:
    """Options of the sampler that a generator reads (tts.generators.base.SamplingOptions), each
    with the values it knows, () for all.

    Args:
        strategy, head, conditioner: as of `build_generator`, whose other arguments do not matter.

    Raises:
        ConfigError: an unknown kind, naming the nearest, a pattern that does not fit the head, or
            something that is no mapping.
    """
    for name, value in (("strategy", strategy), ("head", head), ("conditioner", conditioner)):
        if value is not None and not isinstance(value, Mapping):
            raise ConfigError(f"{name!r} is a mapping of options, not {value!r}")
    make_strategy, keys = _pick(STRATEGIES, strategy, "strategy")
    made_strategy = make_strategy(**keys)
    make_head, head_keys = _pick(HEADS, head or {"kind": "linear"}, "head")
    led = (conditioner or {}).get("text") == "pointer"
    pointer = {"duration_tolerance": ()} if led else {}
    # Only strategies that go from left to right let the head draw.
    drawn = make_head.sampling if made_strategy.supports_pointer else {}
    usual = inspect.signature(make_head).parameters.get("num_codebooks")
    num_codebooks = head_keys.get("num_codebooks", usual.default if usual else 0)
    ignored = made_strategy.ignored_options(num_codebooks, led)
    if not head_keys.get("levels"):
        ignored = (*ignored, *RELAXED)
    drawn = {name: values for name, values in drawn.items() if name not in ignored}
    found = {**made_strategy.sampling, **drawn, **pointer}
    if make_head.guides_itself:
        found.pop("uncond", None)  # it has a branch of its own
    return found


#: options of the sampler by kind of checkpoint, as `sampling_options`, from its arguments
GENERATORS: dict[str, Callable[..., Mapping[str, tuple[str, ...]]]] = {
    "generator": sampling_options,
    "f5": f5_sampling_options,
}

MODULES: dict[str, Callable[..., nn.Module]] = {
    **registry.KINDS,
    "aligner": Aligner,
    "durations": DurationModel,
    "enhancer": SpeechEnhancer,
    "f5": build_f5,
    "generator": build_generator,
    "overlap": OverlapDetector,
    "phrasing": PhrasingModel,
    "probe": SpeakerProbe,
    "identity": SpeakerIdentity,
    "profile": PhoneProfile,
    "phone_probe": PhoneProbe,
    "speaker": SpeakerEncoder,
}


def load_module(name: str | Path, device: str = "cpu", kind: str | None = None) -> nn.Module:
    """Build the architecture a checkpoint names and fill it with its verified weights.

    Args:
        kind: the architecture it has to be.

    Raises:
        CheckpointError: missing, damaged, or of an unknown or another kind.
    """
    return registry.load_module(checkpoint_folder(name), MODULES, device, kind)


def load_latent_space(
    name: str | Path = "features",
    device: str = "cpu",
    posterior: bool = False,
    patch: int = 2,
    merge: int = 1,
    scale: float = 1.0,
) -> LatentSpace:
    """What a generator fills: "features", the checkpoint of a codec of them, or any codec of
    waveforms that tts_codecs knows; "NAME@KBITS" is one at a lower bandwidth, of the leading
    codebooks alone.

    Args:
        posterior: latents as distributions, for heads that are fitted to those.
        patch: frames of features in a latent; a codec has its own.
        merge: neighbours that share the code of the first codebook.
        scale: of the numbers of a codec of waveforms.

    Raises:
        CheckpointError: as `load_module`, or not a codec.
        UsageError: an unknown name, or a bandwidth of a codec that has one only.
        CodecError: a bandwidth that the codec has not.
        ConfigError: codes that cannot be merged.
    """
    name, kbits = split_bandwidth(name)
    if name == "features":
        if kbits is not None:
            raise one_bandwidth(name)
        return FeatureSpace(patch)
    codec: nn.Module
    if codec_without_folder(name):
        codec = registry.load(name, device, bandwidth=kbits)
    else:
        codec = load_module(name, device)
        if kbits is not None and isinstance(codec, Codec):
            use_bandwidth(codec, kbits, name)
    if isinstance(codec, SpectralAutoencoder):
        rates = bandwidths(codec.quantizer, FEATURE_RATE / codec.patch)
        count = None if kbits is None else codebooks_at(kbits, rates, name)
        return CodeSpace(codec, merge, count)
    if isinstance(codec, LatentAutoencoder):
        if kbits is not None:
            raise one_bandwidth(name)
        return VAESpace(codec, posterior)
    if merge > 1:
        raise ConfigError("merge is of the codes of a residual codec of features: codec: rvq")
    if isinstance(codec, Codec):
        return WaveSpace(codec, scale)
    raise CheckpointError(f"{checkpoint_folder(name)} is not a codec")
