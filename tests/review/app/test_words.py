"""How sessions and moments are said: in rows that fit, whatever the log says."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.audit.recording import ended, start_event
from wrapper.audit.events import SessionStart
from wrapper.audit.format import NoKeyError, TamperedError, TruncatedError
from wrapper.audit.reader import Outline, Session, State
from wrapper.errors import AuditError, StateError
from wrapper.review.app.momentwords import MOST_LINES, full, ill, told
from wrapper.review.app.painted import Line
from wrapper.review.app.reading import Entry
from wrapper.review.app.sessionwords import Listed, about, heads, listed
from wrapper.review.story import Moment

_TIMES = st.floats(allow_nan=True, allow_infinity=True)
_TEXTS = st.text(max_size=200)


def _text(line: Line) -> str:
    return "".join(text for text, _ in line)


def _session(state: State = State.SEALED, problem: str = "") -> Session:
    return Session("s-1", Path("/nowhere"), 1_000.0, state, 4_000, problem)


def _listed(start: SessionStart | None = None, **changes: object) -> Listed:
    return Listed(_session(), Outline(start or start_event(), ended()), **changes)  # type: ignore[arg-type]


@given(_TEXTS, _TEXTS, _TIMES, st.integers(40, 250))
def test_a_sessions_row_is_safe_and_as_wide_as_its_heads(agent: str, workspace: str, at: float, width: int) -> None:
    row = _listed(start_event(agent=agent, workspace=workspace, at=at))
    assert _text(listed(row, width)).isprintable()
    if width >= 80 and not any(math.isinf(one) for one in (at,)) and abs(at) < 1e9:
        assert cell_len(_text(listed(row, width))) == cell_len(_text(heads(width))) - 2
    for line in about(row, ""):
        assert _text(line).isprintable()


@given(_TEXTS, _TEXTS, _TIMES, _TIMES, st.integers(10, 200))
def test_a_moments_row_is_safe_and_fits(kind: str, title: str, at: float, began: float, width: int) -> None:
    row = told(Entry(0, Moment(3, at, kind, title)), began, width)
    assert _text(row).isprintable()
    for line in full(Moment(3, at, kind, title, (title, title), (title,)), began):
        assert _text(line).isprintable()


@given(_TEXTS, st.floats(0, 1e6), st.integers(40, 200))
def test_a_title_that_is_too_long_ends_in_dots_within_the_width(title: str, at: float, width: int) -> None:
    assert cell_len(_text(told(Entry(0, Moment(3, at, "prompt", title)), 0.0, width))) <= width


def _tones(moment: Moment) -> list[str]:
    return [tone for line in full(moment, 0.0) for _, tone in line][-len(moment.lines) :]


def test_differences_are_coloured_in_edits_and_changes_only() -> None:
    lines = ("-old", "+new", " same", "@@")
    coloured = ["gone", "new", "plain", "hunk"]
    assert _tones(Moment(1, 1.0, "change", "modified a", lines)) == coloured
    assert _tones(Moment(1, 1.0, "call", "Edit: a", lines, ("a",))) == coloured
    assert _tones(Moment(1, 1.0, "call", "$ cat", lines)) == ["plain"] * 4
    assert _tones(Moment(1, 1.0, "answer", "a list:", lines)) == ["plain"] * 4


def test_of_a_moment_without_end_it_is_said_that_there_is_more() -> None:
    lines = list(full(Moment(1, 1.0, "result", "many", ("x",) * (MOST_LINES + 1)), 0.0))
    assert _text(lines[-1]).startswith("… and more")
    assert len(lines) < MOST_LINES + 10


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TamperedError("x"), "tampered"),
        (TruncatedError("x"), "truncated"),
        (NoKeyError("x"), "nokey"),
        (AuditError("x"), "unreadable"),
        (StateError("x", hint="y"), "unreadable"),
    ],
)
def test_what_is_wrong_with_a_log_has_the_name_that_verify_gives_it(error: AuditError, kind: str) -> None:
    row = ill(error, 5.0)
    assert (row.kind, row.title, row.at) == (kind, "x", 5.0)
    assert row.lines == (("hint: y",) if error.hint else ())


def test_a_session_is_named_by_what_is_known_of_it() -> None:
    assert _listed().name == "claude in /work/project, 1970-01-01 00:16"
    assert _listed().short == "01-01 00:16 claude project"
    assert Listed(_session()).name == Listed(_session()).short == "s-1"


def test_the_size_is_listed_where_there_is_room() -> None:
    assert "SIZE" in _text(heads(120))
    assert "SIZE" not in _text(heads(78))
    assert "3.9 KiB" in _text(listed(_listed(), 120))
