"""A file that every machine of a cluster needs: taken from where it lies, else brought to the local disk, once.

A machine that has the same file at the same path (a shared folder) uses that. Another one fetches it in pieces into a
cache of its own, under the digest of its content, and verifies it there: what was fetched for one run serves the next.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from wrapper.errors import ProvenanceError

_PIECE: Final = 64 << 20  # bytes put into a cluster's object store at a time


class Sent(NamedTuple):
    """A file, and the pieces by which it can be fetched; no pieces: it must be there."""

    path: str
    digest: str
    pieces: Sequence[Any] = ()


def sent(path: str, put: Callable[[bytes], Any] | None) -> Sent:
    """Make a file known; `put` stores a piece where all machines reach it, and gives what it is fetched by."""
    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        pieces = [put(piece) for piece in iter(lambda: file.read(_PIECE), b"")] if put else []
    return Sent(path, digest, pieces)


def arrived(file: Sent, get: Callable[[Any], bytes], cache: Path) -> str:
    """Give a path of this machine at which the file lies. Raises ProvenanceError where it does not arrive whole."""
    if not file.pieces or _is(Path(file.path), file.digest):
        return file.path
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    if cache.stat().st_uid != os.getuid():
        raise ProvenanceError(f"`{cache}` belongs to another user")
    final = cache / file.digest
    with (cache / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the machine's other workers wait, and find it there
        if not _is(final, file.digest):
            _fetch(file, get, final)
    return str(final)


def _fetch(file: Sent, get: Callable[[Any], bytes], final: Path) -> None:
    draft = final.with_name(f".draft-{file.digest}")
    with draft.open("wb") as writing:
        for piece in file.pieces:
            writing.write(get(piece))
    if not _is(draft, file.digest):
        raise ProvenanceError(f"`{file.path}` did not arrive as it was sent")
    draft.rename(final)


def _is(path: Path, digest: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except OSError:
        return False
