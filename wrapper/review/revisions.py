"""Every content that a file has, or had in git: in the working tree, the index, and under any name in any commit.

Rules of this file:
- The repository is not trusted: only plumbing runs, without what its settings name (`plan.plumbing`); contents are read
  as they are stored, through no filter.
- Commits are those that any reference or reflog leads to. A file that a commit added under one name and took away under
  another is the same file, where git finds the two similar (git-diff-tree(1), -M).
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import SubprocessError
from typing import Final, NamedTuple

from wrapper.errors import WorkspaceError
from wrapper.plan.gitinfo import GitLayout, git_layout
from wrapper.plan.plumbing import ask
from wrapper.plan.treediff import RAW, entries

WORKING: Final = "the working copy"
INDEX: Final = "the index"
_MOST_NAMES: Final = 64  # of one file in its history
_SHORT: Final = 12  # digits of a commit's id: enough for every repository known


class Version(NamedTuple):
    """One content that a file has or had: `name` says when (`the working copy`, a commit), `path` where."""

    name: str
    path: str
    data: bytes


class Change(NamedTuple):
    """A commit that gave `path` the content of `blob`, or took it away (`status` D); `old`: where it stood before."""

    commit: str
    status: str
    blob: str
    old: str
    path: str

    @property
    def name(self) -> str:
        """The commit's id, as short as a person wants it."""
        return self.commit[:_SHORT]


def versions(file: Path, revision: str = "") -> tuple[Version, ...]:
    """Return the contents of `file`, the newest first, each once; with `revision` the one of that commit.

    Raises WorkspaceError where there is none, or git fails.
    """
    file = Path(os.path.abspath(file))  # noqa: PTH100 (a link to elsewhere is the file that was named, not its target)
    layout = git_layout(file.parent)
    if revision:
        found = _of_revision(layout, file, revision)
    else:
        found = [*_working(file), *(_stored(layout, file) if layout is not None else ())]
    once = {version.data: version for version in reversed(found)}
    if not once:
        raise WorkspaceError(f"`{file}` does not exist, and git has no revision of it", hint="name a file")
    return tuple(reversed(once.values()))


def _working(file: Path) -> list[Version]:
    try:
        return [Version(WORKING, str(file), file.read_bytes())] if file.is_file() else []
    except OSError as error:
        raise WorkspaceError(f"cannot read `{file}`: {error.strerror}") from error


def _of_revision(layout: GitLayout | None, file: Path, revision: str) -> list[Version]:
    if layout is None:
        raise WorkspaceError(f"`{file}` is in no git repository, so it has no revision `{revision}`")
    path = file.relative_to(layout.toplevel)
    wanted = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}:{path}"]
    try:
        blob = git(layout, wanted).decode().strip()
    except WorkspaceError as error:
        raise WorkspaceError(f"git has no `{path}` in `{revision}`", hint="`git log -- FILE` names commits") from error
    return [Version(revision, str(path), data) for data in _contents(layout, [blob])]


def _stored(layout: GitLayout, file: Path) -> list[Version]:
    path = str(file.relative_to(layout.toplevel))
    staged = git(layout, ["ls-files", "--stage", "-z", "--", path], work_tree=True).split(b"\0")
    blobs = {entry.split(b" ")[1].decode(): (INDEX, path) for entry in staged if entry.startswith(b"100")}
    for change in _history(layout, path):
        blobs.setdefault(change.blob, (change.name, change.path))
    contents = _contents(layout, list(blobs))
    return [Version(name, at, data) for (name, at), data in zip(blobs.values(), contents, strict=True)]


def _history(layout: GitLayout, path: str) -> Iterator[Change]:
    """Yield the changes that gave the file a content, under each of its names, the newest first."""
    names, waiting = {path}, [path]
    while waiting:
        name = waiting.pop(0)
        changes = list(history(layout, name))
        yield from (change for change in changes if change.status != "D")
        added = "".join(f"{change.commit}\n" for change in changes if change.status == "A").encode()
        for change in _changes(_diffs(layout, added, ["-M"])) if added else ():
            if change.path == name and change.old and change.old not in names and len(names) < _MOST_NAMES:
                names.add(change.old)
                waiting.append(change.old)


def history(layout: GitLayout, path: str) -> Iterator[Change]:
    """Yield what any commit did to the file `path`, or to files below it ("": to all), the newest first."""
    where = ["--", path] if path else []
    commits = git(layout, ["rev-list", "--all", "--reflog", "--full-history", *where])
    return _changes(_diffs(layout, commits, ["--no-renames", *where]))


def _diffs(layout: GitLayout, commits: bytes, more: Sequence[str]) -> bytes:
    return git(layout, ["diff-tree", "--stdin", *RAW, *more], given=commits)


def _changes(raw: bytes) -> Iterator[Change]:
    for entry in entries(raw):
        if entry.is_file or entry.status == "D":
            yield Change(entry.commit, entry.status, entry.blob, entry.source, entry.path)


def _contents(layout: GitLayout, blobs: Sequence[str]) -> Iterator[bytes]:
    for blob, data in zip(blobs, stored(layout, blobs), strict=True):
        if data is None:
            raise WorkspaceError(f"git has no object `{blob}`", hint="`git fsck` tells what the repository lacks")
        yield data


def stored(layout: GitLayout, blobs: Sequence[str]) -> Iterator[bytes | None]:
    """Yield the content of each blob, None where the repository lacks it (or it is none)."""
    if not blobs:
        return
    output = git(layout, ["cat-file", "--batch"], given="".join(f"{blob}\n" for blob in blobs).encode())
    at = 0
    for _ in blobs:
        end = output.index(b"\n", at)
        head = output[at:end].split(b" ")
        if len(head) != 3:  # `<id> missing`
            yield None
            at = end + 1
            continue
        at = end + 1 + int(head[2]) + 1
        yield output[end + 1 : at - 1] if head[1] == b"blob" else None


def sizes(layout: GitLayout, blobs: Sequence[str]) -> dict[str, int]:
    """Say how long blobs are, without those that the repository lacks."""
    if not blobs:
        return {}
    asked = "".join(f"{blob}\n" for blob in blobs).encode()
    lines = git(layout, ["cat-file", "--batch-check"], given=asked).decode("ascii", "replace").splitlines()
    fields = (line.split(" ") for line in lines)
    return {name: int(size) for name, kind, size in (each for each in fields if len(each) == 3) if kind == "blob"}


def git(layout: GitLayout, arguments: Sequence[str], *, given: bytes | None = None, work_tree: bool = False) -> bytes:
    """Ask git. Raises WorkspaceError where it fails."""
    try:
        return ask(layout.git_dir, arguments, work_tree=layout.toplevel if work_tree else None, given=given)
    except (OSError, SubprocessError) as error:
        raise WorkspaceError(
            f"`git {arguments[0]}` failed in `{layout.toplevel}`", hint=f"run it there to see why: {error}"
        ) from error
