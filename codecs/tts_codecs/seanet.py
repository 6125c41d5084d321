"""Chunked decoding for the `encodec` package's causal SEANet decoder, with explicit state.

The package decodes whole sequences only. Here its own layers run on one piece after the other:
convolutions keep their left context, transposed convolutions the part that overlaps the next
piece, the LSTM its hidden and cell state.

Each convolution pads the start of the sequence by reflection, so it can answer only when it has
seen more inputs than its padding is long; until then they wait in its state. Later inputs are
answered at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.errors import CodecError

# Pieces up to this length run the LSTM cell by cell: on a CPU nn.LSTM packs its weights anew in
# every call, which costs as much as several steps.
_SHORT = 4


@dataclass(frozen=True)
class ConvState:
    """Inputs ``[B, C, p]`` seen last; before ``started``, all inputs that wait for the padding."""

    context: Tensor
    started: bool


@dataclass(frozen=True)
class TransposeState:
    """Outputs ``[B, C, kernel - stride]`` of the last inputs that reach into the next piece."""

    tail: Tensor


@dataclass(frozen=True)
class LSTMState:
    """Hidden and cell state, each ``[layers, B, C]``."""

    hidden: Tensor
    cell: Tensor


@dataclass(frozen=True)
class BlockState:
    """Residual block: states of its two branches, and shortcut outputs ``[B, C, n]`` that wait
    for the slower branch."""

    branch: tuple[LayerState, ...]
    shortcut: LayerState
    waiting: Tensor


LayerState: TypeAlias = "ConvState | TransposeState | LSTMState | BlockState | None"


def reflect_left(x: Tensor, padding: int) -> Tensor:
    """Reflect ``padding`` values to the left of ``x [B, C, n]``, n >= 1.

    Where n is not larger than the padding the sequence counts as continued by zeros, as in the
    package.
    """
    if padding == 0:
        return x
    missing = max(0, padding + 1 - x.shape[2])
    padded = F.pad(F.pad(x, (0, missing)), (padding, 0), mode="reflect")
    return padded[..., : padded.shape[2] - missing]


def _lstm_steps(
    lstm: nn.LSTM, x: Tensor, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """``lstm`` over ``x [n, B, C]`` cell by cell: outputs, hidden and cell state."""
    states = [(hidden[k], cell[k]) for k in range(lstm.num_layers)]
    outputs = []
    for step in x.unbind(0):
        for k, state in enumerate(states):
            states[k] = torch.lstm_cell(step, state, *lstm.all_weights[k])
            step = states[k][0]
        outputs.append(step)
    hidden, cell = (torch.stack(part) for part in zip(*states, strict=True))
    return torch.stack(outputs), hidden, cell


class SEANetStream:
    """Runs a ``SEANetDecoder`` piece by piece; holds no state between calls.

    Args:
        decoder: causal ``encodec.modules.SEANetDecoder`` with reflect padding, and weight norm or
            no norm.

    Raises:
        CodecError: a decoder with a layer that cannot be streamed.
    """

    def __init__(self, decoder: nn.Module) -> None:
        from encodec.modules import SLSTM, SConv1d, SConvTranspose1d
        from encodec.modules.seanet import SEANetResnetBlock

        # Any: the package's layers are not typed closely enough to look into them.
        self._conv: Any = SConv1d
        self._transpose: Any = SConvTranspose1d
        self._lstm: Any = SLSTM
        self._block: Any = SEANetResnetBlock
        model = decoder.model
        if not isinstance(model, nn.Sequential):
            raise CodecError("SEANet decoder: expected a sequence of layers")
        self.layers: list[nn.Module] = list(model)
        for layer in self.layers:
            self._check(layer)

    @property
    def look_ahead(self) -> int:
        """Frames that the first layer waits for at the start of a stream."""
        first = self.layers[0]
        return self._padding(first) if isinstance(first, self._conv) else 0

    def init(self, batch: int, like: Tensor) -> tuple[LayerState, ...]:
        """States of all layers for a new stream of ``batch`` rows, on the device of ``like``."""
        return tuple(self._init(layer, batch, like) for layer in self.layers)

    def step(
        self, x: Tensor, states: tuple[LayerState, ...], last: bool
    ) -> tuple[Tensor, tuple[LayerState, ...]]:
        """Next outputs ``[B, C', m]`` for the next inputs ``x [B, C, n]``, and the new states."""
        return self._run(self.layers, x, states, last)

    def _check(self, layer: Any) -> None:
        if isinstance(layer, self._block):
            for inner in (*layer.block, layer.shortcut):
                self._check(inner)
        elif isinstance(layer, self._conv):
            conv = layer.conv
            if not layer.causal or conv.conv.stride[0] != 1 or layer.pad_mode != "reflect":
                raise CodecError("SEANet decoder: needs causal convolutions with reflect padding")
            if not isinstance(conv.norm, nn.Identity):
                raise CodecError(f"SEANet decoder: norm {conv.norm_type!r} cannot be streamed")
        elif isinstance(layer, self._transpose):
            if not layer.causal or layer.trim_right_ratio != 1:
                raise CodecError("SEANet decoder: needs causal, right-trimmed transposed layers")
            if not isinstance(layer.convtr.norm, nn.Identity):
                raise CodecError(f"SEANet decoder: norm {layer.convtr.norm_type!r} is not causal")
        elif not isinstance(layer, (self._lstm, nn.ELU, nn.ReLU, nn.Tanh, nn.Identity)):
            raise CodecError(f"SEANet decoder: cannot stream a {type(layer).__name__}")

    def _padding(self, layer: Any) -> int:
        conv = layer.conv.conv
        return int((conv.kernel_size[0] - 1) * conv.dilation[0])

    def _init(self, layer: Any, batch: int, like: Tensor) -> LayerState:
        if isinstance(layer, self._conv):
            return ConvState(like.new_zeros(batch, layer.conv.conv.in_channels, 0), False)
        if isinstance(layer, self._transpose):
            convtr = layer.convtr.convtr
            overlap = convtr.kernel_size[0] - convtr.stride[0]
            return TransposeState(like.new_zeros(batch, convtr.out_channels, overlap))
        if isinstance(layer, self._lstm):
            lstm = layer.lstm
            zeros = like.new_zeros(lstm.num_layers, batch, lstm.hidden_size)
            return LSTMState(zeros, zeros)
        if isinstance(layer, self._block):
            width = layer.block[-1].conv.conv.out_channels
            return BlockState(
                tuple(self._init(inner, batch, like) for inner in layer.block),
                self._init(layer.shortcut, batch, like),
                like.new_zeros(batch, width, 0),
            )
        return None

    def _run(
        self, layers: Any, x: Tensor, states: tuple[LayerState, ...], last: bool
    ) -> tuple[Tensor, tuple[LayerState, ...]]:
        after = []
        for layer, state in zip(layers, states, strict=True):
            x, new = self._step(layer, x, state, last)
            after.append(new)
        return x, tuple(after)

    def _step(
        self, layer: Any, x: Tensor, state: LayerState, last: bool
    ) -> tuple[Tensor, LayerState]:
        if isinstance(state, ConvState):
            return self._step_conv(layer, x, state, last)
        if isinstance(state, TransposeState):
            return self._step_transpose(layer, x, state)
        if isinstance(state, LSTMState):
            return self._step_lstm(layer, x, state)
        if isinstance(state, BlockState):
            y, branch = self._run(layer.block, x, state.branch, last)
            held, shortcut = self._step(layer.shortcut, x, state.shortcut, last)
            held = torch.cat((state.waiting, held), 2)
            ready = y.shape[2]
            return held[..., :ready] + y, BlockState(branch, shortcut, held[..., ready:])
        return layer(x), None

    def _step_conv(
        self, layer: Any, x: Tensor, state: ConvState, last: bool
    ) -> tuple[Tensor, ConvState]:
        padding = self._padding(layer)
        seen = torch.cat((state.context, x), 2)
        if not state.started:
            if seen.shape[2] == 0 or (seen.shape[2] <= padding and not last):
                return x.new_zeros(x.shape[0], layer.conv.conv.out_channels, 0), ConvState(
                    seen, False
                )
            seen = reflect_left(seen, padding)
        elif x.shape[2] == 0:
            return x.new_zeros(x.shape[0], layer.conv.conv.out_channels, 0), state
        return layer.conv(seen), ConvState(seen[..., seen.shape[2] - padding :], True)

    def _step_transpose(
        self, layer: Any, x: Tensor, state: TransposeState
    ) -> tuple[Tensor, TransposeState]:
        convtr = layer.convtr.convtr
        if x.shape[2] == 0:
            return x.new_zeros(x.shape[0], convtr.out_channels, 0), state
        y = layer.convtr(x)
        overlap = state.tail.shape[2]
        y = torch.cat((y[..., :overlap] + state.tail, y[..., overlap:]), 2)
        ready = x.shape[2] * convtr.stride[0]
        tail = y[..., ready:]
        if convtr.bias is not None:
            # The next piece adds its own bias to these samples.
            tail = tail - convtr.bias[:, None]
        return y[..., :ready], TransposeState(tail)

    def _step_lstm(self, layer: Any, x: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        if x.shape[2] == 0:
            return x, state
        inputs = x.permute(2, 0, 1).contiguous()
        if x.shape[2] <= _SHORT:
            y, hidden, cell = _lstm_steps(layer.lstm, inputs, state.hidden, state.cell)
        else:
            y, (hidden, cell) = layer.lstm(inputs, (state.hidden, state.cell))
        if layer.skip:
            y = y + inputs
        return y.permute(1, 2, 0), LSTMState(hidden, cell)
