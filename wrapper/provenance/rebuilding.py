"""Makes the index of a session anew out of its log: where it was lost, damaged, or never made.

The same `Capture` reads the records, so the codes are those that were lost. The new sheets are made whole beside the
old ones, which then make place for them; the ledger hears of it last. Whoever is killed in between leaves a fault that
a second time heals, and no sheet that is not as it was written.
"""

import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

from wrapper.audit.bookkeeping import LEDGER
from wrapper.audit.events import SessionStart
from wrapper.audit.ledger import Ledger
from wrapper.audit.reader import Record, State
from wrapper.errors import AuditError, ProvenanceError
from wrapper.provenance.commits import heard
from wrapper.provenance.index import Index
from wrapper.provenance.key import Key
from wrapper.provenance.store import Store
from wrapper.provenance.workspaces import FOLDER, workspace_id
from wrapper.provenance.writing import Writing

_DRAFT: Final = ".rebuild-"
_KILLED: Final = "its recorder was killed, so its last moments may be in no log"


class Rebuilt(NamedTuple):
    """What came of it: how many sheets, and why the index is still not whole, empty where it is."""

    sheets: int
    gap: str


def rebuild(
    session: str,
    records: Iterable[Record],
    ended: State,
    state: Path,
    key: Key,
    *,
    clock: Callable[[], float] = time.time,
) -> Rebuilt:
    """Index `session` from its log's `records`, in place of what its index was; `ended` is how its log ends.

    `state` is the folder that ends in `safe-agent`. Where the log stops being good, what stands before that is
    indexed. Raises ProvenanceError where the session runs, or has no beginning, or a sheet cannot be written;
    AuditError where nothing of the log can be read, or the ledger cannot be told.
    """
    if ended is State.RUNNING:
        raise ProvenanceError(f"session {session} runs", hint="its index is made while it runs; wait for its end")
    draft = state / FOLDER / f"{_DRAFT}{session}"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        commits = _commits(state, key, session)
        made, writing = _made(session, records, ended, draft, key, commits)
        for folder in _folders(state):
            Store(folder, key).remove(session)
        Store(state / FOLDER / made.folder.name, key).adopt(made, session)
        entry = writing.indexed(clock())
        Ledger(state / LEDGER, clock=clock).append(entry)
    except OSError as error:
        raise ProvenanceError(f"cannot write the index: {error.strerror}", hint="free space there") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Rebuilt(entry.sheets, writing.gap)


def lacking(index: Index) -> frozenset[str]:
    """Return the sessions whose index is not whole, as far as the ledger or the index knows them."""
    return frozenset(session for session, known in index.sessions.items() if not known.is_whole)


def _commits(state: Path, key: Key, session: str) -> tuple[str, ...] | None:
    """Return the commits that the index says git knew when the session began: no log has them."""
    folders = _folders(state) if (state / FOLDER).is_dir() else ()
    sheets = (sheet for folder in folders for sheet in Store(folder, key).sheets(session) if sheet.session == session)
    said = (heard(one.origin) for sheet in sheets for one in sheet.emissions)
    return next((commits for commits in said if commits is not None), None)


def _made(
    session: str,
    records: Iterable[Record],
    ended: State,
    draft: Path,
    key: Key,
    commits: tuple[str, ...] | None,
) -> tuple[Store, Writing]:
    """Write the sheets below `draft`; return where, and by whom, who knows why they are not all."""
    gap = _KILLED if ended is State.OPEN else ""
    store: Store | None = None
    writing: Writing | None = None
    try:
        for record in records:
            if isinstance(record.event, SessionStart) and writing is None:
                store = Store(draft / workspace_id(key, Path(record.event.workspace)), key)
                writing = Writing(session, store, key, commits)
            if writing is not None:
                writing.feed(record)
                if writing.is_large:
                    writing.flush()
    except AuditError as error:
        if writing is None:
            raise
        gap = error.what
    if store is None or writing is None:
        raise ProvenanceError(f"session {session} has no beginning", hint="its log holds no record of how it began")
    if gap:
        writing.lost(gap)
    writing.flush(ends=True)
    return store, writing


def _folders(state: Path) -> list[Path]:
    return [path for path in (state / FOLDER).iterdir() if path.is_dir() and not path.name.startswith(".")]
