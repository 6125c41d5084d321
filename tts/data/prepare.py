"""Turn a manifest into a packed corpus (see tts.data.cache)."""

import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from tts.audio.reference import load_reference
from tts.data.cache import Item
from tts.errors import MissingDependencyError, TTSError
from tts.voice.speaker import SpeakerEncoder

HOP = 320
SAMPLE_RATE = 16000


@dataclass
class Entry:
    """One line of a manifest."""

    path: Path
    speaker: str
    text: str


def fundamental(samples: np.ndarray, sample_rate: int = SAMPLE_RATE, hop: int = HOP) -> np.ndarray:
    """F0 in Hz at frame boundaries 0, hop, 2 hop ... by DIO and StoneMask (Morise 2009), 0 where
    unvoiced; float32 [N / hop + 1]."""
    try:
        import pyworld
    except ImportError as error:
        raise MissingDependencyError("pitch needs pyworld: pip install 'tts[train]'") from error
    wave = samples.astype(np.float64)
    period = 1000.0 * hop / sample_rate
    f0, times = pyworld.dio(wave, sample_rate, 60.0, 500.0, frame_period=period)
    f0 = pyworld.stonemask(wave, f0, times, sample_rate)
    count = len(samples) // hop + 1
    return np.pad(f0, (0, max(0, count - len(f0))))[:count].astype(np.float32)


def _analyse(entry: Entry) -> tuple[Entry, np.ndarray | None, np.ndarray | None, str]:
    torch.set_num_threads(1)  # in a worker process: the pool is the parallelism
    try:
        audio = load_reference(entry.path, SAMPLE_RATE)
    except TTSError as error:
        return entry, None, None, str(error)
    samples = audio.samples
    samples = samples[: len(samples) // HOP * HOP]
    return entry, samples, fundamental(samples), ""


def prepare(
    entries: Iterable[Entry],
    folder: str | Path,
    encoder: SpeakerEncoder,
    phonemize: Callable[[list[str]], list[tuple[list[int], list[int]]]],
    workers: int | None = None,
    source: str = "",
    report: Callable[[str], None] = lambda message: None,
) -> int:
    """Pack a corpus; damaged files are reported by name and skipped.

    Args:
        entries: the manifest.
        folder: where the cache goes; cache.json is written last, so a folder is whole or refused.
        encoder: embeds each utterance.
        phonemize: texts to (phone ids, modifier ids), see tts.text.frontend.
        workers: processes; default all cores.
        source: attribution stored with the cache.
        report: called with one line per skipped file.

    Returns:
        Number of utterances packed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cache.json").unlink(missing_ok=True)
    items: list[Item] = []
    offset = 0
    with (
        ProcessPoolExecutor(workers or os.cpu_count()) as pool,
        (folder / "audio.i16").open("wb") as audio_file,
        (folder / "f0.f32").open("wb") as f0_file,
        (folder / "speaker.f32").open("wb") as speaker_file,
    ):
        for entry, samples, f0, problem in pool.map(_analyse, entries, chunksize=8):
            if samples is None or f0 is None:
                report(f"skipped {entry.path}: {problem}")
                continue
            audio_file.write((samples * 32767.0).round().clip(-32768, 32767).astype("<i2"))
            f0_file.write(f0.astype("<f4"))
            speaker_file.write(encoder.embed(torch.from_numpy(samples)).numpy().astype("<f4"))
            items.append(Item(entry.path.stem, entry.speaker, entry.text, offset, len(samples)))
            offset += len(samples)
    for item, (phones, mods) in zip(items, phonemize([i.text for i in items]), strict=True):
        item.phones, item.mods = phones, mods
    with (folder / "items.jsonl").open("w") as lines:
        for item in items:
            fields = {k: v for k, v in asdict(item).items() if k != "frame_offset"}
            lines.write(json.dumps(fields, ensure_ascii=False) + "\n")
    meta = {"sample_rate": SAMPLE_RATE, "hop": HOP, "source": source, "items": len(items)}
    (folder / "cache.json").write_text(json.dumps(meta, indent=1))
    return len(items)
