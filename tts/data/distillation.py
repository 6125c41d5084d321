"""Sequence-level distillation: speech of a trained teacher as training data of other generators.

The same words in the same voice can be spoken in many ways, of which a few hours of speech show
only a few. Masked and autoregressive generators spend much capacity on this variation. The speech
of a teacher varies less, and can be synthesized for any text in any voice (Kim & Rush 2016; in
speech FastSpeech, Ren et al. 2019).

Folder layout, written by `tts data distill`:
    rows.jsonl      per row ids, mods, durations, frames, prompt_frames and the speaker's name
    features.f16    [frames of all rows, 82] speech of the teacher
    prompts.f16     [prompt frames of all rows, 82] recordings of the voices
    speaker.f32     [rows, 256] speaker embeddings of the voices
"""

import json
import logging
import math
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tts.data.batch import Batch
from tts.data.corpus import SPEAKER_DIM, Corpus
from tts.data.segments import SegmentSampler
from tts.data.texts import texts_in
from tts.errors import DataError, OutputError, TextError, UsageError
from tts.generators.base import Request
from tts.losses.phone import PhoneProbe
from tts.modules.voice_prompt import VoicePrompt
from tts.prosody.durations import with_edges
from tts.synthesizer import Synthesizer
from tts.text.frontend import Frontend
from tts.text.names import speaker_name
from tts.text.pauses import spoken_pauses
from tts.text.tokens import TokenBatch, collate_tokens
from tts_codecs.envelope import CHANNELS
from tts_codecs.ranges import MOST_SEED

log = logging.getLogger(__name__)

#: fraction of all rows, those of similar length, from which a batch is drawn, to save padding
_NEIGHBOURS = 0.1
#: number of consecutive passages without anything to speak, after which a text is refused
_MISSES = 1000


@dataclass
class Row:
    """One utterance of the teacher.

    Attributes:
        ids, mods, durations: tokens with their durations in frames, [S] each.
        frames, prompt_frames: number of frames of the speech and of the prompt.
        speaker: name of the voice's speaker; "" if unknown.
    """

    ids: list[int]
    mods: list[int]
    durations: list[int]
    frames: int
    prompt_frames: int
    speaker: str = ""

    def __post_init__(self) -> None:
        self.speaker = speaker_name(self.speaker)


#: a row, features [frames, C], prompt [prompt_frames, C], speaker [256]
RowData = tuple[Row, Tensor, Tensor, Tensor]


class DistillationData:
    """Distillation data of one or more folders, with the interface of SegmentSampler.

    Args:
        folders: of `tts data distill`.
        held_out: speakers whose rows are left out. Rows of unknown speakers are kept, with a
            warning.

    Raises:
        DataError: a folder is missing or damaged, or `held_out` leaves nothing.
    """

    def __init__(self, folders: Sequence[str], held_out: Collection[str] = ()):
        self._held_out = frozenset(map(speaker_name, held_out))
        self.rows: list[Row] = []
        #: per row: arrays of its folder, start in features, start in prompts, index in the folder
        self._places: list[tuple[tuple[np.ndarray, ...], int, int, int]] = []
        for folder in folders:
            self._read(Path(folder))
        if not self.rows and self._held_out:
            raise DataError("held_out leaves no distillation data")
        if not self.rows:
            raise DataError("there are no distillation data: make some with `tts data distill`")
        self._order = np.argsort([row.frames for row in self.rows], kind="stable")

    def _read(self, folder: Path) -> None:
        try:
            lines = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
            rows = [Row(**json.loads(line)) for line in lines]
            frames = sum(row.frames for row in rows)
            prompts = sum(row.prompt_frames for row in rows)
            arrays = (
                np.memmap(folder / "features.f16", "<f2", "r", shape=(frames, CHANNELS)),
                np.memmap(folder / "prompts.f16", "<f2", "r", shape=(prompts, CHANNELS)),
                np.memmap(folder / "speaker.f32", "<f4", "r", shape=(len(rows), SPEAKER_DIM)),
            )
        except FileNotFoundError as error:
            there = "holds no distillation data" if folder.is_dir() else "does not exist"
            raise DataError(f"{folder} {there}: make some with `tts data distill`") from error
        except (OSError, ValueError, TypeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise DataError(
                f"{folder} holds no distillation data, or is damaged: {reason}"
            ) from error
        at = prompt_at = 0
        for number, row in enumerate(rows):
            if row.speaker not in self._held_out:
                self._places.append((arrays, at, prompt_at, number))
                self.rows.append(row)
            at, prompt_at = at + row.frames, prompt_at + row.prompt_frames
        unknown = sum(not row.speaker for row in rows)
        if self._held_out and unknown:
            log.warning(
                "%s: whose voice %d of %d rows are of is not known: speakers in held_out may be "
                "among them (`tts data distill --leave-out` makes data without them)",
                folder, unknown, len(rows),
            )  # fmt: skip

    def _near(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Rows of similar length, from which a batch is drawn.

        The rows, sorted by length, are divided at random positions, and one part is chosen with a
        probability proportional to its size, so that all rows are drawn equally often. No part is
        smaller than a batch, so that a batch does not contain a row twice.
        """
        total = len(self.rows)
        span = max(count, round(_NEIGHBOURS * total))
        cuts = range(int(rng.integers(span)), total, span)
        kept = [cut for cut in cuts if count <= cut <= total - count]
        chosen = int(rng.integers(total))
        begin = max((cut for cut in kept if cut <= chosen), default=0)
        end = min((cut for cut in kept if cut > chosen), default=total)
        return self._order[begin:end]

    def draw(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw a batch of `count` rows, as SegmentSampler.draw does."""
        near = self._near(rng, count)
        chosen = rng.choice(near, count, replace=count > len(near))
        rows = [self.rows[at] for at in chosen]
        features, prompts, speakers = [], [], []
        for at, row in zip(chosen, rows, strict=True):
            (feature_table, prompt_table, table), begin, prompt_begin, number = self._places[at]
            features.append(feature_table[begin : begin + row.frames])
            prompts.append(prompt_table[prompt_begin : prompt_begin + row.prompt_frames])
            speakers.append(table[number])
        tokens = collate_tokens([(row.ids, row.mods) for row in rows])
        return {
            "ids": tokens.ids,
            "mods": tokens.mods,
            "lengths": tokens.lengths,
            "durations": _padded([np.array(row.durations) for row in rows]),
            "features": _padded([f.astype(np.float32) for f in features]),
            "frames": torch.tensor([row.frames for row in rows]),
            "prompt_features": _padded([p.astype(np.float32) for p in prompts]),
            "prompt_frames": torch.tensor([row.prompt_frames for row in rows]),
            "speaker": torch.from_numpy(np.stack(speakers)),
        }


def _padded(arrays: list[np.ndarray]) -> Tensor:
    return pad_sequence([torch.from_numpy(a) for a in arrays], batch_first=True)


class Texts:
    """Passages of written text as phones.

    Args:
        folder: plain text files (*.txt).
        frontend: text to phones.
        words: largest number of words of a passage; longer sentences are cut at any word.

    Raises:
        DataError: no text in the folder, or a file that is not UTF-8.
    """

    def __init__(self, folder: str | Path, frontend: Frontend, words: int = 10):
        self.frontend, self.words = frontend, words
        self.lines = [
            line for text in texts_in(folder) for line in text.splitlines() if line.split()
        ]
        if not self.lines:
            raise DataError(f"no text in {folder}: it should hold .txt files")

    def draw(self, rng: np.random.Generator, count: int) -> TokenBatch:
        """Draw `count` passages of the same number of words, with silence at both ends.

        Raises:
            DataError: the text has hardly anything to speak.
        """
        rows: list[tuple[list[int], list[int]]] = []
        size = int(rng.integers(min(3, self.words), self.words + 1))
        missed = 0
        while len(rows) < count:
            words = self.lines[int(rng.integers(len(self.lines)))].split()
            begin = int(rng.integers(max(1, len(words) - size + 1)))
            try:
                phones = self.frontend.one(" ".join(words[begin : begin + size]))
            except TextError:
                missed += 1  # nothing to speak, such as a row of asterisks
                if missed == _MISSES:
                    raise DataError(
                        f"nothing can be said of {missed} stretches of text in a row, such as "
                        f"{' '.join(words[:size])[:40]!r}"
                    ) from None
                continue
            missed = 0
            rows.append(spoken_pauses(phones.ids, phones.mods))
        return collate_tokens(rows)


@torch.inference_mode()
def distill_rows(
    teacher: Synthesizer, batch: Batch, seed: int, tokens: TokenBatch | None = None
) -> Batch:
    """Speak texts by the teacher in the voices of a batch, with durations that it predicts.

    Args:
        teacher: the synthesizer.
        batch: of SegmentSampler.draw.
        seed: of the first row; later rows have the following seeds.
        tokens: the texts, one per voice; by default those of the batch, each in the voice of the
            next row.

    Returns:
        the batch with the tokens spoken, and their "durations", "features" [B, T, C] and "frames".
    """
    if tokens is None:
        tokens = TokenBatch(*(batch[name].roll(1, 0) for name in ("ids", "mods", "lengths")))
    ids, mods, lengths = tokens.ids, tokens.mods, tokens.lengths
    prompt = VoicePrompt(batch["speaker"], batch["prompt_features"], batch["prompt_frames"])
    model = teacher.acoustic
    durations = model.durations.predict(tokens, prompt).clone()
    durations = with_edges(durations, tokens, model.generator.patch)
    request = Request(tokens, prompt, durations)
    rngs = [torch.Generator().manual_seed(seed + row) for row in range(len(lengths))]
    latents = model.generator.generate(request, rngs, teacher.config.sampling)
    features, _ = model.latent_space.decode(latents, model.latent_space.start(prompt), True)
    if model.shifts is not None:
        features = features + model.shifts.added(prompt, tokens, durations, features.shape[1])
    return batch | {
        "ids": ids,
        "mods": mods,
        "lengths": lengths,
        "durations": durations,
        "features": features,
        "frames": request.frames,
    }


def write_distillation(
    corpus: Corpus,
    teacher: Synthesizer,
    folder: str | Path,
    rows: int,
    seed: int = 0,
    max_frames: int = 180,
    batch_size: int = 16,
    texts: str | Path | None = None,
    judge: PhoneProbe | None = None,
    keep: float = 1.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
    leave_out: Collection[str] = (),
) -> None:
    """Write distillation data: the speech of a teacher for texts, in voices of a corpus. The folder
    is created only when all rows are done.

    Args:
        corpus: of the texts and voices.
        teacher: the synthesizer.
        folder: to be created.
        rows: number of rows.
        seed: of the random numbers.
        max_frames: longest segment of the corpus from which a text is taken; the teacher predicts
            its own durations.
        batch_size: rows per batch.
        texts: folder of plain text that is spoken instead of the texts of the corpus, for words
            that the corpus does not have.
        judge: phone classifier that rates the intelligibility of rows.
        keep: fraction of the rows that is kept, those that the judge rates best. Unclear speech of
            the teacher is thus not learned.
        progress: called with (rows done, all).
        leave_out: speakers whose texts and voices are not used.

    Raises:
        UsageError: the teacher does not take durations, or the corpus has no speaker with a name in
            `leave_out`.
        OutputError: the folder exists or cannot be written.
        DataError: the corpus has no features or durations.
    """
    if teacher.acoustic.generator.conditioner.untimed:
        raise UsageError("the teacher has to be a model that takes durations")
    folder = Path(folder)
    if folder.exists():
        raise OutputError(f"{folder} exists")
    sampler = SegmentSampler(corpus, max_frames, held_out=leave_out)
    written = Texts(texts, Frontend(teacher.config.language)) if texts else None
    rng = np.random.default_rng(seed)
    parts = [min(batch_size, rows - done) for done in range(0, rows, batch_size)]
    counts = [math.ceil(target / keep) for target in parts]

    def generated_rows() -> Iterator[RowData]:
        # Every drawn row has its own seed, also those that are not kept.
        first, done = seed * sum(counts), 0
        for target, count in zip(parts, counts, strict=True):
            names: list[str] = []
            drawn = sampler.draw(rng, count, names)
            tokens = written.draw(rng, count) if written else None
            # Larger seeds are not supported by random generators.
            batch = distill_rows(teacher, drawn, first % MOST_SEED, tokens)
            for row in clearest(batch, judge, target):
                yield _row_of(batch, row, names[row])
            first, done = first + count, done + target
            progress(done, rows)

    write_rows(folder, generated_rows())


def _row_of(batch: Batch, row: int, name: str) -> RowData:
    """A row of a batch without padding; `name` is that of the speaker."""
    length, frames = int(batch["lengths"][row]), int(batch["frames"][row])
    prompt_frames = int(batch["prompt_frames"][row])
    ids, mods, durations = (
        batch[name][row, :length].tolist() for name in ("ids", "mods", "durations")
    )
    return (
        Row(ids, mods, durations, frames, prompt_frames, name),
        batch["features"][row, :frames],
        batch["prompt_features"][row, :prompt_frames],
        batch["speaker"][row],
    )


def write_rows(folder: str | Path, rows: Iterable[RowData]) -> None:
    """Write distillation data row by row. The folder is created only when all rows are written.

    Raises:
        OutputError: the folder exists, or cannot be written.
    """
    folder = Path(folder)
    if folder.exists():
        raise OutputError(f"{folder} exists")
    part = folder.with_name(folder.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        with (
            (part / "rows.jsonl").open("w", encoding="utf-8") as table,
            (part / "features.f16").open("wb") as feature_file,
            (part / "prompts.f16").open("wb") as prompt_file,
            (part / "speaker.f32").open("wb") as speakers,
        ):
            for row, features, prompt, speaker in rows:
                table.write(json.dumps(vars(row)) + "\n")
                feature_file.write(_bytes(features, "<f2"))
                prompt_file.write(_bytes(prompt, "<f2"))
                speakers.write(_bytes(speaker, "<f4"))
        part.rename(folder)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror}") from error


@torch.inference_mode()
def clearest(batch: Batch, judge: PhoneProbe | None, count: int) -> list[int]:
    """Indices of the `count` rows with the lowest phone classification loss, in ascending order;
    without a judge the first `count`."""
    if judge is None:
        return list(range(min(count, len(batch["lengths"]))))
    tokens = TokenBatch(batch["ids"], batch["mods"], batch["lengths"])
    features = batch["features"]
    mask = (torch.arange(features.shape[1]) < batch["frames"].unsqueeze(1)).float().unsqueeze(-1)
    errors = judge.errors(features.float(), mask, tokens, batch["durations"])
    return sorted(errors.argsort()[:count].tolist())


def _bytes(values: Tensor, kind: str) -> bytes:
    return values.cpu().numpy().astype(kind).tobytes()
