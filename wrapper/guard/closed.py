"""Recognises the text of closed files in requests, whatever way the inside came by it: git's objects, a paste.

What holds:
1. What closed files say when the session starts, and in the commit that is checked out, is recognised from its first
   request on: that waits until they are read. Their fingerprints are cached under the hash of their content.
2. What the rest of git's history says is recognised some seconds after the first request, as far as bounds allow.
3. What files come to say later is recognised some seconds after: while requests come, files are looked at again, at a
   pace that costs no more than a fiftieth of one processor. What they said before stays known as long as the session.
4. Names and numbers that tools put before each line (`grep -n`, `git blame`) hide nothing.
How much is read is bounded, and what is left out is told.
"""

import contextlib
import hashlib
import itertools
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from redactors.context import as_read
from redactors.finding import Finding
from wrapper.guard.closedhistory import ClosedHistory
from wrapper.plan.cachekey import cache_key
from wrapper.plan.caching import keep
from wrapper.plan.closed import closed_files, is_closed
from wrapper.plan.contents import read_regular
from wrapper.policy.model import Policy

if TYPE_CHECKING:  # numpy: 100 ms, only where there are such files
    from redactors.fingerprint import Fingerprints

_MOST_OF_FILE: Final = 1 << 20
_MOST_OF_ALL: Final = 64 << 20
_MOST_FILES: Final = 5000
_SNIFFED: Final = 8192  # git, too, tells a binary file by a NUL in its first bytes
_VERSION: Final = "\0"  # stands between a path and the number of what it said; no path holds it
# `path:12:`, `path-12-`, `rev:path:12:`, `12:`, `path:`, and what `git blame` writes; `cat -n` is known to the tokens.
_BEFORE_LINE: Final = re.compile(
    rb"[n\n\"](?<![^\\]n)"  # a line's end, escaped or not, or a string's beginning
    rb"(?:(?:[\w.@~^/-]{1,80}+:)?(?:[\w@+~-]{0,80}+[./][\w.@+~/-]{0,200}[:-])(?:\d{1,7}[:-])?"
    rb"|\d{1,7}[:-]"
    rb"|\^?[0-9a-f]{7,40}+ [^()\"\\\n]{0,200}+\([^()\"\\\n]{1,120}+\) )"
)
_FEW: Final = 5  # lines that begin so: less cannot hold a run, and ordinary text has some
# What files say that may leave if the user says so, and what those say that never may. What both say never may: a file
# that the inside made of it changes nothing.
_WORDS: Final = ("never", "ask")
_PACE: Final = 5.0  # seconds from one look to the next, at least
_SHARE: Final = 50  # times as long as a look takes, nobody looks again


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """The cache of one workspace: fingerprints by the SHA-256 of what they are of."""

    key: bytes
    prints: dict[bytes, bytes]


class Searching(Protocol):
    """What is needed of the engine that knows all but closed files."""

    def find(self, data: bytes) -> Sequence[Finding]:
        """Find secrets: sorted, not overlapping."""


class ClosedFiles:
    """A source of findings: runs of closed files, without what `others` find in them.

    So a secret in such a file has its own mark, and stays here where the user lets the file leave. `warn` hears what
    was left out, from whatever thread. Nothing is read before the first `look`.
    """

    def __init__(self, workspace: Path, policy: Policy, others: Searching | None, warn: Callable[[str], None]) -> None:
        self._workspace = workspace
        self._policy = policy
        self._others = others
        self._warn = warn
        self._learned: Callable[[], None] = lambda: None
        self._prints: dict[str, Fingerprints] = {}
        self._stamps: dict[str, tuple[int, int, int]] = {}
        self._versions: dict[str, set[bytes]] = {}
        self._history = ClosedHistory(workspace, lambda path: is_closed(path, policy))
        self._is_history_read = not self._history
        self._told: set[str] = set()
        self._read = 0
        self._looking = threading.Lock()
        self._due = 0.0

    def when_learned(self, call: Callable[[], None]) -> None:
        """Have `call` called, from whatever thread, whenever text may be found that was not found before."""
        self._learned = call

    def find(self, data: bytes) -> Iterable[Finding]:
        """Find runs; the value of each is what the inside reads there."""
        if time.monotonic() >= self._due and self._looking.acquire(blocking=False):
            threading.Thread(target=self._look_again, name="closed", daemon=True).start()
        found: list[Finding] = []
        for prints in [self._prints[word] for word in _WORDS if word in self._prints]:
            runs = _runs(prints, data)
            found += _cut(data, runs, sorted((*found, *self._others_in(data)), key=_span) if runs else ())
        return found

    def _others_in(self, data: bytes) -> Sequence[Finding]:
        return self._others.find(data) if self._others is not None else ()

    def look(self, cache: Path | None = None) -> bool:
        """Read the closed files that changed; tells whether any says something new. `cache` is the user's folder."""
        begin = time.monotonic()
        paths = sorted(itertools.islice(closed_files(self._workspace, self._policy), _MOST_FILES + 1))
        place = cache and cache / "fingerprints" / hashlib.sha256(os.fsencode(self._workspace)).hexdigest()[:32]
        key = cache_key(self._workspace, self._policy) if place else b""
        stored = _load(place, key) if place else {}
        first = not self._stamps and not self._versions
        texts = itertools.chain(self._changed(paths), self._former(self._history.head) if first else ())
        fresh = {digest: dumped for path, text in texts for digest, dumped in self._add(path, text, stored)}
        if place and fresh != stored:
            keep(place, msgspec.msgpack.encode(_Stored(key, fresh)))
        now = time.monotonic()
        self._due = now + max(_PACE, _SHARE * (now - begin)) if self._is_history_read else 0.0
        return bool(fresh)

    def look_back(self) -> bool:
        """Read what git's history has of closed files; tells whether any of it is new."""
        self._is_history_read = True
        return bool([one for path, text in self._former(self._history.all) for one in self._add(path, text, {})])

    def _former(self, read: Callable[[], Iterator[tuple[str, bytes]]]) -> Iterator[tuple[str, bytes]]:
        try:
            for path, text in read():
                if b"\0" not in text[:_SNIFFED]:
                    yield path, text
        except subprocess.CalledProcessError:  # no commit yet, or objects that nobody can read, the inside neither
            return
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._tell(f"what git has of closed files could not be read as a whole: {type(error).__name__}")

    def _look_again(self) -> None:
        try:
            learned = self.look_back() if not self._is_history_read else False
            if self.look() or learned:
                self._learned()
        except Exception as error:  # noqa: BLE001 (what is known already is still found; the user hears of the rest)
            self._due = time.monotonic() + _PACE
            self._tell(f"closed files could not be looked at again: {type(error).__name__}")
        finally:
            self._looking.release()

    def _changed(self, paths: list[str]) -> Iterator[tuple[str, bytes]]:
        """Yield path and text of each file that is not as it was, as far as bounds allow; tell what they do not."""
        cut: list[str] = []
        for number, path in enumerate(paths):
            stamp = self._stamp(path)
            if stamp is None or stamp == self._stamps.get(path):
                continue
            if number >= _MOST_FILES or self._read >= _MOST_OF_ALL:
                cut.append("and more")
                break
            self._stamps[path] = stamp
            text = self._text(path)
            if len(text) > _MOST_OF_FILE:
                cut.append(f"`{path}`")
            self._read += len(text)
            if text:
                yield path, text[:_MOST_OF_FILE]
        if cut:
            left_out = ", ".join(cut[:3] + cut[3:][-1:])
            self._tell(f"closed files too large to be recognised as a whole on the wire: {left_out}")

    def _stamp(self, path: str) -> tuple[int, int, int] | None:
        try:
            found = os.lstat(f"{self._workspace}/{path}")
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _text(self, path: str) -> bytes:
        """Read a file, and a byte more than is taken of it; nothing of a binary one."""
        try:
            text = read_regular(f"{self._workspace}/{path}", _MOST_OF_FILE + 1)
        except OSError:
            return b""
        return b"" if b"\0" in text[:_SNIFFED] else text

    def _add(self, path: str, text: bytes, stored: dict[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Know a file by what it says now, besides what it said before."""
        digest = hashlib.sha256(text).digest()
        versions = self._versions.setdefault(path, set())
        if digest in versions:
            return
        versions.add(digest)
        name = f"{path}{_VERSION}{len(versions)}"
        prints = self._opened("ask" if self._policy.send(path).action == "ask" else "never")
        dumped = stored.get(digest)
        if dumped is not None:
            with contextlib.suppress(ValueError):
                prints.load(name, dumped)
                yield digest, dumped
                return
        prints.add(name, text)
        yield digest, prints.dump(name)

    def _opened(self, word: str) -> "Fingerprints":
        if word not in self._prints:
            from redactors.fingerprint import Fingerprints  # noqa: PLC0415 (see above)

            self._prints[word] = Fingerprints()
        return self._prints[word]

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._warn(text)


def closed_files_source(
    workspace: Path, policy: Policy, others: Searching | None, *, cache: Path | None, warn: Callable[[str], None]
) -> ClosedFiles:
    """Read the closed files of `workspace`; `cache` is the user's cache folder, None to keep nothing."""
    source = ClosedFiles(workspace, policy, others, warn)
    source.look(cache)
    return source


def _runs(prints: "Fingerprints", data: bytes) -> list[Finding]:
    """Find runs, with and without what tools write before lines."""
    bare = _without_prefixes(data)
    return [*prints.find(data), *(prints.find(bare) if bare is not None else ())]


def _span(found: Finding) -> tuple[int, int]:
    return found.start, found.end


def _without_prefixes(data: bytes) -> bytes | None:
    """Put blanks in the place of what tools write before lines; None where no such lines are."""
    pieces: list[bytes] = []
    end = 0
    for prefix in _BEFORE_LINE.finditer(data):
        pieces += (data[end : prefix.start() + 1], b" " * (len(prefix[0]) - 1))
        end = prefix.end()
    return b"".join((*pieces, data[end:])) if len(pieces) >= 2 * _FEW else None


def _cut(data: bytes, runs: Sequence[Finding], others: Sequence[Finding]) -> Iterator[Finding]:
    """Give of runs what no other finding covers."""
    for run in runs:
        rule = run.rule.partition(_VERSION)[0]
        for start, end in _without(others, run.start, run.end):
            yield run._replace(start=start, end=end, value=as_read(data[start:end]), rule=rule)


def _without(others: Sequence[Finding], start: int, end: int) -> Iterator[tuple[int, int]]:
    for one in others:
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
