import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.ports import Answer, Question
from wrapper.terminal.dialogue import Dialogue
from wrapper.terminal.harmless import cells
from wrapper.terminal.keys import Key, Keys, Pressed

FOUR = ("no", "yes", "always", "never")
# What our own drawing may hold; whatever else begins with an escape came from somewhere else.
_OURS = re.compile(r"\x1b\[(?:\?25[hl]|H|J|K|7m|0m|[0-9]+;[0-9]+H)")


def answered(typed: str, question: Question) -> Answer | None:
    asking, keys = Dialogue(question), Keys()
    for pressed in [*keys.feed(typed.encode()), *keys.flush()]:
        asking.press(pressed)
    return asking.answer


def rows_of(frame: bytes) -> list[str]:
    return _OURS.sub("", frame.decode()).split("\r\n")


@pytest.mark.parametrize(
    ("typed", "choice"),
    [
        ("no\r", "no"),
        ("NO\r", "no"),
        ("yes\r", "yes"),
        ("y\r", "yes"),
        (" ye \r", "yes"),
        ("a\r", "always"),
        ("nev\r", "never"),
        ("n\r", None),
        ("\r", None),
        ("yes", None),
        ("maybe\r", None),
        ("yesno\r", None),
        ("maybe\ry\r", "yes"),
        ("no\x7f\x7fy\r", "yes"),
        ("nonsense\x15a\r", "always"),
        ("\x03", "no"),
        ("yes\x1b", "no"),
        ("\x1by\r", "no"),
        ("\x1b[200~yes\r\x1b[201~", None),
        ("\x1b[200~yes\x1b[201~\r", None),
        ("\x1b[A\x1bOPy\r", "yes"),
    ],
)
def test_what_is_typed_is_the_answer_it_means_or_none(typed: str, choice: str | None) -> None:
    assert answered(typed, Question("Go?", answers=FOUR)) == (choice and Answer(choice))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("y\rbecause\r", Answer("yes", "because")),
        ("y\r\r  \rso\r", Answer("yes", "so")),
        ("y\r\x1b[200~two\nlines\x1b[201~\r", Answer("yes", "two lines")),
        ("y\r\x1b", Answer("no")),
        ("y\rsome words\x03", Answer("no")),
        ("n\r", Answer("no")),
        ("y\r\r", None),
    ],
)
def test_another_answer_than_the_safe_one_wants_a_reason_where_one_is_asked_for(
    typed: str, expected: Answer | None
) -> None:
    assert answered(typed, Question("Go?", wants_reason=True)) == expected


def test_nothing_is_typed_without_end() -> None:
    answer = answered("y\r" + "x" * 9000 + "\r", Question("Go?", wants_reason=True))
    assert answer is not None
    assert len(answer.reason) == 500


def test_a_question_is_shown_with_what_it_is_about_and_what_can_be_answered() -> None:
    frame = Dialogue(Question("May it leave?", ("src/x.py:12", "\tdef f():"), FOUR)).frame(12, 60)
    assert rows_of(frame) == [
        " safe-agent asks".ljust(60),
        "│ May it leave?",
        "│ ",
        "│ src/x.py:12",
        "│     def f():",
        "",
        "Escape or Ctrl-C: no; without an answer: no",
        "answer (no, yes, always, never): ",
    ]
    assert frame.endswith(b"\x1b[8;34H\x1b[?25h")


def test_what_does_not_fit_is_counted() -> None:
    frame = Dialogue(Question("Go?", tuple(f"line {number}" for number in range(30)))).frame(8, 40)
    assert rows_of(frame)[1:-2] == ["│ Go?", "│ ", "│ line 0", "│ line 1", "│ … 28 more lines"]


HOSTILE = st.text(
    alphabet=st.one_of(
        st.sampled_from("\x1b[]\r\n\t\x9b\x07\u202e\u2066\u200b\u0301\u3164日🎉│ aJH;1?h"), st.characters(codec=None)
    ),
    max_size=120,
)


@given(HOSTILE, st.lists(HOSTILE, max_size=8), st.integers(1, 30), st.integers(1, 100), HOSTILE)
def test_text_from_the_inside_stays_behind_its_bar_and_in_its_window(
    what: str, lines: list[str], rows: int, columns: int, typed: str
) -> None:
    """Promise 1: what the user is asked about cannot look like what asks."""
    asking = Dialogue(Question(what, tuple(lines)))
    for letter in typed:
        asking.press(Pressed(Key.TEXT, letter))
    shown = rows_of(asking.frame(rows, columns))
    assert len(shown) <= rows
    assert all(row.isprintable() and cells(row) <= columns for row in shown)
    for row in shown[1 : max(1, len(shown) - 2)]:
        assert row == "" or row[0] in "│…"


@given(st.integers(1, 12), st.integers(1, 40))
def test_the_line_that_is_typed_on_is_seen_in_every_window(rows: int, columns: int) -> None:
    asking = Dialogue(Question("Go?", ("x",) * 20))
    asking.press(Pressed(Key.TEXT, "Q"))
    assert columns < 12 or rows_of(asking.frame(rows, columns))[-1].endswith("Q")
