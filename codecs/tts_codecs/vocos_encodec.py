"""Vocos for EnCodec codes (Siuzdak 2023): decodes codes of the 24 kHz EnCodec, 75 frames/s, by
ConvNeXt blocks and an inverse STFT instead of EnCodec's decoder.

An own implementation for weights of the package `vocos`, which include those of EnCodec. Licences:
Vocos MIT; the weights of EnCodec CC-BY-NC 4.0 (non-commercial).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from tts_codecs import encodec
from tts_codecs.bandwidth import codebooks_at
from tts_codecs.base import Codec, CodecInfo, Encoded, check_encoded
from tts_codecs.checkpoint import load_state
from tts_codecs.encodec import EncodecCodec, EncodecConfig
from tts_codecs.nn.streamed import LayersState
from tts_codecs.vocos import VocosCodec, VocosConfig, VocosState, from_published

#: bandwidths in kbit/s of the training, in the order of their normalisation weights
BANDWIDTHS = (1.5, 3.0, 6.0, 12.0)
LICENCE = "code MIT; weights of Vocos MIT, of EnCodec CC-BY-NC 4.0 (non-commercial use only)"
#: sizes of the published weights
SIZES = VocosConfig(n_mels=128, n_fft=1280, hop=320, dim=384, hidden=1152, same=True)
_ENCODEC = "feature_extractor.encodec."


class VocosEncodecCodec(Codec):
    """EnCodec with Vocos as decoder, at one bandwidth; it can also encode streams.

    Args:
        config: sizes of EnCodec.
        sizes: sizes of Vocos, with the hop and width of EnCodec.
        bandwidth: kbit/s, one of BANDWIDTHS.

    Raises:
        CodecError: another bandwidth.
    """

    books: Tensor

    def __init__(
        self,
        config: EncodecConfig | None = None,
        sizes: VocosConfig = SIZES,
        bandwidth: float = 6.0,
    ):
        super().__init__()
        rates = {place: 1000 * kbits for place, kbits in enumerate(BANDWIDTHS)}
        self.place = codebooks_at(bandwidth, rates, "Vocos of EnCodec")
        self.encodec = EncodecCodec(config, bandwidth, "vocos_encodec_24khz")
        self.vocos = VocosCodec(sizes)
        own = self.encodec.config
        # Vocos has its own copy of the codebooks, those of the highest bandwidth.
        counts = [count for count in own.counts if count <= own.codebooks][: len(BANDWIDTHS)]
        self.register_buffer("books", torch.zeros(counts[-1], own.codebook_size, own.dim))

    @classmethod
    def from_file(
        cls, path: str | Path, bandwidth: float = 6.0, sha256: str | None = None
    ) -> VocosEncodecCodec:
        """The weights of `vocos-encodec-24khz` from a local file.

        Args:
            path: the state dict of the package as ``.safetensors``, or pickled.
            sha256: 64 hex digits; needed for a pickled file.

        Raises:
            CheckpointError: missing, unverified, damaged, or of another architecture.
        """
        codec = cls(None, SIZES, bandwidth)
        load_state(codec, path, sha256, codec.own_names)
        return codec.eval().requires_grad_(False)

    def own_names(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the package to that of this codec. It has normalisation weights
        for each bandwidth, of which those of this codec's bandwidth are taken."""
        under = {
            name.removeprefix(_ENCODEC): value
            for name, value in state.items()
            if name.startswith(_ENCODEC)
        }
        out = {f"encodec.{name}": value for name, value in encodec.own_names(under).items()}
        shape = (-1, *self.books.shape[1:])
        out["books"] = state["feature_extractor.codebook_weights"].float().view(shape)
        rest = {}
        for name, value in state.items():
            for old, new in ((".norm.scale.weight", ".norm.weight"), (".shift.weight", ".bias")):
                if name.endswith(old):
                    name, value = name.removesuffix(old) + new, value[self.place]
            rest[name] = value.float()
        out |= {f"vocos.{name}": value for name, value in from_published(rest).items()}
        return out

    @property
    def info(self) -> CodecInfo:
        """75 frames/s, 1.5 to 12 kbit/s."""
        return replace(self.encodec.info, look_ahead=self.vocos.info.look_ahead, licence=LICENCE)

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]`` to frames with ``T = ceil(N / hop)``."""
        return self.encodec.encode(wav)

    def init_encoding(self, batch: int) -> LayersState:
        """State of a new encoding stream of `batch` rows, for `encode_chunk`."""
        return self.encodec.init_encoding(batch)

    def encode_chunk(
        self, wav: Tensor, state: LayersState, last: bool = False
    ) -> tuple[Tensor, LayersState]:
        """Codes of the next samples of a stream, see EncodecCodec.encode_chunk."""
        return self.encodec.encode_chunk(wav, state, last)

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode codes ``[B, T, K]`` to ``wav [B, 1, T * hop]``."""
        codes = check_encoded(encoded, self.info)
        return self.decode_chunk(codes, self.init_state(len(codes)), last=True)[0]

    def init_state(self, batch: int) -> VocosState:
        """State of a new stream of ``batch`` rows, before its first frame."""
        return self.vocos.init_state(batch)

    @torch.no_grad()
    def decode_chunk(
        self, encoded: Tensor, state: VocosState, last: bool = False
    ) -> tuple[Tensor, VocosState]:
        """Decode the next ``t`` frames of a stream."""
        codes = check_encoded(encoded, self.info).to(self.device)
        features = self.books.new_zeros(*codes.shape[:2], self.books.shape[2])
        for k in range(codes.shape[2]):
            features += F.embedding(codes[..., k], self.books[k])
        return self.vocos.decode_chunk(features, state, last)
