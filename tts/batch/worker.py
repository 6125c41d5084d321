"""What computes groups of rows: the same in this process, in others, and on a Ray cluster."""

import hashlib
import io
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tts.audio.files import atomic_output, write_all
from tts.audio.loudness import Leveler
from tts.audio.writer import encode_audio, write_audio
from tts.batch.rows import Row
from tts.captions import captions, write_text
from tts.config import ModelConfig
from tts.errors import OutputError, TTSError, UsageError
from tts.pipeline.render import Utterance
from tts.provenance import (
    load_watermark,
    marker,
    provenance,
    provenance_json,
    text_sha256,
)
from tts.synthesizer import Synthesizer
from tts.text.markup import without_tags
from tts.types import Chunk, Span
from tts.voice.voice import Voice

#: sentences of a long text that are held in memory
WINDOW = 64
#: characters of a text that is written while it is computed
LONG = 20_000
_VOICES = 1000


@dataclass(frozen=True)
class Settings:
    """What all rows of a run share.

    Attributes:
        out: folder of the files; format: of tts.audio.writer.FORMATS.
        model: for rows that name none.
        timestamps: formats of tts.captions.FORMATS.
        provenance: write ID.provenance.json; watermark: see tts.provenance.load_watermark.
        threads: CPU threads of a process; 0 leaves them.
        int8: weights of models that rows name (tts.quantize); `model` says its own.
    """

    out: Path
    model: ModelConfig
    format: str = "wav"
    device: str = "auto"
    timestamps: tuple[str, ...] = ()
    provenance: bool = False
    watermark: str = ""
    threads: int = 0
    int8: bool = False


@dataclass(frozen=True)
class Result:
    """What became of a row.

    Attributes:
        file: name of the audio in the folder, "" where there is an error.
        error: why there is none.
        key: see `Row.key`; sha256: of the file; seconds: of audio.
        meta: of the row.
    """

    id: str
    file: str = ""
    error: str = ""
    seconds: float = 0.0
    sample_rate: int = 0
    sha256: str = ""
    model: str = ""
    voice: str = ""
    voice_sha256: str = ""
    text_sha256: str = ""
    seed: int = 0
    key: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class RowSynthesizer:
    """Says groups of rows into files; keeps its models and voices.

    Args:
        settings: of the run; model: the loaded one of them, if there is one.
    """

    def __init__(self, settings: Settings, model: Synthesizer | None = None):
        self.settings = settings
        self.watermark = load_watermark(settings.watermark) if settings.watermark else None
        self._models: dict[str, Synthesizer] = {"": model} if model else {}
        self._voices: OrderedDict[tuple[str, str, str, float, bool], Voice] = OrderedDict()

    def model(self, name: str) -> Synthesizer:
        """A model by name, loaded once."""
        if name not in self._models:
            given, device = self.settings.model, self.settings.device
            if name:
                self._models[name] = Synthesizer.load(name, device, self.settings.int8)
            else:
                self._models[name] = Synthesizer.of(given, device)
        return self._models[name]

    def _voice(self, model: Synthesizer, row: Row) -> Voice:
        if isinstance(row.voice, Voice) and not row.adapt:
            return row.voice
        name = row.voice.sha256 if isinstance(row.voice, Voice) else str(row.voice)
        key = (row.model, name, row.ref_text, row.adapt, row.enhance)
        if key not in self._voices:
            self._voices[key] = model.voice(
                row.voice,
                row.ref_text or None,
                adapt=row.adapt > 0,
                strength=row.adapt,
                enhance=row.enhance,
            )
        self._voices.move_to_end(key)
        while len(self._voices) > _VOICES:
            self._voices.popitem(last=False)
        return self._voices[key]

    def say(self, rows: Sequence[Row]) -> list[Result]:
        """Say a group (tts.batch.plan) in as few batches as its lengths allow.

        What is wrong with one row is told in its result and leaves the others alone.
        """
        results: dict[str, Result] = {}
        utterances: list[Utterance] = []
        owners: list[Row] = []
        for row in rows:
            try:
                mine = self._utterances(row)
                if len(row.text) > LONG:
                    if not row.mate:
                        results[row.id] = self._write(row, self._windows(row, mine))
                    continue
                # All of it: a sentence that cannot be said fails the row before it costs time.
                listed = list(mine)
            except Exception as error:
                results[row.id] = _failed(row, error)
                continue
            utterances += listed
            owners += [row] * len(listed)
        said = self._said(rows[0].model, utterances) if utterances else []
        for row in rows:
            if row.id in results or row.mate:
                continue
            own = [c for c, owner in zip(said, owners, strict=True) if owner is row]
            try:
                for chunk in own:
                    if isinstance(chunk, Exception):
                        raise chunk
                results[row.id] = self._write(row, (c for c in own if isinstance(c, Chunk)))
            except Exception as error:
                results[row.id] = _failed(row, error)
        return [results[row.id] for row in rows if not row.mate]

    def _utterances(self, row: Row) -> Iterator[Utterance]:
        if row.problem:
            raise TTSError(row.problem)
        model = self.model(row.model)
        if self.settings.timestamps and not model.capabilities.word_times:
            raise UsageError(
                f"{model.config.name} does not know when its words are said: no timestamps"
            )
        # Told here it costs those who would share a batch with it nothing.
        model.renderer.check(row.options)
        yield from model.utterances(row.text, self._voice(model, row), row.options)

    def _said(self, model: str, utterances: Sequence[Utterance]) -> list[Chunk | Exception]:
        """Chunks of all utterances; where a batch fails, each of its sentences is tried alone."""
        try:
            return list(self.model(model).renderer.render_all(utterances))
        except Exception as error:
            if len(utterances) == 1:
                return [error]
            return [each for utterance in utterances for each in self._said(model, [utterance])]

    def _windows(self, row: Row, utterances: Iterator[Utterance]) -> Iterator[Chunk]:
        """Chunks of a long text, so many sentences at a time."""
        model = self.model(row.model)
        window: list[Utterance] = []
        for utterance in utterances:
            window.append(utterance)
            if len(window) == WINDOW:
                yield from model.renderer.render_all(window)
                window = []
        if window:
            yield from model.renderer.render_all(window)

    def _write(self, row: Row, chunks: Iterator[Chunk]) -> Result:
        """The files of a row."""
        model = self.model(row.model)
        voice = self._voice(model, row)
        made: dict[str, list[Span]] = {"words": [], "phones": []}
        offset = 0

        def samples() -> Iterator[Any]:
            nonlocal offset
            for chunk in chunks:
                placed = chunk.later(offset / model.sample_rate)
                made["words"] += placed.words
                made["phones"] += placed.phones
                offset += len(chunk.samples)
                yield mark(chunk.levelled(level))

        settings = self.settings
        audio = settings.out / f"{row.id}.{settings.format}"
        level = Leveler(model.sample_rate)
        mark = marker(self.watermark, model.sample_rate)
        if len(row.text) > LONG:
            write_audio(audio, samples(), model.sample_rate, settings.format)
            data: bytes | None = None
        else:
            data = encode_audio(samples(), model.sample_rate, settings.format)
        options = row.options
        language = options.language or model.config.language
        shown = without_tags(row.text, options.markup, language) if settings.timestamps else ""
        for kind in settings.timestamps:
            write_text(settings.out / f"{row.id}.{kind}", captions(kind, **made, text=shown))
        if settings.provenance:
            record = provenance(model, voice, row.text, row.options)
            write_text(settings.out / f"{row.id}.provenance.json", provenance_json(record))
        if data is not None:
            with atomic_output(audio) as file:
                write_all(file, data)
        return Result(
            row.id,
            audio.name,
            "",
            round(offset / model.sample_rate, 3),
            model.sample_rate,
            _sha256(audio, data),
            model.config.name,
            voice.name,
            voice.sha256,
            text_sha256(row.text),
            row.options.seed,
        )


def _sha256(path: Path, data: bytes | None) -> str:
    digest = hashlib.sha256()
    with io.BytesIO(data) if data is not None else path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _failed(row: Row, error: Exception) -> Result:
    """One line on what is wrong with a row; raises what is not: the disk is full, and the like."""
    if isinstance(error, OutputError) and isinstance(error.__cause__, OSError):
        raise error
    line = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, TTSError):
        line = f"unexpected {type(error).__name__}: {line}"
    made = Result(row.id, error=line, text_sha256=text_sha256(row.text), seed=row.options.seed)
    return replace(made, model=row.model)
