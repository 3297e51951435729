r"""A value in JavaScript arrives as that value; read back by the rules of ECMA-262 for literals."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.gateway.javascript import JavaScript

VALUES = st.text(st.sampled_from("ab09nx\"'`\\${}\n\r\u2028\u2029\x00\x1b\x7fé😀"), min_size=1, max_size=9)
CUTS = st.lists(st.integers(0, 100), max_size=6)
_CHARACTERS = {"n": "\n", "r": "\r"}
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|x([0-9a-f]{2})|(.))", re.DOTALL)
_RAW_SUBSTITUTION = re.compile(r'\$\{"(\\?.)"\}')


def meant(content: str, mark: str) -> str:
    """Give what the content of a literal means; fails where the literal would end or not be whole."""
    out, at = "", 0
    while at < len(content):
        escape = _ESCAPE.match(content, at)
        if escape:
            number = escape[1] or escape[2]
            out += chr(int(number, 16)) if number else _CHARACTERS.get(escape[3], escape[3])
            at = escape.end()
            continue
        assert content[at] not in {mark, "\n", "\r", "\\"}, "the literal ends here"
        assert not (mark == "`" and content.startswith("${", at)), "a substitution begins here"
        out += content[at]
        at += 1
    return out


def meant_raw(content: str) -> str:
    """Give what the content of a raw template means."""
    out, at = "", 0
    while at < len(content):
        found = _RAW_SUBSTITUTION.match(content, at)
        if found:
            out += {"\\\\": "\\", "\\r": "\r"}.get(found[1], found[1])
            at = found.end()
            continue
        assert content[at] not in "\\`\r", "the template ends or changes here"
        assert not content.startswith("${", at), "a substitution begins here"
        out += content[at]
        at += 1
    return out


def fed(before: str, cuts: list[int]) -> JavaScript:
    source = JavaScript()
    borders = sorted({0, len(before), *(cut % (len(before) + 1) for cut in cuts)})
    for start, end in pairwise(borders):
        source.feed(before[start:end])
    return source


BEFORE = [
    "f(", "", "// it's a `comment`\nf(", "/* ' */ f(", "a / 2; b = '/'; f(", "x = /['\"`]/g; f(", "`${a}`; f(", "`${'}'}`, f(",
    "'it\\'s'; f(", "'unfinished\nf(", "`${`${{a:1}}`}`; f(",
]  # fmt: skip


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("mark", ["'", '"', "`"])
@given(value=VALUES, cuts=CUTS, begun=st.sampled_from(["", "a", "$", "é"]))
def test_a_value_in_any_literal_arrives(before: str, mark: str, value: str, cuts: list[int], begun: str) -> None:
    quoted = fed(before + mark + begun, cuts).quote(value)
    assert quoted is not None
    for other in ("'", '"', "`"):  # one way to write it for all: nothing hangs on telling them apart
        assert meant(begun + quoted + "{", other) == begun + value + "{"


@pytest.mark.parametrize("before", BEFORE)
@given(value=VALUES, cuts=CUTS, begun=st.sampled_from(["", "a", "$", "a\\n", "\\`", "\\\\"]))
def test_a_value_in_a_raw_template_arrives(before: str, value: str, cuts: list[int], begun: str) -> None:
    quoted = fed(f"{before}String.raw`{begun}", cuts).quote(value)
    assert quoted is not None
    assert meant_raw(quoted + "{") == value + "{"
    assert not ("$" + quoted).startswith("${") or quoted.startswith('{"') is False


@given(VALUES, CUTS)
def test_a_value_outside_of_literals_opens_none(value: str, cuts: list[int]) -> None:
    quoted = fed("const a = ", cuts).quote(value)
    assert quoted is not None
    assert not re.search("(?<!\\\\)(?:\\\\\\\\)*['\"`]", quoted)


@given(CUTS)
def test_digits_outside_of_literals_stay_a_number(cuts: list[int]) -> None:
    assert fed("const card = ", cuts).quote("4111111111111111") == "4111111111111111"


@pytest.mark.parametrize(
    ("literal", "end", "read"),
    [
        ('"*** Begin Patch\\n*** Add File: a\\n+', "\\n+", lambda text: meant(text, '"')),
        ("'*** Begin Patch\\n*** Add File: a\\x0a+", "\\n+", lambda text: meant(text, "'")),
        ("`*** Begin Patch\n*** Add File: a\n+", "\\n+", lambda text: meant(text, "`")),
        ("`${a}\n*** Begin Patch\n*** Add File: ${name}\n+", "\\n+", lambda text: meant(text, "`")),
        ("String.raw`*** Begin Patch\n*** Add File: a\n+", "\n+", meant_raw),
        (
            '["*** Begin Patch", "x"]; "*** Begin Patch\\u000a\\\n*** Add File: a\\u{a}+',
            "\\n+",
            lambda text: meant(text, '"'),
        ),
    ],
)
@given(cuts=CUTS)
def test_a_value_of_several_lines_keeps_a_patch_in_a_literal_valid(
    literal: str, end: str, read: object, cuts: list[int]
) -> None:
    assert callable(read)
    source = fed(f"await tools.apply_patch({literal}key ", cuts)
    quoted = source.quote('one"\ntwo`')
    assert quoted is not None
    assert end in quoted
    assert read(quoted) == 'one"\n+two`'


def test_a_value_that_cannot_stand_in_a_patch_stays_a_placeholder() -> None:
    assert fed('"*** Begin Patch\\n*** Add File: ', []).quote("one\ntwo") is None


@given(st.text(st.sampled_from("'\"`\\${}/*\na1u+=")), st.text(st.sampled_from("'\"`\\${}/*\na1u+=")), VALUES)
def test_a_source_is_read_alike_however_it_was_cut(first: str, second: str, value: str) -> None:
    assert fed(first + second, []).quote(value) == fed(first + second, [len(first)]).quote(value)
