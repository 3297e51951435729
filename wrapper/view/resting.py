"""What becomes of a file that the inside has written to: it is looked at again and told of once it has come to rest.

When git puts an index in place it is done, and who waited for it asks for the files that it wrote. So these are looked
at before git has its answer, and the kernel is told at once that their attributes are others: what another thread tells
may come later than the question.
"""

import contextlib
import errno
import os
from typing import Final

import msgspec

from wrapper.audit.touched import MOST_COMPARED
from wrapper.view.contents import Contents, Judge, Mode
from wrapper.view.history import MOST_HASHED, History, Work, digest, merged
from wrapper.view.indexes import Indexes
from wrapper.view.lower import Lower
from wrapper.view.nodes import Node, Role, signature_of
from wrapper.view.placeholders import new_damage
from wrapper.view.verdicts import Verdicts
from wrapper.view.witness import Change, both
from wrapper.view.writing import Writing

_MOST_LOOKED_AT: Final = 200  # files that git has just written, at once: more of them wait until they rest
_MOST_DAMAGE: Final = 8  # told of one file at one time
_MOST_KEPT: Final = 32 << 20  # bytes of what files were before they were written to
_MOST_LATER: Final = 64 << 10  # bytes of a file that is searched when it is gone
_LATER: Final = frozenset((Mode.KNOWN, Mode.SCAN))  # a file of credentials is looked at while it is there


class Resting:
    """Keeps what a file was before it is written to, and tells what became of it."""

    def __init__(
        self,
        lower: Lower,
        verdicts: Verdicts,
        contents: Contents,
        writing: Writing,
        history: History,
        judge: Judge,
        indexes: Indexes,
    ) -> None:
        self._lower = lower
        self._verdicts = verdicts
        self._contents = contents
        self._writing = writing
        self._history = history
        self._judge = judge
        self._indexes = indexes
        self._kept = 0  # bytes

    def is_told(self, node: Node) -> bool:
        """Tell whether what happens to a file is told: not of git's own files."""
        return self._indexes.role(node) is Role.NONE

    def begin(self, node: Node, pid: int) -> None:
        """Keep what a file is that is about to be written to; it is `ready`. Raises OSError."""
        if node.work is not None or not self.is_told(node):
            return
        shown = self._contents.shown_now(node, MOST_HASHED)
        is_masked = shown is not None and self._contents.is_shown(node)
        real = self._contents.real_now(node) if is_masked else None
        process = self._history.process(pid)
        node.work = Work(digest(shown), process, shown if is_masked else None, real, self._old(shown))

    def made(self, node: Node, path: bytes, process: str) -> None:
        """Tell of a file that was made and `is_told`; what is written to it now is all there is."""
        node.work = Work("", process, None, None, b"")
        self._history.changed(Change("agent", "created", path, process=process))

    def put_index(self, node: Node, path: bytes) -> None:
        """Make an index what it shall be that the inside puts at a path, as true as its files are known."""
        waiting = list(self._history.waiting)
        with contextlib.suppress(OSError):
            for one in waiting:
                is_due = self._verdicts.of(one) is Mode.MASK or len(waiting) <= _MOST_LOOKED_AT
                if is_due and self._contents.look(one):
                    self._indexes.looked_at(one)
            self._indexes.put(node, path)

    def come(self, node: Node) -> None:
        """Look at a file that has come to rest, and tell."""
        self._writing.look_again(node)
        if self._indexes.role(node) is Role.INDEX:
            self.put_index(node, node.path())
        self.told(node)

    def told(self, node: Node) -> None:
        """Tell what was written, as it is now: the file is moved or removed, or has come to rest."""
        self._history.waiting.pop(node, None)
        work, node.work = node.work, None
        if work is None:
            return
        self._kept -= len(work.old or b"")
        if not work.ranges:
            return
        path = node.path() or b"?"
        shown = self.shown(node)
        self._history.changed(_modified(path, work, shown))
        if work.has_restored:
            self._history.put(self._history.witness.restored, path)
        if work.shown is not None and work.real is not None:
            self._tell_damage(path, work.shown, shown, work.real)

    def last_of(self, node: Node, about: os.stat_result) -> bytes | None:
        """Give what is in a short file that is to be removed soon after it was written; None: look at it now.

        Such files come and go by the thousand, and who removes one need not wait until it was searched: see `removed`.
        """
        content, work, state = node.content, node.work, signature_of(about)
        if (
            content is None
            or work is None
            or work.shown is not None
            or content.shown is not None
            or content.is_closed
            or content.has_left
            or content.signature != state  # what is in it is not only the inside's
            or about.st_size > _MOST_LATER
            or about.st_nlink > 1
            or self._verdicts.of(node) not in _LATER
        ):
            return None
        data = os.pread(self._lower.reading(node), about.st_size, 0)
        return data if len(data) == about.st_size else None

    def removed(self, node: Node, path: bytes, last: bytes, process: str) -> None:
        """Have told later of a file that was removed, and whose `last_of` this is.

        It stays among those that wait to be looked at: it may be open inside.
        """
        work, node.work = node.work, None
        assert work is not None  # noqa: S101 (`last_of` has looked)
        self._kept -= len(work.old or b"")
        self._history.holds(len(last))
        gone = Change("agent", "deleted", path, process=process)
        self._history.put_later(self._tell_last, gone, self._verdicts.of(node), last, work)

    def _tell_last(self, gone: Change, mode: Mode, data: bytes, work: Work) -> None:
        """Tell what was written to a file that was removed, and that it is gone; not under the view's lock."""
        shown = None
        try:
            shown = self._judge.masked(gone.path, data, mode) if data else data
        finally:  # it is told without its content where that could not be judged
            self._tell_gone(gone, work, data, shown)

    def _tell_gone(self, gone: Change, work: Work, data: bytes, shown: bytes | None) -> None:
        witness, path = self._history.witness, gone.path
        if shown is not None and shown != data:
            witness.masked(path)
        if work.ranges:
            witness.changed(msgspec.structs.replace(_modified(path, work, shown), at=gone.at))
            if work.has_restored:
                witness.restored(path)
        witness.changed(msgspec.structs.replace(gone, before=digest(shown)))

    def shown(self, node: Node) -> bytes | None:
        """Give what the inside sees in a file; None if that is long, or not known.

        A short one is looked at for that: one that the kernel copied, or that moved with its folder, was not.
        """
        with contextlib.suppress(OSError):
            if self._contents.size_now(node) <= MOST_COMPARED:
                self._contents.look(node)
        return self._contents.shown_now(node, MOST_HASHED)

    def _old(self, shown: bytes | None) -> bytes | None:
        """Return what is kept of a content until the file rests: all of it, unless it is long or much is kept."""
        if shown is None or len(shown) > MOST_COMPARED or self._kept + len(shown) > _MOST_KEPT:
            return None
        self._kept += len(shown)
        return shown

    def replaced(self, node: Node, there: Node, *, is_gone: bool) -> tuple[bytes | None, bytes | None]:
        """Give what a file showed whose name another takes, and that one; tell placeholders damaged by that.

        Raises OSError (EIO) where one is damaged, what was there `is_gone`, and policy is strict.
        """
        after = self._contents.shown_now(node, MOST_HASHED)
        with contextlib.suppress(OSError):
            self._contents.look(there)
        before = self._contents.shown_now(there, MOST_HASHED)
        if is_gone and before is not None and self._contents.is_shown(there):
            real = self._contents.real_now(there)
            if self._tell_damage(there.path(), before, after, real, refused=self._judge.is_strict):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return before, after

    def _tell_damage(
        self, path: bytes, before: bytes, after: bytes | None, real: bytes, *, refused: bool = False
    ) -> bool:
        found = [] if after is None else new_damage(self._judge.damaged, before, after)
        for one in found[:_MOST_DAMAGE]:
            self._history.put(self._history.witness.damaged, path, one.text, real, refused=refused)
        return refused and bool(found)


def _modified(path: bytes, work: Work, shown: bytes | None) -> Change:
    return Change(
        "agent",
        "modified",
        path,
        ranges=tuple(merged(work.ranges)),
        before=work.before,
        after=digest(shown),
        process=work.process,
        contents=both(work.old, shown),
    )
