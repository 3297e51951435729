"""What git knows of all lines of a file: which commit gave each its text, and what it said before.

Rules of this file:
- The repository is not trusted: plumbing only, through no filter, no textconv, and nothing that its settings name
  (`plan.plumbing`). The working copy is compared with the last commit here, not by git.
- Committer times say when a line was there; whoever commits can set them. So a commit counts as not made before any
  commit that it comes after. That is not enough: an agent can date its own right behind the last one before it. So
  a date counts as a proof only if git knew the commit when the session began (`commits`), where that is known and the
  history was not rewritten since.
- Nothing here is needed to find lines that are the agent's as they are: histories are rewritten, shallow, or not there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from pathlib import Path
from subprocess import SubprocessError
from typing import Final, NamedTuple

from wrapper.errors import WorkspaceError
from wrapper.plan.gitinfo import GitLayout
from wrapper.plan.plumbing import ask
from wrapper.plan.treediff import RAW, Entry, entries
from wrapper.provenance.alignment import steps
from wrapper.provenance.attribution import Former, lines_of
from wrapper.review.revisions import sizes, stored

STAGED: Final = ":"
_MOST_COMMITS: Final = 100_000  # whose dates are compared with those of commits before them
_MOST_VERSIONS: Final = 400  # of one file, the newest ones, in which lines are followed back
_MOST_BYTES: Final = 64 << 20
_MOST_OF_FILE: Final = 1 << 20  # bytes: as much as is captured of one
_FILES: Final = 500  # read at once
_MOST_FILES: Final = 100_000
_MOST_NAMES: Final = 16  # of one file in its history
_MOST_FORMERS: Final = 20_000
_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Committed(NamedTuple):
    """The commit that gave a line its text. `number`: of the line there, from 1, and `path` the file's name.

    `previous`: the commit before it that has the file, if any. `headers`: what `git blame --porcelain` says of the
    commit, as it says it.
    """

    id: str
    number: int
    path: str
    author: str
    authored: float
    committed: float
    summary: str
    previous: str
    headers: tuple[str, ...]


class History(NamedTuple):
    """A file's lines in git. `base`: the version that the text was compared with, None where git has none.

    commits: of each line of the text, None where it is not committed. `layout` and `path` (in the repository): where.
    """

    layout: GitLayout
    path: str
    base: bytes | None
    revision: str
    commits: tuple[Committed | None, ...]


def content(layout: GitLayout, revision: str, path: str) -> bytes:
    """Give a file as a revision has it, or as it is staged. Raises WorkspaceError."""
    name = f":{path}" if revision == STAGED else f"{resolved(layout, revision)}:{path}"
    try:
        return _git(layout, ["cat-file", "blob", name])
    except (OSError, SubprocessError) as error:
        where = "git's index" if revision == STAGED else f"`{revision}`"
        raise WorkspaceError(f"git has no `{path}` in {where}", hint="`git log -- FILE` names commits") from error


def resolved(layout: GitLayout, revision: str) -> str:
    """Give the id of the commit that a revision names. Raises WorkspaceError."""
    if _ID.fullmatch(revision):
        return revision
    try:
        told = _git(layout, ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"])
    except (OSError, SubprocessError) as error:
        raise WorkspaceError(f"git knows no revision `{revision}`", hint="`git log` names commits") from error
    return told.decode().strip()


def history(layout: GitLayout, path: str, text: bytes, revision: str | None) -> History:
    """Ask git who committed each line of `text`: the file at `revision`, or what may differ from the last commit's."""
    start = "HEAD" if revision in (None, STAGED) else str(revision)
    nothing = History(layout, path, None, start, (None,) * len(lines_of(text)))
    try:
        start = resolved(layout, start)
        path, base = _committed_as(layout, start, path)
        blamed = tuple(_blamed(layout, start, path))
    except (OSError, SubprocessError, ValueError, WorkspaceError):  # no commit yet, or not tracked: content decides
        return nothing
    if base == text:
        return History(layout, path, base, start, blamed)
    same = steps(lines_of(base), lines_of(text)).same
    commits = tuple(blamed[at] if 0 <= at < len(blamed) else None for at in same)
    return History(layout, path, base, start, commits)


def committed_times(found: History, dates: Mapping[str, float]) -> list[float]:
    """Give, for each line, when it was committed at the earliest; `inf` where it is not."""
    return [inf if one is None else max(one.committed, dates.get(one.id, one.committed)) for one in found.commits]


class Graph(NamedTuple):
    """Commits that a revision comes from. `dates`: of each the latest of it and all before it."""

    dates: dict[str, float]
    parents: dict[str, list[str]]


def graph(layout: GitLayout, revision: str, now: float) -> Graph:
    """Ask git for commits; dates that are still to come count for themselves only. Raises OSError, SubprocessError.

    Empty where git cannot tell; then the caller must not rely on dates.
    """
    wanted = ["rev-list", "--topo-order", "--parents", "--timestamp", f"--max-count={_MOST_COMMITS}", revision]
    latest: dict[str, float] = {}
    before: dict[str, list[str]] = {}
    for line in reversed(_git(layout, wanted).decode("ascii", "replace").splitlines()):
        time, commit, *parents = line.split()
        date = float(time)
        latest[commit] = max([date, *(latest[parent] for parent in parents if latest.get(parent, inf) <= now)])
        before[commit] = parents
    return Graph(latest, before)


def first_known(commits: Graph, sessions: Sequence[tuple[str, Sequence[str]]]) -> dict[str, int]:
    """Give of each commit which of `sessions` (an id, and the commits that it began with; in order) knew it first."""
    known: dict[str, int] = {}
    for number, (_, tips) in enumerate(sessions):
        waiting = [tip for tip in tips if tip in commits.parents and tip not in known]
        while waiting:
            commit = waiting.pop()
            if commit not in known:
                known[commit] = number
                waiting += [one for one in commits.parents.get(commit, ()) if one not in known]
    return known


def present(layout: GitLayout, ids: Sequence[str]) -> frozenset[str]:
    """Say which of these commits a repository has. Raises OSError, SubprocessError."""
    asked = "".join(f"{one}\n" for one in ids).encode()
    told = _git(layout, ["cat-file", "--batch-check"], given=asked).decode("ascii", "replace") if ids else ""
    return frozenset(line.split(" ")[0] for line in told.splitlines() if line.split(" ")[1:2] == ["commit"])


def contents_at(layout: GitLayout, commits: Sequence[str]) -> Iterator[bytes]:
    """Yield the contents of all short files that commits have, as many as there is room for.

    Raises OSError, SubprocessError.
    """
    blobs: dict[str, None] = {}
    for commit in commits:
        for row in _git(layout, ["ls-tree", "-r", "-l", "-z", commit]).split(b"\0"):
            fields = row.partition(b"\t")[0].decode("ascii", "replace").split()
            if len(fields) == 4 and fields[1] == "blob" and int(fields[3]) <= _MOST_OF_FILE:
                blobs[fields[2]] = None
    names = list(blobs)
    for at in range(0, min(len(names), _MOST_FILES), _FILES):
        yield from _contents(layout, dict.fromkeys(names[at : at + _FILES])).values()


def formers(found: History, text: bytes, since: float, lines: Sequence[int]) -> list[Former]:
    """Say what `lines` of `text` (numbers from 0) said before, in versions that are not older than `since`."""
    if found.base is None:
        return []
    now, base = lines_of(text), lines_of(found.base)
    where = {line: line for line in lines}
    told: list[Former] = []
    if text != found.base:
        where, told = _back(where, base, now)
    try:
        changes = list(_changes_of(found, since)) if where else []
        told += _walked(found, where, base, changes)
    except (OSError, SubprocessError, ValueError, WorkspaceError):
        return told
    return told[:_MOST_FORMERS]


def _walked(found: History, where: dict[int, int], base: list[bytes], changes: Sequence[Entry]) -> Iterator[Former]:
    """Follow lines back through the file's versions, each version once."""
    if not changes:
        return
    texts = _contents(found.layout, dict.fromkeys(blob for one in changes for blob in (one.old, one.blob)))
    first = next((blob for blob, data in texts.items() if lines_of(data) == base), None)
    waiting, seen = [(first, where)], {first}
    while waiting:
        blob, where = waiting.pop(0)
        for change in changes:
            if change.blob != blob or change.old in seen or change.old not in texts:
                continue
            seen.add(change.old)
            before, told = _back(where, lines_of(texts[change.old]), lines_of(texts[change.blob]))
            yield from told
            waiting.append((change.old, before))


def _back(where: Mapping[int, int], old: list[bytes], new: list[bytes]) -> tuple[dict[int, int], list[Former]]:
    """Go one version back: where each line was (its number in the text to its number there), and what has changed."""
    found = steps(old, new)
    before: dict[int, int] = {}
    told: list[Former] = []
    for line, at in where.items():
        if found.same[at] >= 0:
            before[line] = found.same[at]
        elif found.before[at] >= 0:
            before[line] = found.before[at]
            told.append(Former(line, old[found.before[at]]))
    return before, told


def _blamed(layout: GitLayout, revision: str, path: str) -> Iterator[Committed]:
    """Read the porcelain format of git-blame(1): a commit's headers come with its first line only."""
    asked = ["-c", "blame.ignoreRevsFile=", "blame", "--porcelain", "--no-textconv", "--encoding=none", revision]
    known: dict[str, tuple[str, ...]] = {}
    head: list[str] = []
    headers: list[str] = []
    for line in _git(layout, [*asked, "--", path]).decode(errors="surrogateescape").split("\n"):
        if line.startswith("\t"):
            told = known.setdefault(head[0], tuple(headers))
            yield _commit(head, told)
            head, headers = [], []
        elif not head and line:
            head = line.split(" ")
        elif line:
            headers.append(line)


def _commit(head: Sequence[str], headers: tuple[str, ...]) -> Committed:
    said = dict(line.partition(" ")[::2] for line in headers)
    return Committed(
        id=head[0],
        number=int(head[1]),
        path=said.get("filename", ""),
        author=said.get("author", ""),
        authored=float(said.get("author-time", 0)),
        committed=float(said.get("committer-time", 0)),
        summary=said.get("summary", ""),
        previous=said.get("previous", "").partition(" ")[0],
        headers=headers,
    )


def _committed_as(layout: GitLayout, revision: str, path: str) -> tuple[str, bytes]:
    """Give name and content that a file has in a commit: under another name where it was moved since. Raises."""
    try:
        return path, content(layout, revision, path)
    except WorkspaceError:
        path = _committed_name(layout, revision, path)
        return path, content(layout, revision, path)


def _committed_name(layout: GitLayout, revision: str, path: str) -> str:
    """Give the name that a file has in a commit, if that it was moved is staged; else the same."""
    told = _git(layout, ["diff-index", "--cached", "-M", "--raw", "-z", "--no-abbrev", revision])
    for change in entries(told):
        if change.path == path and change.source:
            return change.source
    return path


def _changes_of(found: History, since: float) -> Iterator[Entry]:
    """Yield the changes of a file under all its names, the newest first."""
    names, waiting, left = {found.path}, [found.path], _MOST_VERSIONS
    age = [f"--max-age={int(since)}"] if 0 < since < inf else []
    while waiting and left > 0:
        name = waiting.pop(0)
        asked = ["rev-list", "--topo-order", "--full-history", *age, f"--max-count={left}", found.revision, "--", name]
        commits = _git(found.layout, asked)
        changes = list(entries(_diffs(found.layout, commits, ["--no-renames", "--", name])))
        left -= len(changes)
        yield from (change for change in changes if change.status == "M")
        added = "".join(f"{change.commit}\n" for change in changes if change.status == "A").encode()
        for change in entries(_diffs(found.layout, added, ["-M"])) if added else ():
            if change.path == name and change.source:
                yield change
                if change.source not in names and len(names) < _MOST_NAMES:
                    names.add(change.source)
                    waiting.append(change.source)


def _diffs(layout: GitLayout, commits: bytes, more: Sequence[str]) -> bytes:
    return _git(layout, ["diff-tree", "--stdin", *RAW, *more], given=commits)


def _contents(layout: GitLayout, blobs: Mapping[str, None]) -> dict[str, bytes]:
    """Read blobs, as many as there is room for, in their order. Raises WorkspaceError."""
    kept: list[str] = []
    total = 0
    for blob, size in sizes(layout, list(blobs)).items():
        if total + size <= _MOST_BYTES:
            total += size
            kept.append(blob)
    read = zip(kept, stored(layout, kept), strict=True)
    return {blob: data for blob, data in read if data is not None}


def relative(layout: GitLayout, file: Path) -> str:
    """Give a file's name in its repository, as git writes it. Raises WorkspaceError where it lies elsewhere."""
    try:
        return file.relative_to(layout.toplevel).as_posix()
    except ValueError as error:
        raise WorkspaceError(f"`{file}` is not in `{layout.toplevel}`") from error


def _git(layout: GitLayout, arguments: Sequence[str], given: bytes | None = None) -> bytes:
    return ask(layout.git_dir, arguments, work_tree=layout.toplevel, given=given)
