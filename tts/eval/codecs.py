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
from tts_codecs.mel_codec import FeatureCodec, MelCodec
from tts_codecs.spectral import SpectralAutoencoder, SpectralCodec
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

FEATURES = "features"


def load_codec(name: str, device: str = "auto", vocoder: str = "vocoder") -> Codec:
    """(samples [N], rate) to the same after encoding and decoding.

    Args:
        name: checkpoint of a vocoder (copy synthesis from the full mel) or of a spectral codec, by
            name or folder; "features" for copy synthesis from source-filter features, the best that
            a generator of them can reach; or a file of EnCodec weights (24 kHz).
        vocoder: checkpoint that turns features into a waveform.

    Raises:
        UsageError: not a codec, or unknown, naming the nearest. CheckpointError: damaged.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if Path(name).is_file():
        from tts_codecs.encodec import EncodecCodec

        return _through(EncodecCodec.from_file(name).to(device))
    folder = checkpoint_folder(name)
    if not (folder / CONFIG).is_file():
        if name == FEATURES:
            return _through(FeatureCodec(_vocoder(vocoder, device)))
        known = [path.parent.name for path in (root() / "checkpoints").glob(f"*/{CONFIG}")]
        raise UsageError(f"unknown codec {name!r}{nearest(name, [*known, FEATURES])}")
    module = load_module(folder, device)
    if isinstance(module, SourceFilterVocoder):
        return _through(MelCodec(module))
    if isinstance(module, SpectralAutoencoder):
        return _through(SpectralCodec(module, _vocoder(vocoder, device)))
    raise UsageError(f"{name!r} is neither a codec nor a vocoder")


def _vocoder(name: str, device: str) -> SourceFilterVocoder:
    module = load_module(name, device)
    if not isinstance(module, SourceFilterVocoder):
        raise UsageError(f"{name!r} is not a vocoder")
    return module


def _through(codec: WaveformCodec) -> Codec:
    codec.eval()

    @torch.inference_mode()
    def run(samples: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
        target = codec.info.sample_rate
        wav = torch.from_numpy(resample(samples, rate, target)).to(codec.device)
        made = codec.decode(codec.encode(wav[None, None]))[0, 0, : wav.shape[0]]
        return made.cpu().numpy(), target

    return run
