import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from wrapper.review.printed import Look, printed, shortened
from wrapper.review.story import KINDS, Moment


def marked(text: str, role: str) -> str:
    return f"<{role}>{text}</>"


def lines(moment: Moment, look: Look | None = None) -> list[str]:
    return list(printed(moment, 1_000.0, look or Look()))


def test_a_moment_has_its_number_its_time_its_kind_and_its_title() -> None:
    assert lines(Moment(12, 1_061.5, "call", "$ ls", ("-l",))) == [
        "     12    +1:01.500  call      $ ls",
        f"{'':32}-l",
    ]


def test_of_many_lines_the_middle_is_left_out_and_counted() -> None:
    many = tuple(map(str, range(100)))
    told = lines(Moment(1, 1.0, "result", "done", many))
    assert [line.strip() for line in told[6:9]] == ["5", "… 88 more lines", "94"]
    assert len(lines(Moment(1, 1.0, "result", "done", many), Look(whole=True))) == 101


def test_a_line_left_out_is_never_only_one() -> None:
    assert len(shortened(Moment(1, 1.0, "result", "t", ("x",) * 13))) == 13
    assert shortened(Moment(1, 1.0, "result", "t", ("x",) * 14))[6] == "… 2 more lines"


def test_differences_are_styled_by_their_signs() -> None:
    told = lines(Moment(1, 1.0, "call", "Edit: a", ("-x", "+y", "@@", " z")), Look(marked))
    assert [line.split("<")[1].split(">")[0] for line in told[1:]] == ["minus", "plus", "place", "below"]


def test_what_was_denied_or_failed_stands_out() -> None:
    assert "<bad>" in lines(Moment(1, 1.0, "network", "denied h:443"), Look(marked))[0]
    assert "<bad>" in lines(Moment(1, 1.0, "result", "failed, 1 line"), Look(marked))[0]
    assert "<bad>" not in lines(Moment(1, 1.0, "network", "sent #1"), Look(marked))[0]


def test_on_a_terminal_results_are_cut_and_what_was_said_is_not() -> None:
    text = "word " * 40
    (*_, cut) = lines(Moment(1, 1.0, "result", "done", (text,)), Look(width=100))
    assert cut.endswith("…")
    said = lines(Moment(1, 1.0, "prompt", text, (text,)), Look(width=100))
    assert " ".join(line[32:] for line in said).split() == ["word"] * 80
    assert all(len(line) <= 100 for line in said)


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text if not unicodedata.combining(one))


@given(st.sampled_from(KINDS), st.text(), st.lists(st.text(), max_size=4), st.integers(0, 200))
def test_nothing_in_a_line_can_act_on_a_terminal(kind: str, title: str, below: list[str], width: int) -> None:
    for line in lines(Moment(1, 1.0, kind, title, tuple(below)), Look(width=width)):
        assert line.isprintable()


@given(st.sampled_from(KINDS), st.text(st.characters(codec="utf-8")), st.lists(st.text("ab 漢́"), max_size=4))
def test_no_line_is_wider_than_the_terminal(kind: str, title: str, below: list[str]) -> None:
    for line in lines(Moment(1, 1.0, kind, title, tuple(below)), Look(width=80)):
        assert _columns(line) <= 80


@given(st.text("abc 漢", max_size=300))
def test_breaking_a_text_into_lines_loses_nothing_but_spaces(text: str) -> None:
    told = lines(Moment(1, 1.0, "answer", text), Look(width=70))
    assert re.sub(" ", "", "".join(line[32:] for line in told)) == text.replace(" ", "")
