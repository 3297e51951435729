"""How the verbs that read a log come by it: found, with a key, and recorded in the ledger as read."""

import os
import pwd
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from wrapper.audit import reader
from wrapper.audit.age.asking import NoTerminalError
from wrapper.audit.bookkeeping import LEDGER
from wrapper.audit.entries import Reading
from wrapper.audit.keys import Keys
from wrapper.audit.ledger import Ledger
from wrapper.audit.seal import Opener
from wrapper.errors import AuditError
from wrapper.messages import say
from wrapper.plan.places import Places


@dataclass(frozen=True, slots=True)
class Opened:
    """A session whose log is about to be read, and the private key to read it with."""

    session: reader.Session
    identity: Opener
    places: Places

    def records(self) -> Iterator[reader.Record]:
        """Yield what the log holds, proven while it is read; raises as `reader.read_records` does."""
        return reader.read_records(self.session.directory, self.identity)


def opened(session: str, verb: str) -> Opened:
    """Find `session` (an id, its beginning, `last`, or a path) for `verb`, which reads it.

    Raises AuditError where there is no such session, StateError where no private key is here.
    """
    places = Places.from_environment()
    found = reader.find_session(places.state, session)
    identity = Keys(places.config).load_identity()
    record_reading(places, [found.id], verb)
    return Opened(found, identity, places)


def every(verb: str) -> Sequence[Opened]:
    """Return all sessions for `verb`, which reads them, oldest first; damaged ones, too. Raises as `opened` does.

    Also where there is none: that nothing was found in no session says nothing.
    """
    places = Places.from_environment()
    found = reader.list_sessions(places.state)
    if not found:
        raise reader.nothing_yet(places.state)
    identity = Keys(places.config).load_identity()
    record_reading(places, [session.id for session in found], verb)
    return [Opened(session, identity, places) for session in found]


def identity_here(places: Places) -> Opener | None:
    """Return the private key, None where it is not on this machine, or nobody can be asked for its passphrase."""
    keys = Keys(places.config)
    try:
        return keys.load_identity() if keys.has_identity() else None
    except NoTerminalError as error:
        say(error.what)
        return None


def record_reading(places: Places, sessions: Iterable[str], verb: str) -> None:
    """Write into the ledger that this user reads `sessions` by `verb`; says so where that is not possible."""
    reason = record(places, sessions, verb)
    if reason:
        say(f"this reading is not recorded: {reason}")


def record(places: Places, sessions: Iterable[str], verb: str) -> str:
    """Do as `record_reading`, but return why it is not possible, "" where it was."""
    folder = places.state / LEDGER
    entries = [Reading(time.time(), session, verb, _user()) for session in sessions]
    if not folder.is_dir():
        return "this machine has no ledger"
    try:
        if entries:
            Ledger(folder).append(*entries)
    except AuditError as error:
        return error.what
    return ""


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
