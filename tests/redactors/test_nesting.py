"""Pieces judged one by one make a document exactly where the whole is one."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.borders import BORDER
from redactors.nesting import ENDS, _one_sided, is_document, is_json, nesting

TEXTS = st.text(alphabet='ab}]{[,":\\/ é\n', max_size=8)
KEYS = st.sampled_from(("a", "key", "Type", "x},{", "0"))
DOCUMENTS = st.recursive(
    TEXTS | st.integers() | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=40,
)
WRITTEN = st.sampled_from(({"separators": (",", ":")}, {"ensure_ascii": False}, {"indent": 1}))


def cut(data: bytes, places: list[bool]) -> list[bytes]:
    found = [border.start() for border in BORDER.finditer(data)]
    borders = [len(data[:at].rstrip(b"]} \t\r\n")) for at in found]
    ends = dict.fromkeys(at for at in borders if data[at - 1] in ENDS)
    kept = [at for at, wanted in zip(ends, places * len(borders), strict=False) if wanted]
    return [data[start:end] for start, end in pairwise((0, *kept, len(data)))]


def judged(pieces: list[bytes]) -> bool:
    last = len(pieces) - 1
    return is_document(nesting(one, is_first=at == 0, is_last=at == last) for at, one in enumerate(pieces))


@given(document=DOCUMENTS, written=WRITTEN, places=st.lists(st.booleans(), min_size=1, max_size=7))
def test_pieces_of_a_document_make_one(document: Any, written: dict[str, Any], places: list[bool]) -> None:
    assert judged(cut(json.dumps(document, **written).encode(), places))


@given(
    document=DOCUMENTS,
    written=WRITTEN,
    places=st.lists(st.booleans(), min_size=1, max_size=7),
    at=st.integers(0, 10_000),
    size=st.integers(0, 6),
    other=st.sampled_from((b"", b"]", b"}", b"[", b"{", b",", b'"', b"\\", b'},{"a"', b'],"a":1', b'},"b"', b"\x01")),
)
def test_what_was_damaged_is_judged_as_the_whole_is(
    document: Any, written: dict[str, Any], places: list[bool], at: int, size: int, other: bytes
) -> None:
    data = json.dumps(document, **written).encode()
    at %= len(data)
    damaged = data[:at] + other + data[at + size :]
    assert judged(cut(damaged, places)) == is_json(damaged)


@given(one=DOCUMENTS, other=DOCUMENTS, places=st.lists(st.booleans(), min_size=1, max_size=7), data=st.data())
def test_pieces_of_several_documents_are_judged_as_what_they_make_together(
    one: Any, other: Any, places: list[bool], data: st.DataObject
) -> None:
    pieces = [piece for document in (one, other) for piece in cut(json.dumps(document).encode(), places)]
    chosen = data.draw(st.lists(st.sampled_from(pieces), min_size=1, max_size=6))
    assert judged(chosen) <= is_json(b"".join(chosen))


@given(document=DOCUMENTS, written=WRITTEN)
def test_no_border_lies_within_a_string(document: Any, written: dict[str, Any]) -> None:
    data = json.dumps(document, **written).encode()
    for border in BORDER.finditer(data):
        before = data[: border.start()].replace(rb"\\", b"").replace(rb"\"", b"")
        assert before.count(b'"') % 2 == 0


@pytest.mark.parametrize("depth", [10, 100, 100_000])
def test_what_is_nested_too_deep_to_say_is_no_piece(depth: int) -> None:
    piece = b"[" * depth + b"1" + b"]" * depth
    assert judged([piece]) == (depth == 10)


def test_much_structure_is_judged_in_no_more_than_a_moment() -> None:
    deep = b"[" * 1_000_000 + b"]" * 1_000_000
    assert nesting(deep, is_first=True, is_last=True) is None
    assert nesting(b"[" + b"[[1],[2]]," * 100_000 + b"0]", is_first=True, is_last=True) is not None


@pytest.mark.parametrize("piece", [b'{"a":[', b'{"a"', b'{"a":{"b":1}', b'{"a":1,', b'{"a":"1'])
def test_a_piece_that_ends_with_no_plain_value_is_none(piece: bytes) -> None:
    assert nesting(piece, is_first=True, is_last=False) is None


@pytest.mark.parametrize("piece", [b'"a":1', b'{"a":1', b']"a":1'])
def test_a_piece_that_begins_with_no_comma_is_none(piece: bytes) -> None:
    assert nesting(piece, is_first=False, is_last=False) is None


@given(document=DOCUMENTS, written=WRITTEN, places=st.lists(st.booleans(), min_size=1, max_size=7))
def test_a_piece_needs_no_more_than_what_it_closes_and_what_that_stands_in(
    document: Any, written: dict[str, Any], places: list[bool]
) -> None:
    for piece in cut(json.dumps(document, **written).encode(), places)[1:-1]:
        found, sides = nesting(piece, is_first=False, is_last=False), _one_sided(piece)
        assert found is not None
        assert sides is not None
        assert (found.needs[1:], found.leaves[1:]) == sides
        assert found.needs[:1] == found.leaves[:1] != b""
