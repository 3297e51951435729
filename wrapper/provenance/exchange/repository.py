"""The git repository whose commits are claimed or told of: what it says is read by plumbing, and it is not trusted.

Rules of this file:
- Only plumbing runs, without what the repository's settings name (`plan.plumbing`). Contents are read as they are
  stored, through no filter; ids come from git or are checked to be ids.
- What a stranger can make large is asked for by its size first, and in parts.
- Notes are written by one `git fast-import`: all of them or none, and none if somebody moved the reference meanwhile.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError, SubprocessError
from types import MappingProxyType
from typing import Final, NamedTuple

from wrapper.errors import WorkspaceError
from wrapper.plan.gitinfo import GitLayout, git_layout
from wrapper.plan.plumbing import ask
from wrapper.plan.treediff import entries
from wrapper.provenance.exchange.ranges import Range

LARGEST: Final = 8 << 20
"""Bytes of a file or note that is read: a line in more is nobody's source text."""

_PART: Final = 64 << 20  # bytes of contents that are asked for at once
_COMMITS: Final = 200  # whose changes are asked for at once
_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HEAD: Final = re.compile(rb"([0-9a-f]{40,64}) ([a-z]+) (\d+)")
_INDEX: Final = re.compile(rb"index ([0-9a-f]{40,64})\.\.([0-9a-f]{40,64})")
_HUNK: Final = re.compile(rb"@@ -\S+ \+(\d+)(?:,(\d+))? @@")
_WHO: Final = re.compile(r"(.*)<([^<>]*)> (\d{1,15}) ")
_LATEST: Final = 253_402_300_799.0  # the last second of the year 9999: a commit may say any, a calendar ends there
_BIG: Final = ("-c", f"core.bigFileThreshold={LARGEST}")  # what is larger is not compared (git-config(1))
_PATCH: Final = ("-p", "-U0", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv")
_IDENTITY: Final[Mapping[str, str]] = MappingProxyType({
    f"GIT_{who}_{what}": said
    for who in ("AUTHOR", "COMMITTER")
    for what, said in (("NAME", "safe-agent"), ("EMAIL", "safe-agent@localhost"))
})  # fmt: skip


class Commit(NamedTuple):
    """A commit. `author`, `address`: who; `at`: seconds since the epoch, the earlier of its two times."""

    id: str
    author: str
    address: str
    at: float
    message: str


class Change(NamedTuple):
    """A file that a commit added or changed, with the id of its content before (zeros for none) and after."""

    commit: str
    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository, asked by plumbing. Every method raises WorkspaceError where git fails."""

    layout: GitLayout

    @classmethod
    def around(cls, folder: Path) -> "Repository":
        """Find the one around a folder. Raises WorkspaceError where there is none."""
        layout = git_layout(folder)
        if layout is None:
            raise WorkspaceError(f"`{folder}` is in no git repository", hint="go into one: cd PROJECT")
        return cls(layout)

    def commit_id(self, revision: str) -> str:
        """Give the id of the commit that a revision names."""
        try:
            said = self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        except WorkspaceError as error:
            raise WorkspaceError(f"git has no commit `{revision}`", hint="`git log` names commits") from error
        return said.decode().strip()

    def commits(self, revisions: str) -> list[str]:
        """Give the ids of the commits that `A..B` names, or the one that a single revision names; the newest first."""
        if ".." not in revisions:
            return [self.commit_id(revisions)]
        try:
            return self._ask("rev-list", "--end-of-options", revisions).decode().split()
        except WorkspaceError as error:
            raise WorkspaceError(f"git has no commits `{revisions}`", hint="say it as `main..topic`") from error

    def history(self) -> list[str]:
        """Give the ids of all commits that a branch, a tag or HEAD leads to, the newest first."""
        head = ["HEAD"] if self._has("HEAD") else []  # before the first commit there is none
        return self._ask("rev-list", "--branches", "--tags", "--remotes", *head).decode().split()

    def notes(self, reference: str) -> dict[str, str]:
        """Give the id of the note of each annotated object; none where there is no such reference."""
        try:
            listed = self._ask("ls-tree", "-r", "-z", "--full-tree", "--end-of-options", reference)
        except WorkspaceError:
            if self._has(reference):
                raise
            return {}
        found = {}
        for entry in listed.split(b"\0")[:-1]:
            about, _, path = entry.partition(b"\t")
            name = path.replace(b"/", b"").decode("ascii", "replace")  # notes are kept in folders of two digits
            if _ID.fullmatch(name) and about.startswith(b"100644 blob "):
                found[name] = about.split(b" ")[2].decode()
        return found

    def about(self, commits: Sequence[str]) -> Iterator[Commit]:
        """Yield who made each commit, when, and what they said of it; what is no commit is passed over."""
        for commit, data in self._objects(commits, b"commit"):
            yield _commit(commit, data)

    def texts(self, places: Sequence[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], bytes]]:
        """Yield the content of each (commit, path) that is a file; not what is too large or not there."""
        asked = {
            f"{commit}:{path}": (commit, path) for commit, path in places if _ID.fullmatch(commit) and _plain(path)
        }
        yield from ((asked[name], data) for name, data in self._objects(list(asked), b"blob"))

    def contents(self, blobs: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the content of each blob, without those that are too large or not there."""
        return self._objects(blobs, b"blob")

    def changes(self, commits: Sequence[str]) -> Iterator[Change]:
        """Yield what each commit changed in its parent; nothing of merges. A rename is what changed on the way."""
        for some in parts(commits, _COMMITS):
            yield from _changes(self._differences(some, "--raw", "-z"))

    def added(self, changes: Sequence[Change]) -> Iterator[tuple[Change, tuple[Range, ...]]]:
        """Yield changes with the lines that they added; none of a commit that changes too much to be read."""
        sizes = {name: size for name, _, size in self._heads(_blobs(changes), b"blob")}
        of: dict[str, list[Change]] = {}
        weights: Counter[str] = Counter()
        for change in changes:
            of.setdefault(change.commit, []).append(change)
            weights[change.commit] += sizes.get(change.before, 0) + sizes.get(change.after, 0)
        for some in _by_size([(one, one, weight) for one, weight in weights.items() if weight <= _PART]):
            found = _added(self._differences([one for one, _, _ in some], *_PATCH))
            for change in (change for one, _, _ in some for change in of[one]):
                yield change, tuple(found.get((change.before, change.after), ()))

    def write_notes(self, reference: str, notes: Mapping[str, bytes], what: str) -> None:
        """Write a note for each commit, over one that is there, in one commit of `reference` that says `what`.

        Raises WorkspaceError, too, where the reference only points to another one: that would be written then.
        """
        if self._points(reference):
            raise WorkspaceError(f"`{reference}` is a symbolic reference", hint=f"see `git symbolic-ref {reference}`")
        first = [b"commit %b" % reference.encode(), b"committer safe-agent <safe-agent@localhost> now"]
        stream = [b"\n".join([*first, b"data %d" % len(what.encode()), what.encode(), b""])]
        if self._has(reference):
            stream.append(b"from %b^0\n" % reference.encode())
        for commit, note in sorted(notes.items()):
            stream += [b"N inline %b\ndata %d\n" % (commit.encode(), len(note)), note, b"\n"]
        self._ask("fast-import", "--quiet", "--date-format=now", "--done", given=b"".join([*stream, b"done\n"]))

    def _has(self, revision: str) -> bool:
        try:
            return bool(self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", revision))
        except WorkspaceError:
            return False

    def _points(self, reference: str) -> bool:
        try:
            return bool(self._ask("symbolic-ref", "--quiet", reference))
        except WorkspaceError:
            return False

    def _differences(self, commits: Sequence[str], *how: str) -> bytes:
        given = "".join(f"{commit}\n" for commit in commits).encode()
        return self._ask(
            *_BIG, "diff-tree", "--stdin", "-r", "--root", "-M", "-l1000", "--no-abbrev", *how, given=given
        )

    def _objects(self, names: Sequence[str], kind: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield the objects of one kind that are there and not too large, each with the name it was asked by."""
        for some in _by_size(self._heads(names, kind)):
            output, at = self._ask("cat-file", "--batch", given=_lines([one for _, one, _ in some])), 0
            for name, _, size in some:
                start = output.index(b"\n", at) + 1
                yield name, output[start : start + size]
                at = start + size + 1

    def _heads(self, names: Sequence[str], kind: bytes) -> list[tuple[str, str, int]]:
        """Give id and size of each object of one kind that is there and not too large, with the name it is asked by."""
        said = self._ask("cat-file", "--batch-check", given=_lines(names)).split(b"\n") if names else []
        heads = zip(names, map(_HEAD.fullmatch, said), strict=False)  # the last line is an empty one
        found = [(name, head[1].decode(), int(head[3])) for name, head in heads if head is not None and head[2] == kind]
        return [one for one in found if one[2] <= LARGEST]

    def _ask(self, *arguments: str, given: bytes | None = None) -> bytes:
        try:
            return ask(self.layout.git_dir, arguments, given=given, extra=_IDENTITY)
        except (OSError, SubprocessError) as error:
            verb = next(one for one in arguments if one[0] != "-" and "=" not in one)
            raise WorkspaceError(f"`git {verb}` failed in `{self.layout.toplevel}`", hint=complaint(error)) from error


def parts(commits: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield `size` at a time."""
    yield from (commits[at : at + size] for at in range(0, len(commits), size))


def complaint(error: Exception) -> str:
    """Give what git said of a failure, in one line."""
    said = error.stderr if isinstance(error, CalledProcessError) else b""
    lines = (said or b"").decode(errors="replace").strip().splitlines()
    return lines[0] if lines else str(error)


def _plain(path: str) -> bool:
    """Say whether a path is one that a tree can have; git gives up wholly over `../x`, and reads `./x` as from here."""
    return not {"", ".", ".."} & set(path.split("/")) and "\n" not in path and "\0" not in path


def _blobs(changes: Iterable[Change]) -> list[str]:
    return list({blob: None for change in changes for blob in (change.before, change.after) if blob.strip("0")})


def _lines(names: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(name) + b"\n" for name in names)


def _by_size(objects: Sequence[tuple[str, str, int]]) -> Iterator[list[tuple[str, str, int]]]:
    some: list[tuple[str, str, int]] = []
    total = 0
    for one in objects:
        if some and total + one[2] > _PART:
            yield some
            some, total = [], 0
        some.append(one)
        total += one[2]
    if some:
        yield some


def _commit(name: str, data: bytes) -> Commit:
    """Read a commit object (git-cat-file(1)); what a stranger left out is empty."""
    head, _, message = data.decode(errors="replace").partition("\n\n")
    fields = dict(line.partition(" ")[::2] for line in reversed(head.split("\n")))
    people = [_WHO.match(fields.get(who, "") + " ") for who in ("author", "committer")]
    author, address = (people[0][1].strip(), people[0][2]) if people[0] else ("", "")
    times = [min(float(one[3]), _LATEST) for one in people if one]
    return Commit(name, author, address, min(times, default=0.0), message)


def _changes(raw: bytes) -> Iterator[Change]:
    for entry in entries(raw):
        if entry.is_file and entry.old != entry.blob:
            before = "0" * len(entry.old) if entry.status == "T" else entry.old
            yield Change(entry.commit, entry.path, before, entry.blob)


def _added(patch: bytes) -> dict[tuple[str, str], list[Range]]:
    """Read hunks; lines of content begin with `+` or `-` here, so nothing in a file looks like a head."""
    found: dict[tuple[str, str], list[Range]] = {}
    lines: list[Range] = []
    for line in patch.split(b"\n"):
        if line.startswith(b"index ") and (index := _INDEX.match(line)):
            lines = found.setdefault((index[1].decode(), index[2].decode()), [])
            lines.clear()  # the same two contents under another name
        elif line.startswith(b"@@ ") and (hunk := _HUNK.match(line)):
            count = int(hunk[2] or 1)
            if count:
                lines.append(Range(int(hunk[1]), int(hunk[1]) + count - 1))
    return found
