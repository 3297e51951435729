"""What somebody typed to fill a place is told from what a generator drew."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.fillers import is_alphabet, is_filler, is_for_sandbox
from redactors.finding import Confidence
from tests import compiled
from tests.redactors.drawing import BASE62, drawn


@given(st.integers(min_value=0), st.sampled_from([32, 40, 64]))
def test_random_hex_is_no_filler(seed: int, size: int) -> None:
    assert not is_filler(drawn("0123456789abcdef", size, seed))


@pytest.mark.parametrize("value", [b"lsdkfol23w54jlksdef", b"kjfch2345sdf", b"sdlfkj452", b"askfjh234as9sd8"])
def test_what_fingers_type_on_the_home_row_is_filler(value: bytes) -> None:
    assert is_filler(value)


@pytest.mark.parametrize("size", [16, 24, 32])
def test_of_a_thousand_values_of_small_letters_and_digits_hardly_one_seems_typed(size: int) -> None:
    alphabet = string.ascii_lowercase + string.digits
    assert sum(is_filler(drawn(alphabet, size, seed)) for seed in range(1000)) <= 3


@pytest.mark.parametrize(
    "value",
    [
        b"Qj7mN4vK8sL2xP6zT9aBcD3eF5gH1j",  # letters in order, whatever stands between
        b"Ab3D5fGb7Jk9LmNpQrStUv_X2z",  # letters that rise, some left out
        b"1a2b3c4d-5e6f-7a8b-9c0d-1e2f3a4b",
    ],
)
def test_the_alphabet_with_something_between_is_filler(value: bytes) -> None:
    assert is_filler(value)


@pytest.mark.parametrize("size", [20, 32, 64, 200])
def test_of_ten_thousand_values_that_a_generator_drew_hardly_one_goes_through_the_alphabet(size: int) -> None:
    assert sum(is_filler(drawn(BASE62, size, seed)) for seed in range(10_000)) <= 2


@given(st.binary(max_size=300))
def test_any_bytes_can_be_judged(value: bytes) -> None:
    for ask in (is_filler, is_for_sandbox, is_alphabet):
        assert ask(value) in {True, False}


def _sure_of(text: str) -> list[Confidence]:
    return [found.confidence for found in compiled.load().find(text.encode())]


def test_a_filled_token_is_likely_and_one_for_a_sandbox_is_none() -> None:
    filled, drawn_one = "abc123def456ghi789jkl012mno345pqr", drawn(BASE62, 33, 7).decode()
    assert _sure_of(f"persona_production_{filled}") == [Confidence.LIKELY]
    assert _sure_of(f"persona_sandbox_{filled}") == []
    assert _sure_of(f"persona_sandbox_{drawn_one}") == [Confidence.CERTAIN]


def test_the_whole_alphabet_behind_a_prefix_that_many_issuers_use_is_no_token() -> None:
    assert _sure_of("sk_live_" + string.ascii_lowercase + "123456") == []
    assert _sure_of("sk_live_" + drawn(BASE62, 32, 7).decode()) != []
