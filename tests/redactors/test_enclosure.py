"""A span never reaches out of the innermost string it stands in."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.enclosure import is_document, within_strings
from redactors.jsonbytes import Strings


def cut(data: bytes, start: int = 0, end: int | None = None) -> list[bytes]:
    pieces = within_strings(data, Strings(data), start, len(data) if end is None else end)
    return [data[first:last] for first, last in pieces]


def test_what_lies_between_strings_is_left_out() -> None:
    assert cut(b'{"a": ["one", 2, "three"]}') == [b"a", b"one", b"three"]


def test_a_document_in_a_string_is_cut_at_its_own_marks() -> None:
    inner = json.dumps({"code": 'say("x")', "n": 1})
    assert cut(json.dumps({"arguments": inner}).encode()) == [b"arguments", b"code", rb"say(\\\"x\\\")", b"n"]


@pytest.mark.parametrize("begins", [r"{", r"\n\t {", "  {", r"\u007b", r"\u0020{", r"\r\n\u007B"])
def test_a_document_in_a_string_is_one_however_its_first_character_is_written(begins: str) -> None:
    assert cut(rf'["{begins}\"one\": \"two\"}}"]'.encode()) == [b"one", b"two"]


@given(
    begins=st.text(st.sampled_from('a" \t\n\\[{\u00a0\u2028'), max_size=3),
    escaped=st.sampled_from(("", "{", " ", "[", "\u00a0")),
    ascii_only=st.booleans(),
)
def test_what_a_string_begins_with_is_enough_to_tell_that_it_holds_no_document(
    *, begins: str, escaped: str, ascii_only: bool
) -> None:
    string = json.dumps(begins + '{"one": ["two"]}', ensure_ascii=ascii_only)
    for one in escaped:
        string = string.replace(one, f"\\u{ord(one):04x}")
    data = f"[{string}, 3]".encode()
    found = cut(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("redactors.enclosure._MAY_BEGIN", re.compile(b""))
        assert found == cut(data)


def test_code_that_begins_with_a_bracket_is_no_document() -> None:
    code = '{ print("a", "b") }'
    assert cut(json.dumps([code]).encode()) == [json.dumps(code)[1:-1].encode()]


def test_a_string_that_ends_with_a_backslash_ends_there() -> None:
    assert cut(json.dumps(["a\\", "b"]).encode()) == [b"a\\\\", b"b"]
    assert cut(json.dumps([json.dumps(["a\\", "b"])]).encode()) == [b"a" + b"\\" * 4, b"b"]


@pytest.mark.parametrize("data", [b"{}", b' ["a"]', b'{"a": 1}\n{"b": 2}\n'])
def test_documents_and_lines_of_them_are_documents(data: bytes) -> None:
    assert is_document(data)


@pytest.mark.parametrize("data", [b"", b"{ x }", b'"a"', b"[1, 2", b"\xff", b"[" * 100_000])
def test_anything_else_is_none(data: bytes) -> None:
    assert not is_document(data)


@given(st.data())
def test_a_document_stays_one_at_every_depth_when_pieces_are_replaced(data: st.DataObject) -> None:
    strings = st.text(st.sampled_from('ab"\\{[]}:,\n '), max_size=8)
    value: object = data.draw(st.dictionaries(strings, st.lists(strings, max_size=3), max_size=3))
    depth = data.draw(st.integers(0, 3))
    for _ in range(depth):
        value = [json.dumps(value), 7]
    body = json.dumps(value).encode()
    first = data.draw(st.integers(0, len(body)))
    start = first + (len(body[first:]) - len(body[first:].lstrip(b"\\")))  # as a token begins: after backslashes,
    while start and body[start - 1] == 0x5C:  # or rather before all of them
        start -= 1
    last = len(body)
    for one, other in reversed(list(within_strings(body, Strings(body), start, last))):
        body = body[:one] + b"MASKED" + body[other:]
    result = json.loads(body)
    for _ in range(depth):
        result = json.loads(result[0])
    assert isinstance(result, dict)
