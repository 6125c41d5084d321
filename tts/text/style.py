"""Style of words that markup asks for (rate, pitch and volume), and parsers of its values.

The values are those of SSML 1.1 (W3C 2010, section 3.2), except those in hertz, which would need
the pitch of the voice.
"""

import math
import re
from dataclasses import dataclass

from tts.errors import UsageError
from tts.resources import nearest

__all__ = ["EMPHASIS", "PLAIN", "STRENGTHS", "Style", "parse_pitch", "parse_rate", "parse_seconds",
           "parse_volume"]  # fmt: skip

#: limits of rate and pitch as factors, and of volume in dB
RATES, PITCHES, GAINS = (0.25, 4.0), (0.5, 2.0), (-40.0, 12.0)
SILENT = -120.0  # dB
#: the longest pause, in seconds
LONGEST = 60.0
#: seconds of each strength of a `<break>`
STRENGTHS = {
    "none": 0.0,
    "x-weak": 0.1,
    "weak": 0.2,
    "medium": 0.35,
    "strong": 0.7,
    "x-strong": 1.0,
}
_RATES = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.25, "x-fast": 1.6}
_PITCHES = {
    "x-low": 0.75,
    "low": 0.87,
    "medium": 1.0,
    "default": 1.0,
    "high": 1.15,
    "x-high": 1.35,
}
_GAINS = {
    "silent": SILENT,
    "x-soft": -12.0,
    "soft": -6.0,
    "medium": 0.0,
    "default": 0.0,
    "loud": 4.0,
    "x-loud": 8.0,
}
_NUMBER = r"(?P<sign>[+-]?)(?P<value>\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})"
_PERCENT = re.compile(rf"{_NUMBER}%")
_FACTOR = re.compile(_NUMBER)
_SEMITONES = re.compile(rf"{_NUMBER}st")
_DECIBELS = re.compile(rf"{_NUMBER}dB", re.IGNORECASE)
_SECONDS = re.compile(r"\+?(?P<value>\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})\s*(?P<unit>s|ms)?")


@dataclass(frozen=True)
class Style:
    """Style of a stretch of text. The default changes nothing.

    Attributes:
        rate: factor of the speed.
        pitch: factor of the fundamental frequency.
        gain: change of the volume in dB.
    """

    rate: float = 1.0
    pitch: float = 1.0
    gain: float = 0.0

    def inside(self, outer: "Style") -> "Style":
        """Return the style of a tag within another: both are combined, within the limits."""
        return Style(
            _within(self.rate * outer.rate, RATES),
            _within(self.pitch * outer.pitch, PITCHES),
            SILENT if SILENT in (self.gain, outer.gain) else _within(self.gain + outer.gain, GAINS),
        )


PLAIN = Style()
#: styles of each level of `<emphasis>`: speakers slow down, raise the pitch and speak louder
EMPHASIS = {
    "strong": Style(0.8, 1.12, 3.0), "moderate": Style(0.88, 1.06, 1.5), "none": PLAIN,
    "reduced": Style(1.12, 0.96, -2.0),
}  # fmt: skip


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])


def _checked(name: str, text: str, value: float, limits: tuple[float, float], unit: str) -> float:
    if not limits[0] <= value <= limits[1]:
        raise UsageError(f"{name} {text!r} is out of range: {limits[0]:g} to {limits[1]:g}{unit}")
    return value


def _named(name: str, text: str, names: dict[str, float], forms: str) -> float:
    if text not in names:
        raise UsageError(f"{name} {text[:20]!r} is not {forms}{nearest(text, names)}")
    return names[text]


def parse_rate(text: str) -> float:
    """Return the factor of a rate: "80%", "1.2", "+10%", "-10%" or a name such as "slow".

    Raises:
        UsageError: the value has another form or is out of range.
    """
    text = text.strip()
    if percent := _PERCENT.fullmatch(text):
        value = _relative(percent["sign"], float(percent["value"]) / 100)
    elif (factor := _FACTOR.fullmatch(text)) and not factor["sign"]:
        value = float(factor["value"])
    else:
        value = _named("rate", text, _RATES, "a percentage, a factor or a name")
    return _checked("rate", text, value, RATES, " times the usual")


def parse_pitch(text: str) -> float:
    """Return the factor of a pitch: "+10%", "-2st" (semitones) or a name such as "high".

    Raises:
        UsageError: the value has another form or is out of range.
    """
    text = text.strip()
    if percent := _PERCENT.fullmatch(text):
        value = _relative(percent["sign"], float(percent["value"]) / 100)
    elif tones := _SEMITONES.fullmatch(text):
        step = float(tones["value"]) * (-1 if tones["sign"] == "-" else 1)
        value = math.inf if step > 100 else 2 ** (step / 12)
    elif text.lower().endswith("hz"):
        raise UsageError(f"pitch {text[:20]!r} is in hertz, which voices differ in: use % or st")
    else:
        value = _named("pitch", text, _PITCHES, "a percentage, semitones (+2st) or a name")
    return _checked("pitch", text, value, PITCHES, " times the usual")


def parse_volume(text: str) -> float:
    """Return the dB of a volume: "+6dB", "-20%" (of the amplitude) or a name such as "soft".

    Raises:
        UsageError: the value has another form or is out of range.
    """
    text = text.strip()
    if text == "silent":
        return SILENT
    if decibels := _DECIBELS.fullmatch(text):
        value = float(decibels["value"]) * (-1 if decibels["sign"] == "-" else 1)
    elif percent := _PERCENT.fullmatch(text):
        factor = _relative(percent["sign"], float(percent["value"]) / 100)
        value = SILENT if factor <= 0 else 20 * math.log10(factor)
        if value <= GAINS[0]:
            return SILENT
    else:
        value = _named("volume", text, _GAINS, "decibels (+6dB), a percentage or a name")
    return _checked("volume", text, value, GAINS, " dB")


def parse_seconds(text: str) -> float:
    """Return the seconds of a time: "0.5", "0.5s" or "500ms".

    Raises:
        UsageError: the value has another form or is longer than a minute.
    """
    found = _SECONDS.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text.strip()[:20]!r} is not a time such as 0.5, 0.5s or 500ms")
    value = float(found["value"]) / (1000 if found["unit"] == "ms" else 1)
    return _checked("pause", text.strip(), value, (0.0, LONGEST), " s")


def _relative(sign: str, share: float) -> float:
    """Return the factor of a percentage, which a sign makes relative."""
    return 1 + share if sign == "+" else 1 - share if sign == "-" else share
