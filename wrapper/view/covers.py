"""What happens when a covered file changes, inside or on the host: promises 2 and 3 for the binds view.

Rules:
1. A write inside lands in the staging file. Its content with every placeholder restored becomes the real file's
   content, in place: a rename would take the cover away.
2. A file that was covered before the client started has never been open inside, so rule 1 applies at once. A file
   covered later may still be open inside, by its real inode: a value restored there could be read through that old
   descriptor (promise 2). Such files, and files of the inside's own making that quote a placeholder, are restored when
   the session has ended and no process inside is left.
3. A change on the host is masked again and shown at once.
4. What was written by us is recognised by content and starts nothing new.
5. What fails half-way corrupts nothing: a staging file that could not be written whole is never taken for what the
   inside wrote, and there is room for the restored content before the first byte of the old one goes.
6. What cannot be read, or is too large to be masked, is shown as a file that cannot be opened.
7. Files are read and written by their place below a root, never through a link (`beneath`), and a real file is written
   only while it is the one that was covered: the inside can move a folder and put a link to elsewhere in its place. A
   file is told from another by number and time of birth: a file system gives the number of a removed one to the next.
8. Who wrote last wins: what the inside wrote was meant for the file that stood there then, and for none that the host
   put in its place.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wrapper.linux import born
from wrapper.plan.contents import MOST_BYTES
from wrapper.view.beneath import open_beneath, open_regular
from wrapper.view.sockets import is_bound_outside

_MOST_SEARCHED = 1 << 30
_WINDOW = 1 << 20
_OVERLAP = 128  # longer than any placeholder


class Disguise(Protocol):
    """How one file is shown inside and how what was written there becomes real again."""

    def mask(self, data: bytes) -> bytes | None:
        """Return what is shown inside for the real `data`; None where the file cannot be opened at all."""

    def restore(self, data: bytes) -> bytes | None:
        """Return the real content for what was written inside; None where nothing is written back."""


class CoveringView(Protocol):
    """The part of `view/binds` that is needed here."""

    def cover(self, path: str, content: bytes | None, mode: int) -> None:
        """Show `content` at the absolute host path `path` inside; None: a file that cannot be opened."""

    def protect(self, path: str) -> None:
        """Make `path` read-only inside."""

    def cover_again(self, path: str) -> None:
        """Put the cover back where it is gone, with the content it has."""

    def staged(self, path: str) -> Path | None:
        """Return the staging file of `path`."""

    def moved(self, path: str, target: str) -> None:
        """Take notice that the covered file has another path now."""


_Identity = tuple[int, int, int]
"""Device, number, and time of birth in nanoseconds, 0 where the file system does not tell it."""
_NONE: _Identity = (0, 0, 0)


@dataclass(slots=True)
class _Cover:
    disguise: Disguise
    early: bool
    shown: bytes = b""  # digest of what the staging file held when we last wrote or read it; empty: it cannot be opened
    real: bytes = b""  # digest of what the real file held then; empty: the cover does not stand as it should
    identity: _Identity = _NONE  # of the real file
    names: int = 0  # how many hard links it had


def _hides_nothing(disguise: Disguise, content: bytes | None) -> bool:
    """Tell whether a new file would be shown as it is: clients write the next version of one beside it, masked.

    A cover on it would keep them from renaming or removing it, and so leave it behind. Its changes are looked at again.
    """
    return content is not None and disguise.mask(content) == content


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _identity(about: os.stat_result, descriptor: int) -> _Identity:
    return about.st_dev, about.st_ino, born(descriptor)


def _reserve(descriptor: int, size: int, needed: int) -> None:
    """Have room for `needed` bytes, or leave the file as it is. Raises OSError (posix_fallocate(3))."""
    if needed > size:
        try:
            os.posix_fallocate(descriptor, size, needed - size)
        except OSError:
            os.ftruncate(descriptor, size)
            raise


class Covers:
    """The covered files of one session; made before the guard is forked, which goes on with it.

    `judge(path)` decides whether a file that is not covered yet must be; paths are absolute. `restored(path, content)`
    gives what is real for what stands in a file of the inside's own making. `report(path, action)` hears of `masked`
    and `restored` files; `roots` are the folders that the inside can change. One thread at a time.
    """

    def __init__(
        self,
        view: CoveringView,
        judge: Callable[[str], Disguise | None],
        restored: Callable[[str, bytes], bytes],
        *,
        roots: Sequence[str],
    ) -> None:
        self._view = view
        self._roots = tuple(roots)
        self._judge = judge
        self._restored = restored
        self.report: Callable[[str, str], None] = lambda _path, _action: None
        self._covers: dict[str, _Cover] = {}
        self._staged: dict[str, str] = {}
        self._quoting: set[str] = set()

    def add(self, path: str, disguise: Disguise, *, early: bool) -> None:
        """Cover `path`; `early` before the client starts. Raises OSError where it cannot be covered."""
        cover = _Cover(disguise, early=early)
        self._show(path, cover)
        self._covers[path] = cover
        self.report(path, "masked")

    def host_changed(self, path: str) -> None:
        """Take notice of a change at `path` in the workspace, whoever made it."""
        cover = self._covers.get(path)
        if cover is not None:
            self._show(path, cover)
            return
        content = self._read(path)
        if content is None and not self._is_large(path) and not self._is_foreign_socket(path):
            return
        disguise = self._judge(path)
        if disguise is not None and not _hides_nothing(disguise, content):
            self.add(path, disguise, early=False)
        elif content is None or self._restored(path, content) != content:
            self._quoting.add(path)

    def replaced(self, path: str) -> None:
        """Take notice that a file was made at `path`, or removed: rule 2 holds for what stands there from now on.

        Not every file system tells by what stands there that it is another file.
        """
        if path in self._covers:
            self._covers[path].early = False

    def moved(self, path: str, target: str) -> None:
        """Take notice that `path` is `target` now: a cover goes with its file, also when a folder above was moved."""
        cover = self._covers.get(path)
        if cover is None or not self._is(target, cover.identity):
            return
        self._covers[target] = self._covers.pop(path)
        self._view.moved(path, target)
        self._staged[str(self._view.staged(target))] = target
        if cover.early:
            self._write_back(target, cover)

    def inside_wrote(self, staged: str) -> None:
        """Take notice of a write to a staging file; a name that is none of ours is ignored."""
        path = self._staged.get(staged)
        if path is not None and self._covers[path].early:
            self._write_back(path, self._covers[path])

    def finish(self) -> Iterator[str]:
        """Restore what could not be restored before; call it when nothing runs inside any more.

        Yields the paths whose restored content could not be written.
        """
        for path, cover in self._covers.items():
            if not self._write_back(path, cover) and os.path.lexists(path):  # else the host removed it after the write
                yield path
        late = {path for path, cover in self._covers.items() if not cover.early}
        for path in sorted(self._quoting | late):
            content = self._read(path)
            if content is None:
                if self._quotes(path):
                    yield path
                continue
            restored = self._restored(path, content)
            if restored != content:
                if self._write(path, restored):
                    self.report(path, "restored")
                else:
                    yield path

    def write_back(self) -> None:
        """Look at every early cover, after notices of writes were lost."""
        for path, cover in self._covers.items():
            if cover.early:
                self._write_back(path, cover)

    def _show(self, path: str, cover: _Cover) -> None:
        """Make the staging file what the real file is now, masked."""
        try:
            mode, content = self._real(path, cover)
        except FileNotFoundError:
            cover.early = False
            return  # the cover went with the file; it is made again when the file is
        real = b"unread" if content is None else _digest(content)
        if real == cover.real:
            self._view.cover_again(path)  # a rename on the host may have taken the cover away
            return
        masked = None if content is None else cover.disguise.mask(content)
        cover.shown = cover.real = b""
        self._view.cover(path, masked, mode)
        cover.real, cover.shown = real, b"" if masked is None else _digest(masked)
        self._staged[str(self._view.staged(path))] = path

    def _real(self, path: str, cover: _Cover) -> tuple[int, bytes | None]:
        """Give permission bits and content of the real file; None where it is no file, too large or cannot be read."""
        about, identity = self._about(path)
        if cover.names and (identity, about.st_nlink) != (cover.identity, cover.names):
            cover.early = False  # for a moment the new file, or a new name of it, could be opened inside (rule 2)
            if identity != cover.identity:
                cover.real = b""  # covered anew, also where it holds what the one before held (rule 8)
        cover.identity, cover.names = identity, about.st_nlink
        return stat.S_IMODE(about.st_mode), self._read(path)

    def _write_back(self, path: str, cover: _Cover) -> bool:
        staged = self._view.staged(path)
        if staged is None or not cover.shown:
            return True
        written = self._read(str(staged))
        if written is None or _digest(written) == cover.shown:
            return written is not None
        restored = cover.disguise.restore(written)
        if restored is None:
            return True
        if not self._write(path, restored, cover.identity):
            return False
        cover.shown, cover.real = _digest(written), _digest(restored)
        self.report(path, "restored")
        return True

    def _read(self, path: str) -> bytes | None:
        try:
            with os.fdopen(open_regular(self._roots, path, os.O_RDONLY), "rb") as opened:
                content = opened.read(MOST_BYTES + 1)
        except OSError:
            return None
        return content if len(content) <= MOST_BYTES else None

    def _quotes(self, path: str) -> bool:
        """Search a file that is too large to be restored for a placeholder."""
        seen, before = 0, b""
        with contextlib.suppress(OSError), os.fdopen(open_regular(self._roots, path, os.O_RDONLY), "rb") as opened:
            while seen < _MOST_SEARCHED and (part := opened.read(_WINDOW)):
                window = before + part
                if self._restored(path, window) != window:
                    return True
                seen, before = seen + len(part), window[-_OVERLAP:]
        return False

    def _is_large(self, path: str) -> bool:
        with contextlib.suppress(OSError):
            about, _ = self._about(path)
            return stat.S_ISREG(about.st_mode) and about.st_size > MOST_BYTES
        return False

    def _about(self, path: str) -> tuple[os.stat_result, _Identity]:
        descriptor = open_beneath(self._roots, path, os.O_PATH)
        try:
            about = os.fstat(descriptor)
            return about, _identity(about, descriptor)
        finally:
            os.close(descriptor)

    def _is(self, path: str, identity: _Identity) -> bool:
        with contextlib.suppress(OSError):
            return self._about(path)[1] == identity
        return False

    def _is_foreign_socket(self, path: str) -> bool:
        with contextlib.suppress(OSError):
            return stat.S_ISSOCK(self._about(path)[0].st_mode) and is_bound_outside(path)
        return False

    def _write(self, path: str, content: bytes, identity: _Identity | None = None) -> bool:
        """Write in place, whole or not at all where the disk is full; only to the file of `identity` if given.

        Nothing that is larger than what is looked at: the next session would show a value behind that (`writing`).
        """
        if len(content) > MOST_BYTES:
            return False
        try:
            descriptor = open_regular(self._roots, path, os.O_WRONLY)
            with os.fdopen(descriptor, "wb") as opened:
                about = os.fstat(descriptor)
                if identity not in (None, _identity(about, descriptor)):
                    return False
                _reserve(descriptor, about.st_size, len(content))
                opened.write(content)
                opened.flush()
                opened.truncate(len(content))
                os.fsync(descriptor)
        except OSError:
            return False
        return True
