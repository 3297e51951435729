"""Modes, owners, times, rights, and what else is told of a file."""

# The calls themselves are what is tried:
# ruff: noqa: PTH101, PTH102, PTH104, PTH106, PTH108, PTH116, PTH208, PTH211, S103

import ctypes
import errno
import os
import stat
import time
from collections.abc import Callable
from typing import Final

from tests.view.posix.trying import (
    AT_FDCWD,
    STRANGER,
    Case,
    Outcome,
    about_file,
    held_open,
    libc,
    open_and_close,
    read_file,
    stamps_of,
    tried,
    write_file,
)


def modes(become: Callable[[], None]) -> Outcome:
    become()
    result: dict[str, object] = {}
    for mask in (0, 0o022, 0o077, 0o777):
        os.umask(mask)
        with held_open(f"file{mask}", os.O_RDWR | os.O_CREAT, 0o6777):
            os.mkdir(f"folder{mask}", 0o777)
            os.mkfifo(f"pipe{mask}", 0o666)
            os.symlink("x", f"link{mask}")
        result[oct(mask)] = [about_file(f"{kind}{mask}")[0] for kind in ("file", "folder", "pipe", "link")]
    os.umask(0o022)
    return result


def changed_modes(become: Callable[[], None]) -> Outcome:
    become()
    write_file("file")
    os.mkdir("folder")
    os.symlink("file", "link")
    result: dict[str, object] = {}
    for mode in (0, 0o111, 0o4755, 0o2755, 0o1777, 0o7777):
        os.chmod("file", mode)
        os.chmod("folder", mode)
        result[oct(mode)] = about_file("file")[0], about_file("folder")[0]
        os.chmod("folder", 0o755)
    os.chmod("link", 0o640)
    return {
        **result,
        "through link": (about_file("file")[0], about_file("link")[0]),
        "missing": tried(lambda: os.chmod("no", 0o644)),
        "below file": tried(lambda: os.chmod("file/x", 0o644)),
    }


def privileges_dropped(become: Callable[[], None]) -> Outcome:
    """Who writes to a file takes its set-user-id bit away, unless it is root (write(2))."""
    become()
    result: dict[str, object] = {}
    actions: dict[str, Callable[[int], object]] = {
        "written": lambda opened: os.write(opened, b"y"),
        "cut": lambda opened: os.ftruncate(opened, 0),
        "owner set": lambda _: os.chown("file", os.getuid(), -1),
    }
    for name, action in actions.items():
        write_file("file")
        os.chmod("file", 0o6755)
        with held_open("file", os.O_RDWR) as opened:
            result[name] = tried(lambda action=action, opened=opened: action(opened)), about_file("file")[0]  # type: ignore[misc]
    return result


def owners(become: Callable[[], None]) -> Outcome:
    write_file("ours")
    become()
    write_file("file")
    os.symlink("file", "link")
    os.mkdir("folder")
    os.mkfifo("pipe")

    def owner(path: str) -> tuple[int, int]:
        about = os.lstat(path)
        return about.st_uid, about.st_gid

    return {
        "new": [owner(name) for name in ("file", "link", "folder", "pipe")],
        "given away": (tried(lambda: os.chown("file", STRANGER, -1)), owner("file")),
        "group given away": (tried(lambda: os.chown("folder", -1, STRANGER)), owner("folder")),
        "of the link": (tried(lambda: os.lchown("link", STRANGER, STRANGER)), owner("link"), owner("file")),
        "of another's": (tried(lambda: os.chown("ours", os.getuid(), -1)), owner("ours")),
        "mode of another's": tried(lambda: os.chmod("ours", 0o666)),
    }


def inherited_group(become: Callable[[], None]) -> Outcome:
    os.mkdir("folder")
    if os.getuid() == 0:
        os.chown("folder", -1, STRANGER)
    os.chmod("folder", 0o2777)
    become()
    write_file("folder/file")
    os.mkdir("folder/sub")
    about = os.stat("folder/file"), os.stat("folder/sub")
    return {"groups": [one.st_gid for one in about], "mode": stat.filemode(about[1].st_mode)}


def times(become: Callable[[], None]) -> Outcome:
    write_file("ours")
    os.chmod("ours", 0o666)
    become()
    write_file("file")
    os.mkdir("folder")
    os.symlink("file", "link")
    result: dict[str, object] = {}
    for name in ("file", "folder"):
        os.utime(name, ns=(1_000_000_001, 2_000_000_002))
        about = os.stat(name)
        result[name] = about.st_atime_ns, about.st_mtime_ns
    os.utime("link", ns=(5, 6), follow_symlinks=False)
    result["link"] = os.lstat("link").st_mtime_ns, os.stat("file").st_mtime_ns
    result["before 1970"] = (tried(lambda: os.utime("file", ns=(-5_000_000_000, -1))), os.stat("file").st_mtime_ns)
    result["far"] = (tried(lambda: os.utime("file", ns=(1 << 60, 1 << 60))), os.stat("file").st_mtime_ns)
    now, omit = (1 << 30) - 1, (1 << 30) - 2

    def set_times(path: str, atime: tuple[int, int], mtime: tuple[int, int]) -> object:
        pair = (ctypes.c_long * 4)(*atime, *mtime)
        done = libc.utimensat(AT_FDCWD, path.encode(), pair, 0)
        return errno.errorcode[ctypes.get_errno()] if done else "set"

    os.utime("file", ns=(7_000_000_007, 8_000_000_008))
    result["omit one"] = set_times("file", (0, omit), (9, 9)), os.stat("file").st_atime_ns, os.stat("file").st_mtime_ns
    result["omit both"] = stamps_of("file", lambda: set_times("file", (0, omit), (0, omit)))
    result["set to the same"] = stamps_of("file", lambda: os.utime("file", ns=(7_000_000_007, 9_000_000_009)))
    began = time.time()
    result["now"] = set_times("file", (0, now), (0, omit)), abs(os.stat("file").st_atime - began) < 1
    result["now too"] = set_times("file", (0, omit), (0, now)), abs(os.stat("file").st_mtime - began) < 1
    result["another's now"] = tried(lambda: os.utime("ours"))
    result["another's"] = tried(lambda: os.utime("ours", ns=(1, 1)))
    return result


def rights(become: Callable[[], None]) -> Outcome:
    """What permission bits let whom do."""
    os.mkdir("closed")
    write_file("closed/file")
    os.chmod("closed", 0o700)
    os.mkdir("listed")
    write_file("listed/file")
    os.chmod("listed", 0o744)
    os.mkdir("passable")
    write_file("passable/file")
    os.chmod("passable", 0o711)
    write_file("ours")
    os.chmod("ours", 0o604)
    become()
    write_file("file")
    os.chmod("file", 0)
    os.mkdir("unwritable")
    write_file("unwritable/file")
    os.chmod("unwritable", 0o555)
    return {
        "own without rights": [open_and_close("file", flags) for flags in (os.O_RDONLY, os.O_WRONLY)],
        "another's": [open_and_close("ours", flags) for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR)],
        "access": [os.access("ours", wanted) for wanted in (os.R_OK, os.W_OK, os.X_OK, os.F_OK)],
        "closed": [open_and_close("closed/file", os.O_RDONLY), tried(lambda: os.stat("closed/file").st_size)],
        "closed listed": tried(lambda: os.listdir("closed")),
        "listed": [tried(lambda: os.listdir("listed")), open_and_close("listed/file", os.O_RDONLY)],
        "passable": [tried(lambda: os.listdir("passable")), open_and_close("passable/file", os.O_RDONLY)],
        "unwritable": [
            open_and_close("unwritable/new", os.O_CREAT | os.O_WRONLY),
            tried(lambda: os.mkdir("unwritable/new")),
            tried(lambda: os.unlink("unwritable/file")),
            tried(lambda: os.rename("unwritable/file", "moved")),
            tried(lambda: os.symlink("x", "unwritable/link")),
        ],
        "cut": tried(lambda: os.truncate("ours", 0)),
        "run": tried(lambda: os.posix_spawn("./ours", ["ours"], {})),
        "into closed": tried(lambda: os.chdir("closed")),
    }


def sticky(become: Callable[[], None]) -> Outcome:
    os.mkdir("sticky")
    os.chmod("sticky", 0o1777)
    write_file("sticky/ours")
    os.chmod("sticky/ours", 0o666)
    os.mkdir("sticky/folder")
    become()
    write_file("sticky/own")
    return {
        "remove another's": tried(lambda: os.unlink("sticky/ours")),
        "move another's": tried(lambda: os.rename("sticky/ours", "sticky/x")),
        "over another's": tried(lambda: os.rename("sticky/own", "sticky/ours")),
        "remove another's folder": tried(lambda: os.rmdir("sticky/folder")),
        "remove own": tried(lambda: os.unlink("sticky/own")),
    }


def own_again(become: Callable[[], None]) -> Outcome:
    """Who has made a file can open it again."""
    become()
    os.umask(0o077)
    write_file("file", b"one")
    os.mkdir("folder")
    write_file("folder/file", b"two")
    os.umask(0o022)
    return {
        "read": tried(lambda: read_file("file")),
        "written": tried(lambda: write_file("file", b"three")),
        "below": tried(lambda: read_file("folder/file")),
        "mode": tried(lambda: os.chmod("file", 0o644)),
        "times": tried(lambda: os.utime("file", ns=(1, 1))),
    }


def numbers(become: Callable[[], None]) -> Outcome:
    become()
    with held_open("file") as opened:
        os.write(opened, b"x" * 10_000)
        os.fsync(opened)
    os.mkdir("folder")
    os.mkdir("folder/sub")
    about = os.stat("file")
    with os.scandir(".") as found:
        same = all(one.inode() == os.lstat(one.name).st_ino for one in found)
    return {
        "size": about.st_size,
        "blocks": about.st_blocks,
        "block size": about.st_blksize,
        "listed numbers": same,
        "one device": os.stat("folder").st_dev == about.st_dev,
        "up": os.stat("folder/..").st_ino == os.stat(".").st_ino,
        "links": [os.stat(name).st_nlink for name in ("file", "folder", "folder/sub")],
        "folder size": os.stat("folder").st_size,
    }


def file_system(become: Callable[[], None]) -> Outcome:
    become()
    about = os.statvfs(".")
    with held_open(".", os.O_RDONLY) as opened:
        again = os.fstatvfs(opened)
    return {
        "sizes": (about.f_bsize, about.f_frsize, about.f_namemax, about.f_blocks, about.f_files),
        "same": again.f_blocks == about.f_blocks,
        "longest name": os.pathconf(".", "PC_NAME_MAX"),
        "free": about.f_bavail > 0,
    }


def extended_attributes(become: Callable[[], None]) -> Outcome:
    become()
    write_file("file")
    return {
        "set": tried(lambda: os.setxattr("file", "user.x", b"1")),
        "get": tried(lambda: os.getxattr("file", "user.y")),
        "list": tried(lambda: os.listxattr("file")),
    }


CASES: Final[tuple[Case, ...]] = (
    modes,
    changed_modes,
    privileges_dropped,
    owners,
    inherited_group,
    times,
    rights,
    sticky,
    own_again,
    numbers,
    file_system,
    extended_attributes,
)
