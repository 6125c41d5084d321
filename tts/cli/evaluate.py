"""`tts eval`: score synthesis, codecs and vocoders, and real recordings with them."""

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tts.cli.common import STRENGTH_HELP, check_device, check_strength, say, show
from tts.cli.complete import Device, model_names_for
from tts.errors import UsageError

if TYPE_CHECKING:
    from tts.eval.command import EvalOptions
    from tts.eval.run import Codec, Synthesize
    from tts.types import Options

app = typer.Typer(help="Score models beside real recordings.", rich_markup_mode=None)


def _synthesizers(
    options: "Options",
    device: str,
    adapt: bool = False,
    strength: float = 1.0,
    enhance: bool = True,
    sampling: Sequence[str] = (),
) -> Callable[[str], "Synthesize"]:
    from dataclasses import replace

    from tts.config import load_model_config
    from tts.eval.kept import with_sampling
    from tts.facade import TTS
    from tts.resources import model_config
    from tts.voice.voice import Voice

    def load(name: str) -> "Synthesize":
        config = load_model_config(model_config(name))
        model = TTS.of(with_sampling(config, sampling), device)
        model.phonemize("a")  # loading, not a part of the first item
        voices: dict[Path, Voice] = {}

        class Speaker:
            """The model with the voices of the references, each made before what is timed."""

            def prepare(self, reference: Path) -> None:
                if reference not in voices:
                    voices[reference] = model.voice(
                        reference, adapt=adapt, strength=strength, enhance=enhance
                    )

            def __call__(self, text: str, reference: Path, seed: int) -> tuple[Any, ...]:
                audio = model.synthesize(text, voices[reference], replace(options, seed=seed))
                phones = tuple((span.text, span.end) for span in audio.phones)
                return audio.samples, audio.sample_rate, audio.first_audio, phones

        return Speaker()

    return load


def _check_names(models: Sequence[str], resynthesis: bool, sampling: Sequence[str]) -> None:
    """What is wrong with the names of models and how they sample, found out before an hour of
    measuring others."""
    from tts.config import check_weights_of, load_model_config
    from tts.eval.kept import with_sampling
    from tts.resources import model_config
    from tts_codecs.registry import check_name

    for each in models:
        if resynthesis:
            check_name(each)
            continue
        config = load_model_config(model_config(each))
        check_weights_of(config)
        with_sampling(config, sampling)


def _codecs(device: str) -> Callable[[str], "Codec"]:
    def load(name: str) -> "Codec":
        from tts.eval.codecs import load_codec

        return load_codec(name, device)

    return load


def _made_of(resynthesis: bool, sampling: Sequence[str]) -> Callable[[str], str]:
    """What tells a model or codec from others, by its name, so that items of it are known again."""

    def of(name: str) -> str:
        import json

        from tts.config import load_model_config
        from tts.eval.codecs import made_of
        from tts.eval.kept import with_sampling
        from tts.provenance import made_with
        from tts.resources import model_config
        from tts.text.user_lexicon import read_lexicon

        if resynthesis:
            return made_of(name)
        config = with_sampling(load_model_config(model_config(name)), sampling)
        return json.dumps([*made_with(config), read_lexicon(config.language)], sort_keys=True)

    return of


def _command(model: str, given: "EvalOptions", chosen: Sequence[str], name: str) -> str:
    """The command that reproduces a measurement, without paths of this machine."""
    from tts.eval.command import EvalOptions

    words = ["tts", "eval", "--cases", "cases.json", "--model", _shown(model)]
    words += ["--limit", str(given.limit)] if given.limit else []
    words += ["--fast"] if given.fast else []
    usual = EvalOptions(given.cases, given.out_dir)
    # An "auto" device is whatever a machine has.
    for key in ("beam", "compute_type", "seed", "threads", "device"):
        value = getattr(given, key)
        if value != getattr(usual, key):
            words += [f"--{key.replace('_', '-')}", str(value)]
    words += [word for each in chosen for word in ("--set", each)]
    words += ["--name", name] if name else []
    return shlex.join([*words, "--publish"])


def _shown(model: str) -> str:
    """A name as it is; of the folder of a run what is the same everywhere: runs/NAME/export."""
    path = Path(model)
    if not path.is_dir():
        return model if not path.suffix else path.name
    return f"runs/{path.resolve().parent.name}/{path.resolve().name}"


@app.callback(invoke_without_command=True)
def evaluate(
    context: typer.Context,
    cases: Annotated[
        Path, typer.Option(metavar="JSON", help="Case list, see `tts eval cases`.")
    ] = Path("cases.json"),
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the reports.")] = Path(
        "runs/eval"
    ),
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Model to score, or with --resynthesis a codec (tts codec info, or a path; "
            "NAME@KBITS at one of its bandwidths); may be repeated. "
            "None scores the real recordings only.",
            autocompletion=model_names_for,
        ),
    ] = None,
    models: Annotated[
        str, typer.Option(help="Several models, separated by commas, or all: one table of them.")
    ] = "",
    publish: Annotated[
        bool,
        typer.Option(
            "--publish",
            help="Keep the scores beside shipped weights, for `tts models`, or those of another "
            "system, given by name or exported folder, in configs/systems/scores.",
        ),
    ] = False,
    name: Annotated[
        str,
        typer.Option(help="Name of an ablation for --publish; by default that of its run."),
    ] = "",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Other sampling: --set top_p=0.9."),
    ] = None,
    resynthesis: Annotated[
        bool, typer.Option("--resynthesis", help="Encode and decode the recordings instead.")
    ] = False,
    metrics: Annotated[
        Path | None, typer.Option(help="Folder with whisper-base/ and ecapa/.")
    ] = None,
    whisper: Annotated[str | None, typer.Option(help="Whisper folder or name.")] = None,
    ecapa: Annotated[Path | None, typer.Option(help="ECAPA weights.")] = None,
    audio_root: Annotated[
        Path | None, typer.Option(help="Where the recordings of the case list lie.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many cases.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="20 cases.")] = False,
    beam: Annotated[int, typer.Option(help="Beam width of Whisper.")] = 5,
    compute_type: Annotated[str, typer.Option(help="float32, or int8 for speed.")] = "float32",
    seed: Annotated[int, typer.Option(help="Seed of every item.")] = 0,
    speed: Annotated[float, typer.Option(help="0.5 to 2.")] = 1.0,
    steps: Annotated[int | None, typer.Option(help="Sampling steps.")] = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Temperature.")] = None,
    adapt: Annotated[
        bool, typer.Option("--adapt", help="Fit the model to the voice of each reference.")
    ] = False,
    strength: Annotated[float, typer.Option(help=STRENGTH_HELP)] = 1.0,
    enhance: Annotated[
        bool, typer.Option(help="Take noise and the room out of the references.")
    ] = True,
    plots: Annotated[int, typer.Option(help="Mel pictures of so many items.")] = 3,
    again: Annotated[
        bool, typer.Option("--again", help="Make items again that an earlier run left in OUT.")
    ] = False,
    device: Device = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
) -> None:
    """Synthesize a case list and print word error, similarity, quality and speed.

    The same scores of the real recordings stand beside them. Each model gets a folder in OUT with
    report.md, report.json, the audio and plots. Items are kept there as they are scored: the same
    command goes on after an interruption, and makes no item again that is as it would be now.
    """
    if context.invoked_subcommand is not None:
        return
    check_device(device)
    from tts.catalog import models as known_models
    from tts.eval.command import EvalOptions, run_cli
    from tts.eval.kept import kept, kept_at
    from tts.eval.paired import comparison
    from tts.eval.report import write_json, write_text
    from tts.progress import ProgressLines
    from tts.types import Options

    names = [name for name in models.split(",") if name]
    if names == ["all"]:
        # The weights of others are scored where they are named, systems once they are trained.
        names = [each.name for each in known_models() if each.ready and not each.published]
    asked = [*(model or ()), *names]
    check_strength(strength, adapt)
    sampling = tuple(overrides or ())
    told = {"steps": steps, "guidance": guidance, "temperature": temperature}
    chosen = (*sampling, *(f"{key}={value}" for key, value in told.items() if value is not None))
    places: dict[str, Path] = {}
    if publish:
        if resynthesis or adapt or not enhance:
            what = "only scores of synthesis without --adapt and --no-enhance are published"
            raise UsageError(what)
        if speed != 1:
            # Nothing of what is kept by a model's name would tell that it spoke faster.
            raise UsageError("only scores at --speed 1 are published")
        if name and len(asked) != 1:
            raise UsageError("--name is that of one model")
        # Found out before an hour of measuring.
        places = {each: kept_at(each, name, chosen) for each in asked}
        if (limit or fast) and any(each.name == "scores.json" for each in places.values()):
            raise UsageError("only scores of a whole case list are published beside weights")
    given = EvalOptions(
        cases=cases,
        out_dir=out,
        models=tuple(asked),
        audio_root=audio_root,
        metrics_dir=metrics,
        whisper=whisper,
        ecapa=ecapa,
        beam=beam,
        compute_type=compute_type,
        limit=limit,
        fast=fast,
        threads=threads,
        seed=seed,
        resynthesis=resynthesis,
        plots=plots,
        again=again,
        progress=sys.stderr.isatty() or (lambda name: ProgressLines(say, name, "items")),
        adapt=adapt,
        strength=strength,
        enhance=enhance,
        speed=speed,
        sampling=chosen,
        device=device,
    )
    options = Options(speed=speed, steps=steps, guidance=guidance, temperature=temperature)
    options.check()
    _check_names(asked, resynthesis, sampling)
    reports = run_cli(
        given,
        _synthesizers(options, device, adapt, strength, enhance, sampling),
        _codecs(device),
        made_of=_made_of(resynthesis, sampling),
        tell=say,
    )
    for report in reports if len(reports) == 1 else []:
        show(report.markdown())
    if len(reports) > 1:
        table = comparison(reports)
        write_text(out / "comparison.md", table)
        show(table)
    for report in reports if publish else []:
        write_json(
            places[report.name], kept(report, chosen, _command(report.name, given, chosen, name))
        )
        say(f"kept {places[report.name]}")
    say(f"reports in {out}")


@app.command()
def cases(
    tsv: Annotated[
        Path, typer.Argument(help="Columns path, speaker, text; if known sex, seconds.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("cases.json"),
    speakers: Annotated[int, typer.Option(help="How many voices.")] = 10,
    sentences: Annotated[int, typer.Option(help="Sentences for each.")] = 5,
    seed: Annotated[int, typer.Option(help="Same seed, same list.")] = 0,
) -> None:
    """Choose references and sentences of a corpus into a case list."""
    from tts.audio.files import check_apart, check_kind, check_parent
    from tts.eval.cases import build_cases, save_cases

    check_apart([output], [tsv])
    check_kind(output, "a case list is", "cases.json")
    check_parent(output)
    if speakers < 1 or sentences < 1:
        raise UsageError("speakers and sentences must be at least 1")
    built = build_cases(tsv, speakers, sentences, seed)
    save_cases(built, output)
    say(f"{output}: {len(built.cases)} cases")
