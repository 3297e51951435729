"""Opening files, and files whose name or rights change while they are open."""

# The calls themselves are what is tried:
# ruff: noqa: PTH101, PTH102, PTH103, PTH104, PTH106, PTH108, PTH109, PTH110, PTH116, PTH208, PTH211

import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.view.posix.trying import (
    Case,
    Outcome,
    about_file,
    held_open,
    open_and_close,
    read_file,
    tried,
    write_file,
)


def open_flags(become: Callable[[], None]) -> Outcome:
    become()
    write_file("file", b"old")
    os.mkdir("folder")
    os.symlink("file", "link")
    os.symlink("nowhere", "dangling")
    os.symlink("loop", "loop")
    make = os.O_CREAT | os.O_RDWR
    return {
        "missing": open_and_close("no", os.O_RDONLY),
        "empty name": open_and_close("", os.O_RDONLY),
        "below missing": open_and_close("no/file", make),
        "below file": open_and_close("file/x", make),
        "exclusive on file": open_and_close("file", make | os.O_EXCL),
        "exclusive on folder": open_and_close("folder", make | os.O_EXCL),
        "exclusive on dangling link": open_and_close("dangling", make | os.O_EXCL),
        "make through dangling link": (open_and_close("dangling", make), os.path.exists("nowhere")),
        "no follow": open_and_close("link", os.O_RDONLY | os.O_NOFOLLOW),
        "no follow, path only": open_and_close("link", os.O_PATH | os.O_NOFOLLOW),
        "loop": open_and_close("loop", os.O_RDONLY),
        "folder wanted, file there": open_and_close("file", os.O_RDONLY | os.O_DIRECTORY),
        "folder to write": open_and_close("folder", os.O_WRONLY),
        "folder to make": open_and_close("folder", make),
        "slash behind file": open_and_close("file/", os.O_RDONLY),
        "slash behind new file": open_and_close("new/", make),
        "dot": open_and_close("folder/.", os.O_RDONLY),
        "dots": open_and_close("folder/../file", os.O_RDONLY),
        "direct": open_and_close("file", os.O_RDWR | os.O_DIRECT),
        "sync": open_and_close("file", os.O_RDWR | os.O_SYNC),
        "noatime": open_and_close("file", os.O_RDONLY | os.O_NOATIME),
        "truncate": (open_and_close("file", os.O_WRONLY | os.O_TRUNC), os.stat("file").st_size),
    }


def open_access(become: Callable[[], None]) -> Outcome:
    become()
    with held_open("file", os.O_WRONLY | os.O_CREAT) as writing, held_open("file", os.O_RDONLY) as reading:
        return {
            "read from write-only": tried(lambda: os.read(writing, 1)),
            "write to read-only": tried(lambda: os.write(reading, b"x")),
            "cut read-only": tried(lambda: os.ftruncate(reading, 0)),
            "flags": fcntl.fcntl(writing, fcntl.F_GETFL) & os.O_ACCMODE,
        }


def open_without_name(become: Callable[[], None]) -> Outcome:
    become()
    return {"unnamed": open_and_close(".", os.O_TMPFILE | os.O_RDWR)}


def names(become: Callable[[], None]) -> Outcome:
    become()
    odd = [b"a" * 255, "ü".encode() * 127, b"\xff\xfe", b"new\nline", b" ", b"-rf", b"a\\b", b"*", b"\x01\x7f"]
    for name in odd:
        Path(os.fsdecode(name)).write_bytes(name)
    deep = "/".join(["d" * 100] * 45)
    return {
        "listed": sorted(os.listdir(b".")) == sorted(odd),
        "read": [Path(os.fsdecode(name)).read_bytes() == name for name in odd],
        "too long": [
            tried(lambda: os.mkdir("a" * 256)), open_and_close("a" * 256, os.O_CREAT), tried(lambda: os.stat("a" * 256)),
            tried(lambda: os.symlink("x", "a" * 256)), tried(lambda: os.rename(odd[0], b"b" * 256)),
            tried(lambda: os.link(odd[0], b"b" * 256)), tried(lambda: os.unlink("a" * 256)),
        ],
        "path too long": open_and_close(deep, os.O_RDONLY),
    }  # fmt: skip


def deep_folders(become: Callable[[], None]) -> Outcome:
    become()
    begin = os.open(".", os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 100)
        os.chdir("d" * 100)
    write_file("file", b"deep")
    result = {"file": read_file("file"), "working folder": tried(os.getcwd) if len(os.listdir(".")) != 1 else "deep"}
    os.fchdir(begin)
    os.close(begin)
    return result


def unlinked_while_open(become: Callable[[], None]) -> Outcome:
    become()
    write_file("file", b"before")
    with held_open("file", os.O_RDWR) as opened:
        os.unlink("file")
        os.pwrite(opened, b"after!", 0)
        os.ftruncate(opened, 9)
        os.fchmod(opened, 0o600)
        again = os.open(f"/proc/self/fd/{opened}", os.O_RDWR)
        os.pwrite(again, b"X", 0)
        os.close(again)
        write_file("file", b"another")
        about = os.fstat(opened)
        return {
            "content": os.pread(opened, 20, 0),
            "stat": (about.st_nlink, about.st_size, stat.filemode(about.st_mode)),
            "another": read_file("file"),
            "linked again": tried(lambda: os.link(f"/proc/self/fd/{opened}", "back", follow_symlinks=True)),
        }


def renamed_over_while_open(become: Callable[[], None]) -> Outcome:
    become()
    write_file("old", b"old")
    write_file("new", b"new")
    with held_open("old", os.O_RDWR) as opened:
        os.rename("new", "old")
        os.write(opened, b"OLD")
        return {"open": os.pread(opened, 9, 0), "named": read_file("old"), "links": os.fstat(opened).st_nlink}


def no_rights_while_open(become: Callable[[], None]) -> Outcome:
    become()
    with held_open("file", os.O_RDWR | os.O_CREAT, 0) as opened:
        os.write(opened, b"made without rights")
        os.fchmod(opened, 0)
        os.pwrite(opened, b"X", 0)
        os.fsync(opened)
        write_file("other", b"other")
        os.chmod("other", 0)
        return {"content": os.pread(opened, 99, 0), "mode": about_file("file")[0]}


def rights_taken_while_open(become: Callable[[], None]) -> Outcome:
    become()
    write_file("file", b"content")
    with held_open("file", os.O_RDWR) as opened:
        os.chmod("file", 0)
        return {
            "read": tried(lambda: os.pread(opened, 9, 0)),
            "write": tried(lambda: os.pwrite(opened, b"C", 0)),
            "cut": tried(lambda: os.ftruncate(opened, 3)),
            "size": os.fstat(opened).st_size,
        }


def folder_removed_while_open(become: Callable[[], None]) -> Outcome:
    become()
    os.mkdir("folder")
    with held_open("folder", os.O_RDONLY) as opened:
        os.rmdir("folder")
        return {
            "listed": tried(lambda: os.listdir(opened)),
            "file made": tried(lambda: os.close(os.open("x", os.O_CREAT, dir_fd=opened))),
            "folder made": tried(lambda: os.mkdir("x", dir_fd=opened)),
            "links": tried(lambda: os.fstat(opened).st_nlink),
        }


def working_folder_moved(become: Callable[[], None]) -> Outcome:
    become()
    os.makedirs("one/two")
    os.mkdir("other")
    begin = os.getcwd()
    os.chdir("one/two")
    os.rename(f"{begin}/one", f"{begin}/other/one")
    write_file("file", b"x")
    moved = os.path.relpath(os.getcwd(), begin), os.listdir(".")
    os.chdir(begin)
    return {"moved": moved, "there": read_file("other/one/two/file"), "gone": os.path.exists("one")}


CASES: Final[tuple[Case, ...]] = (
    open_flags,
    open_access,
    open_without_name,
    names,
    deep_folders,
    unlinked_while_open,
    renamed_over_while_open,
    no_rights_while_open,
    rights_taken_while_open,
    folder_removed_while_open,
    working_folder_moved,
)
