"""Segments with prompts drawn where the corpus lies: on the device of the training.

What tts.data.segments.SegmentSampler does row by row, here all rows do at once by tensor
operations, and nothing waits for the device. Shapes depend only on the length of the batch, one of
a few, so that kernels and CUDA graphs are made for each once.
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

PIECES = 4  # recordings that a prompt is put together from, at most
_FEW = 40  # frames less than which are not looked for


class ResidentSampler:
    """The corpus of a SegmentSampler on a device, and batches made there.

    Args:
        sampler: which utterances, how often, and how segments and prompts are cut.
        lengths: of segments in frames; a batch has one of them. By default four from short to
            long.
    """

    def __init__(
        self, sampler: SegmentSampler, device: torch.device, lengths: tuple[int, ...] = ()
    ):
        self.sampler, self.device = sampler, device
        low, high = sampler.min_frames, sampler.max_frames
        self.lengths = lengths or tuple(sorted({low + (high - low) * n // 4 for n in (1, 2, 3, 4)}))
        self._tables()
        self._corpus()
        bands = CHANNELS - EXTRA
        plain = np.eye(bands, dtype=np.float32)
        factors = [*VTLP_FACTORS, 1.0]
        self.warp_matrices = self._put(np.stack([*(vtlp_matrix(f) for f in VTLP_FACTORS), plain]))
        self.octaves = self._put(
            np.array([shift_pitch(np.zeros(()), f) for f in factors], np.float32)
        )

    def _put(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def _tables(self) -> None:
        """Tokens of all utterances, [N, S + 1], the last of a row past its end."""
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
        self.chances = self._put(np.cumsum(self.sampler.weights))
        names = [self.sampler.corpus.items[u.index].speaker for u in rows]
        # Utterances of a speaker one after another: who they are drawn from is a range.
        order = np.array([at for group in self.sampler.by_speaker.values() for at in group])
        self.order = self._put(order)
        self.place = self._put(np.argsort(order))
        begin, total = {}, 0
        for name, group in self.sampler.by_speaker.items():
            begin[name] = total
            total += len(group)
        self.begins = self._put(np.array([begin[n] for n in names]))
        self.others = self._put(np.array([len(self.sampler.by_speaker[n]) - 1 for n in names]))

    def _corpus(self) -> None:
        corpus, rows = self.sampler.corpus, self.sampler.utterances
        lengths = np.array([corpus.frames(u.index) for u in rows])
        for row, frames in zip(rows, lengths, strict=True):
            if row.starts[-1] > frames:
                raise DataError(f"{corpus.items[row.index].id}: bad durations")
        self.frames = self._put(lengths)
        self.offsets = self._put(np.cumsum(lengths) - lengths)
        features = np.concatenate([corpus.features(u.index).astype(np.float16) for u in rows])
        self.features = self._put(features)
        plain = np.stack([corpus.speaker(u.index) for u in rows])
        voices = [plain] * (len(VTLP_FACTORS) + 1)
        self.vtlp = corpus.vtlp_copies == len(VTLP_FACTORS)
        if self.vtlp:
            for warp in range(len(VTLP_FACTORS)):
                rest = (corpus.vtlp_speaker(u.index, warp) for u in rows)
                voices[warp] = np.stack([voice for voice in rest if voice is not None])
        self.voices = self._put(np.stack(voices, 1).astype(np.float16))

    def draw(self, rng: torch.Generator, host: np.random.Generator, count: int) -> Batch:
        """A batch as SegmentSampler.draw gives, all of it padded to one of a few shapes.

        Args:
            rng: of the device; host: decides on the length.
        """
        limit = int(self.lengths[int(host.integers(len(self.lengths)))])

        def dice(*shape: int) -> Tensor:
            return torch.rand(*shape, device=self.device, generator=rng)

        where = dice(count).double() * self.chances[-1]
        rows = torch.searchsorted(self.chances, where, right=True).clamp_max(len(self.ids) - 1)
        first = self.choose(rows, dice(count), dice(count, self.ids.shape[1]))
        ids, mods, durations, lengths, begin, stop = self.cut(rows, first, limit)
        index = torch.arange(limit, device=self.device)
        frames = stop - begin
        inside = index < frames[:, None]
        source = (self.offsets[rows] + begin)[:, None] + torch.where(inside, index, 0)
        target = self.features[source].float() * inside[..., None]
        prompt, prompt_frames, voice = self.prompts(rows, begin, stop, rng)
        warp = torch.full_like(rows, len(VTLP_FACTORS))
        if self.vtlp:
            turned = dice(count) < self.sampler.vtlp
            which = (dice(count) * len(VTLP_FACTORS)).long()
            warp = torch.where(turned, which, warp)
        speaker = self.voices[voice, warp].float()
        limited = dice(count) < self.sampler.band_limited
        top, floor = dice(count), dice(count)
        target = self.change(target, warp, limited, top, floor) * inside[..., None]
        heard = torch.arange(prompt.shape[1], device=self.device) < prompt_frames[:, None]
        prompt = self.change(prompt, warp, limited, top, floor) * heard[..., None]
        return {
            "ids": ids, "mods": mods, "lengths": lengths, "durations": durations,
            "features": target, "frames": frames, "prompt_features": prompt,
            "prompt_frames": prompt_frames, "speaker": speaker,
        }  # fmt: skip

    def choose(self, rows: Tensor, dice: Tensor, ballots: Tensor) -> Tensor:
        """Tokens [B] to begin at: a pause for seven of ten rows, else any cut, with enough after
        it; the first token where there is none."""
        width = torch.arange(self.ids.shape[1], device=self.device)
        within = width < self.ends[rows, None]
        starts = self.starts[rows]
        enough = starts[:, -1:] - starts >= self.sampler.min_frames
        options = torch.where(dice[:, None] < 0.7, self.pauses[rows], self.cuts[rows])
        options = options & within & enough
        first = torch.where(options, ballots, -1.0).argmax(1)
        return torch.where(options.any(1), first, 0)

    def cut(self, rows: Tensor, first: Tensor, limit: int) -> tuple[Tensor, ...]:
        """Segments from the tokens `first` on, of at most `limit` frames.

        Returns:
            ids, mods, durations [B, S], zero where padded; lengths, begin, stop [B], frames of the
            utterance.
        """
        width = torch.arange(self.ids.shape[1], device=self.device)
        starts, pauses, cuts = self.starts[rows], self.pauses[rows], self.cuts[rows]
        spans = torch.diff(starts, append=starts[:, -1:])
        end, at = self.ends[rows], first[:, None]

        def of(table: Tensor, index: Tensor) -> Tensor:
            return table.gather(1, index[:, None])[:, 0]

        head = torch.where(of(pauses, first), (of(spans, first) - EDGE).clamp_min(0), 0)
        begin = of(starts, first) + head
        # A closing pause counts with what is kept of it.
        kept = torch.where(pauses, spans.clamp_max(EDGE), 0)
        fits = starts + kept - begin[:, None] <= limit
        # One word is taken however long it is.
        far = len(width)
        later = torch.where(cuts & (width > at + 1), width, far).amin(1)
        least = torch.where(later < far, later, end)
        breaks = torch.where(cuts & ~fits & (width > least[:, None]), width, far).amin(1)
        last = torch.where(cuts & (width > at) & (width < breaks[:, None]), width, 0).amax(1)
        last = torch.maximum(last, torch.minimum(least, end))
        closing = (last < end) & of(pauses, last) & (last > first + 1)
        last = last + closing.long()
        # What is still longer than the batch loses tokens at its end.
        room = limit // 2
        place = last - first - 1
        shown = of(pauses, last - 1) & (place > 0)
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
        place = last - first - 1
        over = of(durations, place) - EDGE
        over = torch.where(of(pauses, last - 1) & (place > 0), over.clamp_min(0), 0)
        # A single token may still be too long.
        over = over + (of(starts, last) - over - begin - limit).clamp_min(0)
        stop = of(starts, last) - over
        durations = durations.scatter_add(1, place[:, None], -over[:, None])
        ids = torch.where(valid, self.ids[rows].gather(1, index), 0)
        mods = torch.where(valid, self.mods[rows].gather(1, index), 0)
        # Whatever pause is at an edge, it is short.
        slots = torch.arange(room, device=self.device)
        edge = (slots == 0) | (slots == place[:, None])
        ids = torch.where(edge & valid & pauses.gather(1, index), SIL, ids)
        return ids, mods, durations, last - first, begin, stop

    def prompts(
        self, rows: Tensor, begin: Tensor, stop: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Prompt features [B, P, C], frames [B], and the utterances whose embeddings go with them;
        see SegmentSampler.prompt_for."""
        low, high = self.sampler.prompt
        count = len(rows)
        dice = torch.rand(count, 5 + 3 * PIECES, device=self.device, generator=rng)
        wanted = low + (dice[:, 0] * (high + 1 - low)).long()
        total, others = self.frames[rows], self.others[rows]
        before, after = begin, total - stop
        room = torch.maximum(before, after)
        own = (others == 0) | ((room >= _FEW) & (dice[:, 1] < 0.5))
        length = torch.minimum(wanted, room).clamp_min(1)
        early = before >= after
        start = torch.where(early, 0, stop)
        start = start + (dice[:, 2] * (room - length + 1)).long()
        start = torch.minimum(start, total - length)
        pieces = [(rows, start, torch.where(own, length, 0))]
        filled = pieces[0][2]
        for n in range(PIECES):
            a, b, _ = dice[:, 5 + 3 * n : 8 + 3 * n].unbind(1)
            # Anyone of the speaker but this one.
            step = 1 + (a * others).long()
            at = self.begins[rows] + (self.place[rows] - self.begins[rows] + step) % (others + 1)
            other = self.order[at]
            missing = wanted - filled
            length = torch.minimum(missing, self.frames[other]).clamp_min(0)
            length = torch.where((others > 0) & ((missing >= _FEW) | (filled == 0)), length, 0)
            start = (b * (self.frames[other] - length + 1)).long()
            pieces.append((other, start, length))
            filled = filled + length
        sources, starts, lengths = (torch.stack(x, 1) for x in zip(*pieces, strict=True))
        ends = lengths.cumsum(1)
        index = torch.arange(high, device=self.device).expand(count, -1).contiguous()
        piece = torch.searchsorted(ends, index, right=True).clamp_max(PIECES)
        into = index - (ends - lengths).gather(1, piece) + starts.gather(1, piece)
        inside = index < filled[:, None]
        place = self.offsets[sources.gather(1, piece)] + into
        found = self.features[torch.where(inside, place, 0)].float() * inside[..., None]
        votes = torch.where(lengths > 0, dice[:, 5 : 5 + PIECES + 1], -1.0)
        return found, filled, sources.gather(1, votes.argmax(1)[:, None])[:, 0]

    def change(
        self, features: Tensor, warp: Tensor, limited: Tensor, top: Tensor, floor: Tensor
    ) -> Tensor:
        """Features [B, T, C] in the voices of `warp` [B], the bands above the one that `top` (0 to
        1) says empty where `limited`."""
        config = MelConfig()
        bands = torch.bmm(envelope_part(features), self.warp_matrices[warp])
        first = config.n_mels - 16 + (top * 15).long()
        lowest = (np.log(config.floor) - config.mean) / config.std + 0.3 * floor
        empty = torch.arange(config.n_mels, device=self.device) >= first[:, None]
        ceiling = torch.where(limited[:, None] & empty, lowest[:, None], torch.inf)
        bands = torch.minimum(bands, ceiling[:, None])
        pitch = features[..., -EXTRA:-1] + self.octaves[warp][:, None, None]
        return torch.cat([bands, pitch, features[..., -1:]], -1)
