"""The index of a machine as it is read: sheets of all or some workspaces, and what the ledger says of them.

A sheet proves itself; that none is missing at the end, that no session is missing as a whole, and that none was
replaced by an older one, only the ledger of the machine can tell. What is not as it says is a fault, and never an
error: what is good is used, and whoever uses it knows what it does not tell.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from wrapper.audit import ledgerview
from wrapper.audit.bookkeeping import LEDGER
from wrapper.audit.proofs import root
from wrapper.audit.segments import is_held
from wrapper.errors import AuditError, ProvenanceError
from wrapper.provenance import sheets
from wrapper.provenance.key import Key
from wrapper.provenance.ledgered import Told, by_session
from wrapper.provenance.model import Fault, Sheet
from wrapper.provenance.store import CLAIM, Chain, Store, unended
from wrapper.provenance.workspaces import FOLDER, workspace_id, workspace_ids

__all__ = ["Index", "SessionState", "workspace_id", "workspace_ids"]

SESSIONS: Final = "sessions"

_ID: Final = re.compile(r"[0-9a-f]{32}\Z")


class SessionState(NamedTuple):
    """What is known of a session's index.

    `workspace` is the id of its workspace, empty where nobody knows: the ledger alone speaks of it. `first` and `last`
    are seconds since the epoch: from its begin to its end as the ledger knows them, at least of what the sheets tell.
    `is_whole`: it began and ended, nothing was lost on the way, all its sheets are there, and the ledger says so; a
    session that brought nothing has none. `lines`, `emissions`, `size` (bytes) count what is good. `commits`: those
    that git knew when it began, None where that is not known. `made_anew`: when these sheets were made
    after the session's end, 0 where that was while it ran; that they are what it brought, only its log proves.
    """

    workspace: str
    first: float
    last: float
    sheets: int
    is_whole: bool
    lines: int = 0
    emissions: int = 0
    size: int = 0
    commits: tuple[str, ...] | None = None
    made_anew: float = 0.0


class Index:
    """The proven index. `faults`: why it does not tell everything; `sessions`: by session id.

    `claims` counts what was imported: emissions that are no session's, but what somebody else says of a text.
    `stamp` is another one when a sheet came, went or changed, or when there are other faults.
    """

    def __init__(
        self,
        stores: Sequence[Store],
        sessions: Mapping[str, SessionState],
        faults: tuple[Fault, ...],
        *,
        claims: int,
        stamp: bytes,
    ) -> None:
        self._stores = stores
        self.sessions = sessions
        self.faults = faults
        self.claims = claims
        self.stamp = stamp

    @classmethod
    def open(cls, state: Path, key: Key, *, workspaces: Sequence[str] | None = None) -> "Index":
        """Prove the sheets below `state` (the folder that ends in `safe-agent`) and compare them with the ledger.

        `workspaces`: ids; None: all of them. A fault does not raise: what is good is used. Raises ProvenanceError where
        the folder cannot be read at all; an index that is not there yet is empty.
        """
        there = _folders(state / FOLDER)
        stores = [Store(folder, key) for folder in there if workspaces is None or folder.name in workspaces]
        chains = [(store.folder.name, chain) for store in stores for chain in store.chains()]
        told, faults = _told(state, has_sheets=bool(there))
        if workspaces is not None:
            faults += _foreign(there, {store.folder for store in stores}, key)
        sessions: dict[str, SessionState] = {}
        for workspace, chain in chains:
            wrong = (*chain.faults, *(_running(state, chain.session) or _wrong(chain, told)))
            faults += wrong
            if not chain.session.startswith(CLAIM):
                is_whole = not wrong and told is not None
                sessions[chain.session] = _state(workspace, chain, (told or {}).get(chain.session), is_whole=is_whole)
        wanted = None if workspaces is None else {*workspaces, ""}
        for session, known in (told or {}).items():
            if session not in sessions and (wanted is None or known.workspace in wanted):
                lost = _running(state, session) or known.lost(session)
                faults += lost
                sessions[session] = SessionState(known.workspace, known.first, known.last, 0, is_whole=not lost)
        imported = (chain for _, chain in chains if chain.session.startswith(CLAIM))
        claims = sum(one.emissions for chain in imported for one in chain.good)
        return cls(stores, sessions, faults, claims=claims, stamp=_stamp(chains, faults))

    @property
    def anew(self) -> tuple[str, ...]:
        """The sessions whose sheets were made after their end."""
        return tuple(session for session, known in self.sessions.items() if known.made_anew)

    def sheets(self) -> Iterator[Sheet]:
        """Yield the good sheets, by workspace, session and number; each call reads and proves them anew."""
        for store in self._stores:
            yield from store.sheets()


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if _ID.match(path.name) and path.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ProvenanceError(f"cannot read the index `{folder}`: {error.strerror}") from error


def _told(state: Path, *, has_sheets: bool) -> tuple[Mapping[str, Told] | None, tuple[Fault, ...]]:
    """Return what the ledger says, None where there is none that can be relied on, and what is wrong with it."""
    try:
        view = ledgerview.read(state / LEDGER)
    except AuditError as error:
        if not (state / LEDGER).exists():
            hint = "compare it on the machine that made it"
            no_ledger = Fault("", "there is no ledger here that would tell whether sheets are missing", hint)
            return None, (no_ledger,) if has_sheets else ()
        hint = error.hint or "`safe-agent audit verify --all` says more"
        return None, (Fault("", f"the ledger cannot be relied on: {error.what}", hint),)
    cut = Fault("", f"{view.missing} frames of the ledger are gone: it may have known more", "see `audit verify --all`")
    return by_session(view.entries), (cut,) if view.missing else ()


def _wrong(chain: Chain, told: Mapping[str, Told] | None) -> tuple[Fault, ...]:
    """Return what is not as the ledger says of a session that does not run, and whether it has an end."""
    if chain.session.startswith(CLAIM):
        return ()
    known = (told or {}).get(chain.session)
    if told is None or known is None or known.indexed is None:
        absent = () if told is None else (_fault(chain, known, "the ledger of this machine does not know its index"),)
        return (*unended(chain), *absent)
    leaves, indexed = chain.leaves, known.indexed
    if len(leaves) < indexed.sheets:
        return (_fault(chain, known, f"the ledger knows {indexed.sheets} sheets, {len(leaves)} are there"),)
    if root(leaves[: indexed.sheets]).hex() != indexed.root:
        return (_fault(chain, known, "its sheets are not those that the ledger knows"),)
    more = len(leaves) > indexed.sheets
    untold = (_fault(chain, known, "the ledger was not told of its last sheets"),) if more and chain.ends else ()
    return (*unended(chain), *untold)


def _fault(chain: Chain, known: Told | None, why: str) -> Fault:
    return Fault(chain.session, why, (known or Told()).hint(chain.session))


def _state(workspace: str, chain: Chain, known: Told | None, *, is_whole: bool) -> SessionState:
    times = [one.first for one in chain.good if one.last] + [one.last for one in chain.good if one.last]
    times += [at for at in (known.first, known.last) if at] if known else []
    counts = (sum(one.lines for one in chain.good), sum(one.emissions for one in chain.good))
    size = sum(one.size for one in chain.good)
    first, last = min(times, default=0.0), max(times, default=0.0)
    commits = next((one.commits for one in chain.good if one.commits is not None), None)
    anew = known.made_anew(chain.leaves) if known and is_whole else 0.0
    return SessionState(workspace, first, last, len(chain.good), is_whole, *counts, size, commits, anew)


def _foreign(there: Sequence[Path], opened: set[Path], key: Key) -> tuple[Fault, ...]:
    """Return the workspaces of another key: nobody can tell whether one of them is the one that is looked at."""
    found: list[Fault] = []
    for folder in there:
        sheet = next(folder.glob("*.sheet"), None) if folder not in opened else None
        if sheet is None:
            continue
        try:
            with sheet.open("rb") as file:
                other = sheets.header_of(file.read(sheets.LONGEST_PREFACE)).key
        except (OSError, ProvenanceError):
            continue  # what is wrong with it is a fault of its own workspace
        if other != key.id:
            hint = "import that key, or rebuild: `safe-agent provenance rebuild --all`"
            found.append(Fault("", f"the index has a workspace of another key ({other})", hint))
    return tuple(found)


def _running(state: Path, session: str) -> tuple[Fault, ...]:
    """Return the fault of a session whose log a recorder holds."""
    for log in (state / SESSIONS / session).glob("*.alog"):
        with contextlib.suppress(OSError), log.open("rb") as stream:
            if is_held(stream):
                return (Fault(session, "it runs: what it brought last is not indexed yet", "wait for its end"),)
    return ()


def _stamp(chains: Sequence[tuple[str, Chain]], faults: Sequence[Fault]) -> bytes:
    hashed = hashlib.sha256()
    for workspace, chain in chains:
        hashed.update(f"{workspace} {chain.session}\n".encode() + b"".join(chain.leaves))
    for fault in faults:
        hashed.update("\0".join(fault).encode() + b"\n")
    return hashed.digest()
