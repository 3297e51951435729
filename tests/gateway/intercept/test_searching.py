"""Long texts are searched in portions, and what is found is what a search of the whole finds."""

import asyncio
import gzip
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.intercept.desk import SECRET, TOKEN, Desk
from wrapper.gateway.intercept.archives import unpacked
from wrapper.gateway.intercept.finding import BLOCKED, Weighing
from wrapper.gateway.intercept.searching import AROUND, LONG, PORTION, found_in, packed_in
from wrapper.gateway.unfold import Unfolding

P = ParamSpec("P")
T = TypeVar("T")

WEIGHING = Weighing(Desk().judge._engine, lambda _: "redact", "stop")
FILLER = b"a line of a log that says little\n" * 40_000  # about 1.3 MB


class Searches:
    """Runs searches at once, and notes what it was told of them, and how long the text of each is."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.texts: list[int] = []

    async def __call__(self, size: int, scan: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.told.append(size)
        self.texts += [len(one) for one in args[:1] if isinstance(one, bytes)]
        return scan(*args, **kwargs)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, len(FILLER)), st.integers(-80, 20).map(lambda near: 2 * PORTION + near)),
            st.sampled_from([SECRET, TOKEN, b'password = "hunter2hunter3"']),
        ),
        max_size=5,
    )
)
@settings(max_examples=25, deadline=None)
def test_what_is_found_in_portions_is_what_is_found_in_the_whole(planted: list[tuple[int, bytes]]) -> None:
    data = FILLER
    for place, value in planted:
        data = data[:place] + b"\n" + value + b"\n" + data[place:]
    searches = Searches()
    assert asyncio.run(found_in(data, WEIGHING, searches)) == list(Unfolding(WEIGHING.engine).find(data))
    assert max(searches.texts) <= PORTION + 2 * AROUND


def test_what_a_short_body_unpacks_to_is_searched_in_portions_and_never_in_the_loop() -> None:
    data, searches = gzip.compress(FILLER + SECRET), Searches()
    assert len(data) < 64 * 2**10
    notes = asyncio.run(packed_in(data, unpacked(data), WEIGHING, searches))
    assert [note.action for note in notes] == [BLOCKED]
    assert max(searches.texts) <= PORTION + AROUND
    assert searches.told[0] >= LONG
