"""What an expression of a task may cost: nothing that a clone brings may hold up a request."""

import re
import time

import pytest

from wrapper.policy.expense import problem


@pytest.mark.parametrize(
    "regex",
    [
        r"(?i)\bbenchmarks?\b",
        r"(?i)\b(?:write|create)\b[^.!?]{0,60}\bbenchmarks?\b[^.!?]{0,60}\bllms?\b",
        r"\bexam\w*",
        r"a\s+b\s+c\s+d\s+e",
        r"(?:foo|bar|)?x",
        r"x(?!y{0,40}z)w{0,40}v",
        r"(?>a+)b",
        r"(a)?b(?(1)c|d)",
        r"(?:ab){3}",
        r"(a)\1",
    ],
)
def test_what_is_bounded_is_taken(regex: str) -> None:
    assert problem(regex) == ("", "")


@pytest.mark.parametrize(
    ("regex", "what"),
    [
        (r".*x", "begins with an endless repetition"),
        (r"\b.*x", "begins with an endless repetition"),
        (r"(?:(.+))x", "begins with an endless repetition"),
        (r"x(a+)+y", "within a repetition"),
        (r"x(?:a|ab)*y", "choice within a repetition"),
        (r"x(?:a?){30}y", "within a repetition"),
        (r"x(?:\w+\W+){0,5}y", "within a repetition"),
        (r"x(?:(?:a+)){2,}y", "within a repetition"),
        (r"x.*a.*b.*c", "too long"),
        (r"x.{0,90}a.{0,90}b.{0,90}c", "too long"),
        ("x" + "a?" * 30 + "a" * 30, "too long"),
        (r"x(?=.*y.*z.*w)", "too long"),
    ],
)
def test_what_grows_without_measure_is_refused(regex: str, what: str) -> None:
    assert what in problem(regex)[0]
    assert problem(regex)[1]


@pytest.mark.parametrize("regex", [r"x.{0,200}a.{0,200}[yz]q", r"x[^.]{0,60}a[^.]{0,60}a[^.]{0,10}[yz]q", r"x.*[yz]q"])
def test_the_worst_that_is_taken_ends_soon_on_text_made_for_it(regex: str) -> None:
    assert problem(regex) == ("", "")
    hostile = "xa" * 1000
    begin = time.process_time()
    assert not re.search(regex, hostile)
    assert time.process_time() - begin < 1
