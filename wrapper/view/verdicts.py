"""What policy says of what stands at a name, and what the inside may do there.

Rules:
1. Of all names that a file has, and of what policy knows of its inode, the strictest holds.
2. The inside cannot make a verdict milder: what it moves or links keeps what its former path said, and so does all that
   lies in a folder that it moves, its own folders as well: values may have been restored in what lies there.
3. What the inside made at a name where nothing stood is judged as its own, wherever it moves it.
4. Where a verdict hangs on that, the node stays when the kernel forgets it.
"""

import os
import stat
from collections.abc import Callable
from typing import Final

from wrapper.view.contents import CLOSED, Judge, Mode, forbidden
from wrapper.view.nodes import Key, Node, Nodes, below, key_of

_STRENGTH: Final = {
    mode: strength for strength, mode in enumerate((Mode.PASS, Mode.KNOWN, Mode.SCAN, Mode.MASK, Mode.HIDE, Mode.DENY))
}
_KINDS: Final = frozenset((stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK))
_MOST_REFUSED: Final = 4096  # paths told as refused: the inside can think of any number of them


def stricter(one: Mode, other: Mode | None) -> Mode:
    """Give the stricter of two verdicts."""
    return one if other is None or _STRENGTH[one] >= _STRENGTH[other] else other


class Verdicts:
    """Asks the judge, and keeps the answers in the nodes; `refused` hears of each protected path that was tried."""

    def __init__(self, nodes: Nodes, judge: Judge, refused: Callable[[bytes], None]) -> None:
        self._nodes = nodes
        self._judge = judge
        self._refused = refused
        self._told: set[bytes] = set()
        self._has_moved = False

    def of(self, node: Node) -> Mode:
        """Give what holds for a node."""
        if node.mode is None:
            node.mode = self._judged(node)
        return node.mode

    def at(self, parent: Node, name: bytes, about: os.stat_result, by_name: Mode | None = None) -> Mode:
        """Give what holds for what stands at a name; `by_name` is what policy says of the name, where that is known."""
        key, is_folder = key_of(about), stat.S_ISDIR(about.st_mode)
        node = (parent.children or {}).get(name)
        if node is not None and node.key == key and node.mode is not None:
            return node.mode
        is_own = node is not None and node.key == key and node.is_own
        mode = by_name
        if mode is None or is_own:
            mode = self._by_name(parent, name, is_folder=is_folder, is_own=is_own)
        if is_folder:
            return mode
        if about.st_nlink > 1 and (other := self._nodes.find(about)) is not None:
            mode = stricter(mode, other.mode)
        return stricter(mode, self._judge.by_inode(key))

    def of_row(self, parent: Node, name: bytes, path: bytes, key: Key, *, is_folder: bool) -> Mode:
        """Give what policy says of a name that was read from a folder; `path` is its path."""
        node = (parent.children or {}).get(name)
        if node is not None and node.key == key and node.mode is not None:
            return node.mode
        mode = self._by_path(path, parent, name, is_folder=is_folder, is_own=False)
        return mode if is_folder else stricter(mode, self._judge.by_inode(key))

    def hides(self, parent: Node, name: bytes, about: os.stat_result, mode: Mode) -> bool:
        """Tell whether the inside does not see what stands at a name.

        A socket, pipe or device of the host's is not seen: whoever opens it talks to a process outside.
        """
        if stat.S_IFMT(about.st_mode) not in _KINDS:
            node = (parent.children or {}).get(name)
            if node is None or node.key != key_of(about) or not node.is_own:
                return True
        return mode is Mode.HIDE

    def learn(self, node: Node, mode: Mode) -> bool:
        """Keep what holds by one of a node's names; True when it is stricter than what held before."""
        before = node.mode
        node.mode = mode if before is None else stricter(mode, before)
        return before is not None and node.mode is not before

    def must_be_makeable(self, path: bytes, *, is_folder: bool, is_own: bool = True) -> None:
        """Raise OSError where nothing may be made at a path."""
        self.must_be_free_at(path)
        if self._judge.by_name(path, is_folder=is_folder, is_own=is_own) in CLOSED:
            raise forbidden()

    def must_be_free_at(self, path: bytes) -> None:
        """Raise OSError where a path is protected, or lies in a folder of which that is said."""
        if self._judge.is_protected(path):
            self._refuse(path)

    def is_protected(self, path: bytes) -> bool:
        """Say whether a path is protected, without telling of it."""
        return self._judge.is_protected(path)

    def must_be_removable(self, path: bytes) -> None:
        """Raise OSError where what stands at a path must stay there."""
        if not self._judge.may_go(path):
            self.must_be_free_at(path)

    def must_be_free(self, node: Node) -> None:
        """Raise OSError where any name of a node is protected."""
        if node.parent is not None:
            self.must_be_free_at(below(node.parent, node.name))
        for parent, name in node.others or ():
            self.must_be_free_at(below(parent, name))

    def must_be_movable(self, path: bytes) -> None:
        """Raise OSError where a folder must stay where it is."""
        if self._judge.is_held(path):
            self._refuse(path)
        self.must_be_removable(path + b"/*")  # in whose name all in it is protected

    def must_not_lead(self, path: bytes) -> None:
        """Raise OSError where a link would stand in the place of a folder in which something is protected."""
        if self._judge.holds_protected(path):
            self._refuse(path)

    def made(self, node: Node, path: bytes = b"") -> None:
        """Take notice that the inside made a node, or gave it a name where nothing stood: `path`, if that is known."""
        node.is_own, node.mode = True, None
        if node.parent is not None and not node.is_pinned:
            path, is_special = path or node.path(), node.kind not in _KINDS
            hangs = self._judge.by_name(path, is_folder=node.is_folder) is not self.of(node)
            node.is_pinned = is_special or hangs

    def moved(self, node: Node, path: bytes, mode: Mode) -> None:
        """Take notice that the inside gave a node another name than `path`, at which `mode` held."""
        node.mode = None
        if node.is_folder:
            node.former, node.is_pinned, self._has_moved = node.former or path, True, True
        elif _STRENGTH[self.of(node)] < _STRENGTH[mode]:
            node.former, node.is_pinned, node.mode = node.former or path, True, None

    def linked(self, node: Node, path: bytes, parent: Node, name: bytes) -> bool:
        """Take notice that a file has this name, too, or only this one; True when something else holds now.

        `path` is another name that policy knew it by.
        """
        mode, by_name = self.of(node), self._by_name(parent, name, is_folder=False, is_own=node.is_own)
        if _STRENGTH[by_name] < _STRENGTH[mode]:
            node.former, node.is_pinned = node.former or path, True
        return self.learn(node, by_name)

    def policy_path(self, node: Node) -> bytes:
        """Give the path by which policy knew a node before the inside moved it or what it lies in."""
        if node.former is not None:
            return node.former
        if node.parent is None:
            return b""
        return self._formerly(node.parent, node.name) or node.path()

    def by_path(self, path: bytes) -> Mode:
        """Give what policy says of a file by its path alone."""
        return self._judge.by_name(path, is_folder=False)

    def passes(self, path: bytes) -> bool:
        """Tell whether a file is shown as it is by this path alone: so does the next session, which knows no other."""
        return self.by_path(path) is Mode.PASS

    def lasting(self, node: Node) -> Mode:
        """Give the mildest of what holds for a file and of what one of its names alone says: the next session's."""
        modes = (self.of(node), *(self.by_path(below(parent, name)) for parent, name in node.names()))
        return min(modes, key=_STRENGTH.__getitem__)

    def passes_by_name(self, node: Node) -> bool:
        """Tell whether that is so by one of a file's names."""
        return any(self.passes(below(parent, name)) for parent, name in node.names())

    def _judged(self, node: Node) -> Mode:
        mode = Mode.PASS if node.parent is not None or node.former is not None else Mode.SCAN
        for parent, name in node.names():
            mode = stricter(mode, self._by_name(parent, name, is_folder=node.is_folder, is_own=node.is_own))
        if node.former is not None:
            mode = stricter(mode, self._judge.by_name(node.former, is_folder=node.is_folder))
        return mode if node.is_folder else stricter(mode, self._judge.by_inode(node.key))

    def _by_name(self, parent: Node, name: bytes, *, is_folder: bool, is_own: bool) -> Mode:
        return self._by_path(below(parent, name), parent, name, is_folder=is_folder, is_own=is_own)

    def _by_path(self, path: bytes, parent: Node, name: bytes, *, is_folder: bool, is_own: bool) -> Mode:
        mode = self._judge.by_name(path, is_folder=is_folder, is_own=is_own)
        if self._has_moved and (former := self._formerly(parent, name)) is not None:
            return stricter(mode, self._judge.by_name(former, is_folder=is_folder, is_own=is_own))
        return mode

    def _formerly(self, parent: Node, name: bytes) -> bytes | None:
        parts, node = [name], parent
        while node.parent is not None:
            if node.former is not None:
                return b"/".join((node.former, *reversed(parts)))
            parts.append(node.name)
            node = node.parent
        return None

    def _refuse(self, path: bytes) -> None:
        if path not in self._told and len(self._told) < _MOST_REFUSED:
            self._told.add(path)
            self._refused(path)
        raise forbidden()
