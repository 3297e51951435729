"""Every version of every file that a git repository holds, each once, with a commit and a path that had it.

Only plumbing is run, as `wrapper.plan.plumbing` starts it in repositories that are not trusted, and what it says is
taken as it comes: neither history nor content is held. Listing takes one walk over the history; reading asks for the
objects listed, so several workers may share a repository.
"""

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import IO, Final, NamedTuple, Self

from wrapper.corpus.names import kept, shown
from wrapper.plan.plumbing import COMMAND, ENVIRONMENT

_ID: Final = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")  # SHA-1 or SHA-256
_ASKED: Final = 256  # ids at a time: question and answer stay within a pipe's buffer of 64 KiB
_CHUNK: Final = 1 << 20
NOWHERE: Final = "-"


class Blob(NamedTuple):
    """One content. `commit` and `path` (as `names.kept`): the first commit, from the oldest on, that had it, and where.

    `commit` is NOWHERE where none is known: it stands in the index, or no ref leads to it. `size` below 0: the object
    is not there, as in a clone of a part.
    """

    id: str
    commit: str
    path: str
    size: int

    @property
    def name(self) -> str:
        """Name it as git takes it: `COMMIT:PATH`, else its id."""
        return self.id if self.commit == NOWHERE else f"{self.commit}:{shown(self.path)}"


class RepositoryError(Exception):
    """Git does not read the repository; the message is what it says."""


def git_folder(folder: bytes, within: bytes | None = None) -> bytes:
    """Find the repository of a folder: its `.git`, what a file of that name leads to, or itself.

    Raises RepositoryError where there is none, or where it lies outside `within`.
    """
    found = os.path.join(folder, b".git")
    if not os.path.lexists(found):
        return folder
    if os.path.isfile(found):
        with contextlib.suppress(OSError), open(found, "rb") as file:
            leads = file.read(4096).removeprefix(b"gitdir:").strip()
            found = os.path.normpath(os.path.join(folder, leads))
    real = os.path.realpath(found)
    if not os.path.isdir(real):
        raise RepositoryError("its repository is not there")
    if within is not None and os.path.commonpath([os.path.realpath(within), real]) != os.path.realpath(within):
        raise RepositoryError("its repository lies outside of what was named")
    return real


def blobs(git_dir: bytes, *, unreached: bool = False, commits: Sequence[str] | None = None) -> Iterator[Blob]:
    """List the contents that refs and the index lead to; with `unreached` also those to which nothing leads.

    `commits`: only what these and their ancestors have. Raises RepositoryError.
    """
    seen: set[bytes] = set()
    with _Asking(git_dir) as asking:
        start = ("--all",) if commits is None else ("--stdin",)
        found = [asking.sized(_listed(git_dir, start, commits or ()))]
        if commits is None:  # apart, since together with refs these come in no order
            found.append(asking.sized(_listed(git_dir, ("--indexed-objects", "--not", "--all"), ())))
        if unreached:
            found.append(_all(git_dir))
        for blob in chain.from_iterable(found):
            if bytes.fromhex(blob.id) not in seen:
                seen.add(bytes.fromhex(blob.id))
                yield blob


def commits_before(git_dir: bytes, date: float) -> list[str]:
    """List the commits that were made before a date (seconds since the epoch) by their committer's clock.

    One that stands on a later commit is left out, too: its own date cannot be true. Raises RepositoryError.
    """
    good: dict[bytes, None] = {}
    arguments = ("rev-list", "--all", "--topo-order", "--reverse", "--timestamp", "--parents")
    for line in _said(git_dir, arguments):
        made, commit, *parents = line.split()
        if int(made) < date and all(parent in good for parent in parents):
            good[commit] = None
    return [commit.decode() for commit in good]


def resolved(git_dir: bytes, revision: str) -> str:
    """Give the commit that a revision names. Raises RepositoryError where it names none."""
    arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    return next(_said(git_dir, arguments), b"").decode().strip()


def _listed(git_dir: bytes, start: Sequence[str], commits: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """List ids of trees and blobs with the commit that named them first, and the path."""
    commit = NOWHERE
    arguments = ("rev-list", *start, "--objects", "--in-commit-order", "--reverse", "--missing=print")
    for line in _said(git_dir, arguments, "".join(f"{one}\n" for one in commits)):
        found, space, path = line.rstrip(b"\n").partition(b" ")
        if found.startswith(b"?"):
            yield found[1:].decode(), NOWHERE, ""
        elif not _ID.fullmatch(found):
            raise RepositoryError("git lists what is no object")
        elif not space:
            commit = found.decode()
        elif path:
            yield found.decode(), commit, kept(path)
        else:  # a commit's own tree, or what a tag names without a commit
            yield found.decode(), NOWHERE, ""


def _all(git_dir: bytes) -> Iterator[Blob]:
    form = "--batch-check=%(objectname) %(objecttype) %(objectsize)"
    for line in _said(git_dir, ("cat-file", "--batch-all-objects", "--unordered", form)):
        found, kind, size = line.decode().split()
        if kind == "blob":
            yield Blob(found, NOWHERE, "", int(size))


def _said(git_dir: bytes, arguments: Sequence[str], given: str = "") -> Iterator[bytes]:
    """Run git and give its lines. Raises RepositoryError where it fails."""
    with tempfile.TemporaryFile() as asked:
        asked.write(given.encode())
        asked.seek(0)
        with _started(git_dir, arguments, stdin=asked.fileno()) as process:
            assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 (asked for below)
            yield from process.stdout
            why = process.stderr.read(400).decode(errors="replace")
            process.wait()
    if process.returncode:
        raise RepositoryError(" ".join(why.split()) or f"git ended with {process.returncode}")


@contextlib.contextmanager
def _started(git_dir: bytes, arguments: Sequence[str], *, stdin: int) -> "Iterator[subprocess.Popen[bytes]]":
    command = [*COMMAND, "--git-dir", os.fsdecode(git_dir), *arguments]
    try:
        process = subprocess.Popen(
            command, env=dict(ENVIRONMENT), cwd=os.fsdecode(git_dir),
            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:
        raise RepositoryError(f"git cannot be started: {error.strerror}") from error
    try:
        yield process
    except BaseException:
        process.kill()
        raise
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        process.wait()


class _Asking:
    """`git cat-file` that says kind and size of objects."""

    def __init__(self, git_dir: bytes) -> None:
        self._stack = contextlib.ExitStack()
        self._git_dir = git_dir

    def __enter__(self) -> Self:
        form = "--batch-check=%(objecttype) %(objectsize)"
        started = _started(self._git_dir, ("cat-file", form), stdin=subprocess.PIPE)
        process = self._stack.enter_context(started)
        self._to, self._from = _pipes(process)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def sized(self, listed: Iterable[tuple[str, str, str]]) -> Iterator[Blob]:
        """Take the blobs out of what is listed."""
        held: list[tuple[str, str, str]] = []
        for one in listed:
            held.append(one)
            if len(held) == _ASKED:
                yield from self._answers(held)
                held = []
        yield from self._answers(held)

    def _answers(self, held: Sequence[tuple[str, str, str]]) -> Iterator[Blob]:
        try:
            self._to.write("".join(f"{found}\n" for found, _, _ in held).encode())
            self._to.flush()
        except OSError as error:
            raise RepositoryError("git ended too early") from error
        for found, commit, path in held:
            kind, _, size = self._from.readline().decode(errors="replace").strip().partition(" ")
            if kind == "blob" and size.isdigit():
                yield Blob(found, commit, path, int(size))
            elif kind not in {"tree", "commit", "tag"}:
                yield Blob(found, commit, path, -1)


def contents(git_dir: bytes, ids: Sequence[str]) -> "Iterator[tuple[str, Iterator[bytes]]]":
    """Give the contents of objects in chunks, each as (why it cannot be read, chunks). Raises RepositoryError."""
    with _started(git_dir, ("cat-file", "--batch"), stdin=subprocess.PIPE) as process:
        to, back = _pipes(process)
        for one in ids:
            try:
                to.write(f"{one}\n".encode())
                to.flush()
            except OSError as error:
                raise RepositoryError("git ended too early") from error
            words = back.readline().split()
            if len(words) != 3 or words[1] != b"blob":
                yield "is not in this clone" if words[1:] == [b"missing"] else "cannot be read by git", iter(())
                continue
            chunks = _chunks(back, int(words[2]))
            yield "", chunks
            for _ in chunks:  # whatever its reader has left
                pass
            back.read(1)


def _chunks(stream: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        chunk = stream.read(min(size, _CHUNK))
        if not chunk:
            raise RepositoryError("git ended too early")
        size -= len(chunk)
        yield chunk


def _pipes(process: "subprocess.Popen[bytes]") -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 (both were asked for)
    return process.stdin, process.stdout
