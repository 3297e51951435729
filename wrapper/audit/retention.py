"""Makes old sessions unreadable: deletes the files that hold their keys (crypto-shredding); the logs still verify.

Rules of this file:
1. The ledger first, then the keys: a session that nobody can read, and nobody said why, is never the result. Killed in
   between, the next run does both again.
2. A session that runs is never touched, nor one whose age is not known (its header cannot be read).
3. What is deleted here is the name of a file on this disk. Snapshots, backups, copies, and the cells of an SSD may have
   the key for longer (docs/anchors.md).
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wrapper.audit.entries import Shredded
from wrapper.audit.ledger import Ledger
from wrapper.audit.reader import Session, State, list_sessions
from wrapper.audit.segments import runs
from wrapper.durable import sync_folder
from wrapper.errors import AuditError

_DAY: Final = 86_400.0
_KEY: Final = re.compile(r"[0-9]{6,}\.key\.age", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shredding:
    """What came of one session: how many key files were deleted, or why not (all) of them."""

    session: Session
    files: int
    error: AuditError | None = None


def due(sessions: Iterable[Session], now: float, days: float) -> tuple[Session, ...]:
    """Return the sessions that were begun more than `days` before `now` (seconds since 1970) and can still be read.

    None where `days` is 0: they are kept for ever. Raises AuditError where a folder cannot be read.
    """
    if days <= 0:
        return ()
    ended = (one for one in sessions if one.state in (State.SEALED, State.OPEN))
    return tuple(one for one in ended if now - one.created > days * _DAY and key_files(one.directory))


def key_files(directory: Path) -> tuple[Path, ...]:
    """Return the key files of a session's folder, in order. Raises AuditError."""
    try:
        return tuple(sorted(path for path in directory.iterdir() if _KEY.fullmatch(path.name)))
    except OSError as error:
        raise AuditError(f"cannot read `{directory}`: {error.strerror}") from error


def shred(session: Session, ledger: Ledger, reason: str, *, clock: Callable[[], float] = time.time) -> int:
    """Say in the ledger that nobody can read `session` from now on, and why; then see to it. Returns how many files.

    Raises AuditError where the session runs, where the ledger cannot be written (nothing is deleted then), and where a
    file cannot be deleted.
    """
    if runs(session.directory):
        raise AuditError(f"session {session.id} runs: its keys stay", hint="it is due again when it has ended")
    found = key_files(session.directory)
    if not found:
        return 0
    ledger.append(Shredded(clock(), session.id, reason))
    try:
        for path in found:
            path.unlink()
        sync_folder(session.directory)
    except OSError as error:
        raise AuditError(
            f"session {session.id} can still be read: `{error.filename or session.directory}`: {error.strerror}",
            hint="make the folder yours and writable, then prune again",
        ) from error
    return len(found)


def retain(state: Path, days: float, *, clock: Callable[[], float] = time.time) -> list[Shredding]:
    """Shred all that is due, as the policy's `audit.keep_days` says; `state` is the folder that ends in `safe-agent`.

    What fails for one session stops none of the others. Raises AuditError where the sessions cannot be listed.
    """
    ledger = Ledger(state / "ledger", clock=clock)
    chosen = due(list_sessions(state), clock(), days) if days > 0 else ()
    return [_tried(one, ledger, f"kept for {days:g} days", clock) for one in chosen]


def _tried(session: Session, ledger: Ledger, reason: str, clock: Callable[[], float]) -> Shredding:
    try:
        return Shredding(session, shred(session, ledger, reason, clock=clock))
    except AuditError as error:
        return Shredding(session, 0, error)
