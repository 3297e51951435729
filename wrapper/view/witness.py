"""What the view tells of its work: who changed which file, what was read, what became of placeholders.

Nobody here decides what is done with it; `Witness` is implemented by whoever sends it on to the log.
"""

import time
from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from wrapper.audit.touched import MOST_COMPARED


class Change(msgspec.Struct, frozen=True):
    """One change of the real tree; paths are relative to the view's root.

    `target` is that of `moved`. `ranges` are offset and length in the shown content, merged and sorted; at most 64,
    else one over all. `before` and `after` are the SHA-256 (hex) of the *shown* content; "" where there was none,
    where it was larger than 8 MiB, and of a host's change. Of `moved`, `before` is what was replaced and `after` what
    moved. `contents` are the shown contents themselves, where both are known and short. `process` is name and host pid
    of the process that wrote first, as in `node[1234]`; "" where that is not known. `at` is when it was seen (seconds
    since 1970): it is told later.
    """

    by: Literal["agent", "host"]
    action: Literal["created", "modified", "deleted", "moved"]
    path: bytes
    target: bytes = b""
    ranges: tuple[tuple[int, int], ...] = ()
    before: str = ""
    after: str = ""
    process: str = ""
    contents: tuple[bytes, bytes] | None = None
    at: float = msgspec.field(default_factory=time.time)


class Witness(Protocol):
    """Hears of all that happens; called from the view's background threads or under its lock: must not block long."""

    def changed(self, change: Change) -> None:
        """Take a change, in the order in which they happened as far as that can be had."""

    def read(self, files: Sequence[tuple[bytes, float, int]]) -> None:
        """Take path, time of the first read (seconds since 1970) and bytes handed out so far, about once a second."""

    def masked(self, path: bytes) -> None:
        """Take notice of a file that shows placeholders now and did not before."""

    def restored(self, path: bytes) -> None:
        """Take notice that placeholders written inside became values on disk; once each time the file comes to rest."""

    def damaged(self, path: bytes, text: str, real: bytes, *, refused: bool) -> None:
        """Take notice of a damaged placeholder; `real` is the real content from before."""

    def left(self, path: bytes, why: str) -> None:
        """Take notice of a placeholder that was written into a file and stays there as it is."""

    def refused(self, path: bytes) -> None:
        """Take notice of an attempt to change a protected path; once for each path."""

    def appeared(self, path: bytes) -> None:
        """Take notice of a file or folder that was made inside."""

    def refs_moved(self, path: bytes) -> None:
        """Take notice that a file by which git finds commits was changed inside."""


def both(before: bytes | None, after: bytes | None) -> tuple[bytes, bytes] | None:
    """Return two contents that can be compared; None where one is not known or long."""
    if before is None or after is None or max(len(before), len(after)) > MOST_COMPARED:
        return None
    return before, after
