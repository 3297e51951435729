"""All segments of a session, opened, put in order and walked as one log."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from wrapper.audit import format as layout
from wrapper.audit.format import NoKeyError, Position, TamperedError, TruncatedError
from wrapper.audit.scan import Preface, Sealed, Walk, read_header
from wrapper.audit.seal import Opener, decrypt
from wrapper.errors import AuditError

_BUFFER: Final = 1 << 20

Wanted = Mapping[int, Mapping[int, object]]
"""Segment → sizes of it (in frames) whose roots are asked for."""

_NOTHING: Final[Wanted] = MappingProxyType({})


class SessionWalk:
    """One pass over a session's log; iterate it once, then read its counts. Raises as `reader.verify` does.

    `pause` is called where a running session has nothing new; false ends the walk. `segments` has the hex hash of each
    segment's header and how many frames it has, `roots` those asked for, in hex, by segment and size. `missing` says
    what is not there although nothing is torn.
    """

    def __init__(
        self,
        directory: Path,
        identity: Opener | None = None,
        *,
        pause: Callable[[], bool] = lambda: False,
        wanted: Wanted = _NOTHING,
    ) -> None:
        self._directory = directory
        self._identity = identity
        self._pause = pause
        self._wanted = wanted
        self._verification = self._root = ""
        self.header = self._header(1)
        self.segments: list[tuple[str, int]] = []
        self.roots: dict[tuple[int, int], str] = {}
        self.frames = self.records = self.signed = self.torn = 0
        self.sealed = self.is_held = False
        self.missing = ""

    @property
    def position(self) -> Position:
        """How far the last segment came of which all frames were walked; nothing of the first: size 0."""
        if not self.segments:
            return Position(1, 0, layout.Tree().root().hex())
        return Position(len(self.segments), self.segments[-1][1], self._root)

    def __iter__(self) -> Iterator[Sealed]:
        number = 1
        while (yield from self._segment(number)):
            number += 1
            if not self._comes(number):
                self.missing = f"it goes on in segment {number}, which is not there"
                return
        last = segment_numbers(self._directory)[-1]
        if last != number and not self.is_held:  # a recorder that lives may have begun the next by now
            fault = TamperedError if self.sealed else TruncatedError
            raise fault(f"segment {number} ended, and yet there is segment {last}")

    def _segment(self, number: int) -> Generator[Sealed, None, bool]:
        """Walk one segment; gives whether it says that another one follows."""
        with opened_segment(self._directory, number) as (stream, preface):
            self._must_follow(preface.header)
            key = key_of(self._directory, preface.header, self._identity)
            walk = Walk(stream, preface, key, wanted=self._wanted.get(number, {}))
            lives = True
            while True:
                yield from walk
                if walk.ended:
                    break
                held = is_held(stream)
                if not (self._pause() if held else lives):
                    break
                lives = held  # once more after its end: what it wrote last may have come after we looked
                walk.extend()
            self.is_held = walk.ended != layout.END and is_held(stream)
            self._count(number, preface, walk)
            return walk.ended == layout.CONTINUED

    def _count(self, number: int, preface: Preface, walk: Walk) -> None:
        self.segments.append((preface.digest.hex(), walk.frames))
        self.roots |= {(number, size): root.hex() for size, root in walk.roots.items()}
        self.signed = self.frames + walk.signed if walk.signed else self.signed
        self.frames += walk.frames
        self.records += walk.records
        self.torn, self.sealed = walk.torn, walk.sealed
        self._root, self._verification = walk.root().hex(), walk.verification.hex()

    def _comes(self, number: int) -> bool:
        """Wait for a segment that is announced; false where it does not come."""
        while not (self._directory / layout.segment_names(number)[1]).exists():
            if number < segment_numbers(self._directory)[-1]:
                raise TruncatedError(f"segment {number} is missing")
            if not self.is_held or not self._pause():
                return False
        return True

    def _header(self, number: int) -> layout.LogHeader:
        with opened_segment(self._directory, number) as (_, preface):
            return preface.header

    def _must_follow(self, header: layout.LogHeader) -> None:
        if header.segment == 1:
            return
        told = (header.previous, header.first, header.verification_key)
        if told != (self._root, self.frames, self._verification):
            raise TamperedError(f"segment {header.segment} does not follow the one before it")


def segment_numbers(directory: Path) -> list[int]:
    """Return the numbers of the segments that are there, in order; [1] where there is none. Raises AuditError."""
    try:
        found = sorted(filter(None, (layout.segment_number(path.name) for path in directory.iterdir())))
    except FileNotFoundError:
        found = []
    except OSError as error:
        raise AuditError(f"cannot read `{directory}`: {error.strerror}") from error
    return found or [1]


@contextlib.contextmanager
def opened_segment(directory: Path, number: int) -> Iterator[tuple[BinaryIO, Preface]]:
    """Open a segment's log and read its header. Raises TruncatedError, TamperedError, AuditError."""
    path = directory / layout.segment_names(number)[1]
    try:
        stream = path.open("rb", buffering=_BUFFER)
    except FileNotFoundError as error:
        if number > 1 or segment_numbers(directory) != [1]:
            raise TruncatedError(f"segment {number} is missing") from error
        raise TruncatedError(f"`{directory}` holds no log", hint="deleted, or its session never started") from error
    except OSError as error:
        raise AuditError(f"cannot read `{path}`: {error.strerror}") from error
    with stream:
        try:
            preface = read_header(stream)
            _must_belong(preface.header, directory, number)
            yield stream, preface
        except OSError as error:
            raise AuditError(f"cannot read `{path}`: {error.strerror}") from error


def is_held(stream: BinaryIO) -> bool:
    """Say whether a recorder has the log open for writing; it locks the file for as long as it lives."""
    try:
        fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(stream, fcntl.LOCK_UN)
    return False


def runs(directory: Path) -> bool:
    """Say whether a recorder holds any of the session's logs at this moment. Raises AuditError."""
    try:
        for log in directory.glob("*.alog"):
            descriptor = os.open(log, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as stream:
                if is_held(stream):
                    return True
    except OSError as error:
        raise AuditError(f"cannot read `{directory}`: {error.strerror}") from error
    return False


def key_of(directory: Path, header: layout.LogHeader, identity: Opener | None) -> bytes | None:
    """Check a segment's key file against its header and open it; without `identity` a deleted one is no fault.

    Raises NoKeyError, TamperedError, AuditError.
    """
    path = directory / layout.segment_names(header.segment)[0]
    try:
        sealed = path.read_bytes()
    except FileNotFoundError as error:
        if identity is None:
            return None
        raise NoKeyError(
            f"session {header.session}: its key file is gone, so nobody can decrypt it",
            hint="the log itself can still be verified without a key",
        ) from error
    except OSError as error:
        raise AuditError(f"cannot read `{path}`: {error.strerror}") from error
    if hashlib.sha256(sealed).hexdigest() != header.key_file:
        raise TamperedError(f"session {header.session}: the key file is not the one that the log was begun with")
    if identity is None:
        return None
    key = decrypt(sealed, [identity])
    if layout.commitment(key).hex() != header.key_commitment:
        raise TamperedError(f"session {header.session}: the key file holds another key than the log was begun with")
    return key


def _must_belong(header: layout.LogHeader, directory: Path, number: int) -> None:
    if header.session != directory.name:
        raise TamperedError(f"the folder `{directory.name}` holds the log of session `{header.session}`")
    if header.segment != number:
        raise TamperedError(f"segment {number} is a copy of segment {header.segment}")
    if not header.recipients:
        raise TamperedError("the log is not encrypted: it is none of a session")
