"""From recordings, files and names to voices for a model."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from tts.audio.reference import Reference, load_reference, load_references
from tts.audio.resample import resample
from tts.errors import UsageError
from tts.pipeline.ports import Pipeline
from tts.progress import Progress
from tts.text.normalize import clean
from tts.voice.judge import NO_SPEECH, STRANGERS_SECONDS, of_recording, strangers
from tts.voice.sources import Recording, plain, recordings_of
from tts.voice.store import NAME, find_voice, stored_voices
from tts.voice.voice import PROMPT_FRAMES, Voice

VoiceSource: TypeAlias = "Recording | Voice | Sequence[Recording]"
log = logging.getLogger(__name__)
GAP = 0.2  # seconds of silence between recordings that are put together
MAX_RECORDINGS = 20


def check_numbers(strength: object, calibration: object) -> None:
    """UsageError for a strength or rounds of calibration of `TTS.voice` that are none."""
    if not isinstance(strength, Real) or not 0 <= float(strength) <= 1:
        raise UsageError(f"strength is a number from 0 to 1, not {strength!r:.40}")
    if calibration is None:
        return
    whole = isinstance(calibration, Integral) and not isinstance(calibration, bool)
    if not whole or int(calibration) < 0:  # type: ignore[call-overload]
        raise UsageError(f"calibration is a whole number from 0, or None, not {calibration!r:.40}")


def saved_voice(source: object) -> Voice | None:
    """The voice of a name or of a voice file; None for a recording.

    Raises:
        VoiceError: an unknown name, telling the nearest, or a damaged file.
    """
    if isinstance(source, Voice):
        return source
    if not isinstance(source, (str, os.PathLike)):
        return None
    path = Path(source)
    # Recordings with such a name have no extension, and are rare.
    if isinstance(source, str) and NAME.fullmatch(source):
        if source in stored_voices() or not path.is_file():
            return Voice.load(find_voice(source))
    return Voice.load(path) if path.suffix == ".safetensors" else None


def _reference(source: Recording, rate: int) -> Reference:
    """A recording at a rate."""
    given, array_rate = plain(source)
    if isinstance(given, Reference):
        reference = given
    else:
        reference = load_reference(given, rate, array_rate=array_rate)
    if reference.sample_rate == rate:
        return reference
    samples = resample(reference.samples, reference.sample_rate, rate)
    return replace(reference, samples=samples, sample_rate=rate)


def _joined(references: Sequence[Reference]) -> Reference:
    """Recordings of one person one after the other."""
    if len(references) == 1:
        return references[0]
    rate = references[0].sample_rate
    gap = np.zeros(int(GAP * rate), np.float32)
    parts = [part for each in references for part in (each.samples, gap)][:-1]
    warnings = [line for each in references for line in each.warnings]
    seconds = sum(each.seconds_in for each in references)
    return Reference(np.concatenate(parts), rate, seconds, warnings)


def _judged(
    pipeline: Pipeline[Any], references: Sequence[Reference], name: str
) -> tuple[list[Reference], list[Voice], list[str]]:
    """Those of the recordings that a voice is made of, the voice of each alone, and what would make
    it a poor one.

    Each is judged as it was recorded, and alone: in one that is put together of several, the
    loudest hides the others.
    """
    told = [line for each in references for line in each.warnings]
    if len(references) == 1:
        voice = pipeline.voices.encode(references[0], name)
        lines = pipeline.voices.warnings(references[0], voice)
        told += [of_recording(line, references[0].name) for line in lines]
        return list(references), [voice], told
    names = [each.name or f"recording {i}" for i, each in enumerate(references, 1)]
    alone = [pipeline.voices.encode(each, name) for each in references]
    judged = [
        pipeline.voices.warnings(each, voice) for each, voice in zip(references, alone, strict=True)
    ]
    silent = {
        i for i, lines in enumerate(judged) if any(each.startswith(NO_SPEECH) for each in lines)
    }
    spoken = [i for i in range(len(references)) if i not in silent]
    # A transcript that is continued is that of all of them.
    left_out = silent if spoken and not pipeline.capabilities.needs_transcript else set()
    for i, lines in enumerate(judged):
        if i in left_out:
            lines = [f"{NO_SPEECH}; it is left out of the voice"]
        told += [of_recording(line, names[i]) for line in lines]
    long = [i for i in spoken if references[i].seconds >= STRANGERS_SECONDS]
    other = strangers(torch.stack([alone[i].speaker for i in long])) if long else None
    if other is not None:
        told.append(
            f"{names[long[0]]} and {names[long[other]]}: seem to be of different people, and the "
            "voice will lie between them; give recordings of one person"
        )
    kept = [i for i in range(len(references)) if i not in left_out]
    return [references[i] for i in kept], [alone[i] for i in kept], told


def encode_voice(
    pipeline: Pipeline[Any],
    source: VoiceSource,
    transcript: str | None = None,
    adapted: bool = False,
    strength: float = 1.0,
    calibration: int | None = None,
    progress: Progress | None = None,
    enhance: bool = True,
) -> Voice:
    """The voice of a recording or a file, with the arguments of `TTS.voice`; adapted only where the
    pipeline has a tuner."""
    if transcript is not None and not isinstance(transcript, str):
        raise UsageError(f"a transcript is a string, not {type(transcript).__name__}")
    tuner = pipeline.tuner
    voice = saved_voice(source)
    fresh, alone = voice is None, False
    if voice is not None:
        recordings = [voice.features]
    else:
        given = recordings_of(source)
        if not 1 <= len(given) <= MAX_RECORDINGS:
            raise UsageError(f"a voice is made of 1 to {MAX_RECORDINGS} recordings")
        if any(saved_voice(each) is not None for each in given):
            raise UsageError(
                "a voice is made of recordings, not of other voices; `a.mix(b, 0.5)` mixes two"
            )
        rate = pipeline.capabilities.recording_rate
        references = load_references(given, lambda each: _reference(each, rate))
        alone = len(references) == 1
        name = Path(given[0]).stem if isinstance(given[0], (str, os.PathLike)) else "voice"
        judged, made, warnings = _judged(pipeline, references, name)
        for line in warnings:
            log.warning("%s", line)
        references = [pipeline.voices.enhanced(each) for each in judged] if enhance else judged
        if len(judged) == 1 and references[0] is judged[0]:
            voice = made[0]
        else:
            voice = pipeline.voices.encode(_joined(references), name)
        voice = replace(voice, warnings=tuple(warnings))
        recordings = [voice.features]
        # Where a voice does not keep all of them, the rest tells more of it.
        if tuner is not None and (adapted or len(voice.features) >= PROMPT_FRAMES):
            recordings = [tuner.features(each) for each in references]
    if adapted and tuner is not None:
        # Of a saved voice only a part of the recording is left, and its words are of all; so they
        # are of several that were not silent, even where one is left.
        words = clean(transcript).strip() if transcript and alone else ""
        voice = tuner.adapt(voice, recordings, strength, progress, words)
    if tuner is not None and (adapted or fresh or calibration is not None):
        # Measured last, with the generator that will speak.
        voice = tuner.calibrate(voice, calibration, recordings)
    if transcript is None:
        return voice
    return replace(voice, transcript=clean(transcript).strip())
