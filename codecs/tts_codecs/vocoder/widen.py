"""Initialisation of a wideband vocoder from a narrowband one, for bandwidth extension.

The windows of both have the same duration, so the bins of their filters have the same frequencies.
The wideband vocoder therefore starts with the output of the narrowband one within its band, and
only the bins above have to be learned.
"""

import math

import torch

from tts_codecs.errors import CodecError
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

_SLOPE = 0.02  # decrease of the new bins' log-magnitude per bin: 0.17 dB per 25 Hz


@torch.no_grad()
def widen(narrow: SourceFilterVocoder, wide: SourceFilterVocoder) -> None:
    """Copy all weights of `narrow` into `wide`, which has a higher sample rate. Its additional bins
    continue the highest bin of `narrow`.

    Raises:
        CodecError: the two vocoders differ in more than the sample rate.
    """
    ratio = wide.sample_rate / narrow.sample_rate
    if ratio < 1 or wide.n_fft != round(narrow.n_fft * ratio) or wide.upsample != narrow.upsample:
        raise CodecError(
            "the windows of a wide vocoder last as long as those of the narrow one: "
            f"n_fft {round(narrow.n_fft * ratio)} at {wide.sample_rate} Hz"
        )
    old = narrow.state_dict()
    new = wide.state_dict()
    for name, value in new.items():
        if name.startswith("head."):
            continue
        if name not in old or old[name].shape != value.shape:
            raise CodecError(f"the two vocoders differ in {name}")
        value.copy_(old[name])
    # The same power is spread over more harmonics, and over a wider band of noise.
    level = 0.5 * math.log(ratio)
    above = wide.bins - narrow.bins
    weight = narrow.head.weight.view(narrow.upsample, 3, narrow.bins, -1)
    bias = narrow.head.bias.view(narrow.upsample, 3, narrow.bins).clone()
    bias[:, ::2] += level
    # The phase of a pulse is relative to the sample before it, which is closer at the higher rate.
    advance = 1 / narrow.sample_rate - 1 / wide.sample_rate
    turn = 2 * math.pi * advance * narrow.sample_rate / narrow.n_fft * torch.arange(wide.bins)
    bias[:, 1] += turn[: narrow.bins]
    falling = bias[:, :, -1:] - _SLOPE * torch.arange(1, above + 1)
    falling[:, 1] = bias[:, 1, -1:] + turn[narrow.bins :] - turn[narrow.bins - 1]
    wide.head.bias.copy_(torch.cat([bias, falling], 2).flatten())
    top = weight[:, :, -1:].expand(-1, -1, above, -1)
    wide.head.weight.copy_(torch.cat([weight, top], 2).flatten(0, 2))
