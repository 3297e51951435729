"""Where a workspace's git folders are and which paths git tracks, read without starting git.

Rules of this file:
- The index is read as gitformat-index(5) describes it, versions 2, 3 and 4, SHA-1 and SHA-256. Optional extensions
  (first letter upper case) are skipped, as the format asks; a mandatory one (split index, sparse index) or anything
  that does not parse is answered by `git ls-files`, never by a guess.
- The repository is not trusted: `git ls-files` runs with a built environment and without the repository's monitor
  and hooks programs.
- Paths are those of the working tree, relative to its top, with `/`, decoded as the file system's names are.
"""

import errno
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wrapper.errors import WorkspaceError

_HEADER = struct.Struct(">4sII")
_STAT_BYTES = 40  # ctime, mtime (two words each), dev, ino, mode, uid, gid, size: ten 32-bit words
_EXTENDED = 0x4000
_NAME_LENGTH = 0x0FFF  # a name of this length or longer ends at its NUL
_GIT_SECONDS = 20.0
_PROGRAMS = (
    "config", "config.worktree", "hooks", "info/attributes", "commondir", "objects/info/alternates",
    "worktrees/*/config.worktree", "worktrees/*/commondir", "worktrees/*/gitdir",
    "modules/**/config", "modules/**/hooks",
)  # fmt: skip
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


class IndexFormatError(ValueError):
    """An index that this reader leaves to git."""


def git_layout(workspace: Path) -> GitLayout | None:
    """Find the repository around `workspace`, an absolute path; None outside of any (and in a bare one)."""
    for folder in (workspace, *workspace.parents):
        found = layout_at(folder)
        if found is not None:
            return found
    return None


def layout_at(toplevel: Path) -> GitLayout | None:
    """Describe the repository whose working tree begins at `toplevel`, by its `.git` folder or `.git` file."""
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
    return GitLayout(toplevel, git_dir, _join(git_dir, common) if common else git_dir)


def tracked(layout: GitLayout) -> frozenset[str]:
    """Name every path in the index. Raises WorkspaceError if neither this reader nor git can tell."""
    try:
        data = _read(layout.git_dir / "index")
    except FileNotFoundError:
        return frozenset()  # nothing added yet
    except OSError as error:
        raise WorkspaceError(
            f"cannot read the git index: {error.strerror}", hint="make the repository's `.git` folder readable"
        ) from error
    try:
        names = frozenset(index_names(data, _object_id_bytes(layout)))
    except IndexFormatError:
        names = _ask_git(layout)
    return frozenset(os.fsdecode(name) for name in names)


def index_names(data: bytes, object_id_bytes: int = 20) -> Iterator[bytes]:
    """Yield the names in an index file. Raises IndexFormatError for what only git can expand, or what is damaged."""
    if len(data) < _HEADER.size + object_id_bytes:
        raise IndexFormatError("too short")
    signature, version, count = _HEADER.unpack_from(data)
    if signature != b"DIRC" or version not in {2, 3, 4}:
        raise IndexFormatError("not an index of version 2, 3 or 4")
    end = len(data) - object_id_bytes
    read = _compressed_names if version == 4 else _padded_names
    names: list[bytes] = []
    try:
        offset = read(data, count, object_id_bytes, names)
    except (IndexError, ValueError, struct.error) as error:
        raise IndexFormatError("entries run past the end") from error
    _check_extensions(data, offset, end)
    yield from names


def programs(common_dir: Path) -> Iterator[str]:
    """Yield what exists in a repository's folder and names programs that git runs, or another folder that does.

    These are what policy protects in a workspace's own `.git` (gitrepository-layout(5), git-config(1)).
    """
    for pattern in _PROGRAMS:
        yield from (str(path) for path in common_dir.glob(pattern) if not path.is_symlink())


def _padded_names(data: bytes, count: int, object_id_bytes: int, names: list[bytes]) -> int:
    """Versions 2 and 3: each entry is padded with 1 to 8 NULs to a multiple of eight bytes."""
    offset = _HEADER.size
    flags_at = _STAT_BYTES + object_id_bytes
    for _ in range(count):
        flags = data[offset + flags_at] << 8 | data[offset + flags_at + 1]
        begin = offset + flags_at + (4 if flags & _EXTENDED else 2)
        length = flags & _NAME_LENGTH
        stop = begin + length if length < _NAME_LENGTH else data.index(b"\0", begin)
        if data[stop]:
            raise IndexFormatError("a name does not end where it should")
        names.append(data[begin:stop])
        offset += (stop - offset + 8) & ~7
    return offset


def _compressed_names(data: bytes, count: int, object_id_bytes: int, names: list[bytes]) -> int:
    """Version 4: each name says how much of the one before to drop, then what to append, then NUL; no padding."""
    offset = _HEADER.size
    flags_at = _STAT_BYTES + object_id_bytes
    name = b""
    for _ in range(count):
        extended = data[offset + flags_at] & (_EXTENDED >> 8)
        drop, begin = _varint(data, offset + flags_at + (4 if extended else 2))
        if drop > len(name):
            raise IndexFormatError("a name drops more than there is")
        stop = data.index(b"\0", begin)
        name = name[: len(name) - drop] + data[begin:stop]
        names.append(name)
        offset = stop + 1
    return offset


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    """Read the variable-width integer of pack offsets (gitformat-pack(5), OFS_DELTA)."""
    byte = data[offset]
    value = byte & 0x7F
    while byte & 0x80:
        offset += 1
        byte = data[offset]
        value = ((value + 1) << 7) | (byte & 0x7F)
    return value, offset + 1


def _check_extensions(data: bytes, offset: int, end: int) -> None:
    while offset < end:
        if end - offset < 8:
            raise IndexFormatError("an extension is cut")
        if not 0x41 <= data[offset] <= 0x5A:  # 'A' to 'Z': optional. `link` and `sdir` change what the entries mean
            raise IndexFormatError("a mandatory extension")
        offset += 8 + int.from_bytes(data[offset + 4 : offset + 8], "big")
    if offset != end:
        raise IndexFormatError("entries or extensions run past the end")


def _object_id_bytes(layout: GitLayout) -> int:
    """32 for `extensions.objectFormat = sha256`, else 20. A wrong guess shows in the extensions and goes to git."""
    config = read_small(layout.common_dir / "config").lower().replace(b" ", b"").replace(b"\t", b"")
    return 32 if b"objectformat=sha256" in config else 20


def _ask_git(layout: GitLayout) -> frozenset[bytes]:
    import subprocess  # noqa: PLC0415 - rarely needed, and half as slow to import as the whole inventory is to take

    argv = ["git", "-c", "core.fsmonitor=", "-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*"]
    argv += ["--git-dir", str(layout.git_dir), "--work-tree", str(layout.toplevel), "ls-files", "-z"]
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    try:
        done = subprocess.run(
            argv,
            env=environment,
            cwd=layout.toplevel,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise WorkspaceError(
            "cannot tell which files git tracks: the index needs git to be read, and git failed",
            hint=f"run `git -C {layout.toplevel} ls-files` to see why",
        ) from error
    return frozenset(done.stdout.split(b"\0")) - {b""}


def first_line(path: Path) -> str:
    """Give the first line of a file of git's; empty where there is none."""
    return os.fsdecode(read_small(path).split(b"\n", 1)[0].rstrip(b"\r"))


def read_small(path: Path) -> bytes:
    """Give up to 1 MiB of a regular file; nothing where there is none."""
    try:
        return _read(path, _SMALL)
    except OSError:
        return b""


def _read(path: Path, limit: int = -1) -> bytes:
    """Read a regular file. Raises OSError for anything else: a FIFO in its place must not block the start."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read(limit)


def _join(base: Path, named: str) -> Path:
    return Path(os.path.realpath(base / named))
