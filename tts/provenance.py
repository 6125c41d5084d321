"""Where speech comes from: a record to keep beside it, and a hook for watermarks in it."""

import hashlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timezone
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tts.config import ModelConfig
from tts.errors import OutputError, UsageError
from tts.pipeline.voices import VoiceSource
from tts.resources import checkpoint_folder, codec_without_folder
from tts.synthesizer import Synthesizer
from tts.systems import PARTS, plain_name
from tts.text.text_input import check_text
from tts.types import Options, options_of
from tts.voice.voice import Voice
from tts_codecs.checkpoint import fingerprint
from tts_codecs.registry import weights_of

Marker = Callable[[NDArray[np.float32]], NDArray[np.float32]]
#: sample rate to what marks the chunks [n] of one utterance
Watermark = Callable[[int], Marker]
#: of what models say, the likeliest first
USUAL_RATES = (24_000, 16_000)
_SHAPE = (
    "a watermark is a function of the sample rate that returns a function of a chunk, float32 [n], "
    "to float32 [n]: watermark(sample_rate) -> mark(chunk)"
)


def text_sha256(text: str) -> str:
    """Checksum of a text, so that it can be recognised without being kept."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def weights_sha256(config: ModelConfig) -> str:
    """Checksum of the checksums of all weights of a model.

    Raises:
        CheckpointError: a part is missing.
    """
    digest = hashlib.sha256()
    for part in PARTS:
        name = getattr(config, part)
        if name and name != "features":
            name = plain_name(part, name)
            if part == "codec" and codec_without_folder(name):
                weights = weights_of(name)
            else:
                weights = fingerprint(checkpoint_folder(name))
            digest.update(f"{part} {weights}\n".encode())
    return digest.hexdigest()


def made_with(config: ModelConfig) -> list[Any]:
    """What the speech of a model depends on beside text, voice and options, as JSON can write it.

    Raises:
        CheckpointError: a part is missing.
    """
    return [config.model_dump(mode="json"), weights_sha256(config)]


def provenance(
    model: Synthesizer, voice: VoiceSource, text: str, options: Options | None = None
) -> dict[str, Any]:
    """What made an utterance: model and its weights, voice, options, a hash of the text, time.

    Args:
        voice: as for `Synthesizer.stream`: a name, a file, a recording or a voice.

    Raises:
        VoiceError, UsageError, AudioError: see `Synthesizer.voice`.
        TextError: `text` is not a string.
    """
    check_text(text, pieces=False)
    options = options_of(options, {})
    voice = voice if isinstance(voice, Voice) else model.voice(voice)
    try:
        number = version("tts")
    except PackageNotFoundError:
        number = ""
    return {
        "synthetic": True,
        "software": f"tts {number}".strip(),
        "model": model.config.name,
        "weights": model.config.weights,
        "weights_sha256": weights_sha256(model.config),
        "voice": voice.name,
        "voice_sha256": voice.sha256,
        "text_sha256": text_sha256(text),
        "options": asdict(options),
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def provenance_json(record: dict[str, Any]) -> str:
    """The text of a provenance file."""
    return json.dumps(record, ensure_ascii=False, indent=1) + "\n"


def load_watermark(name: str, sample_rate: int | None = None) -> Watermark:
    """The function `module:function` names, of a module that is installed or in the current folder.

    It is called with the sample rate, once for each utterance, and returns what marks its chunks:
    a function of float32 [n] to float32 [n]. It is called here once, so that one of another shape
    is told before a model is loaded: with `sample_rate` or, where that is not known yet, with one
    of usual rates that it takes (`marker` tells later what it does not).

    Raises:
        UsageError: no such module or function, or one of another shape.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(_imported(module), function)
    except Exception as error:  # whatever a module of the user's raises while it is read
        raise UsageError(f"watermark {name!r} is not MODULE:FUNCTION: {_told(error)}") from error
    if not callable(found):
        raise UsageError(f"watermark {name!r} is not a function; {_SHAPE}")
    refused = None
    for rate in USUAL_RATES if sample_rate is None else (sample_rate,):
        try:
            _called(found, rate, f"watermark {name!r}")
            return found  # type: ignore[no-any-return]
        except UsageError as error:
            refused = refused or error
    assert refused is not None
    raise refused


def _called(watermark: Callable[[int], Any], sample_rate: int, name: str) -> Marker:
    """What marks the chunks of one utterance; UsageError where a watermark does not make it."""
    try:
        mark = watermark(sample_rate)
    except Exception as error:  # whatever a function of the user's raises
        told = f"{name} cannot be called with {sample_rate}: {_told(error)}"
        raise UsageError(f"{told}; {_SHAPE}") from error
    if not callable(mark):
        raise UsageError(f"{name} returns {type(mark).__name__}; {_SHAPE}")
    return mark  # type: ignore[no-any-return]


def _told(error: Exception) -> str:
    """An error of somebody's code in a line."""
    return " ".join(str(error).split()) or type(error).__name__


def _imported(module: str) -> ModuleType:
    """A module; the current folder comes first, which an installed script does not look into.

    Afterwards it comes last: what the module imports later is found, and no file of the folder
    stands for a package that this one imports.
    """
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        return import_module(module)
    finally:
        with suppress(ValueError):  # the module changed the list
            sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)


def marker(watermark: Watermark | None, sample_rate: int) -> Marker:
    """What marks the chunks of one utterance; without a watermark they stay as they are.

    Raises:
        UsageError: the watermark cannot be called with the sample rate, or returns no function.
        OutputError: when called, the watermark changed the length.
    """
    if watermark is None:
        return lambda chunk: chunk
    mark = _called(watermark, sample_rate, "the watermark")

    def checked(chunk: NDArray[np.float32]) -> NDArray[np.float32]:
        made = np.asarray(mark(chunk), dtype=np.float32)
        if made.shape != chunk.shape:
            raise OutputError(f"the watermark made {made.shape} of samples {chunk.shape}")
        return made

    return checked
