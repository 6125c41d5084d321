"""Batches of segments with voice prompts, from a corpus that is kept on the device.

They are as those of tts.data.segments.SegmentSampler, but tensor operations make all rows of a
batch at once, and nothing waits for the device. There are few shapes of batches, so that kernels
and CUDA graphs have to be prepared for few shapes only.
"""

import numpy as np
import torch
from torch import Tensor

from tts.data.batch import Batch
from tts.data.segments import EDGE, SegmentSampler
from tts.data.vtlp import VTLP_FACTORS, vtlp_matrix
from tts.errors import DataError
from tts.text.pauses import is_pause
from tts.text.symbols import SIL
from tts_codecs.envelope import CHANNELS, EXTRA, envelope_part, shift_pitch
from tts_codecs.mel import MelConfig

#: further recordings that a prompt is made of, at most
PIECES = 4
#: a prompt may lack fewer frames than these
_TOLERANCE = 40


class ResidentSampler:
    """Sampler of segments from a corpus on a device.

    Args:
        sampler: has the utterances, their weights, and the lengths of segments and prompts.
        lengths: frames of the segments; each batch has one of these lengths. By default there are
            four, from short to long.

    Raises:
        DataError: durations are longer than an utterance.
    """

    def __init__(
        self, sampler: SegmentSampler, device: torch.device, lengths: tuple[int, ...] = ()
    ):
        self.sampler, self.device = sampler, device
        low, high = sampler.min_frames, sampler.max_frames
        self.lengths = lengths or tuple(sorted({low + (high - low) * n // 4 for n in (1, 2, 3, 4)}))
        self._load_tokens()
        self._load_features()
        bands = CHANNELS - EXTRA
        plain = np.eye(bands, dtype=np.float32)
        factors = [*VTLP_FACTORS, 1.0]
        self.warp_matrices = self._put(np.stack([*(vtlp_matrix(f) for f in VTLP_FACTORS), plain]))
        self.octaves = self._put(
            np.array([shift_pitch(np.zeros(()), f) for f in factors], np.float32)
        )

    def _put(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def _load_tokens(self) -> None:
        """Put the tokens of all utterances on the device, [N, S + 1], with padding at the end."""
        rows = self.sampler.utterances
        width = max(len(u.tokens.ids) for u in rows) + 1
        shape = (len(rows), width)
        ids, mods, starts = (np.zeros(shape, np.int64) for _ in range(3))
        cuts, pauses = np.zeros(shape, bool), np.zeros(shape, bool)
        for at, row in enumerate(rows):
            count = len(row.tokens.ids)
            ids[at, :count], mods[at, :count] = row.tokens.ids, row.tokens.mods
            starts[at, : count + 1], starts[at, count + 1 :] = row.starts, row.starts[-1]
            cuts[at, row.cuts], cuts[at, count] = True, True
            pauses[at, :count] = [is_pause(i) for i in row.tokens.ids]
        self.ids, self.mods, self.starts = self._put(ids), self._put(mods), self._put(starts)
        self.cuts, self.pauses = self._put(cuts), self._put(pauses)
        self.ends = self._put(np.array([len(u.tokens.ids) for u in rows]))
        self.cumulative_weights = self._put(np.cumsum(self.sampler.weights))
        names = [self.sampler.corpus.items[u.index].speaker for u in rows]
        # Sorted by speaker, so that the utterances of a speaker are a range.
        order = np.array([at for group in self.sampler.by_speaker.values() for at in group])
        self.order = self._put(order)
        self.rank_in_order = self._put(np.argsort(order))
        begin, total = {}, 0
        for name, group in self.sampler.by_speaker.items():
            begin[name] = total
            total += len(group)
        self.begins = self._put(np.array([begin[n] for n in names]))
        self.others = self._put(np.array([len(self.sampler.by_speaker[n]) - 1 for n in names]))

    def _load_features(self) -> None:
        """Put the features and speaker embeddings of all utterances on the device."""
        corpus, rows = self.sampler.corpus, self.sampler.utterances
        lengths = np.array([corpus.frames(u.index) for u in rows])
        for row, frames in zip(rows, lengths, strict=True):
            if row.starts[-1] > frames:
                raise DataError(f"{corpus.items[row.index].id}: bad durations")
        self.frames = self._put(lengths)
        self.offsets = self._put(np.cumsum(lengths) - lengths)
        features = np.concatenate([corpus.features(u.index).astype(np.float16) for u in rows])
        self.features = self._put(features)
        embeddings = np.stack([corpus.speaker(u.index) for u in rows])
        voices = [embeddings] * (len(VTLP_FACTORS) + 1)
        self.vtlp = corpus.vtlp_copies == len(VTLP_FACTORS)
        if self.vtlp:
            for warp in range(len(VTLP_FACTORS)):
                warped = (corpus.vtlp_speaker(u.index, warp) for u in rows)
                voices[warp] = np.stack([voice for voice in warped if voice is not None])
        self.voices = self._put(np.stack(voices, 1).astype(np.float16))

    def draw(self, rng: torch.Generator, host: np.random.Generator, count: int) -> Batch:
        """Draw a batch as of SegmentSampler.draw, which is padded to one of a few shapes.

        Args:
            rng: generator on the device.
            host: generator on the CPU, which chooses the length of the batch.
            count: rows of the batch.
        """
        limit = int(self.lengths[int(host.integers(len(self.lengths)))])

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, device=self.device, generator=rng)

        position = uniform(count).double() * self.cumulative_weights[-1]
        rows = torch.searchsorted(self.cumulative_weights, position, right=True).clamp_max(
            len(self.ids) - 1
        )
        first = self.choose_start(rows, uniform(count), uniform(count, self.ids.shape[1]))
        ids, mods, durations, lengths, begin, stop = self.cut(rows, first, limit)
        index = torch.arange(limit, device=self.device)
        frames = stop - begin
        inside = index < frames[:, None]
        source = (self.offsets[rows] + begin)[:, None] + torch.where(inside, index, 0)
        target = self.features[source].float() * inside[..., None]
        prompt, prompt_frames, voice = self.prompts(rows, begin, stop, rng)
        warp = torch.full_like(rows, len(VTLP_FACTORS))
        if self.vtlp:
            is_warped = uniform(count) < self.sampler.vtlp
            factor = (uniform(count) * len(VTLP_FACTORS)).long()
            warp = torch.where(is_warped, factor, warp)
        speaker = self.voices[voice, warp].float()
        limited = uniform(count) < self.sampler.band_limited
        top, floor = uniform(count), uniform(count)
        target = self.augment(target, warp, limited, top, floor) * inside[..., None]
        prompt_mask = torch.arange(prompt.shape[1], device=self.device) < prompt_frames[:, None]
        prompt = self.augment(prompt, warp, limited, top, floor) * prompt_mask[..., None]
        return {
            "ids": ids, "mods": mods, "lengths": lengths, "durations": durations,
            "features": target, "frames": frames, "prompt_features": prompt,
            "prompt_frames": prompt_frames, "speaker": speaker,
        }  # fmt: skip

    def choose_start(self, rows: Tensor, chance: Tensor, priorities: Tensor) -> Tensor:
        """Choose the first token of each segment.

        Seven of ten rows begin at a pause, the others at any word boundary; in both cases enough
        frames have to follow, else the segment begins with the utterance.

        Args:
            rows: [B] utterances.
            chance: [B] and priorities: [B, S + 1], uniform random numbers.

        Returns:
            indices [B] of tokens.
        """
        width = torch.arange(self.ids.shape[1], device=self.device)
        within = width < self.ends[rows, None]
        starts = self.starts[rows]
        enough = starts[:, -1:] - starts >= self.sampler.min_frames
        options = torch.where(chance[:, None] < 0.7, self.pauses[rows], self.cuts[rows])
        options = options & within & enough
        first = torch.where(options, priorities, -1.0).argmax(1)
        return torch.where(options.any(1), first, 0)

    def cut(self, rows: Tensor, first: Tensor, limit: int) -> tuple[Tensor, ...]:
        """Cut segments of at most `limit` frames that begin with the tokens `first` [B].

        Returns:
            ids, mods, durations [B, S] of the tokens, zero for padding; lengths [B], their number;
            begin, stop [B], the first frame of a segment and the frame after it.
        """
        width = torch.arange(self.ids.shape[1], device=self.device)
        starts, pauses, cuts = self.starts[rows], self.pauses[rows], self.cuts[rows]
        spans = torch.diff(starts, append=starts[:, -1:])
        end, at = self.ends[rows], first[:, None]

        def of(table: Tensor, index: Tensor) -> Tensor:
            return table.gather(1, index[:, None])[:, 0]

        head = torch.where(of(pauses, first), (of(spans, first) - EDGE).clamp_min(0), 0)
        begin = of(starts, first) + head
        # A pause at the end counts with the part of it that is kept.
        kept = torch.where(pauses, spans.clamp_max(EDGE), 0)
        fits = starts + kept - begin[:, None] <= limit
        # A segment has one word at least, however long.
        far = len(width)
        later = torch.where(cuts & (width > at + 1), width, far).amin(1)
        least = torch.where(later < far, later, end)
        breaks = torch.where(cuts & ~fits & (width > least[:, None]), width, far).amin(1)
        last = torch.where(cuts & (width > at) & (width < breaks[:, None]), width, 0).amax(1)
        last = torch.maximum(last, torch.minimum(least, end))
        closing = (last < end) & of(pauses, last) & (last > first + 1)
        last = last + closing.long()
        # Segments that are still too long lose tokens at their end.
        room = limit // 2
        last_slot = last - first - 1
        shown = of(pauses, last - 1) & (last_slot > 0)
        trimmed = torch.where(shown, (of(spans, last - 1) - EDGE).clamp_min(0), 0)
        bound = torch.where(starts - begin[:, None] <= limit, width, 0).amax(1)
        whole = of(starts, last) - trimmed - begin <= limit
        last = torch.where(whole, last, torch.minimum(last, bound))
        last = torch.maximum(torch.minimum(last, first + room), first + 1)
        index = at + torch.arange(room, device=self.device)
        valid = index < last[:, None]
        index = index.clamp_max(len(width) - 1)
        durations = torch.where(valid, spans.gather(1, index), 0)
        durations[:, 0] -= head
        last_slot = last - first - 1
        over = of(durations, last_slot) - EDGE
        over = torch.where(of(pauses, last - 1) & (last_slot > 0), over.clamp_min(0), 0)
        # A single token may still be too long.
        over = over + (of(starts, last) - over - begin - limit).clamp_min(0)
        stop = of(starts, last) - over
        durations = durations.scatter_add(1, last_slot[:, None], -over[:, None])
        ids = torch.where(valid, self.ids[rows].gather(1, index), 0)
        mods = torch.where(valid, self.mods[rows].gather(1, index), 0)
        # Only a short part of a pause is left at an edge.
        slots = torch.arange(room, device=self.device)
        edge = (slots == 0) | (slots == last_slot[:, None])
        ids = torch.where(edge & valid & pauses.gather(1, index), SIL, ids)
        return ids, mods, durations, last - first, begin, stop

    def prompts(
        self, rows: Tensor, begin: Tensor, stop: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draw voice prompts; see SegmentSampler.prompt_for.

        Returns:
            features [B, P, C], frames [B], and the utterances [B] whose speaker embeddings belong
            to the prompts.
        """
        low, high = self.sampler.prompt
        count = len(rows)
        chance = torch.rand(count, 5 + 3 * PIECES, device=self.device, generator=rng)
        target = low + (chance[:, 0] * (high + 1 - low)).long()
        total, others = self.frames[rows], self.others[rows]
        before, after = begin, total - stop
        room = torch.maximum(before, after)
        own = (others == 0) | ((room >= _TOLERANCE) & (chance[:, 1] < 0.5))
        length = torch.minimum(target, room).clamp_min(1)
        early = before >= after
        start = torch.where(early, 0, stop)
        start = start + (chance[:, 2] * (room - length + 1)).long()
        start = torch.minimum(start, total - length)
        pieces = [(rows, start, torch.where(own, length, 0))]
        filled = pieces[0][2]
        for n in range(PIECES):
            a, b, _ = chance[:, 5 + 3 * n : 8 + 3 * n].unbind(1)
            # Any utterance of the speaker but this one.
            step = 1 + (a * others).long()
            at = self.begins[rows] + (self.rank_in_order[rows] - self.begins[rows] + step) % (
                others + 1
            )
            other = self.order[at]
            missing = target - filled
            length = torch.minimum(missing, self.frames[other]).clamp_min(0)
            length = torch.where(
                (others > 0) & ((missing >= _TOLERANCE) | (filled == 0)), length, 0
            )
            start = (b * (self.frames[other] - length + 1)).long()
            pieces.append((other, start, length))
            filled = filled + length
        sources, starts, lengths = (torch.stack(x, 1) for x in zip(*pieces, strict=True))
        ends = lengths.cumsum(1)
        index = torch.arange(high, device=self.device).expand(count, -1).contiguous()
        piece = torch.searchsorted(ends, index, right=True).clamp_max(PIECES)
        into = index - (ends - lengths).gather(1, piece) + starts.gather(1, piece)
        inside = index < filled[:, None]
        position = self.offsets[sources.gather(1, piece)] + into
        prompts = self.features[torch.where(inside, position, 0)].float() * inside[..., None]
        # One number for each piece that has chosen nothing else.
        votes = torch.where(lengths > 0, chance[:, 4::3], -1.0)
        return prompts, filled, sources.gather(1, votes.argmax(1)[:, None])[:, 0]

    def augment(
        self, features: Tensor, warp: Tensor, limited: Tensor, top: Tensor, floor: Tensor
    ) -> Tensor:
        """Apply vocal tract length perturbation and band limits to features [B, T, C].

        Args:
            warp: [B] indices of VTLP_FACTORS; the number of factors stands for no change.
            limited: [B] bool, rows that lose their upper bands.
            top: [B] uniform random numbers that choose the first of these bands; floor: [B] random
                numbers that set their level.
        """
        config = MelConfig()
        bands = torch.bmm(envelope_part(features), self.warp_matrices[warp])
        first = config.n_mels - 16 + (top * 15).long()
        level = (np.log(config.floor) - config.mean) / config.std + 0.3 * floor
        empty = torch.arange(config.n_mels, device=self.device) >= first[:, None]
        ceiling = torch.where(limited[:, None] & empty, level[:, None], torch.inf)
        bands = torch.minimum(bands, ceiling[:, None])
        pitch = features[..., -EXTRA:-1] + self.octaves[warp][:, None, None]
        return torch.cat([bands, pitch, features[..., -1:]], -1)
