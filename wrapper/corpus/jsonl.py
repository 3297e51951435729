"""Documents out of lines of JSON, each line a row; pure.

Blank lines are no rows. A line that cannot be read is a row with a fault, and the lines behind it are read. Where the
packing breaks off, one row stands for the rest, which nobody can count.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from wrapper.corpus.longjson import LongLine
from wrapper.corpus.policy import Columns
from wrapper.corpus.rows import Row, parts
from wrapper.corpus.texts import ShapeError, Wanted, name_of
from wrapper.corpus.unpacking import PackingError

_MARK: Final = b"\xef\xbb\xbf"  # some editors write it before UTF-8
_LONGEST_WHY: Final = 120


class Stretch(NamedTuple):
    """Whole lines of a file: where they begin and end in bytes (0: with the file), and how many stand before them."""

    start: int
    end: int
    before: int


def cuts(chunks: Iterable[bytes], least: int) -> Sequence[Stretch]:
    """Cut a file that is not packed where a line ends; each stretch but the last has `least` bytes or more."""
    found: list[Stretch] = []
    start = at = before = lines = 0
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        lines += chunk.count(b"\n")
        if end and at + end - start >= least:
            found.append(Stretch(start, at + end, before))
            start, before = at + end, lines
        at += len(chunk)
    if start < at or not found:
        return [*found, Stretch(start, 0, before)]
    return [*found[:-1], found[-1]._replace(end=0)]


def rows(chunks: Iterable[bytes], source: str, columns: Columns, most: int, *, before: int = 0) -> Iterator[Row]:
    """Read rows out of the bytes of a file in chunks of any size; lines over `most` bytes as they come.

    `before`: so many lines of the file stand before these.
    """
    reader = _Reader(source, columns, most)
    number = before
    try:
        for line in _lines(chunks if before else _unmarked(chunks), most):
            number += 1
            if isinstance(line, bytes):
                yield from reader.row(line, number)
            else:
                yield from reader.long_row(line, number)
    except PackingError as error:
        yield Row(f"{source}:{number + 1}", source, number + 1, None, f"{error}; rows behind this are not read")


def _unmarked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Leave out the mark of UTF-8 at the beginning."""
    stream = iter(chunks)
    head = b""
    for chunk in stream:
        head += chunk
        if len(head) >= len(_MARK):
            break
    yield head.removeprefix(_MARK)
    yield from stream


def _lines(chunks: Iterable[bytes], most: int) -> Iterator[bytes | Iterator[bytes]]:
    """Cut into lines without their ends; one that is longer than `most` comes as an iterator of its chunks."""
    stream = iter(chunks)
    rest = b""
    for chunk in stream:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        while len(rest) > most:
            line = _Long(rest, stream)
            yield line
            for _ in line:  # whatever its reader has left
                pass
            *lines, rest = line.behind.split(b"\n")
            yield from lines
    if rest:
        yield rest


class _Long(Iterator[bytes]):
    """The chunks of one line; `behind` is what followed its end in the last of them."""

    def __init__(self, first: bytes, stream: Iterator[bytes]) -> None:
        self._waiting: bytes | None = first
        self._stream: Iterator[bytes] | None = stream
        self.behind = b""

    def __next__(self) -> bytes:
        if self._waiting is not None:
            chunk, self._waiting = self._waiting, None
            return chunk
        if self._stream is None:
            raise StopIteration
        try:
            chunk = next(self._stream)
        except StopIteration:
            self._stream = None
            raise
        chunk, end, behind = chunk.partition(b"\n")
        if end:
            self._stream, self.behind = None, behind
        return chunk


class _Reader:
    """Makes rows of lines."""

    def __init__(self, source: str, columns: Columns, most: int) -> None:
        self._source = source
        self._columns = columns
        self._wanted = Wanted(columns.text, columns.id)
        self._most = most
        self._decode = _decoder(self._wanted, columns.id)

    def row(self, line: bytes, number: int) -> Iterator[Row]:
        if not line.strip():
            return
        place = f"{self._source}:{number}"
        try:
            value = self._decoded(line)
            text = self._wanted.of(value)
        except ShapeError as error:
            yield Row(place, self._source, number, None, str(error))
        except RecursionError:
            yield Row(place, self._source, number, None, "is nested too deeply")
        else:
            yield from self._rows(name_of(value, self._columns.id) or place, number, [text])

    def long_row(self, chunks: Iterator[bytes], number: int) -> Iterator[Row]:
        """Read a row as it comes; its own name may stand behind its texts, so its place names it."""
        yield from self._rows(f"{self._source}:{number}", number, LongLine(chunks, self._wanted).texts())

    def _rows(self, name: str, number: int, chunks: Iterable[bytes]) -> Iterator[Row]:
        last = Row(name, self._source, number, b"")
        try:
            for part in parts(chunks, self._most):
                last = last._replace(**part._asdict())
                yield last
        except (ShapeError, PackingError) as error:
            yield last._replace(text=None, fault=str(error), more=False, overlap=0)
            if isinstance(error, PackingError):
                raise

    def _decoded(self, line: bytes) -> object:
        try:
            return self._decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        try:  # what `json` takes and msgspec does not: NaN, halves of surrogate pairs
            return json.loads(line)
        except UnicodeDecodeError as error:
            raise ShapeError("is not UTF-8") from error
        except ValueError as error:
            raise ShapeError(f"is no JSON: {error}"[:_LONGEST_WHY]) from error


def _decoder(wanted: Wanted, name: str) -> Callable[[bytes], Any]:
    """Make what decodes a line; where one column is wanted, all others are skipped without being made."""
    if wanted.every or len(wanted.paths) != 1:
        return msgspec.json.Decoder().decode
    names = sorted({next(iter(wanted.paths))[0], name.partition(".")[0]})
    fields = [(f"f{place}", Any, None) for place in range(len(names))]
    row = msgspec.defstruct("Line", fields, rename={f"f{place}": name for place, name in enumerate(names)})
    decode = msgspec.json.Decoder(row).decode
    return lambda line: dict(zip(names, msgspec.structs.astuple(decode(line)), strict=True))
