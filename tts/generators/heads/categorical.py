"""Codes: an embedding per codebook on the way in, a distribution per codebook on the way out."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.errors import ConfigError, UsageError
from tts.generators.base import Losses, SamplingOptions
from tts.generators.conditioning import Condition, Silence
from tts.generators.guidance import guide_rows
from tts.generators.named_patterns import group_sizes
from tts.generators.protocols import DRAFT, SamplingKeys, StepContext, TeacherForced
from tts.generators.sampling import process, sample
from tts_codecs.nn.derived_cache import DerivedCache
from tts_codecs.nn.inference import linear

#: devices that can be asked for values at no cost
NEAR = ("cpu",)


def near(x: Tensor) -> bool:
    """Whether shapes may depend on the values of x: an accelerator would have to be waited for."""
    return x.device.type in NEAR


def codebook_errors(
    logits: Callable[[Tensor], Tensor], query: Tensor, codes: Tensor, counted: Tensor
) -> Tensor:
    """Sum of the cross entropies of codes [...] given `query` [..., D] where `counted` [...] bool:
    only of those where that is known, else of all, with the others left out of the sum."""
    if near(query):
        return F.cross_entropy(logits(query[counted]), codes[counted], reduction="sum")
    wanted = codes.masked_fill(~counted, -100)  # what cross_entropy ignores
    return F.cross_entropy(logits(query).flatten(0, -2), wanted.flatten(), reduction="sum")


class CategoricalHead(nn.Module):
    """K codebooks of V entries, drawn independently given the hidden state.

    Entries are vectors of `width` shared by both directions (Press & Wolf 2017), low-rank against
    V. Where the codes are those of an FSQ, `levels` lets entries that agree in a digit share what
    is learned of it: a few hours of speech show many entries only a few times.

    Args:
        num_codebooks: K; codebook_size: V, entry V stands for a code not known (masked, or not yet
            begun).
        dim: of the backbone; width: of an entry.
        levels: digits of an FSQ code, their product is V; () for codes without structure.
        groups: of adjacent codebooks, each drawn from hidden states of its own; the backbone gives
            them side by side, [..., groups * dim] (tts.generators.grouped).
    """

    #: the codebooks of a step are drawn one after another (tts.generators.patterns)
    sequential = False
    posterior = False
    guides_itself = False
    sampling: SamplingKeys = {
        "top_k": (), "top_p": (), "min_p": (), "typical_p": (), "fsq_decode": (),
        "repetition_window": (), "repetition_penalty": (), "repetition_ratio": (),
        "silence_penalty": (), "silence_run": (), **dict.fromkeys(DRAFT, ()),
    }  # fmt: skip
    digits: Tensor
    values: Tensor
    strides: Tensor
    sizes: Tensor

    def __init__(
        self,
        num_codebooks: int = 8,
        codebook_size: int = 1000,
        dim: int = 256,
        width: int = 64,
        levels: Sequence[int] = (),
        groups: int = 1,
    ):
        super().__init__()
        if not 1 <= groups <= num_codebooks:
            raise ConfigError(f"groups is from 1 to the {num_codebooks} codebooks, not {groups}")
        sizes_of_groups = group_sizes(num_codebooks, groups)
        #: group of each codebook
        self.group = [at for at, count in enumerate(sizes_of_groups) for _ in range(count)]
        self.groups = groups
        if levels and math.prod(levels) != codebook_size:
            raise ValueError(f"levels {list(levels)} do not make {codebook_size} entries")
        self.num_codebooks, self.codebook_size, self.width = num_codebooks, codebook_size, width
        self.table = nn.Parameter(
            torch.randn(num_codebooks, codebook_size + 1, width) * (0.02 if levels else 1)
        )
        digits = torch.zeros(codebook_size + 1, sum(levels))
        values = torch.zeros(codebook_size, len(levels))
        strides, step, column = [], 1, 0
        for number, size in enumerate(levels):
            digit = torch.arange(codebook_size) // step % size
            digits[torch.arange(codebook_size), column + digit] = 1.0
            values[:, number] = digit
            strides.append(step)
            step, column = step * size, column + size
        self.register_buffer("digits", digits, persistent=False)
        self.register_buffer("values", values, persistent=False)
        self.register_buffer("strides", torch.tensor(strides, dtype=torch.int64), persistent=False)
        sizes = torch.tensor(list(levels), dtype=torch.int64)
        self.register_buffer("sizes", sizes, persistent=False)
        self.shared = (
            nn.Parameter(torch.randn(num_codebooks, sum(levels), width)) if levels else None
        )
        self.entry = nn.Linear(num_codebooks * width, dim)
        self.out = nn.Linear(dim, num_codebooks * width)
        self.bias = nn.Parameter(torch.zeros(num_codebooks, codebook_size))
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        self._derived = DerivedCache()

    @torch.no_grad()
    def start_from(self, codebooks: Sequence[Tensor]) -> None:
        """Let entries begin as near to each other as those of learned codebooks [V, D] are, of
        whatever D: a few hours of speech show each of many entries too seldom to find that anew."""
        generator = torch.Generator().manual_seed(0)
        for entries, book in zip(self.table, codebooks, strict=True):
            turn = torch.randn(book.shape[1], self.width, generator=generator).to(book)
            turned = (book - book.mean(0)) @ turn
            entries[:-1] = turned / turned.std().clamp_min(1e-6)

    def _fast(self) -> bool:
        """Whether `folded` serves: weights made in inference mode do not tell when they change."""
        return torch.is_inference_mode_enabled() and not self.table.is_inference()

    def folded(self) -> tuple[Tensor, Tensor]:
        """Tables for inference, made once: what the codes of each codebook add to the input,
        [K * (V + 1), dim], and the entries with all that their digits share, [K, V, width]."""
        weights = [self.table, self.entry.weight]
        if self.shared is not None:
            weights.append(self.shared)
        found: tuple[Tensor, Tensor] = self._derived.get(weights, self._fold)
        return found

    def _fold(self) -> tuple[Tensor, Tensor]:
        whole: Tensor = self.table
        if self.shared is not None:
            whole = whole + self.digits @ self.shared
        into = self.entry.weight.unflatten(1, (self.num_codebooks, self.width))
        enter = torch.einsum("kvw,dkw->kvd", whole, into).flatten(0, 1)
        return enter, whole[:, :-1].contiguous()

    def enter(self, codes: Tensor, codebook: int) -> Tensor:
        """Codes [...] of a codebook to entries [..., width]."""
        entry = F.embedding(codes, self.table[codebook])
        return entry if self.shared is None else entry + self.digits[codes] @ self.shared[codebook]

    def embed(self, codes: Tensor) -> Tensor:
        """Codes [B, S, K] int64, V where not known, to [B, S, dim]."""
        if self._fast():
            first = torch.arange(self.num_codebooks, device=codes.device) * (self.codebook_size + 1)
            rows = (codes + first).flatten(0, -2)
            entered = F.embedding_bag(rows, self.folded()[0], mode="sum") + self.entry.bias
            out: Tensor = entered.unflatten(0, codes.shape[:-1])
            return out
        parts = [self.enter(codes[..., k], k) for k in range(self.num_codebooks)]
        return linear(self.entry, torch.cat(parts, -1))

    def corrupt(self, codes: Tensor, share: float) -> Tensor:
        """Codes [B, S, K] of which up to `share` in each row are others: a digit one level up or
        down where there are digits, else any entry. What is not known stays so.

        What a model feeds itself is never quite what was recorded; shown a little wrong in
        training, it learns to go on from that as well.
        """
        rate = share * torch.rand(len(codes), 1, 1, device=codes.device)
        moved = (torch.rand(codes.shape, device=codes.device) < rate) & (codes < self.codebook_size)
        if self.shared is None:
            return torch.where(moved, torch.randint_like(codes, self.codebook_size), codes)
        digit = torch.randint_like(codes, len(self.strides))
        change = torch.randint_like(codes, 2) * 2 - 1
        value = self.values[codes.clamp_max(self.codebook_size - 1)].gather(-1, digit.unsqueeze(-1))
        value = value.squeeze(-1).long() + change
        fits = (value >= 0) & (value < self.sizes[digit])
        return torch.where(moved & fits, codes + change * self.strides[digit], codes)

    def _logits(self, query: Tensor, codebook: int) -> Tensor:
        """[..., width] to [..., V]."""
        if self._fast():
            return query @ self.folded()[1][codebook].T + self.bias[codebook]
        logits = query @ self.table[codebook, :-1].T + self.bias[codebook]
        if self.shared is None:
            return logits
        # The digits are met one by one: a step need not put the whole table together.
        return logits + query @ self.shared[codebook].T @ self.digits[:-1].T

    def _query(self, hidden: Tensor) -> Tensor:
        """Hidden [..., groups * dim] to what is compared with entries, [..., K, width]."""
        if self.groups == 1:
            query: Tensor = linear(self.out, hidden)
            flat: Tensor = query.unflatten(-1, (self.num_codebooks, self.width))
            return flat
        own = hidden.unflatten(-1, (self.groups, -1))[..., self.group, :]
        weight = self.out.weight.unflatten(0, (self.num_codebooks, self.width))
        bias = self.out.bias.unflatten(0, (self.num_codebooks, self.width))
        out: Tensor = torch.einsum("...kd,kwd->...kw", own, weight) + bias
        return out

    def forward(self, hidden: Tensor, codebook: int | None = None) -> Tensor:
        """Hidden [..., dim] to logits [..., K, V], or of one codebook [..., V]."""
        if codebook is not None:
            part = slice(codebook * self.width, (codebook + 1) * self.width)
            if self.groups > 1:
                hidden = hidden.unflatten(-1, (self.groups, -1))[..., self.group[codebook], :]
            return self._logits(
                F.linear(hidden, self.out.weight[part], self.out.bias[part]), codebook
            )
        query = self._query(hidden)
        if self._fast():
            return torch.einsum("...kw,kvw->...kv", query, self.folded()[1]) + self.bias
        logits = torch.einsum("...kw,kvw->...kv", query, self.table[:, :-1]) + self.bias
        if self.shared is None:
            return logits
        digits = torch.einsum("...kw,klw->...kl", query, self.shared)
        return logits + digits @ self.digits[:-1].T

    def loss(self, hidden: Tensor, codes: Tensor, known: Tensor) -> Tensor:
        """Mean cross entropy of codes [B, S, K] where `known` [B, S, K] bool."""
        query = self._query(hidden)
        total = hidden.new_zeros(())
        for codebook in range(self.num_codebooks):
            total = total + codebook_errors(
                partial(self._logits, codebook=codebook),
                query[..., codebook, :],
                codes[..., codebook],
                known[..., codebook],
            )
        return total / known.sum().clamp_min(1)

    @property
    def has_digits(self) -> bool:
        """Whether entries are numbers of digits, as those of an FSQ."""
        return self.shared is not None

    def expected(self, log_probabilities: Tensor, barred: Tensor | None = None) -> Tensor:
        """The codes [...] whose digits are nearest to their means under [..., V].

        Args:
            barred: [..., V] bool, codes that are no result as long as others are likelier together.

        Raises:
            ConfigError: codes without digits.
        """
        if self.shared is None:
            raise ConfigError("fsq_decode: expected is for codes of an FSQ (levels of the head)")
        chances = log_probabilities.exp()
        if barred is not None:
            # Where they are likelier than all others together it is one of them.
            barred = barred & ((chances * barred).sum(-1, keepdim=True) < 0.5)
            chances = chances.masked_fill(barred, 0.0)
            chances = chances / chances.sum(-1, keepdim=True)
        means = chances @ self.values
        codes = (means.round().long() * self.strides).sum(-1)
        if barred is None:
            return codes
        distance = torch.cdist(means.flatten(0, -2), self.values).view_as(chances)
        nearest = distance.masked_fill(barred, torch.inf).argmin(-1)
        return torch.where(barred.gather(-1, codes.unsqueeze(-1))[..., 0], nearest, codes)

    def empty(self, batch: int, steps: int) -> Tensor:
        """Steps before the first: codes not known, [B, S, K]."""
        return torch.full(
            (batch, steps, self.num_codebooks), self.codebook_size, device=self.bias.device
        )

    def step_losses(self, forced: TeacherForced, condition: Condition) -> Losses:
        """Cross entropy of the next step's codes [B, S, K]."""
        loss = self.loss(forced.hidden, forced.steps, forced.known)
        return Losses({"codes": loss}, lambda: self(forced.hidden).softmax(-1))

    def draw(self, hidden: Tensor, given: StepContext) -> Tensor:
        """The codes of a step, [B, 1, K] or of its codebooks only."""
        options, silence, codebooks = given.options, given.condition.silence, given.codebooks
        if codebooks is None:
            logits, codebooks = self(hidden), range(self.num_codebooks)
        else:
            logits = torch.stack([self(hidden, codebook) for codebook in codebooks], -2)
        logits = guide_rows(logits, given.rows, options.guidance)
        hushed = None
        if options.silence_penalty and silence is not None and codebooks[0] == 0:
            fall = self.hush(silence, given.latents, given.at, options).unsqueeze(1)
            logits = logits.clone()
            logits[..., 0, :] -= fall
            hushed = torch.zeros_like(logits, dtype=torch.bool)
            hushed[..., 0, :] = fall > 0
        history = self.history(given, codebooks)
        return self.choose(logits, given.rngs, options, history, hushed)

    def choose(
        self,
        logits: Tensor,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        history: Tensor | None = None,
        hushed: Tensor | None = None,
    ) -> Tensor:
        """Codes [B, ...] from logits [B, ..., V], as `options.fsq_decode` says.

        Args:
            hushed: [B, ..., V] bool, codes of silence of which there has been enough: they may well
                lie in the middle of others that are drawn.

        Raises:
            UsageError: a draw that looks at repetitions, where nothing is drawn.
        """
        if options.fsq_decode == "expected" and self.has_digits:
            if options.repetition_ratio < 1:
                raise UsageError("repetition_ratio draws codes again: fsq_decode: drawn")
            return self.expected(process(logits, options.categorical(), history), hushed)
        return sample(logits, options.categorical(), rngs, history)

    def hush(self, silence: Silence, latents: Tensor, at: int, options: SamplingOptions) -> Tensor:
        """[B, V] by how much logits of the first codebook fall for latent `at`: those of silence,
        the more the longer it has been silent where words are due (SSR-Speech)."""
        last = latents[:, :at, 0].flip(1)
        quiet = silence.codes.gather(1, last.clamp_max(self.codebook_size - 1))
        # What is yet to be drawn, where latents are not visited in their order, is no silence.
        quiet = quiet & silence.spoken[:, :at].flip(1) & (last < self.codebook_size)
        count = quiet.long().cumprod(1).sum(1) + 1 - options.silence_run
        due = silence.spoken[:, min(at, silence.spoken.shape[1] - 1)]
        fall = options.silence_penalty * (count.clamp_min(0) * due).unsqueeze(1)
        return fall * silence.codes

    def history(self, given: StepContext, codebooks: Sequence[int]) -> Tensor | None:
        """The last codes [B, 1, codebooks, H] that each codebook has drawn, oldest first, -1 for
        none before them; None where they do not count."""
        latents, at, options = given.latents, given.at, given.options
        if options.repetition_ratio == 1 and options.repetition_penalty == 1:
            return None
        window = options.repetition_window
        if given.drawn is None:
            past = [list(range(max(0, at - window), at))] * len(codebooks)
        else:
            # A codebook that is delayed has drawn less far, but as many.
            past = [given.drawn(codebook, window) for codebook in codebooks]
        size = max(map(len, past))
        rows = [[-1] * (size - len(times)) + times for times in past]
        index = torch.tensor(rows, dtype=torch.int64, device=latents.device)
        column = torch.tensor(codebooks, device=latents.device).unsqueeze(1)
        recent = latents[:, index.clamp(0, latents.shape[1] - 1), column]
        none = (index < 0) | (index >= latents.shape[1]) | (recent == self.codebook_size)
        recent = recent.masked_fill(none, -1)
        # What is not there, past the end of a row, takes no place in the window.
        recent = recent.gather(-1, (recent >= 0).long().argsort(dim=-1, stable=True))
        return recent[..., -window:].unsqueeze(1)
