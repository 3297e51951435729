"""Keyed codes are AES of the hash and its domain, and say nothing to another key."""

import pickle
import struct

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from wrapper.provenance.keyed import Domain, Keyed

_HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=20).map(lambda numbers: np.array(numbers, np.uint64))
_KEYS = st.binary(min_size=32, max_size=32)


@given(_KEYS, _HASHES, st.sampled_from(Domain))
def test_a_code_is_the_first_half_of_one_block_of_aes(key: bytes, hashes: "np.ndarray", domain: Domain) -> None:
    aes = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()  # noqa: S305 (what it is compared with)
    blocks = [aes.update(struct.pack("<QQ", number, domain)) for number in hashes.tolist()]
    assert Keyed(key).codes(hashes, domain).tolist() == [struct.unpack("<Q", block[:8])[0] for block in blocks]
    assert Keyed(key).blocks(hashes, domain).tobytes() == b"".join(blocks)


@pytest.mark.parametrize("size", [0, 1, (1 << 14) - 1, 1 << 14, (1 << 14) + 1, 100_000])
def test_codes_of_many_are_the_codes_of_each(size: int) -> None:
    keyed = Keyed(bytes(32))
    hashes = np.arange(size, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    codes = keyed.codes(hashes, Domain.WORDS)
    assert codes.size == size
    for at in {0, size // 2, size - 1} if size else ():
        assert codes[at] == keyed.codes(hashes[at : at + 1], Domain.WORDS)[0]


def test_other_keys_and_other_domains_give_other_codes() -> None:
    hashes = np.arange(1000, dtype=np.uint64)
    given_codes = [Keyed(bytes([key] * 32)).codes(hashes, domain) for key in (1, 2) for domain in Domain]
    assert np.unique(np.concatenate(given_codes)).size == 1000 * len(given_codes)


def test_it_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="load the key file"):
        pickle.dumps(Keyed(bytes(32)))


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Keyed(bytes(16))
