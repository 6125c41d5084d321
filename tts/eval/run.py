"""Run an evaluation: make each item, measure it, measure the real recordings beside it."""

import platform
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tts.audio.writer import write_audio
from tts.errors import OutputError, TTSError, UsageError
from tts.eval.cases import CaseList, load_cases, spread
from tts.eval.metrics import Metrics, load_metrics, read_audio, to_16k, versions
from tts.eval.report import Report, Row
from tts.eval.score import (
    Item,
    RealScores,
    chance_similarity,
    measure_made,
    measure_real,
    measure_silence,
    reason,
)

__all__ = [
    "Codec", "EvalOptions", "Recording", "Synthesize", "evaluate", "recordings_of",
    "resynthesis", "run_cli",
]  # fmt: skip


class Made(NamedTuple):
    """What was made: float samples [N], their rate, seconds to the first audio, and the phones
    with the second at which each ends (for the picture of the alignment)."""

    samples: np.ndarray
    rate: int
    first_audio: float | None = None
    phones: tuple[tuple[str, float], ...] = ()


# (text, path of the reference, seed) to what is heard
Synthesize = Callable[[str, Path, int], tuple[Any, ...]]
# (float samples [N], sample rate) to the same after encoding and decoding
Codec = Callable[[np.ndarray, int], tuple[np.ndarray, int]]


@dataclass(frozen=True)
class Recording:
    """A real recording, its text, and another recording of the same speaker."""

    id: str
    speaker: str
    path: Path
    text: str
    other: Path


def recordings_of(cases: CaseList, limit: int | None = None) -> list[Recording]:
    """The recordings of the case speakers themselves, each beside the speaker's reference."""
    return [
        Recording(
            case.id, case.speaker, cases.root / case.other, case.other_text,
            cases.root / case.reference,
        )
        for case in spread(cases.cases, limit)
    ]  # fmt: skip


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip(".") or "item"


def _make(row: Row, item: Item, make: Callable[[], tuple[Any, ...]],
          known: RealScores, folder: Path) -> Made | None:  # fmt: skip
    """Make one item, keep its audio, measure it; a failure is written in the row."""
    started = time.perf_counter()
    try:
        result = Made(*make())
        made, rate, first, _ = result
        elapsed = time.perf_counter() - started
        samples = np.asarray(made, dtype=np.float32).reshape(-1)
        if not samples.size:
            raise TTSError("no audio was made")
        if rate <= 0:
            raise TTSError(f"a sample rate of {rate} Hz is not one")
        if not np.isfinite(samples).all():
            raise TTSError("the audio holds values that are not finite")
    except Exception as error:
        row.failure = reason(error)
        row.made = measure_silence(item, known)
        return None
    path = folder / "wav" / f"{_file_name(item.id)}.wav"
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path.parent}: {error.strerror}") from error
    write_audio(path, samples, rate)
    row.wav, row.seconds = path.relative_to(folder).as_posix(), samples.size / rate
    row.compute_seconds, row.first_audio_seconds = elapsed, first
    # what a listener gets is the 16-bit file, so that is what is scored
    row.made = measure_made(item, to_16k(*read_audio(path)), known)
    return result


def _plot(
    rows: Sequence[Row], folder: Path, count: int, phones: dict[str, tuple[tuple[str, float], ...]]
) -> list[str]:
    """Mel pictures of the first made items, with their phones; the reason if there are none."""
    chosen = [row for row in rows if row.wav][:count]
    if not chosen:
        return []
    try:
        import torch

        from tts.audio.plots import save_mel_plot
        from tts.eval.ecapa import fbank

        for row in chosen:
            wave = to_16k(*read_audio(folder / str(row.wav)))
            mel = fbank(torch.from_numpy(wave)[None])[0].T.numpy()  # [80, T]
            (folder / "plots").mkdir(exist_ok=True)
            aligned = phones.get(row.id, ())
            # The filter bank has 100 frames/s.
            ends = [min(round(end * 100), mel.shape[1]) for _, end in aligned]
            save_mel_plot(
                folder / "plots" / f"{_file_name(row.id)}.png",
                mel,
                [name for name, _ in aligned] or None,
                np.diff([0, *ends]) if aligned else None,
                row.text,
                frames_per_second=100.0,
            )
    except (ImportError, TTSError, OSError) as error:
        return [f"no plots: {reason(error)}"]
    return []


def _run(
    name: str,
    items: Sequence[Item],
    make: Callable[[Item], tuple[Any, ...]] | None,
    metrics: Metrics,
    out_dir: str | Path,
    seed: int,
    settings: dict[str, Any] | None,
    plots: int,
    cache: Path | None,
    progress: bool,
) -> Report:
    from tqdm import tqdm

    if not items:
        raise UsageError("there is nothing to evaluate: the case list is empty")
    folder = Path(out_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
    known = RealScores(metrics, cache or folder / "real_scores.json")
    rows: list[Row] = []
    phones: dict[str, tuple[tuple[str, float], ...]] = {}
    try:
        for item in tqdm(items, desc=name, disable=not progress):
            row = Row(item.id, item.speaker, item.text)
            row.real = measure_real(item, known)
            if make is not None:
                made = _make(row, item, lambda item=item: make(item), known, folder)  # type: ignore[misc]
                if made is not None and len(phones) < plots:
                    phones[item.id] = made.phones
            rows.append(row)
        chance = chance_similarity(items, known)
    finally:
        known.save()
    found = {"python": platform.python_version(), **versions()}
    notes = _plot(rows, folder, plots, phones)
    report = Report(
        name,
        rows,
        settings=dict(settings or {}),
        versions=found,
        metrics=metrics.names(),
        missing=dict(metrics.missing),
        notes=notes,
        seed=seed,
        chance_similarity=chance,
    )
    report.write(folder)
    return report


def evaluate(
    cases: CaseList,
    synthesize: Synthesize | None,
    metrics: Metrics,
    out_dir: str | Path,
    *,
    name: str = "model",
    seed: int = 0,
    limit: int | None = None,
    settings: dict[str, Any] | None = None,
    plots: int = 3,
    cache: Path | None = None,
    progress: bool = False,
) -> Report:
    """Say every case's text in its speaker's voice and score it beside the real recordings.

    Similarity is to the reference; for real speech, of another recording of the speaker to it.

    Args:
        synthesize: called with (text, reference path, seed); None scores the real recordings only.
        out_dir: receives `wav/`, `plots/`, `report.json`, `report.md`.
        limit: at most so many cases, taken from all speakers in turn.
        cache: file that keeps the scores of real recordings (`out_dir/real_scores.json`).

    Raises:
        UsageError: no cases. OutputError: `out_dir` cannot be written. What goes wrong in one
        case is kept in its row and counted.
    """
    items = [
        Item(
            case.id, case.speaker, case.text, cases.root / case.real,
            cases.root / case.reference, cases.root / case.other, None,
        )
        for case in spread(cases.cases, limit)
    ]  # fmt: skip

    make = None
    if synthesize is not None:

        def make(item: Item) -> tuple[np.ndarray, int, float | None]:
            return synthesize(item.text, item.anchor, seed)

    described = {"task": "synthesis", "cases_seed": cases.seed, **(settings or {})}
    return _run(name, items, make, metrics, out_dir, seed, described, plots, cache, progress)


def resynthesis(
    codec_fn: Codec,
    recordings: Sequence[Recording],
    metrics: Metrics,
    out_dir: str | Path,
    *,
    name: str = "codec",
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    plots: int = 3,
    cache: Path | None = None,
    progress: bool = False,
) -> Report:
    """Encode and decode real recordings and score what is left of them.

    The similarity of the report is to ANOTHER recording of the speaker, as for synthesis; that to
    the recording itself, which shared words and noise raise, stands beside it (`own_similarity`).

    Raises as `evaluate`.
    """
    items = [
        Item(rec.id, rec.speaker, rec.text, rec.path, rec.other, rec.path, rec.path)
        for rec in recordings
    ]

    def make(item: Item) -> tuple[np.ndarray, int, float | None]:
        samples, rate = codec_fn(*read_audio(item.real))
        return samples, rate, None

    described = {"task": "resynthesis", **(settings or {})}
    return _run(name, items, make, metrics, out_dir, seed, described, plots, cache, progress)


@dataclass(frozen=True)
class EvalOptions:
    """What `tts eval` is asked for. Without models only the real recordings are scored.

    `metrics_dir` holds `whisper-base/` and `ecapa/`; `whisper` and `ecapa` override it. `fast`
    is a limit of 20 items when no limit is given.
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
    plots: int = 3
    progress: bool = True


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
    """A folder name for each model; models of one file name keep their whole path in it."""
    short = [_file_name(Path(model).name) for model in models]
    return {
        model: name if short.count(name) == 1 else _file_name(model)
        for model, name in zip(models, short, strict=True)
    }


def _settings(options: EvalOptions, model: str) -> dict[str, Any]:
    """The options that decide figures; paths are left out, for they differ between machines."""
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
    )
    return {"model": model, **{key: value for key, value in asdict(options).items() if key in kept}}


def run_cli(
    options: EvalOptions,
    load_synthesizer: Callable[[str], Synthesize] | None = None,
    load_codec: Callable[[str], Codec] | None = None,
    metrics: Metrics | None = None,
) -> list[Report]:
    """Evaluate every model of `options`, one report each in `out_dir/NAME`.

    Args:
        load_synthesizer, load_codec: give by model name what `evaluate` or `resynthesis` calls.
        metrics: used instead of loading those the options name.

    Raises:
        UsageError: options that do not fit; DataError: the case list; OutputError.
    """
    if options.threads < 1 or (options.limit is not None and options.limit < 1):
        raise UsageError("threads and limit must be at least 1")
    if options.resynthesis and not options.models:
        raise UsageError("--resynthesis needs the name of a codec or vocoder")
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
        )
        for model, folder_name in _folders(options.models or ("real",)).items():
            shared: dict[str, Any] = {
                "name": model, "seed": options.seed, "settings": _settings(options, model),
                "plots": options.plots, "cache": cache, "progress": options.progress,
            }  # fmt: skip
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
