"""Building of parts from YAML: `kind` names the class, and the other keys are its arguments."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tts_codecs.errors import CodecError, nearest
from tts_codecs.ranges import wrong_number


def build_part(
    table: Mapping[str, Callable[..., Any]], spec: Mapping[str, Any], what: str, **given: Any
) -> Any:
    """Build the class `spec["kind"]` of `table` from the other keys of `spec` and `given`.

    Args:
        table: classes by kind.
        spec: specification of the part.
        what: the word for such a part in error messages.
        given: arguments that the caller sets, and `spec` may not.

    Raises:
        CodecError: not a mapping, an unknown kind or key, with the nearest known one, a missing
            key, or a number out of range.
    """
    check_spec(spec, what)
    rest = dict(spec)
    kind = rest.pop("kind", None)
    if kind not in table:
        raise CodecError(f"unknown kind of {what}, {kind!r}{nearest(str(kind), table)}")
    parameters = inspect.signature(table[kind]).parameters
    known = [name for name in parameters if name not in given]
    for name in rest:
        if name not in known:
            raise CodecError(f"unknown key {name!r} of {what}{nearest(name, known)}")
    for name in known:
        if name not in rest and parameters[name].default is inspect.Parameter.empty:
            raise CodecError(f"{what} {kind!r} needs the key {name!r}")
    if wrong := wrong_number(table[kind], rest, what):
        raise CodecError(wrong)
    return table[kind](**given, **rest)


def check_spec(spec: Any, what: str) -> None:
    """Raise CodecError if the specification of a part is no mapping, as `encoder: seanet`."""
    if not isinstance(spec, Mapping):
        raise CodecError(f"{what} is given as {{kind: NAME, ...}}, not as {spec!r}")
