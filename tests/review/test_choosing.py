import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.review.choosing import Choice, ChoiceError, expression
from wrapper.review.story import Moment

MOMENTS = (
    Moment(1, 1.0, "call", "$ ls", tuple(f"line {n}" for n in range(20))),
    Moment(2, 1.0, "change", "modified src/a.py", paths=("src/a.py",)),
    Moment(3, 1.0, "read", "2 files", paths=("src/b.py", "/etc/hosts")),
)


def numbers(choice: Choice) -> list[int]:
    return [moment.sequence for moment in choice.of(MOMENTS)]


def test_everything_is_chosen_where_nothing_is_asked_for() -> None:
    assert tuple(Choice().of(MOMENTS)) == MOMENTS


def test_kinds_are_chosen() -> None:
    assert numbers(Choice(frozenset({"call", "read"}))) == [1, 3]


@pytest.mark.parametrize(
    ("path", "chosen"),
    [("src/a.py", [2]), ("./src/a.py", [2]), ("a.py", [2]), ("src", [2, 3]), ("src/", [2, 3]), ("/etc", [3]),
     ("hosts", [3]), ("c.py", []), ("rc/a.py", [])],
)  # fmt: skip
def test_files_are_chosen_by_path_folder_or_name(path: str, chosen: list[int]) -> None:
    assert numbers(Choice(path=path)) == chosen


def test_a_line_that_matches_is_shown_with_those_around_it() -> None:
    (moment,) = Choice(finds=expression("line 1[05]$")).of(MOMENTS)
    assert moment.lines == (
        "…", "line 8", "line 9", "line 10", "line 11", "line 12", "line 13", "line 14", "line 15", "line 16", "line 17", "…"
    )  # fmt: skip


def test_a_title_that_matches_is_shown_with_all_below_it() -> None:
    (moment,) = Choice(finds=expression(r"\$ ls")).of(MOMENTS)
    assert moment == MOMENTS[0]


def test_all_that_is_asked_for_must_be_met() -> None:
    assert numbers(Choice(frozenset({"change"}), expression("modified"), "src")) == [2]
    assert numbers(Choice(frozenset({"change"}), expression("created"), "src")) == []


@pytest.mark.parametrize("wrong", ["(a", "a)", "[b", "(?=x)", r"(a)\1", "[ä]"])
def test_what_is_no_expression_is_one_clear_error(wrong: str) -> None:
    with pytest.raises(ChoiceError) as raised:
        expression(wrong)
    assert f"--grep: `{wrong}`" in raised.value.what
    assert raised.value.exit_code == 2


def test_no_expression_takes_long() -> None:
    finds = expression("(a|a)*(a|a)*(a+)+b")
    begin = time.process_time()
    assert not finds("a" * 4_000)
    assert time.process_time() - begin < 2


def test_case_can_be_ignored_and_other_letters_are_found() -> None:
    assert expression("(?i)ERROR")("an error")
    assert expression("für")("das ist für dich")


@given(st.text())
def test_any_line_can_be_searched(line: str) -> None:
    assert expression("x")(line) == ("x" in line)
