"""Rows of documents on their way into Arrow record batches, and how one that is too large for a batch is cut; pure.

Rules:
1. What is held at a time is one batch and one part, however large a document or a corpus is.
2. A cut stands after a line's end where one is near, and never within a character of UTF-8. Each part begins with the
   end of the part before (OVERLAP), so that a span across a cut is found whole in one of the two.
3. A document that breaks off ends with a row whose `text` is null and whose `fault` says why.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_BYTES: Final = 8 << 20
"""Of text in one record batch, about: large enough to be judged quickly, small enough for a worker's memory."""
OVERLAP: Final = 16 << 10
"""Bytes: ten times the longest span that is still too short to be refused by the built-in policy."""
_MOST_ROWS: Final = 1 << 14


class Row(NamedTuple):
    """A document, or a part of one; see `documents.read` for what each means. `fault` empty: none."""

    id: str
    source: str
    row: int
    text: bytes | None
    fault: str = ""
    offset: int = 0
    line: int = 0
    more: bool = False
    overlap: int = 0
    binary: bool = False


class Part(NamedTuple):
    """A piece of a long text; `offset` and `line` count what stands before it, `overlap` what it has in common."""

    text: bytes
    offset: int
    line: int
    more: bool
    overlap: int


def parts(chunks: Iterable[bytes], most: int) -> Iterator[Part]:
    """Cut a text that comes in chunks of any size into parts of `most` bytes or less; one part, if it is no longer."""
    held = bytearray()
    offset = line = overlap = 0
    for chunk in chunks:
        for start in range(0, len(chunk), most):
            held += chunk[start : start + most]
            while len(held) > most:
                end = _cut(held, most, overlap)
                yield Part(bytes(held[:end]), offset, line, True, overlap)
                again = _again(held, end)
                offset += again
                line += held.count(b"\n", 0, again)
                overlap = end - again
                del held[:again]
    yield Part(bytes(held), offset, line, False, overlap)


def _cut(held: bytearray, most: int, overlap: int) -> int:
    """Find where a part ends: behind the last line's end in its second half, else between two characters."""
    least = max(most // 2, overlap + 1)
    return held.rfind(b"\n", least, most) + 1 or _between(held, most)


def _again(held: bytearray, end: int) -> int:
    """Find where the next part begins: at a line within the overlap, else between two characters."""
    start = max(1, end - OVERLAP)
    return held.find(b"\n", start - 1, end - 1) + 1 or _between(held, start)


def _between(held: bytearray, place: int) -> int:
    """Step back to where no character of UTF-8 is torn; bytes that are no UTF-8 are cut anywhere."""
    for back in range(4):
        if place - back <= 0:
            break
        if held[place - back] & 0xC0 != 0x80:  # not a continuation byte (RFC 3629 section 3)
            return place - back
    return place


def batched(rows: Iterable[Row], most: int = BATCH_BYTES) -> "Iterator[pa.RecordBatch]":
    """Put rows into record batches of about `most` bytes of text; never an empty one."""
    held: list[Row] = []
    size = 0
    for row in rows:
        length = len(row.text or b"")
        if held and (size + length > most or len(held) >= _MOST_ROWS):
            yield record_batch(held)
            held, size = [], 0
        held.append(row)
        size += length
    if held:
        yield record_batch(held)


def record_batch(rows: list[Row]) -> "pa.RecordBatch":
    """Make one record batch of rows."""
    import pyarrow as pa  # noqa: PLC0415 (heavy, and an extra)

    schema = document_schema()
    columns = list(zip(*rows, strict=True))
    columns[4] = tuple(fault or None for fault in columns[4])
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def document_schema() -> "pa.Schema":
    """Give the columns of every batch of documents."""
    import pyarrow as pa  # noqa: PLC0415 (as above)

    return pa.schema(
        [
            ("id", pa.string()),
            ("source", pa.string()),
            ("row", pa.int64()),
            ("text", pa.large_binary()),
            ("fault", pa.string()),
            ("offset", pa.int64()),
            ("line", pa.int64()),
            ("more", pa.bool_()),
            ("overlap", pa.int64()),
            ("binary", pa.bool_()),
        ]
    )
