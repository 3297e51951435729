"""Read files and say what sort of secret their content holds, many files on all processors.

Rules of this file:
- Files are opened without following a link and without waiting, and only regular ones are read: the workspace is the
  work of strangers.
- A file that is larger than the limit is read in overlapping windows up to 16 MiB, and its verdict says so.
- A binary file is searched for known values and private key blocks only.
- Worker processes give back verdict bits, never what they found.
"""

import os
import re
import stat
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from redactors.finding import Confidence, Finding
from wrapper.plan.scancache import Code

MOST_BYTES: Final = 16 << 20  # of one file; what lies behind is left to the gateway
_WINDOW: Final = 1 << 20
_OVERLAP: Final = 16 << 10  # longer than any private key block or token
SNIFFED: Final = 8192  # git guesses by the first 8000 (buffer_is_binary)
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_KEY_BLOCK: Final = re.compile(rb"-----BEGIN [A-Z ]{0,24}PRIVATE KEY")
_BLOCK_BYTES: Final = 16 << 10

_WORTH_A_FORK: Final = (256, 1 << 20)  # files, bytes: a fork and its pipe cost about as much as scanning these
_MOST_WORKERS: Final = 8
_RESULT: Final = "H"

Find = Callable[[bytes], Sequence[Finding]]
"""What searches: bytes in, findings out."""


def read_regular(path: str, limit: int) -> bytes:
    """Read up to `limit` bytes of a regular file. Raises OSError for anything else; never follows, never waits."""
    if not stat.S_ISREG(os.stat(path, follow_symlinks=False).st_mode):  # noqa: PTH116 (once a file, of very many)
        raise OSError("not a regular file")  # not even opened: a pipe's writer would take us for its reader
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise OSError("not a regular file")
        data = os.read(descriptor, min(limit, about.st_size + 1))
        if len(data) == about.st_size or not data:
            return data
        parts = [data]
        left = limit - len(data)
        while left > 0 and (part := os.read(descriptor, left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def scan_file(path: str, limit: int, find: Find, find_known: Find) -> int:
    """Say by `Code` bits what the file's content holds; `limit` is the largest size that is scanned in one piece."""
    try:
        data = read_regular(path, MOST_BYTES + 1)
    except OSError:
        return Code.UNREADABLE
    return scan(data, limit, find, find_known)


def scan(data: bytes, limit: int, find: Find, find_known: Find) -> int:
    """Do the same for content at hand."""
    code = Code.PARTIAL if len(data) > MOST_BYTES else 0
    if b"\0" in data[:SNIFFED]:
        code |= Code.BINARY
        if data.startswith(_UTF16):
            data = data.translate(None, b"\0")
        else:
            return code | _worst(_findings_in_binary(data[:MOST_BYTES], find, find_known))
    if len(data) <= limit:
        return code | _worst(find(data))
    return code | _worst(found for window in windows(data[:MOST_BYTES]) for found in find(window))


def windows(data: bytes) -> Iterator[bytes]:
    """Cut into pieces of 1 MiB that overlap by 16 KiB."""
    for at in range(0, max(1, len(data) - _OVERLAP), _WINDOW - _OVERLAP):
        yield data[at : at + _WINDOW]


def _findings_in_binary(data: bytes, find: Find, find_known: Find) -> Iterator[Finding]:
    for window in windows(data):
        yield from find_known(window)
    for block in _KEY_BLOCK.finditer(data):  # programs hold the line too, without a key behind it
        yield from find(data[block.start() : block.start() + _BLOCK_BYTES])


def _worst(findings: Iterator[Finding] | Sequence[Finding]) -> int:
    code = 0
    for found in findings:
        if found.confidence is Confidence.CERTAIN:
            return Code.CERTAIN
        code = Code.LIKELY
    return code


def scan_all(paths: Sequence[str], sizes: Sequence[int], scan_one: Callable[[str], int]) -> list[int]:
    """Scan many files, on all processors where that pays; the results are parallel to `paths`.

    Falls back to this process for the share of a worker that dies.
    """
    workers = min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
    few, small = _WORTH_A_FORK
    # a fork of a process with threads may hold a lock for ever
    if workers < 2 or len(paths) < few or sum(sizes) < small or threading.active_count() > 1:
        return [scan_one(path) for path in paths]
    order = sorted(range(len(paths)), key=sizes.__getitem__, reverse=True)
    shares = [[paths[at] for at in order[worker::workers]] for worker in range(workers)]
    started = [_start(share, scan_one) for share in shares[1:]]
    done = [[scan_one(path) for path in shares[0]]]
    for child, share in zip(started, shares[1:], strict=True):
        result = _collect(*child, len(share))
        done.append([scan_one(path) for path in share] if result is None else result)
    codes = [0] * len(paths)
    for worker, found in enumerate(done):
        for at, code in zip(order[worker::workers], found, strict=True):
            codes[at] = code
    return codes


def _start(share: Sequence[str], scan_one: Callable[[str], int]) -> tuple[int, int]:
    """Fork a worker; give its pid and the pipe that its results come through."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    status = 1
    with suppress(BaseException):  # nothing of the parent's may run here: no handler, no exit function, no flush
        os.close(reading)
        answer = array(_RESULT, [scan_one(path) for path in share]).tobytes()
        while answer:
            answer = answer[os.write(writing, answer) :]
        status = 0
    os._exit(status)


def _collect(pid: int, reading: int, count: int) -> list[int] | None:
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    result = array(_RESULT)
    if status or len(answer) != count * result.itemsize:
        return None
    result.frombytes(answer)
    return result.tolist()
