"""Categorical head: codes are embedded per codebook, and drawn from a softmax per codebook."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.errors import ConfigError, UsageError
from tts.generators.base import Losses
from tts.generators.conditioning import Condition, Silence
from tts.generators.guidance import guide_rows
from tts.generators.heads.base import HeadBase
from tts.generators.named_patterns import group_sizes
from tts.generators.options import (
    CategoricalOptions,
    CodeOptions,
    CodeStepOptions,
    SilenceOptions,
    SpeculativeOptions,
    reads,
)
from tts.generators.protocols import SamplingKeys
from tts.generators.sampling import process, sample
from tts.generators.step_types import StepContext, TeacherForced
from tts_codecs.nn.derived_cache import DerivedCache
from tts_codecs.nn.inference import linear

#: devices that can be asked for values at no cost
NEAR = ("cpu",)


def near(x: Tensor) -> bool:
    """Whether shapes can depend on the values of x at no cost, as on a CPU; on a GPU the program
    would have to wait for them."""
    return x.device.type in NEAR


def codebook_errors(
    logits: Callable[[Tensor], Tensor], query: Tensor, codes: Tensor, counted: Tensor
) -> Tensor:
    """Sum of the cross entropies of the codes that count.

    Args:
        logits: function of queries [..., D] to logits [..., V].
        query: [..., D]; codes: [...] int64; counted: [...] bool.
    """
    if near(query):
        return F.cross_entropy(logits(query[counted]), codes[counted], reduction="sum")
    wanted = codes.masked_fill(~counted, -100)  # what cross_entropy ignores
    return F.cross_entropy(logits(query).flatten(0, -2), wanted.flatten(), reduction="sum")


class CategoricalHead(HeadBase):
    """K codebooks of V entries, drawn independently given the hidden state.

    Input and output share one table of entries of size `width` (Press & Wolf 2017), which is much
    smaller than `dim`. For FSQ codes, entries that agree in a digit also share a learned vector of
    that digit: in a few hours of speech many entries occur only a few times.

    Args:
        num_codebooks: K; codebook_size: V. Entry V stands for a code that is not known (masked, or
            not drawn yet).
        dim: of the backbone; width: of an entry.
        levels: sizes of the digits of an FSQ code, whose product is V; () for other codes.
        groups: how many groups of adjacent codebooks are drawn from hidden states of their own; the
            backbone returns these side by side, [..., groups * dim] (tts.generators.grouped).

    Raises:
        ConfigError: more groups than codebooks.
        ValueError: `levels` do not multiply to V.
    """

    #: the codebooks of a step are drawn one after another (tts.generators.patterns)
    sequential = False
    sampling: SamplingKeys = reads(CategoricalOptions, SilenceOptions, SpeculativeOptions)
    digits: Tensor
    strides: Tensor
    _values: Tensor
    _sizes: Tensor

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
        self.register_buffer("_values", values, persistent=False)
        self.register_buffer("strides", torch.tensor(strides, dtype=torch.int64), persistent=False)
        sizes = torch.tensor(list(levels), dtype=torch.int64)
        self.register_buffer("_sizes", sizes, persistent=False)
        self.shared = (
            nn.Parameter(torch.randn(num_codebooks, sum(levels), width)) if levels else None
        )
        self.entry = nn.Linear(num_codebooks * width, dim)
        self.out = nn.Linear(dim, num_codebooks * width)
        self.bias = nn.Parameter(torch.zeros(num_codebooks, codebook_size))
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        self._derived = DerivedCache()

    @property
    def values(self) -> Tensor:
        """[V, digits] the digits of each code; 0 digits for other codes."""
        return self._values

    @property
    def sizes(self) -> Tensor:
        """[digits] int64, how many values each digit has."""
        return self._sizes

    @torch.no_grad()
    def start_from(self, codebooks: Sequence[Tensor]) -> None:
        """Initialise entries by a random projection of learned codebooks [V, D], so that similar
        codes begin close together; from few hours of speech a model hardly learns that anew."""
        generator = torch.Generator().manual_seed(0)
        for entries, book in zip(self.table, codebooks, strict=True):
            turn = torch.randn(book.shape[1], self.width, generator=generator).to(book)
            turned = (book - book.mean(0)) @ turn
            entries[:-1] = turned / turned.std().clamp_min(1e-6)

    def _fast(self) -> bool:
        """Whether `folded` can be used. Weights that were made in inference mode have no version
        counter, so that a change of them would go unnoticed."""
        return torch.is_inference_mode_enabled() and not self.table.is_inference()

    def folded(self) -> tuple[Tensor, Tensor]:
        """Tables for inference, computed once: the input embedding of every code,
        [K * (V + 1), dim], and the output entries with the vectors of their digits,
        [K, V, width]."""
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
        """Entries [..., width] of the codes [...] of a codebook."""
        entry = F.embedding(codes, self.table[codebook])
        return entry if self.shared is None else entry + self.digits[codes] @ self.shared[codebook]

    def embed(self, codes: Tensor) -> Tensor:
        """Embed codes [B, S, K] int64, V where not known, to [B, S, dim]."""
        if self._fast():
            first = torch.arange(self.num_codebooks, device=codes.device) * (self.codebook_size + 1)
            rows = (codes + first).flatten(0, -2)
            entered = F.embedding_bag(rows, self.folded()[0], mode="sum") + self.entry.bias
            out: Tensor = entered.unflatten(0, codes.shape[:-1])
            return out
        parts = [self.enter(codes[..., k], k) for k in range(self.num_codebooks)]
        return linear(self.entry, torch.cat(parts, -1))

    def corrupt(self, codes: Tensor, share: float) -> Tensor:
        """Replace a random share, up to `share`, of the known codes [B, S, K] of a row. FSQ codes
        get one digit a level higher or lower, others become any entry.

        In sampling the model is fed its own codes, which are never quite those of a recording; with
        such errors in training it learns to continue from them.
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
        """Logits [..., V] of a codebook from queries [..., width]."""
        if self._fast():
            return query @ self.folded()[1][codebook].T + self.bias[codebook]
        logits = query @ self.table[codebook, :-1].T + self.bias[codebook]
        if self.shared is None:
            return logits
        # Entry and digits are scored separately, so that the whole table is not built.
        return logits + query @ self.shared[codebook].T @ self.digits[:-1].T

    def _query(self, hidden: Tensor) -> Tensor:
        """Queries [..., K, width], which are compared with entries, from hidden states
        [..., groups * dim]."""
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
        """Logits [..., K, V] from hidden states [..., dim]; [..., V] for one codebook."""
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
        """Whether codes are made of digits, as those of FSQ are."""
        return self.shared is not None

    def expected(self, log_probabilities: Tensor, barred: Tensor | None = None) -> Tensor:
        """The codes [...] whose digits are nearest to the means under distributions [..., V].

        Args:
            barred: [..., V] bool, codes that are not returned, unless they are together more likely
                than all others; then only they are.

        Raises:
            ConfigError: codes without digits.
        """
        if self.shared is None:
            raise ConfigError("fsq_decode: expected is for codes of an FSQ (levels of the head)")
        chances = log_probabilities.exp()
        if barred is not None:
            # Lifted in rows where they are the likelier ones together.
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
        """Unknown codes [B, S, K], which are fed before the first step."""
        return torch.full(
            (batch, steps, self.num_codebooks), self.codebook_size, device=self.bias.device
        )

    def step_losses(self, forced: TeacherForced, condition: Condition) -> Losses:
        """Cross entropy of the next step's codes [B, S, K]."""
        loss = self.loss(forced.hidden, forced.steps, forced.known)
        return Losses({"codes": loss}, lambda: self(forced.hidden).softmax(-1))

    def draw(self, hidden: Tensor, context: StepContext) -> Tensor:
        """Draw the codes of a step, [B, 1, K], or only those of `context.codebooks`."""
        options: CodeStepOptions = context.options
        silence, codebooks = context.condition.silence, context.codebooks
        if codebooks is None:
            logits, codebooks = self(hidden), range(self.num_codebooks)
        else:
            logits = torch.stack([self(hidden, codebook) for codebook in codebooks], -2)
        logits = guide_rows(logits, context.rows, options.guidance)
        hushed = None
        if options.silence_penalty and silence is not None and codebooks[0] == 0:
            fall = self.hush(silence, context.latents, context.at, options).unsqueeze(1)
            logits = logits.clone()
            logits[..., 0, :] -= fall
            hushed = torch.zeros_like(logits, dtype=torch.bool)
            hushed[..., 0, :] = fall > 0
        history = self.history(context, codebooks)
        likely = process(logits, options.categorical(), history)
        if context.observe is not None:
            context.observe(codebooks, likely)
        return self.choose(logits, context.rngs, options, history, hushed, likely)

    def choose(
        self,
        logits: Tensor,
        rngs: Sequence[torch.Generator],
        options: CodeOptions,
        history: Tensor | None = None,
        hushed: Tensor | None = None,
        likely: Tensor | None = None,
    ) -> Tensor:
        """Choose codes [B, ...] from logits [B, ..., V] by `options.fsq_decode`.

        Args:
            history: see `history`.
            hushed: [B, ..., V] bool, codes under the silence penalty. The mean of other codes may
                be one of them, which `expected` then avoids.
            likely: what `process` made of the logits, if it is known.

        Raises:
            UsageError: repetition_ratio with "expected", which draws nothing.
        """
        if options.fsq_decode == "expected" and self.has_digits:
            if options.repetition_ratio < 1:
                raise UsageError("repetition_ratio draws codes again: fsq_decode: drawn")
            if likely is None:
                likely = process(logits, options.categorical(), history)
            return self.expected(likely, hushed)
        return sample(logits, options.categorical(), rngs, history, likely)

    def hush(self, silence: Silence, latents: Tensor, at: int, options: SilenceOptions) -> Tensor:
        """How much the silence penalty (SSR-Speech) lowers the logits of the first codebook at the
        latent `at`, [B, V]. It grows with the number of silent latents in a row in which words are
        due.

        Args:
            latents: [B, U, K] codes drawn so far, V where not drawn yet.
        """
        last = latents[:, :at, 0].flip(1)
        quiet = silence.codes.gather(1, last.clamp_max(self.codebook_size - 1))
        # Latents that are not drawn yet, in patterns of another order, are not silence.
        quiet = quiet & silence.spoken[:, :at].flip(1) & (last < self.codebook_size)
        count = quiet.long().cumprod(1).sum(1) + 1 - options.silence_run
        due = silence.spoken[:, min(at, silence.spoken.shape[1] - 1)]
        fall = options.silence_penalty * (count.clamp_min(0) * due).unsqueeze(1)
        return fall * silence.codes

    def history(self, context: StepContext, codebooks: Sequence[int]) -> Tensor | None:
        """The last codes that each codebook has drawn, [B, 1, codebooks, H], oldest first and -1
        before the first; None if no option looks at repetitions."""
        options: CategoricalOptions = context.options
        latents, at = context.latents, context.at
        if options.repetition_ratio == 1 and options.repetition_penalty == 1:
            return None
        window = options.repetition_window
        if context.drawn is None:
            past = [list(range(max(0, at - window), at))] * len(codebooks)
        else:
            # A delayed codebook is at an earlier latent but looks back as far.
            past = [context.drawn(codebook, window) for codebook in codebooks]
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
