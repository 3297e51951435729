"""git's own files as the inside sees them: its index says of a masked file what the inside sees of it, and only then.

git takes a file for unchanged as long as its size, times and owner are those that its index holds (racy-git in git's
documentation). A file that shows placeholders has another size inside, so the index is shown with what the inside sees
for each such file, and written with what is true outside.

What holds:
1. A masked file looks unchanged inside only if it is outside: its content has the object id that the index holds, or
   its state is to the nanosecond the one that git has seen (a file that is changed on check-in: line ends, filters).
2. The inside never brings a value into git's objects, which it can read: `git add` of a masked file stages its
   placeholders, unless git has the real content already. What is staged so is made real outside, by the guard. Whether
   git has it still (git-gc(1), git-prune(1)) is seen by its file, or by the folder of packs being as it was.
3. git compares whole seconds and reads a file again that is as young as its index, and would find placeholders. So an
   index is shown as younger than the masked files that are unchanged. What git would have read again besides is read
   here; if it has changed it is marked as git itself marks such entries, with size 0. Folders that are as young as the
   index git reads again, too, so what it knows of their untracked files is shown as made for another question.
4. What the inside wrote into its own `.git` only decides which file of the view an entry is compared with.
"""

import hashlib
import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple, Protocol

from wrapper.plan.indexformat import IndexFormatError, object_id_bytes
from wrapper.view.gitindex import Entry, find, find_young, patched, without_untracked

_NANO: Final = 1_000_000_000
_MOST_YOUNG: Final = 5000  # files that are read because git would; git reads the others itself
_WORD: Final = 0xFFFFFFFF  # the index keeps the low 32 bits
_OWN: Final = frozenset((b"HEAD", b"packed-refs", b"refs", b"reftable"))  # gitrepository-layout(5)
_WORKTREE: Final = re.compile(rb'^[ \t]*worktree[ \t]*=[ \t]*"?((?:[^"\\\r\n;#]|\\.)*)', re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Masked:
    """A file that shows placeholders: its real state, its real content and what is shown, all of one moment."""

    about: os.stat_result
    real: bytes
    shown: bytes


class Shown(NamedTuple):
    """An index as the inside sees it: as long as the real one, its mtime later by `later_ns` nanoseconds.

    It holds as long as the files of `depends` are in these states.
    """

    data: bytes
    later_ns: int = 0
    depends: Sequence[tuple[bytes, object]] = ()


class Files(Protocol):
    """What the view knows of its files; paths are relative to its root."""

    def masked_paths(self) -> Iterable[bytes]:
        """Give the paths that show placeholders, or may."""

    def begun(self) -> int:
        """Give how often a file has begun to show placeholders: then there may be more of these paths."""

    def masked(self, path: bytes) -> Masked | None:
        """Give such a file as it is now; None where it is gone or shown as it is."""

    def state(self, path: bytes) -> object:
        """Give what is equal as long as a file is as it is; None where there is none."""

    def content(self, path: bytes) -> bytes | None:
        """Give the real content of a file that is not masked; None where there is none, or it is a large one."""

    def read(self, path: bytes) -> bytes | None:
        """Give a small file of git's as it really is, never through a link; None where there is none."""

    def stamp(self, path: bytes) -> object:
        """Give what is equal as long as a file or folder of git's is as it is; None where there is none."""


class GitFiles:
    """Says which files are git's, and what the inside sees of an index.

    `root` is the absolute path of the view; paths are relative to it. `repository` is that of a folder which is a
    repository's own, whatever its name (`.bare`, with its worktrees beside it); others are called `.git`.
    """

    def __init__(self, files: Files, root: bytes, repository: bytes = b"") -> None:
        self._files = files
        self._root = root.rstrip(b"/")
        self._repository = repository + b"/" if repository else b""
        # by the repository's folder, what an index of it held of real contents: git has these there, not elsewhere
        self._held: dict[bytes, _Held] = {}

    def is_index(self, path: bytes) -> bool:
        """Say whether a path is an index: of a repository, a worktree of it or a submodule."""
        if not path.endswith(b"/index"):
            return False
        below = self._below(path)
        return below == b"index" or below.startswith((b"worktrees/", b"modules/"))

    def moves_commits(self, path: bytes) -> bool:
        """Say whether git finds commits by this file, or by files in this folder; locks do not count.

        In `modules/` a submodule's name cannot be told from its folders, so some logs count, too.
        """
        if path.endswith(b".lock"):
            return False
        parts = self._below(path).split(b"/")
        if parts[0] == b"worktrees":
            parts = parts[2:]
        if parts[:1] == [b"modules"]:
            return not _OWN.isdisjoint(parts[2:])
        return not _OWN.isdisjoint(parts[:1])

    def state(self, path: bytes) -> object:
        """Give what is equal as long as a file is as it is."""
        return self._files.state(path)

    def begun(self) -> int:
        """Give how often a file has begun to show placeholders."""
        return self._files.begun()

    def shown(self, path: bytes, data: bytes, mtime_ns: int) -> Shown:
        """Give what the inside reads in an index with this content and modification time."""
        id_bytes = self._id_bytes(path)
        prefix = self._prefix(path)
        if prefix is None:
            return Shown(data)
        try:
            wanted = self._wanted(prefix)
            states = [(prefix + name, self._files.state(prefix + name)) for name in sorted(wanted)]
            inside = partial(self._as_inside, self._held_by(path))
            masked = self._changes(prefix, find(data, wanted, object_id_bytes=id_bytes), inside)
            if not masked:
                return Shown(data, depends=states)
            second = mtime_ns // _NANO & _WORD
            ahead = max(changed.mtime[0] for _, changed in masked) - second + 1
            changes = masked
            if ahead > 0:
                spared = {entry.offset for entry, _ in masked}
                young = [one for one in find_young(data, second, object_id_bytes=id_bytes) if one.offset not in spared]
                states += [(prefix + one.path, self._files.state(prefix + one.path)) for one in young[:_MOST_YOUNG]]
                changes = [*masked, *self._suspected(prefix, young)]
                data = without_untracked(data, object_id_bytes=id_bytes)
            data = patched(data, changes, object_id_bytes=id_bytes)
            return Shown(data, max(0, ahead) * _NANO, states)
        except IndexFormatError:
            return Shown(data)  # git will say what is wrong with it

    def _suspected(self, prefix: bytes, young: Sequence[Entry]) -> Iterator[tuple[Entry, Entry]]:
        """Mark what git would find changed if it read it (racy-git in its documentation), and what is not read here."""
        for place, entry in enumerate(young):
            if entry.stage or not stat.S_ISREG(entry.mode):
                continue
            content = self._files.content(prefix + entry.path) if place < _MOST_YOUNG else None
            if content is None or _id_of(content, entry) != entry.object_id:
                yield entry, replace(entry, size=0)

    def real(self, path: bytes, data: bytes) -> bytes:
        """Give what is put on disk when the inside puts an index with this content in place."""
        id_bytes = self._id_bytes(path)
        prefix = self._prefix(path)
        if prefix is None:
            return data
        try:
            entries = find(data, self._wanted(prefix), object_id_bytes=id_bytes)
            if self._files.read(path) is None:
                self._held.pop(posixpath.dirname(path), None)  # its first index: another repository may have stood here
            changes = self._changes(prefix, entries, partial(self._as_outside, self._held_by(path)))
            return patched(data, changes, object_id_bytes=id_bytes) if changes else data
        except IndexFormatError:
            return data

    def _below(self, path: bytes) -> bytes:
        """Give the path below the innermost repository's folder; empty outside of any."""
        below = _below_git(path)
        if not below and self._repository and path.startswith(self._repository):
            return path[len(self._repository) :]
        return below

    def _changes(self, prefix: bytes, entries: Sequence[Entry], change: "_Change") -> list[tuple[Entry, Entry]]:
        """Give those entries of masked files for which `change` has an answer: as found, as it shall be."""
        changes: list[tuple[Entry, Entry]] = []
        for entry in entries:
            if entry.stage or not stat.S_ISREG(entry.mode):
                continue
            file = self._files.masked(prefix + entry.path)
            changed = None if file is None else change(entry, file)
            if changed is not None:
                changes.append((entry, changed))
        return changes

    def _prefix(self, path: bytes) -> bytes | None:
        """Give what stands before the names in an index: its working tree with `/`; None where that is elsewhere."""
        tree = self._tree(posixpath.dirname(path))
        return tree + b"/" if tree else tree

    def _wanted(self, prefix: bytes) -> set[bytes]:
        return {path[len(prefix) :] for path in self._files.masked_paths() if path.startswith(prefix)}

    def _id_bytes(self, path: bytes) -> int:
        folder = posixpath.dirname(path)
        return object_id_bytes(self._files.read(posixpath.join(self._common(folder), b"config")) or b"")

    def _held_by(self, path: bytes) -> "_Held":
        """Give what git is known to have where an index lies."""
        common = self._common(posixpath.dirname(path))
        return self._held.setdefault(common, _Held(self._files, common + b"/objects/"))

    def _as_inside(self, held: "_Held", entry: Entry, file: Masked) -> Entry | None:
        if entry.object_id == _id_of(file.real, entry) or _is_exactly(entry, file.about):
            held.add(entry.object_id)
        elif entry.object_id != _id_of(file.shown, entry):
            return None
        return _stated(entry, file.about, len(file.shown))

    def _as_outside(self, held: "_Held", entry: Entry, file: Masked) -> Entry | None:
        found = entry
        for real, shown in _as_stored(file):
            if entry.object_id == _id_of(shown, entry) and _id_of(real, entry) in held:
                entry = replace(entry, object_id=_id_of(real, entry))
        if entry.object_id == _id_of(file.real, entry):
            held.add(entry.object_id)
            return _stated(entry, file.about, len(file.real))
        is_seen = _is_like(entry, _stated(entry, file.about, len(file.shown)))
        is_clean = is_seen and entry.object_id in held
        if is_clean:
            return _stated(entry, file.about, len(file.real))
        return entry if entry is not found else None

    def _tree(self, folder: bytes) -> bytes | None:
        """Give the working tree of a repository's folder that has the index; None where it is not in the view."""
        above, name = posixpath.split(folder)
        if name == b".git":
            return above
        named = self._files.read(folder + b"/gitdir")  # of a worktree: it names the `.git` file there
        if named is not None:
            return self._within(folder, posixpath.dirname(named.split(b"\n", 1)[0]))
        found = _WORKTREE.search(self._files.read(folder + b"/config") or b"")
        return None if found is None else self._within(folder, re.sub(rb"\\(.)", rb"\1", found[1]).strip())

    def _within(self, folder: bytes, named: bytes) -> bytes | None:
        place = posixpath.normpath(posixpath.join(self._root or b"/", folder, named))
        if place == self._root:
            return b""
        return place[len(self._root) + 1 :] if place.startswith(self._root + b"/") else None

    def _common(self, folder: bytes) -> bytes:
        """Give the folder with `config`: the main repository's for a worktree."""
        named = self._files.read(folder + b"/commondir")
        common = folder if named is None else self._within(folder, named.split(b"\n", 1)[0])
        return folder if common is None else common


_Change = Callable[[Entry, Masked], Entry | None]


class _Held:
    """Ids of objects that git is known to have, below the folder `objects`, since an index named them."""

    def __init__(self, files: Files, objects: bytes) -> None:
        self._files = files
        self._objects = objects
        self._packs: dict[bytes, object] = {}  # by an id, what the packs were like; None for one with a file of its own

    def add(self, object_id: bytes) -> None:
        self._packs[object_id] = None if self._is_loose(object_id) else self._files.stamp(self._objects + b"pack")

    def __contains__(self, object_id: bytes) -> bool:
        if object_id not in self._packs:
            return False
        packs = self._packs[object_id]
        return self._is_loose(object_id) or (packs is not None and packs == self._files.stamp(self._objects + b"pack"))

    def _is_loose(self, object_id: bytes) -> bool:
        name = object_id.hex().encode()
        return self._files.stamp(self._objects + name[:2] + b"/" + name[2:]) is not None


def _below_git(path: bytes) -> bytes:
    """Give the path below the innermost `.git`; empty outside of any."""
    return (b"/" + path).rpartition(b"/.git/")[2] if b"/.git/" in b"/" + path else b""


def _as_stored(file: Masked) -> Iterator[tuple[bytes, bytes]]:
    """Yield real and shown content as git may store them: as they are, and with line ends made LF."""
    yield file.real, file.shown
    if b"\r\n" in file.real:
        yield file.real.replace(b"\r\n", b"\n"), file.shown.replace(b"\r\n", b"\n")


def _id_of(content: bytes, entry: Entry) -> bytes:
    """Give the object id of a blob, of the kind that the entry has (gitformat-loose, git-hash-object(1))."""
    kind = "sha1" if len(entry.object_id) == 20 else "sha256"
    return hashlib.new(kind, b"blob %d\0%b" % (len(content), content), usedforsecurity=False).digest()


def _stated(entry: Entry, about: os.stat_result, size: int) -> Entry:
    """Give the entry with the state of a file as git keeps it."""
    return replace(
        entry,
        ctime=(about.st_ctime_ns // _NANO & _WORD, about.st_ctime_ns % _NANO),
        mtime=(about.st_mtime_ns // _NANO & _WORD, about.st_mtime_ns % _NANO),
        inode=about.st_ino & _WORD,
        uid=about.st_uid & _WORD,
        gid=about.st_gid & _WORD,
        size=size & _WORD,
    )


def _is_like(entry: Entry, other: Entry) -> bool:
    """Compare as git does, and nanoseconds where the entry has any: not every program writes them."""
    numbers = (entry.ctime[0], entry.mtime[0], entry.inode, entry.uid, entry.gid, entry.size)
    if numbers != (other.ctime[0], other.mtime[0], other.inode, other.uid, other.gid, other.size):
        return False
    return entry.ctime[1] in {0, other.ctime[1]} and entry.mtime[1] in {0, other.mtime[1]}


def _is_exactly(entry: Entry, about: os.stat_result) -> bool:
    """Tell whether git has seen this very state: with nanoseconds, so that a younger change would show."""
    return entry.ctime[1] != 0 and _is_like(entry, _stated(entry, about, about.st_size))
