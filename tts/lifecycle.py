"""The life of a loaded model: open until it is closed, and unusable then."""

import gc
import os
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from tts.config import ModelConfig
from tts.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from types import TracebackType

#: what stays when a model is closed
_KEPT = ("config", "device", "sample_rate", "capabilities", "cancellation")
T = TypeVar("T", bound="Lifecycle")


def check_config(config: object) -> ModelConfig:
    """A config, or a UsageError that tells how a model is loaded by its name."""
    if isinstance(config, ModelConfig):
        return config
    if isinstance(config, (str, os.PathLike)):
        name = os.fspath(config)
        raise UsageError(f"TTS({name!r}) takes a config; TTS.load({name!r}) loads a model by name")
    raise ConfigError(f"a model is made of a ModelConfig, not {type(config).__name__}")


class Lifecycle:
    """Base of `Synthesizer`: open until `close`, or the end of a `with` block."""

    config: ModelConfig
    device: str
    sample_rate: int

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
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        self.close()
