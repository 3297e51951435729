"""Folders as they are read, also while names come and go."""

# The calls themselves are what is tried:
# ruff: noqa: PTH102, PTH106, PTH108, PTH208, PTH211

import ctypes
import os
import socket
from collections.abc import Callable
from typing import Final

from tests.view.posix.trying import (
    Case,
    Outcome,
    libc,
    tried,
    write_file,
)


class _Row(ctypes.Structure):
    _fields_ = (
        ("number", ctypes.c_uint64), ("offset", ctypes.c_int64), ("size", ctypes.c_ushort),
        ("kind", ctypes.c_ubyte), ("name", ctypes.c_char * 256),
    )  # fmt: skip


def _reader() -> Callable[[int], tuple[bytes, int] | None]:
    libc.fdopendir.restype = ctypes.c_void_p
    libc.readdir64.restype = ctypes.POINTER(_Row)
    libc.telldir.restype = ctypes.c_long

    def read(stream: int) -> tuple[bytes, int] | None:
        row = libc.readdir64(ctypes.c_void_p(stream))
        return (row.contents.name, row.contents.kind) if row else None

    return read


def listings(become: Callable[[], None]) -> Outcome:
    become()
    os.mkdir("folder")
    write_file("file")
    os.symlink("x", "link")
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("socket")
    read, stream = _reader(), libc.fdopendir(os.open(".", os.O_RDONLY))
    rows = []
    while (row := read(stream)) is not None:
        rows.append(row)
    write_file("later")
    libc.rewinddir(ctypes.c_void_p(stream))
    again = []
    while (row := read(stream)) is not None:
        again.append(row)
    libc.closedir(ctypes.c_void_p(stream))
    return {"rows": sorted(rows), "rewound": sorted(again), "of a file": tried(lambda: os.listdir("file"))}


def places_in_listings(become: Callable[[], None]) -> Outcome:
    become()
    for number in range(300):
        write_file(f"file-with-a-long-name-{number:04}")
    read, stream = _reader(), libc.fdopendir(os.open(".", os.O_RDONLY))
    for _ in range(100):
        read(stream)
    place = libc.telldir(ctypes.c_void_p(stream))
    following = [read(stream) for _ in range(150)]
    libc.seekdir(ctypes.c_void_p(stream), ctypes.c_long(place))
    again = [read(stream) for _ in range(150)]
    libc.closedir(ctypes.c_void_p(stream))
    return {"same": following == again, "count": len({name for name, _ in filter(None, following)})}


def removed_while_listed(become: Callable[[], None]) -> Outcome:
    """What stays is listed once, what is removed while one reads at most once."""
    become()
    for number in range(5000):
        if number < 100:
            os.mknod(f"file{number:04}")
        else:  # another name: new files are slow on some disks
            os.link(f"file{number % 100:04}", f"file{number:04}")
    seen, removed = [], 0
    with os.scandir(".") as found:
        for one in found:
            seen.append(one.name)
            number = int(one.name[4:])
            if number % 2:
                os.unlink(one.name)
                removed += 1
    staying = {f"file{number:04}" for number in range(0, 5000, 2)}
    left = os.listdir(".")
    for name in left:
        os.unlink(name)
    return {
        "twice": len(seen) - len(set(seen)),
        "missed": len(staying - set(seen)),
        "left": len(set(left) ^ staying),
        "removed": removed,
        "empty": os.listdir("."),
    }


def removed_whole(become: Callable[[], None]) -> Outcome:
    """Remove as `rm -r` does: read some, remove them, read on."""
    become()
    os.mkdir("folder")
    os.mknod("file")
    for number in range(3000):
        os.link("file", f"folder/a-name-that-is-rather-long-{number}")
    read, stream = _reader(), libc.fdopendir(os.open("folder", os.O_RDONLY))
    while (row := read(stream)) is not None:
        if row[0] not in {b".", b".."}:
            os.unlink(b"folder/" + row[0])
    libc.closedir(ctypes.c_void_p(stream))
    return {"left": len(os.listdir("folder")), "removed": tried(lambda: os.rmdir("folder"))}


CASES: Final[tuple[Case, ...]] = (
    listings,
    places_in_listings,
    removed_while_listed,
    removed_whole,
)
