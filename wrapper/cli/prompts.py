"""What the user had asked for, read from the logs where the private key is here; each reading is recorded."""

from dataclasses import dataclass, field

from wrapper.audit import reader
from wrapper.audit.seal import Opener
from wrapper.cli.auditing.opening import identity_here, record
from wrapper.errors import SafeAgentError
from wrapper.plan.places import Places
from wrapper.provenance.model import Emission
from wrapper.review.turns import Turns
from wrapper.review.turntypes import Prompt


@dataclass(slots=True)
class Prompts:
    """Finds prompts by session and record; a session is read once, as far as it is needed for the last asked."""

    places: Places
    identity: Opener | None
    verb: str = "review"
    _known: dict[str, dict[int, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, places: Places, verb: str = "review") -> "Prompts":
        """Ask for the passphrase of the private key where it has one; without the key no prompt is found.

        `verb`: who reads, for the ledger.
        """
        try:
            return cls(places, identity_here(places), verb)
        except SafeAgentError:
            return cls(places, None, verb)

    def text(self, emission: Emission) -> str:
        """Return the words that led to an emission, "" where there are none. Raises AuditError for a bad log."""
        if self.identity is None or not emission.prompt:
            return ""
        if emission.session not in self._known:
            self._known[emission.session] = dict(self._read(emission.session, self.identity))
        return self._known[emission.session].get(emission.prompt, "")

    def _read(self, session: str, identity: Opener) -> list[tuple[int, str]]:
        found = reader.find_session(self.places.state, session)
        record(self.places, [found.id], self.verb)
        turns, prompts = Turns(), []
        for one in reader.read_records(found.directory, identity):
            prompts += [(turn.sequence, turn.text) for turn in turns.feed(one) if isinstance(turn, Prompt)]
        return prompts
