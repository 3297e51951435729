"""What git knows of a line: the commit that it is from, and what stood there before; by plumbing, through no filter.

The working copy is compared with the last commit here, not by git, which would run the repository's filters for that.
"""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import SubprocessError
from typing import Final, NamedTuple

from wrapper.errors import WorkspaceError
from wrapper.plan.gitinfo import GitLayout, git_layout
from wrapper.plan.plumbing import ask

_MOST: Final = 10  # commits walked back: what a line was before is a question of few steps
_MOST_LINES: Final = 50_000  # of a file that is compared; difflib is quadratic at worst


class Commit(NamedTuple):
    """A commit that gave a line its text: who, when (seconds since the epoch), and what they said."""

    id: str
    author: str
    at: float
    subject: str


class Stage(NamedTuple):
    """What a line said, at the number `number` (from 1) of its file, and since which commit; None: not committed."""

    text: str
    number: int
    commit: Commit | None


class _Place(NamedTuple):
    """A line as git blame tells it."""

    commit: Commit
    path: str
    number: int
    before: tuple[str, str]


def stages(file: Path, content: str, number: int) -> list[Stage]:
    """Return what line `number` of `file`, whose text is `content`, says and said before, the newest first."""
    lines = content.split("\n")
    layout = git_layout(file.parent)
    here = Stage(lines[number - 1], number, None)
    if layout is None or len(lines) > _MOST_LINES:
        return [here]
    try:
        path = str(file.relative_to(layout.toplevel))
        committed = _lines(layout, "HEAD", path)
        at = _earlier(committed, lines, number)
        if at is None:
            return [here]
        found = list(_walked(layout, path, at))
    except (OSError, SubprocessError, ValueError):  # no commit yet, not tracked, not text: what stands here is all
        return [here]
    is_same = committed[at - 1] == here.text
    return [here._replace(commit=found[0].commit), *found[1:]] if is_same else [here, *found]


def line_of(file: Path, number: int) -> str:
    """Return the file's text, which must have line `number`. Raises WorkspaceError where it has not."""
    try:
        content = file.read_bytes().decode(errors="surrogateescape")
    except OSError as error:
        raise WorkspaceError(
            f"cannot read `{file}`: {error.strerror}", hint="name a file and a line: FILE:LINE"
        ) from error
    count = content.count("\n") + (not content.endswith("\n"))
    if not 1 <= number <= count:
        raise WorkspaceError(f"`{file}` has {count} lines, and no line {number}")
    return content


def _walked(layout: GitLayout, path: str, number: int) -> Iterator[Stage]:
    revision = "HEAD"
    for _ in range(_MOST):
        place = _blamed(layout, revision, path, number)
        now = _lines(layout, place.commit.id, place.path)
        yield Stage(now[place.number - 1], number, place.commit)
        revision, path = place.before
        if not revision:
            return
        before = _lines(layout, revision, path)
        at = _earlier(before, now, place.number)
        if at is None:
            return
        number = at


def _blamed(layout: GitLayout, revision: str, path: str, number: int) -> _Place:
    told = _git(layout, ["blame", "--porcelain", "--no-textconv", f"-L{number},{number}", revision, "--", path])
    head, *about = told.split("\n")
    commit, original = head.split(" ")[:2]
    known = dict(line.partition(" ")[::2] for line in about if not line.startswith("\t"))
    before, _, former = known.get("previous", "").partition(" ")
    author = Commit(commit, known.get("author", ""), float(known.get("author-time", 0)), known.get("summary", ""))
    return _Place(author, known.get("filename", path), int(original), (before, former or path))


def _earlier(before: Sequence[str], now: Sequence[str], number: int) -> int | None:
    """Return the number of the line in `before` that became line `number`; None where it is wholly new."""
    for tag, old, old_end, new, new_end in difflib.SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        if new < number <= new_end:
            return None if tag == "insert" else old + min(number - new, old_end - old)
    return None


def _lines(layout: GitLayout, revision: str, path: str) -> list[str]:
    return _git(layout, ["cat-file", "blob", f"{revision}:{path}"]).split("\n")


def _git(layout: GitLayout, arguments: Sequence[str]) -> str:
    return ask(layout.git_dir, arguments, work_tree=layout.toplevel).decode(errors="surrogateescape")
