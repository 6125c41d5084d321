"""Weights that parts of features of all bands (tts_codecs.vocoder.feature_parts) begin with, from a
codec of features of the bands below 8 kHz such as `rvq`.

Bands, and dimensions of the vectors, that it does not have come after its own. Weights on them
start small.
"""

import torch
from torch import Tensor, nn

from tts_codecs.envelope import EXTRA
from tts_codecs.errors import CodecError
from tts_codecs.quantizers.rvq import ResidualVQ
from tts_codecs.spectral import SpectralAutoencoder
from tts_codecs.vocoder.feature_parts import FeatureDecoder, FeatureEncoder

_SMALL = 0.1  # factor on the random weights on new dimensions


def _copy(new: nn.Module, old: nn.Module, apart: tuple[str, ...] = ()) -> None:
    """Copy all weights of `old` whose names do not begin with one of `apart`.

    Raises:
        CodecError: the sizes differ.
    """
    source, target = old.state_dict(), new.state_dict()
    for name in sorted(source.keys() | target.keys()):
        if name.startswith(apart):
            continue
        if name not in source or name not in target or source[name].shape != target[name].shape:
            raise CodecError(f"other sizes in {name}")
        target[name].copy_(source[name])


@torch.no_grad()
def copy_autoencoder(
    encoder: FeatureEncoder, decoder: FeatureDecoder, quantizer: nn.Module, old: SpectralAutoencoder
) -> None:
    """Begin with the networks and codebooks of a codec of features of fewer bands.

    Raises:
        CodecError: networks or codebooks differ in more than bands, dimensions, look-ahead of the
            encoder and number of codebooks.
    """
    bands = old.channels - EXTRA
    if encoder.patch != old.patch or decoder.patch != old.patch or bands > encoder.mel.n_mels:
        raise CodecError(f"{old.name} has frames of other bands, {old.patch} in a vector")
    size = old.to_code.out_features
    if encoder.to_code.out_features < size or decoder.stack.entry.in_dim < size:
        raise CodecError(f"the vectors of {old.name} have {size} dimensions, more than model.dim")
    known = torch.cat([torch.arange(bands), encoder.channels + torch.arange(-EXTRA, 0)])
    places = (torch.arange(old.patch)[:, None] * encoder.channels + known).flatten()
    _copy(encoder.stack, old.encoder, ("entry.",))
    _copy(decoder.stack, old.decoder, ("entry.",))
    entry, source = encoder.stack.entry.conv, old.encoder.entry.conv
    cut = (source.kernel_size[0] - entry.kernel_size[0]) // 2
    if cut < 0:
        raise CodecError(f"the encoder of {old.name} has a smaller look_ahead")
    entry.weight.mul_(_SMALL)
    entry.weight[:, places] = source.weight[:, :, cut : source.kernel_size[0] - cut]
    entry.bias.copy_(source.bias)  # type: ignore[union-attr, arg-type]
    _copy_first(encoder.to_code.weight, old.to_code.weight)
    _copy_first(encoder.to_code.bias, old.to_code.bias)
    entry, source = decoder.stack.entry.conv, old.decoder.entry.conv
    if entry.kernel_size != source.kernel_size:
        raise CodecError(f"the decoder of {old.name} has another look_ahead")
    entry.weight.mul_(_SMALL)
    entry.weight[:, :size] = source.weight
    entry.bias.copy_(source.bias)  # type: ignore[union-attr, arg-type]
    decoder.to_features.weight.mul_(_SMALL)
    decoder.to_features.weight[places] = old.to_features.weight
    decoder.to_features.bias[places] = old.to_features.bias
    if isinstance(quantizer, ResidualVQ) and isinstance(old.quantizer, ResidualVQ):
        _copy_codebooks(quantizer, old.quantizer)


def _copy_first(new: Tensor, old: Tensor) -> None:
    new.mul_(_SMALL)
    new[: len(old)] = old


def _copy_codebooks(new: ResidualVQ, old: ResidualVQ) -> None:
    """Copy codebooks. Further ones, and further dimensions of each, are learned."""
    if new.codebook_size != old.codebook_size or new.num_codebooks < old.num_codebooks:
        raise CodecError(f"codebooks are at least {old.num_codebooks} of {old.codebook_size}")
    for layer, given in zip(new.layers, old.layers, strict=False):
        for name, value in given.state_dict().items():
            target = layer.state_dict()[name]
            if value.dim() == 2:
                target.zero_()
                target[:, : value.shape[1]] = value
            else:
                target.copy_(value)
