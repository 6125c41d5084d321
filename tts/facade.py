"""What a loaded model offers around speaking: its life, its use in an event loop, and lists."""

import asyncio
import gc
import logging
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from typing_extensions import Unpack

from tts.aio import AsyncStream, AsyncText
from tts.errors import ConfigError, UsageError
from tts.types import Audio, Options, OptionValues, joined, options_of
from tts.voice.encode import VoiceSource

if TYPE_CHECKING:
    from types import TracebackType

    from tts.catalog import ModelInfo, VoiceInfo
    from tts.config import ModelConfig
    from tts.synthesizer import TTS

log = logging.getLogger(__name__)
#: what stays when a model is closed
_KEPT = ("config", "device", "sample_rate", "capabilities", "cancellation")
T = TypeVar("T", bound="Facade")


def check_config(config: object) -> "ModelConfig":
    """A config, or a UsageError that tells how a model is loaded by its name."""
    from tts.config import ModelConfig

    if isinstance(config, ModelConfig):
        return config
    if isinstance(config, (str, os.PathLike)):
        name = os.fspath(config)
        raise UsageError(f"TTS({name!r}) takes a config; TTS.load({name!r}) loads a model by name")
    raise ConfigError(f"a model is made of a ModelConfig, not {type(config).__name__}")


class Facade:
    """The part of `TTS` that does not speak itself."""

    config: "ModelConfig"
    device: str
    sample_rate: int

    @staticmethod
    def models() -> "list[ModelInfo]":
        """The models that `load` knows by name, with what was measured of them."""
        from tts.catalog import models

        return models()

    @staticmethod
    def voices() -> "list[VoiceInfo]":
        """The voices known by name, built in and added."""
        from tts.catalog import voices

        return voices()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return bool(self.__dict__.get("_closed", False))

    def check_open(self) -> None:
        """UsageError once it is closed."""
        if self.closed:
            raise UsageError(f"the model {self.config.name!r} is closed: load it again")

    def close(self) -> None:
        """Let go of the weights; nothing can be spoken afterwards. Can be called often.

        A request that another thread is computing ends with an error.
        """
        if self.closed:
            return
        self.__dict__["_closed"] = True
        for name in [name for name in self.__dict__ if name not in (*_KEPT, "_closed")]:
            del self.__dict__[name]
        gc.collect()
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()

    if not TYPE_CHECKING:  # to a type checker it would make every name an attribute

        def __getattr__(self, name: str) -> Any:
            if not name.startswith("__"):
                self.check_open()
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __enter__(self: T) -> T:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:  # fmt: skip
        self.close()

    def warmup(self, voice: VoiceSource = "default", text: str = "This is a test.") -> float:
        """Speak once into nothing, so that the first request does not wait for kernels to be
        compiled and the text front end to be read; seconds it took.

        Args:
            voice: with which later requests speak; a model that continues recordings needs one
                that has them.

        Raises:
            what `TTS.stream` does.
        """
        begin = time.perf_counter()
        with cast("TTS", self).stream(text, voice) as stream:
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
            return cast("TTS", self).stream(given, voice, chosen, chunk_frames=chunk_frames)

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
