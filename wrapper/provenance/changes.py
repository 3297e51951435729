"""What git says of a change: which files it touches, what they hold then, and which lines of them it adds.

Rules of this file:
- The repository is not trusted: only plumbing runs, without what its settings name (`plan.plumbing`). Files of the
  working tree are handed to git as they are, through no filter: they become objects in a folder that is thrown away.
- Every content counts as text: a NUL byte would else be enough to hide a file from a review.
- A file that moves keeps its lines: they are not added (git-diff-tree(1), -M).
- Of a merge, what no parent has is added. Links and submodules have no lines; a file in the place of one is new.
- Copies of objects are made of what differs from the last commit only: a large tree is read, and not written again.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from subprocess import CalledProcessError, SubprocessError
from typing import Final, NamedTuple

from wrapper.errors import WorkspaceError
from wrapper.plan.gitinfo import GitLayout, git_layout
from wrapper.plan.plumbing import ask
from wrapper.plan.treediff import entries
from wrapper.provenance.exchange.repository import complaint

STAGED: Final = ":"
_DIFF: Final = (
    "--raw", "-p", "-z", "-U0", "-M", "-l1000", "--no-abbrev", "--full-index", "--text", "--no-ext-diff",
    "--no-textconv", "--no-color", "--diff-algorithm=histogram",
)  # fmt: skip
_INDEX: Final = "GIT_INDEX_FILE"  # `git commit FILE` and `git commit -a` let a hook see an index of their own
_NONE: Final = 1  # what git-merge-base(1) ends with where there is none
_AT_ONCE: Final = 2_000  # files that git reads within the time that one question may take
_LINE_ENDS: Final = frozenset("\n\r")  # in a name: a list of names by line, as git reads it, cannot hold it
_HUNK: Final = re.compile(rb"@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")


class Change(NamedTuple):
    """A file as a change leaves it. `path`: below the repository's top (or the folder, where there is none).

    `revision`: as `blame` takes it: None for the working copy, `:` for what is staged, or a commit. `blob`: its id,
    empty where it is not known. `added`: the numbers of the lines that the change adds, from 0; None: all.
    """

    path: str
    revision: str | None
    blob: str
    content: bytes
    added: frozenset[int] | None


class Changes:
    """Changes in the repository around `folder`, or in the folder alone. Its methods raise WorkspaceError."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        layout = git_layout(folder)
        self._layout = layout
        self.top = layout.toplevel if layout else folder
        self._index = _own_index(layout, environ) if layout else {}

    @property
    def _git_dir(self) -> GitLayout:
        if self._layout is None:
            raise WorkspaceError(f"`{self.top}` is in no git repository", hint="name files to review them as they are")
        return self._layout

    def staged(self) -> list[Change]:
        """Return what the next commit changes, as it is in the index."""
        said = self._ask("diff-index", "--cached", *_DIFF, self._head(), extra=self._index)
        return self._changes(said, STAGED)

    def working(self) -> list[Change]:
        """Return what the working tree changes against the last commit, new files that are not ignored included."""
        with tempfile.TemporaryDirectory(prefix="safe-agent-review-") as scratch:
            extra = self._scratch(Path(scratch))
            self._ask("read-tree", "--empty", extra=extra)
            self._ask("update-index", "-z", "--index-info", given=self._as_they_are(extra), extra=extra)
            said = self._ask("diff-index", "--cached", *_DIFF, self._head(), extra=extra)
            return self._changes(said, None, extra=extra)

    def between(self, base: str, tip: str) -> list[Change]:
        """Return what `tip` changes since it left `base` (from their merge base on)."""
        left, right = self.commit(base), self.commit(tip)
        said = self._ask("diff-tree", "-r", *_DIFF, self._fork(left, right), right)
        return self._changes(said, right)

    def commits(self, base: str, tip: str) -> list[str]:
        """Return the commits that lead to `tip` and not to `base`, oldest first."""
        listed = self._ask("rev-list", "--reverse", "--topo-order", self.commit(tip), f"^{self.commit(base)}")
        return listed.decode().split()

    def of(self, commit: str) -> list[Change]:
        """Return what one commit changes: against its parent, against nothing, or what none of its parents has."""
        parents = self._ask("rev-list", "--parents", "-n", "1", commit).decode().split()[1:]
        diffs = [
            self._changes(self._ask("diff-tree", "-r", *_DIFF, parent, commit), commit)
            for parent in parents or [self._nothing()]
        ]
        return list(_in_all(diffs))

    def whole(self, paths: Iterable[Path]) -> list[Change]:
        """Return files as they are on disk, those below folders included; those that git ignores are left out."""
        found = sorted({name for path in paths for name in self._below(path)})
        read = ((name, _read(self.top / name)) for name in found)
        return [Change(name, None, "", content, None) for name, content in read if content is not None]

    def commit(self, revision: str) -> str:
        """Return the id of the commit that `revision` names."""
        _ = self._git_dir  # outside of a repository that is what is to be said, not that it has no such commit
        wanted = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        try:
            return self._ask(*wanted).decode().strip()
        except WorkspaceError as error:
            raise WorkspaceError(
                f"git has no commit `{revision}`", hint="on a server: fetch the whole history (`fetch-depth: 0`)"
            ) from error

    def _fork(self, left: str, right: str) -> str:
        """Return where two commits parted; the first of them where they have nothing in common."""
        try:
            return self._ask("merge-base", left, right).decode().split()[0]
        except WorkspaceError as error:
            if isinstance(error.__cause__, CalledProcessError) and error.__cause__.returncode == _NONE:
                return left
            raise

    def _head(self) -> str:
        try:
            return self.commit("HEAD")
        except WorkspaceError:
            return self._nothing()

    def _nothing(self) -> str:
        return self._ask("hash-object", "-t", "tree", "--stdin", given=b"").decode().strip()

    def _below(self, path: Path) -> Iterator[str]:
        path = Path(os.path.abspath(path))  # noqa: PTH100 (a link to elsewhere is the file that was named)
        if not path.is_relative_to(self.top):
            raise WorkspaceError(f"`{path}` is not below `{self.top}`", hint="review each repository by itself")
        if not path.is_dir():
            yield str(path.relative_to(self.top))
        elif self._layout is None:
            yield from (str(one.relative_to(self.top)) for one in path.rglob("*") if one.is_file())
        else:
            yield from self._listed(str(path.relative_to(self.top)))

    def _listed(self, beneath: str) -> list[str]:
        named = self._ask("ls-files", "-z", "-c", "-o", "--exclude-standard", "--", beneath, work_tree=True)
        return [os.fsdecode(name) for name in named.split(b"\0") if name and not name.endswith(b"/")]

    def _scratch(self, folder: Path) -> dict[str, str]:
        """Give what makes git write objects and index into `folder`; what is in the repository stays readable."""
        objects = folder / "objects"
        objects.mkdir()
        return {
            _INDEX: str(folder / "index"),
            "GIT_OBJECT_DIRECTORY": str(objects),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self._git_dir.common_dir / "objects"),
        }

    def _as_they_are(self, extra: Mapping[str, str]) -> bytes:
        """Store the files of the working tree, and give what `git update-index --index-info` reads."""
        names = [name for name in self._listed(".") if _is_file(self.top / name)]
        there = self._committed()
        ids = dict(zip(names, self._stored(names), strict=True))
        fresh = [name for name in names if there.get(name) != ids[name]]
        ids |= zip(fresh, self._stored(fresh, "-w", extra=extra), strict=True)
        return b"".join(b"100644 %s\t%s\0" % (blob, os.fsencode(name)) for name, blob in ids.items())

    def _committed(self) -> dict[str, bytes]:
        """Name the content of each path in the last commit."""
        entries = self._ask("ls-tree", "-r", "-z", "--full-tree", self._head()).split(b"\0")
        return {
            os.fsdecode(path): about.split(b" ")[-1] for about, _, path in (one.partition(b"\t") for one in entries)
        }

    def _stored(self, names: Sequence[str], *how: str, extra: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """Yield the ids of files' contents, in their order."""
        for at in range(0, len(names), _AT_ONCE):
            some = names[at : at + _AT_ONCE]
            plain = [name for name in some if _LINE_ENDS.isdisjoint(name)]
            given = "".join(f"{self.top / name}\n" for name in plain).encode(errors="surrogateescape")
            listed = iter(
                self._ask("hash-object", *how, "--no-filters", "--stdin-paths", given=given, extra=extra).split()
            )
            for name in some:
                if _LINE_ENDS.isdisjoint(name):
                    yield next(listed)
                else:
                    data = _read(self.top / name) or b""
                    yield self._ask("hash-object", *how, "--stdin", given=data, extra=extra).strip()

    def _changes(self, said: bytes, revision: str | None, *, extra: Mapping[str, str] | None = None) -> list[Change]:
        raw, _, patch = said.partition(b"\0\0") if said.startswith(b":") else (b"", b"", b"")
        files = list(_files(raw))
        added = _added(patch)
        contents = self._contents([entry.blob for entry in files], extra)
        return [
            Change(entry.path, revision, entry.blob, content, added.get((entry.old, entry.blob), frozenset()))
            for entry, content in zip(files, contents, strict=True)
        ]

    def _contents(self, blobs: Sequence[str], extra: Mapping[str, str] | None) -> Iterator[bytes]:
        if not blobs:
            return
        given = "".join(f"{blob}\n" for blob in blobs).encode()
        output = self._ask("cat-file", "--batch", given=given, extra=extra)
        at = 0
        for blob in blobs:
            end = output.index(b"\n", at)
            head = output[at:end].split(b" ")
            if len(head) != 3:  # `<id> missing`
                raise WorkspaceError(f"git has no object `{blob}`", hint="`git fsck` tells what the repository lacks")
            at = end + 1 + int(head[2]) + 1
            yield output[end + 1 : at - 1]

    def _ask(
        self,
        *arguments: str,
        given: bytes | None = None,
        extra: Mapping[str, str] | None = None,
        work_tree: bool = False,
    ) -> bytes:
        layout = self._git_dir
        tree = layout.toplevel if work_tree else None
        try:
            return ask(layout.git_dir, arguments, given=given, extra=extra, work_tree=tree)
        except (OSError, SubprocessError) as error:
            raise WorkspaceError(
                f"`git {arguments[0]}` failed in `{layout.toplevel}`", hint=complaint(error)
            ) from error


class _Added(NamedTuple):
    """A file that is there afterwards; `old` is zeros where none was before, as the patch has it."""

    old: str
    blob: str
    path: str


def _files(raw: bytes) -> Iterator[_Added]:
    for entry in entries(raw):
        if entry.is_file:
            yield _Added(entry.old if entry.was_file else "0" * len(entry.old), entry.blob, entry.path)


def _added(patch: bytes) -> dict[tuple[str, str], frozenset[int]]:
    """Read from a patch without context which lines each new blob adds to the old one."""
    found: dict[tuple[str, str], set[int]] = {}
    lines: set[int] = set()
    for line in patch.split(b"\n"):  # a line of content begins with one of ` +-\`
        if line.startswith(b"index "):
            old, _, new = line.split(b" ")[1].partition(b"..")
            lines = found.setdefault((old.decode(), new.decode()), set())
        elif match := _HUNK.match(line):
            start, count = int(match[1]), int(match[2] or 1)
            lines.update(range(start - 1, start - 1 + count))
    return {pair: frozenset(lines) for pair, lines in found.items()}


def _in_all(diffs: Sequence[Sequence[Change]]) -> Iterator[Change]:
    """Yield what is changed against each of several parents, with the lines that none of them has."""
    first, *others = ({change.path: change for change in diff} for diff in diffs)
    for path, change in first.items():
        against = [change, *(other[path] for other in others if path in other)]
        if len(against) == len(diffs):
            yield change._replace(added=frozenset.intersection(*(one.added or frozenset() for one in against)))


def _own_index(layout: GitLayout, environ: Mapping[str, str]) -> dict[str, str]:
    named = environ.get(_INDEX, "")
    return {_INDEX: str(layout.toplevel / named)} if named else {}


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _read(path: Path) -> bytes | None:
    """Read a file; None for a link or what is gone."""
    try:
        return path.read_bytes() if _is_file(path) else None
    except OSError as error:
        raise WorkspaceError(f"cannot read `{path}`: {error.strerror}") from error
