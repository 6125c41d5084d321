"""Codecs by name for the evaluation of resynthesis."""

from pathlib import Path

import numpy as np
import pytest
import torch

import tts_codecs
from tts.errors import CheckpointError, CodecError, UsageError
from tts.eval.codecs import load_codec
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.spectral import SpectralAutoencoder


@pytest.fixture
def home(tiny_home: Path) -> Path:
    arguments = {"dim": 8, "blocks": 1, "levels": (5, 4), "groups": 2}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = SpectralAutoencoder(82, 2, 8, 1, levels=(5, 4), groups=2)
    saved = arguments | {"levels": [5, 4]}
    save_checkpoint(tiny_home / "checkpoints" / "spectral", module, "spectral", saved)
    return tiny_home


def test_every_codec_by_name(home: Path) -> None:
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.normal(size=22050)).astype(np.float32)
    made = {}
    for name in ("vocoder", "features", "dmel", "spectral", str(home / "checkpoints" / "vocoder")):
        made[name], rate = load_codec(name, "cpu")(samples, 22050)
        assert rate == 16000 and made[name].shape == (16000,) and made[name].dtype == np.float32
        assert np.isfinite(made[name]).all() and made[name].std() > 0
    # The full mel is not the envelope, and codes are coarser than both.
    assert not np.allclose(made["vocoder"], made["features"], atol=1e-4)
    assert not np.allclose(made["features"], made["spectral"], atol=1e-4)
    np.testing.assert_array_equal(made["vocoder"], made[str(home / "checkpoints" / "vocoder")])


def test_a_bandwidth_is_part_of_the_name(home: Path) -> None:
    quantizer = {"kind": "residual_fsq", "levels": [4, 4], "num_codebooks": 3}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = SpectralAutoencoder(82, 2, 8, 1, quantizer=quantizer, name="r")
    saved = {"dim": 8, "blocks": 1, "quantizer": quantizer, "name": "r"}
    folder = home / "checkpoints" / "a@b"
    save_checkpoint(folder, module, "spectral", saved)
    samples = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    made = {}
    for name, count in ((str(folder), 3), ("a@b@0.1", 1), ("a@b@0.2", 2), ("a@b@0.3", 3)):
        codec = tts_codecs.load(name, "cpu")
        assert codec.info.num_codebooks == count
        made[count] = load_codec(name, "cpu")(samples, 16000)[0]
    assert not np.allclose(made[1], made[3], atol=1e-4)
    # A folder that is called so is itself.
    save_checkpoint(home / "checkpoints" / "a@7", module, "spectral", saved)
    assert tts_codecs.load(home / "checkpoints" / "a@7", "cpu").info.num_codebooks == 3
    for name in ("a@b@0", "a@b@-1", "a@b@nan", "spectral@2", "features@1", "dmel@16"):
        with pytest.raises(UsageError, match="bandwidth"):
            load_codec(name, "cpu")
    with pytest.raises(CodecError, match=r"r: bandwidth 9 kbit/s is not one of 0.1, 0.2, 0.3"):
        load_codec("a@b@9", "cpu")


def test_unknown_and_unfit_names(home: Path) -> None:
    with pytest.raises(UsageError, match=r"'featurs'.*'features'"):
        load_codec("featurs", "cpu")
    with pytest.raises(UsageError, match=r"'vocodr'.*'vocoder'"):
        load_codec("vocodr", "cpu")
    with pytest.raises(UsageError, match="neither a codec nor a vocoder"):
        load_codec("aligner", "cpu")
    with pytest.raises(UsageError, match="not a vocoder"):
        load_codec("features", "cpu", vocoder="aligner")
    (home / "checkpoints" / "vocoder_24k" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError):
        load_codec("features", "cpu")
