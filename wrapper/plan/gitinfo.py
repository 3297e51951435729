"""Where a workspace's git folders are and which paths git tracks, read without starting git.

Rules of this file:
- The index is read by `indexformat`; one that only git can expand (split index, sparse index) or that does not parse
  is answered by `git ls-files`, never by a guess.
- The repository is not trusted: `git ls-files` runs with a built environment and without the repository's monitor
  and hooks programs.
- Paths are those of the working tree, relative to its top, with `/`, decoded as the file system's names are.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wrapper.errors import WorkspaceError
from wrapper.plan.indexformat import IndexFormatError, index_names, object_id_bytes

_PROGRAMS = (
    "config", "config.worktree", "hooks", "info/attributes", "info/grafts", "commondir", "objects/info/alternates",
    "worktrees/*/config.worktree", "worktrees/*/commondir", "worktrees/*/gitdir",
    "modules/**/config", "modules/**/hooks",
)  # fmt: skip
_LARGEST_INDEX = 512 << 20  # the index of four million files; what is said to be larger would fill the memory
_SMALL = 1 << 20  # `.git` files, `commondir` and `config` are a few lines; more is not one of them


@dataclass(frozen=True, slots=True)
class GitLayout:
    """The folders of the repository that a path belongs to, all absolute.

    `git_dir` is the working tree's own (index, HEAD); `common_dir` holds objects, config and hooks. They differ for
    linked worktrees only (gitrepository-layout(5)).
    """

    toplevel: Path
    git_dir: Path
    common_dir: Path


def git_layout(workspace: Path) -> GitLayout | None:
    """Find the repository around `workspace`, an absolute path; None outside of any (and in a bare one)."""
    for folder in (workspace, *workspace.parents):
        found = layout_at(folder)
        if found is not None:
            return found
    return None


def layout_at(toplevel: Path) -> GitLayout | None:
    """Describe the repository whose working tree begins at `toplevel`, by its `.git` folder or `.git` file.

    None also where `leads_astray`: the files of another repository must not be taken for this one's.
    """
    dot_git = toplevel / ".git"
    if dot_git.is_dir():
        git_dir = dot_git
    else:
        text = first_line(dot_git)
        if not text.startswith("gitdir:"):
            return None
        git_dir = _join(toplevel, text.removeprefix("gitdir:").strip())
    if not (git_dir / "HEAD").exists() and not (git_dir / "HEAD").is_symlink():
        return None
    common = first_line(git_dir / "commondir")
    if not common:
        return GitLayout(toplevel, git_dir, git_dir)
    shared = _join(git_dir, common)
    return GitLayout(toplevel, git_dir, shared) if _is_linked(git_dir, shared) else None


def leads_astray(toplevel: Path) -> bool:
    """Say whether a `.git` folder names a repository elsewhere as the one that it belongs to (`commondir`).

    git makes that file for linked working trees only, in a folder of that repository's own. Written anywhere else, it
    has whoever works here read and move another repository's refs.
    """
    git_dir = toplevel / ".git"
    common = first_line(git_dir / "commondir") if git_dir.is_dir() else ""
    return bool(common) and not _is_linked(git_dir, _join(git_dir, common))


def _is_linked(git_dir: Path, common: Path) -> bool:
    """Say whether git itself puts a linked working tree's folder here (gitrepository-layout(5), "worktrees")."""
    own = git_dir.resolve()
    return own == common / "worktrees" / own.name


def tracked(layout: GitLayout) -> frozenset[str]:
    """Name every path in the index. Raises WorkspaceError if neither this reader nor git can tell."""
    try:
        data = read_regular(layout.git_dir / "index", _LARGEST_INDEX + 1)
    except FileNotFoundError:
        return frozenset()  # nothing added yet
    except OSError as error:
        raise WorkspaceError(
            f"cannot read the git index: {error.strerror}", hint="make the repository's `.git` folder readable"
        ) from error
    if len(data) > _LARGEST_INDEX:
        raise WorkspaceError(
            f"the git index `{layout.git_dir / 'index'}` is larger than any that git makes",
            hint="remove it: `git reset` makes it anew",
        )
    try:
        names = frozenset(index_names(data, object_id_bytes(read_small(layout.common_dir / "config"))))
    except IndexFormatError:
        names = _ask_git(layout)
    return frozenset(os.fsdecode(name) for name in names)


def programs(common_dir: Path) -> Iterator[str]:
    """Yield what exists in a repository's folder and names programs that git runs, or another folder that does.

    These are what policy protects in a workspace's own `.git` (gitrepository-layout(5), git-config(1)).
    """
    for pattern in _PROGRAMS:
        yield from (str(path) for path in common_dir.glob(pattern) if not path.is_symlink())


def _ask_git(layout: GitLayout) -> frozenset[bytes]:
    # rarely needed, and half as slow to import as the whole inventory is to take
    from subprocess import SubprocessError  # noqa: PLC0415

    from wrapper.plan.plumbing import ask  # noqa: PLC0415

    try:
        listed = ask(layout.git_dir, ["ls-files", "-z"], work_tree=layout.toplevel)
    except (OSError, SubprocessError) as error:
        raise WorkspaceError(
            "cannot tell which files git tracks: the index needs git to be read, and git failed",
            hint=f"run `git -C {layout.toplevel} ls-files` to see why",
        ) from error
    return frozenset(listed.split(b"\0")) - {b""}


def first_line(path: Path) -> str:
    """Give the first line of a file of git's; empty where there is none."""
    return os.fsdecode(read_small(path).split(b"\n", 1)[0].rstrip(b"\r"))


def read_small(path: Path) -> bytes:
    """Give up to 1 MiB of a regular file; nothing where there is none."""
    try:
        return read_regular(path, _SMALL)
    except OSError:
        return b""


def read_regular(path: Path, limit: int = -1) -> bytes:
    """Read a regular file. Raises OSError for anything else.

    Where others can write, a pipe in its place would hold the start for ever, and a device would fill the memory.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)


def _join(base: Path, named: str) -> Path:
    return Path(os.path.realpath(base / named))
