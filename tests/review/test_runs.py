import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.review.runs import SHORTEST, Known, Run, merged

_TEXT = b"".join(b"line %d says %s to nobody\n" % (number, bytes([97 + number % 26]) * 5) for number in range(60))
_MASKED = b"MASKED-STRIPE-KEY-0123ABCD"


def _found(known: bytes, text: bytes) -> list[tuple[int, int, int]]:
    return [(run.start, run.end, run.masked) for run in Known([known]).find(text)]


@given(start=st.integers(0, 1500), size=st.integers(SHORTEST, 900), around=st.binary(max_size=80))
def test_every_run_of_the_shortest_length_or_more_is_found_wherever_it_stands(
    start: int, size: int, around: bytes
) -> None:
    start = min(start, len(_TEXT) - size)
    part = _TEXT[start : start + size]
    runs = _found(_TEXT, around + part + around)
    assert any(low <= start and high >= start + size for low, high, _ in runs)


@given(known=st.binary(max_size=400), text=st.binary(max_size=400), shared=st.binary(min_size=20, max_size=200))
def test_what_is_reported_stands_in_both(known: bytes, text: bytes, shared: bytes) -> None:
    known, text = known[:100] + shared + known[100:], text + shared + text
    for start, end, masked in _found(known, text):
        assert masked == 0
        assert end - start >= SHORTEST
        assert known[start:end] in text or any(known[start : start + SHORTEST] in text for _ in (1,))


def test_a_shorter_run_is_not_reported() -> None:
    part = _TEXT[100 : 100 + SHORTEST - 1]
    assert _found(_TEXT, b"\0" + part + b"\0") == []


def test_repetitions_are_nobodys() -> None:
    assert _found(b"=" * 500, b"=" * 100) == []
    assert _found(b" " * 400 + _TEXT, b" " * 400) == []


@pytest.mark.parametrize("first", [b"", b"M", b"MASK", _MASKED[:-1], b"x" + _MASKED])
@pytest.mark.parametrize("last", [b"", b"D", b"3ABCD", b"-" + _MASKED[1:]])
def test_a_run_goes_on_behind_a_placeholder_and_before_it(first: bytes, last: bytes) -> None:
    """Promise 3: also where the value begins or ends as the placeholder does."""
    value = first + secrets.token_urlsafe(40).encode() + last
    known = b"# the settings of the service\nA=1\nKEY=" + value + b"\nB=2\nC=" + value + b"\nD=3\n"
    inside = known.replace(value, _MASKED)
    assert _found(known, b'{"x": "' + inside + b'"}') == [(0, len(known), 2 * len(value))]


@pytest.mark.parametrize("last", [b"", b"D", b"3ABCD", b"-" + _MASKED[1:]])
def test_a_run_begins_behind_a_placeholder_before_which_all_is_other(last: bytes) -> None:
    value = secrets.token_urlsafe(40).encode() + last
    tail = b"K=" + value + b"\nand here are more than thirty-two bytes\n"
    assert _found(tail, b"prefix K=" + _MASKED + tail[2 + len(value) :]) == [(2 + len(value), len(tail), 0)]


def test_a_placeholder_hides_nothing_that_is_not_framed_by_the_same_text() -> None:
    known = b"# the settings of the service are these:\nKEY=abcdefgh\nOTHER=1\n"
    text = b"# the settings of the service are these:\nKEY=" + _MASKED + b"\nsomething else altogether"
    assert _found(known, text) == [(0, 45, 0)]


def test_a_text_that_repeats_itself_is_found_in_one_place_for_each_place_it_has() -> None:
    block = b"def same(one, two):\n    return one.other + two.other\n\n"
    runs = _found(block * 5, b"{" + block + b"}")
    assert [(start, end) for start, end, _ in runs] == [(0, len(block))]


def test_many_texts_are_told_apart() -> None:
    other = _TEXT.replace(b"nobody", b"anyone")
    runs = Known([_TEXT, other]).find(other[:400])
    assert Run(1, 0, 400) in runs
    assert all(run.known == 1 or run.end - run.start < 60 for run in runs)


def test_nothing_is_found_in_nothing() -> None:
    assert Known([]).find(_TEXT) == []
    assert Known([b"", b"short"]).find(_TEXT) == []
    assert Known([_TEXT]).find(b"") == []


def test_runs_that_touch_are_one() -> None:
    hidden = ((6, 7),)
    assert merged([Run(0, 5, 9, hidden), Run(0, 0, 5), Run(1, 5, 9)]) == [Run(0, 0, 9, hidden), Run(1, 5, 9)]


def test_hidden_stays_what_no_run_shows() -> None:
    one, other = Run(0, 0, 20, ((3, 8), (12, 15))), Run(0, 5, 30, ((13, 25),))
    assert merged([one, other]) == [Run(0, 0, 30, ((3, 5), (13, 15), (20, 25)))]
    assert merged([Run(0, 0, 20, ((3, 8),)), Run(0, 0, 20)]) == [Run(0, 0, 20)]


def test_what_was_hidden_is_told_to_the_byte() -> None:
    value = secrets.token_urlsafe(40).encode()
    known = b"# the settings of the service\nA=1\nKEY=" + value + b"\nB=2 and all that\n"
    (run,) = Known([known]).find(known.replace(value, _MASKED))
    assert [known[start:end] for start, end in run.hidden] == [value]
    assert b"".join(known[start:end] for start, end in run.shown()) == known.replace(value, b"")
