"""Judge a table of documents: Arrow in, Arrow out; pure, and the same whoever calls it.

Rules of this file:
1. The verdict on a document follows from its text, the index and the policy: not from its neighbours, nor from where a
   table of documents is cut into batches.
2. A document's coverage counts each of its tokens once: spans do not overlap, and what two parts of a cut document have
   in common counts in the first one.
3. Nothing is done in Python for a clean document but its hash.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa

from wrapper.corpus.found import NOTHING, Document, Judge, Place, Verdict
from wrapper.errors import ProvenanceError

DOCUMENTS: Final = pa.schema([
    pa.field("id", pa.string()),
    pa.field("text", pa.large_binary()),  # null: it could not be read, `fault` says why
    pa.field("source", pa.string()),
    pa.field("row", pa.int64()),
])  # fmt: skip
"""What readers give. Optional columns: `fault` string; `binary` bool (only whole contents are compared); and of
documents that were cut, whose parts follow one another: `offset` int64 (bytes of the document before this part), `line`
int64 (lines before it), `overlap` int64 (bytes at its beginning that stood in the part before), `more` bool (another
part follows)."""

SPAN: Final = pa.struct([
    pa.field("start", pa.int64()),  # bytes in the document
    pa.field("end", pa.int64()),
    pa.field("first_line", pa.int64()),  # from 1
    pa.field("last_line", pa.int64()),
    pa.field("session", pa.string()),
    pa.field("kind", pa.string()),  # of the emission
    pa.field("model", pa.string()),
    pa.field("at", pa.float64()),  # seconds since the epoch, when it came into being
    pa.field("request", pa.int64()),
    pa.field("tokens", pa.int64()),
    pa.field("exact", pa.bool_()),  # mostly word for word; else names or numbers differ
])  # fmt: skip

VERDICTS: Final = pa.schema([
    pa.field("id", pa.string()),
    pa.field("source", pa.string()),
    pa.field("row", pa.int64()),
    pa.field("size", pa.int64()),  # bytes of text
    pa.field("sha256", pa.string()),  # of the text, hexadecimal; empty if it could not be read
    pa.field("normalised", pa.string()),  # SHA-256 of the text without its blanks and line ends; empty if it was cut
    pa.field("stage", pa.string()),  # blob, normalised, spans, clean, binary, unreadable
    pa.field("coverage", pa.float64()),  # share of its tokens within spans that the policy counts
    pa.field("spans", pa.list_(SPAN)),  # those that the policy counts
    pa.field("sessions", pa.list_(pa.string())),
    pa.field("decision", pa.string()),  # accept, refuse, quarantine
    pa.field("because", pa.string()),
])  # fmt: skip
"""A row for each document, in the order in which the documents came."""

_BLANKS: Final = b" \t\r\n\v\f"


def judged(table: pa.Table, judge: Judge) -> pa.Table:
    """Judge documents (`DOCUMENTS`); a row of `VERDICTS` for each.

    Raises ProvenanceError where the index is damaged, or the last part of a cut document is missing.
    """
    stream = Stream(judge)
    verdicts = stream.feed(table)
    stream.close()
    return verdicts


class Stream:
    """Judges tables that follow one another; a document's parts may be spread over several of them."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._open: Document | None = None

    def feed(self, table: pa.Table) -> pa.Table:
        """Judge what ends in this table: a row of `VERDICTS` for each document."""
        rows = _Rows(table)
        special = dict(self._special(rows))
        return _table(rows, special, self._judge.clean)

    def close(self) -> None:
        """Make sure that nothing is left open. Raises ProvenanceError."""
        if self._open is not None:
            raise ProvenanceError("a document's last part is missing", hint="the reader was cut short: run it again")

    def _special(self, rows: "_Rows") -> Iterator[tuple[int, Verdict]]:
        """Give the verdict on all but clean documents, by the row that ends them."""
        found = self._judge.search(rows.texts, rows.digests, rows.is_binary, rows.is_cut)
        for row in sorted({*found, *rows.peculiar}):
            text = rows.texts[row]
            if text is None:
                self._open = None  # a part that cannot be read makes the whole document unreadable
                if not rows.more[row]:
                    yield row, self._judge.unread(rows.fault(row), is_binary=bool(rows.is_binary[row]))
            elif rows.is_cut[row]:
                document = self._open or Document(self._judge)
                document.add(text, found.get(row, NOTHING), rows.place(row))
                self._open = document if rows.more[row] else None
                if not rows.more[row]:
                    yield row, document.verdict()
            else:
                yield row, self._judge.verdict(text, found.get(row, NOTHING), is_binary=bool(rows.is_binary[row]))


class _Rows:
    """A table's columns as lists; `peculiar`: rows that are no whole, readable text."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.texts = _texts(table.column("text"))
        self.digests = [b"" if text is None else hashlib.sha256(text).digest() for text in self.texts]
        self.more = self._column("more", default=False)
        self.offset = self._column("offset", default=0)
        self.is_binary = self._column("binary", default=False)
        self.is_cut = self.more | (self.offset > 0)
        unread = [row for row, text in enumerate(self.texts) if text is None]
        self.peculiar = [*unread, *np.flatnonzero(self.is_cut | self.is_binary).tolist()]

    def ending(self) -> pa.Table:
        """Give the rows that end a document."""
        return self._table.filter(pa.array(~self.more)) if self.more.any() else self._table

    def place(self, row: int) -> Place:
        """Say where a part stands in its document."""
        line, overlap = (int(self._column(name, default=0)[row]) for name in ("line", "overlap"))
        return Place(int(self.offset[row]), line, overlap, is_cut=True)

    def fault(self, row: int) -> str:
        """Say why a row could not be read."""
        has = "fault" in self._table.column_names
        return (self._table.column("fault")[row].as_py() if has else None) or "it could not be read"

    def _column(self, name: str, *, default: object) -> Any:
        if name not in self._table.column_names:
            return np.full(len(self._table), default)
        column = self._table.column(name)
        return (column.fill_null(default) if column.null_count else column).to_numpy()


def _texts(column: pa.ChunkedArray) -> list[bytes | None]:
    """Copy texts out of Arrow's buffers, without an Arrow object for each."""
    return [text for chunk in column.chunks for text in _chunk_texts(chunk.cast(pa.large_binary()))]


def _chunk_texts(chunk: Any) -> Iterator[bytes | None]:
    _, offsets, data = chunk.buffers()
    if data is None:
        yield from (None if missing else b"" for missing in chunk.is_null().to_pylist())
        return
    bounds = np.frombuffer(offsets, np.int64, len(chunk) + 1, chunk.offset * 8).tolist()
    whole = memoryview(data)
    missing = chunk.is_null().to_numpy(zero_copy_only=False) if chunk.null_count else None
    for row in range(len(chunk)):
        yield None if missing is not None and missing[row] else bytes(whole[bounds[row] : bounds[row + 1]])


def _table(rows: _Rows, special: dict[int, Verdict], clean: Verdict) -> pa.Table:
    """Put verdicts together: most rows are clean."""
    ends = np.flatnonzero(~rows.more)
    texts = [rows.texts[row] for row in ends.tolist()]
    columns: dict[str, list[Any]] = {
        "size": [len(text or b"") for text in texts],
        "sha256": [rows.digests[row].hex() for row in ends.tolist()],
        "normalised": [
            "" if text is None else hashlib.sha256(text.translate(None, _BLANKS)).hexdigest() for text in texts
        ],
    }
    for name in ("stage", "coverage", "decision", "because"):
        columns[name] = [getattr(clean, name)] * len(texts)
    places = {row: place for place, row in enumerate(ends.tolist())} if special else {}
    verdicts = {places[row]: verdict for row, verdict in special.items()}
    for place, verdict in verdicts.items():
        for name in ("stage", "coverage", "decision", "because"):
            columns[name][place] = getattr(verdict, name)
        if verdict.sha256 is not None:  # of a cut document: the last part's own hash says nothing
            columns["sha256"][place], columns["normalised"][place], columns["size"][place] = (
                verdict.sha256, "", verdict.size)  # fmt: skip
    kept = rows.ending()
    arrays = {name: pa.array(values, VERDICTS.field(name).type) for name, values in columns.items()}
    arrays |= {name: kept.column(name) for name in ("id", "source", "row")}
    arrays["spans"], arrays["sessions"] = _lists(len(texts), verdicts)
    return pa.table([arrays[name] for name in VERDICTS.names], schema=VERDICTS)


def _lists(count: int, verdicts: dict[int, Verdict]) -> tuple[Any, Any]:
    """Give the columns of spans and of sessions."""
    order = sorted(verdicts)
    spans = [span for place in order for span in verdicts[place].spans]
    sessions = [session for place in order for session in verdicts[place].sessions]
    values = pa.array([span._asdict() for span in spans], SPAN)
    offsets = _offsets(count, {place: len(verdicts[place].spans) for place in order})
    others = _offsets(count, {place: len(verdicts[place].sessions) for place in order})
    return (
        pa.ListArray.from_arrays(offsets, values, type=VERDICTS.field("spans").type),
        pa.ListArray.from_arrays(others, pa.array(sessions, pa.string()), type=VERDICTS.field("sessions").type),
    )


def _offsets(count: int, sizes: dict[int, int]) -> Any:
    offsets = np.zeros(count + 1, np.int32)
    for place, size in sizes.items():
        offsets[place + 1] = size
    return pa.array(np.cumsum(offsets, dtype=np.int32))
