"""F0 estimation from the log-mel, and the pulse train at that F0."""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.nn.causal import CachedLinear, CausalStack, steadily

F0_MIN, F0_MAX = 50.0, 600.0
_CENTRE = 1e-6  # smallest half-angle in `pulse_train`: keeps samples off a pulse's exact centre


class PitchNet(nn.Module):
    """Pitch network: a causal classifier over log-spaced F0 bins with a voicing logit, as in CREPE
    (Kim et al. 2018). It predicts the F0 at the end of each frame from the normalised log-mel.

    Args:
        n_mels: number of mel bands.
        dim, blocks: width and number of the ConvNeXt blocks.
        look_ahead: later frames that the network sees; its output is delayed by as many.
        bins: number of F0 bins between F0_MIN and F0_MAX.
    """

    centres: Tensor

    def __init__(self, n_mels: int, dim: int, blocks: int, look_ahead: int, bins: int = 128):
        super().__init__()
        self.stack = CausalStack(n_mels, dim, 2 * dim, blocks, 5, look_ahead)
        self.head = CachedLinear(dim, bins + 1)
        centres = torch.linspace(math.log2(F0_MIN), math.log2(F0_MAX), bins)
        self.register_buffer("centres", centres, persistent=False)

    def forward(self, mel: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Mel [B, T, n_mels] to logits [B, T, bins + 1], voicing first, of the frames `look_ahead`
        earlier.

        Outside of training the result does not depend on how a stream is split (`steadily`).
        Otherwise rounding could change the best bin, whether a frame is voiced, or the pitch, whose
        errors the phase accumulates.
        """
        if self.training:
            hidden, states = self.stack(mel, [state.to(mel.dtype) for state in states])
            return self.head(hidden), states
        hidden, states = steadily(self.stack, mel, states)
        return steadily(self.head, hidden), states

    def decode(self, logits: Tensor) -> Tensor:
        """F0 [B, T] in Hz, float64, 0 where unvoiced, of logits [B, T, bins + 1]."""
        voiced, scores = logits[..., 0] > 0, logits[..., 1:].double()
        best = scores.argmax(-1, keepdim=True)
        index = torch.arange(scores.shape[-1], device=scores.device)
        # The expectation around the best bin has a finer resolution than the bins.
        near = (index - best).abs() <= 4
        weights = torch.softmax(scores.masked_fill(~near, -torch.inf), -1)
        f0 = torch.exp2((weights * self.centres).sum(-1))
        return f0 * voiced

    def loss(self, logits: Tensor, f0: Tensor) -> Tensor:
        """Loss of logits [B, T, bins + 1], given the F0 [B, T] in Hz (0 = unvoiced): binary
        cross-entropy of voicing, and in voiced frames cross-entropy of the bins against a Gaussian
        around the true F0."""
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
    """Band-limited pulse train of unit power with a given F0.

    It is the sum of all harmonics below the Nyquist frequency with equal amplitude and zero phase.
    The closed form of the sum (Dirichlet kernel) makes the cost independent of their number.

    Args:
        f0: [B, T] Hz at frame ends, 0 = unvoiced; the result has the same dtype.
        previous: [B] F0 at the end of the frame before.
        phase: [B] phase of the sample before, in cycles in 0..1, float64.
        hop: samples per frame.
        sample_rate: Hz.

    Returns:
        pulses [B, T * hop], and the phase of the last sample [B].
    """
    edges = torch.cat([previous.unsqueeze(1).double(), f0.double()], 1)
    voiced = edges.sign()
    start, end = edges[:, :-1], edges[:, 1:]
    # At a voicing boundary F0 stays that of the voiced side, while the level fades in or out.
    left = torch.lerp(end, start, voiced[:, :-1])
    right = torch.lerp(start, end, voiced[:, 1:])
    highest = torch.maximum(start, end).clamp_min_(F0_MIN / 2)
    twice = torch.floor_divide(0.5 * sample_rate, highest).mul_(2)
    power = twice.rsqrt()
    ramp = _ramp(hop, f0.device)
    steps = torch.lerp(left.unsqueeze(2), right.unsqueeze(2), ramp)  # [B, T, hop]
    cycles = steps.flatten(1).div_(sample_rate).cumsum(1).add_(phase.unsqueeze(1)).frac_()
    # At a pulse's centre the quotient is 0/0; next to it, it equals the limit up to 1e-7.
    half = (math.pi * cycles).clamp_(_CENTRE, math.pi - _CENTRE).view_as(steps)
    ratio = torch.sin((twice + 1).unsqueeze(2) * half).div_(torch.sin(half))
    before, after = voiced[:, :-1] * power, voiced[:, 1:] * power
    level = torch.lerp(before.unsqueeze(2), after.unsqueeze(2), ramp)
    pulses = ratio.sub_(1).mul_(level)
    return pulses.flatten(1).to(f0.dtype), cycles[:, -1]


@lru_cache(maxsize=8)
def _ramp(hop: int, device: torch.device) -> Tensor:
    """Linear ramp [hop] float64 over the samples of a frame, from 1 / hop to 1."""
    with torch.inference_mode(False):
        return torch.arange(1, hop + 1, device=device, dtype=torch.float64) / hop
