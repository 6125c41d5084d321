"""Phone recognition and forced alignment of the recordings of a voice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from tts.align.aligner import with_optional_pauses
from tts.align.mas import monotonic_alignment
from tts.errors import AlignmentError, TTSError
from tts.losses.phone import PhoneProbe
from tts.text.frontend import Frontend
from tts.text.pauses import Aligned, canonical, is_pause
from tts.text.symbols import SIL, Phones

#: how much lower the mean log-likelihood of a frame may be with given words than with recognised
#: phones; beyond it the words are taken to be wrong
MOST_LOST = 1.5
#: transition penalty of recognition, in log-likelihood: of the recognizer, and of the probe when
#: words are compared with what it recognises
PENALTY, _HEARD_PENALTY = 1.0, 4.0


@torch.inference_mode()
def _scores(probe: PhoneProbe, features: Tensor) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the log-probabilities of symbols [T, N_SYMBOLS] and of modifiers [T, N_MODS] in each
    frame; None for modifiers if the probe does not know them."""
    hidden = probe.hidden(features[None], features.new_ones(1, len(features), 1))

    def told(head: nn.Module) -> np.ndarray:
        return cast(np.ndarray, head(hidden).log_softmax(-1)[0].cpu().numpy())

    return told(probe.head), None if probe.modifiers is None else told(probe.modifiers)


def read_phones(
    probe: PhoneProbe, features: Tensor, known: Sequence[int], penalty: float
) -> tuple[list[int], list[int], list[int]]:
    """Recognise the phones in features [T, C], by a Viterbi search without a language model.

    Args:
        known: ids of the phones that can be recognised, besides silence.
        penalty: cost of every change of phone, in log-likelihood.

    Returns:
        Symbols; the likeliest modifiers of each, 0 if the probe does not know them; frames of each.
    """
    ids = [SIL, *known]
    heard, modifiers = _scores(probe, features)
    scores = heard[:, ids]
    best = scores[0].copy()
    came = np.zeros(scores.shape, np.int64)
    for frame in range(1, len(scores)):
        first = int(best.argmax())
        stay = best >= best[first] - penalty
        came[frame] = np.where(stay, np.arange(len(ids)), first)
        best = np.where(stay, best, best[first] - penalty) + scores[frame]
    state = int(best.argmax())
    path = [state]
    for frame in range(len(scores) - 1, 0, -1):
        state = int(came[frame, state])
        path.append(state)
    path.reverse()
    starts = [0, *(at for at in range(1, len(path)) if path[at] != path[at - 1]), len(path)]
    runs = list(zip(starts, starts[1:], strict=False))
    phones, mods = [ids[path[a]] for a, _ in runs], [0] * len(runs)
    if modifiers is not None:
        pairs = zip(phones, runs, strict=True)
        mods = [0 if i == SIL else int(np.argmax(modifiers[a:b].sum(0))) for i, (a, b) in pairs]
    return phones, mods, [b - a for a, b in runs]


@dataclass(frozen=True)
class AlignedRecording:
    """Recording with its phones.

    Attributes:
        features: [T, C] of the recording.
        tokens: phones with the frames of each.
    """

    features: Tensor
    tokens: Aligned

    @property
    def spoken(self) -> int:
        """Frames that are not silence."""
        pairs = zip(self.tokens.ids, self.tokens.durations, strict=True)
        return sum(frames for phone, frames in pairs if not is_pause(phone))

    def stretch(self, rng: np.random.Generator, most: int) -> tuple[int, int]:
        """Draw a random span of at most `most` frames, but at least one phone.

        Returns:
            The indices of its first phone and of the phone after its last.
        """
        starts = np.concatenate([[0], np.cumsum(self.tokens.durations)])
        begin = int(rng.integers(max(1, int(starts[-1]) - most + 1)))
        first = int(np.searchsorted(starts, begin, "right")) - 1
        last = first + 1
        while last < len(self.tokens.ids) and starts[last + 1] - starts[first] <= most:
            last += 1
        return first, last


def align_recording(
    recognizer: PhoneProbe, features: Tensor, known: Sequence[int], penalty: float = PENALTY
) -> AlignedRecording:
    """Align a recording without a transcript by recognition of its phones.

    Args:
        recognizer, features, known, penalty: see `read_phones`.
    """
    return AlignedRecording(features, canonical(*read_phones(recognizer, features, known, penalty)))


@dataclass(frozen=True)
class Fitted:
    """Forced alignment of words with a recording.

    Attributes:
        tokens: tokens with the frames of each, and the first token of each word.
        lost: how much lower the mean log-likelihood of a frame is with the words than with the
            phones that are recognized without them.
        costs: [T], the same of each frame.
    """

    tokens: Aligned
    lost: float
    costs: np.ndarray

    def cost(self, begin: int, end: int) -> float:
        """Return the mean of the costs of frames `begin` to `end`."""
        return float(self.costs[begin:end].mean()) if end > begin else 0.0


def fit_words(probe: PhoneProbe, features: Tensor, phones: Phones, known: Sequence[int]) -> Fitted:
    """Align words with a recording by the posteriors of a probe (forced alignment).

    Args:
        probe: the phone probe. A recognizer would not do, as limits of the cost of words hold for
            the scores of the probe.
        features: [T, C] of the recording.
        phones: phones of the words, without pauses.
        known: see `read_phones`.

    Raises:
        AlignmentError: there are more phones than frames.
    """
    if len(phones.ids) > len(features):
        raise AlignmentError(f"{len(phones.ids)} phones do not fit into {len(features)} frames")
    starts = [start for _, start, _ in phones.words]
    ids, mods, optional = with_optional_pauses(phones.ids, phones.mods, starts)
    scores, _ = _scores(probe, features)
    rows = scores[:, [SIL if is_pause(i) else i for i in ids]].T[None]
    size, frames = np.array([len(ids)]), np.array([len(features)])
    found = monotonic_alignment(
        np.ascontiguousarray(rows, np.float32), size, frames, np.array([optional])
    )[0]
    owner = np.repeat(np.arange(len(ids)), found)
    index = np.arange(len(features))
    told = rows[0, owner, index]
    read_ids, _, read_frames = read_phones(probe, features, known, _HEARD_PENALTY)
    read = scores[index, np.repeat(read_ids, read_frames)]
    tokens = canonical(ids, mods, found.tolist())
    return Fitted(tokens, float(read.mean()) - float(told.mean()), read - told)


def align_transcript(
    probe: PhoneProbe,
    features: Tensor,
    known: Sequence[int],
    text: str,
    language: str,
) -> AlignedRecording | None:
    """Align a recording with its transcript; return None where the words do not fit the recording.

    Args:
        probe, features, known: see `fit_words`.
        text: the transcript.
        language: espeak code of its language.
    """
    try:
        phones = Frontend(language, pauses="none").one(text)
        fitted = fit_words(probe, features, phones, known)
    except TTSError:  # nothing to say, or more words than the recording has time for
        return None
    return None if fitted.lost > MOST_LOST else AlignedRecording(features, fitted.tokens)
