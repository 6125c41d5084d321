"""Bandwidth chosen at use: what codecs share whose quantizer works with fewer codebooks too."""

from abc import abstractmethod

from tts_codecs.bandwidth import codebooks_at, one_bandwidth
from tts_codecs.base import Codec
from tts_codecs.errors import CodecError
from tts_codecs.quantizers.base import Quantizer


class LayeredCodec(Codec):
    """A codec that codes with the leading codebooks of its quantizer, all of them by default.

    A class that inherits has a `name`.
    """

    name: str
    num_codebooks: int

    @property
    @abstractmethod
    def layered(self) -> Quantizer:
        """The quantizer whose codebooks are counted."""

    @property
    @abstractmethod
    def frames_per_second(self) -> float:
        """Frames per second."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Entries of the codebooks in use."""
        return self.layered.sizes[: self.num_codebooks]

    def bandwidths(self) -> dict[int, float]:
        """Numbers of codebooks this codec works with, to bit/s."""
        return bandwidths(self.layered, self.frames_per_second)

    def use_codebooks(self, count: int) -> None:
        """Code with the first `count` codebooks from now on.

        Raises:
            CodecError: not one of the numbers in `bandwidths`.
        """
        allowed = self.layered.prefixes
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
        """Code with the codebooks that make `kbits` kbit/s. Errors as `codebooks_at`."""
        self.use_codebooks(codebooks_at(kbits, self.bandwidths(), self.name))


def bandwidths(quantizer: Quantizer, frames_per_second: float) -> dict[int, float]:
    """Numbers of leading codebooks that a quantizer works with, to bit/s."""
    return {n: quantizer.prefix_bits(n) * frames_per_second for n in quantizer.prefixes}


def use_bandwidth(codec: Codec, kbits: float, name: str) -> None:
    """`LayeredCodec.use_bandwidth` of any codec.

    Raises:
        UsageError: it has one bandwidth only. CodecError: it has not this one.
    """
    if not isinstance(codec, LayeredCodec) or codec.info.kind == "latents":
        raise one_bandwidth(name)
    codec.use_bandwidth(kbits)
