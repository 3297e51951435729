"""Rows out of bytes: whatever the chunks, whatever is broken, every row is accounted for."""

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from wrapper.corpus import jsonl, plain
from wrapper.corpus.longjson import LongLine
from wrapper.corpus.policy import Columns
from wrapper.corpus.policyfile import built_in
from wrapper.corpus.rows import OVERLAP, Row, batched, parts
from wrapper.corpus.texts import ShapeError, Wanted
from wrapper.corpus.unpacking import PackingError, unpacked

POLICY = built_in()
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "id", "a", "é\n"]), inner),
    max_leaves=12,
)
COLUMNS = st.sampled_from([("*",), ("text",), ("text", "a.text"), ("a.text",), ("text", "*")])


def cut(data: bytes, places: Sequence[int]) -> Iterator[bytes]:
    """Cut bytes at places; empty chunks may come of it."""
    ends = sorted(place % (len(data) + 1) for place in places)
    for start, end in zip([0, *ends], [*ends, len(data)], strict=True):
        yield data[start:end]


def read(chunks: Iterable[bytes], columns: Columns | None = None, most: int = 1 << 20) -> list[Row]:
    return list(jsonl.rows(chunks, "f", columns or Columns(), most))


@given(st.binary(max_size=400), st.lists(st.integers(0), max_size=6), st.integers(40, 200))
def test_parts_put_together_are_the_text_and_say_where_they_stand(text: bytes, places: list[int], most: int) -> None:
    found = list(parts(cut(text, places), most))
    joined = b""
    for part in found:
        assert len(part.text) <= most
        assert part.offset == len(joined) - part.overlap
        assert part.text[: part.overlap] == joined[part.offset :]
        assert part.line == text.count(b"\n", 0, part.offset)
        joined += part.text[part.overlap :]
    assert joined == text
    assert [part.more for part in found] == [True] * (len(found) - 1) + [False]


def test_a_long_text_is_cut_at_line_ends_with_an_overlap_that_begins_a_line_and_never_within_a_character() -> None:
    lines = b"".join(b"line %d: \xc3\xa9\xe2\x82\xac\n" % number for number in range(40_000))
    for part in list(parts([lines], 200_000))[1:]:
        assert lines[part.offset - 1 : part.offset] == b"\n"
        assert OVERLAP - 40 < part.overlap <= OVERLAP
    for part in parts(["€".encode() * 200_000], 100_001):
        part.text.decode()


@given(value=VALUES, columns=COLUMNS, places=st.lists(st.integers(0), max_size=8), ascii_only=st.booleans())
@settings(max_examples=300)
def test_a_line_read_as_it_comes_gives_what_it_gives_when_it_is_decoded_whole(
    value: Any, columns: tuple[str, ...], places: list[int], *, ascii_only: bool
) -> None:
    wanted = Wanted(columns, "id")
    line = json.dumps(value, ensure_ascii=ascii_only).encode()
    try:
        whole: bytes | None = wanted.of(json.loads(line))
    except ShapeError:
        whole = None
    try:
        streamed: bytes | None = b"".join(LongLine(cut(line, places), wanted).texts())
    except ShapeError:
        streamed = None
    assert streamed == whole


@given(st.binary(max_size=60) | TEXTS.map(str.encode), st.lists(st.integers(0), max_size=4))
@settings(max_examples=300)
def test_what_is_no_json_for_a_decoder_is_none_when_it_is_read_as_it_comes(line: bytes, places: list[int]) -> None:
    try:
        json.loads(line.decode())
        is_json = True
    except (ValueError, RecursionError):
        is_json = False
    try:
        b"".join(LongLine(cut(line, places), Wanted(("*",))).texts())
        was_read = True
    except ShapeError:
        was_read = False
    assert was_read == is_json


@given(st.lists(st.none() | VALUES, max_size=6), st.lists(st.integers(0), max_size=6), st.integers(30, 300))
def test_rows_are_the_same_whatever_the_chunks_and_none_is_lost(
    values: list[Any], places: list[int], most: int
) -> None:
    lines = [b"{broken" if value is None else json.dumps({"text": value}).encode() for value in values]
    data = b"\n".join(lines)
    found = read(cut(data, places), most=most)
    ends = [row for row in found if not row.more]
    assert [row.row for row in ends] == list(range(1, len(lines) + 1))
    for row, value in zip(ends, values, strict=True):
        assert bool(row.fault) == (value is None)
        own = [one for one in found if one.row == row.row]
        if value is not None:
            text = b"".join((one.text or b"")[one.overlap :] for one in own)
            assert text == Wanted(("*",)).of({"text": value})


@given(
    st.lists(
        st.sampled_from([b'{"text": "a"}', b'{"text": "\xc3\xa9"}', b"{broken", b"", b" ", b"\xef\xbb\xbf{}", b"{}\r"])
    ),
    st.booleans(),
    st.lists(st.integers(0), max_size=6),
    st.integers(1, 60),
)
def test_the_stretches_of_a_file_give_the_rows_of_the_whole(
    lines: list[bytes],
    ends: bool,  # noqa: FBT001 (drawn)
    places: list[int],
    least: int,
) -> None:
    data = b"\n".join(lines) + b"\n" * ends
    stretches = jsonl.cuts(cut(data, places), least)
    assert [one.start for one in stretches] == [0, *(one.end for one in stretches[:-1])]
    assert stretches[-1].end == 0
    found: list[Row] = []
    for start, end, before in stretches:
        own = data[start : end or len(data)]
        assert own or not data  # no worker is sent for nothing
        assert not end or (len(own) >= least and own.endswith(b"\n"))
        found += jsonl.rows(cut(own, places), "f", Columns(), 1 << 20, before=before)
    assert found == read([data])


@given(st.binary(max_size=3000), st.sampled_from([".gz", ".zst", ""]), st.lists(st.integers(0), max_size=6), st.data())
def test_unpacking_gives_what_was_packed_in_any_chunks_and_tells_when_it_breaks_off(
    data: bytes, suffix: str, places: list[int], draw: st.DataObject
) -> None:
    half = len(data) // 2
    if suffix == ".gz":  # two members, two frames
        packed = gzip.compress(data[:half]) + gzip.compress(data[half:])
    elif suffix == ".zst":
        packed = zstandard.compress(data[:half]) + zstandard.compress(data[half:])
    else:
        packed = data
    assert b"".join(unpacked(f"a{suffix}", cut(packed, places), 250)) == data
    if suffix:
        first = len(gzip.compress(data[:half]) if suffix == ".gz" else zstandard.compress(data[:half]))
        end = draw.draw(st.integers(1, len(packed) - 1).filter(lambda place: place != first))
        got = bytearray()
        with pytest.raises(PackingError):
            for step in unpacked(f"a{suffix}", cut(packed[:end], places), 250):
                got += step
        assert data.startswith(bytes(got))


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_bomb_is_refused_long_before_it_has_unpacked(suffix: str) -> None:
    bomb = gzip.compress(bytes(100 << 20), 6) if suffix == ".gz" else zstandard.compress(bytes(400 << 20))
    given_out = 0
    with pytest.raises(PackingError, match="more than 250 times"):
        for step in unpacked(f"a{suffix}", [bomb[at : at + 65536] for at in range(0, len(bomb), 65536)], 250):
            given_out += len(step)
            assert len(step) <= 64 << 20
    assert given_out < 98 << 20 if suffix == ".gz" else given_out < 160 << 20


def test_rows_behind_a_cut_are_told_in_one_row_and_those_before_it_are_read() -> None:
    lines = b"".join(json.dumps({"text": f"row {number} {'x' * 50}"}).encode() + b"\n" for number in range(2000))
    packed = gzip.compress(lines)
    found = list(jsonl.rows(unpacked("f.gz", [packed[: len(packed) // 2]], 250), "f", Columns(), 1 << 20))
    assert len(found) > 100
    assert all(not row.fault for row in found[:-1])
    assert found[-1].text is None
    assert "breaks off" in found[-1].fault
    assert found[-1].row == found[-2].row + 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"text": "a"', "is no JSON"),
        (b'{"text": 3}', "`text` is no text"),
        (b'{"text": {"a": "b"}}', "`text` is no text"),
        (b'{"body": "a"}', "has no text in `text`"),
        (b'{"text": null}', "has no text in `text`"),
        (b'{"text": "a\xff"}', "is not UTF-8"),
        (b'{"text": "a"} x', "is no JSON"),
        (b'"a\x00b"', "is no JSON"),
        (b"3", "has no text in `text`"),
        (b"[" * 200_000, "is nested too deeply"),
    ],
)
def test_a_row_that_cannot_be_read_says_why_also_when_it_is_read_as_it_comes(line: bytes, why: str) -> None:
    for most in (1 << 20, 8):
        row = read([line + b"\n" + b'{"text": "next"}'], Columns(text=("text",)), most)
        broken = [one for one in row if one.row == 1][-1]
        assert broken.text is None
        assert why.partition(" in")[0].partition(":")[0] in broken.fault
        assert b"".join((one.text or b"")[one.overlap :] for one in row if one.row == 2) == b"next"


def test_what_other_writers_write_is_read() -> None:
    mark = b"\xef\xbb\xbf"
    found = read([mark + b'{"text": "a", "n": NaN}\r\n\n  \n{"text": "\\ud83d\\ude00"}\n{"text": "\\ud800"}'])
    assert [(row.row, row.text) for row in found] == [(1, b"a"), (4, "😀".encode()), (5, b"\xed\xa0\x80")]


def test_texts_of_lists_are_joined_in_their_order_and_a_row_has_its_own_name() -> None:
    chat = {"meta": {"key": 7}, "messages": [{"role": "user", "content": "one"}, {"role": "x", "content": "two"}]}
    columns = Columns(id="meta.key", text=("messages.content",))
    assert [(row.id, row.text) for row in read([json.dumps(chat).encode()], columns)] == [("7", b"one\ntwo")]
    every = read([json.dumps({"id": "n1", "a": "x", "b": ["y", {"c": "z"}], "d": 1}).encode()])
    assert [(row.id, row.text) for row in every] == [("n1", b"x\ny\nz")]
    assert read([b'{"text": "a"}'])[0].id == "f:1"


def test_a_line_of_a_hundred_megabytes_is_read_in_parts_and_little_is_held() -> None:
    def line() -> Iterator[bytes]:
        yield b'{"id": "x", "text": "'
        for _ in range(100):
            yield b"0123456789abcde\\n" * 61_680
        yield b'"}\n{"text": "behind"}\n'

    size = largest = 0
    last = None
    for row in jsonl.rows(line(), "f", Columns(), 8 << 20):
        assert not row.fault
        largest = max(largest, len(row.text or b""))
        size += len(row.text or b"") - row.overlap
        last = row
    assert largest <= 8 << 20
    assert last is not None
    assert (last.row, last.text) == (2, b"behind")
    assert size == 100 * 61_680 * 16 + len(b"behind")


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(1, 100))
def test_batches_hold_every_row_in_order_and_no_more_than_they_should(texts: list[bytes], most: int) -> None:
    rows = [Row(str(number), "f", number, text) for number, text in enumerate(texts)]
    found = list(batched(rows, most))
    assert [one for batch in found for one in batch.column("text").to_pylist()] == texts
    assert [one for batch in found for one in batch.column("fault").to_pylist()] == [None] * len(texts)
    for batch in found:
        sizes = [len(text) for text in batch.column("text").to_pylist()]
        assert sizes
        assert sum(sizes) <= most or len(sizes) == 1


def file_rows(name: str, *chunks: bytes) -> list[Row]:
    return list(plain.rows(Row(name, name, 0, None), name, chunks, POLICY))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PK\x03\x04...", "is a zip archive"),
        (b"\xfd7zXZ\x00...", "is packed by xz"),
        (b"%PDF-1.7", "is a PDF"),
        (bytes(257) + b"ustar\x0000", "is a tar archive"),
        ("wide".encode("utf-16"), "is UTF-16"),
        ("no mark".encode("utf-16-le"), "is UTF-16"),
        ("no mark".encode("utf-32-be"), "or UTF-32"),
        (b"version https://git-lfs", "is a pointer to what Git LFS keeps elsewhere"),
    ],
)
def test_what_hides_text_is_told_and_not_taken_for_binary(content: bytes, why: str) -> None:
    for chunks in ([content], [content[at : at + 1] for at in range(len(content))]):
        [row] = file_rows("a", *chunks)
        assert row.text is None
        assert why in row.fault


def test_a_binary_file_is_compared_whole_unless_it_is_too_large() -> None:
    assert file_rows("a.png", b"\x89PNG\0rest") == [Row("a.png", "a.png", 0, b"\x89PNG\0rest", binary=True)]
    [large] = file_rows("a.bin", b"\0" * (33 << 20), b"\0" * (33 << 20))
    assert (large.text, large.binary) == (None, False)  # unreadable: nothing of it was compared
    assert "larger than" in large.fault
    assert file_rows("latin.txt", b"caf\xe9")[0] == Row("latin.txt", "latin.txt", 0, b"caf\xe9")


def test_lines_in_a_json_file_are_rows_and_any_other_json_is_one_document() -> None:
    lines = b'{"text": "a"}\n{"text": "b"}\n'
    assert [row.text for row in file_rows("x.json", lines)] == [b"a", b"b"]
    assert [row.text for row in file_rows("x.json", b'[{"text": "a"}]\n')] == [b'[{"text": "a"}]\n']
    assert [row.text for row in file_rows("x.py", lines)] == [lines]


@pytest.mark.parametrize(
    "row",
    [
        {"id": "def f():\n    return 1", "text": "x"},
        {"id": ["def f():", "    return 1"], "text": "x"},
        {"id": {"a": "def f():\n    return 1"}, "text": "x"},
        {"def f():\n    return 1": 1, "text": "x"},
        {"text": {"    return 1 if not f() else f(1)": "x"}, "more": "def f():"},
    ],
)
def test_a_text_in_the_place_of_a_name_is_a_text(row: dict[str, Any]) -> None:
    line = json.dumps(row).encode()
    [whole] = jsonl.rows([line], "f", Columns(), 8 << 20)
    *_, last = jsonl.rows([line, b" " * 200], "f", Columns(), 100)
    for text in (whole.text, last.text):
        assert b"def f():" in (text or b"")
        assert b"return 1" in (text or b"")
    assert whole.id == "f:1"


def test_packed_json_is_read_as_lines_only_where_it_has_them() -> None:
    row = Row("a", "a", 0, None)
    pretty = json.dumps([{"text": "one", "more": [1, 2]}], indent=1).encode()
    forms = (
        pretty,
        b'{"text": "one"}\n{"text": "two"}\n',
        b'{"text": "one"}',
        b'{"text": "' + b"x" * 100_000 + b'"}\n',
    )
    found = [list(plain.rows(row, "a.json.gz", [gzip.compress(form)], built_in())) for form in forms]
    assert [len(rows) for rows in found] == [1, 2, 1, 1]
    assert found[0][0].text == pretty
    assert [rows[0].text for rows in found[2:]] == [b"one", b"x" * 100_000]
