"""Bytes: appending, cutting, holes, limits, mapped pages, programs that run."""

# The calls themselves are what is tried:
# ruff: noqa: PTH101, PTH102, S103

import contextlib
import ctypes
import errno
import mmap
import os
import resource
import signal
from collections.abc import Callable
from typing import Final

from tests.view.posix.trying import (
    Case,
    Outcome,
    held_open,
    libc,
    open_and_close,
    read_file,
    tried,
    write_file,
)


def append(become: Callable[[], None]) -> Outcome:
    become()
    write_file("file", b"12345")
    with held_open("file", os.O_RDWR | os.O_APPEND) as opened, held_open("file", os.O_WRONLY | os.O_APPEND) as other:
        os.lseek(opened, 0, os.SEEK_SET)
        os.write(opened, b"a")
        os.write(other, b"b")
        os.write(opened, b"c")
        return {"content": read_file("file"), "position": os.lseek(opened, 0, os.SEEK_CUR)}


def truncate(become: Callable[[], None]) -> Outcome:
    become()
    write_file("file", b"123456789")
    os.mkdir("folder")
    with held_open("file", os.O_RDWR) as opened:
        os.ftruncate(opened, 5)
        os.ftruncate(opened, 20)
        return {
            "zeros": read_file("file"),
            "to nothing": (tried(lambda: os.truncate("file", 0)), read_file("file")),
            "negative": tried(lambda: os.truncate("file", -1)),
            "folder": tried(lambda: os.truncate("folder", 0)),
            "missing": tried(lambda: os.truncate("no", 0)),
            "too large": tried(lambda: os.truncate("file", 1 << 62)),
        }


def truncate_then_append(become: Callable[[], None]) -> Outcome:
    """Pages that the kernel keeps must not come back after the file was cut."""
    become()
    with held_open("file") as opened:
        os.write(opened, b"A" * 10_000)
        os.pread(opened, 10_000, 0)
        os.ftruncate(opened, 100)
        os.ftruncate(opened, 8_000)
        os.pwrite(opened, b"B", 9_000)
        content = os.pread(opened, 20_000, 0)
        return {"A": content.count(b"A"), "zeros": content.count(b"\0"), "B": content.index(b"B"), "size": len(content)}


def sparse(become: Callable[[], None]) -> Outcome:
    become()
    far = 4 << 30
    with held_open("file") as opened:
        os.pwrite(opened, b"end", far)
        os.fsync(opened)
        about = os.fstat(opened)
        return {
            "size": about.st_size - far,
            "takes little": about.st_blocks < 1000,
            "hole": os.pread(opened, 10, 1 << 30),
            "end": os.pread(opened, 10, far),
            "behind the end": os.pread(opened, 10, far + 3),
        }


def holes(become: Callable[[], None]) -> Outcome:
    become()
    with held_open("file") as opened:
        os.pwrite(opened, b"end", 1 << 20)
        os.fsync(opened)
        return {
            "data": tried(lambda: os.lseek(opened, 0, os.SEEK_DATA)),
            "hole": tried(lambda: os.lseek(opened, 0, os.SEEK_HOLE)),
            "data behind the end": tried(lambda: os.lseek(opened, 2 << 20, os.SEEK_DATA)),
        }


def fallocate(become: Callable[[], None]) -> Outcome:
    become()
    with held_open("file") as opened:
        os.write(opened, b"x" * 9000)
        return {
            "extends": (tried(lambda: os.posix_fallocate(opened, 0, 20_000)), os.fstat(opened).st_size),
            "nothing": tried(lambda: os.posix_fallocate(opened, 0, 0)),
        }


def fallocate_modes(become: Callable[[], None]) -> Outcome:
    become()
    keep, punch = 1, 2
    with held_open("file") as opened:
        os.write(opened, b"x" * 9000)

        def allocate(mode: int, offset: int, size: int) -> object:
            done = libc.fallocate(opened, mode, ctypes.c_long(offset), ctypes.c_long(size))
            return errno.errorcode[ctypes.get_errno()] if done else "done"

        return {
            "beyond, same size": (allocate(keep, 0, 50_000), os.fstat(opened).st_size),
            "hole": (allocate(keep | punch, 0, 4096), os.pread(opened, 3, 0)),
        }


def limits(become: Callable[[], None]) -> Outcome:
    become()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    try:
        with held_open("file") as opened:
            return {
                "cut short": tried(lambda: os.write(opened, b"x" * 150)),
                "beyond": tried(lambda: os.pwrite(opened, b"x", 200)),
                "longer": tried(lambda: os.ftruncate(opened, 200)),
            }
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def vectors(become: Callable[[], None]) -> Outcome:
    become()
    with held_open("file") as opened:
        return {
            "written": os.pwritev(opened, [b"one", b"", b"two" * 1000], 5),
            "read": os.pread(opened, 14, 0),
            "none": os.write(opened, b""),
            "copied": os.copy_file_range(opened, opened, 3, 5, 10_000),
            "size": os.fstat(opened).st_size,
        }


def sent(become: Callable[[], None]) -> Outcome:
    become()
    write_file("one", b"content" * 5000)
    with held_open("one") as one, held_open("two") as two:
        count = os.sendfile(two, one, 0, 35_000)
        return {"count": count, "same": read_file("one") == read_file("two")}


def direct(become: Callable[[], None]) -> Outcome:
    become()
    area = mmap.mmap(-1, 8192)
    area.write(b"d" * 8192)
    with held_open("file", os.O_RDWR | os.O_CREAT | os.O_DIRECT) as opened:
        written = os.pwritev(opened, [area], 0)
        with held_open("file") as plain:
            os.pwrite(plain, b"P", 0)
        read = os.preadv(opened, [area], 0)
        return {"written": written, "read": read, "content": bytes(area[:3]), "size": os.fstat(opened).st_size}


def mapped(become: Callable[[], None]) -> Outcome:
    become()
    write_file("file", b"a" * 10_000)
    with held_open("file") as opened, mmap.mmap(opened, 10_000) as area:
        area[5:8] = b"NEW"
        seen = os.pread(opened, 10, 0)
        os.pwrite(opened, b"WRITTEN", 5000)
        both = bytes(area[4999:5008])
        area.flush()
    with held_open("file", os.O_RDONLY) as opened:
        private = mmap.mmap(opened, 10, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        private[0:1] = b"P"
        return {
            "seen": seen,
            "both": both,
            "content": read_file("file")[:10],
            "private": (bytes(private[:2]), read_file("file")[:2]),
            "shared on read-only": tried(lambda: mmap.mmap(opened, 10)),
        }


def mapped_beyond(become: Callable[[], None]) -> Outcome:
    become()
    write_file("file", b"a" * 5000)
    with held_open("file") as opened, mmap.mmap(opened, 5000) as area:
        os.ftruncate(opened, 6000)
        os.pwrite(opened, b"b", 5999)
        area[0:1] = b"M"
        area.flush()
        return {
            "size": os.fstat(opened).st_size,
            "content": read_file("file")[4998:5002],
            "end": read_file("file")[-2:],
        }


def executed(become: Callable[[], None]) -> Outcome:
    become()
    write_file("script", b"#!/bin/sh\nexit 7\n")
    refused = tried(lambda: os.posix_spawn("./script", ["script"], {}))
    os.chmod("script", 0o755)
    pid = os.posix_spawn("./script", ["script"], {})
    program = b""
    for place in ("/bin/sleep", "/usr/bin/sleep"):
        with contextlib.suppress(OSError):
            program = program or read_file(place)
    write_file("program", program)
    os.chmod("program", 0o755)
    running = os.posix_spawn("./program", ["sleep", "30"], {})
    try:
        busy = open_and_close("program", os.O_WRONLY)
    finally:
        os.kill(running, signal.SIGKILL)
        os.waitpid(running, 0)
    return {"refused": refused, "code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "busy": busy}


CASES: Final[tuple[Case, ...]] = (
    append,
    truncate,
    truncate_then_append,
    sparse,
    holes,
    fallocate,
    fallocate_modes,
    limits,
    vectors,
    sent,
    direct,
    mapped,
    mapped_beyond,
    executed,
)
