"""Judgement of a recording: whether it is clear speech of one person, or else what its faults are.

Four measures find the faults:

    no speech      The posteriors of a phone probe are confident and of many different phones on
                   speech, not confident on noise, and of few phones on tones, music and drums.
    noise          Loud frames are close to quiet ones in level.
    reverberation  The level falls slowly after loud frames.
    two people     If they speak in turn, windows of 1.6 s have embeddings of two groups that are
                   far apart; if they speak at once, tts.voice.overlap detects many of them.

The thresholds were set on recordings of four corpora, among them some of mobile phones, and on the
same recordings with noise, rooms and other people added.
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

# Speech: the mean posterior of the likeliest phones (speech as loud as noise has 0.27), the share
# of frames that are phones, and in longer recordings the entropy of phones (speech has 2.9 and
# more).
_LEAST_POSTERIOR = 0.23
_LEAST_PHONES = 0.3
_LEAST_ENTROPY = 2.5  # nats
_ENTROPY_SECONDS = 3.0
_OVERLAP_FRAMES = 125  # 2.5 s, the shortest recordings that the detector was trained on
# Noise: the range between loud and quiet frames (speech 10 dB above white noise has 16).
_NOISY_DB = 14.0
# Reverberation: how far the level falls in 0.1 s where it falls fastest. Noise hides falls, but
# makes the range of levels small too.
_LEAST_FALL_DB = 10.5
_LEAST_FALL_SHARE = 0.65  # of the range of levels
# Two people in turn: frames of 10 ms of a window of the speaker encoder and between two windows,
# and cosines below which windows are of two people: that of the means of two groups, that of the
# two least similar windows, and the mean of all windows that do not overlap.
_WINDOW, _STEP = 160, 40
_MOST_BETWEEN_GROUPS = 0.78
_MOST_BETWEEN_WINDOWS = 0.55
_MOST_MEAN = 0.7
_LEAST_SHARE = 0.2  # of the windows in the smaller group
# Cosine of the embeddings of whole recordings below which they are of two people. In three corpora
# these are 81, 86 and 95 of 100 pairs of other people, and 0, 5 and 7 of one person. At the limit
# for groups, which are chosen to be far apart, the latter would be 1, 15 and 38.
_LEAST_SAME_PERSON = 0.68
#: length below which an embedding depends more on the words than on the person
STRANGERS_SECONDS = 2.5


def of_recording(line: str, name: str) -> str:
    """Return a warning of this module with the name of the recording that it is about.

    Args:
        line: the warning; any other text is returned as it is.
        name: name of the recording; "" leaves the warning as it is.
    """
    return f"{name}{line.removeprefix(UNNAMED)}" if name and line.startswith(UNNAMED) else line


def warnings_about(
    reference: Reference, encoder: SpeakerEncoder, speech: bool = True, overlap: bool = False
) -> list[str]:
    """Return the faults of a recording that would make a poor voice, each with what helps.

    Args:
        reference: the recording, mono at 16 kHz.
        encoder: the speaker encoder.
        speech: whether it holds speech, by `speaks`.
        overlap: whether several people speak at once, by `overlaps`.

    Returns:
        Warnings that begin with `UNNAMED`, see `of_recording`; none for clear speech.
    """
    if not speech:
        return [f"{NO_SPEECH}; give a recording of one person speaking"]
    found = []
    level_range, fall = levels(reference)
    if fall < min(_LEAST_FALL_DB, _LEAST_FALL_SHARE * level_range):
        found.append(
            f"{UNNAMED}: has much echo, which the voice takes over in part; record closer to "
            "the microphone, or in a room with soft furniture"
        )
        # With much echo even windows of one person have different embeddings.
        return found
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
def speaks(
    probe: PhoneProbe, hidden: Tensor, seconds: float, least_entropy: float = _LEAST_ENTROPY
) -> bool:
    """Whether a recording holds speech, by the posteriors of a phone probe.

    Args:
        probe: the phone probe.
        hidden: [1, T, D], its last layer on the recording.
        seconds: length of the recording.
        least_entropy: of the mean posterior of phones, in nats; tones and music have less.
    """
    posterior = probe.head(hidden).softmax(-1)[0]
    top, phone = posterior.max(-1)
    spoken = phone != SIL
    if spoken.float().mean() < _LEAST_PHONES or top[spoken].mean() < _LEAST_POSTERIOR:
        return False
    mean = posterior[spoken].mean(0)
    entropy = -(mean * mean.clamp_min(1e-9).log()).sum()
    return seconds < _ENTROPY_SECONDS or float(entropy) > least_entropy


@torch.inference_mode()
def overlaps(detector: OverlapDetector, features: Tensor, hidden: Tensor) -> bool:
    """Whether several people seem to speak at once in a recording; False for a short one.

    Args:
        detector: the detector of overlap.
        features: [1, T, C] of the recording.
        hidden: [1, T, D], the last layer of the phone probe on them.
    """
    if features.shape[1] < _OVERLAP_FRAMES:
        return False
    return float(detector(statistics(features, hidden))) > 0


def levels(reference: Reference) -> tuple[float, float]:
    """Measure the levels of a recording.

    Returns:
        The range between loud (95th percentile) and quiet (10th percentile) frames in dB, and the
        98th percentile of how far the level falls in 0.1 s after loud frames, in dB; infinite where
        there are too few of them.
    """
    found = frame_levels(reference.samples, reference.sample_rate)
    loud, quiet = np.percentile(found, [95, 10])
    smooth = np.convolve(found, np.full(2, 0.5), "valid")
    falls = (smooth[:-5] - smooth[5:])[smooth[:-5] > loud - 15.0]
    fall = float(np.percentile(falls, 98)) if falls.size > 20 else float("inf")
    return float(loud - quiet), fall


@torch.inference_mode()
def two_speakers(encoder: SpeakerEncoder, samples: Tensor) -> bool:
    """Whether two people seem to speak in turn in a recording; False for a short one.

    The windows are divided in two by the sign of their first principal component.

    Args:
        encoder: the speaker encoder.
        samples: [N] at 16 kHz.
    """
    mel = encoder.mel(samples)
    if len(mel) < _WINDOW + 4 * _STEP:
        return False
    vectors = encoder(mel.unfold(0, _WINDOW, _STEP).transpose(1, 2))
    count = len(vectors)
    separate = torch.ones(count, count).triu(_WINDOW // _STEP) > 0  # pairs that do not overlap
    cosines = (vectors @ vectors.T)[separate]
    if cosines.min() > _MOST_BETWEEN_WINDOWS or cosines.mean() > _MOST_MEAN:
        return False
    centred = vectors - vectors.mean(0)
    group = (centred @ torch.linalg.svd(centred, full_matrices=False).Vh[0]) > 0
    share = float(group.float().mean())
    if min(share, 1 - share) < _LEAST_SHARE:
        return False
    first, second = (F.normalize(vectors[each].mean(0), dim=0) for each in (group, ~group))
    return float(first @ second) < _MOST_BETWEEN_GROUPS


def strangers(vectors: Tensor) -> int | None:
    """Find a recording of another person among recordings that should be of one.

    A recording belongs to a person if it is similar to any other of that person, as two of many may
    be far apart by chance (single-linkage clustering).

    Args:
        vectors: [N, D] embeddings of unit length.

    Returns:
        The index of the first that seems to be of another person than that of index 0, else None.
    """
    similar = vectors @ vectors.T >= _LEAST_SAME_PERSON
    same = similar[0]
    for _ in range(len(vectors)):
        same = similar[same].any(0)
    others = (~same).nonzero()
    return int(others[0]) if len(others) else None
