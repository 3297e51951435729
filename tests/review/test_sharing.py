import secrets

from hypothesis import given
from hypothesis import strategies as st

from wrapper.review.left import Account, Leaving, Part, Span, line_starts, span
from wrapper.review.runs import SHORTEST, VARIED, Run
from wrapper.review.sharing import shared

_HEAD = b"# Licensed to nobody in particular, and used by everybody.\n"
_OWN = b"".join(b"a line of its own, number %d\n" % number for number in range(9))


def _leaving(content: int, data: bytes, start: int = 0, end: int = -1, **changes: object) -> Leaving:
    run = Run(content, start, end if end >= 0 else len(data), **changes)  # type: ignore[arg-type]
    part = Part(content, (span(run, line_starts(data)),), ())
    return Leaving("s-1", 3, 5.0, 1, "https://api.invalid/", "", "", Account(), part, 1, 1)


def test_what_two_files_share_left_of_both() -> None:
    contents = [_HEAD + _OWN, _HEAD + b"something quite different in every way\n"]
    (found,) = shared(contents, [_leaving(0, contents[0])])
    assert (found.part.content, found.same_as) == (1, 0)
    assert found.part.spans == (Span(0, len(_HEAD), 1, 1),)
    assert shared([contents[0], b"nothing that stands in the other file\n" * 3], [_leaving(0, contents[0])]) == []


def test_only_what_left_of_the_one_left_of_the_other() -> None:
    contents = [_HEAD + _OWN, b"first\n" + _OWN]
    assert shared(contents, [_leaving(0, contents[0], 0, len(_HEAD))]) == []


def test_a_value_for_which_a_placeholder_left_did_not_leave_of_another_file_either() -> None:
    value = secrets.token_urlsafe(40).encode()
    contents = [_HEAD + b"KEY=" + value + b"\n" + _OWN, b"THE_SAME=" + value + b"\nand nothing else\n"]
    start = contents[0].index(value)
    hidden = ((start, start + len(value)),)
    assert shared(contents, [_leaving(0, contents[0], hidden=hidden)]) == []
    assert len(shared(contents, [_leaving(0, contents[0])])) == 1


def test_repetitions_are_not_shared() -> None:
    contents = [_HEAD + b"-" * 60, b"-" * 60 + b"\nsomething else\n"]
    assert shared(contents, [_leaving(0, contents[0])]) == []


@given(
    first=st.binary(max_size=120),
    second=st.binary(max_size=120),
    both=st.binary(min_size=SHORTEST, max_size=90).filter(lambda data: len(set(data)) >= VARIED),
    cut=st.integers(0, 120),
)
def test_every_shared_run_is_found_and_nothing_else(first: bytes, second: bytes, both: bytes, cut: int) -> None:
    contents = [first[:cut] + both + first[cut:], second[:cut] + both + second[cut:]]
    found = shared(contents, [_leaving(0, contents[0])])
    spans = [one for leaving in found if leaving.part.content == 1 for one in leaving.part.spans]
    at = contents[1].index(both)
    assert any(one.offset <= at and at + len(both) <= one.offset + one.length for one in spans)
    for one in spans:
        end = one.offset + one.length
        stand = [n for n in range(one.offset, end - SHORTEST + 1) if contents[1][n : n + SHORTEST] in contents[0]]
        assert {at for n in stand for at in range(n, n + SHORTEST)} == set(range(one.offset, end))
