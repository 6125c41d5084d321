"""Read a whole recording as it is: mono at a wanted rate, nothing trimmed or levelled."""

import os
from typing import BinaryIO

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from tts.audio.reference import _opened
from tts.audio.resample import resample
from tts.errors import AudioError

#: seconds that are accepted
LONGEST = 1800.0


def read_recording(source: str | os.PathLike[str] | BinaryIO, rate: int) -> NDArray[np.float32]:
    """Samples [N] of a path, of "-" for standard input or of a binary file, mixed to mono.

    Formats are those of libsndfile (WAV, FLAC, MP3, Ogg and others).

    Raises:
        UsageError: missing, a folder, a URL.
        AudioError: not audio, empty, longer than 30 minutes, or not finite.
    """
    with _opened(source) as (handle, name):
        try:
            with sf.SoundFile(handle) as sound:
                if sound.frames > LONGEST * sound.samplerate:
                    raise AudioError(f"{name}: longer than {LONGEST / 60:.0f} minutes; cut it")
                samples = sound.read(dtype="float32", always_2d=True).mean(1)
                found = sound.samplerate
        except sf.SoundFileError as error:
            raise AudioError(f"{name}: cannot be read as audio") from error
    if not samples.size:
        raise AudioError(f"{name}: holds no audio")
    if not np.isfinite(samples).all():
        raise AudioError(f"{name}: holds samples that are not finite")
    return resample(samples, found, rate)
