"""Valid ranges of numeric arguments in YAML, such as sizes, fractions and weights of losses.

The range of an argument follows from its annotation and its default. An int is at least 1, or at
least 0 if that is its default. A float is at least 0. A list of ints is not empty, and each is at
least 1. The names of exceptions are listed here.
"""

import collections.abc
import inspect
import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

#: ints that may be 0 although their default is not
FROM_ZERO = (
    "adversarial_from", "codebooks", "content_blocks", "holdout", "look_ahead", "margin",
    "phone_blocks", "quantize_from", "seed",
)  # fmt: skip
#: floats from 0 to 1
SHARES = (
    "both_sides", "colored", "distill_ratio", "distort", "dropout", "forget", "inpaint",
    "narrowed", "own_pitch", "relative", "warped", "wide_share",
)  # fmt: skip
#: largest seed; random generators accept it even after adding a number per row and process
MOST_SEED = 2**63 - 1
#: floats of either sign
SIGNED = ("low", "high", "shift")
_WHOLE_LIST = "a list of whole numbers of at least 1"


def wrong_number(
    cls: Callable[..., Any], given: Mapping[str, Any], section: str = ""
) -> str | None:
    """Check numeric arguments, and strings with a fixed set of values.

    Args:
        cls: class or function that takes the arguments.
        given: arguments by name; those that `cls` does not have are ignored.
        section: section of the YAML, for the message.

    Returns:
        an error message "SECTION.NAME is ..., not VALUE" for the first invalid argument; None if
        all are valid.
    """
    parameters = inspect.signature(cls).parameters
    hints: dict[str, Any] | None = None
    for name, value in given.items():
        if name not in parameters:
            continue
        if hints is None:
            hints = _hints(cls)
        parameter = parameters[name]
        least = 0 if name in FROM_ZERO or parameter.default == 0 else 1
        wanted = _wanted(hints.get(name, parameter.annotation), name, value, least)
        if wanted == _WHOLE_LIST and value in ([], ()) and parameter.default == ():
            wanted = None  # an empty list, as by default
        if wanted is not None:
            place = f"{section}.{name}" if section else name
            return f"{place} is {wanted}, not {value!r}"
    return None


def _hints(cls: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(cls.__init__ if inspect.isclass(cls) else cls)
    except NameError:  # for a type that is only imported for the type checker
        return {}


def _wanted(kind: Any, name: str, value: Any, least: int) -> str | None:
    """What an argument with the annotation `kind` has to be, if `value` is invalid; else None."""
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if value is None and type(None) in kinds or isinstance(value, str) and str in kinds:
        return None
    plain = [each for each in kinds if each is not type(None)]
    if len(plain) == 1 and get_origin(plain[0]) is Literal:
        return None if value in get_args(plain[0]) else " or ".join(map(str, get_args(plain[0])))
    if int in plain and float not in plain:
        if not _is(Integral, value) or value < least:
            return f"a whole number of at least {least}"
        if name == "seed" and value > MOST_SEED:
            return f"at most {MOST_SEED}"
    elif float in plain:
        return _wanted_fraction(name, value)
    elif plain == [tuple[int, int]]:
        pair = value if isinstance(value, list | tuple) else ()
        if len(pair) != 2 or not all(_is(Integral, each) for each in pair):
            return "two whole numbers"
        if not 1 <= pair[0] <= pair[1]:
            return "two whole numbers of at least 1, the larger one last"
    elif len(plain) == 1 and _is_list(plain[0]):
        given = value if isinstance(value, list | tuple) else ()
        if not given or not all(_is(Integral, each) and each >= 1 for each in given):
            return _WHOLE_LIST
    elif plain == [dict[str, float]] and isinstance(value, Mapping):
        if any(_wanted_fraction("", each) for each in value.values()):
            return "numbers of at least 0"
    return None


def _is_list(kind: Any) -> bool:
    """Whether an annotation is that of a list, tuple or sequence of ints."""
    many = get_args(kind) in ((int,), (int, ...))
    return many and get_origin(kind) in (list, tuple, collections.abc.Sequence)


def _wanted_fraction(name: str, value: Any) -> str | None:
    finite = _is(Real, value) and math.isfinite(value)
    if name in SIGNED:
        return None if finite else "a number"
    if name in SHARES:
        return None if finite and 0 <= value <= 1 else "a share from 0 to 1"
    return None if finite and value >= 0 else "a number of at least 0"


def _is(kind: type, value: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
