"""The depth of text in JSON in JSON is told by the first escape or line end behind a place."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.escaping import DEPTHS, LONGEST_LINE, depth_at


def escaped(text: str, depth: int) -> str:
    for _ in range(depth):
        text = json.dumps(text)
    return text


@pytest.mark.parametrize("depth", range(4))
@given(name=st.text(st.sampled_from("ab ,;|"), max_size=20), behind=st.sampled_from(('"x', "\n", "\r\n", "\tx\n")))
def test_what_stands_behind_a_place_tells_its_depth(depth: int, name: str, behind: str) -> None:
    text = escaped(f"id{name}{behind}\n", depth)
    assert depth_at(text.encode(), text.index("id")) is DEPTHS[depth]


@pytest.mark.parametrize("depth", range(4))
def test_quotes_tabs_and_line_ends_of_a_depth_are_known(depth: int) -> None:
    text = escaped('"\t\r\n', depth).encode()
    at = DEPTHS[depth]
    whole = at.quote + at.tab + at.line_end
    assert re.search(whole, text)
    assert [other for other in range(4) if re.search(b"".join(DEPTHS[other][:3]), text)] == [depth]


@pytest.mark.parametrize("depth", range(1, 4))
def test_text_ends_with_the_string_that_it_stands_in(depth: int) -> None:
    text = escaped('a"\nb', depth).encode()
    border = re.search(DEPTHS[depth].border, text[text.index(b"a") :])
    assert border is not None
    assert border.start() > text.index(b"b") - text.index(b"a")


@pytest.mark.parametrize("text", ["a", "x" * (LONGEST_LINE + 1) + "\n", r"a\\\n", r"a\\\\\"", "a\\" * 9])
def test_other_text_has_none(text: str) -> None:
    assert depth_at(text.encode(), 0) is None


def test_of_an_escape_all_of_it_counts() -> None:
    text = escaped("a\n", 2).encode()
    assert depth_at(text, text.index(b"n")) is DEPTHS[2]
