"""Runs a piece of work under strace(1), which can kill it, or fail a call, at each of its system calls."""

import ctypes
import os
import re
import select
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from wrapper.errors import AuditError

REFUSED = 3
FILE_CALLS = {
    "openat", "mkdir", "flock", "getdents64", "newfstatat", "fstat", "read", "pread64", "pwrite64", "write",
    "fdatasync", "fsync", "rename", "close", "stat", "lstat", "lseek", "unlink",
}  # fmt: skip
INTERPRETER = {"brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "futex"}  # no file differs after them
_WAITING = {"select", "pselect6", "restart_syscall"}  # of the wait for the start, whose end strace may see or not
_PR_SET_PTRACER = 0x59616D61  # prctl(2): who may trace us, where the kernel asks (Yama)


class Traced(NamedTuple):
    """What became of one run: its exit code (negative: by a signal), and its system calls in order."""

    code: int
    calls: list[str]


def traced(work: Callable[[], None], trace: Path, *options: str) -> Traced:
    """Run `work` in a process under strace, which begins right before it."""
    go, start = os.pipe()
    waits, waiting = os.pipe()
    pid = os.fork()
    if pid == 0:
        _wait_and_work(go, waiting, work)
    os.read(waits, 1)
    command = ["strace", "-p", str(pid), "-o", str(trace), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr
        assert "attached" in strace.stderr.readline()
        os.write(start, b"!")
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for descriptor in (go, start, waits, waiting):
        os.close(descriptor)
    calls = re.findall(r"^(\w+)\(", trace.read_text(), re.MULTILINE)
    return Traced(code, [call for call in calls if call not in _WAITING])


def _wait_and_work(go: int, waiting: int, work: Callable[[], None]) -> None:
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, -1, 0, 0, 0)
        os.write(waiting, b"!")
        select.select([go], [], [])
        work()
        code = 0
    except AuditError:
        code = REFUSED
    finally:
        os._exit(code)


def places(calls: list[str]) -> list[tuple[str, int]]:
    """Name each call by its kind and its number among those of its kind."""
    seen: Counter[str] = Counter()
    found = []
    for call in calls:
        seen[call] += 1
        found.append((call, seen[call]))
    return found
