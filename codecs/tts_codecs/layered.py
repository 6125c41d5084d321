"""Codecs of scalable bitrate: they can code with fewer codebooks than their quantizer has."""

from abc import abstractmethod

from tts_codecs.bandwidth import codebooks_at, one_bandwidth
from tts_codecs.base import Codec
from tts_codecs.errors import CodecError
from tts_codecs.quantizers.base import Quantizer


class LayeredCodec(Codec):
    """Base of codecs that code with the first `num_codebooks` codebooks of their quantizer, all of
    them by default. Subclasses set `name`."""

    name: str
    num_codebooks: int

    @property
    @abstractmethod
    def layered(self) -> Quantizer:
        """The quantizer whose number of codebooks can be chosen."""

    @property
    @abstractmethod
    def frames_per_second(self) -> float:
        """Frames per second."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of entries of each codebook in use."""
        return self.layered.sizes[: self.num_codebooks]

    def bandwidths(self) -> dict[int, float]:
        """Bitrates in bit/s by number of codebooks, for all numbers that can be chosen."""
        return bandwidths(self.layered, self.frames_per_second)

    def use_codebooks(self, count: int) -> None:
        """Use the first `count` codebooks from now on, for encoding as well as for decoding.

        This changes the codec itself, so it must not be called while a stream is in progress.

        Raises:
            CodecError: `count` is not a key of `bandwidths`.
        """
        allowed = self.layered.prefixes
        if not isinstance(count, int) or isinstance(count, bool):
            raise CodecError(f"{self.name}: a number of codebooks is an int, not {count!r}")
        if count not in allowed:
            most = self.layered.num_codebooks
            if len(allowed) == 1 and 1 <= count <= most:
                raise CodecError(
                    f"{self.name}: only a residual quantizer works with fewer codebooks"
                )
            listed = ", ".join(str(each) for each in allowed)
            raise CodecError(f"{self.name}: {count} codebooks of {most}; it works with {listed}")
        self.num_codebooks = count

    def use_bandwidth(self, kbits: float) -> None:
        """Use the number of codebooks whose bitrate is `kbits` kbit/s. Errors as `codebooks_at`."""
        self.use_codebooks(codebooks_at(kbits, self.bandwidths(), self.name))


def bandwidths(quantizer: Quantizer, frames_per_second: float) -> dict[int, float]:
    """Bitrates in bit/s by number of leading codebooks, for all numbers that the quantizer supports
    (`Quantizer.prefixes`)."""
    return {n: quantizer.prefix_bits(n) * frames_per_second for n in quantizer.prefixes}


def use_bandwidth(codec: Codec, kbits: float, name: str) -> None:
    """Call `LayeredCodec.use_bandwidth`, if the codec has several bandwidths.

    Raises:
        UsageError: the codec has only one bandwidth.
        CodecError: `kbits` is not one of its bandwidths.
    """
    if not isinstance(codec, LayeredCodec) or codec.info.kind == "latents":
        raise one_bandwidth(name)
    codec.use_bandwidth(kbits)
