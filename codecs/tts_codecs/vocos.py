"""Vocos mel 24 kHz: log-mel to waveform by ConvNeXt blocks and an inverse STFT (Siuzdak 2023,
"Vocos: Closing the gap between time-domain and Fourier-based neural vocoders").

Own code for the published weights; `load_published` reads them from a file or fetches them when
asked. Licences: the published code and weights are MIT. No weights come with this project.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn

from tts_codecs.base import (
    Codec,
    CodecInfo,
    Encoded,
    check_batch,
    check_encoded,
    check_stream,
    check_wav,
)
from tts_codecs.checkpoint import load_state
from tts_codecs.download import HubFile
from tts_codecs.errors import CodecError
from tts_codecs.nn.conv import CentredConv
from tts_codecs.nn.convnext import CentredConvNeXt, FastConvNeXt
from tts_codecs.nn.derived_cache import DerivedCache
from tts_codecs.nn.inference import Product, Windows, overlap_add, uses_cache

LICENCE = "MIT (code and weights, Hubert Siuzdak)"
WEIGHTS = HubFile(
    repo="charactr/vocos-mel-24khz",
    revision="0feb3fdd929bcd6649e0e7c5a688cf7dd012ef21",
    path="pytorch_model.bin",
    sha256="97ec976ad1fd67a33ab2682d29c0ac7df85234fae875aefcc5fb215681a91b2a",
    size=54_365_991,
    licence="MIT",
)
SAMPLE_RATE = 24000
# exp of the predicted log-magnitude is limited to this, as in training.
_MAX_MAGNITUDE = 100.0


@dataclass(frozen=True)
class VocosConfig:
    """Sizes; the defaults are those of the published model for mels at 24 kHz. `same` says that
    windows are centred on the middle of their hop, as in the published model for EnCodec codes,
    instead of on its beginning."""

    n_mels: int = 100
    n_fft: int = 1024
    hop: int = 256
    dim: int = 512
    hidden: int = 1536
    blocks: int = 8
    kernel: int = 7
    same: bool = False

    @property
    def centre(self) -> int:
        """Number of samples of a window before the hop of its frame."""
        return (self.n_fft - self.hop) // 2 if self.same else self.n_fft // 2


@lru_cache(maxsize=8)
def _filters(n_fft: int, n_mels: int, device: str) -> Tensor:
    """Mel filter bank [bins, n_mels] on the HTK scale, without normalisation by area."""
    bank = torchaudio.functional.melscale_fbanks(
        n_fft // 2 + 1, 0.0, SAMPLE_RATE / 2, n_mels, SAMPLE_RATE, norm=None, mel_scale="htk"
    )
    return bank.to(device)


def centred_log_mel(
    wav: Tensor, floor: float = 1e-7, n_fft: int = 1024, hop: int = 256, n_mels: int = 100
) -> Tensor:
    """Natural-log magnitude mel spectrogram with frame t centred at sample t * hop.

    Args:
        wav: [B, N] at 24 kHz; N is padded with silence to a multiple of hop.
        floor: smallest magnitude (Vocos 1e-7; F5-TTS 1e-5).

    Returns:
        [B, ceil(N / hop), n_mels]. The last frame of the packages, centred at the very end, is left
        out, so that T frames stand for T * hop samples.
    """
    if wav.dim() != 2:
        raise CodecError(f"centred_log_mel takes a waveform [B, N], not {list(wav.shape)}")
    wav = F.pad(wav, (0, -wav.shape[1] % hop))
    # Reflection needs more samples than it mirrors; a very short clip is padded with silence.
    mode = "reflect" if wav.shape[1] > n_fft // 2 else "constant"
    window = torch.hann_window(n_fft, device=wav.device)
    spectrum = torch.stft(
        wav, n_fft, hop, window=window, center=True, pad_mode=mode, return_complex=True
    )
    mel = spectrum.abs().transpose(1, 2) @ _filters(n_fft, n_mels, str(wav.device))
    return mel[:, :-1].clamp_min(floor).log()


class _PreparedLayers:
    """Layers of a VocosCodec prepared for inference."""

    def __init__(self, codec: VocosCodec):
        dtype = codec.head.weight.dtype
        self.entry = Windows(codec.entry.conv, dtype)
        self.head = Product(codec.head.weight, codec.head.bias)
        self.blocks = []
        for block in codec.blocks:
            assert isinstance(block, CentredConvNeXt)
            self.blocks.append(FastConvNeXt(block, dtype))


@dataclass(frozen=True)
class VocosState:
    """State of a decoding stream.

    Attributes:
        layers: inputs in the receptive field of later outputs, for each convolution.
        tail: [B, n_fft - hop] overlap-added windows that later windows overlap.
        frames: number of spectra so far.
        batch: rows of the stream.
        finished: whether the stream has ended.
    """

    layers: tuple[Tensor, ...]
    tail: Tensor
    frames: int
    batch: int
    finished: bool = False


class VocosCodec(Codec):
    """Codec with mel spectrograms [B, T, n_mels] as latents and Vocos as decoder; inference only.

    Offline decoding is a single chunk of a stream. Every convolution sees 3 frames ahead and the
    synthesis windows 2, which gives a look-ahead of 29 frames (0.31 s) with 8 blocks.

    Frames are centred at t * hop, and T frames give T * hop samples. The package `vocos` returns
    (T - 1) * hop samples, up to the centre of the last frame. These are equal, and the last hop is
    computed from the windows that overlap it.
    """

    window: Tensor

    def __init__(self, config: VocosConfig | None = None, name: str = "vocos_mel_24khz"):
        super().__init__()
        self.config = config = config or VocosConfig()
        if config.n_fft % (2 * config.hop) or config.n_fft < 4 * config.hop:
            raise CodecError("VocosCodec: n_fft must be an even multiple of hop, at least 4")
        self.entry = CentredConv(config.n_mels, config.dim, config.kernel)
        self.norm = nn.LayerNorm(config.dim, eps=1e-6)
        self.blocks = nn.ModuleList(
            CentredConvNeXt(config.dim, config.hidden, config.kernel, 1 / config.blocks)
            for _ in range(config.blocks)
        )
        self.final = nn.LayerNorm(config.dim, eps=1e-6)
        self.head = nn.Linear(config.dim, config.n_fft + 2)
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)
        self.requires_grad_(False)
        self.eval()
        self._derived = DerivedCache()
        # Block m of hop samples is complete with frame m + n_fft / (2 hop).
        reach = config.kernel // 2
        self._info = CodecInfo(
            name=name,
            sample_rate=SAMPLE_RATE,
            hop=config.hop,
            kind="latents",
            num_codebooks=0,
            codebook_size=0,
            dim=config.n_mels,
            bitrate=None,
            causal=False,
            look_ahead=reach * (config.blocks + 1) + config.n_fft // (2 * config.hop),
            licence=LICENCE,
        )

    @classmethod
    def random(cls, config: VocosConfig | None = None, seed: int = 0) -> VocosCodec:
        """A codec with random weights, for tests and timing."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(config, "vocos_random")

    @property
    def info(self) -> CodecInfo:
        return self._info

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        wav = check_wav(wav)[:, 0].to(self.device)
        config = self.config
        mel = centred_log_mel(wav, 1e-7, config.n_fft, config.hop, config.n_mels)
        return Encoded(mel, self.info.frame_rate)

    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        mel = check_encoded(encoded, self.info)
        return self.decode_chunk(mel, self.init_state(len(mel)), last=True)[0]

    def init_state(self, batch: int) -> VocosState:
        """State of a new stream; CodecError if ``batch`` is below 1."""
        check_batch(batch)
        like = self.head.weight
        convs = [self.entry, *(block.depthwise for block in self.blocks)]
        layers = tuple(conv.initial(batch, like) for conv in convs)  # type: ignore[union-attr, operator]
        tail = like.new_zeros(batch, self.config.n_fft - self.config.hop)
        return VocosState(layers, tail, 0, batch)

    @torch.no_grad()
    def decode_chunk(
        self, encoded: Tensor, state: VocosState, last: bool = False
    ) -> tuple[Tensor, VocosState]:
        mel = check_encoded(encoded, self.info).to(self.head.weight)
        check_stream(mel, state, VocosState)
        entry: Callable[[Tensor], Tensor] = self.entry
        head: Callable[[Tensor], Tensor] = self.head
        blocks: Sequence[Callable[[Tensor, Tensor], Tensor]] = list(self.blocks)
        if uses_cache(mel, self.head.weight):
            fast: _PreparedLayers = self._derived.get(
                self._derived.weights(self), lambda: _PreparedLayers(self)
            )
            entry, head, blocks = fast.entry, fast.head, fast.blocks
        window, _, first = self.entry.window(mel, state.layers[0], last)
        layers = [first]
        if window.shape[1]:
            x = self.norm(entry(window))
        else:
            x = mel.new_zeros(len(mel), 0, self.config.dim)
        for block, own, past in zip(blocks, self.blocks, state.layers[1:], strict=True):
            assert isinstance(own, CentredConvNeXt)
            window, x, rest = own.depthwise.window(x, past, last)
            layers.append(rest)
            if window.shape[1]:
                x = block(window, x)
        level, angle = head(self.final(x)).chunk(2, -1)
        spectrum = torch.polar(level.exp().clamp_max(_MAX_MAGNITUDE), angle)
        wav, tail = self._overlap_add(spectrum, state, last)
        frames = state.frames + spectrum.shape[1]
        return wav[:, None], VocosState(tuple(layers), tail, frames, state.batch, last)

    def _overlap_add(
        self, spectrum: Tensor, state: VocosState, last: bool
    ) -> tuple[Tensor, Tensor]:
        """Inverse STFT of spectra [B, F, bins]: the complete samples [B, n], and the tail of the
        next state."""
        n_fft, hop = self.config.n_fft, self.config.hop
        frames = spectrum.shape[1]
        total = state.tail
        if frames:
            total = overlap_add(torch.fft.irfft(spectrum, n_fft) * self.window, hop)
            total[:, : n_fft - hop] += state.tail
        count = frames * hop
        start, half = state.frames * hop, self.config.centre
        # At the end of a stream, return all samples up to the end of the last frame's hop.
        ready = total[:, : count + half if last else count]
        ready = ready / self._envelope(start, ready.shape[1], state.frames + frames)
        # Drop the samples before the hop of the first frame.
        return ready[:, max(0, half - start) :], total[:, count:]

    def _envelope(self, start: int, count: int, frames: int) -> Tensor:
        """Sum of the squared windows of frames 0 to `frames` - 1 over samples from `start`."""
        n_fft, hop = self.config.n_fft, self.config.hop
        sample = torch.arange(start, start + count, device=self.window.device)
        square = self.window.square()
        total = square.new_zeros(count)
        newest = sample // hop
        for back in range(n_fft // hop):
            frame = newest - back
            value = square[(sample - frame * hop).clamp(0, n_fft - 1)]
            total += torch.where((frame >= 0) & (frame < frames), value, 0.0)
        return total.clamp_min(1e-11)


_NAMES = {
    "backbone.embed.": "entry.conv.",
    "backbone.norm.": "norm.",
    "backbone.final_layer_norm.": "final.",
    "head.out.": "head.",
}
_BLOCK_NAMES = {
    "dwconv.": "depthwise.conv.",
    "pwconv1.": "up.",
    "pwconv2.": "down.",
    "gamma": "scale",
}
# Filters and windows of the published state dict, which are computed here.
_COMPUTED = ("feature_extractor.", "head.istft.")


def from_published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert a published state dict to that of VocosCodec. Other names are not changed."""
    out = {}
    for name, value in state.items():
        if name.startswith(_COMPUTED):
            continue
        if name.startswith("backbone.convnext."):
            index, part = name.removeprefix("backbone.convnext.").split(".", 1)
            for old, new in _BLOCK_NAMES.items():
                if part.startswith(old):
                    part = new + part.removeprefix(old)
            name = f"blocks.{index}.{part}"
        for old, new in _NAMES.items():
            if name.startswith(old):
                name = new + name.removeprefix(old)
        out[name] = value
    return out


def build_vocos(**sizes: Any) -> VocosCodec:
    """Build a VocosCodec from the fields of VocosConfig, for checkpoints."""
    return VocosCodec(VocosConfig(**sizes))


def load_published(
    path: str | Path, sha256: str | None = WEIGHTS.sha256, config: VocosConfig | None = None
) -> VocosCodec:
    """Vocos mel 24 kHz with the published weights from a local file.

    Args:
        path: ``pytorch_model.bin`` or a ``.safetensors`` file with the same names.
        sha256: 64 hex digits, by default those of the published file; None skips the check, which
            only a ``.safetensors`` file may.
        config: other sizes, for weights of the same kind.

    Raises:
        CheckpointError: missing, another file, or of another architecture.
    """
    codec = VocosCodec(config)
    load_state(codec, path, sha256, from_published)
    return codec


def fetch_published(folder: str | Path) -> VocosCodec:
    """Load Vocos mel 24 kHz; its weights (54 MB, MIT) are downloaded into ``folder`` unless they
    are there.

    Raises:
        CheckpointError: the download fails, or the file is not the pinned one.
    """
    return load_published(WEIGHTS.fetch(folder))
