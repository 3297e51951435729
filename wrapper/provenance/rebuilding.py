"""Makes the index of a session anew out of its log: where it was lost, damaged, or never made.

The same `Capture` reads the records, so the codes are those that were lost. The new sheets are made whole beside the
old ones, which then make place for them; the ledger hears of it last. Whoever is killed in between leaves a fault that
a second time heals, and no sheet that is not as it was written.

A log counts only as far as the ledger vouches for it: to write one, the public key is enough. So one that is another
than the ledger saw makes no index, and one of which the ledger does not know the end makes one that is not whole.
"""

import hashlib
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from wrapper.audit.bookkeeping import LEDGER
from wrapper.audit.events import SessionStart
from wrapper.audit.ledger import Ledger
from wrapper.audit.reader import Record, State
from wrapper.audit.verdicts import FORKED, OPEN_CODE, Verdict
from wrapper.errors import AuditError, ProvenanceError
from wrapper.provenance.commits import heard
from wrapper.provenance.index import Index
from wrapper.provenance.key import Key
from wrapper.provenance.model import Kind, Read, Sheet
from wrapper.provenance.store import Store
from wrapper.provenance.workspaces import FOLDER, workspace_id
from wrapper.provenance.writing import Writing

_DRAFT: Final = ".rebuild-"
_KILLED: Final = "its recorder was killed, so its last moments may be in no log"
_TABLES: Final = ("lines", "shapes", "words", "blobs")


class Rebuilt(NamedTuple):
    """What came of it: how many sheets, and why the index is still not whole, empty where it is."""

    sheets: int
    gap: str


def doubt(verdict: Verdict) -> str:
    """Return why an index made of a log with this verdict is not whole, empty where the ledger vouches for it.

    Raises ProvenanceError where the log is another one than the ledger saw: nothing is to be made of it.
    """
    if verdict.verdict == FORKED:
        hint = f"{verdict.hint}; what was captured while it ran stays".removeprefix("; ")
        raise ProvenanceError(f"its log is not the one that the ledger saw: {verdict.reason}", hint=hint)
    if verdict.exit_code not in (0, OPEN_CODE):
        return f"its log is {verdict.verdict}: {verdict.reason}"
    if verdict.exit_code == OPEN_CODE:
        return _KILLED
    if verdict.told is not None:
        return ""
    return f"nothing vouches for its log: {verdict.reason or 'there is no ledger'}"


def rebuild(
    session: str,
    records: Iterable[Record],
    ended: State,
    state: Path,
    key: Key,
    *,
    doubt: str = "",
    clock: Callable[[], float] = time.time,
) -> Rebuilt:
    """Index `session` from its log's `records`, in place of what its index was; `ended` is how its log ends.

    `state` is the folder that ends in `safe-agent`. Where the log stops being good, what stands before that is
    indexed. `doubt` says why the log does not count in full (`doubt`), and stands in the index for ever. Raises
    ProvenanceError where the session runs, or has no beginning, or a sheet cannot be written; AuditError where nothing
    of the log can be read, or the ledger cannot be told.
    """
    if ended is State.RUNNING:
        raise ProvenanceError(f"session {session} runs", hint="its index is made while it runs; wait for its end")
    draft = state / FOLDER / f"{_DRAFT}{session}"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        commits = _commits(state, key, session)
        made, writing = _made(session, records, ended, draft, key, commits, doubt)
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


def differs(session: str, records: Iterable[Record], ended: State, state: Path, key: Key) -> bool:
    """Say whether a session's good sheets hold anything else than its log's `records` give; nothing is changed.

    Sheets are compared by what came into being and its codes; not by where one sheet ends and the next begins, nor by
    the path under which a program wrote, which depends on how long it was waited for another name. Which commits git
    knew when it began is in no log, and taken from the sheets. Raises as `rebuild`.
    """
    draft = state / FOLDER / f"{_DRAFT}{session}"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        made, _ = _made(session, records, ended, draft, key, _commits(state, key, session), "")
        kept, given = _content(_sheets(state, key, session)), _content(made.sheets(session))
        # For a session that brought nothing no indexer was started, which would have told what it read.
        return kept != given and bool(kept[0] or given[0])
    except OSError as error:
        raise ProvenanceError(f"cannot compare the index: {error.strerror}", hint="free space there") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _content(sheets: Iterable[Sheet]) -> tuple[Counter[bytes], dict[str, Read]]:
    """Return hashes of all emissions with their rows, and the last that is said of each file that was read."""
    reads: dict[str, Read] = {}
    hashes: Counter[bytes] = Counter()
    for sheet in sheets:
        reads.update((read.path, read) for read in sheet.reads)
        hashes.update(_hashes(sheet))
    return hashes, reads


def _hashes(sheet: Sheet) -> Iterator[bytes]:
    tables = [_by_emission(getattr(sheet, name)) for name in _TABLES]
    ends = [np.searchsorted(table["emission"], np.arange(len(sheet.emissions) + 1)) for table in tables]
    for number, emission in enumerate(sheet.emissions):
        shown = msgspec.structs.replace(emission, path="") if emission.kind in (Kind.WRITE, Kind.HOST) else emission
        hashed = hashlib.sha256(msgspec.msgpack.encode(shown))
        for table, at in zip(tables, ends, strict=True):
            rows = table[at[number] : at[number + 1]].copy()
            rows["emission"] = 0
            hashed.update(len(rows).to_bytes(8) + rows.tobytes())
        yield hashed.digest()


def _by_emission(table: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    return table[np.argsort(table["emission"], kind="stable")]  # as they are made; a forger may put them otherwise


def lacking(index: Index) -> frozenset[str]:
    """Return the sessions whose index is not whole, as far as the ledger or the index knows them."""
    return frozenset(session for session, known in index.sessions.items() if not known.is_whole)


def _commits(state: Path, key: Key, session: str) -> tuple[str, ...] | None:
    """Return the commits that the index says git knew when the session began: no log has them."""
    said = (heard(one.origin) for sheet in _sheets(state, key, session) for one in sheet.emissions)
    return next((commits for commits in said if commits is not None), None)


def _sheets(state: Path, key: Key, session: str) -> Iterator[Sheet]:
    folders = _folders(state) if (state / FOLDER).is_dir() else ()
    return (sheet for folder in folders for sheet in Store(folder, key).sheets(session) if sheet.session == session)


def _made(
    session: str,
    records: Iterable[Record],
    ended: State,
    draft: Path,
    key: Key,
    commits: tuple[str, ...] | None,
    doubt: str,
) -> tuple[Store, Writing]:
    """Write the sheets below `draft`; return where, and by whom, who knows why they are not all."""
    gap = _KILLED if ended is State.OPEN else doubt
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
        gap = doubt or error.what
    if store is None or writing is None:
        raise ProvenanceError(f"session {session} has no beginning", hint="its log holds no record of how it began")
    if gap:
        writing.lost(gap)
    writing.flush(ends=True)
    return store, writing


def _folders(state: Path) -> list[Path]:
    return [path for path in (state / FOLDER).iterdir() if path.is_dir() and not path.name.startswith(".")]
