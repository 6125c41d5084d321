"""Codebook patterns of papers by their names, as a YAML gives them (tts.generators.patterns)."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

from tts.errors import ConfigError
from tts.generators.patterns import Pattern
from tts.resources import nearest


def _parallel(codebooks: int) -> Pattern:
    """All codes of a frame in one step, independently (Koel-TTS)."""
    return Pattern("parallel", (0,) * codebooks, tuple(range(codebooks)))


def _delay(codebooks: int, delays: Sequence[int] | None = None) -> Pattern:
    """Codebook k of a frame `delays[k]` steps after its first (MusicGen, AudioGen, SSR-Speech)."""
    offsets = tuple(range(codebooks)) if delays is None else tuple(delays)
    if len(offsets) != codebooks:
        raise ConfigError(f"pattern delay: {len(offsets)} delays for {codebooks} codebooks")
    return Pattern("delay", offsets, tuple(range(codebooks)))


def _flat(codebooks: int) -> Pattern:
    """One code a step, K steps a frame."""
    return Pattern("flat", tuple(range(codebooks)), (0,) * codebooks, stride=codebooks)


def _coarse_first(codebooks: int, streams: int = 1) -> Pattern:
    """The first codebooks frame by frame, the others a level at a time afterwards (VALL-E)."""
    if not 1 <= streams <= codebooks:
        raise ConfigError(f"pattern coarse_first: streams must be from 1 to {codebooks}")
    return Pattern(
        "coarse_first", (0,) * streams, tuple(range(streams)), levels=codebooks - streams
    )


def _stack_delay(codebooks: int, spacing: int = 4) -> Pattern:
    """Level k delayed by k visits, frames visited in an order that spreads them.

    Stack-and-Delay (Le Lan et al. 2023) takes as many steps as `delay`, but the codes of one step
    belong to frames far apart, so each has seen its neighbours. Windows of K * spacing frames are
    ours, so that it streams: each is cut into K segments, visited in turn from the last to the
    first, which keeps any two frames of one step at least `spacing` apart.
    """
    if spacing < 1:
        raise ConfigError("pattern stack_delay: spacing must be at least 1")
    order = tuple(
        segment * spacing + at for at in range(spacing) for segment in reversed(range(codebooks))
    )
    steps = tuple(range(codebooks))
    return Pattern("stack_delay", steps, steps, order=order)


def group_sizes(codebooks: int, groups: int) -> list[int]:
    """How many adjacent codebooks each group has; the first are one larger where they cannot be
    equal."""
    size, larger = divmod(codebooks, groups)
    return [size + (group < larger) for group in range(groups)]


def _group_parallel(codebooks: int, groups: int) -> Pattern:
    """Groups of adjacent codebooks in parallel, delays inside of each (LiveSpeech).

    The first groups are one larger where they cannot be equal. One group is `delay`, K groups are
    `parallel`.
    """
    if not 1 <= groups <= codebooks:
        raise ConfigError(f"pattern group_parallel: groups must be from 1 to {codebooks}")
    offsets = tuple(at for count in group_sizes(codebooks, groups) for at in range(count))
    return Pattern("group_parallel", offsets, tuple(range(codebooks)))


def _depth(codebooks: int) -> Pattern:
    """One step a frame, its codes one after another inside (Fish-Speech, MQTTS, MEGABYTE)."""
    return Pattern("depth", (0,) * codebooks, tuple(range(codebooks)), sequential=True)


PATTERNS: dict[str, Callable[..., Pattern]] = {
    "parallel": _parallel,
    "delay": _delay,
    "flat": _flat,
    "coarse_first": _coarse_first,
    "stack_delay": _stack_delay,
    "group_parallel": _group_parallel,
    "depth": _depth,
}


def pattern_options(given: object) -> dict[str, Any]:
    """The keywords of `make_pattern` but for the codebooks, from what a YAML gives: the name alone,
    or a mapping of name and options.

    Raises:
        ConfigError: neither.
    """
    found = {"name": given} if isinstance(given, str) else given
    if not isinstance(found, Mapping) or not isinstance(found.get("name"), str):
        raise ConfigError(f"pattern is a name, or a mapping with name and options, not {given!r}")
    if odd := [key for key in found if not isinstance(key, str) or key == "codebooks"]:
        raise ConfigError(f"pattern {found['name']}: unknown option {odd[0]!r}")
    return dict(found)


def check_whole(what: str, value: object, many: bool = False) -> None:
    """Raise ConfigError unless the value is a whole number, or with `many` a list of whole numbers
    or None.

    Args:
        what: name of the option in the message.
    """
    if many and value is None:
        return
    numbers = value if many else [value]
    # True is a number to Python, and to nobody who writes a YAML.
    if not isinstance(numbers, list | tuple) or not all(
        isinstance(each, Integral) and not isinstance(each, bool) for each in numbers
    ):
        wanted = "a list of whole numbers" if many else "a whole number"
        raise ConfigError(f"{what} is {wanted}, not {value!r}")


def make_pattern(name: str, codebooks: int, **options: Any) -> Pattern:
    """A pattern of PATTERNS for K codebooks.

    Args:
        options: `delays` of delay, `streams` of coarse_first, `spacing` of stack_delay, `groups`
            of group_parallel.

    Raises:
        ConfigError: unknown name or option (naming the nearest), or a value out of range.
    """
    if name not in PATTERNS:
        raise ConfigError(f"unknown pattern {name!r}{nearest(name, PATTERNS)}")
    known = dict(list(inspect.signature(PATTERNS[name]).parameters.items())[1:])
    for key in options:
        if key not in known:
            raise ConfigError(f"pattern {name}: unknown option {key!r}{nearest(key, known)}")
    for key, parameter in known.items():
        if parameter.default is inspect.Parameter.empty and key not in options:
            raise ConfigError(f"pattern {name}: {key} must be given")
    for key, value in options.items():
        check_whole(f"pattern {name}: {key}", value, many=key == "delays")
    if codebooks < 1:
        raise ConfigError("a pattern needs at least one codebook")
    return PATTERNS[name](codebooks, **options)
