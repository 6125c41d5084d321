"""Codecs and vocoders by name, for the evaluation of resynthesis."""

import numpy as np
import torch

import tts_codecs
from tts.audio.resample import resample
from tts.errors import TTSError
from tts.eval.run import Codec
from tts_codecs.base import Codec as WaveformCodec
from tts_codecs.registry import weights_of


def load_codec(name: str, device: str = "auto", vocoder: str = "vocoder_24k") -> Codec:
    """A function that encodes and decodes a recording: (samples [N], rate) to the same.

    Args and errors: as of tts_codecs.load.
    """
    return _resynthesizer(tts_codecs.load(name, device, vocoder))


def made_of(name: str, vocoder: str = "vocoder_24k") -> str:
    """Checksums of the weights of a codec and of the vocoder, on which the codec's output depends.
    Errors as of tts_codecs.load."""
    try:
        vocoder_weights = weights_of(vocoder)
    except TTSError:
        vocoder_weights = ""  # a codec that needs the vocoder raises the error when it is loaded
    return f"{weights_of(name)} {vocoder_weights}"


def _resynthesizer(codec: WaveformCodec) -> Codec:
    codec.eval()

    @torch.inference_mode()
    def run(samples: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
        target = codec.info.sample_rate
        wav = torch.from_numpy(resample(samples, rate, target)).to(codec.device)
        made = codec.decode(codec.encode(wav[None, None]))[0, 0, : wav.shape[0]]
        return made.cpu().numpy(), target

    return run
