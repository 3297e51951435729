"""Where a write meets placeholders: pure functions over bytes.

A placeholder consists of A-Z, 0-9 and `-` only and is shorter than 96 bytes, so what a write completes or breaks stands
within one run of such characters around it. A prefix before it has small letters, `_` and `.` too.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

from redactors.patterns import Patterns
from redactors.vault import LONGEST_PREFIX

if TYPE_CHECKING:
    from wrapper.view.contents import Damage

MARK: Final = b"MASKED-"
LONGEST: Final = 96
"""Bytes; longer than any placeholder."""
LARGE: Final = 64 << 10
"""Bytes from which on a search by hyperscan is cheaper than Python's own."""
TEXT_HEAD: Final = 8192
"""Bytes that tell a text from a binary: git looks at as many (`buffer_is_binary`)."""
_IN_PLACEHOLDER: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
_HEAD: Final = re.compile(rb"[A-Z0-9-]*")
_TAIL: Final = re.compile(rb"[A-Z0-9-]*\Z")
_BEFORE: Final = re.compile(rb"[A-Za-z0-9_.-]*\Z")
_REACH: Final = 256  # bytes around a write in which it can have damaged a placeholder


class Marks:
    """Finds where a placeholder may begin, at the speed at which memory is read."""

    def __init__(self) -> None:
        self._patterns = Patterns([MARK], literal=True, once=True)

    def first(self, buffer: bytearray, start: int, end: int) -> int:
        """Give where the first mark stands from `start` to `end`; -1 where there is none."""
        if end - start >= LARGE:
            part = cast("bytes", memoryview(buffer)[start:end])  # hyperscan takes any buffer
            hits = self._patterns.scan(part)
            return start + hits[0][1] - len(MARK) if hits else -1
        if buffer.rfind(MARK, start, end) < 0:  # twice as fast as from the beginning (CPython 3.11)
            return -1
        return buffer.find(MARK, start, end)


def may_belong(character: int) -> bool:
    """Tell whether a byte may stand in a placeholder."""
    return character in _IN_PLACEHOLDER


def tail_of(data: bytes | bytearray) -> bytes:
    """Give the run at the end of `data` that may be the beginning of a placeholder."""
    found = _TAIL.search(bytes(data[-LONGEST:]))
    return found.group() if found else b""


def stem_of(data: bytes | bytearray) -> bytes:
    """Give the run at the end of `data` that may be the beginning of a placeholder, or of the prefix of one."""
    found = _BEFORE.search(bytes(data[-LONGEST - LONGEST_PREFIX :]))
    return found.group() if found else b""


def head_of(data: bytes) -> bytes:
    """Give the run at the beginning of `data` that may be the end of a placeholder."""
    found = _HEAD.match(data)
    return found.group() if found else b""


def new_damage(find: "Callable[[bytes], Sequence[Damage]]", before: bytes, after: bytes) -> "list[Damage]":
    """Give the near-misses in `after` that do not stand in `before`."""
    found = find(after)
    if not found:
        return []
    there = Counter(one.text for one in find(before))
    new = []
    for one in found:
        if there[one.text]:
            there[one.text] -= 1
        else:
            new.append(one)
    return new


def damage_by_write(
    find: "Callable[[bytes], Sequence[Damage]]", shown: bytes | bytearray, before: bytes, offset: int, data: bytes
) -> "list[Damage]":
    """Give the near-misses that writing `data` at `offset` of `shown` makes and that the next write cannot heal.

    One that touches the end of what is written, or goes on from what stands before it, may be half of a placeholder
    that comes in pieces. `before` is what was shown before the first of these writes.
    """
    start, end = max(0, offset - _REACH), offset + len(data)
    head = bytes(shown[start:offset])
    head += bytes(offset - start - len(head))
    after = head + data + bytes(shown[end : end + _REACH])
    first, last = len(head), len(head) + len(data)
    return [one for one in new_damage(find, before, after) if one.start >= first and one.end < last]
