"""System files made tiny: the same parts, with few weights each."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch

from tts.losses.phone import PhoneProbe
from tts.registry import build_generator
from tts.systems import merged, read_resolved
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.latent import LatentAutoencoder
from tts_codecs.neural import build_codec
from tts_codecs.spectral import SpectralAutoencoder

ROOT = Path(__file__).parents[2]
SYSTEMS = sorted((ROOT / "configs" / "systems").glob("*.yaml"))

#: sizes of heads by kind
HEADS: dict[str, dict[str, Any]] = {
    "categorical": {"width": 8},
    "depth": {"width": 8, "blocks": 1, "heads": 2, "hidden": 16},
    "energy": {"noise": 8, "width": 16, "blocks": 1},
    "flow_mlp": {"width": 16, "blocks": 1},
    "gaussian": {"width": 16},
    "kl": {},
    "linear": {},
    "regression": {"width": 16},
    "local_dit": {"width": 16, "heads": 2, "hidden": 16, "blocks": 1},
}
NETWORK: dict[str, Any] = {
    "dim": 16,
    "conditioner": {
        "content_blocks": 1,
        "phone_dim": 16,
        "phone_blocks": 1,
        "voice_dim": 16,
        "global_dim": 16,
    },
    "backbone": {"heads": 2, "hidden": 16, "blocks": 1},
}


def tiny_parts(home: Path) -> None:
    """The shipped configs, and tiny codecs and probes, in a home with tiny models."""
    shutil.rmtree(home / "configs")
    shutil.copytree(ROOT / "configs", home / "configs")
    shutil.copytree(_made_parts().name, home / "checkpoints", dirs_exist_ok=True)


@cache
def _made_parts() -> tempfile.TemporaryDirectory[str]:
    """A folder, while the process lasts, with the checkpoints that `tiny_parts` copies."""
    made = tempfile.TemporaryDirectory(prefix="tiny_parts")
    checkpoints = Path(made.name)
    small = {"dim": 16, "blocks": 1}
    one = {"kind": "vq", "dim": 4, "codebook_size": 20}
    residual = {"kind": "rvq", "dim": 4, "num_codebooks": 3, "codebook_size": 20}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        for name, sizes in {
            "spectral": {**small, "levels": (5, 4), "groups": 3},
            "rvq": {**small, "quantizer": residual, "name": "rvq"},
            "spectral_vq": {**small, "patch": 1, "quantizer": one, "name": "spectral_vq"},
        }.items():
            save_checkpoint(checkpoints / name, SpectralAutoencoder(**sizes), "spectral", sizes)
        latent = {**small, "latents": 8}
        save_checkpoint(checkpoints / "latent", LatentAutoencoder(**latent), "latent", latent)
        part = {"kind": "spectrum", "width": 8, "blocks": 1}
        waves: dict[str, Any] = {
            "encoder": part,
            "quantizer": {"kind": "vq", "dim": 4, "codebook_size": 20},
            "decoder": {**part, "patch": 4},
            "hop": 640,
            "dim": 8,
        }
        save_checkpoint(checkpoints / "vqvae", build_codec(**waves), "neural", waves)
        codes = {"kind": "categorical", "num_codebooks": 3, "codebook_size": 20, "levels": [5, 4]}
        ar = {
            **NETWORK,
            "strategy": {"kind": "autoregressive", "pattern": {"name": "delay"}},
            "head": {**codes, **HEADS["categorical"]},
        }
        save_checkpoint(checkpoints / "ar", build_generator(**ar), "generator", ar)
        for name in ("phone_probe", "phone_recognizer"):
            save_checkpoint(checkpoints / name, PhoneProbe(**small), "phone_probe", small)
    return made


def tiny(path: Path, data: Path, out: Path) -> dict[str, Any]:
    """The resolved YAML of a system with few weights, two steps of training and of sampling."""
    values: dict[str, Any] = read_resolved(path)
    model = values["model"]
    head = (model.get("head") or {"kind": "linear"})["kind"]
    over: dict[str, Any] = {
        "data": str(data),
        "out": str(out),
        "phrasing": None,
        "profile": None,
        "overlap": None,
        "enhancer": None,
        "normalised": False,
        "calibration": 0,
        "size": "small",
        "model": {**NETWORK, "head": {"kind": head, **HEADS[head]}},
        "options": {
            "batch_size": 2,
            "max_frames": 50,
            "prompt": [30, 40],
            "probe": None,
            "identity": None,
            "resident": False,
        },
        "train": {
            "steps": 2,
            "warmup": 1,
            "device": "cpu",
            "graphs": False,
            "init": "flow",
            "log_every": 1,
            "sample_minutes": 1e9,
        },
    }
    values.pop("generator", None)
    if model["strategy"].get("own"):  # there is one block
        over["model"]["strategy"] = {"own": 1}
    trained = {"runs/latent/export": "latent", "runs/spectral_vq/export": "spectral_vq"}
    if values.get("codec") in trained:
        over["codec"] = trained[values["codec"]]
    steps = values.get("sampling", {}).get("steps")
    if steps:
        over["sampling"] = {"steps": 2}
    return merged(values, over)
