"""Depth head: a small causal transformer draws the codebooks of a frame one after another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.generators.base import Losses
from tts.generators.conditioning import Condition
from tts.generators.guidance import guide_rows
from tts.generators.heads.categorical import CategoricalHead, codebook_errors, near
from tts.generators.options import CategoricalOptions, CodeStepOptions, SilenceOptions, reads
from tts.generators.protocols import SamplingKeys
from tts.generators.sampling import process
from tts.generators.step_types import StepContext, TeacherForced
from tts.modules.transformer import BlockCache, DiTBlock, whole_rotary
from tts_codecs.nn.derived_cache import DerivedCache
from tts_codecs.nn.inference import linear


@dataclass(frozen=True)
class _Tables:
    """Tables for inference that are derived from the weights once.

    Attributes:
        enter: [K * (V + 1), depth_dim], the embedding of every code as input for the next codebook.
        table: rotary embeddings of K positions, see whole_rotary.
        norms: weight and bias of both layer norms of each block; they include the modulation, which
            is constant here, and the convolution, whose kernel is 1.
        gates: of attention and of feed-forward of each block, [depth_dim].
    """

    enter: Tensor
    table: tuple[Tensor, Tensor]
    norms: list[tuple[Tensor, Tensor, Tensor, Tensor]]
    gates: list[tuple[Tensor, Tensor]]


class DepthHead(CategoricalHead):
    """K codebooks, each drawn given the hidden state of the frame and the codebooks before it.

    Such depth transformers are the fast transformer of Fish-Speech (Liao et al. 2024) and the
    sub-decoder of MQTTS (Chen et al. 2023). Embeddings and output entries are those of
    CategoricalHead. There is no state between frames; drawn codes reach the next frame through the
    backbone.

    Args:
        num_codebooks, codebook_size, dim, width, levels: see CategoricalHead.
        blocks, heads, hidden: sizes of the transformer over the codebooks.
        depth_dim: its width, to which hidden states and entries are projected; by default `dim`.
    """

    sequential = True
    sampling: SamplingKeys = reads(CategoricalOptions, SilenceOptions)

    def __init__(
        self,
        num_codebooks: int = 8,
        codebook_size: int = 1000,
        dim: int = 256,
        width: int = 64,
        levels: Sequence[int] = (),
        blocks: int = 2,
        heads: int = 4,
        hidden: int = 512,
        depth_dim: int | None = None,
    ):
        super().__init__(num_codebooks, codebook_size, dim, width, levels)
        self.heads = heads
        self.project: nn.Linear | None = None
        if depth_dim not in (None, dim):
            self.project = nn.Linear(dim, depth_dim)
            self.out = nn.Linear(depth_dim, num_codebooks * width)
            nn.init.normal_(self.out.weight, std=0.01)
            nn.init.zeros_(self.out.bias)
            dim = depth_dim
        self.position = nn.Parameter(torch.randn(num_codebooks, dim) * 0.02)
        # With a kernel of 1 only attention mixes codebooks.
        self.blocks = nn.ModuleList(
            DiTBlock(dim, heads, hidden, 0, kernel=1, causal=True) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(dim)
        self._tables = DerivedCache()

    def _into(self) -> Tensor:
        """Weights from entries to inputs of the transformer, [K, depth_dim, width]."""
        into = self.entry.weight
        if self.project is not None:
            into = self.project.weight @ into
        out: Tensor = into.unflatten(1, (self.num_codebooks, self.width)).transpose(0, 1)
        return out

    def _deepen(self, x: Tensor) -> Tensor:
        """Inputs for the codebooks so far [N, k, dim] to their hidden states."""
        position = torch.arange(x.shape[1], device=x.device)
        table = whole_rotary(position, x.shape[-1] // self.heads)
        before = (position <= position.unsqueeze(1))[None, None]
        still = x.new_zeros(1, 6, x.shape[-1])
        for block in self.blocks:
            x = block(x, cast(DiTBlock, block).parts(still), table, None, before, None)
        out: Tensor = self.norm(x)
        return out

    def deepen(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """The states [N, K, depth_dim] from which the codebooks are drawn, each given those before
        it, from hidden states of frames [N, dim] and their true codes [N, K]."""
        into = self._into()
        first = hidden if self.project is None else self.project(hidden)
        inputs = [first] + [
            first + F.linear(self.enter(codes[:, codebook], codebook), into[codebook])
            for codebook in range(self.num_codebooks - 1)
        ]
        return self._deepen(torch.stack(inputs, 1) + self.position)

    def loss(self, hidden: Tensor, codes: Tensor, known: Tensor) -> Tensor:
        """Mean cross entropy of codes [B, S, K] where `known`, each given those before it in its
        frame."""
        if near(hidden):
            frames = known.any(-1)
            hidden, codes, counted = hidden[frames], codes[frames], known[frames]
        else:
            hidden, codes, counted = (x.flatten(0, 1) for x in (hidden, codes, known))
        deep = self.deepen(hidden, codes)
        total = hidden.new_zeros(())
        for codebook in range(self.num_codebooks):
            total = total + codebook_errors(
                partial(self, codebook=codebook),
                deep[:, codebook],
                codes[:, codebook],
                counted[:, codebook],
            )
        return total / known.sum().clamp_min(1)

    def step_losses(self, forced: TeacherForced, condition: Condition) -> Losses:
        """Cross entropy of the next step's codes [B, S, K], given those before in their frame."""
        hidden, steps = forced.hidden, forced.steps

        def estimate() -> Tensor:
            deep = self.deepen(hidden.flatten(0, 1), steps.flatten(0, 1))
            logits = torch.stack(
                [self(deep[:, codebook], codebook) for codebook in range(self.num_codebooks)], 1
            )
            out: Tensor = logits.softmax(-1).unflatten(0, hidden.shape[:2])
            return out

        return Losses({"codes": self.loss(hidden, steps, forced.known)}, estimate)

    def _made(self) -> _Tables:
        weights: list[Tensor] = [self.table, self.entry.weight]
        weights += [] if self.shared is None else [self.shared]
        weights += [] if self.project is None else [self.project.weight]
        for module in self.blocks:
            block = cast(DiTBlock, module)
            weights += [block.offset, *block.depthwise.parameters()]
        found: _Tables = self._tables.get(weights, self._make)
        return found

    def _make(self) -> _Tables:
        enter = self.folded()[0]
        if self.project is not None:
            enter = F.linear(enter, self.project.weight)
        norms, gates = [], []
        for module in self.blocks:
            block = cast(DiTBlock, module)
            still = block.offset.new_zeros(1, *block.offset.shape)
            shift1, scale1, gate1, shift2, scale2, gate2 = (
                part.flatten() for part in block.parts(still)
            )
            taps, bias = block.taps()[0], block.depthwise.bias
            assert bias is not None
            norms.append((scale1, shift1, scale2 * taps, shift2 * taps + bias))
            gates.append((gate1, gate2))
        position = torch.arange(self.num_codebooks, device=self.position.device)
        table = whole_rotary(position, self.position.shape[1] // self.heads)
        return _Tables(enter, table, norms, gates)

    def _stepper(self, hidden: Tensor) -> Callable[[Tensor | None, int], Tensor]:
        """A function that runs `deepen` one codebook after another, with a KV cache.

        Args:
            hidden: [N, 1, dim] of the frames.

        Returns:
            A function of the codes [N, 1] of the codebook before (None for the first) and the
            number of the codebook, to the state [N, 1, depth_dim] from which it is drawn. It has to
            be called for all codebooks in order.
        """
        made = self._made()
        first = hidden if self.project is None else self.project(hidden)
        inputs = first + self.position
        rows, _, dim = first.shape
        shape = (len(self.blocks), 2, rows, self.heads, self.num_codebooks, dim // self.heads)
        none = first.new_empty(0)  # a kernel of 1 needs no past inputs
        kept = first.new_empty(shape)
        caches = [BlockCache(keys, values, 0, none, none) for keys, values in kept]

        def step(code: Tensor | None, codebook: int) -> Tensor:
            x = inputs[:, codebook : codebook + 1]
            if code is not None:
                x = x + F.embedding(code + (codebook - 1) * (self.codebook_size + 1), made.enter)
            table = (made.table[0][codebook : codebook + 1], made.table[1][codebook : codebook + 1])
            for block, norms, gates, cache in zip(
                cast(list[DiTBlock], self.blocks), made.norms, made.gates, caches, strict=True
            ):
                y = F.layer_norm(x, (dim,), norms[0], norms[1])
                x = torch.addcmul(x, gates[0], block.attention(y, table, None, None, cache))
                y = F.layer_norm(x, (dim,), norms[2], norms[3])
                x = torch.addcmul(x, gates[1], linear(block.down, linear(block.up, y, gelu="none")))
            out: Tensor = self.norm(x)
            return out

        return step

    def _plain(self, hidden: Tensor) -> Callable[[Tensor | None, int], Tensor]:
        """As `_stepper`, without a cache: every call runs all codebooks so far, as in training."""
        codes = hidden.new_zeros(len(hidden), self.num_codebooks, dtype=torch.int64)

        def step(code: Tensor | None, codebook: int) -> Tensor:
            if code is not None:
                codes[:, codebook - 1 : codebook] = code
            return self.deepen(hidden[:, 0], codes)[:, codebook : codebook + 1]

        return step

    def draw(self, hidden: Tensor, context: StepContext) -> Tensor:
        """Draw the codes of a frame, [B, 1, K], from hidden states [B or 2 B, 1, dim]."""
        options: CodeStepOptions = context.options
        rows, silence = context.rows, context.condition.silence
        history = self.history(context, range(self.num_codebooks))
        step = self._stepper(hidden) if self._fast() else self._plain(hidden)
        made: list[Tensor] = []
        code: Tensor | None = None
        for codebook in range(self.num_codebooks):
            logits = guide_rows(self(step(code, codebook), codebook), rows, options.guidance)
            hushed = None
            if options.silence_penalty and silence is not None and codebook == 0:
                fall = self.hush(silence, context.latents, context.at, options).unsqueeze(1)
                logits, hushed = logits - fall, fall > 0
            past = None if history is None else history[:, :, codebook]
            likely = process(logits, options.categorical(), past)
            if context.observe is not None:
                context.observe([codebook], likely.unsqueeze(-2))
            made.append(self.choose(logits, context.rngs, options, past, hushed, likely))
            code = made[-1].repeat(len(hidden) // rows, 1) if len(hidden) > rows else made[-1]
        return torch.stack(made, -1)
