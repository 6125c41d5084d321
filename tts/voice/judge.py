"""What a recording seems to be where it is no clear recording of one person speaking.

The phone probe tells speech from other sound: its posteriors on speech are sure of many different
phones, those on noise are unsure, and those on tones, music and drums of few phones. Levels tell
noise (loud frames are close to quiet ones) and reverberation (the level falls slowly). The speaker
encoder tells two people who speak in turn: windows of 1.6 s fall in two groups that are far apart;
a detector of its own (tts.voice.overlap) many of those who speak at once.

Thresholds were set on recordings of four corpora, those of mobile phones among them, and on these
with noise, rooms and other people added.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tts.audio.level import frame_levels
from tts.audio.reference import UNNAMED, Reference
from tts.losses.phone import PhoneProbe
from tts.text.symbols import SIL
from tts.voice.overlap import OverlapDetector, statistics
from tts.voice.speaker import SpeakerEncoder

NO_SPEECH = f"{UNNAMED}: seems to hold no speech, only noise, tones or music"
_UNSURE = 0.23  # mean posterior of the likeliest phones; speech as loud as the noise has 0.27
_LITTLE = 0.3  # share of frames that are phones at all
_FEW = 2.5  # entropy of the phones of at least _LONG seconds, in nats; speech has 2.9 and more
_LONG = 3.0
_OVERLAP_FRAMES = 125  # 2.5 s, the least that the detector knows
_NOISY_DB = 14.0  # between loud and quiet frames; speech 10 dB above white noise has 16
_FALL_DB = 10.5  # that the level falls in 0.1 s where it falls fastest
_FALL_SHARE = 0.65  # of the range of levels; noise, which hides falls, makes both small
_WINDOW, _STEP = 160, 40  # frames of 10 ms of a window of the speaker encoder, and between two
_APART = 0.78  # cosine of the means of two groups of windows, below which they are two people,
_UNLIKE = 0.55  # that of the two windows least alike,
_SPREAD = 0.7  # and the mean of all that do not overlap
_SHARE = 0.2  # of the windows in the smaller group
# Cosine of whole recordings, below which they are two people's: 81, 86 and 95 of 100 pairs of other
# people in three corpora, and 0, 5 and 7 of one person's. At _APART, which is for groups chosen to
# be far apart, the latter would be 1, 15 and 38.
_STRANGERS = 0.68
STRANGERS_SECONDS = 2.5  # below which an embedding tells more of the words than of the person


def of_recording(line: str, name: str) -> str:
    """A warning of this module with the name of the recording that it is about, "" for none."""
    return f"{name}{line.removeprefix(UNNAMED)}" if name and line.startswith(UNNAMED) else line


def warnings_about(
    reference: Reference, encoder: SpeakerEncoder, speech: bool = True, overlap: bool = False
) -> list[str]:
    """What would make a poor voice of a recording, each with what helps; empty for clear speech.

    Args:
        reference: mono at 16 kHz.
        speech: whether it is known to hold any (`speaks`).
        overlap: whether several seem to speak at once (`overlaps`).
    """
    if not speech:
        return [f"{NO_SPEECH}; give a recording of one person speaking"]
    found = []
    level_range, fall = levels(reference)
    if fall < min(_FALL_DB, _FALL_SHARE * level_range):
        found.append(
            f"{UNNAMED}: has much echo, which the voice takes over in part; record closer to "
            "the microphone, or in a room with soft furniture"
        )
        return found  # which makes one person unlike herself
    if level_range < _NOISY_DB:
        found.append(
            f"{UNNAMED}: the speech is only about {level_range:.0f} dB above noise, music or "
            "other voices, which the voice takes over in part; record in a quieter place, closer "
            "to the microphone"
        )
    if overlap:
        found.append(
            f"{UNNAMED}: seems to hold several people speaking at once, and the voice will lie "
            "between them; give a part where one person speaks"
        )
    elif two_speakers(encoder, torch.from_numpy(np.ascontiguousarray(reference.samples))):
        found.append(
            f"{UNNAMED}: seems to hold more than one person, and the voice will lie between "
            "them; give a part where one person speaks"
        )
    return found


@torch.inference_mode()
def speaks(probe: PhoneProbe, hidden: Tensor, seconds: float, few: float = _FEW) -> bool:
    """Whether the probe's last layer [1, T, D] of so many seconds is that of speech.

    Args:
        few: entropy of the phones, in nats, up to which they are those of tones.
    """
    posterior = probe.head(hidden).softmax(-1)[0]
    top, phone = posterior.max(-1)
    said = phone != SIL
    if said.float().mean() < _LITTLE or top[said].mean() < _UNSURE:
        return False
    use = posterior[said].mean(0)
    entropy = -(use * use.clamp_min(1e-9).log()).sum()
    return seconds < _LONG or float(entropy) > few


@torch.inference_mode()
def overlaps(detector: OverlapDetector, features: Tensor, hidden: Tensor) -> bool:
    """Whether features [1, T, C], with the probe's last layer [1, T, D] of them, seem to be those
    of several people at once; short ones never."""
    if features.shape[1] < _OVERLAP_FRAMES:
        return False
    return float(detector(statistics(features, hidden))) > 0


def levels(reference: Reference) -> tuple[float, float]:
    """Range between loud (95 %) and quiet (10 %) frames in dB, and how far the level falls within
    0.1 s after loud frames, at the steepest 2 %."""
    found = frame_levels(reference.samples, reference.sample_rate)
    loud, quiet = np.percentile(found, [95, 10])
    smooth = np.convolve(found, np.full(2, 0.5), "valid")
    falls = (smooth[:-5] - smooth[5:])[smooth[:-5] > loud - 15.0]
    fall = float(np.percentile(falls, 98)) if falls.size > 20 else float("inf")
    return float(loud - quiet), fall


@torch.inference_mode()
def two_speakers(encoder: SpeakerEncoder, samples: Tensor) -> bool:
    """Whether windows of [N] samples at 16 kHz fall in two groups of different people."""
    mel = encoder.mel(samples)
    if len(mel) < _WINDOW + 4 * _STEP:
        return False
    vectors = encoder(mel.unfold(0, _WINDOW, _STEP).transpose(1, 2))
    count = len(vectors)
    apart = _WINDOW // _STEP
    alike = (vectors @ vectors.T)[torch.ones(count, count).triu(apart) > 0]
    if alike.min() > _UNLIKE or alike.mean() > _SPREAD:
        return False
    centred = vectors - vectors.mean(0)
    side = (centred @ torch.linalg.svd(centred, full_matrices=False).Vh[0]) > 0
    share = float(side.float().mean())
    if min(share, 1 - share) < _SHARE:
        return False
    first, second = (F.normalize(vectors[each].mean(0), dim=0) for each in (side, ~side))
    return float(first @ second) < _APART


def strangers(vectors: Tensor) -> int | None:
    """Of recordings of one person, by their unit vectors [N, D], the first that seems to be of
    another than the first one; None where there is none.

    One that is like any of a person's is that person's: of many, two may be far apart by chance.
    """
    alike = vectors @ vectors.T >= _STRANGERS
    reached = alike[0]
    for _ in range(len(vectors)):
        reached = alike[reached].any(0)
    apart = (~reached).nonzero()
    return int(apart[0]) if len(apart) else None
