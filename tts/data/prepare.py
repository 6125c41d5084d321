"""Preparation of corpora for training: writes a packed corpus (see tts.data.corpus)."""

import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tts.audio.decode import PADDING_SECONDS, too_long
from tts.audio.files import check_apart, write_error
from tts.audio.reference import load_reference
from tts.data.corpus import FILES, Item
from tts.data.finished import Summary, existing_summary
from tts.data.layouts import Entry, Layout, read_manifest, write_manifest
from tts.data.unfinished import Unfinished, identity, made_with
from tts.errors import AudioError, DataError, MissingDependencyError, OutputError, TTSError
from tts.orphans import end_with_parent
from tts.resources import checkpoint_folder
from tts.voice.speaker import SpeakerEncoder
from tts_codecs.checkpoint import fingerprint

__all__ = ["Entry", "Summary", "fundamental", "prepare", "prepare_corpus"]

HOP = 320
SAMPLE_RATE = 16000
MIN_SECONDS, MAX_SECONDS = 0.4, 60.0
F0_MIN, F0_MAX = 60.0, 500.0
_F0_STEP = 0.01  # seconds between Praat's estimates

Phonemize = Callable[[str], tuple[list[int], list[int], list[int]]]
# int16 samples, f0, speaker embedding
Analysis = tuple[np.ndarray, np.ndarray, np.ndarray]


def _praat() -> Any:
    try:
        import parselmouth
    except ImportError as error:
        raise MissingDependencyError(
            "pitch needs praat-parselmouth: pip install 'tts[train]'"
        ) from error
    return parselmouth


def fundamental(samples: np.ndarray, sample_rate: int = SAMPLE_RATE, hop: int = HOP) -> np.ndarray:
    """F0 in Hz of samples [N] at the frame boundaries 0, hop, 2 hop, ..., 0 where unvoiced; float32
    [N / hop + 1].

    It uses Praat's autocorrelation method (Boersma 1993). Unlike other common methods, this one
    does not classify speech with low-frequency rumble, which all recordings of a speaker may have,
    as unvoiced.
    """
    praat = _praat()
    f0 = np.zeros(len(samples) // hop + 1, dtype=np.float32)
    if len(samples) < 3 * sample_rate / F0_MIN:  # Praat needs three periods of the lowest pitch
        return f0
    pitch = praat.Sound(samples.astype(np.float64), sample_rate).to_pitch_ac(
        time_step=_F0_STEP, pitch_floor=F0_MIN, pitch_ceiling=F0_MAX
    )
    hertz = pitch.selected_array["frequency"]
    times = np.arange(len(f0)) * hop / sample_rate
    nearest = np.round((times - pitch.xs()[0]) / _F0_STEP).astype(int)
    inside = (nearest >= 0) & (nearest < len(hertz))
    f0[inside] = hertz[nearest[inside]]
    return f0


def _is_cut_wave(path: Path) -> bool:
    """Whether a WAV file is shorter than its header says, which libsndfile does not report."""
    with path.open("rb") as file:
        head = file.read(12)
    size = int.from_bytes(head[4:8], "little") + 8
    # Programs that write to a pipe set the largest possible size.
    streamed = size >= 0x7FFFFF00
    wave = head[:4] == b"RIFF" and head[8:] == b"WAVE"
    return wave and not streamed and path.stat().st_size < size - 8


def _load(path: Path) -> np.ndarray:
    """Load a whole recording, float32 [N] with N a multiple of HOP. Truncated files are refused,
    since they do not match their transcripts."""
    most = MAX_SECONDS + PADDING_SECONDS
    audio = load_reference(path, SAMPLE_RATE, min_seconds=MIN_SECONDS, max_seconds=most, trim=False)
    if audio.seconds_in > most:
        raise AudioError(f"{too_long(audio.seconds_in, MAX_SECONDS)}: split it")
    if _is_cut_wave(path):
        raise AudioError("damaged: the file is shorter than its header says")
    # Headers of MP3 files and of recordings of phones may contain estimates.
    if audio.declared is not None and audio.seconds < 0.98 * audio.declared - 0.1:
        raise AudioError(f"damaged: ends after {audio.seconds:.1f} of {audio.declared:.1f} s")
    return audio.samples[: len(audio.samples) // HOP * HOP]


def _analyse(entry: Entry, encoder: SpeakerEncoder) -> Analysis | str:
    """Analyse an utterance; returns the stored arrays, or the reason why it cannot be used."""
    try:
        samples = _load(entry.path)
    except MissingDependencyError:
        raise
    except (TTSError, OSError, ValueError) as error:
        return str(error)
    packed = (samples * 32767.0).round().clip(-32768, 32767).astype("<i2")
    embedding = encoder.embed(torch.from_numpy(samples)).numpy().astype("<f4")
    return packed, fundamental(samples).astype("<f4"), embedding


_encoder: SpeakerEncoder | None = None  # set in worker processes


def _start_worker(encoder: SpeakerEncoder) -> None:
    global _encoder
    end_with_parent()
    torch.set_num_threads(1)  # there is a process per core
    _encoder = encoder


def _work(entry: Entry) -> Analysis | str:
    assert _encoder is not None
    return _analyse(entry, _encoder)


def _results(
    entries: Sequence[Entry], encoder: SpeakerEncoder, workers: int
) -> Iterator[Analysis | str]:
    """Yield `_analyse` of every entry in order, with a bounded number of results in memory."""
    if workers <= 1:
        for entry in entries:
            yield _analyse(entry, encoder)
        return
    # Forking a process that has used torch's threads can hang.
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (encoder,)) as pool:
        ahead: deque[Future[Analysis | str]] = deque()
        coming = iter(entries)
        try:
            for entry in coming:
                ahead.append(pool.submit(_work, entry))
                if len(ahead) >= 8 * workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        except BrokenProcessPool as error:
            raise DataError("a worker process died (out of memory?); try fewer workers") from error
        finally:
            for future in ahead:
                future.cancel()


def _unique(path: Path, taken: set[str]) -> str:
    """A unique name for a file: its name without suffix, if needed with parent folders in front,
    or with a number."""
    for depth in range(1, len(path.parts) + 1):
        name = "/".join([*path.parts[:-1], path.stem][-depth:])
        if name not in taken:
            break
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name}#{number}", number + 1
    taken.add(unique)
    return unique


def _unwritable(
    folder: Path, error: OSError | OutputError, part: Unfinished | None, total: int
) -> OutputError:
    """The error for a folder that cannot be written. It says what is kept for the next run."""
    left = "nothing was changed there"
    if part is not None and part.kept:
        left = (
            f"{part.kept} of {total} recordings are done and kept in {str(part.folder)!r}; when it "
            "can be written, the same command goes on"
        )
    elif part is not None and part.replaced:
        left = "the corpus is not whole: the same command makes it again"
    cause = error if isinstance(error, OSError) else error.__cause__
    return (
        write_error(folder, cause, left) if isinstance(cause, OSError) else OutputError(str(error))
    )


def prepare(
    entries: Sequence[Entry],
    folder: str | Path,
    encoder: SpeakerEncoder,
    phonemize: Phonemize,
    workers: int | None = None,
    source: str = "",
    report: Callable[[str], None] = lambda message: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    made_of: str = "",
    tell: Callable[[str], None] = lambda message: None,
    last: Callable[[], None] = lambda: None,
    of: str = "",
) -> Summary:
    """Prepare a corpus from a manifest. Damaged files and unspeakable texts are reported and
    skipped.

    The folder changes only at the end, and cache.json is written last. An interrupted run therefore
    leaves an older corpus unchanged, or a folder that `Corpus` refuses. Finished entries are in a
    hidden folder, from which the same run can be resumed (tts.data.unfinished).

    Args:
        entries: the manifest.
        folder: of the corpus. An older corpus is replaced, and files that were derived from it are
            removed.
        encoder: the speaker encoder.
        phonemize: text to (phone ids, modifier ids, first token of each word). An utterance for
            which it raises TextError is skipped.
        workers: number of processes; by default one per core; with 1 this process does the work.
        source: attribution, stored with the corpus.
        report: called with a line per skipped utterance.
        progress: called with (utterances done, all).
        made_of: identifies the encoder and the phonemes. Finished entries of an interrupted run
            with the same value are reused; "" starts from scratch.
        tell: called with a message about the number of reused entries.
        last: called when all entries are done, before the folder changes.
        of: identifies what the corpus is made of, for `prepare_corpus`; kept in cache.json.

    Raises:
        DataError: no utterance is usable.
        OutputError: the folder cannot be written, or the disk is full (it says what is kept).
        UsageError: another run is writing into the folder.
        MissingDependencyError: praat-parselmouth is not installed.
    """
    _praat()
    folder = Path(folder)
    summary = Summary(0, 0.0, 0)
    speakers: set[str] = set()
    taken: set[str] = set()
    samples_total = 0
    part = None
    try:
        with Unfinished(folder, made_of, entries) as part:
            if part.done:
                tell(f"{part.done} of {len(entries)} recordings were done by a run before")
                progress(part.done, len(entries))
                for message in part.skipped:
                    report(message)
                for entry_done in part.items():
                    taken.add(entry_done["id"])
                    speakers.add(entry_done["speaker"])
                    samples_total += entry_done["samples"]
                    summary.utterances += 1

            def skip(entry: Entry, problem: str) -> None:
                message = f"skipped {entry.path}: {problem}"
                part.skip(message)
                report(message)

            left = entries[part.done :]
            results = _results(left, encoder, workers or os.cpu_count() or 1)
            for done, (entry, result) in enumerate(zip(left, results, strict=True), part.done + 1):
                progress(done, len(entries))
                if isinstance(result, str):
                    skip(entry, result)
                    continue
                try:
                    phones, mods, words = phonemize(entry.text)
                except MissingDependencyError:
                    raise
                except TTSError as error:
                    skip(entry, f"text: {error}")
                    continue
                count = len(result[0])
                item = Item(
                    _unique(entry.path, taken),
                    entry.speaker,
                    entry.text,
                    samples_total,
                    count,
                    phones=phones,
                    mods=mods,
                    words=words,
                )
                fields = {k: v for k, v in asdict(item).items() if k != "frame_offset"}
                part.add(json.dumps(fields), [array.tobytes() for array in result])
                samples_total += count
                summary.utterances += 1
                speakers.add(entry.speaker)
            summary.skipped = part.finish()
            if not summary.utterances:
                part.remove()
                why = f" ({summary.skipped[0]})" if summary.skipped else ""
                raise DataError(f"none of {len(entries)} utterances could be used{why}")
            meta = {
                "sample_rate": SAMPLE_RATE,
                "hop": HOP,
                "source": source,
                "items": summary.utterances,
                **({"of": of} if of else {}),
            }
            last()
            part.replace(json.dumps(meta, indent=1).encode())
    except (OSError, OutputError) as error:
        raise _unwritable(folder, error, part, len(entries)) from error
    summary.hours = samples_total / SAMPLE_RATE / 3600
    summary.speakers = len(speakers)
    return summary


def _once(entries: Sequence[Entry], note: Callable[[str], None]) -> list[Entry]:
    """Entries without duplicates of a recording. Prompts are taken from other recordings of the
    speaker; a duplicate as prompt would contain the target."""
    first: dict[str, Entry] = {}
    kept = []
    for entry in entries:
        if first.setdefault(os.path.realpath(entry.path), entry) is entry:
            kept.append(entry)
        else:
            note(f"{entry.path}: named before")
    return kept


def prepare_corpus(
    sources: Sequence[str | Path],
    out: str | Path,
    layout: Layout = "auto",
    language: str = "en-us",
    workers: int | None = None,
    report: Callable[[str], None] = lambda message: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    source: str = "",
    tell: Callable[[str], None] = lambda message: None,
    again: bool = False,
) -> Summary:
    """Prepare corpora as `tts data prepare` does: write manifest.tsv and a packed corpus to `out`.

    An existing corpus of the same recordings is left as it is, with the files derived from it.

    Args:
        sources: corpus folders or tables, see tts.data.layouts.
        out: folder of the packed corpus.
        layout: of the sources.
        language: espeak code of the transcripts.
        workers, progress: see `prepare`.
        report: called with a line per skipped utterance, also for missing audio or text, and for
            recordings that are listed twice.
        source: attribution; by default the names of `sources`.
        tell: called with a message if an interrupted run is resumed. Its finished recordings are
            reused if language, weights and code are the same.
        again: replace an existing corpus, and remove files that were derived from it.

    Raises:
        UsageError: an unknown layout or language, a file of the corpus would replace one of the
            sources, or `out` holds a corpus that is made of something else.
        DataError, OutputError: see `prepare`.
    """
    from tts.registry import load_module
    from tts.text.frontend import Frontend

    missing: list[str] = []

    def note(message: str) -> None:
        missing.append(message)
        report(f"skipped {message}")

    outputs = [Path(out) / name for name in FILES]
    check_apart(outputs, sources)
    frontend = Frontend(language, pauses="none")
    listed = [entry for path in sources for entry in read_manifest(path, layout, note)]
    check_apart(outputs, (entry.path for entry in listed))
    entries = _once(listed, note)
    if not entries:
        raise DataError("no corpus given")

    def phonemize(text: str) -> tuple[list[int], list[int], list[int]]:
        phones = frontend.one(text)
        return phones.ids, phones.mods, [start for _, start, _ in phones.words]

    names = source or ", ".join(Path(path).resolve().stem for path in sources)
    made_of = made_with(language, fingerprint(checkpoint_folder("speaker")))
    of = identity(entries, made_of, names)
    summary = None if again else existing_summary(Path(out), of, len(entries), tell)
    if summary is None:
        encoder = load_module("speaker", kind="speaker")
        assert isinstance(encoder, SpeakerEncoder)
        summary = prepare(
            entries,
            out,
            encoder,
            phonemize,
            workers,
            names,
            report,
            progress,
            made_of,
            tell,
            lambda: write_manifest(entries, Path(out) / "manifest.tsv"),
            of,
        )
    summary.skipped = [f"skipped {message}" for message in missing] + summary.skipped
    return summary
