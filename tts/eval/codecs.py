"""Codecs and vocoders by name, as the evaluation of resynthesis calls them."""

import numpy as np
import torch

import tts_codecs
from tts.audio.resample import resample
from tts.errors import TTSError
from tts.eval.run import Codec
from tts_codecs.base import Codec as WaveformCodec
from tts_codecs.registry import weights_of


def load_codec(name: str, device: str = "auto", vocoder: str = "vocoder_24k") -> Codec:
    """(samples [N], rate) to the same after encoding and decoding.

    Args: as of tts_codecs.load, and its errors.
    """
    return _through(tts_codecs.load(name, device, vocoder))


def made_of(name: str, vocoder: str = "vocoder_24k") -> str:
    """Checksums of the weights of a codec and of the vocoder that codecs of features need, which
    tell what it makes of a recording. Errors as of tts_codecs.load."""
    try:
        speaks = weights_of(vocoder)
    except TTSError:
        speaks = ""  # one that needs it tells when it is loaded
    return f"{weights_of(name)} {speaks}"


def _through(codec: WaveformCodec) -> Codec:
    codec.eval()

    @torch.inference_mode()
    def run(samples: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
        target = codec.info.sample_rate
        wav = torch.from_numpy(resample(samples, rate, target)).to(codec.device)
        made = codec.decode(codec.encode(wav[None, None]))[0, 0, : wav.shape[0]]
        return made.cpu().numpy(), target

    return run
