"""Finds, proves and reads the logs of sessions; changes nothing on disk.

What a log without an END frame means is decided here: its recorder still holds the lock (running), or it was killed
(open). Frames cut off at a frame's border look like a killed recorder: such a log never verifies as sealed.
"""

import enum
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final, NamedTuple

import msgspec

from wrapper.audit import events
from wrapper.audit import format as layout
from wrapper.audit.deltas import Bodies
from wrapper.audit.format import Position, TruncatedError
from wrapper.audit.scan import Sealed, Walk, last_records
from wrapper.audit.seal import Opener
from wrapper.audit.segments import SessionWalk, Wanted, is_held, key_of, opened_segment, segment_numbers
from wrapper.errors import AuditError

_END_SIZE: Final = layout.FRAME_SIZE + layout.CHECKPOINT_SIZE
_NOTHING: Final[Wanted] = MappingProxyType({})
# what the start of a session makes before its log: folders of the wrapper's, then the key
_BEFORE_THE_LOG: Final = frozenset({"view", "inside", "login", layout.KEY_FILE})
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
    """What `verify` has proven. `signed` of the `frames` are under a signature; the rest came after the last one.

    `segments` has the hex hash of each segment's header and how many frames it has; `roots` the hex roots that were
    asked for, by segment and size.
    """

    session: str
    state: State
    created: float
    recipients: tuple[str, ...]
    frames: int
    records: int
    signed: int
    torn: int
    decrypted: bool
    reason: str = ""
    segments: tuple[tuple[str, int], ...] = ()
    roots: Mapping[tuple[int, int], str] = field(default_factory=dict)


class Left(NamedTuple):
    """How a recorder that was killed left a log: how far it came, and how many bytes of an unfinished frame follow."""

    position: Position
    torn: int


class Record(NamedTuple):
    """One event with the number of its frame."""

    sequence: int
    event: events.AnyEvent


class Outline(NamedTuple):
    """The events that begin and end a session, where the log holds them."""

    start: events.SessionStart | None
    end: events.SessionEnd | None


def list_sessions(state_home: Path) -> tuple[Session, ...]:
    """Return the sessions below `state_home` (the folder that ends in `safe-agent`), oldest first.

    A start that is under way, or was killed before its log began, is none: nothing was recorded. Where the ledger knows
    such a session, its log was deleted, and the session is gone.
    """
    folder = state_home / "sessions"
    try:
        entries = [entry for entry in folder.iterdir() if entry.is_dir() and _has_begun(entry)]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise AuditError(f"cannot read `{folder}`: {error.strerror}") from error
    return tuple(sorted((_look(entry) for entry in entries), key=lambda session: (session.created, session.id)))


def _has_begun(directory: Path) -> bool:
    try:
        return not {path.name for path in directory.iterdir()} <= _BEFORE_THE_LOG
    except OSError:
        return True  # it cannot be read, which has to be said


def find_session(state_home: Path, name: str) -> Session:
    """Return the session whose id is or begins with `name`; `last` is the one begun last. Raises AuditError.

    A name with a `/` is the path to a session's folder, which may be a copy from elsewhere.
    """
    if "/" in name:
        return _look(_folder(name))
    sessions = list_sessions(state_home)
    if name == "last" and sessions:
        return sessions[-1]
    found = [s for s in sessions if s.id == name] or [s for s in sessions if name and s.id.startswith(name)]
    if not found:
        if not sessions:
            raise nothing_yet(state_home)
        raise AuditError(f"no session begins with `{name}`", hint="`safe-agent audit ls` lists them")
    if len(found) > 1:
        names = ", ".join(session.id for session in found[:5])
        raise AuditError(f"`{name}` begins {len(found)} sessions: {names}", hint="give more of the id")
    return found[0]


def nothing_yet(state_home: Path) -> AuditError:
    """Return what to say where no session is found, so that it is not taken for one that was looked at."""
    return AuditError(
        f"there is no session yet in `{state_home}`",
        hint="`safe-claude` and `safe-codex` record one; where logs from elsewhere lie, XDG_STATE_HOME says",
    )


def _folder(name: str) -> Path:
    folder = Path(name).resolve()
    if not folder.is_dir():
        raise AuditError(f"no session begins with `{name}`, and there is no such folder")
    return folder


def verify(
    directory: Path, identity: Opener | None = None, *, wanted: Wanted = _NOTHING, left: Left | None = None
) -> Verified:
    """Prove a session's log, also its content where `identity` opens it; `wanted` names roots to give back.

    `left` is how a killed recorder is known to have left it: a frame that is torn just there was not cut later.

    Raises TamperedError and TruncatedError with the first bad frame, NoKeyError where `identity` does not open it,
    AuditError where it cannot be read or has an unknown version.
    """
    walk = SessionWalk(directory, identity, wanted=wanted)
    for _ in walk:
        pass
    state = _ending(walk, left)
    header = walk.header
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
        reason=walk.missing,
        segments=tuple(walk.segments),
        roots=walk.roots,
    )


def read_records(directory: Path, identity: Opener) -> Iterator[Record]:
    """Yield the proven events one by one; raises as `verify` does, at the place where the log stops being good.

    Bodies of requests are in full. One that cannot be put together comes as it was written (its `base` is not 0), and
    AuditError is raised at the end.
    """
    return tail(directory, identity, lambda: False)


def tail(directory: Path, identity: Opener, pause: Callable[[], bool]) -> Iterator[Record]:
    """Do as `read_records`, and go on with what a running session adds.

    `pause` is called where there is nothing new; it may wait, and ends the reading by giving false. The end of the
    session, or of its recorder, ends it, too.
    """
    walk = SessionWalk(directory, identity, pause=pause)
    rebuilding = _Rebuilding()
    for sequence, record in walk:
        yield Record(sequence, rebuilding.event(sequence, _event(sequence, record or b"")))
    _ending(walk)
    rebuilding.finish()


def open_session(directory: Path, identity: Opener) -> Iterator[events.AnyEvent]:
    """Yield the events of `read_records` alone."""
    for record in read_records(directory, identity):
        yield record.event


def outline(directory: Path, identity: Opener) -> Outline:
    """Return how a session begins and ends without reading what lies between; what is skipped is not proven."""
    return Outline(_first(directory, identity), _last(directory, identity))


def _first(directory: Path, identity: Opener) -> events.SessionStart | None:
    with opened_segment(directory, 1) as (stream, preface):
        for number, (sequence, record) in enumerate(Walk(stream, preface, key_of(directory, preface.header, identity))):
            event = _event(sequence, record or b"")
            if isinstance(event, events.SessionStart):
                return event
            if number >= _EDGE:
                break
    return None


def _last(directory: Path, identity: Opener) -> events.SessionEnd | None:
    left = _EDGE
    for number in reversed(segment_numbers(directory)):
        with opened_segment(directory, number) as (stream, preface):
            key = key_of(directory, preface.header, identity)
            records = last_records(stream.fileno(), stream.tell(), preface, key or b"", left)
        found, left = _end(records), left - len(records)
        if found is not None or left <= 0:
            return found
    return None


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
        numbers = segment_numbers(directory)
        with opened_segment(directory, 1) as (_, preface):
            created = preface.header.created
        with opened_segment(directory, numbers[-1]) as (stream, _):
            size = sum((directory / layout.segment_names(number)[1]).stat().st_size for number in numbers)
            return Session(directory.name, directory, created, _outer_state(stream), size)
    except AuditError as error:
        return Session(directory.name, directory, 0.0, State.DAMAGED, 0, error.what)
    except OSError as error:
        return Session(directory.name, directory, 0.0, State.DAMAGED, 0, f"cannot be read: {error.strerror}")


def _outer_state(stream: BinaryIO) -> State:
    start = os.fstat(stream.fileno()).st_size - _END_SIZE
    if start > 0:
        tail = os.pread(stream.fileno(), layout.FRAME_SIZE, start)
        if tail[:5] == layout.CHECKPOINT_SIZE.to_bytes(4, "big") + bytes([layout.END]):
            return State.SEALED
    return State.RUNNING if is_held(stream) else State.OPEN


def _ending(walk: SessionWalk, left: Left | None = None) -> State:
    if walk.sealed:
        return State.SEALED
    if walk.is_held:
        return State.RUNNING
    if walk.torn and (walk.position, walk.torn) != left:
        raise TruncatedError(
            f"session {walk.header.session}: the log ends inside frame {walk.frames},"
            f" with {walk.torn} bytes of it left",
            hint=f"the {walk.frames} frames before it are intact: it was cut, or its recorder was killed in a write",
        )
    return State.OPEN


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
