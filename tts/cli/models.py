"""`tts models`: list models, fetch published weights, edit checkpoints."""

import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tts.cli.common import say, show, warn_without_weights
from tts.errors import UsageError

if TYPE_CHECKING:
    from tts.catalog import ModelInfo

app = typer.Typer(
    help="List the models; fetch the weights that others published.", rich_markup_mode=None
)


def _parameters(folder: Path) -> int:
    """Count the parameters of a checkpoint from its header, without PyTorch."""
    from math import prod

    from safetensors import safe_open

    from tts.systems import read_yaml

    base = read_yaml(folder / "config.yaml").get("base")
    shapes: dict[str, list[int]] = {}
    for each in [folder] + ([folder.resolve().parent / base["folder"]] if base else []):
        with safe_open(each / "model.safetensors", framework="numpy") as file:
            shapes |= {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    return sum(prod(shape) for name, shape in shapes.items() if not name.endswith(".row_scale"))


def _row(model: "ModelInfo") -> dict[str, Any]:
    parameters = None
    if model.generator is not None and "generator" not in model.missing:
        parameters = _parameters(model.generator)
    # Scores of single sentences are for paired comparisons, and many.
    scores = {key: value for key, value in (model.scores or {}).items() if key != "rows"}
    return {
        "name": model.name, "family": model.family, "language": model.language,
        "published": model.published, "to_fetch": model.to_fetch,
        "description": model.description, "licence": model.licence, "paper": model.paper,
        "trained_by": model.trained_by, "missing": list(model.missing), **model.parts,
        "parameters": parameters, "scores": scores or None, "words": model.words,
    }  # fmt: skip


def _streaming(name: str) -> dict[str, int | None]:
    from dataclasses import asdict

    from tts.config import load_model_config
    from tts.latency import latency
    from tts.resources import model_config

    return asdict(latency(load_model_config(model_config(name))))


@app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the models: family, codec, parameters, licence, what `tts eval` measured, and in words
    how good and how fast each is.

    As JSON also how early each is heard (`streaming`, see tts.latency; null: sentence by sentence).
    """
    if context.invoked_subcommand is not None:
        return
    from tts.catalog import models as known

    rows = [_row(each) for each in known()]
    if as_json:
        for row in rows:
            row["streaming"] = _streaming(row["name"]) if not row["missing"] else None
        show(json.dumps(rows, ensure_ascii=False))
        return
    untrained = [row["name"] for row in rows if row["trained_by"] and "generator" in row["missing"]]
    for row in rows:
        if row["name"] in untrained:
            continue
        size = f"{row['parameters'] / 1e6:.1f} M" if row["parameters"] else "-"
        scores = row["scores"]
        measured = (
            f"WER {100 * scores['wer']:.1f} %  ECAPA {scores['similarity']:.3f}  "
            f"MOS {scores['quality']:.2f}  RTF {scores['rtf']:.3f}"
            if scores
            else "not measured"
        )
        note = f"  (weights missing: {', '.join(row['missing'])})" if row["missing"] else ""
        if row["to_fetch"]:
            note = f"  (not fetched: tts models fetch {row['to_fetch']})"
        show(
            f"{row['name']:12} {row['family']:10} {row['codec']:9} {size:>7}  {row['licence']:8} "
            f"{measured}{note}\n{'':12} {row['description']}"
            + (f"\n{'':12} {row['words']}" if scores else "")
        )
    if untrained:
        lines = textwrap.wrap(", ".join(untrained), 88)
        warn_without_weights()
        show("systems without weights (tts train NAME, docs/systems.md):\n  " + "\n  ".join(lines))


@app.command()
def join(
    pieces: Annotated[str, typer.Argument(help="NAME.json beside the pieces that it lists.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Checkpoint folder to make.")],
) -> None:
    """Put a checkpoint together again that training exported in pieces (tts.train.publish)."""
    from tts.train.publish import join_pieces

    say(f"{join_pieces(pieces, out)} is there")


@app.command()
def fetch(
    name: Annotated[
        str, typer.Argument(help="A model of `tts models` or a codec of `tts codec info`.")
    ],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Do not ask whether you accept its licence.")
    ] = False,
) -> None:
    """Download weights that others published, after showing what and under which licence."""
    from tqdm import tqdm

    from tts.published import PUBLISHED, PublishedF5
    from tts.resources import nearest
    from tts_codecs.fetched import CODECS, PublishedCodec

    known: dict[str, PublishedF5 | PublishedCodec] = {**PUBLISHED, **CODECS}
    if name not in known:
        raise UsageError(f"nothing to fetch for {name!r}{nearest(name, known)}")
    model = known[name]
    if model.fetched:
        say(f"{name} is there: {model.folder}")
        return
    say(f"{name}: {model.size_told} into {model.folder}")
    for file in model.files:
        say(f"  {file.url}\n    {file.size:,} bytes, sha256 {file.sha256}\n    {file.licence}")
    if not accept_licence:
        if sys.stdin is None or not sys.stdin.isatty():
            raise UsageError("nobody here to ask: accept the licences above with --accept-licence")
        if not typer.confirm("Accept these licences and fetch?", default=False, err=True):
            say("nothing fetched")
            raise typer.Exit(1)
    with tqdm(
        total=model.size, unit="B", unit_scale=True, desc=name, disable=not sys.stderr.isatty()
    ) as bar:
        folder = model.fetch(True, bar.update)
    say(f"{name}: {folder}")


@app.command()
def share(
    folders: Annotated[list[Path], typer.Argument(help="Checkpoint folders, e.g. exports.")],
    base: Annotated[
        Path,
        typer.Option(help="Folder in the same folder as all of them; made where it is not there."),
    ],
) -> None:
    """Leave out of checkpoints what another beside them holds too: frozen parts are stored once.

    Base and checkpoints must lie in one folder: runs/a/export and runs/b/export do not.
    """
    from tts_codecs.checkpoint import share_weights

    share_weights(folders, base)
    for folder in folders:
        size = (folder / "model.safetensors").stat().st_size
        say(f"{folder}: {size / 1e6:.1f} MB")


@app.command()
def pack(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or a shipped name.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the packed checkpoint.")],
) -> None:
    """Store the matrices of a checkpoint in 8 bits: half the size, very nearly the same weights."""
    from tts.resources import checkpoint_folder
    from tts_codecs.checkpoint import pack_weights

    folder = checkpoint_folder(checkpoint)
    pack_weights(folder, out)
    before, after = ((each / "model.safetensors").stat().st_size for each in (folder, out))
    say(f"{out}: {after / 1e6:.1f} MB, {checkpoint} {before / 1e6:.1f} MB")


@app.command()
def average(
    first: Annotated[
        str, typer.Argument(help="Checkpoint folder, such as runs/x/export, or a shipped name.")
    ],
    second: Annotated[str, typer.Argument(help="Another of the same network, trained from it.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the average.")],
    weight: Annotated[float, typer.Option(min=0, max=1, help="Share of the second.")] = 0.5,
) -> None:
    """Average the weights of two checkpoints."""
    from tts.resources import checkpoint_folder
    from tts_codecs.checkpoint import average_weights

    average_weights(checkpoint_folder(first), checkpoint_folder(second), weight, out)
    say(f"{out}: {1 - weight:g} of {first}, {weight:g} of {second}")


@app.command()
def grow(
    checkpoint: Annotated[
        str, typer.Argument(help="Checkpoint folder of a generator, or a shipped name.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the larger one.")],
    blocks: Annotated[int | None, typer.Option(min=1, help="Blocks of its backbone.")] = None,
    hidden: Annotated[
        int | None, typer.Option(min=1, help="Width of the feed-forward layers of a block.")
    ] = None,
    voice_units: Annotated[
        int | None, typer.Option(min=1, help="Hidden units of a block that the voice gates.")
    ] = None,
) -> None:
    """Make a generator larger: it says the same, and can learn more (train.init)."""
    from typing import cast

    import torch

    from tts.generators.generator import Generator
    from tts.generators.growth import grow, grown_arguments
    from tts.registry import build_generator, load_module
    from tts.resources import checkpoint_folder
    from tts_codecs.checkpoint import read_config, save_checkpoint

    given = {"blocks": blocks, "hidden": hidden, "voice_units": voice_units}
    sizes = {name: size for name, size in given.items() if size is not None}
    if not sizes:
        raise UsageError("nothing grows: give --blocks, --hidden or --voice-units")
    small = cast(Generator, load_module(checkpoint, kind="generator"))
    config = read_config(checkpoint_folder(checkpoint))
    arguments = grown_arguments(config["arguments"], **sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        large = build_generator(**arguments)
    grow(small, large)
    save_checkpoint(out, large, "generator", arguments, step=config.get("step", 0))
    count = sum(value.numel() for value in large.parameters())
    say(f"{out}: {count / 1e6:.1f} million weights, the same speech as {checkpoint}")
