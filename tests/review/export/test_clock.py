import math

import pytest

from wrapper.review.export.clock import clock, sound


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0:00"),
        (7.9, "0:07"),
        (750, "12:30"),
        (3_723, "1:02:03"),
        (-5, "-0:05"),
        (-0.5, "0:00"),
        (-3_723, "-1:02:03"),
        (math.inf, "0:00"),
    ],
)
def test_a_time_in_the_session_is_said_as_on_a_clock(seconds: float, said: str) -> None:
    assert clock(seconds) == said


@pytest.mark.parametrize(
    ("at", "kept"), [(1_700_000_000.5, 1_700_000_000.5), (math.nan, 0), (math.inf, 0), (-1, 0), (1e300, 9.2e9)]
)
def test_a_time_that_is_none_becomes_one(at: float, kept: float) -> None:
    assert sound(at) == kept
