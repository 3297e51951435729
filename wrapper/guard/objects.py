"""The objects of a repository, read by git and written by us.

Rules of this file:
1. git reads them in a folder of our own, which only borrows the repository's objects: no setting, replacement, graft
   or hook of the repository has a say.
2. What is new is kept in memory until `store`; then loose objects are made in the folder that was there at the start,
   never through a link, and never over one that is there (gitformat-loose).
3. What one look may take is limited: a repository can hold more than any memory, and trees that fold into each other.
"""

import contextlib
import hashlib
import os
import resource
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

from wrapper.guard.gitfolder import GitFolder
from wrapper.plan.plumbing import COMMAND, ENVIRONMENT, SECONDS
from wrapper.view.beneath import FOLDER, open_below

MOST_BYTES: Final = 64 << 20
"""Of one object; what the view restores is not larger either."""
_READ_IN_ALL: Final = 2 << 30
_FORMAT: Final = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectFormat = {}\n"
_NOT_READ: Final = -1
_MEMORY: Final = 1 << 30  # bytes that git may take to compare two commits
_GLIMPSE: Final = 5.0  # seconds for it


class ObjectsError(Exception):
    """Objects that cannot be read or are too many; the text says why."""


class Objects:
    """The objects of one repository; `common` is its folder, `id_bytes` 20 (SHA-1) or 32 (SHA-256).

    Ids are hexadecimal digits. `shallow` says where the history is cut, in place of what the repository says of that.
    Raises OSError where the folder of objects is missing.
    """

    def __init__(self, common: GitFolder, id_bytes: int, *, shallow: bytes | None = None) -> None:
        self.id_bytes = id_bytes
        self._kind = "sha1" if id_bytes == 20 else "sha256"
        self._common = common
        self._shallow = shallow
        self._place = os.path.realpath(common.path / "objects")
        self._folder = os.open(self._place, FOLDER)
        self._made: dict[str, tuple[bytes, bytes]] = {}
        self._reader: subprocess.Popen[bytes] | None = None
        self._git_dir = ""
        self._left = 0

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Let objects be read meanwhile; what was made and not stored is forgotten in the end."""
        with tempfile.TemporaryDirectory(prefix="safe-agent-git-") as own:
            self._found(Path(own))
            self._left = _READ_IN_ALL
            with self._started("cat-file", "--batch") as reader:
                self._reader = reader
                timer = threading.Timer(SECONDS, reader.kill)
                timer.start()
                try:
                    yield
                finally:
                    timer.cancel()
                    self._reader = None
                    self._made.clear()
                    reader.kill()

    def new_commits(self, tips: Iterable[str], known: Iterable[str], most: int) -> list[str]:
        """Name the commits that are reachable from `tips` and not from `known`, parents first.

        Raises ObjectsError where git cannot tell, or there are more than `most`.
        """
        asked = "".join([*(f"{tip}\n" for tip in tips), *(f"^{one}\n" for one in known)])
        # git does what it is told of missing ones only to what it reads after that: what was known may be gone by now
        arguments = ("--ignore-missing", "--stdin", "--topo-order", "--reverse", f"--max-count={most + 1}")
        commits = self._asked("rev-list", *arguments, given=asked.encode()).decode().split()
        if len(commits) > most:
            raise ObjectsError(f"more than {most:,} new commits")
        return commits

    def staged(self, index: bytes, head: str) -> list[tuple[bytes, str]]:
        """Give path and id of each file of an index that the commit `head` (none: the empty one) does not have so.

        Raises ObjectsError.
        """
        (Path(self._git_dir) / "index").write_bytes(index)
        base = head or hashlib.new(self._kind, b"tree 0\0", usedforsecurity=False).hexdigest()
        said = self._asked("diff-index", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", base)
        found = said.split(b"\0")
        rows = ((about.split(b" "), path) for about, path in zip(found[::2], found[1::2], strict=False))
        return [
            (path, about[3].decode()) for about, path in rows if about[1].startswith(b"100") and about[3].strip(b"0")
        ]

    def changed(self, old: str, new: str, most: int) -> bytes | None:
        """Give path and changed lines of each file, as `git diff-tree --numstat -z`; `old` empty: all is new.

        None where that is longer than `most` bytes, or more than git may take: trees can fold into each other.
        """
        arguments = ("-r", "--numstat", "-z", "--no-renames", "--no-textconv", "--no-ext-diff")
        base = old or hashlib.new(self._kind, b"tree 0\0", usedforsecurity=False).hexdigest()
        with self._started("diff-tree", *arguments, base, new) as process:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            timer = threading.Timer(_GLIMPSE, process.kill)
            timer.start()
            said = b"" if process.stdout is None else process.stdout.read(most + 1)
            if len(said) > most:
                process.kill()
            process.wait()
            timer.cancel()
        return None if process.returncode else said

    def read(self, object_id: str) -> tuple[bytes, bytes] | None:
        """Give kind and content; None for one that is missing or larger than `MOST_BYTES`. Raises ObjectsError."""
        if object_id in self._made:
            return self._made[object_id]
        reader = self._reader
        if reader is None or reader.stdin is None or reader.stdout is None:
            raise ObjectsError("nothing can be read now")
        try:
            reader.stdin.write(object_id.encode() + b"\n")
            reader.stdin.flush()
            kind, size = self._head(reader.stdout)
            content = self._content(reader.stdout, size)
        except (OSError, ValueError) as error:
            raise ObjectsError("git ended while it read objects") from error
        return None if content is None else (kind, content)

    def add(self, kind: bytes, content: bytes) -> str:
        """Make an object, to be stored; give its id."""
        data = b"%b %d\0%b" % (kind, len(content), content)
        object_id = hashlib.new(self._kind, data, usedforsecurity=False).hexdigest()
        self._made[object_id] = kind, content
        return object_id

    def store(self) -> None:
        """Write what was made into the repository. Raises OSError."""
        for object_id, (kind, content) in self._made.items():
            folder = object_id[:2]
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o777, dir_fd=self._folder)
            at = open_below(self._folder, folder, FOLDER)
            try:
                _store(at, object_id[2:], zlib.compress(b"%b %d\0%b" % (kind, len(content), content), 1))
            finally:
                os.close(at)

    def _found(self, own: Path) -> None:
        """Make what git takes for a repository (gitrepository-layout(5))."""
        self._git_dir = str(own)
        (own / "refs").mkdir()
        (own / "HEAD").write_text("ref: refs/heads/none\n")
        (own / "config").write_text(_FORMAT.format(self._kind))
        shallow = self._common.read("shallow") if self._shallow is None else self._shallow
        if shallow:
            (own / "shallow").write_bytes(shallow)

    def _started(self, *arguments: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*COMMAND, "--git-dir", self._git_dir, *arguments],
            env={**ENVIRONMENT, "GIT_OBJECT_DIRECTORY": self._place},
            cwd=self._git_dir,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def _asked(self, *arguments: str, given: bytes = b"") -> bytes:
        with self._started(*arguments) as process:
            try:
                said, _ = process.communicate(given, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise ObjectsError(f"`git {arguments[0]}` took too long") from None
        if process.returncode:
            raise ObjectsError(f"`git {arguments[0]}` failed: an object is missing or damaged")
        return said

    def _head(self, output: IO[bytes]) -> tuple[bytes, int]:
        line = output.readline()
        if not line.endswith(b"\n"):
            raise ObjectsError("git took too long, or could not read an object")
        parts = line.split()
        return (parts[1], int(parts[2])) if len(parts) == 3 else (b"", _NOT_READ)

    def _content(self, output: IO[bytes], size: int) -> bytes | None:
        if size == _NOT_READ:
            return None
        self._left -= size
        if self._left < 0:
            raise ObjectsError("the new commits hold more than can be looked at")
        content = output.read(size + 1) if size <= MOST_BYTES else None  # a line end stands behind each object
        if content is None:
            _skip(output, size + 1)
            return None
        if len(content) != size + 1:
            raise ObjectsError("git took too long, or could not read an object")
        return content[:-1]


def _skip(output: IO[bytes], size: int) -> None:
    while size > 0:
        part = output.read(min(size, 1 << 20))
        if not part:
            raise ObjectsError("git took too long, or could not read an object")
        size -= len(part)


def _store(folder: int, name: str, data: bytes) -> None:
    """Make a file whole or not at all, read-only as git's own."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        pass
    else:
        return
    temporary = f"tmp_obj_{os.urandom(6).hex()}"
    opened = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o444, dir_fd=folder)
    try:
        with open(opened, "wb") as file:  # noqa: PTH123 (a descriptor, not a path)
            file.write(data)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(temporary, dir_fd=folder)
        raise
