"""dMel (Bai et al. 2024, "dMel: Speech Tokenization Made Simple"): log-mel bands rounded to a few
levels each, and decoded by a vocoder. Nothing is trained for it.

There is one code per band, 80 codes of 16 levels per frame of 20 ms, or 16 kbit/s. That is a high
bitrate compared to learned codes, but dMel needs no encoder, loses little of the mel, and orders
its codes by frequency.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from tts_codecs.base import Codec, CodecInfo, Encoded, check_encoded, check_wav
from tts_codecs.mel_codec import FrameState, MelCodec
from tts_codecs.mel_stream import MelStreamState
from tts_codecs.quantizers.binned import BinnedQuantizer
from tts_codecs.sources import UNDECLARED
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

# Normalised log-mels from silence to the loudest of speech (0.01 % of values lie above 2.7).
_LOW, _HIGH = -2.75, 2.75


class DMelCodec(Codec):
    """Codec whose codes [B, T, 80] are the levels of the mel bands. The vocoder estimates the pitch
    from the decoded mel.

    Args:
        vocoder: decodes the mels.
        levels: number of levels of a band, 2 to 256.
        licence: shown in `info`.

    Raises:
        CodecError: invalid number of levels.
    """

    def __init__(self, vocoder: SourceFilterVocoder, levels: int = 16, licence: str = UNDECLARED):
        super().__init__()
        self.mel = MelCodec(vocoder, licence)
        self.quantizer = BinnedQuantizer(vocoder.mel.n_mels, _LOW, _HIGH, levels)

    @property
    def info(self) -> CodecInfo:
        """50 frames/s of 80 codes with the default vocoder; its look-ahead is the vocoder's."""
        under, quantizer = self.mel.info, self.quantizer
        return replace(
            under,
            name="dmel",
            kind="codes",
            num_codebooks=quantizer.num_codebooks,
            codebook_size=quantizer.codebook_size,
            bitrate=quantizer.bits * under.frame_rate,
        )

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]`` to frames with ``T = ceil(N / hop)``."""
        encoded = self.mel.encode(check_wav(wav))
        return replace(encoded, data=self.quantizer.encode(encoded.data))

    def init_encoding(self, batch: int) -> MelStreamState:
        """State of a new stream of waveforms, for `encode_chunk`."""
        return self.mel.init_encoding(batch)

    @torch.no_grad()
    def encode_chunk(
        self, wav: Tensor, state: MelStreamState, last: bool = False
    ) -> tuple[Tensor, MelStreamState]:
        """Encode the next samples of a stream to codes [B, t, K], see MelCodec.encode_chunk."""
        mels, state = self.mel.encode_chunk(wav, state, last)
        return self.quantizer.encode(mels), state

    def _mels(self, encoded: Encoded | Tensor) -> Tensor:
        return self.quantizer.decode(check_encoded(encoded, self.info).to(self.device))

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode codes ``[B, T, K]`` to ``wav [B, 1, T * hop]``."""
        return self.mel.decode(self._mels(encoded))

    def init_state(self, batch: int) -> FrameState:
        """State of a new stream of ``batch`` rows, before its first frame."""
        return self.mel.init_state(batch)

    @torch.no_grad()
    def decode_chunk(self, encoded: Tensor, state: Any, last: bool = False) -> tuple[Tensor, Any]:
        """Decode the next ``t`` frames of a stream."""
        return self.mel.decode_chunk(self._mels(encoded), state, last)
