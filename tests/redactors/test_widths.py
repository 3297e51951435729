"""The widths of an expression are those of what it matches."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.loading import bundled_rules
from redactors.rules.widths import UNBOUNDED, widths

ITEMS = st.recursive(
    st.sampled_from(["a", ".", r"\.", r"\d", "[a-z]", r"[^\]x]", "[]a]", r"\x41", "^", r"\b", "(?=ab)", "(?<!a)"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: f"(?:{'|'.join(some)})"),
        st.tuples(inner, st.sampled_from(["{2}", "{1,3}", "{2,}", "*", "+", "?", "{0,2}?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=12,
)


@given(ITEMS, st.text("aA.bx1", max_size=30))
def test_every_match_is_within_the_widths(regex: str, text: str) -> None:
    least, most = widths(regex)
    for found in re.finditer(regex, text):
        assert least <= len(found.group()) <= most


@pytest.mark.parametrize(
    ("regex", "expected"),
    [
        ("", (0, 0)),
        ("abc", (3, 3)),
        ("a|bcd", (1, 3)),
        ("[A-Za-z0-9_]{36}", (36, 36)),
        (r"[\]{}(]{2,5}", (2, 5)),
        ("(?P<secret>ab)c?", (2, 3)),
        ("(?i:x(?:yz){3})", (7, 7)),
        ("(?<!public_)key(?![a-z]{3})", (3, 3)),
        (r"\bab$", (2, 2)),
        ("a{3,}", (3, UNBOUNDED)),
        ("(?:a*b)+", (1, UNBOUNDED)),
        (r"\x41\\", (2, 2)),
    ],
)
def test_widths_are_the_least_and_the_greatest(regex: str, expected: tuple[int, int]) -> None:
    assert widths(regex) == expected


@pytest.mark.parametrize("regex", ["(a", "a)", "((a)"])
def test_groups_that_do_not_pair_are_an_error(regex: str) -> None:
    with pytest.raises(ValueError, match="group"):
        widths(regex)


def test_every_rule_has_a_greatest_width() -> None:
    assert all(0 < widths(rule.pattern())[0] <= widths(rule.pattern())[1] < UNBOUNDED for rule in bundled_rules())
