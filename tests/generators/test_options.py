"""Options of sampling: groups, and what strategies and heads declare of them."""

from dataclasses import fields

import pytest
from pydantic import ValidationError

from tests.helpers.generators import FAMILIES
from tts.generators import options
from tts.generators.base import SamplingOptions
from tts.registry import HEADS, sampling_options

GROUPS = [
    each
    for name, each in vars(options).items()
    if isinstance(each, type)
    and each.__module__ == options.__name__
    and name.endswith("Options")
    and vars(each).get("__annotations__")  # the others only join some of them
]


def test_every_option_is_of_one_group() -> None:
    names = options.names_of(*GROUPS)
    assert len(set(names)) == len(names)
    assert set(names) == {field.name for field in fields(SamplingOptions)}
    assert all(issubclass(SamplingOptions, group) for group in GROUPS)


def test_steps_and_guidance_come_first() -> None:
    made = SamplingOptions(3, 1.5)
    assert (made.steps, made.guidance) == (3, 1.5)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_a_group_refuses_other_options(group: type) -> None:
    with pytest.raises(ValidationError):
        group(heat=1.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_declared_options_exist(family: str) -> None:
    parts = FAMILIES[family][0]
    known = {field.name for field in fields(SamplingOptions)}
    assert set(sampling_options(**parts)) <= known


@pytest.mark.parametrize("head", HEADS)
def test_heads_have_the_attributes_of_their_contract(head: str) -> None:
    kind = HEADS[head]
    assert isinstance(kind.posterior, bool) and isinstance(kind.guides_itself, bool)  # type: ignore[attr-defined]
