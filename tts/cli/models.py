"""`tts models`: what can be asked for with --model."""

import json
from typing import Annotated

import typer

from tts.cli.common import show


def models(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the models and whether their weights are there."""
    from tts.config import load_model_config
    from tts.resources import model_config, model_names, root

    rows = []
    for name in model_names():
        config = load_model_config(model_config(name))
        parts = {"generator": config.generator, "durations": config.durations,
                 "vocoder": config.vocoder, "speaker": config.speaker}  # fmt: skip
        missing = [
            part for part, folder in parts.items()
            if not (root() / "checkpoints" / folder / "model.safetensors").is_file()
        ]  # fmt: skip
        rows.append(
            {"name": name, "family": config.family, "language": config.language,
             "description": config.description, "missing": missing, **parts}
        )  # fmt: skip
    if as_json:
        show(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        note = f"  (weights missing: {', '.join(row['missing'])})" if row["missing"] else ""
        show(f"{row['name']:16} {row['family']:8} {row['language']:6} {row['description']}{note}")
