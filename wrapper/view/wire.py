"""The FUSE protocol as bytes: what the kernel asks on `/dev/fuse` and how it is answered.

Layouts, numbers and flags are those of `linux/fuse.h`, version 7.31 and later; all structs are little-endian here, as
the machines that we run on are. Nothing in this module touches a file.
"""

import ctypes
import enum
import os
import struct
from typing import Final

ROOT: Final = 1
"""Number of the root's node."""
MAJOR: Final = 7
NEWEST_MINOR: Final = 40
OLDEST_MINOR: Final = 31  # kernel 5.4: what is asked for below is all there
DIRECT_MINOR: Final = 39
"""Kernel 6.6: a direct write drops the pages that others have of what it writes (`fuse_direct_io`)."""
LARGEST_WRITE: Final = 1 << 20
Duration = tuple[int, int]
"""Seconds and nanoseconds."""
FOREVER: Final[Duration] = 1_000_000_000, 0
"""How long the kernel may keep names and attributes: it is told when one changes."""
BRIEFLY: Final[Duration] = 0, 10_000_000
NOT: Final[Duration] = 0, 0
"""The same for what we do not hear of when it changes: as long as a change may go unseen."""

_NANO: Final = 1_000_000_000
_PAGE: Final = 4096
_LINE: Final = 64


class Op(enum.IntEnum):
    """Kinds of request."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    SETXATTR = 21
    GETXATTR = 22
    LISTXATTR = 23
    REMOVEXATTR = 24
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    ACCESS = 34
    CREATE = 35
    INTERRUPT = 36
    DESTROY = 38
    IOCTL = 39
    BATCH_FORGET = 42
    FALLOCATE = 43
    READDIRPLUS = 44
    RENAME2 = 45
    LSEEK = 46
    COPY_FILE_RANGE = 47


class Set(enum.IntFlag):
    """What a SETATTR changes."""

    MODE = 1
    UID = 1 << 1
    GID = 1 << 2
    SIZE = 1 << 3
    ATIME = 1 << 4
    MTIME = 1 << 5
    ATIME_NOW = 1 << 7
    MTIME_NOW = 1 << 8


class _Init(enum.IntFlag):
    ASYNC_READ = 1
    BIG_WRITES = 1 << 5
    AUTO_INVAL_DATA = 1 << 12
    DO_READDIRPLUS = 1 << 13
    NO_OPEN_SUPPORT = 1 << 17
    PARALLEL_DIROPS = 1 << 18
    MAX_PAGES = 1 << 22
    CACHE_SYMLINKS = 1 << 23
    NO_OPENDIR_SUPPORT = 1 << 24
    INIT_EXT = 1 << 30


_WANTED: Final = (
    _Init.ASYNC_READ
    | _Init.BIG_WRITES
    | _Init.AUTO_INVAL_DATA
    | _Init.DO_READDIRPLUS
    | _Init.NO_OPEN_SUPPORT
    | _Init.PARALLEL_DIROPS
    | _Init.MAX_PAGES
    | _Init.CACHE_SYMLINKS
    | _Init.NO_OPENDIR_SUPPORT
)

HEADER: Final = struct.Struct("<IIQQIIIHH")
"""length, opcode, unique, node, uid, gid, pid, length of extensions, padding."""
REQUEST: Final = struct.Struct("<IIQQ")
"""The first of these."""
_CALLER: Final = struct.Struct("<III")
_CALLER_AT: Final = 24
_OUT: Final = struct.Struct("<IiQ")
_ATTRIBUTES: Final = "QQQqqqIIIIIIIIII"  # the kernel takes times as signed, whatever its header says
_ENTRY: Final = struct.Struct("<IiQ" + "QQQQII" + _ATTRIBUTES)
_ATTR: Final = struct.Struct("<IiQ" + "QII" + _ATTRIBUTES)
_PLUS: Final = struct.Struct("<QQQQII" + _ATTRIBUTES + "QQII")
_NAME: Final = struct.Struct("<QQII")
_OPENED: Final = struct.Struct("<QII")
_WRITTEN: Final = struct.Struct("<IiQII")
_INIT_IN: Final = struct.Struct("<IIII")
_INIT_OUT: Final = struct.Struct("<IiQIIIIHHIIHHI7I")
_STATFS: Final = struct.Struct("<IiQQQQQQIIII6I")
DIRECT: Final = 1
"""Handle of what is written directly; the handles of all else are 0."""
WRITE_IN: Final = struct.Struct("<QQIIQI")
"""handle, offset, size, how it is written, owner of a lock, flags of the open file."""
WRITE_CACHED: Final = 1
"""Of how it is written: pages of a mapping, sent by the kernel whenever it likes."""
WRITE_KILLS: Final = 1 << 2
"""Of how it is written: the set-id bits of the file's mode are to go, as nobody with CAP_FSETID writes."""
READ_IN: Final = struct.Struct("<QQI")
"""handle, offset, size."""
SETATTR_IN: Final = struct.Struct("<IIQQQqqqIIIIIIII")
"""valid, -, handle, size, -, atime, mtime, ctime, atime ns, mtime ns, ctime ns, mode, -, uid, gid, -."""
MKNOD_IN: Final = struct.Struct("<II")
CREATE_IN: Final = struct.Struct("<II")
RENAME2_IN: Final = struct.Struct("<QII")
NODE_IN: Final = struct.Struct("<Q")
FALLOCATE_IN: Final = struct.Struct("<QQQI")
COPY_IN: Final = struct.Struct("<QQQQQQQ")
"""handle, offset, node to write to, its handle, its offset, length, flags."""
FORGET_IN: Final = struct.Struct("<QQ")
WRITE_HEAD: Final = HEADER.size + 40
"""Where the data of a WRITE begins."""
_INVALIDATE_NODE: Final = struct.Struct("<IiQQqq")
_INVALIDATE_NAME: Final = struct.Struct("<IiQQII")
_NOTIFY_NODE, _NOTIFY_NAME = 2, 3
_DIRECT_IO: Final = 1
_KEEP_CACHE: Final = 2
_NO_ATTRIBUTES: Final = (0,) * 16

Attributes = tuple[int, ...]
"""The sixteen fields of `struct fuse_attr`."""


def aligned(size: int, head: int) -> tuple[bytearray, int]:
    """Give a buffer for messages of `size` bytes, and where in it each begins.

    What stands behind their first `head` bytes is aligned to a line of the processor's cache: the kernel copies that up
    to an eighth faster.
    """
    buffer = bytearray(size + _LINE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    return buffer, -(address + head) % _LINE


def caller(request: memoryview) -> tuple[int, int, int]:
    """Give user, group and thread (its number where the file system was mounted) that a request is from."""
    uid, gid, pid = _CALLER.unpack_from(request, _CALLER_AT)
    return uid, gid, pid


def attributes(about: os.stat_result, size: int, mode: int, uid: int, gid: int, mtime: int) -> Attributes:
    """Give the fields of `struct fuse_attr` for a file, with these instead of its own size, mode, owner and time."""
    atime, ctime = about.st_atime_ns, about.st_ctime_ns
    return (
        about.st_ino,
        size,
        about.st_blocks,
        atime // _NANO,
        mtime // _NANO,
        ctime // _NANO,
        atime % _NANO,
        mtime % _NANO,
        ctime % _NANO,
        mode,
        about.st_nlink,
        uid,
        gid,
        about.st_rdev,
        _PAGE,
        0,
    )


def entry(unique: int, node: int, fields: Attributes, name_holds: Duration, holds: Duration) -> bytes:
    """Answer a LOOKUP and what makes a name."""
    (name_s, name_ns), (s, ns) = name_holds, holds
    return _ENTRY.pack(_ENTRY.size, 0, unique, node, 0, name_s, s, name_ns, ns, *fields)


def absent(unique: int, holds: Duration) -> bytes:
    """Answer that there is no such name; the kernel keeps that in mind."""
    return _ENTRY.pack(_ENTRY.size, 0, unique, 0, 0, holds[0], 0, holds[1], 0, *_NO_ATTRIBUTES)


def attr(unique: int, fields: Attributes, holds: Duration) -> bytes:
    """Answer a GETATTR or SETATTR."""
    return _ATTR.pack(_ATTR.size, 0, unique, *holds, 0, *fields)


def created(unique: int, node: int, fields: Attributes, name_holds: Duration, *, is_direct: bool) -> bytes:
    """Answer a CREATE; `is_direct`: what is written by its handle, then DIRECT, does not pass the page cache."""
    opened = _OPENED.pack(DIRECT, _DIRECT_IO, 0) if is_direct else _OPENED.pack(0, _KEEP_CACHE, 0)
    size, (s, ns) = _ENTRY.size + len(opened), name_holds
    return _ENTRY.pack(size, 0, unique, node, 0, s, s, ns, ns, *fields) + opened


def data(unique: int, content: bytes) -> bytes:
    """Answer with bytes."""
    return _OUT.pack(_OUT.size + len(content), 0, unique) + content


def put_header(buffer: memoryview, size: int, unique: int) -> int:
    """Write the header of an answer with `size` bytes behind it into `buffer`; give the length of all."""
    _OUT.pack_into(buffer, 0, _OUT.size + size, 0, unique)
    return _OUT.size + size


OUT_SIZE: Final = _OUT.size


def done(unique: int) -> bytes:
    """Answer that it was done."""
    return _OUT.pack(_OUT.size, 0, unique)


def refused(unique: int, errno: int) -> bytes:
    """Answer with an error number."""
    return _OUT.pack(_OUT.size, -errno, unique)


def written(unique: int, size: int) -> bytes:
    """Answer a WRITE."""
    return _WRITTEN.pack(_WRITTEN.size, 0, unique, size, 0)


def statfs(unique: int, about: os.statvfs_result) -> bytes:
    """Answer a STATFS."""
    return _STATFS.pack(
        _STATFS.size,
        0,
        unique,
        about.f_blocks,
        about.f_bfree,
        about.f_bavail,
        about.f_files,
        about.f_ffree,
        about.f_bsize,
        about.f_namemax,
        about.f_frsize,
        0,
        *(0,) * 6,
    )


def minor(request: memoryview) -> int:
    """Give the version that the kernel speaks, from its INIT: that behind the dot."""
    return int(_INIT_IN.unpack_from(request, HEADER.size)[1])


def init(unique: int, request: memoryview) -> bytes:
    """Answer an INIT. Raises ValueError for a kernel that is too old."""
    major, minor, readahead, flags = _INIT_IN.unpack_from(request, HEADER.size)
    if (major, minor) < (MAJOR, OLDEST_MINOR):
        raise ValueError(f"the kernel speaks FUSE {major}.{minor}; {MAJOR}.{OLDEST_MINOR} is needed")
    return _INIT_OUT.pack(
        _INIT_OUT.size,
        0,
        unique,
        MAJOR,
        min(minor, NEWEST_MINOR),
        min(readahead, LARGEST_WRITE),
        int(_WANTED) & flags,
        64,
        48,
        LARGEST_WRITE,
        1,
        LARGEST_WRITE // _PAGE,
        0,
        0,
        *(0,) * 7,
    )


Row = tuple[bytes, int, int, int]
"""Of a listing: name, inode number, kind (`DT_*` of readdir(3)), and the offset to go on from behind it."""


class Listing:
    """An answer to READDIR or READDIRPLUS, filled row by row up to the size that was asked for."""

    def __init__(self, unique: int, size: int) -> None:
        self._unique = unique
        self._room = size
        self._parts: list[bytes] = [b""]
        self._size = 0

    def has_room_for(self, name: bytes) -> bool:
        """Tell whether a row with attributes fits in."""
        return self._size + _PLUS.size + len(name) + 7 <= self._room

    def name(self, row: Row) -> bool:
        """Add a row to an answer to READDIR; False when there is no room for it."""
        name, number, kind, following = row
        return self._add(_NAME.pack(number, following, len(name), kind), name)

    def plus(self, row: Row, node: int, fields: Attributes, name_holds: Duration, holds: Duration) -> bool:
        """Add a row with attributes; False when there is no room for it."""
        (name_s, name_ns), (s, ns) = name_holds, holds
        name, number, kind, following = row
        return self._add(_PLUS.pack(node, 0, name_s, s, name_ns, ns, *fields, number, following, len(name), kind), name)

    def bare(self, row: Row) -> bool:
        """Add a row without attributes where some have them: the kernel looks the name up when it needs it."""
        name, number, kind, following = row
        return self._add(_PLUS.pack(0, 0, 0, 0, 0, 0, *_NO_ATTRIBUTES, number, following, len(name), kind), name)

    def answer(self) -> bytes:
        """Give the whole answer."""
        self._parts[0] = _OUT.pack(_OUT.size + self._size, 0, self._unique)
        return b"".join(self._parts)

    def _add(self, head: bytes, name: bytes) -> bool:
        padding = -(len(head) + len(name)) % 8
        size = len(head) + len(name) + padding
        if self._size + size > self._room:
            return False
        self._parts += (head, name, bytes(padding))
        self._size += size
        return True


def invalidate_node(node: int) -> bytes:
    """Tell the kernel to forget attributes and pages of a node."""
    return _INVALIDATE_NODE.pack(_INVALIDATE_NODE.size, _NOTIFY_NODE, 0, node, 0, 0)


def invalidate_attributes(node: int) -> bytes:
    """Tell the kernel to forget attributes of a node and nothing else, for which it waits for nobody."""
    return _INVALIDATE_NODE.pack(_INVALIDATE_NODE.size, _NOTIFY_NODE, 0, node, -1, 0)


def invalidate_name(folder: int, name: bytes) -> bytes:
    """Tell the kernel to forget a name in a folder, also that it is absent."""
    size = _INVALIDATE_NAME.size + len(name) + 1
    return _INVALIDATE_NAME.pack(size, _NOTIFY_NAME, 0, folder, len(name), 0) + name + b"\0"


def names(request: memoryview, start: int, end: int) -> list[bytes]:
    """Give the names in a request, each of which ends with a NUL."""
    return bytes(request[start:end]).split(b"\0")[:-1]
