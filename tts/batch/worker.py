"""Synthesis of groups of rows into files, the same in this process, in others and on a cluster."""

import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
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
#: characters from which on a text is long: it is written while it is computed
LONG = 20_000
#: voices that are kept in memory
_CACHED_VOICES = 1000


@dataclass(frozen=True)
class Settings:
    """What all rows of a run share.

    Attributes:
        out: folder of the files.
        model: model of rows that name none.
        format: audio format of the files (tts.audio.writer.FORMATS).
        device: PyTorch device; "auto" chooses.
        timestamps: formats of files with the times of words (tts.captions.FORMATS).
        provenance: whether ID.provenance.json is written.
        watermark: MODULE:FUNCTION that marks all audio (tts.provenance), or "".
        threads: CPU threads of a process; 0 for PyTorch's default.
        int8: whether models that rows name have weights of 8 bits (tts.quantize); `model` tells it
            of itself.
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
    """What became of a row: a line of the manifest.

    Attributes:
        id: id of the row.
        file: name of the audio file in the folder; "" if there is an error.
        error: why there is no audio; "" if there is.
        seconds: duration of the audio.
        sample_rate: sample rate in Hz.
        sha256: checksum of the audio file.
        model: name of the model.
        voice: name of the voice.
        voice_sha256: checksum of the voice.
        text_sha256: checksum of the text.
        seed: seed of the row.
        key: checksum of what the audio depends on (`Row.key`).
        meta: other columns of the row.
        warnings: what speaks against its recording or voice, such as noise.
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
    warnings: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """Return the values for JSON."""
        return asdict(self)


#: what makes another voice of a row: model, voice, ref_text, adapt, enhance
_VoiceKey = tuple[str, str | Path, str, float, bool]


class RowSynthesizer:
    """Synthesizes groups of rows into files, and keeps models and voices for the next ones.

    Args:
        settings: settings of the run.
        model: the model of the settings, if it is loaded.
    """

    def __init__(self, settings: Settings, model: Synthesizer | None = None):
        self.settings = settings
        self.watermark = load_watermark(settings.watermark) if settings.watermark else None
        self._models: dict[str, Synthesizer] = {"": model} if model else {}
        self._voices: OrderedDict[_VoiceKey, Voice] = OrderedDict()

    def _model(self, name: str) -> Synthesizer:
        """Return a model by its name or path, which is loaded once; "" is that of the settings."""
        if name not in self._models:
            device = self.settings.device
            if name:
                self._models[name] = Synthesizer.load(name, device, self.settings.int8)
            else:
                self._models[name] = Synthesizer.of(self.settings.model, device)
        return self._models[name]

    def _voice(self, model: Synthesizer, row: Row) -> Voice:
        """Return the voice of a row."""
        if isinstance(row.voice, Voice) and not row.adapt:
            return row.voice
        name = row.voice.sha256 if isinstance(row.voice, Voice) else row.voice
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
        while len(self._voices) > _CACHED_VOICES:
            self._voices.popitem(last=False)
        return self._voices[key]

    def synthesize(self, rows: Sequence[Row]) -> list[Result]:
        """Synthesize a group (tts.batch.grouping) in as few batches as its lengths allow.

        Args:
            rows: the rows, which have one model.

        Returns:
            The results of the rows that were not done before. An error of one row is told in its
            result and leaves the others alone.

        Raises:
            OutputError: the folder cannot be written, or the disk is full.
        """
        results: dict[str, Result] = {}
        utterances: list[Utterance] = []
        owners: list[Row] = []
        for row in rows:
            try:
                own = self._utterances(row)
                if len(row.text) > LONG:
                    if not row.is_done:
                        results[row.id] = self._write(row, self._render_windows(row, own))
                    continue
                # All sentences, before any is computed: one that cannot be said fails the row.
                listed = list(own)
            except Exception as error:
                results[row.id] = _failed(row, error)
                continue
            utterances += listed
            owners += [row] * len(listed)
        chunks = self._render(rows[0].model, utterances) if utterances else []
        for row in rows:
            if row.id not in results and not row.is_done:
                of_row = [c for c, owner in zip(chunks, owners, strict=True) if owner is row]
                results[row.id] = self._write_or_fail(row, of_row)
        return [results[row.id] for row in rows if not row.is_done]

    def _utterances(self, row: Row) -> Iterator[Utterance]:
        """Yield the sentences of a row.

        Raises:
            TTSError: the row cannot be spoken.
        """
        if row.problem:
            raise TTSError(row.problem)
        model = self._model(row.model)
        if self.settings.timestamps and not model.capabilities.word_times:
            raise UsageError(
                f"{model.config.name} does not know when its words are said: no timestamps"
            )
        # An error that is found here costs the rows of the same batch nothing.
        model.renderer.check(row.options)
        yield from model.utterances(row.text, self._voice(model, row), row.options)

    def _render(self, model: str, utterances: Sequence[Utterance]) -> list[Chunk | Exception]:
        """Return the audio of sentences. If a batch fails, each sentence is tried alone, and one
        that fails again has its error in place of audio."""
        try:
            return list(self._model(model).renderer.render_all(utterances))
        except Exception as error:
            if len(utterances) == 1:
                return [error]
            return [each for one in utterances for each in self._render(model, [one])]

    def _render_windows(self, row: Row, utterances: Iterator[Utterance]) -> Iterator[Chunk]:
        """Yield the audio of a long text, of which `WINDOW` sentences at a time are in memory."""
        while window := list(islice(utterances, WINDOW)):
            yield from self._model(row.model).renderer.render_all(window)

    def _write_or_fail(self, row: Row, chunks: Sequence[Chunk | Exception]) -> Result:
        """Write the files of a row, unless one of its sentences failed."""
        try:
            for chunk in chunks:
                if isinstance(chunk, Exception):
                    raise chunk
            return self._write(row, (chunk for chunk in chunks if isinstance(chunk, Chunk)))
        except Exception as error:
            return _failed(row, error)

    def _write(self, row: Row, chunks: Iterator[Chunk]) -> Result:
        """Write the files of a row. The audio comes last, unless the text is long, so that a row
        with audio has all of its files."""
        model, settings = self._model(row.model), self.settings
        voice = self._voice(model, row)
        audio = settings.out / f"{row.id}.{settings.format}"
        track = _Track(chunks, model.sample_rate, marker(self.watermark, model.sample_rate))
        data: bytes | None = None
        if len(row.text) > LONG:
            write_audio(audio, track.samples(), model.sample_rate, settings.format)
        else:
            data = encode_audio(track.samples(), model.sample_rate, settings.format)
        self._write_captions(row, track, row.options.language or model.config.language)
        if settings.provenance:
            record = provenance(model, voice, row.text, row.options)
            write_text(settings.out / f"{row.id}.provenance.json", provenance_json(record))
        if data is not None:
            with atomic_output(audio) as file:
                write_all(file, data)
        return Result(
            row.id,
            audio.name,
            seconds=round(track.length / model.sample_rate, 3),
            sample_rate=model.sample_rate,
            sha256=_sha256(audio, data),
            model=model.config.name,
            voice=voice.name,
            voice_sha256=voice.sha256,
            text_sha256=text_sha256(row.text),
            seed=row.options.seed,
            warnings=[*voice.warnings, *filter(None, [model.untuned(voice)])],
        )

    def _write_captions(self, row: Row, track: "_Track", language: str) -> None:
        """Write the files with the times of words."""
        formats = self.settings.timestamps
        text = without_tags(row.text, row.options.markup, language) if formats else ""
        for kind in formats:
            content = captions(kind, words=track.words, phones=track.phones, text=text)
            write_text(self.settings.out / f"{row.id}.{kind}", content)


class _Track:
    """The audio of a row as it is written, and the times in it.

    Args:
        chunks: audio of its sentences.
        sample_rate: sample rate in Hz.
        mark: the watermark.

    Attributes:
        length: samples so far.
        words, phones: times of words and phones so far.
    """

    def __init__(self, chunks: Iterator[Chunk], sample_rate: int, mark: Callable[[Any], Any]):
        self.chunks, self.sample_rate, self.mark = chunks, sample_rate, mark
        self.length = 0
        self.words: list[Span] = []
        self.phones: list[Span] = []

    def samples(self) -> Iterator[Any]:
        """Yield samples [N] at their loudness and with the watermark."""
        leveler = Leveler(self.sample_rate)
        for chunk in self.chunks:
            placed = chunk.later(self.length / self.sample_rate)
            self.words += placed.words
            self.phones += placed.phones
            self.length += len(chunk.samples)
            yield self.mark(chunk.levelled(leveler))


def _sha256(path: Path, data: bytes | None) -> str:
    """Return the checksum of a file, whose bytes are given if they are in memory."""
    digest = hashlib.sha256()
    with io.BytesIO(data) if data is not None else path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _failed(row: Row, error: Exception) -> Result:
    """Return the result of a row with an error, as one line.

    Raises:
        OutputError: the error is not of the row: the disk is full, and the like.
    """
    if isinstance(error, OutputError) and isinstance(error.__cause__, OSError):
        raise error
    line = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, TTSError):
        line = f"unexpected {type(error).__name__}: {line}"
    return Result(
        row.id,
        error=line,
        model=row.model,
        text_sha256=text_sha256(row.text),
        seed=row.options.seed,
    )
