"""What is taken out fast is what the whole expression takes out, and places are found without it."""

from hypothesis import given
from hypothesis import strategies as st

from redactors.sequences import finished, once, place_of_last, without_sequences
from redactors.squeeze import ESCAPE_SEQUENCE, UNFINISHED_SEQUENCE

PARTS = [
    *(b"\x1b", b"[", b"]", b"(", b"\\", b"\x07", b"31", b";", b"m", b"K", b" ", b"a", b"x y", b"\n", b"\x1b("),
    *(b"\x1b[0m", b"\x1b[1\\", b"\x1b]0;title\x07", b"\x1b]8;;link\x1b\\", b"\x1b(B", b"\x1b]8;;lin"),
    *(b"\x1b[" + b"1" * 64, b"\x1b[" + b"1" * 65, b"\x1b]" + b"t" * 512, b"\x1b]" + b"t" * 513),
]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=10).map(b"".join)


@given(TEXTS)
def test_the_rest_is_that_of_the_whole_expression(text: bytes) -> None:
    assert without_sequences(text) == ESCAPE_SEQUENCE.sub(b"", text)


@given(TEXTS)
def test_only_a_sequence_that_is_not_whole_is_left_out_at_the_end(text: bytes) -> None:
    whole = [sequence.end() for sequence in ESCAPE_SEQUENCE.finditer(text)]
    cut = UNFINISHED_SEQUENCE.search(text, max(whole, default=0))
    assert finished(text) == (text[: cut.start()] if cut else text)


@given(TEXTS)
def test_the_last_bytes_outside_of_sequences_are_found_where_they_are(text: bytes) -> None:
    within = {at for sequence in ESCAPE_SEQUENCE.finditer(text) for at in range(*sequence.span())}
    outside = [at for at in range(len(text)) if at not in within]
    for size in range(1, min(4, len(outside)) + 1):
        assert place_of_last(text, size) == outside[-size]


def test_an_answer_is_remembered_for_one_object_not_for_equal_ones() -> None:
    asked: list[bytes] = []

    def strip(data: bytes) -> bytes:
        asked.append(data)
        return data[:1]

    remembering = once(strip)
    first = b"".join((b"a", b"b"))
    second = b"".join((b"a", b"c"))
    assert [remembering(one) for one in (first, first, second, second, first)] == [b"a"] * 5
    assert asked == [first, second, first]
    equal = b"".join((b"a", b"b"))
    assert equal is not first
    remembering(equal)
    assert asked[-1] is equal


def test_what_is_long_is_not_remembered() -> None:
    asked: list[int] = []

    def strip(data: bytes) -> bytes:
        asked.append(len(data))
        return data

    remembering = once(strip)
    long = b"." * 70_000
    assert remembering(remembering(long)) is long
    assert asked == [70_000] * 2
