import math

from hypothesis import given
from hypothesis import strategies as st

from wrapper.review.export.pace import Pace

_TIMES = st.lists(st.floats(allow_nan=True) | st.floats(1_000, 2_000), max_size=30)


def test_intervals_add_up_to_the_time_that_passed() -> None:
    pace = Pace(1_000.0)
    steps = [pace.step(at) for at in (1_000.1004, 1_000.2008, 1_000.3012, 1_001.0)]
    assert sum(steps) == pace.shown == 1.0  # rounding does not pile up


def test_a_clock_that_is_set_back_adds_nothing_until_it_has_caught_up() -> None:
    pace = Pace(1_000.0)
    assert [pace.step(at) for at in (1_005.0, 1_002.0, 1_004.0, 1_006.0)] == [5.0, 0.0, 0.0, 1.0]


def test_a_long_pause_is_shortened_and_what_happened_in_it_has_its_place() -> None:
    pace = Pace(1_000.0, idle=2.0)
    assert [pace.step(at) for at in (1_001.0, 1_101.0, 1_101.5)] == [1.0, 2.0, 0.5]
    places = [pace.place(at) for at in (900.0, 1_000.5, 1_002.0, 1_050.0, 1_101.0, 1_101.25, 5_000.0)]
    assert places == [0.0, 0.5, 2.0, 3.0, 3.0, 3.25, 3.5]


@given(_TIMES, _TIMES, st.sampled_from([0.5, 2.0, math.inf]))
def test_places_are_within_the_recording_and_never_go_back_whatever_the_times(
    steps: list[float], asked: list[float], idle: float
) -> None:
    pace = Pace(1_000.0, idle)
    passed = [pace.step(at) for at in steps]
    assert all(0 <= one <= idle for one in passed)
    real = sorted(at for at in asked if not math.isnan(at) and not math.isinf(at))
    places = [pace.place(at) for at in real]
    assert places == sorted(places)
    assert all(0 <= pace.place(at) <= pace.shown for at in asked)
