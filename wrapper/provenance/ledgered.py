"""What the ledger says of the index of each session; pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from wrapper.audit.entries import Closed, Entry, Indexed, Opened, Recovered, Shredded
from wrapper.provenance.model import Fault


class Told(NamedTuple):
    """All that it says of one session: `first` and `last` are times (seconds since the epoch), 0 where not known."""

    first: float = 0.0
    last: float = 0.0
    indexed: Indexed | None = None
    is_shredded: bool = False

    @property
    def workspace(self) -> str:
        """The id of its workspace, empty where the ledger does not know."""
        return self.indexed.workspace if self.indexed else ""

    def hint(self, session: str) -> str:
        """Say what to do about an index that is not whole."""
        return "its log cannot be read any more" if self.is_shredded else f"`safe-agent provenance rebuild {session}`"

    def lost(self, session: str) -> tuple[Fault, ...]:
        """Return the fault of a session of which there is no sheet, and does not run; none where it brought nothing."""
        if self.indexed is None:
            return (Fault(session, "there is no index of it: it was not captured", self.hint(session)),)
        if self.indexed.sheets:
            return (Fault(session, f"its index of {self.indexed.sheets} sheets is gone", self.hint(session)),)
        return ()


def by_session(entries: Iterable[tuple[int, Entry]]) -> Mapping[str, Told]:
    """Sort what the ledger says by session."""
    told: dict[str, Told] = {}
    for _, entry in entries:
        session = getattr(entry, "session", "")
        if session:
            told[session] = _after(told.get(session, Told()), entry)
    return {session: known for session, known in told.items() if known.first or known.indexed}


def _after(known: Told, entry: Entry) -> Told:
    match entry:
        case Opened():
            return known._replace(first=known.first or entry.at, last=max(known.last, entry.at))
        case Closed() | Recovered():
            return known._replace(last=max(known.last, entry.at))
        case Indexed():
            return known._replace(indexed=entry)
        case Shredded():
            return known._replace(is_shredded=True)
        case _:
            return known
