"""What numbers of a YAML may be, by the annotations and defaults of the arguments."""

from collections.abc import Sequence
from typing import Any

import pytest

from tts_codecs.errors import CodecError
from tts_codecs.quantizers import build_quantizer
from tts_codecs.ranges import wrong_number


def part(
    width: int = 4,
    heads: int | None = None,
    flow: int = 0,
    look_ahead: int = 1,
    weight: float = 1.0,
    dropout: float = 0.0,
    shift: float = 0.0,
    span: tuple[int, int] = (1, 2),
    shares: dict[str, float] | None = None,
    name: str = "",
    init: int | str = 1,
    sizes: Sequence[int] = (1,),
    more: list[int] | None = None,
    levels: tuple[int, ...] = (),
    codebooks: int = 1,
) -> None:
    """A part with arguments of every kind."""


@pytest.mark.parametrize(
    "given",
    [
        {"width": 1, "heads": None, "flow": 0, "look_ahead": 0},
        {"weight": 0, "dropout": 1, "shift": -0.5},
        {"span": [3, 3], "shares": {"a": 0.5}, "name": "x", "init": "x"},
        {"other": -1},
        {"sizes": [4, 1], "more": None, "levels": (2,), "codebooks": 0},
        {"sizes": (3,), "more": [5], "levels": []},
    ],
)
def test_numbers_in_their_range(given: dict[str, Any]) -> None:
    assert wrong_number(part, given) is None


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("width", 0, "a whole number of at least 1"),
        ("width", 1.5, "a whole number of at least 1"),
        ("width", True, "a whole number of at least 1"),
        ("width", None, "a whole number of at least 1"),
        ("heads", "two", "a whole number of at least 1"),
        ("flow", -1, "a whole number of at least 0"),
        ("look_ahead", -1, "a whole number of at least 0"),
        ("weight", -0.1, "a number of at least 0"),
        ("weight", float("nan"), "a number of at least 0"),
        ("weight", "much", "a number of at least 0"),
        ("dropout", 1.1, "a share from 0 to 1"),
        ("shift", float("inf"), "a number"),
        ("span", [2, 1], "two whole numbers of at least 1, the larger one last"),
        ("span", [0, 1], "two whole numbers of at least 1, the larger one last"),
        ("span", 3, "two whole numbers"),
        *(
            (name, value, "a list of whole numbers of at least 1")
            for name in ("sizes", "more", "levels")
            for value in ([0], [4, -1], -1, 8, "88", ["256"], [2.5], [8.0, 5], [[1]], [True], {})
        ),
        ("sizes", [], "a list of whole numbers of at least 1"),
        ("sizes", None, "a list of whole numbers of at least 1"),
        ("more", [], "a list of whole numbers of at least 1"),
        ("codebooks", -1, "a whole number of at least 0"),
        ("shares", {"a": -1}, "numbers of at least 0"),
    ],
)
def test_wrong_numbers_are_told_with_their_place(name: str, value: Any, wanted: str) -> None:
    assert wrong_number(part, {name: value}, "here") == f"here.{name} is {wanted}, not {value!r}"


@pytest.mark.parametrize("levels", [[8.9, 5], "88", 8, [], [0, 5]])
def test_levels_are_a_list_of_whole_numbers(levels: Any) -> None:
    with pytest.raises(CodecError, match=r"quantizer.levels is a list of whole numbers"):
        build_quantizer({"kind": "fsq", "levels": levels})


def test_parts_of_codecs_are_checked() -> None:
    with pytest.raises(CodecError, match="quantizer.dim is a whole number of at least 1, not 0"):
        build_quantizer({"kind": "vq", "dim": 0, "codebook_size": 4})
