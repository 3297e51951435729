import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.recording import start_event, warned
from wrapper.audit import events
from wrapper.review import render
from wrapper.review.timeline import Row


@given(st.text())
def test_what_is_printed_holds_only_printable_characters(text: str) -> None:
    assert render.printable(text).isprintable()


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert render.printable(text) == text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b1m", "\\x9b1m"),
        ("\u202e", "\\u202e"),
        ("a\tb", "a    b"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_what_a_terminal_would_act_on_is_spelled_out(raw: str, shown: str) -> None:
    assert render.printable(raw) == shown


@given(st.floats(0, 1e6), st.text(), st.lists(st.text()))
def test_a_row_gives_as_many_lines_as_it_has(at: float, text: str, details: list[str]) -> None:
    lines = render.lines(Row(at, "output", text, tuple(details)))
    assert len(lines) == 1 + len(details)
    assert all(line.isprintable() for line in lines)


@given(st.floats())
def test_any_time_can_be_shown(at: float) -> None:
    r"""Also such as no log of ours says; never more than a column holds."""
    assert re.fullmatch(r"[+-](\d{1,7}:)?\d{1,2}:[0-5]\d\.\d{3}|\?", render.clock(at))


def test_times_are_counted_from_the_start() -> None:
    times = [render.lines(Row(at, "end", "x"))[0].split()[0] for at in (0.0, 59.9996, 61.5, 3725.25)]
    assert times == ["+0:00.000", "+1:00.000", "+1:01.500", "+1:02:05.250"]


def test_what_came_after_the_clock_was_set_back_does_not_seem_to_be_at_the_start() -> None:
    assert [render.clock(at) for at in (-0.0001, -1.5, -3725.25, math.nan, 1e300)] == [
        "+0:00.000", "-0:01.500", "-1:02:05.250", "?", "?",
    ]  # fmt: skip


@given(st.text(), st.binary())
def test_a_line_of_json_is_printable_ascii(text: str, data: bytes) -> None:
    for event in (warned(text), events.Output(at=1.0, stream=text, data=data)):
        line = render.json_line(7, event)
        assert re.fullmatch(r"[ -~]*", line)
        assert json.loads(line)["frame"] == 7


def test_json_is_complete_and_leaves_out_only_what_older_logs_lack() -> None:
    change = events.FileChange(
        at=1.0, path="a", action="modified", by="agent", process="sh[1]", ranges=((0, 2),), before="aa", after="bb"
    )
    fields = {"frame": 7, "type": "file", "at": 1.0, "path": "a", "action": "modified", "target": ""}
    assert json.loads(render.json_line(7, events.FileChange(at=1.0, path="a", action="modified"))) == fields
    more = {"by": "agent", "process": "sh[1]", "ranges": [[0, 2]], "before": "aa", "after": "bb"}
    assert json.loads(render.json_line(7, change)) == fields | more
    read = json.loads(render.json_line(7, events.FilesRead(at=1.0, files=(("a", 0.5, 9),))))
    assert read["files"] == [["a", 0.5, 9]]
    assert json.loads(render.json_line(0, start_event(view="fuse")))["view"] == "fuse"


@given(st.text())
def test_a_plan_that_is_no_json_stays_text(text: str) -> None:
    assert "plan" in json.loads(render.json_line(0, start_event(plan=text)))


@pytest.mark.parametrize("depth", [*range(960, 1_040, 3), 100_000])
def test_a_plan_that_nests_deeper_than_can_be_printed_stays_text(depth: int) -> None:
    plan = "[" * depth + "]" * depth
    printed = json.loads(render.json_line(0, start_event(plan=plan)))["plan"]
    assert printed == plan or json.dumps(printed) == plan


@pytest.mark.parametrize("at", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_cannot_say_is_null_and_the_line_stays_json(at: float) -> None:
    def refused(number: str) -> None:
        raise AssertionError(number)

    read = events.FilesRead(at=at, files=(("a", at, 3), ("b", 1.5, 4)))
    shown = json.loads(render.json_line(7, read), parse_constant=refused)
    assert shown == {"frame": 7, "type": "read", "at": None, "files": [["a", None, 3], ["b", 1.5, 4]]}
    odd = json.loads(render.json_line(0, start_event(plan='{"a": 1e999}')), parse_constant=refused)
    assert odd["plan"] in ('{"a": 1e999}', {"a": None})
