"""Hashes are found by their buckets where a binary search finds them, however they crowd."""

import numpy as np
import pytest

from wrapper.buckets import Buckets


@pytest.mark.parametrize("size", [0, 1, 1000, 1 << 17])
@pytest.mark.parametrize("crowd", [0, 1, 3 * 24, 100_000])
def test_the_rows_are_those_of_a_binary_search(size: int, crowd: int) -> None:
    chance = np.random.default_rng(crowd)
    greatest = (1 << 64) - 1
    alike, near = np.full(crowd, 1 << 50, np.uint64), (1 << 63) + np.arange(crowd, dtype=np.uint64)
    edges = np.array([0, 0, greatest, greatest], np.uint64)[: 4 * bool(crowd)]
    hashes = np.sort(np.concatenate((chance.integers(0, greatest, size, np.uint64), alike, near, edges)))
    others = chance.integers(0, greatest, 5000, np.uint64, endpoint=True)
    around = np.array([0, 1, greatest - 1, greatest, (1 << 50) - 1, 1 << 50, (1 << 50) + 1], np.uint64)
    asked = np.concatenate(
        (others, chance.choice(hashes, 5000) if hashes.size else others, hashes[-50:], near + 1, around)
    )
    buckets = Buckets(hashes)
    assert buckets.first(asked).tolist() == np.searchsorted(hashes, asked, "left").tolist()
    assert buckets.behind(asked).tolist() == np.searchsorted(hashes, asked, "right").tolist()
