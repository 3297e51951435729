"""Puts together what the view recorded of one save of a file; pure.

Editors write a new file beside the old one and move it over: recorded are its making, its writing and its move. Told is
one change of the file that was meant. What is not such a save stays as it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from wrapper.audit.events import FileChange
from wrapper.audit.reader import Record

_WRITTEN: Final = ("created", "modified")
_GONE: Final = ("deleted", "moved")


@dataclass(frozen=True, slots=True)
class Change:
    """One change; `sequence` is that of its first record, `times` how often the same was recorded in a row."""

    sequence: int
    event: FileChange
    times: int = 1


def saved(records: Iterable[Record]) -> list[Change]:
    """Return the changes that `records`, which came one right after the other, tell of."""
    found: list[Change] = []
    made: dict[str, int] = {}  # where in `found` the file of this name was made or written
    for sequence, event in records:
        if not isinstance(event, FileChange):
            continue
        at = made.get(event.path)
        before = None if at is None else found[at]
        joined = None if before is None else _joined(before.event, event)
        if at is None or before is None or joined is None:
            if found and _same(found[-1].event, event):
                found[-1] = Change(found[-1].sequence, found[-1].event, found[-1].times + 1)
                continue
            if event.action in _WRITTEN:
                made[event.path] = len(found)
            elif event.action in _GONE:
                made.pop(event.path, None)
            found.append(Change(sequence, event))
            continue
        found[at] = Change(before.sequence, joined, before.times)
        if joined.path != event.path:
            made[joined.path] = made.pop(event.path)
    return found


def _joined(before: FileChange, event: FileChange) -> FileChange | None:
    """Return one change in place of two of the same file by the same process; None where they are two."""
    if (before.by, before.process) != (event.by, event.process):
        return None
    if event.action == "modified":
        return msgspec.structs.replace(
            before, ranges=before.ranges + event.ranges, after=event.after, diff=event.diff or before.diff
        )
    if event.action == "moved" and before.action == "created" and event.target:
        action = "modified" if event.before else "created"
        after = event.after or before.after
        diff = event.diff or before.diff
        return msgspec.structs.replace(
            before, path=event.target, action=action, before=event.before, after=after, diff=diff
        )
    return None


def _same(before: FileChange, event: FileChange) -> bool:
    return msgspec.structs.replace(before, at=0.0) == msgspec.structs.replace(event, at=0.0)
