"""Recognises the text of closed files in requests, whatever way the inside came by it: git's objects, a paste.

Files are read once at the start, in the background; their fingerprints are cached under the hash of their content.
How much is read is bounded, and what is left out is told: a request waits for this.
"""

import contextlib
import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from redactors.context import as_read
from redactors.finding import Finding
from redactors.known import KnownValues
from wrapper.plan.cachekey import cache_key
from wrapper.plan.caching import keep
from wrapper.plan.closed import closed_files
from wrapper.plan.contents import read_regular
from wrapper.policy.model import Policy

if TYPE_CHECKING:  # numpy: 100 ms, only where there are such files
    from redactors.fingerprint import Fingerprints

_MOST_OF_FILE: Final = 1 << 20
_MOST_OF_ALL: Final = 64 << 20
_MOST_FILES: Final = 5000
_SNIFFED: Final = 8192  # git, too, tells a binary file by a NUL in its first bytes


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """The cache of one workspace: fingerprints by the SHA-256 of what they are of."""

    key: bytes
    prints: dict[bytes, bytes]


class ClosedFiles:
    """A source of findings: runs of closed files. What is a known value within them stays one, with its own mark."""

    def __init__(self, prints: "Fingerprints", known: KnownValues | None) -> None:
        self._prints = prints
        self._known = known

    def find(self, data: bytes) -> Iterable[Finding]:
        """Find runs; the value of each is what the inside reads there."""
        found = self._prints.find(data)
        if not found:
            return ()
        known = self._known.find(data) if self._known is not None else []
        return [
            run._replace(start=start, end=end, value=as_read(data[start:end]))
            for run in found
            for start, end in _without(known, run.start, run.end)
        ]


def closed_files_source(
    workspace: Path, policy: Policy, known: KnownValues | None, *, cache: Path | None, warn: Callable[[str], None]
) -> ClosedFiles | None:
    """Read the closed files of `workspace`; None where nothing of them can be recognised.

    `cache` is the user's cache folder, None to keep nothing; `warn` hears what was left out.
    """
    paths = sorted(itertools.islice(closed_files(workspace, policy), _MOST_FILES + 1))
    if not paths:
        return None
    from redactors.fingerprint import Fingerprints  # noqa: PLC0415 (see above)

    place = cache and cache / "fingerprints" / hashlib.sha256(os.fsencode(workspace)).hexdigest()[:32]
    key = cache_key(workspace, policy)
    stored = _load(place, key) if place else {}
    prints = Fingerprints()
    fresh = {
        digest: dumped
        for path, text in _texts(workspace, paths, warn)
        for digest, dumped in _add(prints, path, text, stored)
    }
    if place and fresh != stored:
        keep(place, msgspec.msgpack.encode(_Stored(key, fresh)))
    return ClosedFiles(prints, known) if len(prints) else None  # dotenv files are too short to have any


def _texts(workspace: Path, paths: list[str], warn: Callable[[str], None]) -> Iterator[tuple[str, bytes]]:
    """Yield path and text of each closed text file, as far as bounds allow; tell what they do not."""
    read = 0
    cut: list[str] = []
    for number, path in enumerate(paths):
        if number >= _MOST_FILES or read >= _MOST_OF_ALL:
            cut.append("and more")
            break
        try:
            text = read_regular(f"{workspace}/{path}", _MOST_OF_FILE + 1)
        except OSError:
            continue
        if b"\0" in text[:_SNIFFED]:
            continue
        if len(text) > _MOST_OF_FILE:
            cut.append(f"`{path}`")
        read += len(text)
        yield path, text[:_MOST_OF_FILE]
    if cut:
        warn(f"closed files too large to be recognised as a whole on the wire: {', '.join(cut[:3] + cut[3:][-1:])}")


def _add(
    prints: "Fingerprints", path: str, text: bytes, stored: Mapping[bytes, bytes]
) -> Iterator[tuple[bytes, bytes]]:
    digest = hashlib.sha256(text).digest()
    dumped = stored.get(digest)
    if dumped is not None:
        with contextlib.suppress(ValueError):
            prints.load(path, dumped)
            yield digest, dumped
            return
    prints.add(path, text)
    yield digest, prints.dump(path)


def _without(known: list[Finding], start: int, end: int) -> Iterator[tuple[int, int]]:
    for one in known:
        if one.start < end and start < one.end:
            if start < one.start:
                yield start, one.start
            start = max(start, one.end)
    if start < end:
        yield start, end


def _load(place: Path, key: bytes) -> dict[bytes, bytes]:
    """Give what is cached; nothing where that is damaged, or of other code or another policy."""
    try:
        stored = msgspec.msgpack.decode(place.read_bytes(), type=_Stored)
    except (OSError, msgspec.DecodeError):
        return {}
    return stored.prints if stored.key == key else {}
