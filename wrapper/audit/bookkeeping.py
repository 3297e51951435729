"""What the recorder of a session says to the machine's ledger; and what it says of sessions whose recorder died.

Each running session has a file in `<state>/running/`, which its recorder holds locked. A file that nobody holds is that
of a recorder that was killed: whoever takes the lock states in the ledger how far that log came, and what stands torn
behind it. Nothing is ever signed for a dead recorder.

A session that runs is never stated as left, or what it writes from then on would be taken for an addition: between the
making of its mark and the lock on it anybody may take that lock, so the lock on its log counts, too.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from wrapper.audit.entries import Beat, Closed, Indexed, Opened, Recovered, Rotated
from wrapper.audit.format import Position, Tree
from wrapper.audit.ledger import Ledger
from wrapper.audit.proofs import root
from wrapper.audit.segments import SessionWalk, runs
from wrapper.errors import AuditError

LEDGER: Final = "ledger"
RUNNING: Final = "running"

# for writing, though nothing is written: NFS gives an exclusive lock on nothing else (flock(2))
_MARK: Final = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


class Bookkeeping:
    """The ledger's view of one session; `state` is the folder that ends in `safe-agent`. Raises AuditError."""

    def __init__(self, state: Path, session: str, *, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._session = session
        self._clock = clock
        self._ledger = Ledger(state / LEDGER, clock=clock)
        self._mark: int | None = None
        self._told: Position | None = None

    def opened(self, header: str) -> None:
        """Say that the session runs; `header` is the hex hash of its log's header."""
        running = self._state / RUNNING
        with _failing("cannot mark the session as running"):
            running.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._mark = _held_mark(running / self._session)
        self._ledger.append(Opened(self._clock(), self._session, 1, header))

    def beat(self, position: Position) -> None:
        """Say how far the log is; says nothing where it is no further than last time."""
        if position != self._told:
            self._ledger.append(Beat(self._clock(), self._session, *position))
            self._told = position

    def rotated(self, ended: Position, header: str) -> None:
        """Say that a segment ended and the next one stands, whose header has the hex hash `header`."""
        now, following = self._clock(), ended.segment + 1
        rotated = Rotated(now, self._session, *ended, to=following)
        self._ledger.append(rotated, Opened(now, self._session, following, header))

    def closed(self, position: Position, *, brought_nothing: bool = False) -> None:
        """Say that the log is sealed; and that an index of the session has nothing to hold, where that is known."""
        now = self._clock()
        nothing = Indexed(now, self._session, "", 0, root(()).hex())
        self._ledger.append(Closed(now, self._session, *position), *([nothing] if brought_nothing else ()))
        if self._mark is not None:
            with _failing("cannot say that the session runs no more"):
                (self._state / RUNNING / self._session).unlink(missing_ok=True)
            os.close(self._mark)
            self._mark = None

    def recover_others(self) -> None:
        """State of each session whose recorder died how its log was left."""
        for mark in self._abandoned():
            directory = self._state / "sessions" / mark.name
            with _failing("cannot look after sessions that were killed"):
                if directory.is_dir():
                    if runs(directory):
                        continue  # it has made its mark, and is about to lock it
                    self._ledger.append(_left(directory, self._clock()))
                mark.unlink(missing_ok=True)

    def _abandoned(self) -> Iterator[Path]:
        """Yield the marks that nobody holds, each locked while it is looked after."""
        with _failing("cannot look after sessions that were killed"), contextlib.suppress(FileNotFoundError):
            for mark in sorted((self._state / RUNNING).iterdir()):
                if mark.name == self._session:
                    continue
                with contextlib.suppress(OSError), _opened(mark) as descriptor:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if mark.exists():  # else its session ended while we looked
                        yield mark


def _held_mark(path: Path) -> int:
    """Make a session's mark and lock it; who takes it for an abandoned one in between may take it away."""
    while True:
        mark = os.open(path, os.O_CREAT | _MARK, 0o600)
        fcntl.flock(mark, fcntl.LOCK_EX)
        if path.exists():  # nobody else makes one of this name
            return mark
        os.close(mark)


@contextlib.contextmanager
def _opened(mark: Path) -> Iterator[int]:
    descriptor = os.open(mark, _MARK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AuditError(f"{what}: {error.strerror}") from error


def _left(directory: Path, now: float) -> Recovered:
    why = ""
    walk: SessionWalk | None = None
    try:
        walk = SessionWalk(directory)
        for _ in walk:
            pass
    except AuditError as error:
        why = error.what
    position = Position(1, 0, Tree().root().hex()) if walk is None else walk.position
    return Recovered(now, directory.name, *position, torn=walk.torn if walk else 0, why=why)
