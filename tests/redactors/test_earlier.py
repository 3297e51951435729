"""Which document a new one goes on from, and how much of it is the same: byte for byte."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from redactors.earlier import _BLOCK, _MOST, Earlier, Shared, shared_end, shared_start


@dataclass(eq=False)
class Text:
    data: bytes

    def whole(self, size: int) -> int:
        return size // 10 * 10


def usable(_text: Text) -> bool:
    return True


def same_start(one: bytes, other: bytes) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


SIZES = st.integers(0, 400) | st.integers(_BLOCK - 70, _BLOCK + 70)


@given(common=SIZES, one=st.binary(max_size=200), other=st.binary(max_size=200))
def test_what_both_begin_or_end_with_is_what_a_look_at_each_byte_says(common: int, one: bytes, other: bytes) -> None:
    shared = b"s" * common
    assert shared_start(shared + one, shared + other) == same_start(shared + one, shared + other)
    most = min(len(one), len(other)) + common
    exact = same_start((one + shared)[::-1], (other + shared)[::-1])
    assert shared_end(one + shared, other + shared, most) == exact


@given(one=st.binary(max_size=300), other=st.binary(max_size=300), most=st.integers(0, 300))
def test_what_both_end_with_does_not_pass_its_bound(one: bytes, other: bytes, most: int) -> None:
    most = min(most, len(one), len(other))
    found = shared_end(one, other, most)
    assert found <= most
    assert one[len(one) - found :] == other[len(other) - found :]


def test_what_is_the_same_at_both_ends_overlaps_by_a_byte_at_most() -> None:
    earlier = Earlier[Text](10_000)
    text = Text(b"a" * 1_000)
    earlier.add(text, 1_000)
    for size in (500, 999, 1_000, 1_001, 3_000):
        shared = earlier.nearest(b"a" * size, usable)
        assert shared is not None
        assert min(size, 1_000) <= shared.prefix + shared.suffix <= min(size, 1_000) + 1
    assert earlier.nearest(b"a" * 9, usable) == Shared(text, 0, 8)


def test_of_conversations_in_turn_each_goes_on_from_its_own() -> None:
    earlier = Earlier[Text](10**6)
    begun = [b"{" * 100 + b"%d" % which * 500 for which in range(4)]
    texts = [Text(one) for one in begun]
    for text in texts:
        earlier.add(text, 1_000)
    for text in texts:
        found = earlier.nearest(text.data + b"more", usable)
        assert found == Shared(text, len(text.data), 0)
        assert found.is_most


def test_a_document_of_which_much_is_missing_keeps_its_place() -> None:
    assert not Shared(Text(b"a" * 1_000), 500, 300).is_most
    assert Shared(Text(b"a" * 1_000), 500, 400).is_most


def test_what_is_not_usable_yet_is_passed_over() -> None:
    earlier = Earlier[Text](10_000)
    older, newer = Text(b"a" * 500), Text(b"a" * 600)
    earlier.add(older, 500)
    earlier.add(newer, 600)
    found = earlier.nearest(newer.data, lambda one: one is older)
    assert found is not None
    assert found.earlier is older


def test_what_is_held_stays_within_its_bounds_and_the_latest_is_kept() -> None:
    earlier = Earlier[Text](2_500)
    for number in range(6):
        earlier.add(Text(b"%d" % number * 500), 1_000)
    assert earlier.size == 2_000
    assert earlier.nearest(b"3" * 500, usable) is None
    assert earlier.nearest(b"5" * 500, usable) is not None
    earlier.add(Text(b"x" * 500), 3_000)
    assert earlier.size <= 2_500
    for number in range(100):
        earlier.add(Text(b"%d" % number), 1)
    assert earlier.size == _MOST


def test_a_document_that_goes_on_is_held_once_with_what_it_takes_now() -> None:
    earlier = Earlier[Text](10_000)
    text = Text(b"a" * 500)
    earlier.add(text, 500)
    text.data += b"b" * 100
    earlier.add(text, 600)
    assert earlier.size == 600
