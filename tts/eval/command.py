"""Evaluation of several models in one run, for `tts eval`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tts.audio.files import check_kind
from tts.errors import UsageError
from tts.eval.cases import load_cases
from tts.eval.metrics import Metrics, load_metrics
from tts.eval.report import Report, assigned
from tts.eval.run import (
    Codec,
    Synthesize,
    Tell,
    Watch,
    evaluate,
    file_names,
    recordings_of,
    resynthesis,
)


@dataclass(frozen=True)
class EvalOptions:
    """Options of `tts eval`. Without models only the real recordings are scored.

    `metrics_dir` contains `whisper-base/` and `ecapa/`; `whisper` and `ecapa` override these.
    `fast` limits the items to 20 if no limit is given. `sampling` are assignments such as
    `steps=8`, which change the sampling options of each model. Speed, sampling and device are only
    recorded here; `load_synthesizer` and `load_codec` of `run_cli` apply them. `again` ignores the
    items of earlier runs.
    """

    cases: Path
    out_dir: Path
    models: tuple[str, ...] = ()
    audio_root: Path | None = None
    metrics_dir: Path | None = None
    whisper: str | None = None
    ecapa: Path | None = None
    beam: int = 5
    compute_type: str = "float32"
    limit: int | None = None
    fast: bool = False
    threads: int = 1
    seed: int = 0
    resynthesis: bool = False
    adapt: bool = False
    strength: float = 1.0
    enhance: bool = True
    speed: float = 1.0
    sampling: tuple[str, ...] = ()
    device: str = "auto"
    plots: int = 3
    again: bool = False
    progress: bool | Watch = True


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _folders(models: Sequence[str]) -> dict[str, str]:
    """A folder name for each model. Models with the same file name get their whole path as name."""
    short = [Path(model).name for model in models]
    shown = [
        name if short.count(name) == 1 else model for model, name in zip(models, short, strict=True)
    ]
    names = file_names(shown)
    return {model: names[name] for model, name in zip(models, shown, strict=True)}


def _settings(options: EvalOptions, model: str) -> dict[str, Any]:
    """The options that influence the scores, without paths, which differ between machines."""
    # Imported here, since it imports PyTorch, which the check of the case list does not need.
    from tts.devices import choose_device

    kept = (
        "beam",
        "compute_type",
        "limit",
        "fast",
        "threads",
        "seed",
        "resynthesis",
        "adapt",
        "strength",
        "enhance",
        "speed",
    )
    return {
        "model": model,
        **{key: value for key, value in asdict(options).items() if key in kept},
        "sampling": assigned(options.sampling),
        "device": choose_device(options.device),  # "auto" depends on the machine
    }


def _check_resynthesis(options: EvalOptions) -> None:
    """Raise UsageError if no codec is named, or for options of synthesis, which would be recorded
    without having an effect."""
    if not options.models:
        raise UsageError("--resynthesis needs the name of a codec or vocoder")
    given = {
        "--adapt": options.adapt,
        "--strength": options.strength != 1,
        "--no-enhance": not options.enhance,
        f"--speed {options.speed:g}": options.speed != 1,
        **dict.fromkeys(options.sampling, True),
    }
    unused = [name for name, told in given.items() if told]
    if unused:
        raise UsageError(f"--resynthesis says no text: {', '.join(unused)} would have no effect")


def run_cli(
    options: EvalOptions,
    load_synthesizer: Callable[[str], Synthesize] | None = None,
    load_codec: Callable[[str], Codec] | None = None,
    metrics: Metrics | None = None,
    made_of: Callable[[str], str] | None = None,
    tell: Tell = lambda line: None,
) -> list[Report]:
    """Evaluate every model of `options`, one report each in `out_dir/NAME`.

    Args:
        load_synthesizer, load_codec: return the function that `evaluate` or `resynthesis` calls,
            given the name of a model.
        metrics: used instead of those that the options name.
        made_of: returns the argument `made_of` of `evaluate`, given the name of a model; None
            synthesizes all items again.
        tell: see `evaluate`.

    Raises:
        UsageError: options that contradict each other, or missing metrics that they name.
        DataError: an invalid case list.
        OutputError: `out_dir` cannot be written.
    """
    if options.threads < 1 or (options.limit is not None and options.limit < 1):
        raise UsageError("threads and limit must be at least 1")
    if not options.out_dir.is_dir():
        check_kind(options.out_dir, "a folder is", "report")
    if options.resynthesis:
        _check_resynthesis(options)
    load = load_codec if options.resynthesis else load_synthesizer
    if options.models and load is None:
        raise UsageError("this evaluation has no way to load models")
    cases = load_cases(options.cases, options.audio_root)
    if options.limit is None and options.fast:
        options = replace(options, limit=20)
    cache = options.out_dir / "real_scores.json"
    reports = []
    with _threads(options.threads):
        metrics = metrics or load_metrics(
            options.metrics_dir,
            whisper=options.whisper,
            ecapa=options.ecapa,
            beam=options.beam,
            compute_type=options.compute_type,
            threads=options.threads,
            needed=True,
        )
        for model, folder_name in _folders(options.models or ("real",)).items():
            shared: dict[str, Any] = {
                "name": model,
                "seed": options.seed,
                "settings": _settings(options, model),
                "plots": options.plots,
                "cache": cache,
                "progress": options.progress,
                "made_of": made_of(model) if made_of and options.models else "",
                "again": options.again,
                "tell": tell,
            }
            folder = options.out_dir / folder_name
            if options.resynthesis:
                assert load_codec is not None
                chosen = recordings_of(cases, options.limit)
                reports.append(resynthesis(load_codec(model), chosen, metrics, folder, **shared))
            else:
                voice = load_synthesizer(model) if options.models and load_synthesizer else None
                reports.append(
                    evaluate(cases, voice, metrics, folder, limit=options.limit, **shared)
                )
    return reports
