"""Checks of the values that are given to the Python interface, before anything is computed."""

from numbers import Integral, Real

import numpy as np

from tts.errors import UsageError

__all__ = ["check_flag", "check_number", "check_whole"]


def check_flag(name: str, value: object) -> bool:
    """Return a truth value, of Python or of NumPy.

    A string such as "no" would count as true, so everything else is refused.

    Raises:
        UsageError: another kind of value, with the name of the argument.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise UsageError(f"{name} must be true or false, not {value!r:.40}")
    return bool(value)


def check_number(name: str, value: object, low: float, high: float) -> float:
    """Return a number of a range, of Python or of NumPy.

    Raises:
        UsageError: another kind of value, or one out of range, with the name of the argument.
    """
    number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    if not number or not low <= float(value) <= high:  # type: ignore[arg-type]
        raise UsageError(f"{name} is a number from {low:g} to {high:g}, not {value!r:.40}")
    return float(value)  # type: ignore[arg-type]


def check_whole(name: str, value: object, low: int, high: int) -> int:
    """Return a whole number of a range, of Python or of NumPy.

    Raises:
        UsageError: another kind of value, or one out of range, with the name of the argument.
    """
    number = isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))
    if not number or not low <= int(value) <= high:  # type: ignore[call-overload]
        raise UsageError(f"{name} is a whole number from {low} to {high}, not {value!r:.40}")
    return int(value)  # type: ignore[call-overload]
