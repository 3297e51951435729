"""What a standard prints is no secret; what differs from it in one byte is."""

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import published
from redactors.engine import Engine
from redactors.published import is_published
from redactors.vault import Vault
from tests.compiled import load

RFC_6749 = b"2YotnFZFEjr1" + b"zCsicMWpAA"
PRINTED = (
    RFC_6749,
    b"mF_9.B5f" + b"-4.1JqM",
    b"45ghiukldj" + b"ahdnhzdauz",
    b"0685bd91" + b"84jfhq22",
    b"SlAV32" + b"hkKG",
    b"AIzaSyabcdefghi" + b"jklmnopqrstuvwxyz1234567",
    b"AIzaSyA4UrcGxgwQ" + b"FTfaI3no3t7Lt1sjmdnP5sQ",
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load(Vault(bytes(32)))


@pytest.mark.parametrize("value", PRINTED)
def test_a_token_of_a_standard_is_published(value: bytes) -> None:
    assert is_published(value)


@given(st.sampled_from(PRINTED), st.integers(min_value=0), st.integers(1, 255))
def test_one_other_byte_makes_it_a_secret_again(value: bytes, at: int, change: int) -> None:
    other = bytearray(value)
    other[at % len(value)] ^= change
    assert not is_published(bytes(other))


@given(st.binary(max_size=100))
def test_nothing_that_anybody_draws_is_published(value: bytes) -> None:
    assert is_published(value) == (value in PRINTED)


@given(st.sampled_from(PRINTED), st.binary(min_size=1, max_size=8))
def test_more_of_it_is_not_published(value: bytes, more: bytes) -> None:
    assert not is_published(value + more)
    assert not is_published(more + value)


def test_the_engine_leaves_it_and_finds_its_neighbour(engine: Engine) -> None:
    assert not engine.find(b"access_token=" + RFC_6749 + b"&x=1")
    assert engine.find(b"access_token=" + RFC_6749[:-1] + b"B&x=1")


def test_no_value_stands_in_the_module_itself() -> None:
    text = Path(published.__file__).read_text()
    digests = re.findall(r'"([0-9a-f]{64})"', text)
    assert len(digests) == len(set(digests))
    assert hashlib.sha256(RFC_6749).hexdigest() in digests
    assert RFC_6749.decode() not in text
