"""Packs: a prepared corpus in one small file, for training on another machine.

A pack is a zip archive whose members are compressed with LZMA (`unzip -l` lists them, and CRCs are
checked when it is read):

    pack.json           version, sample_rate, hop, source, sizes
    items.jsonl         as in a corpus (tts.data.corpus)
    durations.json      frames per token, if the corpus is aligned
    envelope.i8         [79, frames] DCT-II coefficients 1 to 79 of the 80 bands, in units of STEP
    level.i16           [frames] DCT-II coefficient 0, in units of STEP
    pitch.i16           [frames] log-pitch, in units of PITCH_STEP
    voiced.bits         [frames] one bit each
    speaker.f16         [items, 256] speaker embeddings
    warped.i8           [items, warps, 256] those of warped copies, in units of WARPED_STEP, if any
    f0.i16              F0 in eighths of a hertz, only in packs with audio
    audio/NUMBER.opus   an Ogg Opus stream per utterance, only in packs with audio

The quantization error of the envelope is about 0.04 of the standard deviation of a band, which is
inaudible. Seven hours are some 25 MB without audio. The order [coefficient, frame] compresses
better than frame by frame.
"""

import io
import json
import lzma
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tts.audio.files import atomic_output, check_apart, check_kind
from tts.data.corpus import FILES, SPEAKER_DIM, Corpus, Item, speakers_of
from tts.errors import DataError, MissingDependencyError
from tts_codecs.envelope import CHANNELS, EXTRA, envelope_part

STEP = 0.15  # of the normalised log-mel
PITCH_STEP = 1 / 512
WARPED_STEP = 1 / 400  # embeddings have unit norm and no entry near 127 / 400
VERSION = 1
OPUS_RATE = 28_000  # bits per second: 16 kHz speech is nearly transparent

Progress = Callable[[int, int], None]


def cosines(bands: int) -> np.ndarray:
    """Orthonormal DCT-II matrix [bands, bands] float32; `matrix @ frame` are the coefficients."""
    at = np.arange(bands)
    table = np.sqrt(2 / bands) * np.cos(np.pi / bands * (at[None] + 0.5) * at[:, None])
    table[0] /= np.sqrt(2)
    return table.astype(np.float32)


def quantize_features(features: np.ndarray) -> tuple[np.ndarray, ...]:
    """Quantize features [T, 82] to envelope int8 [79, T], level and pitch int16 [T], and voiced
    bool [T]."""
    steps = np.rint(envelope_part(features) @ cosines(CHANNELS - EXTRA).T / STEP)
    envelope = np.clip(steps[:, 1:], -127, 127).astype(np.int8)
    level = np.clip(steps[:, 0], -32767, 32767).astype("<i2")
    pitch = np.clip(np.rint(features[:, -EXTRA] / PITCH_STEP), -32767, 32767).astype("<i2")
    return np.ascontiguousarray(envelope.T), level, pitch, features[:, -1] > 0


def restore_features(
    envelope: np.ndarray, level: np.ndarray, pitch: np.ndarray, voiced: np.ndarray
) -> np.ndarray:
    """Invert `quantize_features`: features float16 [T, 82]."""
    features = np.empty((len(level), CHANNELS), np.float16)
    table = cosines(CHANNELS - EXTRA) * np.float32(STEP)
    for begin in range(0, len(level), 65536):  # in blocks, as float32 takes twice the memory
        part = slice(begin, begin + 65536)
        steps = np.concatenate([level[None, part], envelope[:, part]]).astype(np.float32)
        envelope_part(features)[part] = steps.T @ table
    features[:, -EXTRA] = pitch.astype(np.float32) * PITCH_STEP
    features[:, -1] = np.where(voiced, 1, -1)
    return features


def choose_items(corpus: Corpus, hours: float | None, speakers: Iterable[str] = ()) -> list[int]:
    """Choose the utterances of a pack, from all speakers in turn, until they last `hours`.

    Args:
        corpus: to choose from.
        hours: total duration; None for all.
        speakers: speakers that are left out.

    Returns:
        indices of utterances in the order of the corpus.

    Raises:
        UsageError: the corpus has no speaker with a name in `speakers`.
        DataError: no utterance is left.
    """
    left_out = speakers_of(corpus, speakers)
    queues: dict[str, list[int]] = {}
    for index, item in enumerate(corpus.items):
        if item.speaker not in left_out:
            queues.setdefault(item.speaker, []).append(index)
    limit = float("inf") if hours is None else hours * 3600 * corpus.sample_rate
    taken: list[int] = []
    total, turn = 0, 0
    while queues and total < limit:
        for name in list(queues):
            if turn >= len(queues[name]):
                del queues[name]
            elif total < limit:
                taken.append(queues[name][turn])
                total += corpus.items[queues[name][turn]].samples
        turn += 1
    if not taken:
        raise DataError(f"{corpus.folder}: no utterance is left to pack")
    return sorted(taken)


def write_pack(
    corpus: Corpus,
    path: str | Path,
    *,
    hours: float | None = None,
    leave_out: Iterable[str] = (),
    audio: bool = False,
    progress: Progress = lambda done, total: None,
) -> int:
    """Write a pack atomically, and return its size in bytes.

    Args:
        corpus: to pack.
        path: of the pack.
        hours: approximate duration, with equal shares of all speakers; None for all.
        leave_out: speakers that are left out.
        audio: whether to pack audio and F0, for training of the vocoder, instead of features and
            durations.
        progress: called with (utterances done, all).

    Raises:
        DataError: the corpus has no features.
        UsageError: the corpus has no speaker with a name in `leave_out`, or the pack would replace
            a file of the corpus.
        OutputError: the file cannot be written.
    """
    check_apart([path], [corpus.folder, *(corpus.folder / name for name in FILES)])
    check_kind(path, "a pack is", "corpus.pack")
    taken = choose_items(corpus, hours, leave_out)
    durations = None if audio else corpus.durations(required=False)
    with (
        atomic_output(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA, allowZip64=True) as archive,
    ):
        if audio:
            _write_audio(corpus, taken, archive, progress)
        else:
            _write_features(corpus, taken, archive, progress)
        items, offset = [], 0
        for index in taken:
            entry = asdict(corpus.items[index])
            entry.pop("frame_offset")
            items.append(json.dumps(entry | {"offset": offset}, ensure_ascii=False))
            offset += entry["samples"]
        archive.writestr("items.jsonl", "\n".join(items))
        if durations is not None:
            ids = {corpus.items[i].id for i in taken}
            archive.writestr(
                "durations.json", json.dumps({k: v for k, v in durations.items() if k in ids})
            )
        speakers = np.stack([corpus.speaker(i) for i in taken]).astype("<f2")
        archive.writestr("speaker.f16", speakers.tobytes())
        if corpus.vtlp_copies:
            rows = [[corpus.vtlp_speaker(i, w) for w in range(corpus.vtlp_copies)] for i in taken]
            steps = np.clip(np.rint(np.array(rows) / WARPED_STEP), -127, 127).astype(np.int8)
            archive.writestr("warped.i8", steps.tobytes())
        header = {
            "version": VERSION,
            "sample_rate": corpus.sample_rate,
            "hop": corpus.hop,
            "source": corpus.meta.get("source", ""),
            "items": len(taken),
            "warps": corpus.vtlp_copies,
            "audio": audio,
        }
        archive.writestr("pack.json", json.dumps(header))
    return Path(path).stat().st_size


def _write_features(
    corpus: Corpus, taken: list[int], archive: zipfile.ZipFile, progress: Progress
) -> None:
    parts = []
    for done, index in enumerate(taken, 1):
        parts.append(quantize_features(corpus.features(index)))
        progress(done, len(taken))
    envelope, level, pitch, voiced = (np.concatenate(x, -1) for x in zip(*parts, strict=True))
    archive.writestr("envelope.i8", envelope.tobytes())
    archive.writestr("level.i16", level.tobytes())
    archive.writestr("pitch.i16", pitch.tobytes())
    archive.writestr("voiced.bits", np.packbits(voiced).tobytes())


def _write_audio(
    corpus: Corpus, taken: list[int], archive: zipfile.ZipFile, progress: Progress
) -> None:
    sf = _soundfile()
    pitches = []
    for done, index in enumerate(taken, 1):
        item = corpus.items[index]
        stream = io.BytesIO()
        # libsndfile maps 0..1 to 256..6 kbit/s.
        level = 1 - (OPUS_RATE - 6000) / 250_000
        sf.write(
            stream,
            corpus.samples(index),
            corpus.sample_rate,
            format="OGG",
            subtype="OPUS",
            compression_level=level,
        )
        # Opus streams are not compressed again.
        name = zipfile.ZipInfo(f"audio/{done - 1}.opus")
        archive.writestr(name, stream.getvalue(), zipfile.ZIP_STORED)
        count = item.samples // corpus.hop + 1
        pitches.append(corpus.f0(index, -1, count))
        progress(done, len(taken))
    archive.writestr("f0.i16", np.rint(np.concatenate(pitches) * 8).astype("<i2").tobytes())


def _soundfile() -> Any:
    try:
        import soundfile
    except ImportError as error:
        raise MissingDependencyError("packed audio needs soundfile: pip install soundfile") from (
            error
        )
    return soundfile


class Pack(Corpus):
    """Read access to a pack, with the interface of Corpus. All of it is decoded into memory.

    Raises:
        DataError: the file is missing, damaged or of a newer version.
    """

    def __init__(self, path: str | Path):
        self.folder = Path(path)
        self._audio = self._features = self._warped = None
        try:
            with zipfile.ZipFile(path) as archive:
                self._read(archive)
        except FileNotFoundError as error:
            raise DataError(f"{path} does not exist") from error
        except MissingDependencyError:
            raise
        except (
            OSError,
            zipfile.BadZipFile,
            lzma.LZMAError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            EOFError,
            NotImplementedError,
            RuntimeError,
            IndexError,
            MemoryError,
            ZeroDivisionError,
        ) as error:
            raise DataError(f"{path} is not a packed corpus, or damaged: {error}") from error

    def _read(self, archive: zipfile.ZipFile) -> None:
        self.meta = json.loads(archive.read("pack.json"))
        if self.meta["version"] != VERSION:
            raise ValueError(f"version {self.meta['version']} is not known")
        self.sample_rate, self.hop = self.meta["sample_rate"], self.meta["hop"]
        lines = archive.read("items.jsonl").decode().split("\n")
        self.items = [Item(**json.loads(line)) for line in lines]
        if len(self.items) != self.meta["items"]:
            raise ValueError("utterances are missing")
        samples = self._locate_items()
        count = len(self.items)
        self._speaker = self._table(archive, "speaker.f16", "<f2", count, SPEAKER_DIM).astype("f4")
        if self.meta["warps"]:
            steps = self._table(archive, "warped.i8", "i1", count, self.meta["warps"], SPEAKER_DIM)
            self._warped = steps.astype(np.float32) * WARPED_STEP
        names = archive.namelist()
        self._durations = (
            json.loads(archive.read("durations.json")) if "durations.json" in names else None
        )
        if self.meta["audio"]:
            frames = sum(item.samples // self.hop + 1 for item in self.items)
            self._f0 = self._table(archive, "f0.i16", "<i2", frames).astype("f4") / 8
            self._audio = self._decode(archive, samples)
            return
        frames = sum(self.frames(i) for i in range(count))
        bits = self._table(archive, "voiced.bits", "u1", -(-frames // 8))
        self._features = restore_features(
            self._table(archive, "envelope.i8", "i1", CHANNELS - EXTRA - 1, frames),
            self._table(archive, "level.i16", "<i2", frames),
            self._table(archive, "pitch.i16", "<i2", frames),
            np.unpackbits(bits)[:frames].astype(bool),
        )

    @staticmethod
    def _table(archive: zipfile.ZipFile, name: str, kind: str, *shape: int) -> np.ndarray:
        return np.frombuffer(archive.read(name), kind).reshape(shape)

    def _decode(self, archive: zipfile.ZipFile, samples: int) -> np.ndarray:
        sf = _soundfile()
        audio = np.zeros(samples, np.int16)
        for number, item in enumerate(self.items):
            decoded, rate = sf.read(io.BytesIO(archive.read(f"audio/{number}.opus")), dtype="int16")
            if rate != self.sample_rate or decoded.ndim != 1:
                raise ValueError(f"{item.id}: not mono at {self.sample_rate} Hz")
            count = min(item.samples, len(decoded))
            audio[item.offset : item.offset + count] = decoded[:count]
        return audio


def open_corpus(path: str | Path) -> Corpus:
    """Open a corpus folder or a pack file. Errors as of Corpus and Pack."""
    return Pack(path) if Path(path).is_file() else Corpus(path)
