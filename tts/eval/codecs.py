"""Codecs and vocoders by name, as the evaluation of resynthesis calls them."""

import numpy as np
import torch

import tts_codecs
from tts.audio.resample import resample
from tts.errors import UsageError
from tts.eval.run import Codec
from tts_codecs.base import Codec as WaveformCodec


def load_codec(name: str, device: str = "auto", vocoder: str = "vocoder") -> Codec:
    """(samples [N], rate) to the same after encoding and decoding.

    Args: as of tts_codecs.load; "NAME@KBITS" is a codec at one of its bandwidths.

    Raises:
        UsageError: not a codec, or unknown, naming the nearest. CheckpointError: damaged.
    """
    return _through(named(name, device, vocoder))


def named(name: str, device: str = "auto", vocoder: str = "vocoder") -> WaveformCodec:
    """tts_codecs.load of "NAME" or of "NAME@KBITS", a bandwidth in kbit/s."""
    plain, at, kbits = name.rpartition("@")
    try:
        bandwidth = float(kbits) if at else None
    except ValueError:
        bandwidth = None  # an @ of a path
    if bandwidth is None:
        return tts_codecs.load(name, device, vocoder)
    if not 0 < bandwidth <= 1000:
        raise UsageError(f"{name!r}: a bandwidth is above 0 and at most 1000 kbit/s")
    return tts_codecs.load(plain, device, vocoder, bandwidth)


def _through(codec: WaveformCodec) -> Codec:
    codec.eval()

    @torch.inference_mode()
    def run(samples: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
        target = codec.info.sample_rate
        wav = torch.from_numpy(resample(samples, rate, target)).to(codec.device)
        made = codec.decode(codec.encode(wav[None, None]))[0, 0, : wav.shape[0]]
        return made.cpu().numpy(), target

    return run
