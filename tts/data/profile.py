"""Computes a phone profile (tts.voice.profile) from a corpus: the mean deviation of each phone from
the mean spectrum of its speaker, and the similarity of phones."""

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from tts.data.corpus import Corpus, speakers_of
from tts.errors import DataError
from tts.generators.voice_encoders import voice_mean
from tts.losses.phone import PhoneProbe
from tts.modules.voice_prompt import VoicePrompt
from tts.voice.profile import PhoneProfile, spoken_phones
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.envelope import envelope_part

LEAST_FRAMES = 200  # smallest number of frames of a phone in the corpus
SHARPNESS = 3.0  # of the kernel exp(sharpness * (cosine - 1)) of the probe's output weights
_BALANCE = 0.6  # the weight of a speaker is its number of frames to the power of 1 - _BALANCE


@torch.inference_mode()
def write_profile(
    corpus: Corpus,
    probe: PhoneProbe,
    folder: str | Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    leave_out: Collection[str] = (),
) -> PhoneProfile:
    """Compute a phone profile and write its checkpoint.

    Args:
        corpus: with features.
        probe: gives the phone posteriors of the corpus, so that no alignment is needed.
        folder: of the checkpoint.
        progress: called with (utterances done, all).
        leave_out: speakers that are left out.

    Raises:
        DataError: the corpus has no features, no speaker is left, or no phone is frequent enough.
        UsageError: the corpus has no speaker with a name in `leave_out`.
    """
    left_out = speakers_of(corpus, leave_out)
    included = [at for at, item in enumerate(corpus.items) if item.speaker not in left_out]
    if not included:
        raise DataError(f"leave_out leaves no speaker of {corpus.folder}")
    symbols = spoken_phones()
    sums: dict[str, list[torch.Tensor]] = {}
    for done, at in enumerate(included, 1):
        features = torch.from_numpy(np.array(corpus.features(at), np.float32))[None]
        lengths = torch.tensor([features.shape[1]])
        mask = torch.ones(1, features.shape[1], 1)
        posteriors = probe(features, mask).softmax(-1)[0][:, symbols]
        average = envelope_part(voice_mean(VoicePrompt(torch.zeros(1, 256), features, lengths)))[
            0, 0
        ]
        relative = envelope_part(features)[0] - average
        frames = torch.tensor(float(len(posteriors)))
        statistics = [posteriors.sum(0), posteriors.T @ relative, frames]
        speaker = corpus.items[at].speaker
        previous = sums.get(speaker)
        pairs = zip(previous or statistics, statistics, strict=True)
        sums[speaker] = statistics if previous is None else [a + b for a, b in pairs]
        progress(done, len(included))
    weights = [frames**-_BALANCE for _, _, frames in sums.values()]
    count = sum(w * n for w, (n, _, _) in zip(weights, sums.values(), strict=True))
    total = sum(w * s for w, (_, s, _) in zip(weights, sums.values(), strict=True))
    frame_counts = sum(n for n, _, _ in sums.values())
    assert isinstance(count, torch.Tensor) and isinstance(frame_counts, torch.Tensor)
    kept = (frame_counts >= LEAST_FRAMES).nonzero()[:, 0]
    if not len(kept):
        raise DataError(f"{corpus.folder}: no phone is said for {LEAST_FRAMES} frames")
    phones = [symbols[int(at)] for at in kept]
    profile = PhoneProfile(phones)
    profile.mean.copy_((total / count.clamp_min(1e-6).unsqueeze(-1))[kept])
    rows = F.normalize(probe.head.weight[phones], dim=-1)
    profile.kernel.copy_(torch.exp(SHARPNESS * (rows @ rows.T - 1)))
    save_checkpoint(folder, profile, "profile", {"phones": phones})
    return profile
