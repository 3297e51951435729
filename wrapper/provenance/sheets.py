"""A sheet as bytes: columns of keyed codes, who and when sealed behind them, a code of authentication over all; pure.

    magic   8   `SAPROV01`
    size    4   of the header, u32
    header      MessagePack array: see `Header`
    columns     of lines (code, shape, sketch: u64; emission, number: u32; flags: u8), then of shapes, of words and of
                blobs (code: u64; emission, place: u32); each column whole, one behind the other
    sealed      AES-256-GCM of a MessagePack array (`_Sealed`); associated with it are magic, size and header
    mac    32   HMAC-SHA256 over all before it

All numbers are little-endian. `docs/provenance-format.md` has it for other readers. What a file says of lengths is
believed only where they add up to the file's own, so that no more memory is taken than the file is long.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterator
from typing import Annotated, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from wrapper.errors import ProvenanceError
from wrapper.provenance.key import MAC_SIZE, Key
from wrapper.provenance.model import LINE, PRINT, Emission, Read, Sheet

LONGEST: Final = 1 << 30
"""Bytes of a file that are read at all; one of a session has some megabytes."""

_MAGIC: Final = b"SAPROV01"
_SIZE: Final = struct.Struct("<I")
_LONGEST_HEADER: Final = 4096
LONGEST_PREFACE: Final = 8 + 4 + _LONGEST_HEADER
"""Bytes at the start of a file in which its header ends."""
_NOTHING_BEFORE: Final = bytes(32)

_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 32)]


class Header(msgspec.Struct, frozen=True, array_like=True):
    """What stands in clear: `key` is the id of the key, `previous` the leaf of the session's sheet before this one.

    `lines`, `shapes`, `words`, `blobs` count rows, `sealed` bytes.
    """

    key: str
    workspace: str
    session: str
    number: Annotated[int, msgspec.Meta(ge=1, le=1 << 32)]
    previous: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    lines: _Count
    shapes: _Count
    words: _Count
    blobs: _Count
    sealed: _Count

    @property
    def body(self) -> int:
        """How many bytes of columns and sealed parts there must be."""
        return self.lines * LINE.itemsize + (self.shapes + self.words + self.blobs) * PRINT.itemsize + self.sealed


class Standing(NamedTuple):
    """Where a sheet stands: in which workspace, behind which sheet of its session (its leaf; zeros: the first).

    `ends`: it is the session's last one. `gap`: why something of the session before its end is missing.
    """

    workspace: str
    previous: bytes = _NOTHING_BEFORE
    ends: bool = False
    gap: str = ""


class Proven(NamedTuple):
    """A sheet that is as it was written. `first`, `last`: times of what it tells of, 0 where that is nothing."""

    sheet: Sheet
    standing: Standing
    first: float
    last: float


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    emissions: tuple[Emission, ...]
    reads: tuple[Read, ...]
    ends: bool
    gap: str


def packed(sheet: Sheet, standing: Standing, key: Key) -> bytes:
    """Give a sheet's file."""
    sealed = msgspec.msgpack.encode(_Sealed(tuple(sheet.emissions), tuple(sheet.reads), standing.ends, standing.gap))
    columns = b"".join(_columns(sheet))
    counts = (len(sheet.lines), len(sheet.shapes), len(sheet.words), len(sheet.blobs))
    overhead = len(key.seal(b"", b""))
    head = Header(
        key.id, standing.workspace, sheet.session, sheet.number, standing.previous, *counts, len(sealed) + overhead
    )
    header = msgspec.msgpack.encode(head)
    preface = _MAGIC + _SIZE.pack(len(header)) + header
    data = b"".join((preface, columns, key.seal(sealed, preface)))
    return data + key.authenticate(data)


def header_of(data: bytes) -> Header:
    """Read what stands in clear at the start of a file; nothing of it is proven. Raises ProvenanceError."""
    return _header(data)[0]


def proven(data: bytes, key: Key) -> Proven:
    """Read a file. Raises ProvenanceError where it is damaged, cut, of another key, or no sheet."""
    header, start = _header(data)
    if header.key != key.id:
        raise ProvenanceError(f"it is of the key {header.key}, not of {key.id}", hint="see `provenance key show`")
    if len(data) != start + header.body + MAC_SIZE:
        raise ProvenanceError("it was cut, or something was added to it")
    if not hmac.compare_digest(key.authenticate(data[:-MAC_SIZE]), data[-MAC_SIZE:]):
        raise ProvenanceError("it is damaged, or somebody wrote it without the key")
    end = len(data) - MAC_SIZE
    told = _unsealed(key.unseal(data[end - header.sealed : end], data[:start]))
    tables = _tables(data, start, header)
    if any(table["emission"].max(initial=0) >= max(len(told.emissions), 1) for table in tables):
        raise ProvenanceError("a row in it is of no emission")
    times = [one.at for one in told.emissions] + [one.at for one in told.reads]
    lines, shapes, words, blobs = tables
    sheet = Sheet(header.session, header.number, told.emissions, lines, shapes, words, blobs, told.reads)
    standing = Standing(header.workspace, header.previous, told.ends, told.gap)
    return Proven(sheet, standing, min(times, default=0.0), max(times, default=0.0))


def leaf(data: bytes) -> bytes:
    """Give a sheet's hash in the tree whose root the ledger has: SHA-256 of a zero byte and the data (RFC 6962)."""
    hashed = hashlib.sha256(b"\0")
    hashed.update(data)
    return hashed.digest()


def _columns(sheet: Sheet) -> Iterator[bytes]:
    for table in (sheet.lines, sheet.shapes, sheet.words, sheet.blobs):
        for name in table.dtype.names or ():
            yield np.ascontiguousarray(table[name]).tobytes()


def _header(data: bytes) -> tuple[Header, int]:
    start = len(_MAGIC) + _SIZE.size
    if data[:6] != _MAGIC[:6]:
        raise ProvenanceError("it is no sheet of an index")
    if data[6:8] != _MAGIC[6:]:
        raise ProvenanceError("it is of another version", hint="read it with a newer safe-agent")
    size = _SIZE.unpack_from(data, len(_MAGIC))[0] if len(data) >= start else _LONGEST_HEADER + 1
    if size > min(_LONGEST_HEADER, len(data) - start):
        raise ProvenanceError("it was cut in its header")
    try:
        return msgspec.msgpack.decode(data[start : start + size], type=Header), start + size
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProvenanceError("its header is damaged") from error


def _unsealed(data: bytes) -> _Sealed:
    try:
        return msgspec.msgpack.decode(data, type=_Sealed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProvenanceError("it is of a later version", hint="read it with a newer safe-agent") from error


def _tables(data: bytes, at: int, header: Header) -> list[npt.NDArray[np.void]]:
    tables: list[npt.NDArray[np.void]] = []
    for kind, rows in ((LINE, header.lines), *((PRINT, n) for n in (header.shapes, header.words, header.blobs))):
        table = np.empty(rows, kind)
        for name in kind.names or ():
            column = kind[name]
            table[name] = np.frombuffer(data, column, rows, at)
            at += rows * column.itemsize
        tables.append(table)
    return tables
