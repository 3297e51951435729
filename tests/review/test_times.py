import contextlib
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.review.times import moment, span, when

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("30s", NOW - 30),
        ("5m", NOW - 300),
        ("3h", NOW - 10_800),
        ("2d", NOW - 172_800),
        ("1w", NOW - 604_800),
        ("1970-01-02", 86_400.0),
        ("1970-01-01T01:00", 3_600.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        (" 1970-01-01T00:00:01Z ", 1.0),
    ],
)
def test_a_time_can_be_said_in_several_ways(text: str, at: float) -> None:
    assert when(text, NOW) == at


@pytest.mark.parametrize("text", ["", "2", "d", "2y", "-2d", "yesterday", "2026-13-01", "99999999d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        when(text, NOW)


@given(st.text(max_size=12))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError, OverflowError):
        assert isinstance(when(text, NOW), float)


@given(st.floats(1, 4_000_000_000))
def test_what_is_printed_can_be_read_again(at: float) -> None:
    read = dt.datetime.strptime(moment(at), "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=dt.UTC)
    assert abs(read.timestamp() - at) <= 1


@pytest.mark.parametrize("at", [None, float("nan"), float("inf"), -float("inf"), 1e300])
def test_what_is_not_known_or_no_time_is_a_dash(at: float | None) -> None:
    assert moment(at) == "-"
    assert at == 1e300 or span(at) == "-"


def test_a_session_that_never_began_has_no_moment() -> None:
    assert moment(0.0) == "-"


def test_a_span_is_said_in_its_units() -> None:
    assert [span(seconds) for seconds in (0.25, 59.4, 61, 3_725)] == ["0.2s", "59.4s", "1m01s", "1h02m05s"]


def test_a_span_of_a_clock_that_was_set_back_is_not_known() -> None:
    assert [span(seconds) for seconds in (-0.01, -70, -1e18)] == ["-"] * 3
