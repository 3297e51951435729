"""Which runs stand in which others is known as comparing all pairs tells it, whenever each was learnt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.review import containing
from wrapper.review.containing import Containing
from wrapper.review.runs import Run

TEXTS = (b"abcabcaab", b"bcaab", b"abcabc", b"cabcaabxx")
RUNS = st.builds(
    lambda known, start, size: Run(known, start, min(start + size, len(TEXTS[known]))),
    st.integers(0, len(TEXTS) - 1),
    st.integers(0, 4),
    st.integers(1, 9),
)


def text(run: Run) -> bytes:
    return TEXTS[run.known][run.start : run.end]


@given(st.lists(st.lists(RUNS, max_size=8), min_size=1, max_size=5), st.integers(0, 40))
def test_pairs_are_those_of_comparing_all(batches: list[list[Run]], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(containing, "_MOST_BYTES", most)
        known = Containing(text)
        for batch in batches:
            known.learn(batch)
            for outer in batch:
                expected = {run for run in batch if run.known != outer.known and text(run) in text(outer)}
                assert expected <= set(known.within(outer))
                assert all(text(run) in text(outer) and run.known != outer.known for run in known.within(outer))
