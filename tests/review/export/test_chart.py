import re

from hypothesis import given

from tests.review.export import strange
from tests.review.export.session import masked
from wrapper.audit.reader import Record
from wrapper.review.export.chart import Masked
from wrapper.review.export.pace import Pace


def drawn(*found: object, end: float = 1_100.0) -> str:
    chart = Masked()
    for one in found:
        chart.feed(one)  # type: ignore[arg-type]
    return "".join(chart.html(1_000.0, end, Pace(1_000.0)))


def test_a_dot_stands_where_in_the_session_it_happened() -> None:
    text = drawn(
        masked(1_000.0, "A", "file", "x"), masked(1_050.0, "A", "file", "y"), masked(1_100.0, "A", "file", "z")
    )
    assert re.findall(r'cx="([\d.]+)%"', text) == ["1.00", "50.00", "99.00"]


def test_a_larger_count_is_a_larger_dot_and_said_in_words() -> None:
    text = drawn(masked(1_010.0, "A", "file", "x"), masked(1_050.0, "A", "file", "y", count=100))
    small, large = map(int, re.findall(r'r="(\d+)" data-at', text))
    assert small < large
    assert "<title>0:50: 100 replaced by a placeholder, file y</title>" in text


def test_what_was_only_noted_is_a_dot_of_its_own_beside_what_was_masked() -> None:
    text = drawn(masked(1_010.0, "A", "file", "x"), masked(1_010.0, "A", "request", "#1", action="monitored"))
    assert 'class="dot replaced"' in text
    assert 'class="dot monitored"' in text
    assert "only noted: it left as it is" in text


def test_many_kinds_share_a_lane_and_the_table_still_names_each() -> None:
    text = drawn(*(masked(1_010.0, f"KIND-{number:02}", "file", "x") for number in range(40)))
    assert text.count('class="lane-name" title=') == 14
    assert "OTHER KINDS" in text
    assert all(f"<td>KIND-{number:02}</td>" in text for number in range(40))


def test_a_long_table_says_how_much_it_leaves_out() -> None:
    text = drawn(*(masked(1_000.0 + number, "A", "file", "x") for number in range(350)), end=2_000.0)
    assert text.count("<tr><td>") == 300
    assert "50 more rows: <code>safe-agent audit redactions</code> has them." in text


def test_nothing_masked_draws_nothing() -> None:
    assert drawn() == ""


@given(strange.RECORDS)
def test_whatever_the_events_the_dots_stay_in_their_lanes(records: list[Record]) -> None:
    text = drawn(*(record.event for record in records))
    assert all(0 <= float(place) <= 100 for place in re.findall(r'cx="([^"%]+)%"', text))
