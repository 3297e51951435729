"""What files there are below a folder: walked without following links, in an order that is always the same.

Of a repository's own folder what git knows by its name is left to git, and all else is listed: what stands there, too,
is in the corpus. A link to something within the folder is left out, since that is read where it stands. Every other
thing that is no plain file is listed, too: its reader says that it could not be read, so nothing is left out silently.
"""

import os
import stat
from collections.abc import Iterator
from typing import Final, NamedTuple

from wrapper.corpus.policy import Paths
from wrapper.policy import globs

_INCLUDED, _NOT_INCLUDED, _EXCLUDED, _NOT_EXCLUDED = range(4)
_GIT: Final = b".git"
_GITS: Final = frozenset({  # gitrepository-layout(5), and what git writes beside
    b"HEAD", b"FETCH_HEAD", b"ORIG_HEAD", b"MERGE_HEAD", b"AUTO_MERGE", b"REBASE_HEAD", b"CHERRY_PICK_HEAD",
    b"REVERT_HEAD", b"COMMIT_EDITMSG", b"MERGE_MSG", b"MERGE_MODE", b"branches", b"config", b"config.worktree",
    b"description", b"gitk.cache", b"gc.log", b"gc.pid", b"hooks", b"index", b"info", b"logs", b"objects",
    b"packed-refs", b"refs", b"reftable", b"shallow", b"worktrees", b"commondir", b"gitdir",
})  # fmt: skip


class Entry(NamedTuple):
    """One thing below a folder, by its path from there; `stamp` changes when its content does."""

    name: bytes
    size: int
    stamp: str


class Chosen:
    """Which paths the policy wants read; within one list, the last pattern that matches decides."""

    def __init__(self, paths: Paths) -> None:
        self._has_include = any(not pattern.startswith("!") for pattern in paths.include)
        self._takes_back = any(pattern.startswith("!") for pattern in paths.exclude)
        listed = [(pattern, _INCLUDED) for pattern in paths.include] + [(one, _EXCLUDED) for one in paths.exclude]
        patterns = [
            globs.Pattern(pattern.removeprefix("!"), list_ + pattern.startswith("!"), place)
            for place, (pattern, list_) in enumerate(listed)
        ]
        self._matcher = globs.PathMatcher(patterns, 4) if patterns else None

    def reads(self, name: str) -> bool:
        """Say whether a file is read."""
        if self._matcher is None:
            return True
        best = self._matcher.best(name) or (-1, -1, -1, -1)
        is_in = not self._has_include or best[_INCLUDED] > best[_NOT_INCLUDED]
        return is_in and best[_EXCLUDED] <= best[_NOT_EXCLUDED]

    def enters(self, folder: str) -> bool:
        """Say whether anything in a folder can be read."""
        if self._matcher is None or self._takes_back:
            return True
        best = self._matcher.best(f"{folder}/")
        return best is None or best[_EXCLUDED] < 0


def walk(root: bytes, chosen: Chosen) -> Iterator[Entry | bytes]:
    """List what stands below `root`; a repository's own folder comes as its path (bytes)."""
    real = os.path.realpath(root)
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            yield Entry(folder or b".", 0, "")
            continue
        deeper = []
        is_gits = looks_bare(os.path.join(root, folder))
        for entry in entries:
            name = os.path.join(folder, entry.name)
            if is_gits and entry.name in _GITS:
                continue
            if entry.name == _GIT or _is_bare(entry):
                yield name
                deeper += [name] if entry.is_dir(follow_symlinks=False) else []
            elif entry.is_dir(follow_symlinks=False):
                deeper += [name] if chosen.enters(text(name)) else []
            elif chosen.reads(text(name)) and not _leads_within(entry, real):
                yield _entry(entry, name)
        waiting += reversed(deeper)


def text(name: bytes) -> str:
    """Give the form of a name that patterns are matched with."""
    return name.decode("utf-8", "surrogateescape")


def _is_bare(entry: "os.DirEntry[bytes]") -> bool:
    return entry.is_dir(follow_symlinks=False) and looks_bare(entry.path)


def looks_bare(folder: bytes) -> bool:
    """Say whether a folder is laid out as gitrepository-layout(5) says of one without files beside it."""
    parts = (b"HEAD", b"objects", b"refs")
    return all(os.path.exists(os.path.join(folder, part)) for part in parts)


def _leads_within(entry: "os.DirEntry[bytes]", root: bytes) -> bool:
    if not entry.is_symlink():
        return False
    target = os.path.realpath(entry.path)
    return os.path.exists(target) and os.path.commonpath([root, target]) == root


def stamp_of(found: os.stat_result) -> str:
    """Give what changes with a file's content."""
    return f"{found.st_size} {found.st_mtime_ns}"


def _entry(entry: "os.DirEntry[bytes]", name: bytes) -> Entry:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return Entry(name, 0, "")
    return Entry(name, found.st_size if stat.S_ISREG(found.st_mode) else 0, stamp_of(found))
