"""The table of nodes: what the kernel knows by number, and under which names each stands.

What holds:
1. A file has one node whatever number of names (hard links) it has, so that all names show the same bytes at once.
2. A node lives as long as the kernel has looked it up and not forgotten it, also when its last name is gone.
3. A node that lost its last name keeps its key: it may have been moved. Where the file was removed, its inode number
   may come again for a new file; to the kernel that is the same file with other content. While a descriptor is open the
   number cannot come again.
Nothing in this module touches a file; names are bytes, without `/`.
"""

import enum
import os
import stat
import time
from collections.abc import Callable, Iterator
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from wrapper.view.wire import ROOT

if TYPE_CHECKING:
    from wrapper.view.contents import Content, Mode
    from wrapper.view.history import Work

Key = tuple[int, int]
"""Device and inode number."""
Signature = tuple[int, int, int]
"""Modification time and change time in nanoseconds, size: while it is the same, so is the content."""


class Role(enum.Enum):
    """What a file is to git."""

    NONE = "none"
    OWN = "own"  # one of git's own files
    INDEX = "index"
    REFS = "refs"  # git finds commits by it


class Row(NamedTuple):
    """One name of a folder: its number while the folder is known, inode number, kind (`DT_*` of readdir(3))."""

    number: int
    name: bytes
    inode: int
    kind: int
    mode: "Mode | None"


class Listed:
    """What a folder held when it was read, in its state then; None: it is to be read again.

    A name keeps its number, so that who reads on after names have come or gone misses none and reads none twice.
    """

    __slots__ = ("next", "numbers", "rows", "signature")

    def __init__(self) -> None:
        self.signature: Signature | None = None
        self.rows: list[Row] = []
        self.numbers: dict[bytes, int] = {}
        self.next = 1


def key_of(about: os.stat_result) -> Key:
    """Give what tells one file from another."""
    return about.st_dev, about.st_ino


def signature_of(about: os.stat_result) -> Signature:
    """Give what tells one state of a file from another."""
    return about.st_mtime_ns, about.st_ctime_ns, about.st_size


class Node:
    """One file, folder, link or special file. `parent` and `name` are one of its names; `others` the rest."""

    __slots__ = (
        "children",
        "content",
        "descriptor",
        "former",
        "has_pages",
        "is_folder",
        "is_insides",
        "is_kept",
        "is_own",
        "is_pinned",
        "is_writable",
        "key",
        "kind",
        "listing",
        "lookups",
        "lost_at",
        "mode",
        "name",
        "number",
        "others",
        "parent",
        "read_at",
        "read_bytes",
        "reported",
        "role",
        "work",
        "written",
    )

    def __init__(self, number: int, key: Key, kind: int) -> None:
        self.number = number
        self.key = key
        self.kind = kind
        self.is_folder = is_folder = kind == stat.S_IFDIR
        self.lookups = 0
        self.parent: Node | None = None
        self.name = b""
        self.others: set[tuple[Node, bytes]] | None = None
        self.children: dict[bytes, Node] | None = {} if is_folder else None
        self.descriptor = -1
        self.is_writable = False
        self.is_kept = False  # the descriptor must stay: no name leads to the file any more
        self.has_pages = False  # it was read: the kernel may hold pages of it
        self.mode: Mode | None = None
        self.is_insides = False  # the inside made it, and nothing has come into it but what the inside wrote
        self.is_own = False  # the inside made it, or gave it a name at which nothing stood
        self.former: bytes | None = None  # the path by which policy knew it, where the inside gave it a milder one
        self.is_pinned = False  # what is said of it above must not be forgotten
        self.content: Content | None = None
        self.work: Work | None = None
        self.listing: Listed | None = None
        self.reported: Signature | None = None  # the state that was told last
        self.written: Signature | None = None  # the state that we made last
        self.read_at = 0.0
        self.lost_at = -inf  # when the host took a name of it of which the kernel may not have heard yet
        self.read_bytes = 0
        self.role: Role | None = None

    def path(self) -> bytes:
        """Give its path relative to the root, without `/` at either end."""
        parts = []
        node = self
        while node.parent is not None:
            parts.append(node.name)
            node = node.parent
        return b"/".join(reversed(parts))

    @property
    def stays(self) -> bool:
        """Whether more is said of it here than can be found out again, should the kernel forget it."""
        return self.is_pinned or (self.content is not None and self.content.has_left)

    def unlist(self) -> None:
        """Take notice that a folder's names are others now."""
        if self.listing is not None:
            self.listing.signature = None

    def names(self) -> Iterator[tuple["Node", bytes]]:
        """Give every name: folder and name in it."""
        if self.parent is not None:
            yield self.parent, self.name
        yield from self.others or ()


def below(parent: Node, name: bytes) -> bytes:
    """Give the path of a name in a folder."""
    path = parent.path()
    return path + b"/" + name if path else name


def is_in_git(path: bytes) -> bool:
    """Tell whether a path lies in a folder `.git`."""
    return path.startswith(b".git/") or b"/.git/" in path


class Nodes:
    """All nodes of one view; `on_drop` hears of each node that is no more."""

    def __init__(self, about_root: os.stat_result, on_drop: Callable[[Node], None]) -> None:
        self._on_drop = on_drop
        self.root: Final = Node(ROOT, key_of(about_root), stat.S_IFDIR)
        self._by_number: dict[int, Node] = {ROOT: self.root}
        self._by_key: dict[Key, Node] = {self.root.key: self.root}
        self._next = ROOT + 1

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[Node]:
        return iter(tuple(self._by_number.values()))

    def get(self, number: int) -> Node:
        """Give the node of a number. Raises KeyError."""
        return self._by_number[number]

    def find(self, about: os.stat_result) -> Node | None:
        """Give the node of a file that is known by another name already, if any."""
        node = self._by_key.get(key_of(about))
        return node if node is not None and node.kind == stat.S_IFMT(about.st_mode) else None

    def named(self, parent: Node, name: bytes, about: os.stat_result, *, is_new: bool = False) -> Node:
        """Give the node that stands at a name, made if there is none; `is_new`: the file was made just now.

        What was known by this inode number before is another file then.
        """
        assert parent.children is not None  # noqa: S101 (the kernel asks for names in folders only)
        before = parent.children.get(name)
        key = key_of(about)
        if before is not None:
            if not is_new and before.key == key and before.kind == stat.S_IFMT(about.st_mode):
                before.lost_at = -inf
                return before
            self.lose(parent, name)
        node = self.find(about)
        if node is not None and node.parent is None and not node.is_kept:
            self._judge_anew(node)
        if node is None or is_new:
            node = Node(self._next, key, stat.S_IFMT(about.st_mode))
            self._next += 1
            self._by_number[node.number] = node
            self._by_key[key] = node
        elif node.is_folder and node.parent is not None:
            self._take_name(node, node.parent, node.name)  # a folder has one name: it was moved
        self._give_name(node, parent, name)
        node.lost_at = -inf
        return node

    def lose(self, parent: Node, name: bytes) -> None:
        """Take notice that the host took a name."""
        node = self.unname(parent, name)
        if node is not None:
            node.lost_at = time.monotonic()

    def unname(self, parent: Node, name: bytes) -> Node | None:
        """Take notice that a name is gone; give the node that had it."""
        node = (parent.children or {}).get(name)
        if node is not None:
            self._take_name(node, parent, name)
            self._drop_unused(node)
        return node

    def move(self, parent: Node, name: bytes, target: Node, new_name: bytes) -> None:
        """Take notice that a name was moved; what stood at the target is gone."""
        node = (parent.children or {}).get(name)
        there = (target.children or {}).get(new_name)
        if there is not None and there is not node:
            self.unname(target, new_name)
        if node is not None and there is not node:
            self._take_name(node, parent, name)
            self._give_name(node, target, new_name)

    def exchange(self, parent: Node, name: bytes, target: Node, new_name: bytes) -> None:
        """Take notice that two names were exchanged."""
        one, other = (parent.children or {}).get(name), (target.children or {}).get(new_name)
        if one is not None:
            self._take_name(one, parent, name)
        if other is not None:
            self._take_name(other, target, new_name)
            self._give_name(other, parent, name)
        if one is not None:
            self._give_name(one, target, new_name)

    def forget(self, number: int, count: int) -> None:
        """Take back lookups."""
        node = self._by_number.get(number)
        if node is not None:
            node.lookups -= count
            self._drop_unused(node)

    def _judge_anew(self, node: Node) -> None:
        """Take nothing for granted of a file that had no name: it was moved outside, or is new with an old number."""
        node.mode, node.former, node.is_own, node.is_pinned = None, None, False, False
        if node.content is not None:
            node.content.signature = None

    def _drop_unused(self, node: Node) -> None:
        waiting = [node]
        while waiting:
            one = waiting.pop()
            if one.lookups > 0 or one.children or one.number == ROOT or (one.stays and one.parent is not None):
                continue
            if self._by_number.pop(one.number, None) is None:
                continue
            if self._by_key.get(one.key) is one:
                del self._by_key[one.key]
            for parent, name in list(one.names()):
                self._take_name(one, parent, name)
                waiting.append(parent)
            self._on_drop(one)

    def _give_name(self, node: Node, parent: Node, name: bytes) -> None:
        assert parent.children is not None  # noqa: S101 (only folders hold names)
        parent.children[name] = node
        if node.parent is None:
            node.parent, node.name = parent, name
        elif (node.parent, node.name) != (parent, name):
            node.others = node.others or set()
            node.others.add((parent, name))

    def _take_name(self, node: Node, parent: Node, name: bytes) -> None:
        if (parent.children or {}).get(name) is node:
            assert parent.children is not None  # noqa: S101 (it has the name)
            del parent.children[name]
        if node.others:
            node.others.discard((parent, name))
        if node.parent is parent and node.name == name:
            node.parent, node.name = node.others.pop() if node.others else (None, b"")
