"""Keys that were renamed are refused with the name they have now."""

import pytest

from tts.errors import ConfigError
from tts.registry import build_generator
from tts.renamed import KEYS, unknown_key


def test_an_old_key_names_the_new_one() -> None:
    head = {"kind": "categorical", "books": 2, "codebook_size": 20}
    with pytest.raises(ConfigError, match="'books' of head: it is called 'num_codebooks' now"):
        build_generator({"kind": "masked"}, head)


def test_an_old_key_of_another_section_is_a_plain_unknown_one() -> None:
    assert "now" not in unknown_key("books", ["steps", "seed"])


def test_no_key_is_renamed_twice() -> None:
    now = [name for new in KEYS.values() for name in ((new,) if isinstance(new, str) else new)]
    assert not set(KEYS) & set(now)


def test_a_key_that_stood_in_two_sections_has_the_name_of_each() -> None:
    assert unknown_key("units", ["batch_size", "frames"]) == ": it is called 'frames' now"
    assert unknown_key("units", ["dim", "output"]) == ": it is called 'output' now"
