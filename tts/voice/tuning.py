"""Tuning of a voice for one generator, by calibration or adaptation."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Tuning:
    """Tuning of a voice for one generator.

    Attributes:
        generator: fingerprint of the weights of the generator (tts_codecs.checkpoint.fingerprint).
        shift: [N, bands], added to the envelope of each phone (tts.tuning.calibration), or None.
        factors: changes of the weights of the generator, by their names (tts.tuning.adaptation): a
            vector under NAME, or the product of two matrices [O, r] and [r, I] under NAME.a and
            NAME.b. Empty for a voice that was not adapted.
        strength: factor of these changes, 0 to 1.
    """

    generator: str
    shift: Tensor | None = None
    factors: dict[str, Tensor] = field(default_factory=dict)
    strength: float = 1.0
