"""Locks, pipes, sockets, devices."""

# The calls themselves are what is tried:
# ruff: noqa: PTH104, PTH108, PTH116, PTH208

import array
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Callable
from typing import Final

from tests.view.posix.trying import (
    Case,
    Outcome,
    about_file,
    held_open,
    open_and_close,
    tried,
    write_file,
)


def _elsewhere(action: Callable[[], object]) -> object:
    """Give what an action in another process gives, as text."""
    receiving, sending = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(sending, str(tried(action)).encode())
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as stream:
        text = stream.read()
    os.waitpid(pid, 0)
    return text


def locks(become: Callable[[], None]) -> Outcome:
    become()
    write_file("file", b"x" * 100)

    def whole(kind: int) -> None:
        with held_open("file") as other:
            fcntl.flock(other, kind | fcntl.LOCK_NB)

    def part(start: int) -> object:
        with held_open("file") as other:
            return fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, start)

    with held_open("file") as opened:
        fcntl.flock(opened, fcntl.LOCK_SH)
        result = {
            "shared": _elsewhere(lambda: whole(fcntl.LOCK_SH)),
            "refused": _elsewhere(lambda: whole(fcntl.LOCK_EX)),
        }
        fcntl.flock(opened, fcntl.LOCK_UN)
        result["free"] = _elsewhere(lambda: whole(fcntl.LOCK_EX))
        fcntl.lockf(opened, fcntl.LOCK_EX, 10, 50)
        result["part"] = _elsewhere(lambda: part(55))
        result["other part"] = _elsewhere(lambda: part(0))
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
        result["asked"] = _elsewhere(lambda: struct.unpack("hhqqi4x", fcntl.fcntl(opened, fcntl.F_GETLK, asked))[1:4])
        fcntl.fcntl(opened, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 80, 5, 0))  # F_OFD_SETLK
        result["by description"] = _elsewhere(lambda: part(80))
    result["after close"] = _elsewhere(lambda: part(50))
    return result


def pipes(become: Callable[[], None]) -> Outcome:
    become()
    os.mkfifo("pipe")
    os.link("pipe", "second")
    reading = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    with held_open("second", os.O_WRONLY) as writing:
        os.write(writing, b"through")
    result = {"read": os.read(reading, 99), "about": about_file("pipe"), "kind": stat.S_ISFIFO(os.stat("pipe").st_mode)}
    os.close(reading)
    result["no reader"] = open_and_close("pipe", os.O_WRONLY | os.O_NONBLOCK)
    return result


def sockets(become: Callable[[], None]) -> Outcome:
    become()
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("socket")
        server.listen()
        client.connect("socket")
        client.send(b"hello")
        heard = server.accept()[0].recv(9)
        result = {"heard": heard, "again": tried(lambda: socket.socket(socket.AF_UNIX).bind("socket"))}
    os.rename("socket", "moved")
    result["closed"] = tried(lambda: socket.socket(socket.AF_UNIX).connect("moved"))
    result["opened"] = open_and_close("moved", os.O_RDWR)
    result["kind"] = stat.S_ISSOCK(os.stat("moved").st_mode)
    os.unlink("moved")
    return {**result, "left": os.listdir(".")}


def devices(become: Callable[[], None]) -> Outcome:
    become()
    return {
        "made": tried(lambda: os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3))),
        "block": tried(lambda: os.mknod("disk", stat.S_IFBLK | 0o600, os.makedev(7, 200))),
        "file": (tried(lambda: os.mknod("file", stat.S_IFREG | 0o640)), about_file("file")[0]),
        "on existing": tried(lambda: os.mknod("file")),
    }


def asked_of_a_file(become: Callable[[], None]) -> Outcome:
    become()
    write_file("file", b"12345")
    with held_open("file") as opened:
        os.read(opened, 2)
        waiting = array.array("i", [0])
        return {
            "waiting": (tried(lambda: fcntl.ioctl(opened, 0x541B, waiting)), waiting[0]),  # FIONREAD
            "terminal": os.isatty(opened),
            "window": tried(lambda: fcntl.ioctl(opened, 0x5413, bytes(8))),  # TIOCGWINSZ
            "made of": tried(lambda: fcntl.ioctl(opened, 0x80086601, bytes(8)) and "flags"),  # FS_IOC_GETFLAGS
        }


CASES: Final[tuple[Case, ...]] = (
    locks,
    pipes,
    sockets,
    devices,
    asked_of_a_file,
)
