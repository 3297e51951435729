"""What the ledger says of the index of each session; pure.

While a session runs the ledger hears of its sheets again and again, each time of all so far. All these words stand:
what was said first was said when the session was there, and whoever has the account later can add any entry. So an
index that is only as a later word has it was made anew, by `provenance rebuild` or by somebody else; the ledger cannot
tell which, the session's log can (`rebuilding.differs`). Times in entries are the word of whoever added them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from wrapper.audit.entries import Closed, Entry, Indexed, Opened, Recovered, Shredded
from wrapper.audit.proofs import root
from wrapper.provenance.model import Fault

_AT_ITS_END: Final = 60.0  # seconds; a session waits 3 for its index, and then there is none


class Told(NamedTuple):
    """All that it says of one session: `first` and `last` are times (seconds since the epoch), 0 where not known.

    `words` are what it heard of the session's sheets, in the ledger's order.
    """

    first: float = 0.0
    last: float = 0.0
    words: tuple[Indexed, ...] = ()
    is_shredded: bool = False

    @property
    def indexed(self) -> Indexed | None:
        """The last word, None where there is none."""
        return self.words[-1] if self.words else None

    @property
    def workspace(self) -> str:
        """The id of its workspace, empty where the ledger does not know."""
        return next((word.workspace for word in reversed(self.words) if word.workspace), "")

    @property
    def most(self) -> int:
        """How many sheets it ever knew."""
        return max((word.sheets for word in self.words), default=0)

    def made_anew(self, leaves: Sequence[bytes]) -> float:
        """Return when sheets with these leaves were made after the session's end; 0 where that was while it ran.

        That is so where it heard of others before, or of none until then, as far as its times tell.
        """
        broken = [number for number, word in enumerate(self.words) if not _stands(word, leaves)]
        if broken:
            return next((word.at for word in self.words[broken[-1] + 1 :]), self.words[-1].at)
        first = self.words[0].at if self.words else 0.0
        return first if self.last and first > self.last + _AT_ITS_END else 0.0

    def hint(self, session: str) -> str:
        """Say what to do about an index that is not whole."""
        return "its log cannot be read any more" if self.is_shredded else f"`safe-agent provenance rebuild {session}`"

    def lost(self, session: str) -> tuple[Fault, ...]:
        """Return the fault of a session of which there is no sheet, and does not run; none where it brought nothing."""
        if self.indexed is None:
            return (Fault(session, "there is no index of it: it was not captured", self.hint(session)),)
        if self.most:  # a later word that there was nothing takes nothing back
            return (Fault(session, f"its index of {self.most} sheets is gone", self.hint(session)),)
        return ()


def by_session(entries: Iterable[tuple[int, Entry]]) -> Mapping[str, Told]:
    """Sort what the ledger says by session."""
    told: dict[str, Told] = {}
    for _, entry in entries:
        session = getattr(entry, "session", "")
        if session:
            told[session] = _after(told.get(session, Told()), entry)
    return {session: known for session, known in told.items() if known.first or known.words}


def _stands(word: Indexed, leaves: Sequence[bytes]) -> bool:
    """Say whether the sheets that the ledger was told of are among these, as they were then."""
    return len(leaves) >= word.sheets and root(leaves[: word.sheets]).hex() == word.root


def _after(known: Told, entry: Entry) -> Told:
    match entry:
        case Opened():
            return known._replace(first=known.first or entry.at, last=max(known.last, entry.at))
        case Closed() | Recovered():
            return known._replace(last=max(known.last, entry.at))
        case Indexed():
            return known._replace(words=(*known.words, entry))
        case Shredded():
            return known._replace(is_shredded=True)
        case _:
            return known
