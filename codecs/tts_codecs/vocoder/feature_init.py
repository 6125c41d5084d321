"""Weights that parts of features of all bands (tts_codecs.vocoder.feature_parts) begin with, from
shipped parts of the band below 8 kHz: the vocoder, and a codec of features such as `rvq`.

Bands, and dimensions of the vectors, that the shipped parts do not have come after theirs. Weights
on them start at zero in the vocoder, which at first sounds as it did, and small in the codec.
"""

import torch
from torch import Tensor, nn

from tts_codecs.envelope import EXTRA
from tts_codecs.errors import CodecError
from tts_codecs.quantizers.rvq import ResidualVQ
from tts_codecs.spectral import SpectralAutoencoder
from tts_codecs.vocoder.feature_parts import FeatureDecoder, FeatureEncoder
from tts_codecs.vocoder.pitch import PitchNet
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

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
def _copy_bands(new: nn.Module, old: nn.Module, entry: str) -> None:
    """Copy a network of mels whose first convolution sees more bands than that of `old`."""
    _copy(new, old, (entry,))
    wide, narrow = new.state_dict(), old.state_dict()
    weight, source = wide[f"{entry}weight"], narrow[f"{entry}weight"]
    if weight[:, : source.shape[1]].shape != source.shape:
        raise CodecError(f"other sizes in {entry}weight")
    weight.zero_()
    weight[:, : source.shape[1]] = source
    wide[f"{entry}bias"].copy_(narrow[f"{entry}bias"])


def copy_vocoder(decoder: FeatureDecoder, vocoder: SourceFilterVocoder) -> None:
    """Begin with the weights of a vocoder of fewer bands.

    Raises:
        CodecError: the vocoders differ in more than their bands.
    """
    if vocoder.sample_rate != decoder.vocoder.sample_rate:
        raise CodecError(f"a vocoder of {vocoder.sample_rate} Hz")
    for name in ("pitch_in", "head"):
        _copy(getattr(decoder.vocoder, name), getattr(vocoder, name))
    _copy_bands(decoder.vocoder.trunk, vocoder.trunk, "entry.conv.")
    copy_pitch(decoder.vocoder.pitch, vocoder)


def copy_pitch(pitch: PitchNet, vocoder: SourceFilterVocoder) -> None:
    """Begin with the pitch network of a vocoder of fewer bands.

    Raises:
        CodecError: the networks differ in more than their bands.
    """
    _copy_bands(pitch, vocoder.pitch, "stack.entry.conv.")


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
