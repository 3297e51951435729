"""Finds, proves and reads the logs of sessions; changes nothing on disk.

What a log without an END frame means is decided here: its recorder still holds the lock (running), or it was killed
(open). Frames cut off at a frame's border look like a killed recorder: such a log never verifies as sealed.
"""

import contextlib
import enum
import fcntl
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec

from wrapper.audit import events
from wrapper.audit import format as layout
from wrapper.audit.deltas import Bodies
from wrapper.audit.format import NoKeyError, TamperedError, TruncatedError
from wrapper.audit.scan import Sealed, Walk, last_records, read_header
from wrapper.audit.seal import Identity, decrypt
from wrapper.errors import AuditError

_END_SIZE: Final = layout.FRAME_SIZE + layout.CHECKPOINT_SIZE
_BUFFER: Final = 1 << 20
_EDGE: Final = 8  # records looked at from either end for the events that begin and end a session


class State(enum.Enum):
    """How a log ends. DAMAGED only where `list_sessions` cannot read a header: `verify` raises instead."""

    SEALED = "sealed"
    RUNNING = "running"
    OPEN = "open"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Session:
    """A session's folder as it looks from outside; nothing of it is proven. `created` is 0 where it is damaged."""

    id: str
    directory: Path
    created: float
    state: State
    size: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` has proven. `signed` of the `frames` are under a signature; the rest came after the last one."""

    session: str
    state: State
    created: float
    recipients: tuple[str, ...]
    frames: int
    records: int
    signed: int
    torn: int
    decrypted: bool


class Record(NamedTuple):
    """One event with the number of its frame."""

    sequence: int
    event: events.AnyEvent


class Outline(NamedTuple):
    """The events that begin and end a session, where the log holds them."""

    start: events.SessionStart | None
    end: events.SessionEnd | None


def list_sessions(state_home: Path) -> tuple[Session, ...]:
    """Return the sessions below `state_home` (the folder that ends in `safe-agent`), oldest first."""
    folder = state_home / "sessions"
    try:
        entries = [entry for entry in folder.iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise AuditError(f"cannot read `{folder}`: {error.strerror}") from error
    return tuple(sorted((_look(entry) for entry in entries), key=lambda session: (session.created, session.id)))


def find_session(state_home: Path, name: str) -> Session:
    """Return the session whose id is or begins with `name`; `last` is the one begun last. Raises AuditError."""
    sessions = list_sessions(state_home)
    if name == "last" and sessions:
        return sessions[-1]
    found = [s for s in sessions if s.id == name] or [s for s in sessions if name and s.id.startswith(name)]
    if not found:
        what = f"no session begins with `{name}`" if sessions else "there is no session yet"
        raise AuditError(what, hint="`safe-agent audit ls` lists them")
    if len(found) > 1:
        names = ", ".join(session.id for session in found[:5])
        raise AuditError(f"`{name}` begins {len(found)} sessions: {names}", hint="give more of the id")
    return found[0]


def verify(directory: Path, identity: Identity | None = None) -> Verified:
    """Prove a session's log, also its content where `identity` opens it.

    Raises TamperedError and TruncatedError with the first bad frame, NoKeyError where `identity` does not open it,
    AuditError where it cannot be read or has an unknown version.
    """
    with _opened(directory) as (stream, header, digest):
        walk = Walk(stream, header, digest, _log_key(directory, header, identity))
        for _ in walk:
            pass
        state = _ending(walk, stream, header)
        return Verified(
            session=header.session,
            state=state,
            created=header.created,
            recipients=header.recipients,
            frames=walk.frames,
            records=walk.records,
            signed=walk.signed,
            torn=walk.torn,
            decrypted=identity is not None,
        )


def read_records(directory: Path, identity: Identity) -> Iterator[Record]:
    """Yield the proven events one by one; raises as `verify` does, at the place where the log stops being good.

    Bodies of requests are in full. One that cannot be put together comes as it was written (its `base` is not 0), and
    AuditError is raised at the end.
    """
    with _opened(directory) as (stream, header, digest):
        walk = Walk(stream, header, digest, _log_key(directory, header, identity))
        rebuilding = _Rebuilding()
        for sequence, record in walk:
            yield Record(sequence, rebuilding.event(sequence, _event(sequence, record or b"")))
        _ending(walk, stream, header)
        rebuilding.finish()


def open_session(directory: Path, identity: Identity) -> Iterator[events.AnyEvent]:
    """Yield the events of `read_records` alone."""
    for record in read_records(directory, identity):
        yield record.event


def outline(directory: Path, identity: Identity) -> Outline:
    """Return how a session begins and ends without reading what lies between; what is skipped is not proven."""
    with _opened(directory) as (stream, header, digest):
        key = _log_key(directory, header, identity)
        first = stream.tell()
        start = None
        for number, (sequence, record) in enumerate(Walk(stream, header, digest, key)):
            event = _event(sequence, record or b"")
            if isinstance(event, events.SessionStart) or number >= _EDGE:
                start = event if isinstance(event, events.SessionStart) else None
                break
        return Outline(start, _end(last_records(stream.fileno(), first, digest, key or b"", _EDGE)))


class _Rebuilding:
    """Puts the bodies of requests together; what is missing of them ends the reading only when all was read."""

    def __init__(self) -> None:
        self._bodies = Bodies()
        self._broken: AuditError | None = None

    def event(self, sequence: int, event: events.AnyEvent) -> events.AnyEvent:
        if not isinstance(event, events.Request):
            return event
        try:
            return msgspec.structs.replace(event, base=0, body=self._bodies.whole(event))
        except AuditError as error:
            self._broken = self._broken or AuditError(f"frame {sequence}: {error.what}", hint=error.hint)
            return event

    def finish(self) -> None:
        """Raise AuditError with the first request that could not be put together."""
        if self._broken is not None:
            raise self._broken


def _look(directory: Path) -> Session:
    try:
        with _opened(directory) as (stream, header, _):
            size = os.fstat(stream.fileno()).st_size
            return Session(directory.name, directory, header.created, _outer_state(stream, size), size)
    except AuditError as error:
        return Session(directory.name, directory, 0.0, State.DAMAGED, 0, error.what)


def _outer_state(stream: BinaryIO, size: int) -> State:
    start = size - _END_SIZE
    if start > 0:
        tail = os.pread(stream.fileno(), layout.FRAME_SIZE, start)
        if tail[:5] == layout.CHECKPOINT_SIZE.to_bytes(4, "big") + bytes([layout.END]):
            return State.SEALED
    return State.RUNNING if _is_held(stream) else State.OPEN


def _is_held(stream: BinaryIO) -> bool:
    """Say whether a recorder has the log open for writing; it locks the file for as long as it lives."""
    try:
        fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(stream, fcntl.LOCK_UN)
    return False


def _ending(walk: Walk, stream: BinaryIO, header: layout.LogHeader) -> State:
    if walk.sealed:
        return State.SEALED
    if _is_held(stream):
        return State.RUNNING
    if walk.torn:
        raise TruncatedError(
            f"session {header.session}: the log ends inside frame {walk.frames}, with {walk.torn} bytes of it left",
            hint=f"the {walk.frames} frames before it are intact: it was cut, or its recorder was killed in a write",
        )
    return State.OPEN


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[tuple[BinaryIO, layout.LogHeader, bytes]]:
    path = directory / layout.LOG_FILE
    try:
        stream = path.open("rb", buffering=_BUFFER)
    except FileNotFoundError as error:
        raise TruncatedError(f"`{directory}` holds no log", hint="deleted, or its session never started") from error
    except OSError as error:
        raise AuditError(f"cannot read `{path}`: {error.strerror}") from error
    with stream:
        try:
            header, digest = read_header(stream)
            if header.session != directory.name:
                raise TamperedError(f"the folder `{directory.name}` holds the log of session `{header.session}`")
            yield stream, header, digest
        except OSError as error:
            raise AuditError(f"cannot read `{path}`: {error.strerror}") from error


def _log_key(directory: Path, header: layout.LogHeader, identity: Identity | None) -> bytes | None:
    """Check the key file against the header and open it; without `identity` a deleted one is no fault."""
    path = directory / layout.KEY_FILE
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


def _event(sequence: int, record: bytes) -> events.AnyEvent:
    try:
        return events.decode(record)
    except AuditError as error:
        raise AuditError(f"frame {sequence}: {error.what}", hint=error.hint) from error


def _end(records: list[Sealed]) -> events.SessionEnd | None:
    for sequence, record in reversed(records):
        event = _event(sequence, record or b"")
        if isinstance(event, events.SessionEnd):
            return event
    return None
