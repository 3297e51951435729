"""Expressions of others find what Python's `re` finds, and nothing they say or meet can hang or crash the process."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.expressions import LONGEST, Expressions, problem

TAME = [
    "a+b", "(?:ab)+c", "a", "ab|a", "[a-c]{2,4}", "c[ab]*", "(?i)AB", "b.c", r"\bab\b", "(?:xx )?ab", "a{3}", "[^a]b",
]  # fmt: skip


def found(expression: str, data: bytes) -> list[tuple[int, int]]:
    return [(start, end) for _, start, end in Expressions([expression]).spans(data)]


@given(st.sampled_from(TAME), st.text("abcAB x\n", max_size=60))
def test_where_it_finds_something_python_does_too(expression: str, text: str) -> None:
    spans = found(expression, text.encode())
    assert bool(spans) == bool(re.search(expression, text))
    if spans:
        assert spans[0][0] == re.search(expression, text).start()  # type: ignore[union-attr]


@given(st.sampled_from(TAME), st.text("abc x", max_size=60))
def test_all_that_python_finds_is_covered(expression: str, text: str) -> None:
    covered = {place for start, end in found(expression, text.encode()) for place in range(start, end)}
    assert {place for one in re.finditer(expression, text) for place in range(*one.span())} <= covered


@pytest.mark.parametrize(
    ("expression", "text", "spans"),
    [
        ("[A-Z]{2,5}-[0-9]{3,6}", "x ABCD-1234567,", [(2, 13)]),
        ("(?i)(?:bearer )?tok_[a-z]+", "Bearer tok_abc, tok_x", [(0, 14), (16, 21)]),
        ("KD-[0-9]{8}", "KD-12345678 KD-1234567", [(0, 11)]),
        (r"\bfoo\b", "foo xfoo foo", [(0, 3), (9, 12)]),
    ],
)
def test_a_match_is_leftmost_and_longest(expression: str, text: str, spans: list[tuple[int, int]]) -> None:
    assert found(expression, text.encode()) == spans


@pytest.mark.parametrize("expression", ["a+b", "(a+)+b", "(a|aa)+b", "a*a*a*b", "(.*)*b", "a{1,100}b"])
def test_nothing_backtracks_or_crashes_on_a_long_run(expression: str) -> None:
    """`a+b` over 300 times `a` ends the process where Hyperscan is asked for starts."""
    assert found(expression, b"a" * 20_000) == []
    [*_, (_, end)] = found(expression, b"a" * 20_000 + b"b")
    assert end == 20_001


def test_of_a_match_without_end_a_part_is_found() -> None:
    [(start, end)] = found("x.+y", b"x" + b"-" * 5000 + b"y")
    assert (end - start, end) == (LONGEST, 5002)


@pytest.mark.parametrize("expression", ["(?=a)b", r"(a)\1", "a{99999}", "[é]", "("])
def test_what_cannot_be_run_is_refused_with_its_number(expression: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Expressions(["fine", expression])
    assert caught.value.args[0] == 1
    assert problem(expression)
    assert problem("fine") == ""


def test_several_expressions_are_told_apart() -> None:
    assert list(Expressions(["b", "a+"]).spans(b"aab")) == [(1, 0, 2), (0, 2, 3)]
    assert list(Expressions([]).spans(b"ab")) == []


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data: bytes) -> None:
    for start, end in found("(?i)é?[a-z]+[0-9]", data):
        assert 0 <= start < end <= len(data)
