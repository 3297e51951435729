"""JSON stays JSON: a document, or one per line; anything else is refused before a byte is written."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.errors import SessionError
from wrapper.filter import document
from wrapper.filter.document import edit, quoted, read_document

DOCUMENTS = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)


@given(st.lists(DOCUMENTS, min_size=1, max_size=4))
def test_lines_are_edited_one_by_one_and_a_whole_document_at_once(documents: list[object]) -> None:
    seen: list[object] = []

    def change(data: bytes) -> bytes:
        if data.strip():
            seen.append(json.loads(data))
        return data

    text = b"".join(json.dumps(one).encode() + b"\n" for one in documents)
    assert edit(text, change) == text
    assert seen == documents


def test_a_document_over_many_lines_is_one() -> None:
    text = json.dumps({"a": [1, {"b": 2}]}, indent=2).encode()
    assert edit(text, lambda data: b"whole" if data == text else b"cut") == b"whole"


@pytest.mark.parametrize("text", ['{"a": 1} {', "{'a': 1}", '{"a": 1}\nnot json\n', "[" * 100_000, "\x1b[0m{}"])
def test_what_is_no_json_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(SessionError, match="no JSON") as refused:
        edit(text.encode(), lambda data: data)
    assert "leave out `--json`" in refused.value.hint


@pytest.mark.parametrize("text", [b"", b"\n \n", b'["\\ud800"]', b"[NaN]"])
def test_what_programs_write_in_the_place_of_json_passes(text: bytes) -> None:
    assert edit(text, lambda data: data) == text


@given(st.text())
def test_a_quoted_value_reads_back_as_it_was(value: str) -> None:
    text = value.encode("utf-8", "replace")
    assert json.loads(b'"%b"' % quoted(text)) == text.decode()


def test_a_document_is_read_whole_and_only_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MOST_BYTES", 60_000)

    def read(size: int) -> bytes:
        reading, writing = os.pipe()
        os.write(writing, b"x" * size)  # a pipe holds 64 KiB
        os.close(writing)
        try:
            return read_document(reading)
        finally:
            os.close(reading)

    assert read(60_000) == b"x" * 60_000
    monkeypatch.setattr(document, "MOST_BYTES", 50_000)
    with pytest.raises(SessionError, match="larger than"):
        read(60_000)
