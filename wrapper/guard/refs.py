"""Where a repository's refs stand, read and moved by git; the stash's list, which git keeps in a log.

Two questions are asked. `read`: what leads to work of this repository's own? Branches, tags, the stash, each HEAD that
stands on a commit of its own, and whatever else a tool keeps commits by (`refs/original`, `refs/replace`): not what
another repository had (`refs/remotes`), nor notes, which are no files but messages. `everything`: by what does git find
a commit at all? Any ref.
"""

import contextlib
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from subprocess import SubprocessError
from typing import Final, NamedTuple

from wrapper.guard.gitfolder import GitFolder

STASH: Final = "refs/stash"
_LOG: Final = f"logs/{STASH}"
_NOTES: Final = "refs/notes/"
_NO_WORK: Final = ("refs/remotes/", _NOTES)
_MOST_NOTES: Final = 20  # refs of notes: each is asked of by itself
_ID: Final = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?\s*\Z")
_HEAD_OF_A_BRANCH: Final = re.compile(rb"ref:\s*(\S+)\s*\Z")
_HEAD: Final = re.compile(r"(?:worktrees/[^/]+/)?HEAD\Z")
_MOST_FOLDERS: Final = 1000  # of one work tree's own refs: git makes three
_WE: Final = {"GIT_COMMITTER_NAME": "safe-agent", "GIT_COMMITTER_EMAIL": "safe-agent@localhost"}  # in git's logs
_WE_ALONE: Final = {**_WE, "GIT_AUTHOR_NAME": "safe-agent", "GIT_AUTHOR_EMAIL": "safe-agent@localhost"}


class RefsError(Exception):
    """Refs that cannot be read, or not moved for another reason than that they moved meanwhile."""


def is_head(name: str) -> bool:
    """Tell the HEAD of a work tree from a ref."""
    return _HEAD.match(name) is not None


class Standing(NamedTuple):
    """Where all refs stand: ids of objects by name, those of the stash's list, and all that git can reach by a ref."""

    refs: Mapping[str, str]
    stashed: Collection[str]
    reachable: Collection[str]


class Refs:
    """The refs of one repository; `common` is its folder."""

    def __init__(self, common: GitFolder) -> None:
        self._common = common
        self.is_reftable = bool(common.names("reftable"))

    def read(self) -> Standing:
        """Look where they stand. Raises RefsError."""
        refs, reachable = {}, set()
        for object_id, name, symbolic in self._listed():
            reachable.add(object_id)
            if not symbolic and not name.startswith(_NO_WORK):
                refs[name] = object_id
        refs.update(self._heads())
        stashed = list(self._stashed())
        return Standing(refs, stashed, reachable.union(refs.values(), stashed))

    def everything(self) -> Mapping[str, str]:
        """Name all by which git finds a commit, and its id. Raises RefsError.

        A ref that names another counts where the other does not: the stash, which nobody publishes as it is, and files
        that are no refs (`ORIG_HEAD`).
        """
        direct, symbolic = {}, []
        for object_id, name, target in self._listed():
            if target:
                symbolic.append((name, target, object_id))
            elif name != STASH:
                direct[name] = object_id
        direct.update((name, object_id) for name, target, object_id in symbolic if target not in direct)
        direct.update(self._of_work_trees())
        direct.update(self._heads())
        for name in self._head_names():
            if self._common.leads_elsewhere(name):
                raise RefsError(f"`{name}` in the repository's folder is a link")
            if self.target(name) == STASH:
                direct[name] = self._ask("rev-parse", "--verify", "--quiet", name).decode().strip()
        return direct

    def target(self, name: str) -> str:
        """Give the ref that a HEAD names; empty for one that stands on a commit of its own."""
        if self.is_reftable:
            with contextlib.suppress(OSError, SubprocessError):
                return self._common.ask("symbolic-ref", "--quiet", name).decode().strip()
            return ""
        found = _HEAD_OF_A_BRANCH.match(self._common.read(name) or b"")
        return found[1].decode("utf-8", "surrogateescape") if found else ""

    def free(self, names: Collection[str]) -> None:
        """Take away locks on refs that are left over: of a git that was ended, or made to keep refs where they are.

        Only for when nothing runs inside any more; a git outside holds one for moments.
        """
        for name in ("packed-refs", "HEAD", *names):
            self._common.unlock(name)

    def unlinked(self, name: str) -> bool:
        """Take away a link that stands in the place of a ref, or of its log; say whether the ref was one.

        git does not make any. What it leads to is not touched.
        """
        self._common.unlink(f"logs/{name}")
        return self._common.unlink(name)

    def drop(self, name: str) -> None:
        """Take away a ref that a linked work tree has for itself: git does not do so by its name from elsewhere.

        One that cannot be taken away is there still when it is looked for again.
        """
        place, tree, ref = name.split("/", 2)
        if self.is_reftable:
            with contextlib.suppress(OSError, SubprocessError):
                self._common.ask("update-ref", "--no-deref", "-d", ref, below=f"{place}/{tree}")
        else:
            self._common.unlink(name, kind=stat.S_IFREG)

    def move(self, moves: Mapping[str, tuple[str, str]], why: str = "real values") -> bool:
        """Move refs from where they are to where they shall be (none: they go), all or none of them.

        `why` stands in git's logs. False: one has moved meanwhile, or its lock is held. Raises RefsError where a link
        leads out of the repository.
        """
        for name in ("packed-refs", "HEAD", "logs/HEAD", *moves, *(f"logs/{name}" for name in moves)):
            if self._common.leads_elsewhere(name):
                raise RefsError(f"`{name}` in the repository's folder is a link, or lies behind one")
        asked = []
        for name, (old, new) in moves.items():
            verb = f"update {name}\0{new}\0{old}\0" if new else f"delete {name}\0{old}\0"
            asked.append(f"option no-deref\0{verb}")
        arguments = ("update-ref", "-m", f"safe-agent: {why}", "--stdin", "-z")
        try:
            self._common.ask(*arguments, given=os.fsencode("".join(asked)), extra=_WE)
        except (OSError, SubprocessError):
            return False
        return True

    def restash(self, expected: str, changed: Mapping[str, str]) -> bool:
        """Let the stash's list name other commits; the ref itself too, if it stands where it is `expected`.

        False: it has moved meanwhile. Raises OSError, or RefsError where the list is not a log of its own.
        """
        if self.is_reftable:
            raise RefsError("the stash of a repository with reftables cannot be rewritten")
        known = {old.encode(): new.encode() for old, new in changed.items()}
        with self._common.locked(STASH) as ref:
            if self.read().refs.get(STASH) != expected:
                return False
            content = self._common.read(_LOG)
            if content is not None:
                with self._common.locked(_LOG) as log:
                    log.replace(b"".join(_renamed(line, known) for line in content.splitlines(keepends=True)))
            ref.replace(changed.get(expected, expected).encode() + b"\n")
        return True

    def copy_notes(self, changed: Mapping[str, str]) -> None:
        """Have what is noted of old commits noted of those that stand for them, as git-rebase(1) can.

        The notes themselves stay as they are, those of the old commits too. Raises RefsError.
        """
        pairs = "".join(f"{old} {new}\n" for old, new in changed.items()).encode()
        names = [name for _, name, symbolic in self._listed() if name.startswith(_NOTES) and not symbolic]
        for name in names[:_MOST_NOTES]:
            if self._common.leads_elsewhere(name) or self._common.leads_elsewhere(f"logs/{name}"):
                raise RefsError(f"`{name}` in the repository's folder is a link, or lies behind one")
            try:
                self._common.ask("notes", f"--ref={name}", "copy", "--stdin", given=pairs, extra=_WE_ALONE)
            except (OSError, SubprocessError) as error:
                raise RefsError("git could not copy the notes of commits that were made anew") from error

    def _heads(self) -> Iterator[tuple[str, str]]:
        """Yield each HEAD, of worktrees too, that names a commit instead of a branch."""
        for name in self._head_names():
            content = self._reftable_head(name) if self.is_reftable else self._common.read(name)
            if content is not None and _ID.match(content):
                yield name, content.decode().strip()

    def _of_work_trees(self) -> Iterator[tuple[str, str]]:
        """Yield the refs that each linked work tree has for itself (git-worktree(1): bisect, worktree, rewritten).

        They go by `worktrees/NAME/refs/…`, and are never packed. `for-each-ref` lists those of its own work tree only.
        """
        for one in self._common.names("worktrees"):
            place = f"worktrees/{one}"
            if self.is_reftable:
                yield from ((f"{place}/{name}", tip) for tip, name, _ in self._listed(place) if _is_of_one(name))
                continue
            for name in self._files(f"{place}/refs"):
                content = self._common.read(name) or b""
                if _ID.match(content):
                    yield name, content.decode().strip()
                elif _HEAD_OF_A_BRANCH.match(content):
                    with contextlib.suppress(OSError, SubprocessError):  # what leads to nothing
                        ref = name.removeprefix(f"{place}/")
                        tip = self._common.ask("rev-parse", "--verify", "--quiet", ref, below=place)
                        yield name, tip.decode().strip()

    def _files(self, top: str) -> Iterator[str]:
        """Yield what lies below a folder. Raises RefsError for a link, and where the folders do not end."""
        waiting = [top]
        for _ in range(_MOST_FOLDERS):
            if not waiting:
                return
            folder = waiting.pop()
            for own in self._common.names(folder):
                name = f"{folder}/{own}"
                if self._common.leads_elsewhere(name):
                    raise RefsError(f"`{name}` in the repository's folder is a link")
                if self._common.is_folder(name):
                    waiting.append(name)
                elif not own.endswith(".lock"):
                    yield name
        raise RefsError(f"`{top}` in the repository's folder holds too many folders")

    def _head_names(self) -> Iterator[str]:
        yield "HEAD"
        yield from (f"worktrees/{one}/HEAD" for one in self._common.names("worktrees"))

    def _listed(self, work_tree: str = "") -> Iterator[tuple[str, str, str]]:
        """Yield of each ref the object's id, the name, and the ref that it names instead of an object."""
        said = self._ask("for-each-ref", "--format=%(objectname) %(refname) %(symref)", below=work_tree)
        for line in said.decode("utf-8", "surrogateescape").split("\n")[:-1]:
            object_id, name, symbolic = line.split(" ", 2)
            yield object_id, name, symbolic

    def _reftable_head(self, name: str) -> bytes | None:
        """Ask git, since no file says it: None for one that names a branch, or a branch without a commit."""
        with contextlib.suppress(OSError, SubprocessError):
            self._common.ask("symbolic-ref", "--quiet", name)
            return None
        with contextlib.suppress(OSError, SubprocessError):
            return self._common.ask("rev-parse", "--verify", "--quiet", name)
        return None

    def _stashed(self) -> Iterator[str]:
        for line in (self._common.read(_LOG) or b"").splitlines():
            parts = line.split(b" ", 2)
            if len(parts) == 3 and _ID.match(parts[1]):
                yield parts[1].decode()

    def _ask(self, *arguments: str, below: str = "") -> bytes:
        try:
            return self._common.ask(*arguments, below=below)
        except (OSError, SubprocessError) as error:
            raise RefsError("git could not tell where the refs stand") from error


def _is_of_one(name: str) -> bool:
    return name.startswith(("refs/bisect/", "refs/rewritten/", "refs/worktree/"))


def _renamed(line: bytes, changed: Mapping[bytes, bytes]) -> bytes:
    """Put other ids into a line of a log: old, new, who and when, what (gitrepository-layout(5))."""
    parts = line.split(b" ", 2)
    return b" ".join([*(changed.get(part, part) for part in parts[:2]), *parts[2:]])
