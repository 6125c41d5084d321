"""Fundamental frequency read off the log-mel, and the pulse train made from it."""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.nn.causal import CausalStack, KeptLinear, steadily

F0_MIN, F0_MAX = 50.0, 600.0
_CENTRE = 1e-6  # half of an angle between a pulse's centre and the nearest sample, at least


class PitchNet(nn.Module):
    """Causal classifier over log-spaced pitch bins plus a voicing logit (CREPE-style, Kim 2018).

    Predicts the F0 at the END of each frame from the normalised log-mel.
    """

    centres: Tensor

    def __init__(self, n_mels: int, dim: int, blocks: int, look_ahead: int, bins: int = 128):
        super().__init__()
        self.stack = CausalStack(n_mels, dim, 2 * dim, blocks, 5, look_ahead)
        self.head = KeptLinear(dim, bins + 1)
        centres = torch.linspace(math.log2(F0_MIN), math.log2(F0_MAX), bins)
        self.register_buffer("centres", centres, persistent=False)

    def forward(self, mel: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """[B, T, n_mels] to logits [B, T, bins + 1] of the frames `look_ahead` earlier.

        In float64 unless it trains: which bin is best and whether a frame is voiced must not depend
        on how a stream is cut, nor may the pitch, which the phase sums up.
        """
        if self.training:
            hidden, states = self.stack(mel, [state.to(mel.dtype) for state in states])
            return self.head(hidden), states
        hidden, states = steadily(self.stack, mel, states)
        return steadily(self.head, hidden), states

    def decode(self, logits: Tensor) -> Tensor:
        """[B, T, bins + 1] logits to F0 in Hz [B, T] float64, 0 where unvoiced."""
        voiced, scores = logits[..., 0] > 0, logits[..., 1:].double()
        best = scores.argmax(-1, keepdim=True)
        index = torch.arange(scores.shape[-1], device=scores.device)
        # The expectation around the peak resolves pitch finer than one bin.
        near = (index - best).abs() <= 4
        weights = torch.softmax(scores.masked_fill(~near, -torch.inf), -1)
        f0 = torch.exp2((weights * self.centres).sum(-1))
        return f0 * voiced

    def loss(self, logits: Tensor, f0: Tensor) -> Tensor:
        """Cross entropy against a blurred bin plus voicing; f0 [B, T] in Hz, 0 = unvoiced."""
        voiced = f0 > 0
        loss = F.binary_cross_entropy_with_logits(logits[..., 0], voiced.float())
        if voiced.any():
            width = float(self.centres[1] - self.centres[0]) * 1.25
            distance = (f0[voiced].log2().unsqueeze(-1) - self.centres) / width
            target = torch.softmax(-0.5 * distance.square(), -1)
            loss = loss + F.cross_entropy(logits[..., 1:][voiced], target)
        return loss


def pulse_train(
    f0: Tensor, previous: Tensor, phase: Tensor, hop: int, sample_rate: int
) -> tuple[Tensor, Tensor]:
    """Band-limited pulses of unit power that follow F0.

    All harmonics below Nyquist with equal amplitude and zero phase, summed in closed form (the
    Dirichlet kernel), so the cost does not depend on their number.

    Args:
        f0: [B, T] Hz at frame ends, 0 = unvoiced; the result has its dtype.
        previous: [B] F0 at the end of the frame before.
        phase: [B] float64, cycles in 0..1, of the last sample.
        hop: samples per frame.
        sample_rate: Hz.

    Returns:
        pulses [B, T * hop], phase of the last sample [B].
    """
    edges = torch.cat([previous.unsqueeze(1).double(), f0.double()], 1)
    voiced = edges.sign()
    start, end = edges[:, :-1], edges[:, 1:]
    # Across a voicing edge the pitch stays that of the voiced side while the level ramps.
    left = torch.lerp(end, start, voiced[:, :-1])
    right = torch.lerp(start, end, voiced[:, 1:])
    highest = torch.maximum(start, end).clamp_min_(F0_MIN / 2)
    twice = torch.floor_divide(0.5 * sample_rate, highest).mul_(2)
    power = twice.rsqrt()
    ramp = _ramp(hop, f0.device)
    steps = torch.lerp(left.unsqueeze(2), right.unsqueeze(2), ramp)  # [B, T, hop]
    cycles = steps.flatten(1).div_(sample_rate).cumsum(1).add_(phase.unsqueeze(1)).frac_()
    # At a pulse's centre the quotient is 0/0; beside it, it is the limit but for 1e-7.
    half = (math.pi * cycles).clamp_(_CENTRE, math.pi - _CENTRE).view_as(steps)
    ratio = torch.sin((twice + 1).unsqueeze(2) * half).div_(torch.sin(half))
    before, after = voiced[:, :-1] * power, voiced[:, 1:] * power
    level = torch.lerp(before.unsqueeze(2), after.unsqueeze(2), ramp)
    pulses = ratio.sub_(1).mul_(level)
    return pulses.flatten(1).to(f0.dtype), cycles[:, -1]


@lru_cache(maxsize=8)
def _ramp(hop: int, device: torch.device) -> Tensor:
    """[hop] float64, from above 0 to 1."""
    with torch.inference_mode(False):
        return torch.arange(1, hop + 1, device=device, dtype=torch.float64) / hop
