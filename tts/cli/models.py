"""`tts models`: what can be asked for with --model."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tts.cli.common import show


def _parameters(weights: Path) -> int:
    """Numbers in a safetensors file, without reading them."""
    from safetensors import safe_open

    with safe_open(weights, framework="pt") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    total = 0
    for shape in shapes:
        size = 1
        for side in shape:
            size *= side
        total += size
    return total


def _row(name: str) -> dict[str, Any]:
    from tts.builder import checkpoint_folder
    from tts.config import PARTS, load_model_config
    from tts.resources import model_config

    config = load_model_config(model_config(name))
    parts = {part: getattr(config, part) for part in PARTS}
    folders = {k: checkpoint_folder(v) for k, v in parts.items() if v and v != "features"}
    missing = [k for k, folder in folders.items() if not (folder / "model.safetensors").is_file()]
    scores = folders["generator"] / "scores.json"
    return {
        "name": name, "family": config.family, "language": config.language,
        "description": config.description, "licence": config.licence, "missing": missing, **parts,
        "parameters": None if "generator" in missing
        else _parameters(folders["generator"] / "model.safetensors"),
        "scores": json.loads(scores.read_text("utf-8")) if scores.is_file() else None,
    }  # fmt: skip


def _streaming(name: str) -> dict[str, int | None]:
    from dataclasses import asdict

    from tts.config import load_model_config
    from tts.latency import latency
    from tts.resources import model_config

    return asdict(latency(load_model_config(model_config(name))))


def models(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the models: family, codec, parameters, licence and what `tts eval` measured.

    As JSON also how early each is heard (`streaming`, see tts.latency; null: sentence by sentence).
    """
    from tts.resources import model_names

    rows = [_row(name) for name in model_names()]
    if as_json:
        for row in rows:
            row["streaming"] = _streaming(row["name"]) if not row["missing"] else None
        show(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        size = f"{row['parameters'] / 1e6:.1f} M" if row["parameters"] else "-"
        scores = row["scores"]
        measured = (
            f"WER {100 * scores['wer']:.1f} %  ECAPA {scores['similarity']:.3f}  "
            f"MOS {scores['quality']:.2f}  RTF {scores['rtf']:.3f}"
            if scores
            else "not measured"
        )
        note = f"  (weights missing: {', '.join(row['missing'])})" if row["missing"] else ""
        show(
            f"{row['name']:12} {row['family']:10} {row['codec']:9} {size:>7}  {row['licence']:8} "
            f"{measured}{note}\n{'':12} {row['description']}"
        )
