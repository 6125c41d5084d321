"""Parts that a YAML names by `kind`, with the other keys as arguments of that part's class."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tts_codecs.errors import CodecError, nearest
from tts_codecs.ranges import wrong_number


def build_part(
    table: Mapping[str, Callable[..., Any]], spec: Mapping[str, Any], what: str, **given: Any
) -> Any:
    """What `spec["kind"]` names in `table`, built from the other keys of `spec` and `given`.

    Args:
        table: kinds to classes; what: the word for such a part in messages.
        given: arguments that the place decides, which `spec` may not set.

    Raises:
        CodecError: an unknown kind or key, naming the nearest, a key that is missing, or a number
            out of its range.
    """
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
