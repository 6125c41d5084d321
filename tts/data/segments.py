"""Training segments of aligned utterances, each with a voice prompt of the same speaker from
outside of the segment."""

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from tts.align.aligner import with_optional_pauses
from tts.data.batch import Batch
from tts.data.coded import CodedCorpus
from tts.data.corpus import Corpus, speakers_of
from tts.data.vtlp import VTLP_FACTORS, vtlp_features
from tts.errors import ConfigError, DataError
from tts.text.names import speaker_name
from tts.text.pauses import Aligned, canonical, is_pause
from tts.text.symbols import SIL
from tts.text.tokens import collate_tokens
from tts_codecs.envelope import EXTRA
from tts_codecs.mel import MelConfig

log = logging.getLogger(__name__)
EDGE = 12  # largest number of frames of a pause at either end of a segment
#: longest plausible phone in frames; with a wrong transcript, alignment stretches phones over
#: speech that is not in it
MOST_OF_A_PHONE = 40


@dataclass
class Utterance:
    """An aligned utterance.

    Attributes:
        index: in the corpus.
        tokens: canonical tokens with durations.
        starts: [S + 1] first frame of each token, and the end.
        cuts: tokens at which a segment may begin or end: first tokens of words, and pauses.
        pauses: tokens that are pauses.
    """

    index: int
    tokens: Aligned
    starts: np.ndarray
    cuts: list[int]
    pauses: list[int]


def read_durations(corpus: Corpus) -> dict[str, list[int]]:
    """Durations in frames of the tokens of each aligned utterance, by its id. The aligner has
    written them. Errors as of `_aligned`."""
    return {corpus.items[index].id: frames for index, _, _, frames in _aligned(corpus)}


def _aligned(corpus: Corpus) -> Iterator[tuple[int, list[int], list[int], list[int]]]:
    """Index, and ids, modifiers and durations of the tokens, of each utterance with durations.

    Raises:
        DataError: the corpus has no durations, or they do not fit its phones or recordings.
    """
    durations = corpus.durations()
    for index, item in enumerate(corpus.items):
        frames = durations.get(item.id)
        if frames is None:
            continue
        ids, mods, _ = with_optional_pauses(item.phones, item.mods, item.words)
        if len(frames) != len(ids) or sum(frames) > corpus.frames(index):
            raise DataError(
                f"{corpus.folder}: the durations of {item.id} are not those of its phones or its "
                "recording: align the corpus again"
            )
        yield index, ids, mods, frames


def load_utterances(corpus: Corpus) -> list[Utterance]:
    """All aligned utterances with plausible durations. The number of others is logged.

    Raises:
        DataError: no utterance is left; or as `read_durations`.
    """
    utterances, stretched = [], 0
    for index, ids, mods, frames in _aligned(corpus):
        tokens = canonical(ids, mods, frames)
        longest = max(
            (d for i, d in zip(tokens.ids, tokens.durations, strict=True) if not is_pause(i)),
            default=0,
        )
        if longest > MOST_OF_A_PHONE:
            stretched += 1
            continue
        starts = np.concatenate([[0], np.cumsum(tokens.durations)])
        pauses = [at for at, i in enumerate(tokens.ids) if is_pause(i)]
        cuts = sorted({*tokens.words, *pauses})
        utterances.append(Utterance(index, tokens, starts, cuts, pauses))
    aligned = len(utterances) + stretched
    if not aligned:
        raise DataError(f"{corpus.folder} has durations of none of its {len(corpus)} utterances")
    seconds = MOST_OF_A_PHONE * corpus.hop / corpus.sample_rate
    rule = f"a phone of over {MOST_OF_A_PHONE} frames ({seconds:.2g} s)"
    if not utterances:
        raise DataError(
            f"{corpus.folder}: all of its {aligned} aligned utterances have {rule} and are left "
            "out: the texts are not what is said, or the aligner has not learned enough (more "
            "steps, or more recordings)"
        )
    if stretched:
        log.warning(
            "%s: %d of %d aligned utterances are left out, as each has %s: a wrong text, or a "
            "wrong alignment", corpus.folder, stretched, aligned, rule,
        )  # fmt: skip
    return utterances


def _band_limit(
    rng: np.random.Generator, target: np.ndarray, prompt: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    config = MelConfig()
    first = int(rng.integers(config.n_mels - 16, config.n_mels - 1))
    floor = (np.log(config.floor) - config.mean) / config.std + rng.uniform(0, 0.3)
    target, prompt = target.copy(), prompt.copy()
    for row in (target, prompt):
        top = row[:, first:-EXTRA]
        np.minimum(top, floor, out=top)
    return target, prompt


class SegmentSampler:
    """Draws training segments with prompts.

    Args:
        corpus: aligned, with features.
        max_frames, min_frames: range of the length of segments.
        prompt: range of the length of prompts in frames.
        vtlp: fraction of segments that are warped to another voice (see tts.data.vtlp).
        held_out: speakers that are left out, for validation.
        shares: factors on the sampling weight of speakers, by prefix of their name.
        band_limited: fraction of segments whose top bands are emptied, as lossy coding does.
            Segment and prompt are treated alike, so that generated speech keeps the bandwidth of
            its prompt.
        coded: the corpus as encoded by a waveform codec. Batches then contain its latents, and
            segments are neither warped nor band-limited.

    Raises:
        ConfigError: `max_frames` is below `min_frames`.
        DataError: no utterance is aligned, or `held_out` and `shares` leave none.
        UsageError: the corpus has no speaker with a name in `held_out`.
    """

    def __init__(
        self,
        corpus: Corpus,
        max_frames: int = 160,
        min_frames: int = 50,
        prompt: tuple[int, int] = (75, 200),
        vtlp: float = 0.6,
        band_limited: float = 0.3,
        held_out: Collection[str] = (),
        shares: Mapping[str, float] | None = None,
        coded: CodedCorpus | None = None,
    ):
        if max_frames < min_frames:
            raise ConfigError(f"max_frames is at least {min_frames}, not {max_frames}")
        self.coded = coded
        if coded is not None:
            vtlp = band_limited = 0.0
        self.corpus, self.max_frames, self.min_frames, self.prompt = (
            corpus,
            max_frames,
            min_frames,
            prompt,
        )
        self.vtlp, self.band_limited = vtlp, band_limited
        left_out = speakers_of(corpus, held_out)
        self.utterances = [
            each
            for each in load_utterances(corpus)
            if corpus.items[each.index].speaker not in left_out
        ]
        if not self.utterances:
            raise DataError(f"held_out leaves no speaker of {corpus.folder}")
        self.by_speaker: dict[str, list[int]] = {}
        for at, utterance in enumerate(self.utterances):
            self.by_speaker.setdefault(corpus.items[utterance.index].speaker, []).append(at)
        totals = {
            s: sum(self.utterances[a].starts[-1] for a in rows)
            for s, rows in self.by_speaker.items()
        }
        factors = [(speaker_name(start), factor) for start, factor in (shares or {}).items()]
        share = {
            speaker: next((factor for start, factor in factors if speaker.startswith(start)), 1)
            for speaker in totals
        }
        names = [corpus.items[u.index].speaker for u in self.utterances]
        weights = np.array(
            [
                u.starts[-1] / totals[name] ** 0.6 * share[name]
                for u, name in zip(self.utterances, names, strict=True)
            ],
            dtype=float,
        )
        if not weights.any():
            raise DataError(f"shares leave no speaker of {corpus.folder}: all of theirs are 0")
        self.weights = weights / weights.sum()

    def segment(
        self, utterance: Utterance, limit: int, rng: np.random.Generator
    ) -> tuple[Aligned, int, int]:
        """Draw a segment of about `limit` frames at most; return its tokens and its first and last
        frame. Pauses at its ends become a short `<sil>`."""
        tokens, starts = utterance.tokens, utterance.starts
        end = len(tokens.ids)
        options = utterance.pauses if rng.random() < 0.7 else utterance.cuts
        options = [c for c in options if starts[end] - starts[c] >= self.min_frames] or [0]
        return self.cut(utterance, int(rng.choice(options)), limit)

    def cut(self, utterance: Utterance, first: int, limit: int) -> tuple[Aligned, int, int]:
        """The segment that begins with the token `first`, as in `segment`."""
        tokens, starts = utterance.tokens, utterance.starts
        end = len(tokens.ids)
        head = 0
        if is_pause(tokens.ids[first]):
            head = max(0, tokens.durations[first] - EDGE)
        begin = int(starts[first]) + head
        last = first + 1
        for cut in [*utterance.cuts, end]:
            if cut <= first:
                continue
            # Only the kept part of a final pause counts.
            kept = 0
            if cut < end and is_pause(tokens.ids[cut]):
                kept = min(EDGE, tokens.durations[cut])
            # A segment has at least one word, even if that is longer than the limit.
            if starts[cut] + kept - begin > limit and last > first + 1:
                break
            last = cut
        if last < end and is_pause(tokens.ids[last]) and last > first + 1:
            last += 1
        ids = tokens.ids[first:last]
        mods = tokens.mods[first:last]
        frames = list(tokens.durations[first:last])
        frames[0] -= head
        stop = int(starts[last])
        if len(ids) > 1 and is_pause(ids[-1]) and frames[-1] > EDGE:
            stop -= frames[-1] - EDGE
            frames[-1] = EDGE
        ids = [SIL if is_pause(i) and at in (0, len(ids) - 1) else i for at, i in enumerate(ids)]
        return Aligned(ids, mods, frames), begin, stop

    def prompt_for(
        self, at: int, begin: int, stop: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, int]:
        """Prompt features [P, C] of the same speaker from outside of the segment, and the index of
        the utterance whose speaker embedding is used."""
        target_frames = int(rng.integers(self.prompt[0], self.prompt[1] + 1))
        utterance = self.utterances[at]
        speaker = self.corpus.items[utterance.index].speaker
        others = [o for o in self.by_speaker[speaker] if o != at]
        total = self.corpus.frames(utterance.index)
        before, after = begin, total - stop
        room = max(before, after)
        pieces: list[np.ndarray] = []
        sources: list[int] = []
        if not others or (room >= 40 and rng.random() < 0.5):
            length = max(1, min(target_frames, room))
            low, high = (0, before - length) if before >= after else (stop, total - length)
            start = int(rng.integers(low, max(low, high) + 1))
            pieces.append(self.corpus.features(utterance.index, start, length))
            sources.append(utterance.index)
        # Concatenate recordings until the prompt is long enough.
        for other in rng.permutation(others):
            missing = target_frames - sum(len(piece) for piece in pieces)
            if missing < 40 and pieces:
                break
            index = self.utterances[int(other)].index
            length = min(missing, self.corpus.frames(index))
            start = int(rng.integers(0, self.corpus.frames(index) - length + 1))
            pieces.append(self.corpus.features(index, start, length))
            sources.append(index)
        return np.concatenate(pieces), sources[int(rng.integers(len(sources)))]

    def draw(self, rng: np.random.Generator, count: int, names: list[str] | None = None) -> Batch:
        """Draw a batch of `count` segments.

        Args:
            rng: random numbers.
            count: B.
            names: a list to which the name of each row's speaker is appended.

        Returns:
            ids, mods, durations [B, S]; lengths, frames, prompt_frames [B]; features,
            prompt_features [B, T, C]; speaker [B, 256]; for a coded corpus latents [B, U, *].
        """
        rows, durations, features, prompts, speakers = [], [], [], [], []
        latents: list[torch.Tensor] = []
        # One limit for the whole batch, so that rows of similar length need little padding.
        limit = int(rng.integers(self.min_frames, self.max_frames + 1))
        for at in rng.choice(len(self.utterances), count, p=self.weights):
            utterance = self.utterances[int(at)]
            tokens, begin, stop = self.segment(utterance, limit, rng)
            total = self.corpus.frames(utterance.index)
            if stop > total or stop - begin < 2:
                raise DataError(f"{self.corpus.items[utterance.index].id}: bad durations")
            target = self.corpus.features(utterance.index, begin, stop - begin)
            prompt, source = self.prompt_for(int(at), begin, stop, rng)
            if names is not None:
                names.append(self.corpus.items[utterance.index].speaker)
            speaker = None
            if rng.random() < self.vtlp:
                warp = int(rng.integers(len(VTLP_FACTORS)))
                speaker = self.corpus.vtlp_speaker(source, warp)
            if speaker is None:
                speaker = self.corpus.speaker(source)
            else:
                target = vtlp_features(target, VTLP_FACTORS[warp])
                prompt = vtlp_features(prompt, VTLP_FACTORS[warp])
            if rng.random() < self.band_limited:
                target, prompt = _band_limit(rng, target, prompt)
            rows.append((tokens.ids, tokens.mods))
            lengths, segment = torch.tensor(tokens.durations), torch.from_numpy(target)
            if self.coded is not None:
                lengths, segment, coded = self.coded.cut(
                    utterance.index, begin, tokens.durations, segment
                )
                latents.append(coded)
            durations.append(lengths)
            features.append(segment)
            prompts.append(torch.from_numpy(prompt))
            speakers.append(torch.from_numpy(speaker))
        tokens_batch = collate_tokens(rows)
        pad = torch.nn.utils.rnn.pad_sequence
        batch: Batch = {"latents": pad(latents, batch_first=True)} if latents else {}
        return batch | {
            "ids": tokens_batch.ids,
            "mods": tokens_batch.mods,
            "lengths": tokens_batch.lengths,
            "durations": pad(durations, batch_first=True),
            "features": pad(features, batch_first=True),
            "frames": torch.tensor([len(m) for m in features]),
            "prompt_features": pad(prompts, batch_first=True),
            "prompt_frames": torch.tensor([len(p) for p in prompts]),
            "speaker": torch.stack(speakers),
        }
