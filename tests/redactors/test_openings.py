"""What stands of a match before a line end in it is matched by an opening of its expression."""

import re

import hyperscan
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.loading import bundled_rules
from redactors.rules.openings import openings
from redactors.rules.widths import TOKEN

ITEMS = st.recursive(
    st.sampled_from(["a", ".", r"\n", r"\s", "[a-z]", r"[^\]x]", "[]a\\n]", r"\x0a", "^", r"\b"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: f"(?:{'|'.join(some)})"),
        st.tuples(inner, st.sampled_from(["{2}", "{1,3}", "{2,}", "*", "+", "?", "{0,2}?", "{1}", "{0,1}"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
        inner.map(lambda item: f"(?i:{item})"),
        inner.map(lambda item: f"(?s:{item})"),
    ),
    max_leaves=12,
)


@given(ITEMS, st.text("aA.x1\n\n\n", max_size=30))
def test_what_stands_before_a_line_end_is_matched(regex: str, text: str) -> None:
    begun = [re.compile(one) for one in openings(regex, longer=-1)]
    for found in re.finditer(regex, text):
        for at in range(found.start(), found.end() - 1):
            if text[at] == "\n":
                assert any(one.fullmatch(text, found.start(), at + 1) for one in begun)


@pytest.mark.parametrize(
    ("regex", "expected"),
    [
        ("abc", []),
        (r"a\nb", [r"a\n"]),
        (r"a\s{0,3}b", [r"a\s{0,2}\s"]),
        (r"a\s+b", [r"a\s*\s"]),
        (r"a\s?b", [r"a\s"]),
        (r"(?i:a\s|b\nc)d", [r"(?i:a\s)", r"(?i:b\n)"]),
        (r"(?:a\n){2}b", [r"(?:a\n){0,1}(?:a\n)"]),
        (r"a(?i)b|c\nd", [r"(?i)c\n"]),
        (r"a[^b]c[^\n]d", ["a[^b]"]),
        ("a[[:space:]]b[\\v]", ["a[[:space:]", r"a[[:space:]]b[\v]"]),
        (r"a\hb", [r"a\h"]),
    ],
)
def test_openings_are_what_may_end_with_a_line(regex: str, expected: list[str]) -> None:
    assert openings(regex, longer=-1) == expected


def test_only_those_are_given_that_may_be_longer() -> None:
    assert openings(r"a{9}\nb\n", longer=9) == [r"a{9}\n", r"a{9}\nb\n"]
    assert openings(r"a{9}\nb\n", longer=10) == [r"a{9}\nb\n"]


@pytest.mark.parametrize("regex", ["(a", "a)", "((a)"])
def test_groups_that_do_not_pair_are_an_error(regex: str) -> None:
    with pytest.raises(ValueError, match="group"):
        openings(regex, longer=0)


def test_hyperscan_takes_no_other_character_for_a_line_end() -> None:
    triggers = (rule.hyperscan_pattern() for rule in bundled_rules())
    ones = sorted({token["one"] for trigger in triggers for token in TOKEN.finditer(trigger) if token["one"]})
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    flags = [hyperscan.HS_FLAG_DOTALL] * len(ones)
    database.compile(expressions=[one.encode() for one in ones], ids=list(range(len(ones))), flags=flags)
    ending: set[int] = set()

    def note(one: int, _start: int, _end: int, _flags: int, _context: object) -> None:
        ending.add(one)

    database.scan(b"\n", note)
    assert {ones[one] for one in ending} == {one for one in ones if openings(one, longer=0)}
