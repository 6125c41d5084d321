"""Voice prompts: recordings, voice files and names to voices of a model."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
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
MAX_CALIBRATION = 20  # rounds, of which a few are enough


def saved_voice(source: object) -> Voice | None:
    """The voice that a name, a voice file or a Voice stands for; None for a recording.

    Raises:
        VoiceError: an unknown name (the message has the nearest), or a damaged file.
    """
    if isinstance(source, Voice):
        return source
    if not isinstance(source, (str, os.PathLike)):
        return None
    path = Path(source)
    # A file of that name without an extension is taken for a recording; such files are rare.
    if isinstance(source, str) and NAME.fullmatch(source):
        if source in stored_voices() or not path.is_file():
            return Voice.load(find_voice(source))
    return Voice.load(path) if path.suffix == ".safetensors" else None


def _reference(source: Recording, rate: int) -> Reference:
    """The recording, loaded and resampled to `rate` Hz."""
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
    """Recordings of one person as one, with a short silence between them."""
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
    """Choose the recordings that a voice is made of, and judge their quality.

    Each recording is judged alone and as it was recorded, before enhancement: when several are
    joined, the loudest hides the faults of the others.

    Returns:
        The recordings with speech, the voice of each alone, and the warnings of all of them.
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


def _new_voice(
    pipeline: Pipeline[Any], given: Sequence[Any], enhance: bool
) -> tuple[Voice, list[Reference]]:
    """The voice of the recordings of one person, and the recordings that it was made of, enhanced
    if `enhance`. What speaks against them is logged and kept in `Voice.warnings`."""
    if not 1 <= len(given) <= MAX_RECORDINGS:
        raise UsageError(f"a voice is made of 1 to {MAX_RECORDINGS} recordings")
    if any(saved_voice(each) is not None for each in given):
        raise UsageError(
            "a voice is made of recordings, not of other voices; `a.mix(b, 0.5)` mixes two"
        )
    rate = pipeline.capabilities.recording_rate
    references = load_references(given, lambda each: _reference(each, rate))
    name = Path(given[0]).stem if isinstance(given[0], (str, os.PathLike)) else "voice"
    judged, made, warnings = _judged(pipeline, references, name)
    for line in warnings:
        log.warning("%s", line)
    references = [pipeline.voices.enhanced(each) for each in judged] if enhance else judged
    if len(judged) == 1 and references[0] is judged[0]:
        voice = made[0]
    else:
        voice = pipeline.voices.encode(_joined(references), name)
    return replace(voice, warnings=tuple(warnings)), references


def _told_of_words(voice: Voice, transcript: str | None, recordings: int) -> Voice:
    """An adapted voice, with a warning if the transcript of its recordings was not used."""
    if not recordings or not (transcript or "").strip() or voice.meta.get("learned") != "sounds":
        return voice
    why = "does not fit what is heard" if recordings == 1 else "is used with one recording only"
    line = f"the given transcript {why}: the voice was adapted without it"
    log.warning("%s", line)
    return replace(voice, warnings=(*voice.warnings, line))


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
    """The voice of recordings or of a file; arguments and errors are those of `TTS.voice`. It is
    adapted and calibrated only if the pipeline has a tuner."""
    if transcript is not None and not isinstance(transcript, str):
        raise UsageError(f"a transcript is a string, not {type(transcript).__name__}")
    tuner = pipeline.tuner
    voice = saved_voice(source)
    given: Sequence[Any] = []
    references: list[Reference] = []
    if voice is None:
        given = recordings_of(source)
        voice, references = _new_voice(pipeline, given, enhance)
    if adapted and not given and pipeline.generator.group(voice):
        # It may have learned from minutes of speech, of which it keeps a few seconds.
        adapted, line = False, "the voice is adapted to this model already: it is used as it is"
        log.warning("%s", line)
        voice = replace(voice, warnings=(*voice.warnings, line))
    if tuner is not None and (adapted or given or calibration is not None):
        features = [voice.features]
        # A voice keeps no more than its prompt of longer recordings; all of them tell more.
        if given and (adapted or len(voice.features) >= PROMPT_FRAMES):
            features = [tuner.features(each) for each in references]
        if adapted:
            # The transcript of several recordings, or of a saved voice that keeps a part of one,
            # cannot be aligned with them.
            words = clean(transcript).strip() if transcript and len(given) == 1 else ""
            voice = _told_of_words(
                tuner.adapt(voice, features, strength, progress, words), transcript, len(given)
            )
        # Measured last, with the generator that will speak.
        voice = tuner.calibrate(voice, calibration, features)
    if transcript is None:
        return voice
    return replace(voice, transcript=clean(transcript).strip())
