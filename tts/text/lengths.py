"""Usual durations of phones and pauses, for generators that get no predicted durations.

They tell how long a sentence may be, and where its tokens lie before attention aligns them. Phones
have inherent durations (Klatt 1979 lists those of a synthesizer), and pauses are several times as
long. Three classes explain most of the difference; the rest is left to the generator.
"""

import functools

import torch
from torch import Tensor

from tts.text.pauses import COMMA, PERIOD
from tts.text.symbols import MODS, SIL, SYMBOLS
from tts.text.tokens import TokenBatch

#: frames of the average phone where the pace of a voice is not known
FRAMES = 4.2
#: frames of the silence at either end, and of the two pauses within a sentence
PAUSE_FRAMES = {SIL: 11.0, COMMA: 12.0, PERIOD: 25.0}
#: phones by their duration relative to that of the average phone; all others have 1
_RELATIVE = {0.6: "əɐᵻɾðɡd", 0.8: "tpbvhʒʌɪo", 1.45: "szaɑɔæiuɜyøœ"}
#: factor of a phone with the mark of length
_LONG = 1.15


@functools.cache
def _tables(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the relative durations of symbols and modifiers, copied to a device once."""
    with torch.inference_mode(False):
        relative = torch.ones(len(SYMBOLS))
        for length, symbols in _RELATIVE.items():
            relative[[SYMBOLS.index(each) for each in symbols]] = length
        long = torch.tensor([_LONG if mark else 1.0 for _, mark, _ in MODS])
        return relative.to(device), long.to(device)


def usual_frames(tokens: TokenBatch, paces: Tensor) -> Tensor:
    """Return the usual frames of each token, [B, S] float; padding has 0.

    Args:
        tokens: of B sentences.
        paces: [B] frames of the average phone.
    """
    relative, long = _tables(tokens.ids.device)
    frames = relative[tokens.ids] * long[tokens.mods] * paces.unsqueeze(1)
    for pause, length in PAUSE_FRAMES.items():
        frames = frames.masked_fill(tokens.ids == pause, length)
    return frames * tokens.mask[..., 0]


def spread_evenly(tokens: TokenBatch, frames: Tensor) -> Tensor:
    """Return durations [B, S] that divide the frames [B] of each sentence equally among its tokens,
    as far as whole numbers can."""
    lengths = tokens.lengths.unsqueeze(1)
    index = torch.arange(tokens.ids.shape[1] + 1, device=lengths.device)
    done = index.minimum(lengths) * frames.unsqueeze(1)
    return (done // lengths).diff(dim=1)


def spread_by_length(tokens: TokenBatch, frames: Tensor) -> Tensor:
    """Return durations [B, S] that divide the frames [B] of each sentence in proportion to the
    usual durations of its tokens. Each gets one frame at least, where there are enough."""
    mask = tokens.mask[..., 0]
    least = mask * (frames >= tokens.lengths).unsqueeze(1)
    paces = torch.full(frames.shape, FRAMES, dtype=torch.float64, device=frames.device)
    ends = (usual_frames(tokens, paces) - least).cumsum(1)
    rest = frames.unsqueeze(1) - least.sum(1, keepdim=True)
    ends = (ends / ends[:, -1:] * rest).round().long()
    return least.long() + ends.diff(dim=1, prepend=torch.zeros_like(ends[:, :1]))
