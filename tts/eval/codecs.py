"""Codecs and vocoders by name, as the evaluation of resynthesis calls them."""

from pathlib import Path

import numpy as np
import torch

from tts.audio.resample import resample
from tts.builder import checkpoint_folder, load_module
from tts.errors import UsageError
from tts.eval.run import Codec
from tts.resources import nearest, root
from tts_codecs.base import Codec as WaveformCodec
from tts_codecs.checkpoint import CONFIG
from tts_codecs.mel import log_mel
from tts_codecs.spectral import SpectralAutoencoder, SpectralCodec
from tts_codecs.vocoder.source_filter import SourceFilterVocoder


def load_codec(name: str, device: str = "auto", vocoder: str = "vocoder") -> Codec:
    """(samples [N], rate) to the same after encoding and decoding.

    Args:
        name: checkpoint of a vocoder or of a spectral codec, by name or folder, or a file of
            EnCodec weights (24 kHz).
        vocoder: checkpoint that turns a spectral codec's mel into a waveform.

    Raises:
        UsageError: not a codec, or unknown, naming the nearest. CheckpointError: damaged.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if Path(name).is_file():
        from tts_codecs.encodec import EncodecCodec

        return _through(EncodecCodec.from_file(name).to(device).eval())
    folder = checkpoint_folder(name)
    if not (folder / CONFIG).is_file():
        known = [path.parent.name for path in (root() / "checkpoints").glob(f"*/{CONFIG}")]
        raise UsageError(f"unknown codec {name!r}{nearest(name, known)}")
    module = load_module(folder, device)
    if isinstance(module, SourceFilterVocoder):
        return _copy(module)
    if isinstance(module, SpectralAutoencoder):
        synthesis = load_module(vocoder, device)
        assert isinstance(synthesis, SourceFilterVocoder)
        return _through(SpectralCodec(module, synthesis).to(device).eval())
    raise UsageError(f"{name!r} is neither a codec nor a vocoder")


def _copy(vocoder: SourceFilterVocoder) -> Codec:
    """Copy synthesis: the mel of a recording back to a waveform."""

    @torch.inference_mode()
    def run(samples: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
        config = vocoder.mel
        wav = torch.from_numpy(resample(samples, rate, config.sample_rate)).to(
            vocoder.window.device
        )
        made, _ = vocoder(log_mel(wav[None], config))
        return made[0].cpu().numpy(), config.sample_rate

    return run


def _through(codec: WaveformCodec) -> Codec:
    @torch.inference_mode()
    def run(samples: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
        target = codec.info.sample_rate
        wav = torch.from_numpy(resample(samples, rate, target)).to(codec.device)
        made = codec.decode(codec.encode(wav[None, None]))[0, 0, : wav.shape[0]]
        return made.cpu().numpy(), target

    return run
