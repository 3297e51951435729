"""The table, by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.demo.judgement import Check, Row
from wrapper.demo.show import WIDTH, document, results, shorten, table, wrap

TAG = "MASKED-STRIPE-KEY-WJN0QY2P"
KEY = "sk" + "_live_" + "abcdEFGH0123456789"
ROW = Row("cat .env", f"STRIPE_KEY={KEY}", f"STRIPE_KEY={TAG}", f"STRIPE_KEY={TAG}")


def test_a_key_is_cut_to_its_ends_and_a_placeholder_stays_whole() -> None:
    assert shorten(f"A={KEY} B={TAG}") == f"A=sk_live_...6789 B={TAG}"


def test_a_placeholder_within_an_encoding_stays_whole() -> None:
    assert shorten(f"U1RSSVBFX0tFWT{TAG}o=") == f"U1RSSVBFX0tFWT{TAG}o="


@pytest.mark.parametrize("words", ["aws_secret_access_key", "No such file or directory", "tunnel failed, response 403"])
def test_words_are_not_cut(words: str) -> None:
    assert shorten(words) == words


def test_what_left_unchanged_is_said_to_be_the_same() -> None:
    lines = list(table([ROW]))
    assert lines[2].split() == ["cat", ".env", "STRIPE_KEY=", "STRIPE_KEY=", "the", "same"]
    assert lines[3].split() == ["sk_live_...6789", TAG]


def test_a_narrow_screen_gets_a_line_for_each_cell() -> None:
    lines = list(table([ROW], 80))
    assert [line.split()[0] for line in lines if line] == ["asks", "is", "saw", "left"]
    assert max(map(len, lines)) <= 80


@given(
    st.lists(st.builds(Row, *[st.text(st.characters(codec="ascii", exclude_categories=["Cc"]))] * 4)),
    st.integers(40, 140),
)
def test_no_line_is_longer_than_the_screen(rows: list[Row], width: int) -> None:
    assert all(len(line) <= min(width, WIDTH) for line in table(rows, width))


@given(st.text(), st.integers(1, 40))
def test_wrapping_loses_nothing_but_white_space(text: str, width: int) -> None:
    assert "".join("".join(wrap(text, width)).split()) == "".join(text.split())


def test_a_failed_check_is_marked_in_words() -> None:
    assert list(results([Check("a", ok=True, text="x"), Check("b", ok=False, text="y")])) == ["ok    x", "FAIL  y"]


def test_the_document_is_not_ok_where_one_check_failed() -> None:
    page = document([ROW], [Check("a", ok=True, text="x"), Check("b", ok=False, text="y")], {"client": "claude"})
    assert page["ok"] is False
    assert page["rows"][0]["real"] == "STRIPE_KEY=sk_live_...6789"
