"""Quantizers behind one contract: `VectorQuantizer`, `ResidualVQ`, `FSQ`, `GroupedFSQ`."""

from tts_codecs.quantizers.base import Quantizer, QuantizerOutput
from tts_codecs.quantizers.fsq import FSQ, GroupedFSQ
from tts_codecs.quantizers.rvq import ResidualVQ
from tts_codecs.quantizers.vq import VectorQuantizer

__all__ = ["FSQ", "GroupedFSQ", "Quantizer", "QuantizerOutput", "ResidualVQ", "VectorQuantizer"]
