"""git's index through the view: shown with what the inside sees of masked files, put back with what is real.

The kernel is told to forget an index's pages when a file that shows placeholders has changed, since its entry is
another then.
"""

import contextlib
import os
import stat
import threading
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path
from typing import Final, Protocol

from wrapper.view import wire
from wrapper.view.beneath import open_below
from wrapper.view.contents import CLOSED, Contents, Judge, Mode
from wrapper.view.gitfiles import Masked, Shown
from wrapper.view.lower import Lower
from wrapper.view.nodes import Node, Nodes, Role, Signature, below, is_in_git, signature_of
from wrapper.view.verdicts import Verdicts

_MOST_INDEX: Final = 256 << 20
_MOST_READ: Final = 1 << 20
_MOST_SEEN: Final = 5000  # paths beside those that were masked at the start and those that the kernel knows
_LOCK: Final = b".lock"
_LOCK_LATER_NS: Final = 2_000_000_000


class RealFiles:
    """What `GitFiles` asks of the view (`gitfiles.Files`); for `tell_now`, see `Indexes`."""

    def __init__(
        self,
        nodes: Nodes,
        lower: Lower,
        verdicts: Verdicts,
        contents: Contents,
        judge: Judge,
        tell_now: Callable[[bytes], None],
    ) -> None:
        self._tell_now = tell_now
        self._nodes = nodes
        self._lower = lower
        self._verdicts = verdicts
        self._contents = contents
        self._judge = judge
        self._seen: dict[bytes, None] = {}  # that showed placeholders; the kernel may have forgotten such a file since

    def masked_paths(self) -> Iterable[bytes]:
        """Give the paths that show placeholders, or may."""
        shown = [path for node in self._contents.showing for path in _paths(node)]
        self._keep(shown)
        return {*self._judge.masked_paths(), *shown, *self._seen}

    def begun(self) -> int:
        """Give how often a file has begun to show placeholders: then there may be more of these paths."""
        return self._contents.begun

    def masked(self, path: bytes) -> Masked | None:
        """Give such a file as it is now; None where it is gone or shown as it is."""
        try:
            node = self._node(path)
            if node is None:
                self._seen.pop(path, None)
                return None
            if self._contents.look(node):
                self._tell_now(wire.invalidate_attributes(node.number))  # as `Indexes.looked_at`, of another view too
            if node.content is None or node.content.shown is None:
                self._seen.pop(path, None)
                return None
            about = self._lower.about_node(node)
            return Masked(about, self._contents.real_now(node), bytes(node.content.shown))
        except OSError:
            return None

    def meet(self, path: bytes) -> None:
        """Look at a file that someone outside has made or changed: git reads its index before it asks for the file.

        Not at a long one: everybody would wait for that.
        """
        with contextlib.suppress(OSError):
            node = self._node(path)
            if node is None:
                return
            if self._lower.about_node(node).st_size <= _MOST_READ and self._contents.look(node):
                self._tell_now(wire.invalidate_attributes(node.number))
            if self._contents.is_shown(node):
                self._keep(_paths(node))
            self._nodes.forget(node.number, 0)  # the kernel may not know it

    def state(self, path: bytes) -> object:
        """Give what is equal as long as a file is as it is; None where there is none."""
        try:
            node = self._node(path)
            return None if node is None else signature_of(self._lower.about_node(node))
        except OSError:
            return None

    def content(self, path: bytes) -> bytes | None:
        """Give the real content of a file; None where there is none, or it is a large one."""
        try:
            node = self._node(path)
            data = b"" if node is None else os.pread(self._lower.reading(node), _MOST_READ + 1, 0)
        except OSError:
            return None
        return None if node is None or len(data) > _MOST_READ else data

    def read(self, path: bytes) -> bytes | None:
        """Give a small file of git's as it really is, never through a link; None where there is none."""
        try:
            opened = open_below(self._lower.root, os.fsdecode(path), os.O_RDONLY)
        except OSError:
            return None
        try:
            return os.read(opened, _MOST_READ) if stat.S_ISREG(os.fstat(opened).st_mode) else None
        except OSError:
            return None
        finally:
            os.close(opened)

    def stamp(self, path: bytes) -> object:
        """Give what is equal as long as a file or folder of git's is as it is; None where there is none."""
        try:
            opened = open_below(self._lower.root, os.fsdecode(path), os.O_PATH)
        except OSError:
            return None
        try:
            about = os.fstat(opened)
            return about.st_ino, about.st_mtime_ns, about.st_ctime_ns
        finally:
            os.close(opened)

    def _keep(self, paths: Iterable[bytes]) -> None:
        self._seen.update((path, None) for path in paths)
        while len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]

    def _node(self, path: bytes) -> Node | None:
        node = self._nodes.root
        for name in path.split(b"/"):
            if not node.is_folder:
                return None
            about = self._lower.about(node, name)
            mode = self._verdicts.at(node, name, about)
            if mode in CLOSED:
                return None
            known = self._nodes.find(about)
            lost_at = -inf if known is None else known.lost_at
            node = self._nodes.named(node, name, about)
            node.lost_at = lost_at  # the kernel has not asked for it by this name, as `named` takes it
            self._verdicts.learn(node, mode)
        return node if stat.S_ISREG(node.kind) else None


def _paths(node: Node) -> Iterable[bytes]:
    return [below(parent, name) for parent, name in node.names()]


class Git(Protocol):
    """Knows git's files; see `gitfiles.GitFiles`."""

    def is_index(self, path: bytes) -> bool:
        """Say whether a path is an index."""

    def moves_commits(self, path: bytes) -> bool:
        """Say whether git finds commits by this file."""

    def state(self, path: bytes) -> object:
        """Give what is equal as long as a file is as it is."""

    def begun(self) -> int:
        """Give how often a file has begun to show placeholders."""

    def shown(self, path: bytes, data: bytes, mtime_ns: int) -> Shown:
        """Give what the inside reads in an index with this content and modification time."""

    def real(self, path: bytes, data: bytes) -> bytes:
        """Give what is put on disk when the inside puts an index with this content in place."""


class Indexes:
    """The indexes that the kernel knows; none until `knows`. `tell` takes what the kernel must be told.

    `tell_now` tells it at once, and takes only that attributes are others: for that it waits for nobody.
    `prefix` is what stands before paths for whoever knows git's files: nothing, or, of a repository's own folder, where
    that is.
    """

    def __init__(
        self,
        lower: Lower,
        verdicts: Verdicts,
        tell: Callable[[bytes], None],
        tell_now: Callable[[bytes], None],
        prefix: bytes,
    ) -> None:
        self._prefix = prefix
        self._tell_now = tell_now
        self._lower = lower
        self._verdicts = verdicts
        self._git: Git | None = None
        self._tell = tell
        self._shown: dict[Node, tuple[Signature, Shown, int] | None] = {}  # with what `begun` was then
        self._count = 0

    def knows(self, git: Git) -> None:
        """Take what knows git's files, which itself asks the view for them."""
        self._git = git

    def role(self, node: Node) -> Role:
        """Say what a file is to git."""
        if node.role is None:
            node.role = Role.NONE
            if node.parent is not None and self._verdicts.of(node) is Mode.PASS:
                node.role = self._role_at(node.path())
        return node.role

    def is_index(self, path: bytes) -> bool:
        """Tell whether a path is an index."""
        return self._role_at(path) is Role.INDEX

    def moves_commits(self, path: bytes) -> bool:
        """Tell whether git finds commits by what stands at a path."""
        return self._git is not None and self._is_in_git(path) and self._git.moves_commits(self._prefix + path)

    def read(self, node: Node, offset: int, buffer: memoryview) -> int:
        """Read of what is shown of an index. Raises OSError."""
        descriptor = self._lower.reading(node)
        shown = self._seen(node, descriptor)
        if shown is None:
            return os.preadv(descriptor, (buffer,), offset)
        part = shown.data[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def later(self, node: Node) -> int:
        """Give the nanoseconds by which a file is shown as younger than it is: an index may be. Raises OSError."""
        role = self.role(node)
        if role is Role.INDEX:
            shown = self._seen(node, self._lower.reading(node))
            return 0 if shown is None else shown.later_ns + self._count  # another time, so that pages are read again
        # git keeps the time of the lock it has written for that of the index, as long as it runs
        is_lock = role is Role.OWN and node.name.endswith(_LOCK) and self.is_index(node.path()[: -len(_LOCK)])
        return _LOCK_LATER_NS if is_lock else 0

    def _seen(self, node: Node, descriptor: int) -> Shown | None:
        """Give what is shown of an index; None where that is not known."""
        about = os.fstat(descriptor)
        known = self._shown.get(node)
        if known is not None and known[0] == signature_of(about) and self._holds(known[1], known[2]):
            return known[1]
        if self._git is None or about.st_size > _MOST_INDEX:
            return None
        begun = self._git.begun()
        shown = self._git.shown(self._prefix + node.path(), os.pread(descriptor, about.st_size, 0), about.st_mtime_ns)
        self._shown[node] = signature_of(about), shown, begun
        self._count += 1
        return shown

    def _holds(self, shown: Shown, begun: int) -> bool:
        git = self._git
        return (
            git is not None and git.begun() == begun and all(git.state(path) == state for path, state in shown.depends)
        )

    def put(self, node: Node, path: bytes) -> None:
        """Make an index what it shall be that the inside puts at a path. Raises OSError."""
        descriptor = self._lower.reading(node)
        about = os.fstat(descriptor)
        if self._git is None or about.st_size > _MOST_INDEX:
            return
        data = os.pread(descriptor, about.st_size, 0)
        real = self._git.real(self._prefix + path, data)
        if real != data:
            descriptor = self._lower.writing(node)
            os.pwrite(descriptor, real, 0)
            os.ftruncate(descriptor, len(real))
            os.utime(descriptor, ns=(about.st_atime_ns, about.st_mtime_ns))  # git compares it with those of the entries
            node.reported = node.written = signature_of(os.fstat(descriptor))
        self._tell(wire.invalidate_node(node.number))

    def looked_at(self, node: Node) -> None:
        """Take notice that a file was looked at that git wrote before it put an index in place: it asks for it next."""
        self._tell_now(wire.invalidate_attributes(node.number))

    def stale(self) -> None:
        """Take notice that a file that shows placeholders is another."""
        for node, known in self._shown.items():
            if known is not None:
                self._shown[node] = None
                self._tell(wire.invalidate_node(node.number))

    def dropped(self, node: Node) -> None:
        """Take notice that the kernel has forgotten a file."""
        self._shown.pop(node, None)

    def _is_in_git(self, path: bytes) -> bool:
        return bool(self._prefix) or is_in_git(path)

    def _role_at(self, path: bytes) -> Role:
        if not self._is_in_git(path):
            return Role.NONE
        if self._git is not None and self._git.is_index(self._prefix + path):
            return Role.INDEX
        return Role.REFS if self.moves_commits(path) else Role.OWN


class FilesOfTwo:
    """The files of two views by their absolute paths, without `/` at the start: of ours, and of the one beside.

    What is asked of the one beside is asked under its lock; it never asks us.
    """

    def __init__(self, own: RealFiles, place: bytes, beside: RealFiles, other: bytes, lock: threading.Lock) -> None:
        self._own, self._place = own, place + b"/"
        self._beside, self._other = beside, other + b"/"
        self._lock = lock

    def masked_paths(self) -> Iterable[bytes]:
        """Give the paths that show placeholders, or may."""
        with self._lock:
            return [self._other + path for path in self._beside.masked_paths()]

    def begun(self) -> int:
        """Give how often a file of the working tree has begun to show placeholders."""
        return self._beside.begun()

    def masked(self, path: bytes) -> Masked | None:
        """Give such a file as it is now."""
        with self._lock:
            return self._beside.masked(path[len(self._other) :]) if path.startswith(self._other) else None

    def state(self, path: bytes) -> object:
        """Give what is equal as long as a file is as it is."""
        with self._lock:
            return self._beside.state(path[len(self._other) :]) if path.startswith(self._other) else None

    def content(self, path: bytes) -> bytes | None:
        """Give the real content of a file."""
        with self._lock:
            return self._beside.content(path[len(self._other) :]) if path.startswith(self._other) else None

    def read(self, path: bytes) -> bytes | None:
        """Give a small file of git's as it really is."""
        return self._own.read(path[len(self._place) :]) if path.startswith(self._place) else None

    def stamp(self, path: bytes) -> object:
        """Give what is equal as long as a file or folder of git's is as it is."""
        return self._own.stamp(path[len(self._place) :]) if path.startswith(self._place) else None


def place_of(root: int) -> bytes:
    """Give the absolute path of the folder behind a descriptor."""
    return bytes(Path(f"/proc/self/fd/{root}").readlink())
