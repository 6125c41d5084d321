"""The class of the Python interface: speaking, editing, batches, event loops and lists."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import Unpack

from tts.aio import AsyncStream, AsyncText
from tts.catalog import ModelInfo, VoiceInfo, models, voices
from tts.errors import UsageError
from tts.pipeline.voices import VoiceSource
from tts.progress import Progress
from tts.synthesizer import Synthesizer
from tts.types import Audio, Options, OptionValues, joined, options_of

if TYPE_CHECKING:
    from tts.batch.rows import Row
    from tts.batch.worker import Result
    from tts.editing.edited import Edited
    from tts.voice.sources import Recording

log = logging.getLogger(__name__)


class TTS(Synthesizer):
    """A loaded model with all that can be done with it; see Synthesizer for how it speaks."""

    @staticmethod
    def models() -> list[ModelInfo]:
        """The models that `load` knows by name, with what was measured of them."""
        return models()

    @staticmethod
    def voices() -> list[VoiceInfo]:
        """The voices known by name, built in and added."""
        return voices()

    def warmup(self, voice: VoiceSource = "default", text: str = "This is a test.") -> float:
        """Speak once and discard the audio, so that the first request does not wait for kernels to
        be compiled and for the text front end to be loaded.

        Args:
            voice: the voice of later requests; a model that continues recordings needs a voice with
                a recording.
            text: what is spoken.

        Returns:
            seconds that it took.

        Raises:
            TTSError: as `TTS.stream`.
        """
        begin = time.perf_counter()
        with self.stream(text, voice) as stream:
            for _ in stream:
                pass
        seconds = time.perf_counter() - begin
        log.debug("warmed up in %.2f s", seconds)
        return seconds

    def astream(
        self,
        text: AsyncText,
        voice: VoiceSource = "default",
        options: Options | None = None,
        *,
        chunk_frames: int = 25,
        **values: Unpack[OptionValues],
    ) -> AsyncStream:
        """`TTS.stream` for `async for`: the event loop is free while a chunk is computed.

        Args:
            text: a string, strings, or an asynchronous iterable of them, such as the answer of a
                language model that is still being written.

        Raises:
            UsageError: an option out of range, at once; all else while iterating.
        """
        chosen = options_of(options, values)

        def make(given: Any) -> Any:
            return self.stream(given, voice, chosen, chunk_frames=chunk_frames)

        return AsyncStream(make, text)

    async def asynthesize(
        self,
        text: AsyncText,
        voice: VoiceSource = "default",
        options: Options | None = None,
        **values: Unpack[OptionValues],
    ) -> Audio:
        """`TTS.synthesize` in an event loop; a cancelled task stops the work."""
        begin = time.perf_counter()
        first = 0.0
        chunks = []
        async with self.astream(text, voice, options, **values) as stream:
            async for chunk in stream:
                first = first or time.perf_counter() - begin
                chunks.append(chunk)
        audio = await asyncio.to_thread(joined, chunks, self.sample_rate)
        return replace(audio, first_audio=first, elapsed=time.perf_counter() - begin)

    def edit(
        self,
        recording: Recording,
        said: str,
        wanted: str,
        options: Options | None = None,
        *,
        sample_rate: int | None = None,
        **values: Unpack[OptionValues],
    ) -> Edited:
        """A recording with other words: what stays is the recording, sample for sample outside of
        cross-fades of 12 ms, new words are in its voice (tts.editing).

        Args:
            recording: one as for `voice`, also what was edited before, of up to 60 s; channels are
                averaged.
            said: its words; wanted: the words it is to say.
            sample_rate: Hz of an array that comes without; by default the model's.
            options, values: seed, steps and the like, language, and of the new words speed and
                pitch.

        Returns:
            the result; what speaks against the recording, such as noise, is in its `warnings`.

        Raises:
            AlignmentError: it does not say these words, or holds no speech. TextError: nothing to
                say.
            UsageError, AudioError: as `voice`; a model without a phone probe; markup, emoji or
                takes, which have no effect here.
        """
        from tts.editing.edit import edit  # here and below: a start without them is faster

        return edit(self, recording, said, wanted, options, sample_rate, **values)

    def extend(
        self,
        recording: Recording,
        text: str,
        said: str | None = None,
        options: Options | None = None,
        *,
        sample_rate: int | None = None,
        **values: Unpack[OptionValues],
    ) -> Edited:
        """A recording that goes on with a text, in its voice, pace and room.

        Args:
            said: its words; without them its phones are read. Others, raises: as `edit`, but
                emoji and takes are those of the text.
        """
        from tts.editing.extend import extend

        return extend(self, recording, text, said, options, sample_rate, **values)

    def batch(
        self,
        rows: Iterable[Row | Mapping[str, Any] | Sequence[Any]],
        out_dir: str | os.PathLike[str],
        *,
        workers: int = 1,
        format: str = "wav",
        timestamps: Sequence[str] = (),
        progress: bool | Progress = False,
    ) -> list[Result]:
        """Say many rows into files `out_dir/ID.wav`; a run that was stopped goes on.

        Args:
            rows: (id, text[, voice[, options]]), mappings with the columns of `tts batch`, or
                tts.batch.rows.Row.
            workers: processes; 1 computes in this one, with this model.
            format: wav, flac, ogg, opus or mp3; timestamps: "srt", "json" or both.
            progress: a bar on standard error, or a function called with (rows done, all rows).

        Returns:
            a Result per row; what is wrong with a row is in its `error`.

        Raises:
            UsageError: an argument of a wrong kind, ids that are not unique or no file names, or
                another run uses the folder.
            OutputError: the folder cannot be written.
        """
        if not isinstance(out_dir, (str, os.PathLike)) or not os.fspath(out_dir):
            raise UsageError(f"out_dir is the path of a folder, not {out_dir!r:.40}")
        if isinstance(timestamps, str) or not isinstance(timestamps, Iterable):
            raise UsageError(f"timestamps are a list such as ['srt'], not {timestamps!r:.40}")
        if not isinstance(rows, Iterable):
            raise UsageError(f"rows are a list of tuples or mappings, not {rows!r:.40}")
        from tts.batch.rows import make_rows
        from tts.batch.run import run_batch
        from tts.batch.worker import Settings

        settings = Settings(
            Path(out_dir), self.config, format, self.device, tuple(timestamps), int8=self.int8
        )
        return run_batch(
            make_rows(rows), settings, model=self, workers=workers, progress=progress
        ).results
