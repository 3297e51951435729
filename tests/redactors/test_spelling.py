"""Names are made of words that can be spelled; what a generator drew is not."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.spelling import is_unspellable
from tests.redactors.test_filters import WORDS

NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6)


@given(NAMES, st.sampled_from(["", "_", "-", "."]), st.booleans())
def test_names_in_any_writing_can_be_spelled(words: list[str], sign: str, capitals: bool) -> None:  # noqa: FBT001
    name = sign.join(word.title() if capitals or not sign else word for word in words)  # something parts them
    assert not is_unspellable(name.encode())


@pytest.mark.parametrize(("alphabet", "size"), [(string.ascii_lowercase, 24), (string.ascii_letters, 40)])
def test_of_a_thousand_values_that_a_generator_drew_nearly_all_are_unspellable(alphabet: str, size: int) -> None:
    draw = random.Random(size)  # noqa: S311 (made up, the same each time)
    drawn = ("".join(draw.choices(alphabet, k=size)) for _ in range(1000))
    assert sum(is_unspellable(value.encode()) for value in drawn) > 900


@given(st.binary(max_size=200))
def test_the_case_of_one_word_does_not_count(value: bytes) -> None:
    word = bytes(byte for byte in value if chr(byte) in string.ascii_letters)
    assert is_unspellable(word.lower()) == is_unspellable(word.upper())
