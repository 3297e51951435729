"""Search one text, a file or a blob of git's, of any size: findings with their places.

Rules of this file:
- Files are opened without following a link and without waiting, and only regular ones are read.
- What has a NUL byte in its first 8 KiB is binary, but for UTF-16: it is searched for known values and private key
  blocks only, as rules find tokens in anything.
- A finding that a remark on its line allows (`pragma: allowlist secret`, `gitleaks:allow`) is none, unless its value
  is known: then it is no example.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from redactors.baseline import has_pragma
from redactors.engine import Engine
from redactors.finding import Confidence, Finding
from wrapper.plan.scancache import Code
from wrapper.scan.hits import Place
from wrapper.scan.windows import Lines, Read, windows

_SNIFFED: Final = 8192  # git guesses by the first 8000 (buffer_is_binary)
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_KEY_BLOCK: Final = re.compile(rb"-----BEGIN [A-Z ]{0,24}PRIVATE KEY")
_KEY_KIND: Final = "PRIVATE-KEY"
_BEFORE: Final = 64  # bytes: the first line of a private key block
_REMARK: Final = re.compile(rb"(?i)pragma|gitleaks:")


class Located(NamedTuple):
    """A finding, its place, and the text right before it."""

    finding: Finding
    place: Place
    before: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a text, as it is read; `findings` can be gone through once."""

    is_binary: bool
    findings: Iterator[Located]

    def code(self) -> int:
        """Sum it up in the bits of the scan cache."""
        code = Code.BINARY if self.is_binary else 0
        for found, *_ in self.findings:
            if found.confidence is Confidence.CERTAIN:
                return code | Code.CERTAIN
            code |= Code.LIKELY
        return code


def examine(engine: Engine, read: Read) -> Content:
    """Search the text that `read` gives."""
    head = read(_SNIFFED)
    whole = _with(head, read)
    if b"\0" not in head:
        return Content(is_binary=False, findings=_located(engine.find, whole))
    if head.startswith(_UTF16):
        return Content(is_binary=False, findings=_located(engine.find, _without_nul(whole)))
    return Content(is_binary=True, findings=_located(lambda data: _in_binary(engine, data), whole))


@contextmanager
def opened(path: str) -> Iterator[Read]:
    """Open a regular file for `examine`. Raises OSError for anything else; never follows a link, never waits."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        yield lambda size: os.read(descriptor, size)
    finally:
        os.close(descriptor)


def _located(find: Callable[[bytes], Sequence[Finding]], read: Read) -> Iterator[Located]:
    lines = Lines()
    done = 0  # position behind the last finding
    for window in windows(read):
        findings = find(window.data)
        remarks = bool(findings) and bool(_REMARK.search(window.data))
        for found in findings:
            if not window.start <= found.start < window.end or window.position + found.start < done:
                continue
            if remarks and not _is_known(found) and has_pragma(window.data, found.start, found.end):
                continue
            done = window.position + found.end
            before = window.data[max(0, found.start - _BEFORE) : found.start]
            yield Located(found, lines.place(window, found.start, found.end), before)
        lines.passed(window)


def _in_binary(engine: Engine, data: bytes) -> list[Finding]:
    known = [] if engine.known is None else engine.known.find(data)
    if not _KEY_BLOCK.search(data):
        return known
    return [found for found in engine.find(data) if _is_known(found) or found.kind == _KEY_KIND]


def _is_known(found: Finding) -> bool:
    return found.rule.startswith("known")


def _with(head: bytes, read: Read) -> Read:
    waiting = head

    def whole(size: int) -> bytes:
        nonlocal waiting
        if waiting:
            given, waiting = waiting[:size], waiting[size:]
            return given
        return read(size)

    return whole


def _without_nul(read: Read) -> Read:
    def text(size: int) -> bytes:
        while part := read(size):
            if kept := part.translate(None, b"\0"):
                return kept
        return b""

    return text
