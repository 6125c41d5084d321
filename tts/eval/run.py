"""Runs an evaluation: synthesizes and scores every item, and scores the real recordings."""

import platform
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from tts.audio.writer import write_audio
from tts.errors import OutputError, TTSError, UsageError
from tts.eval.cases import CaseList, spread
from tts.eval.done import OF_THE_LIST, Done, Phones
from tts.eval.metrics import Metrics, read_audio, to_16k, versions
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
from tts.resources import code_checksum


class Made(NamedTuple):
    """Synthesized speech: float samples [N], sample rate, seconds until the first audio, and phones
    with their end times (for a plot of the alignment)."""

    samples: np.ndarray
    rate: int
    first_audio: float | None = None
    phones: Phones = ()


# (text, path of the reference, seed) to the fields of `Made`
Synthesize = Callable[[str, Path, int], tuple[Any, ...]]


@runtime_checkable
class Prepares(Protocol):
    """A synthesizer that prepares or adapts a voice before synthesis. This is not part of the
    measured time of an item."""

    def prepare(self, reference: Path) -> None:
        """Called before the measured time of each item; an exception is a failure of the item."""
        ...


# called with a message for the user
Tell = Callable[[str], None]
# called with the name of a model, returns what takes (items done, all items)
Watch = Callable[[str], Callable[[int, int], None]]
# (float samples [N], sample rate) to the same after encoding and decoding
Codec = Callable[[np.ndarray, int], tuple[np.ndarray, int]]
# does the part of an item's synthesis that is not timed, and returns the part that is
Ready = Callable[[Item], Callable[[], tuple[Any, ...]]]


@dataclass(frozen=True)
class Recording:
    """A real recording, its text, and another recording of the same speaker."""

    id: str
    speaker: str
    path: Path
    text: str
    other: Path


def _quiet(line: str) -> None:
    """Default of `tell`: ignores messages."""


def recordings_of(cases: CaseList, limit: int | None = None) -> list[Recording]:
    """The case speakers' own recordings, each with the speaker's reference, for resynthesis."""
    return [
        Recording(
            case.id,
            case.speaker,
            cases.root / case.other,
            case.other_text,
            cases.root / case.reference,
        )
        for case in spread(cases.cases, limit)
    ]


def file_names(names: Iterable[str]) -> dict[str, str]:
    """File names for names: letters of any script, digits, dots, dashes and underscores. Names that
    would give the same file, also on case-insensitive file systems, are numbered."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        plain = re.sub(r"[^\w.-]", "_", name).lstrip(".") or "item"
        chosen, number = plain, 2
        while chosen.casefold() in taken:
            chosen, number = f"{plain}_{number}", number + 1
        taken.add(chosen.casefold())
        found[name] = chosen
    return found


def _make(row: Row, item: Item, ready: Ready, known: RealScores, path: Path) -> Made | None:
    """Synthesize and score one item, and write its audio to `path`. A failure is recorded in the
    row."""
    try:
        make = ready(item)
        started, busy = time.perf_counter(), time.process_time()
        result = Made(*make())
        made, rate, first, _ = result
        elapsed = time.perf_counter() - started
        row.processor_seconds = time.process_time() - busy
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
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path.parent}: {error.strerror}") from error
    write_audio(path, samples, rate)
    row.wav, row.seconds = f"{path.parent.name}/{path.name}", samples.size / rate
    row.compute_seconds, row.first_audio_seconds = elapsed, first
    # what a listener gets is the 16-bit file, so that is what is scored
    row.made = measure_made(item, to_16k(*read_audio(path)), known)
    return result


def _plot(rows: Sequence[Row], folder: Path, count: int, phones: dict[str, Phones]) -> list[str]:
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
                folder / "plots" / f"{Path(str(row.wav)).stem}.png",
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
    ready: Ready | None,
    metrics: Metrics,
    out_dir: str | Path,
    seed: int,
    settings: dict[str, Any] | None,
    plots: int,
    cache: Path | None,
    progress: bool | Watch,
    made_of: str,
    again: bool,
    tell: Tell,
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
    found = {"python": platform.python_version(), **versions()}
    rows: list[Row] = []
    names = file_names(item.id for item in items)
    paths = {item.id: folder / "wav" / f"{names[item.id]}.wav" for item in items}
    phones: dict[str, Phones] = {}
    done = None
    if ready is not None and made_of:
        how = {key: value for key, value in (settings or {}).items() if key not in OF_THE_LIST}
        depends = [name, seed, how, metrics.names(), found, made_of, code_checksum()]
        done = Done(folder, known, depends, again)
    earlier = {
        item.id: kept for item in items if done and (kept := done.find(item, paths[item.id]))
    }
    if earlier:
        tell(
            f"{name}: {len(earlier)} of {len(items)} items are those of an earlier run with the "
            "same settings"
        )
    step = progress(name) if callable(progress) else None
    try:
        for number, item in enumerate(tqdm(items, desc=name, disable=progress is not True)):
            if step is not None:
                step(number, len(items))
            kept = earlier.get(item.id)
            row = kept.row if kept else Row(item.id, item.speaker, item.text)
            row.real = measure_real(item, known)
            if kept:
                phones[item.id] = kept.phones
            elif ready is not None:
                made = _make(row, item, ready, known, paths[item.id])
                if made is not None:
                    phones[item.id] = tuple((str(phone), float(end)) for phone, end in made.phones)
            # Save scores of real recordings before the item, so that a resumed run has both.
            known.save()
            if done and not kept:
                done.add(item, row, phones.get(item.id, ()), paths[item.id])
            rows.append(row)
        chance = chance_similarity(items, known)
    finally:
        known.save()
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
    progress: bool | Watch = False,
    made_of: str = "",
    again: bool = False,
    tell: Tell = _quiet,
) -> Report:
    """Evaluate synthesis: speak the text of every case in the voice of its speaker, and score it.

    Similarity is that to the reference recording; for real speech, that of another recording of the
    speaker to it.

    Args:
        synthesize: called with (text, reference path, seed), and timed. If it has a method
            `prepare` (`Prepares`), this is called before. None scores only the real recordings.
        out_dir: receives `wav/`, `plots/`, `report.json`, `report.md`.
        limit: largest number of cases, which are taken from all speakers in turn.
        cache: file for the scores of real recordings, by default `out_dir/real_scores.json`.
        made_of: identifies the model, for example by a checksum of its weights. If given, finished
            items are saved in `out_dir/items.jsonl`, and items of an earlier run with the same
            settings, recordings, metrics and code are reused (tts.eval.done).
        again: whether to synthesize all items again nevertheless.
        progress: whether there is a bar; or called with `name`, it returns what is called with
            (items done, all items).
        tell: called with a message about the number of reused items.

    Raises:
        UsageError: no cases.
        OutputError: `out_dir` cannot be written. Errors of single cases are recorded in their rows.
    """
    items = [
        Item(
            case.id,
            case.speaker,
            case.text,
            cases.root / case.real,
            cases.root / case.reference,
            cases.root / case.other,
            None,
        )
        for case in spread(cases.cases, limit)
    ]

    ready = None
    if synthesize is not None:

        def ready(item: Item) -> Callable[[], tuple[Any, ...]]:
            if isinstance(synthesize, Prepares):
                synthesize.prepare(item.anchor)
            return lambda: synthesize(item.text, item.anchor, seed)

    described = {
        "task": "synthesis",
        "cases_seed": cases.seed,
        "cases": cases.checksum(),
        **(settings or {}),
    }
    return _run(
        name, items, ready, metrics, out_dir, seed, described, plots, cache, progress, made_of,
        again, tell,
    )  # fmt: skip


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
    progress: bool | Watch = False,
    made_of: str = "",
    again: bool = False,
    tell: Tell = _quiet,
) -> Report:
    """Evaluate resynthesis: encode and decode real recordings, and score the result.

    As in synthesis, similarity is that to another recording of the speaker. The similarity to the
    encoded recording itself (`own_similarity`) is higher, as both have the same words and noise.

    Arguments and errors as of `evaluate`.
    """
    items = [
        Item(rec.id, rec.speaker, rec.text, rec.path, rec.other, rec.path, rec.path)
        for rec in recordings
    ]

    def ready(item: Item) -> Callable[[], tuple[Any, ...]]:
        # Reading the file is not part of the measured time.
        samples, rate = read_audio(item.real)
        return lambda: codec_fn(samples, rate)

    described = {"task": "resynthesis", **(settings or {})}
    return _run(
        name, items, ready, metrics, out_dir, seed, described, plots, cache, progress, made_of,
        again, tell,
    )  # fmt: skip
