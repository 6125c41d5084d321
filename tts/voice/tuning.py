"""What was fitted to one generator for a voice."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Tuning:
    """What was fitted to one generator for a voice.

    Attributes:
        generator: fingerprint of its weights (tts_codecs.checkpoint.fingerprint).
        shift: [N, bands] added to the envelope of each phone (tts.tuning.calibration); None for
            none.
        factors: of an adapted voice, by the name of a weight of the generator, what is added to it
            (tts.tuning.adaptation): a vector under NAME, or the product of two matrices [O, r] and
            [r, I] under NAME.a and NAME.b. Empty for an instant voice.
        strength: of the factors, 0 to 1.
    """

    generator: str
    shift: Tensor | None = None
    factors: dict[str, Tensor] = field(default_factory=dict)
    strength: float = 1.0
