"""How the verbs that read a log come by it."""

from collections.abc import Iterator
from dataclasses import dataclass

from wrapper.audit import reader
from wrapper.audit.keys import Keys
from wrapper.audit.seal import Identity
from wrapper.plan.places import Places


@dataclass(frozen=True, slots=True)
class Opened:
    """A session whose log is about to be read, and the private key to read it with."""

    session: reader.Session
    identity: Identity
    places: Places

    def records(self) -> Iterator[reader.Record]:
        """Yield what the log holds, proven while it is read; raises as `reader.read_records` does."""
        return reader.read_records(self.session.directory, self.identity)


def opened(session: str, verb: str) -> Opened:
    """Find `session` (an id, its beginning, or `last`) for `verb`, which reads it.

    Raises AuditError where there is no such session, StateError where no private key is here.
    """
    places = Places.from_environment()
    found = reader.find_session(places.state, session)
    identity = Keys(places.config).load_identity()
    del verb
    return Opened(found, identity, places)


def identity_here(places: Places) -> Identity | None:
    """Return the private key, None where it is not on this machine."""
    keys = Keys(places.config)
    return keys.load_identity() if keys.has_identity() else None
