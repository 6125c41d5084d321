"""EnCodec at 48 kHz (Défossez et al. 2022, "High Fidelity Neural Audio Compression"): independently
coded segments of a second, at 3 to 24 kbit/s.

An own implementation for the weights of the package `encodec`, which is not needed. The model is
stereo: a mono recording is used as both channels, and the decoded channels are averaged. It codes
segments of 1 s that overlap by 1 % and are normalised by their level, with networks that see the
whole segment, and crossfades between segments. A frame here is a segment: two codes of its level,
then 150 codes of the first codebook, 150 of the second, and so on. Frames are thus coded and
decoded independently, and a stream has no look-ahead, but a frame lasts a second.

Licences: the published weights are CC-BY-NC 4.0 (non-commercial).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.base import CodecInfo, Encoded, check_batch, check_encoded, check_stream, check_wav
from tts_codecs.checkpoint import load_state
from tts_codecs.encodec import EncodecBooks, EncodecConfig
from tts_codecs.errors import CodecError
from tts_codecs.layered import LayeredCodec
from tts_codecs.nn.framed import FramedELU
from tts_codecs.nn.normed import NormedBlock, NormedConv, NormedTransposed, SkippedLSTM
from tts_codecs.quantizers.base import FixedQuantizer
from tts_codecs.sources import ENCODEC_LICENCE

if TYPE_CHECKING:
    from encodec import EncodecModel

#: sizes of the published weights
PUBLISHED = EncodecConfig(48000, codebooks=16, counts=(2, 4, 8, 16))
#: number of codes for the level of a segment, and the smallest and largest level
LEVEL_CODES, LEAST, GREATEST = 2, 1e-8, 1e1
#: kernel size of the first and the last convolution
_KERNEL = 7


class SegmentQuantizer(FixedQuantizer):
    """Quantizer of segments: the vectors and the level of a segment, [B, T, vectors * dim + 1], to
    codes [B, T, 2 + vectors * books]. The first two codes are the digits of the quantized
    log-level; the relative error of the level is at most 1e-5.

    Args:
        config: sizes of the codebooks.
        vectors: number of vectors of a segment.
    """

    def __init__(self, config: EncodecConfig, vectors: int):
        super().__init__()
        self.inner = EncodecBooks(config)
        self.vectors, self.dim = vectors, vectors * config.dim + 1
        self.codebook_size = config.codebook_size
        self.num_codebooks = LEVEL_CODES + vectors * config.codebooks
        steps = self.codebook_size**LEVEL_CODES - 1
        self.step = math.log(GREATEST / LEAST) / steps

    @property
    def prefixes(self) -> tuple[int, ...]:
        """Numbers of codes for the numbers of codebooks that the weights were trained for."""
        return tuple(LEVEL_CODES + self.vectors * count for count in self.inner.counts)

    @torch.no_grad()
    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, n]`` of ``z [B, T, D]``, n one of `prefixes` (default K); CodecError on
        wrong shape, non-finite values or another n."""
        self.check_input(z)
        count = (self.check_prefix(num_codebooks) - LEVEL_CODES) // self.vectors
        vectors, level = z[..., :-1].unflatten(2, (self.vectors, -1)), z[..., -1]
        codes = self.inner.encode(vectors.flatten(0, 1), count)  # [B * T, vectors, count]
        codes = codes.transpose(1, 2).flatten(1).unflatten(0, z.shape[:2])
        place = (level.clamp(LEAST, GREATEST).double() / LEAST).log().div(self.step).round().long()
        digits = torch.stack([place // self.codebook_size, place % self.codebook_size], -1)
        return torch.cat([digits, codes], -1)

    def decode(self, codes: Tensor) -> Tensor:
        """Quantized values ``[B, T, D]`` of ``codes [B, T, K]``; CodecError if out of range."""
        self.check_codes(codes, self.check_prefix(self.width_of(codes)))
        place = codes[..., 0] * self.codebook_size + codes[..., 1]
        level = (place.double() * self.step).exp().mul(LEAST).float()
        books = codes[..., LEVEL_CODES:].unflatten(2, (-1, self.vectors)).transpose(2, 3)
        vectors = self.inner.decode(books.flatten(0, 1)).unflatten(0, codes.shape[:2])
        return torch.cat([vectors.flatten(2), level.unsqueeze(-1)], -1)


@dataclass(frozen=True)
class SegmentState:
    """What a stream remembers.

    Attributes:
        kept: samples [B, n]: of encoding those that are not all coded yet, of decoding the end of a
            segment that fades into the next.
        batch: rows of the stream.
        begun, finished: whether there was a segment, and the last.
    """

    kept: Tensor
    batch: int
    begun: bool = False
    finished: bool = False


class SegmentedEncodecCodec(LayeredCodec):
    """EnCodec of stereo, by segments; inference only, encodes in pieces as well. The last segment
    is filled up with silence.

    Args:
        config: sizes.
        segment: samples of a segment; overlap: of them with the next, at most half.
        bandwidth: kbit/s of the codebooks; with the level they are a fiftieth more.

    Raises:
        CodecError: a bandwidth that it does not have.
    """

    def __init__(
        self,
        config: EncodecConfig = PUBLISHED,
        segment: int = 48000,
        overlap: int = 480,
        bandwidth: float | None = 6.0,
        name: str = "encodec_48khz",
    ) -> None:
        super().__init__()
        self.config, self.name = config, name
        self.segment, self.overlap = segment, overlap
        self.hop = segment - overlap
        vectors = -(-segment // math.prod(config.ratios))
        self.encoder, self.decoder = _encoder(config), _decoder(config)
        self.quantizer = SegmentQuantizer(config, vectors)
        self.num_codebooks = self.quantizer.num_codebooks
        if bandwidth is not None:
            self.use_bandwidth(bandwidth)
        # As the package weighs what overlaps: by triangles as long as a segment.
        place = torch.linspace(0, 1, segment + 2)[1:-1]
        weight = 0.5 - (place - 0.5).abs()
        begins, ends = weight[:overlap], weight[segment - overlap :]
        self.register_buffer("fade", begins / (begins + ends), persistent=False)

    fade: Tensor

    @classmethod
    def from_package(
        cls, model: EncodecModel, bandwidth: float | None = 6.0
    ) -> SegmentedEncodecCodec:
        """A model of the package `encodec` of the kind of that of 48 kHz, with its weights.

        Raises:
            CodecError: another kind, such as that of 24 kHz, or an unsupported bandwidth.
        """
        norms = [each for each in model.modules() if isinstance(each, nn.GroupNorm)]
        if model.channels != 2 or not model.normalize or model.segment is None or not norms:
            raise CodecError("SegmentedEncodecCodec: needs the stereo model, of 48 kHz")
        encoder, quantizer = model.encoder, model.quantizer
        counts = tuple(
            quantizer.get_num_quantizers_for_bandwidth(model.frame_rate, each)
            for each in model.target_bandwidths
        )
        config = EncodecConfig(
            model.sample_rate,
            quantizer.dimension,
            encoder.n_filters,
            tuple(reversed(encoder.ratios)),
            quantizer.n_q,
            quantizer.bins,
            counts,
        )
        length, stride = model.segment_length, model.segment_stride
        assert length is not None and stride is not None
        codec = cls(config, length, length - stride, bandwidth)
        codec.load_state_dict(own_names(model.state_dict()))
        return codec.eval().requires_grad_(False)

    @classmethod
    def from_file(
        cls, path: str | Path, bandwidth: float | None = 6.0, sha256: str | None = None
    ) -> SegmentedEncodecCodec:
        """The 48 kHz model with weights from a local file; see EncodecCodec.from_file.

        Raises:
            CheckpointError: missing, unverified, damaged, or of another architecture.
        """
        codec = cls(bandwidth=bandwidth)
        load_state(codec, path, sha256, own_names)
        return codec.eval().requires_grad_(False)

    @property
    def layered(self) -> SegmentQuantizer:
        """The quantizer whose number of codebooks can be chosen."""
        return self.quantizer

    @property
    def frames_per_second(self) -> float:
        """Segments per second."""
        return self.config.sample_rate / self.hop

    @property
    def info(self) -> CodecInfo:
        """1.01 frames/s of 302 to 2,402 codes."""
        return CodecInfo(
            name=self.name,
            sample_rate=self.config.sample_rate,
            hop=self.hop,
            kind="codes",
            num_codebooks=self.num_codebooks,
            codebook_size=self.quantizer.codebook_size,
            dim=self.quantizer.dim,
            bitrate=self.bandwidths()[self.num_codebooks],
            causal=True,
            look_ahead=0,
            licence=ENCODEC_LICENCE,
            residual=True,
        )

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]`` to frames with ``T = ceil(N / hop)``."""
        wav = check_wav(wav)
        codes, _ = self.encode_chunk(wav, self.init_encoding(len(wav)), last=True)
        return Encoded(codes, self.info.frame_rate)

    def init_encoding(self, batch: int) -> SegmentState:
        """State of a new stream of waveforms, for `encode_chunk`."""
        return SegmentState(self.fade.new_zeros(check_batch(batch), 0), batch)

    @torch.no_grad()
    def encode_chunk(
        self, wav: Tensor, state: SegmentState, last: bool = False
    ) -> tuple[Tensor, SegmentState]:
        """Codes [B, t, K] of the segments that the next samples of a stream complete, wav
        [B, 1, n], n may be 0; the `last` one is filled up with silence."""
        check_stream(check_wav(wav, piece=True), state, SegmentState)
        held = torch.cat([state.kept, wav[:, 0].to(self.fade)], 1)
        ready = max(0, held.shape[1] - self.overlap) // self.hop
        if last:
            ready = -(-held.shape[1] // self.hop)
            held = F.pad(held, (0, max(0, ready * self.hop + self.overlap - held.shape[1])))
        codes = torch.zeros(len(held), 0, self.num_codebooks, dtype=torch.int64, device=held.device)
        for number in range(ready):
            part = held[:, number * self.hop :][:, : self.segment]
            codes = torch.cat([codes, self._coded(part)], 1)
        return codes, SegmentState(held[:, ready * self.hop :], state.batch, finished=last)

    def _coded(self, wav: Tensor) -> Tensor:
        """Codes [B, 1, K] of a segment [B, segment]."""
        level = wav.square().mean(1, keepdim=True).sqrt() + LEAST
        z = (wav / level).unsqueeze(1).expand(-1, 2, -1)
        for layer in self.encoder:
            z = layer(z)
        values = torch.cat([z.transpose(1, 2).flatten(1), level], 1).unsqueeze(1)
        return self.quantizer.encode(values, self.num_codebooks)

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode frames ``[B, T, K]`` or ``[B, T, D]`` to ``wav [B, 1, T * hop]``. Frames have as
        many codes as are in use."""
        codes = check_encoded(encoded, self.info)
        return self.decode_chunk(codes, self.init_state(len(codes)), last=True)[0]

    def init_state(self, batch: int) -> SegmentState:
        """State of a new stream of ``batch`` rows, before its first frame."""
        return SegmentState(self.fade.new_zeros(check_batch(batch), self.overlap), batch)

    @torch.no_grad()
    def decode_chunk(
        self, encoded: Tensor, state: SegmentState, last: bool = False
    ) -> tuple[Tensor, SegmentState]:
        """Decode the next ``t`` frames of a stream."""
        codes = check_encoded(encoded, self.info).to(self.device)
        check_stream(codes, state, SegmentState)
        kept, begun, made = state.kept, state.begun, [self.fade.new_zeros(state.batch, 0)]
        for part in codes.split(1, 1) if codes.shape[1] else []:
            wav = self._decoded(part)
            if begun:
                faded = torch.lerp(kept, wav[:, : self.overlap], self.fade)
                wav = torch.cat([faded, wav[:, self.overlap :]], 1)
            made.append(wav[:, : self.hop])
            kept, begun = wav[:, self.hop :], True
        wav = torch.cat(made, 1).unsqueeze(1)
        return wav, SegmentState(kept, state.batch, begun, last)

    def _decoded(self, codes: Tensor) -> Tensor:
        """The segment [B, segment] of codes [B, 1, K]."""
        values = self.quantizer.decode(codes)[:, 0]
        z = values[:, :-1].unflatten(1, (self.quantizer.vectors, -1)).transpose(1, 2)
        for layer in self.decoder:
            z = layer(z)
        return z[..., : self.segment].mean(1) * values[:, -1:]


def _encoder(config: EncodecConfig) -> nn.ModuleList:
    dim = config.filters
    layers: list[nn.Module] = [NormedConv(2, dim, _KERNEL)]
    for ratio in reversed(config.ratios):
        layers += [NormedBlock(dim), FramedELU(), NormedConv(dim, 2 * dim, 2 * ratio, ratio)]
        dim *= 2
    last = NormedConv(dim, config.dim, _KERNEL)
    return nn.ModuleList([*layers, SkippedLSTM(dim), FramedELU(), last])


def _decoder(config: EncodecConfig) -> nn.ModuleList:
    dim = config.filters * 2 ** len(config.ratios)
    layers: list[nn.Module] = [NormedConv(config.dim, dim, _KERNEL), SkippedLSTM(dim)]
    for ratio in config.ratios:
        layers += [FramedELU(), NormedTransposed(dim, dim // 2, ratio), NormedBlock(dim // 2)]
        dim //= 2
    return nn.ModuleList([*layers, FramedELU(), NormedConv(dim, 2, _KERNEL)])


#: parts of the package's names to those of SegmentedEncodecCodec
_RENAMED = {
    ".model.": ".", ".conv.conv.": ".conv.", ".conv.norm.": ".norm.", ".convtr.convtr.": ".conv.",
    ".convtr.norm.": ".norm.", ".block.1.": ".narrow.", ".block.3.": ".wide.",
}  # fmt: skip


def own_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the package's model as those of SegmentedEncodecCodec."""
    out: dict[str, Tensor] = {}
    books: dict[int, Tensor] = {}
    for name, value in state.items():
        if name.startswith("quantizer."):
            if name.endswith(".embed"):
                books[int(name.split(".")[3])] = value.float()
            continue
        for old, new in _RENAMED.items():
            name = name.replace(old, new)
        out[name] = value.float()
    if books:
        out["quantizer.inner.books"] = torch.stack([books[at] for at in sorted(books)])
    return out
