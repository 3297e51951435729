"""Commits made anew with real values: which blobs, trees, commits and tags stand for which others.

What holds:
1. A blob is new, and looked at, where no old parent has it at the same place; one that holds a placeholder of ours
   stands for another with the value. Binary ones stay, since a value of another length would break them, and are told.
2. A commit is made anew if its tree or a parent is; author, dates, message and all else stay byte for byte. A message
   is no file: a placeholder in it stays, or the value would be told to all who read the history.
3. A subtree that an old parent has is not opened, and none twice: work follows what is new, not the size of the tree.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Protocol

from wrapper.guard.objectforms import Item, ObjectFormError, items, links, relinked, retargeted, target, tree_of

_MARK: Final = b"MASKED-"
_BINARY_HEAD: Final = 8000  # git's own rule for a binary file (gitattributes(5), buffer_is_binary in its source)
_MOST_PATHS: Final = 100
_MOST_ITEMS: Final = 5_000_000  # of all trees that are opened in one look
_DEEPEST: Final = 200  # folders in folders: three calls each, and the interpreter's stack ends at a thousand


class Store(Protocol):
    """Objects by their ids (hexadecimal digits)."""

    id_bytes: int

    def read(self, object_id: str) -> tuple[bytes, bytes] | None:
        """Give kind and content; None for what is missing or too large."""

    def add(self, kind: bytes, content: bytes) -> str:
        """Make an object; give its id."""


@dataclass(frozen=True, slots=True)
class Finds:
    """Paths of files with placeholders that have values, and of those that keep theirs; some, where they are many."""

    text: frozenset[bytes] = frozenset()
    binary: frozenset[bytes] = frozenset()

    def __or__(self, other: "Finds") -> "Finds":
        if not (other.text or other.binary):
            return self
        return Finds(_some(self.text, other.text), _some(self.binary, other.binary))

    def below(self, folder: bytes) -> "Finds":
        """Give the same paths seen from the folder above."""
        return Finds(*(frozenset(folder + b"/" + path for path in paths) for paths in (self.text, self.binary)))


_NOTHING: Final = Finds()


def _some(paths: frozenset[bytes], more: frozenset[bytes]) -> frozenset[bytes]:
    """Give no more than are told: trees that hold each other many times have more paths than any memory."""
    if len(paths) >= _MOST_PATHS or not more:
        return paths
    return frozenset(islice((*paths, *(more - paths)), _MOST_PATHS))


@dataclass(slots=True)
class Rewriting:
    """One look at new commits, which come parents first. `restored` as the view has it.

    `blobs` and `commits` say what stands for what, `finds` what is in each commit and its new ancestors, `unsigned`
    which commits and tags have lost a signature, or have such an ancestor. Raises ObjectFormError, and what the store
    raises.
    """

    store: Store
    restored: Callable[[bytes], bytes]
    blobs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)
    finds: dict[str, Finds] = field(default_factory=dict)
    unsigned: set[str] = field(default_factory=set)
    _clean: set[str] = field(default_factory=set)
    _binary: set[str] = field(default_factory=set)
    _trees: dict[str, tuple[str, Finds]] = field(default_factory=dict)
    _left: int = _MOST_ITEMS

    def commit(self, commit: str) -> None:
        """Make a commit anew if it must be."""
        data = self._content(commit, b"commit")
        tree, parents = links(data)
        old = [self._tree_of(parent) for parent in parents if parent not in self.commits]
        new_tree, finds = self._tree(tree, [one for one in old if one], 0)
        new_parents = [self.commits.get(parent, parent) for parent in parents]
        self.commits[commit] = commit
        if (new_tree, new_parents) != (tree, parents):
            made, was_signed = relinked(data, new_tree, new_parents)
            self.commits[commit] = self.store.add(b"commit", made)
            if was_signed or not self.unsigned.isdisjoint(parents):
                self.unsigned.add(commit)
        for parent in parents:
            finds |= self.finds.get(parent, _NOTHING)
        self.finds[commit] = finds

    def tip(self, object_id: str) -> tuple[str, Finds]:
        """Say what stands for that which a ref names: a commit, or a tag of one (of a tag …), or a file or folder."""
        if object_id in self.commits:
            return self.commits[object_id], self.finds[object_id]
        chain: list[tuple[str, bytes]] = []
        named = object_id
        while named not in self.commits:
            found = self.store.read(named)
            if found is not None and found[0] == b"blob":
                self.commits[named], self.finds[named] = self._blob(named, named.encode())
                continue
            if found is not None and found[0] == b"tree":
                self.commits[named], self.finds[named] = self._tree(named, [], 0)
                continue
            if found is None or found[0] != b"tag" or len(chain) > _DEEPEST:
                return object_id, _NOTHING
            chain.append((named, found[1]))
            named = target(found[1])[0]
        finds, new = self.finds[named], self.commits[named]
        for tag, data in reversed(chain):
            if new == named:
                return object_id, finds
            made, was_signed = retargeted(data, {named: new})
            if was_signed or named in self.unsigned:
                self.unsigned.add(tag)
            named, new = tag, self.store.add(b"tag", made)
        return new, finds

    def old_ancestor(self, commit: str) -> str:
        """Give the first commit, from parent to first parent, that is not new; empty if there is none."""
        while commit in self.commits:
            parents = links(self._content(commit, b"commit"))[1]
            commit = parents[0] if parents else ""
        return commit

    def staged(self, entries: Iterable[tuple[bytes, str]]) -> tuple[Mapping[str, str], Finds]:
        """Look at new blobs of an index, as path and id; give what stands for them."""
        finds = _NOTHING
        for path, blob in entries:
            finds |= self._blob(blob, path)[1]
        return self.blobs, finds

    def _tree_of(self, commit: str) -> str:
        found = self.store.read(commit)
        return links(found[1])[0] if found is not None and found[0] == b"commit" else ""

    def _tree(self, tree: str, old: list[str], depth: int) -> tuple[str, Finds]:
        """Say what stands for a tree; `old` are those that old parents have in its place."""
        known = self._trees.get(tree)
        if known is None:
            known = (tree, _NOTHING) if tree in old else self._opened(tree, old, depth)
            self._trees[tree] = known
        return known

    def _opened(self, tree: str, old: list[str], depth: int) -> tuple[str, Finds]:
        if depth > _DEEPEST:
            raise ObjectFormError("folders too deep in each other")
        found = self._items(tree)
        before = [{item.name: item for item in self._items(one)} for one in old]
        new, finds = [], _NOTHING
        for item in found:
            there = [one[item.name] for one in before if item.name in one]
            new_id, more = self._item(item, there, depth)
            new.append(item if new_id == item.id else Item(item.mode, item.name, new_id))
            finds |= more
        return (tree, finds) if new == found else (self.store.add(b"tree", tree_of(new)), finds)

    def _item(self, item: Item, there: list[Item], depth: int) -> tuple[str, Finds]:
        if item.is_folder:
            new, finds = self._tree(item.id, [one.id for one in there if one.is_folder], depth + 1)
            return new, finds.below(item.name)
        if not item.is_file:
            return item.id, _NOTHING
        if any(one.id == item.id for one in there):
            self._clean.add(item.id)
            return item.id, _NOTHING
        return self._blob(item.id, item.name)

    def _blob(self, blob: str, name: bytes) -> tuple[str, Finds]:
        if blob not in self._clean and blob not in self.blobs and blob not in self._binary:
            self._look(blob)
        if blob in self._binary:
            return blob, Finds(binary=frozenset((name,)))
        return (self.blobs[blob], Finds(frozenset((name,)))) if blob in self.blobs else (blob, _NOTHING)

    def _look(self, blob: str) -> None:
        found = self.store.read(blob)
        content = b"" if found is None else found[1]
        real = self.restored(content) if _MARK in content else content
        if real == content:
            self._clean.add(blob)
        elif b"\0" in content[:_BINARY_HEAD]:
            self._binary.add(blob)
        else:
            self.blobs[blob] = self.store.add(b"blob", real)

    def _items(self, tree: str) -> list[Item]:
        found = items(self._content(tree, b"tree"), self.store.id_bytes)
        self._left -= len(found)
        if self._left < 0:
            raise ObjectFormError("trees too large to be looked at")
        return found

    def _content(self, object_id: str, kind: bytes) -> bytes:
        found = self.store.read(object_id)
        if found is None or found[0] != kind:
            raise ObjectFormError(f"a {kind.decode()} that is missing or too large")
        return found[1]
