"""Analysis of the recording that is edited: its samples, features, voice and faults."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tts.arguments import check_whole
from tts.audio.decode import PADDING_SECONDS, too_long
from tts.audio.level import trim_silence
from tts.audio.reference import UNNAMED, Reference, load_reference
from tts.errors import AlignmentError, AudioError, UsageError
from tts.losses.phone import PhoneProbe
from tts.synthesizer import Synthesizer
from tts.text.phonemes import accent_warning
from tts.types import Options
from tts.voice.judge import levels, of_recording, speaks
from tts.voice.sources import Recording, plain
from tts.voice.voice import Voice

if TYPE_CHECKING:
    from tts.voice.profile import VoiceShifts

log = logging.getLogger(__name__)
#: most seconds of a recording
MAX_SECONDS = 60.0
#: frames of a window in which speech is looked for: 6 s, as a voice has. Windows overlap by half
_WINDOW = 300
#: largest sample without a warning; lossy codecs go a little beyond 1
_MAX_PEAK = 1.25
#: level of loud over quiet frames below which a sound is steady, such as a hum; speech 5 dB below
#: noise has 3.3
_STEADY_DB = 2.5
#: entropy of the phones that are heard in tones, in nats: melodies have 2.2, and one of 450 short
#: sentences has 2.4
_TONES_ENTROPY = 2.3


@dataclass(frozen=True)
class AnalyzedRecording:
    """A recording that is to be edited, as the model sees it.

    Attributes:
        samples: [N], the recording as it is, with its channels averaged.
        rate: sample rate in Hz.
        features: [T, C], the features of the whole recording.
        voice: the voice of the speaker, which is not calibrated yet.
        warnings: faults of the recording, such as noise, one line for each.
    """

    samples: NDArray[np.float32]
    rate: int
    features: Tensor
    voice: Voice
    warnings: tuple[str, ...]


def phone_probe_of(model: Synthesizer) -> "VoiceShifts":
    """Return the part of a model with which it finds words in a recording: its phone probe and the
    average of each phone.

    Raises:
        UsageError: the model has no such part, or is closed.
    """
    model.check_open()
    if model.acoustic.latent_space.waveform_codec is not None:
        raise UsageError(
            f"{model.config.name!r} fills a codec of waveforms, and words are edited in features"
        )
    if model.acoustic.shifts is None:
        raise UsageError(f"{model.config.name!r} has no phone probe, which finds the words")
    return model.acoustic.shifts


def analyze(
    model: Synthesizer, recording: Recording, sample_rate: int | None, language: str | None
) -> AnalyzedRecording:
    """Read a recording and compute what an edit needs of it. The warnings are also logged.

    Args:
        model: the model that edits.
        recording: what `TTS.voice` takes for one recording.
        sample_rate: sample rate in Hz of an array without one; the model's by default.
        language: language of the texts; a warning is given if the model was not trained in it.

    Raises:
        AlignmentError: no speech is heard in it.
        UsageError, AudioError: see `read_recording` and `phone_probe_of`.
    """
    probe = phone_probe_of(model).probe
    rate = model.config.sample_rate
    read = read_recording(recording, sample_rate, rate)
    reference = load_reference(read.samples, rate, array_rate=read.sample_rate, trim=False)
    features = model.acoustic.features(reference)
    spoken = replace(reference, samples=trim_silence(reference.samples, rate))
    frame = model.acoustic.vocoder.hop / model.sample_rate
    if levels(spoken)[0] < _STEADY_DB or not hears_speech(probe, features, frame):
        raise AlignmentError(
            "no speech is heard in the recording, only noise, tones or music: give one of a person "
            "speaking"
        )
    voice = model.acoustic.encode(reference, "voice")
    judged = model.acoustic.warnings(spoken, voice)
    warnings = [*read.warnings, *(of_recording(line, read.name) for line in judged)]
    accent = accent_warning(model.config.name, model.config.language, [language])
    warnings += [accent] if accent else []
    for line in warnings:
        log.warning("%s", line)
    return AnalyzedRecording(read.samples, read.sample_rate, features, voice, tuple(warnings))


@torch.inference_mode()
def hears_speech(probe: PhoneProbe, features: Tensor, frame: float) -> bool:
    """Return whether some part of a recording is speech.

    Args:
        probe: the phone classifier.
        features: [T, C] of the recording.
        frame: duration of a frame in seconds.
    """
    hidden = probe.hidden(features[None], features.new_ones(1, len(features), 1))
    # Of a long recording one part is enough: the others may be pauses or music.
    return any(
        speaks(
            probe,
            hidden[:, begin : begin + _WINDOW],
            min(_WINDOW, len(features) - begin) * frame,
            _TONES_ENTROPY,
        )
        for begin in range(0, max(1, len(features) - _WINDOW // 2), _WINDOW // 2)
    )


def read_recording(recording: Recording, sample_rate: int | None, default_rate: int) -> Reference:
    """Read a recording as it is, at its own sample rate, with its channels averaged.

    Args:
        recording: what `TTS.voice` takes for one recording, but not a list of several.
        sample_rate: sample rate in Hz of an array without one.
        default_rate: sample rate that is assumed if `sample_rate` is None.

    Raises:
        UsageError: the argument is not a recording, or `sample_rate` is not the recording's rate.
        AudioError: the recording is longer than 60 s, or see `load_reference`.
    """
    if sample_rate is not None:
        sample_rate = check_whole("sample_rate", sample_rate, 8000, 192_000)
    given, own = plain(recording)
    if isinstance(given, Reference):
        found = given
    else:
        if own is not None and sample_rate not in (None, own):
            raise UsageError(f"the recording has {own} Hz, not the {sample_rate} of sample_rate")
        array = isinstance(given, np.ndarray)
        rate = own or sample_rate or default_rate
        found = load_reference(
            given,
            rate if array else None,
            array_name="the recording",
            max_seconds=MAX_SECONDS,
            target_dbfs=None,
            trim=False,
            entire=True,
        )
    # Files are refused before they are decoded.
    if found.seconds_in > MAX_SECONDS + PADDING_SECONDS:
        raise AudioError(f"the recording is {too_long(found.seconds_in, MAX_SECONDS)}: cut it")
    peak = float(np.abs(found.samples).max())
    if peak > _MAX_PEAK:
        line = (
            f"{found.name or UNNAMED}: goes up to {20 * np.log10(peak):.0f} dB beyond full scale, "
            "where the values of files end: make it quieter"
        )
        return replace(found, warnings=[*found.warnings, line])
    return found


def check_options(options: Options, what: str, unused: Sequence[str]) -> None:
    """Refuse options that would have no effect on an edit.

    Args:
        options: options of the request.
        what: what is done to the recording, for the message: "edited" or "continued".
        unused: names of the options without effect.

    Raises:
        UsageError: one of these options is not at its default.
    """
    defaults: Any = Options()
    for name in unused:
        value = getattr(options, name)
        # Without tags, "plain" does not differ from no markup.
        if value != getattr(defaults, name) and (name, value) != ("markup", "plain"):
            raise UsageError(f"{name}={value!r} has no effect on a recording that is {what}")
