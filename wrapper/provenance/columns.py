"""Columns of numbers in one file that is mapped into memory, each piece verified before it is first used.

    MAGIC | columns, one after the other, each at a multiple of 64 bytes | footer (msgpack) | its length (8) | HMAC (32)

The footer names the columns and holds a digest of every 64 KiB of each, and for sorted columns the first code of every
piece. The HMAC is over the footer, its length and the magic. So the file opens in milliseconds however large it is, a
changed byte is found before anything is concluded from it, and what is cut off or of another key does not open.
Whoever has the file mapped and replaces bytes of it *while* it is in use is not guarded against; a new file is always
written under another name and renamed.
"""

import hashlib
import hmac
import mmap
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import msgspec
import numpy as np
import numpy.typing as npt

from wrapper.buckets import Buckets, Rows
from wrapper.durable import sync_folder
from wrapper.errors import ProvenanceError
from wrapper.provenance.key import MAC_SIZE, Key
from wrapper.provenance.model import Codes

PIECE: Final = 1 << 16  # bytes: 30 µs to verify, and 8192 codes to search in
_PATIENCE: Final = 10  # codes looked up for each piece, after which a column is verified whole: faster from there on
_DIGEST: Final = 16
_ALIGNED: Final = 64
_LENGTH: Final = struct.Struct("<Q")
_MAGIC: Final = b"safe-agent columns 1\n"


class Column:
    """One column: an array in memory, or a mapped one that is verified piece by piece."""

    def __init__(self, data: npt.NDArray[Any], seals: "Seals | None" = None) -> None:
        self._data = data
        self._seals = seals

    def __len__(self) -> int:
        return int(self._data.size)

    def take(self, rows: Rows) -> npt.NDArray[Any]:
        """Give these rows. Raises ProvenanceError where they are damaged."""
        if self._seals is not None and not self._seals.is_whole and rows.size:
            size = self._data.itemsize
            self._seals.verify(np.concatenate((rows * size // PIECE, ((rows + 1) * size - 1) // PIECE)))
        return self._data[rows]

    def run(self, start: int, end: int) -> npt.NDArray[Any]:
        """Give rows from `start` to before `end`. Raises ProvenanceError where they are damaged."""
        if self._seals is not None and end > start:
            size = self._data.itemsize
            self._seals.verify_from(start * size // PIECE, (end * size - 1) // PIECE + 1)
        return self._data[start:end]

    def whole(self) -> npt.NDArray[Any]:
        """Give all of it, verified."""
        return self.run(0, len(self))


class SortedCodes:
    """A column of sorted codes, in which others are looked up."""

    def __init__(self, column: Column, fence: Codes | None = None) -> None:
        self._column = column
        self._fence = fence  # first code of every piece of a mapped column
        self._asked = 0
        self._buckets: Buckets | None = None

    def __len__(self) -> int:
        return len(self._column)

    def whole(self) -> Codes:
        """Give all codes, verified."""
        return self._column.whole()

    def find(self, codes: Codes, most: int) -> tuple[Rows, Rows]:
        """Give pairs of an index into `codes` and a row that has this code: of each the first `most` rows."""
        which, first = self.locate(codes)
        found, rows = [which], [first]
        for more in range(1, most):
            inside = first + more < len(self)
            which, first = which[inside], first[inside]
            same = self._column.take(first + more) == codes[which]
            which, first = which[same], first[same]
            if not which.size:
                break
            found.append(which)
            rows.append(first + more)
        return np.concatenate(found), np.concatenate(rows)

    def locate(self, codes: Codes) -> tuple[Rows, Rows]:
        """Give pairs of an index into `codes` and the first row that has this code."""
        at = self._first(codes)
        which = np.flatnonzero(at < len(self))
        which = which[self._column.take(at[which]) == codes[which]]
        return which, at[which]

    def contains(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """Say of each code whether it is there."""
        found = np.zeros(codes.size, np.bool_)
        found[self.locate(codes)[0]] = True
        return found

    def _first(self, codes: Codes) -> Rows:
        """Where each code stands, or would: searched within the one piece that is verified, or by buckets."""
        self._asked += codes.size
        if self._fence is None or self._asked > _PATIENCE * self._fence.size:
            self._buckets = self._buckets or Buckets(self._column.whole())
            return self._buckets.first(codes)
        each = PIECE // 8
        low = np.maximum(np.searchsorted(self._fence, codes) - 1, 0) * each
        high = np.minimum(low + each, len(self))
        while (open_ := low < high).any():
            middle = (low + high) >> 1
            below = np.zeros(codes.size, np.bool_)
            below[open_] = self._column.take(middle[open_]) < codes[open_]
            low = np.where(below, middle + 1, low)
            high = np.where(open_ & ~below, middle, high)
        return low


class Seals:
    """Digests of a mapped column's pieces, and which of them were verified."""

    def __init__(self, path: Path, data: npt.NDArray[np.uint8], digests: bytes) -> None:
        self._path = path
        self._data = data
        self._digests = digests
        self._verified = np.zeros(len(digests) // _DIGEST, np.bool_)
        self._left = self._verified.size

    @property
    def is_whole(self) -> bool:
        """Whether all pieces were verified."""
        return self._left == 0

    def verify_from(self, first: int, last: int) -> None:
        """Verify pieces from `first` to before `last`. Raises ProvenanceError."""
        if self._left:
            self.verify(np.arange(first, last))

    def verify(self, pieces: Rows) -> None:
        """Verify those that were not yet. Raises ProvenanceError."""
        pieces = pieces[~self._verified[pieces]]
        for piece in np.unique(pieces).tolist() if pieces.size else ():
            found = _digest(self._data[piece * PIECE : (piece + 1) * PIECE].data)
            if found != self._digests[piece * _DIGEST : (piece + 1) * _DIGEST]:
                raise ProvenanceError(f"`{self._path}` is damaged", hint="make it anew from the index")
            self._verified[piece] = True
            self._left -= 1


class _Told(msgspec.Struct, frozen=True):
    """What the footer says of a column. `first`: codes at the start of every piece, of sorted columns."""

    name: str
    kind: str
    place: int
    rows: int
    digests: bytes
    first: bytes


class _Footer(msgspec.Struct, frozen=True):
    what: str
    key: str
    notes: dict[str, int]
    columns: list[_Told]


class Columns(NamedTuple):
    """An opened file. notes: numbers that were kept with it."""

    columns: Mapping[str, Column]
    codes: Mapping[str, SortedCodes]
    notes: Mapping[str, int]


class Writer:
    """Writes columns one after the other; the file is there, whole and durable, when the block ends without error.

    Memory does not grow with the columns, but for 16 to 24 bytes for each 64 KiB.
    """

    def __init__(self, path: Path, what: str, key: Key) -> None:
        self._path, self._what, self._key = path, what, key
        self._draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
        self._told: list[_Told] = []
        self.notes: dict[str, int] = {}

    def __enter__(self) -> Self:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._file = os.fdopen(os.open(self._draft, flags, 0o600), "wb", buffering=1 << 20)
        except OSError as error:
            raise ProvenanceError(f"cannot write `{self._path}`: {error.strerror}") from error
        self._file.write(_MAGIC)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                self._finish()
        if kind is None:
            self._draft.replace(self._path)
            sync_folder(self._path.parent)
        else:
            self._draft.unlink(missing_ok=True)

    def add(self, name: str, kind: npt.DTypeLike, parts: Iterable[npt.NDArray[Any]], *, is_sorted: bool = False) -> int:
        """Write a column in parts, of which the rows are counted. `is_sorted`: it is of codes to be looked up."""
        self._file.write(bytes(-self._file.tell() % _ALIGNED))
        place, digests, first = self._file.tell(), bytearray(), bytearray()
        pending = b""
        for part in parts:
            pending += np.ascontiguousarray(part, kind).tobytes()
            edge = len(pending) - len(pending) % PIECE
            self._write(pending[:edge], digests, first)
            pending = pending[edge:]
        self._write(pending, digests, first)
        size = self._file.tell() - place
        rows = size // np.dtype(kind).itemsize
        spelled = np.dtype(kind).descr if np.dtype(kind).names else np.dtype(kind).str
        told = _Told(name, msgspec.json.encode(spelled).decode(), place, rows, bytes(digests), bytes(first) * is_sorted)
        self._told.append(told)
        return rows

    def _write(self, data: bytes, digests: bytearray, first: bytearray) -> None:
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            digests += _digest(piece)
            first += piece[:8]
            self._file.write(piece)

    def _finish(self) -> None:
        footer = msgspec.msgpack.encode(_Footer(self._what, self._key.id, self.notes, self._told))
        ending = footer + _LENGTH.pack(len(footer))
        self._file.write(ending + self._key.authenticate(_MAGIC + ending))
        self._file.flush()
        os.fsync(self._file.fileno())


def opened(path: Path, what: str, key: Key) -> Columns:
    """Map a file. Raises ProvenanceError where it is missing, damaged, cut, of another key, or something else."""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:  # of no length
        raise ProvenanceError(f"`{path}` is cut short", hint="make it anew from the index") from error
    except OSError as error:
        raise ProvenanceError(f"cannot read `{path}`: {error.strerror}") from error
    data = np.frombuffer(mapped, np.uint8)
    footer = _footer(path, mapped, key)
    if footer.what != what:
        raise ProvenanceError(f"`{path}` is a {footer.what}, not a {what}")
    columns, codes = {}, {}
    for told in footer.columns:
        kind = _kind(told.kind)
        part = data[told.place : told.place + told.rows * kind.itemsize]
        column = Column(part.view(kind), Seals(path, part, told.digests))
        columns[told.name] = column
        if told.first:
            codes[told.name] = SortedCodes(column, np.frombuffer(told.first, np.uint64))
        elif not told.rows and kind == np.uint64:
            codes[told.name] = SortedCodes(column)
    return Columns(columns, codes, footer.notes)


def _footer(path: Path, mapped: mmap.mmap, key: Key) -> _Footer:
    if mapped[: len(_MAGIC)] != _MAGIC:
        raise ProvenanceError(f"`{path}` is of another version, or not safe-agent's")
    end = len(mapped) - MAC_SIZE - _LENGTH.size
    if end < len(_MAGIC):
        raise ProvenanceError(f"`{path}` is cut short", hint="make it anew from the index")
    length = int(_LENGTH.unpack(mapped[end : end + _LENGTH.size])[0])
    start = end - length
    ending, mac = mapped[max(start, 0) : end + _LENGTH.size], mapped[-MAC_SIZE:]
    if start < len(_MAGIC) or not hmac.compare_digest(key.authenticate(_MAGIC + ending), mac):
        raise ProvenanceError(
            f"`{path}` is damaged, cut short, or of another key", hint="check the key, or make it anew from the index"
        )
    return msgspec.msgpack.decode(ending[:length], type=_Footer)


def _kind(spelled: str) -> np.dtype[Any]:
    plain = msgspec.json.decode(spelled)
    return np.dtype(plain if isinstance(plain, str) else [(name, kind) for name, kind in plain])


def _digest(piece: bytes | memoryview) -> bytes:
    return hashlib.sha256(piece).digest()[:_DIGEST]
