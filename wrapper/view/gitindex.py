"""Entries of git's index found and changed in its bytes: gitformat-index(5), versions 2, 3 and 4, SHA-1 and SHA-256.

What holds:
1. All bytes that are not asked to change stay, but the checksum at the end, and what a changed object id makes untrue.
2. In a split index (`link`) and a sparse one (`sdir`) only entries that stand in the file itself are found.
"""

import hashlib
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from wrapper.plan.indexformat import STAT_BYTES, IndexFormatError, extensions, walk

_WORD: Final = 0xFFFFFFFF  # git keeps the low 32 bits of each number
_STAT: Final = struct.Struct(">10I")
_SECONDS: Final = struct.Struct(">I")
_MTIME_AT: Final = 8
_STAGE: Final = 0x3000
_TREES: Final = frozenset((b"TREE", b"EOIE", b"IEOT"))
"""Ids of trees that the index held when it was written, and where entries and extensions begin."""
_UNTRACKED: Final = b"UNTR"
_UNTRACKED_NAMED: Final = 12
"""Bytes from its begin: its head, and no more of its place (`Location /…`, a NUL) than that has after its length."""
_UNTRACKED_STATS: Final = 72
"""Bytes of the state of two files of patterns, behind which `dir_flags` stand."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Times are seconds and nanoseconds; `offset` is where it begins in the file. `mode` is git's own."""

    path: bytes
    stage: int
    offset: int
    ctime: tuple[int, int]
    mtime: tuple[int, int]
    inode: int
    mode: int
    uid: int
    gid: int
    size: int
    object_id: bytes


def find(data: bytes, wanted: Collection[bytes], *, object_id_bytes: int = 20) -> list[Entry]:
    """Find the entries of paths (relative to the working tree), in the file's order. Raises IndexFormatError."""
    return [_entry(data, place, path, object_id_bytes) for place, path in walk(data, object_id_bytes, wanted)[0]]


def patched(data: bytes, changes: Sequence[tuple[Entry, Entry]], *, object_id_bytes: int = 20) -> bytes:
    """Give the index with entries, as `find` gave them, as they should be; numbers are cut to 32 bits as git does.

    Stat fields, size and object id may differ. The file stays as long as it is unless an object id changes. A checksum
    of zeros stays so (`index.skipHash`, git-config(1)). Raises IndexFormatError where an entry is not as it was found.
    """
    out = bytearray(data)
    for found, wanted in changes:
        if _entry(data, found.offset, found.path, object_id_bytes) != found:
            raise IndexFormatError("an entry is not where it was found")
        begin = found.offset + STAT_BYTES
        out[found.offset : begin] = _packed(wanted, device=_STAT.unpack_from(data, found.offset)[4])
        out[begin : begin + object_id_bytes] = wanted.object_id
    body = bytes(out[:-object_id_bytes])
    if any(found.object_id != wanted.object_id for found, wanted in changes):
        body = _without_trees(bytes(out), object_id_bytes)
    return body + _checksum(body, data[-object_id_bytes:])


def without_untracked(data: bytes, *, object_id_bytes: int = 20) -> bytes:
    """Give the index, as long as it is, with an untracked cache that git makes anew. Raises IndexFormatError.

    git believes one that was made for what is looked for now (`dir_flags`), and nothing is ever looked for so.
    """
    out = bytearray(data)
    end = walk(data, object_id_bytes, ())[1]
    for signature, begin, following in extensions(data, end, object_id_bytes):
        if signature == _UNTRACKED:
            flags = data.find(b"\0", begin + _UNTRACKED_NAMED, following) + 1 + _UNTRACKED_STATS
            if flags > following - _SECONDS.size:
                raise IndexFormatError("an untracked cache is cut")
            _SECONDS.pack_into(out, flags, _WORD)
    body = bytes(out[:-object_id_bytes])
    return data if out == data else body + _checksum(body, data[-object_id_bytes:])


def find_young(data: bytes, since: int, *, object_id_bytes: int = 20) -> list[Entry]:
    """Find the entries whose mtime is `since` (seconds) or later, in the file's order. Raises IndexFormatError."""
    return [
        _entry(data, place, path, object_id_bytes)
        for place, path in walk(data, object_id_bytes)[0]
        if _SECONDS.unpack_from(data, place + _MTIME_AT)[0] >= since
    ]


def _entry(data: bytes, place: int, path: bytes, object_id_bytes: int) -> Entry:
    c_seconds, c_nanos, m_seconds, m_nanos, _, inode, mode, uid, gid, size = _STAT.unpack_from(data, place)
    begin = place + STAT_BYTES
    flags = int.from_bytes(data[begin + object_id_bytes : begin + object_id_bytes + 2], "big")
    return Entry(
        path=path,
        stage=(flags & _STAGE) >> 12,
        offset=place,
        ctime=(c_seconds, c_nanos),
        mtime=(m_seconds, m_nanos),
        inode=inode,
        mode=mode,
        uid=uid,
        gid=gid,
        size=size,
        object_id=data[begin : begin + object_id_bytes],
    )


def _packed(entry: Entry, device: int) -> bytes:
    numbers = (*entry.ctime, *entry.mtime, device, entry.inode, entry.mode, entry.uid, entry.gid, entry.size)
    return _STAT.pack(*(number & _WORD for number in numbers))


def _without_trees(data: bytes, object_id_bytes: int) -> bytes:
    """Leave out what git would take for true of other entries; it makes them anew with the next commit."""
    end = walk(data, object_id_bytes, ())[1]
    kept = [data[:end]]
    for signature, begin, following in extensions(data, end, object_id_bytes):
        if signature not in _TREES:
            kept.append(data[begin:following])
    return b"".join(kept)


def _checksum(body: bytes, before: bytes) -> bytes:
    if not any(before):
        return before
    return hashlib.new("sha1" if len(before) == 20 else "sha256", body, usedforsecurity=False).digest()
