"""git's index file, walked entry by entry: gitformat-index(5), versions 2, 3 and 4, SHA-1 and SHA-256.

What does not parse raises `IndexFormatError` and nothing else: nothing here is guessed.
"""

import struct
from collections.abc import Collection, Iterator
from typing import Final

HEADER: Final = struct.Struct(">4sII")  # `DIRC`, version, number of entries
STAT_BYTES: Final = 40  # ctime, mtime (two words each), dev, ino, mode, uid, gid, size: ten 32-bit words
EXTENDED: Final = 0x4000
_NAME_LENGTH: Final = 0x0FFF  # a name of this length or longer ends at its NUL
_FLAGS: Final = struct.Struct(">H")
_LONGEST_NAME: Final = 4096  # PATH_MAX; version 4 could grow a name with each entry, to the square of the file's size

Found = list[tuple[int, bytes]]
"""Where entries begin, and their names."""


class IndexFormatError(ValueError):
    """An index that this reader leaves to git."""


def object_id_bytes(config: bytes) -> int:
    """Give 32 for a repository's `config` with `extensions.objectFormat = sha256`, else 20.

    A wrong guess shows in the extensions.
    """
    return 32 if b"objectformat=sha256" in config.lower().replace(b" ", b"").replace(b"\t", b"") else 20


def walk(data: bytes, id_bytes: int, wanted: Collection[bytes] | None = None) -> tuple[Found, int]:
    """Give the entries of the wanted names (None: all) in their order, and where the last entry ends.

    In a split index an entry that replaces one of the shared file has no name. Raises IndexFormatError.
    """
    if len(data) < HEADER.size + id_bytes:
        raise IndexFormatError("too short")
    signature, version, count = HEADER.unpack_from(data)
    if signature != b"DIRC" or version not in {2, 3, 4}:
        raise IndexFormatError("not an index of version 2, 3 or 4")
    read = _compressed if version == 4 else _padded
    found: Found = []
    try:
        end = read(data, count, STAT_BYTES + id_bytes, wanted, found)
    except (IndexError, ValueError, struct.error) as error:
        raise IndexFormatError("entries run past the end") from error
    if end > len(data) - id_bytes:
        raise IndexFormatError("entries run past the end")
    return found, end


def extensions(data: bytes, end_of_entries: int, id_bytes: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield signature, begin and end of each extension, its eight bytes of head included. Raises IndexFormatError."""
    offset, end = end_of_entries, len(data) - id_bytes
    while offset < end:
        if end - offset < 8:
            raise IndexFormatError("an extension is cut")
        following = offset + 8 + int.from_bytes(data[offset + 4 : offset + 8], "big")
        if following > end:
            raise IndexFormatError("an extension runs past the end")
        yield data[offset : offset + 4], offset, following
        offset = following


def index_names(data: bytes, id_bytes: int = 20) -> Iterator[bytes]:
    """Yield all names. Raises IndexFormatError, also for what only git can expand (a split or a sparse index)."""
    found, end = walk(data, id_bytes)
    for signature, _, _ in extensions(data, end, id_bytes):
        if not 0x41 <= signature[0] <= 0x5A:  # 'A' to 'Z': optional. `link` and `sdir` change what the entries mean
            raise IndexFormatError("a mandatory extension")
    for _, name in found:
        yield name


def _padded(data: bytes, count: int, flags_at: int, wanted: Collection[bytes] | None, found: Found) -> int:
    """Versions 2 and 3: each entry is padded with 1 to 8 NULs to a multiple of eight bytes.

    To look at a length first spares most names the copy: half the time where few are wanted.
    """
    lengths = None if wanted is None else {len(name) for name in wanted}
    unpack = _FLAGS.unpack_from
    offset = HEADER.size
    for _ in range(count):
        (length,) = unpack(data, offset + flags_at)
        begin = offset + flags_at + 2
        if length >= _NAME_LENGTH:  # or other flags are set
            begin += 2 if length & EXTENDED else 0
            length &= _NAME_LENGTH
            if length == _NAME_LENGTH:
                length = data.index(b"\0", begin) - begin
        stop = begin + length
        if data[stop]:
            raise IndexFormatError("a name does not end where it should")
        if lengths is None or wanted is None:
            found.append((offset, data[begin:stop]))
        elif length in lengths and (name := data[begin:stop]) in wanted:
            found.append((offset, name))
        offset += (stop - offset + 8) & ~7
    return offset


def _compressed(data: bytes, count: int, flags_at: int, wanted: Collection[bytes] | None, found: Found) -> int:
    """Version 4: each name says how much of the one before to drop, then what to append, then NUL; no padding."""
    offset = HEADER.size
    name = b""
    for _ in range(count):
        extended = data[offset + flags_at] & (EXTENDED >> 8)
        drop, begin = _varint(data, offset + flags_at + (4 if extended else 2))
        if drop > len(name):
            raise IndexFormatError("a name drops more than there is")
        stop = data.index(b"\0", begin)
        name = name[: len(name) - drop] + data[begin:stop]
        if len(name) > _LONGEST_NAME:
            raise IndexFormatError("a name longer than any path")
        if wanted is None or name in wanted:
            found.append((offset, name))
        offset = stop + 1
    return offset


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    """Read the variable-width integer of pack offsets (gitformat-pack(5), OFS_DELTA)."""
    byte = data[offset]
    value = byte & 0x7F
    while byte & 0x80:
        offset += 1
        byte = data[offset]
        value = ((value + 1) << 7) | (byte & 0x7F)
    return value, offset + 1
