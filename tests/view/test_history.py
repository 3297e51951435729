"""Ranges that were written, and the process that wrote."""

import os
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from wrapper.view.history import History, Work, merged, process_of
from wrapper.view.witness import Change

_RANGES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 20)), max_size=60)


def _bytes(ranges: list[tuple[int, int]]) -> set[int]:
    return {at for start, length in ranges for at in range(start, start + length)}


@given(_RANGES)
def test_merged_ranges_are_sorted_apart_and_hold_the_same_bytes(ranges: list[tuple[int, int]]) -> None:
    out = merged(ranges)
    assert _bytes(out) == _bytes(ranges)
    assert all(one[0] + one[1] < other[0] for one, other in pairwise(out))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 9)), min_size=1, max_size=2000))
def test_there_are_at_most_64_ranges_and_they_hold_all_that_was_written(ranges: list[tuple[int, int]]) -> None:
    work = Work("", "", None, None)
    for start, length in ranges:
        work.add(start, length)
    out = merged(work.ranges)
    assert len(out) <= 64
    assert _bytes(ranges) <= _bytes(out)


def test_a_thread_is_named_by_its_process() -> None:
    name = Path("/proc/self/comm").read_text().strip()
    assert process_of(os.getpid()) == f"{name}[{os.getpid()}]"


def test_a_process_that_is_gone_is_named_by_its_number_alone() -> None:
    assert process_of(2**22 + 1) == f"[{2**22 + 1}]"


class _Heard:
    """A witness that hears of changes and masks."""

    def __init__(self) -> None:
        self.all: list[object] = []

    def changed(self, change: Change) -> None:
        self.all.append(change.path)

    def masked(self, path: bytes) -> None:
        self.all.append((b"masked", path))


def _history() -> tuple[History, _Heard]:
    heard = _Heard()
    return History(heard, lambda: None), heard  # type: ignore[arg-type]


def test_changes_can_wait_and_what_else_is_told_cannot_and_takes_all_before_it_along() -> None:
    history, heard = _history()
    history.changed(Change("agent", "created", b"one"))
    assert not history.is_pressing
    history.put(history.witness.masked, b"two")
    assert history.is_pressing
    history.changed(Change("agent", "deleted", b"three"))
    history.tell()
    assert heard.all == [b"one", (b"masked", b"two"), b"three"]
    assert not history.is_pressing


def _told_until_it_presses(history: History, change: Change) -> int:
    count = 0
    while not history.is_pressing:
        history.changed(change)
        count += 1
    history.tell()
    return count


def test_what_waits_takes_a_bounded_amount_of_memory() -> None:
    history, _ = _history()
    contents = bytes(100_000), bytes(100_000)
    assert 10 < _told_until_it_presses(history, Change("agent", "modified", b"a", contents=contents)) < 200
    assert 1000 < _told_until_it_presses(history, Change("agent", "created", b"a")) < 50_000
