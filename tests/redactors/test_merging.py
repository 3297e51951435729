"""Segments are merged when searching them one by one has cost as much as merging, not before and not all."""

import random
import string

from hypothesis import given
from hypothesis import strategies as st

from redactors.known import KnownValues
from redactors.matcher import Pass, Segment, targets
from redactors.merging import extra_cost, merged, merging
from redactors.vault import Origin, Vault

ALPHANUMERIC = (string.ascii_letters + string.digits).encode()
MANY = 32


def key(seed: int) -> bytes:
    return bytes(random.Random(seed).choices(ALPHANUMERIC, k=32))  # noqa: S311  (a fake)


def segment(size: int, seed: int) -> Segment:
    texts = [key(seed * 1000 + number) for number in range(size)]
    return Segment(
        target for text in texts for target in targets(text, [(8, 20)], within=Pass.BOTH, form="raw", owner=text)
    )


@given(st.lists(st.integers(1, 40), min_size=2, max_size=MANY))
def test_only_segments_of_about_the_smallest_size_are_merged(sizes: list[int]) -> None:
    segments = tuple(segment(size, number) for number, size in enumerate(sizes))
    following = merging(segments)
    assert {one.size for one in following.group} <= set(range(min(sizes), 4 * min(sizes) + 1))
    if following.group:
        left = merged(segments, following.group)
        assert len(left) == len(segments) - len(following.group) + 1
        assert sum(one.size for one in left) == sum(sizes)


def test_a_few_values_are_not_compiled_again_with_many() -> None:
    segments = (segment(300, 1), segment(5, 2))
    assert merging(segments).cost == float("inf")


def test_too_many_segments_are_merged_at_once() -> None:
    segments = tuple(segment(1 if number else 200, number) for number in range(MANY + 1))
    following = merging(segments)
    assert following.cost == 0
    assert len(merged(segments, following.group)) == 2


def test_searching_much_in_many_segments_costs_more_than_merging_them() -> None:
    segments = tuple(segment(20, number) for number in range(4))
    cost = merging(segments).cost
    assert extra_cost(segments, 1000) < cost < extra_cost(segments, 10_000_000)
    assert extra_cost(segments[:1], 10_000_000) == 0


def test_a_merged_segment_finds_what_its_parts_find() -> None:
    segments = tuple(segment(20, number) for number in range(4))
    (one,) = merged(segments, merging(segments).group)
    text = b" ".join(key(number * 1000 + 3) for number in range(4))
    found = {(match.start, match.end) for part in segments for match in part.search(text, Pass.EXACT)}
    assert found == {(match.start, match.end) for match in one.search(text, Pass.EXACT)}
    assert len(found) == 4


def test_values_added_one_by_one_stay_found_and_come_into_few_segments() -> None:
    known = KnownValues(Vault(bytes(32)))
    for seed in range(3 * MANY):
        known.add("KEY", key(seed), Origin.OUTSIDE)
        assert [found.value for found in known.find(b"= " + key(seed))] == [key(seed)]
    assert len(known.segments()) <= MANY
    text = b"\n".join(key(seed) for seed in range(3 * MANY)) + b" " * 1_000_000
    for _ in range(60):
        assert len(known.find(text)) == 3 * MANY
    assert len(known.segments()) <= 2
