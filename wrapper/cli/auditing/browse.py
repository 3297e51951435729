"""`safe-agent audit` without a verb: the screen over all sessions."""

import contextlib
import itertools
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from wrapper.audit import reader, verdicts
from wrapper.audit.bookkeeping import LEDGER
from wrapper.audit.keys import Keys
from wrapper.audit.ledger import read
from wrapper.audit.reader import Outline, Session
from wrapper.audit.seal import Opener
from wrapper.audit.verdicts import Told
from wrapper.cli.auditing.opening import Opened, record, record_reading
from wrapper.errors import AuditError, SafeAgentError, StateError
from wrapper.plan.places import Places
from wrapper.review.app import desk as desks
from wrapper.review.app.desk import Desk, Verdict

_NO_KEY: Final = "the private key is not on this machine: only what stands outside the encrypted logs is shown"
_BY_PLUGIN: Final = "the private key belongs to an age plugin, which may ask for something at each log: use the verbs"
_IDLE: Final = 2.0  # seconds that a pause is played at most, as `audit play` does
_TURN: Final = 0.0005  # seconds after which a thread that reads lets the screen have its turn: 48 ms of lag become 14
_LIGHT: Final = frozenset({"7", "15"})  # the background's colour as rxvt names it in COLORFGBG
_FORMATS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "html": ("a page with a player, for people", "html"),
        "cast": ("the terminal, for asciinema", "cast"),
        "jsonl": ("every event as a line of JSON", "jsonl"),
        "ocsf": ("events for a SIEM, by the OCSF schema", "ocsf.jsonl"),
        "otlp": ("logs and a trace for OpenTelemetry", "otlp.jsonl"),
    }
)  # name → (what it is, how the file's name ends)
_MEANING: Final = {
    "sealed": "every record is as it was written, in its order, and none is missing; the session ended as it should",
    "running": "every record up to the last signature is as it was written; the session goes on",
    "open": "every record up to the last signature is as it was written, but the log has no end",
    "truncated": "something that was there is missing",
    "tampered": "it is not what was written",
    "forked": "it is not the log that the ledger of this machine saw being written",
    "nokey": "no key here opens it",
}
_NO_LEDGER: Final = "there is no ledger here: a log cut between two frames, or replaced as a whole, is not noticed"
_PRIVATE: Final = 0o600  # it holds what the log keeps encrypted


def browse() -> None:
    """Show the screen until it is left. Raises SafeAgentError where it cannot be shown."""
    try:
        from wrapper.review.app.screens import Review  # noqa: PLC0415 (loads textual, which not everybody installs)
    except ModuleNotFoundError as error:
        raise SafeAgentError(
            f"the screen needs the package `{error.name}`",
            hint="install safe-agent with its extra `review`; every verb of `safe-agent audit --help` works without",
        ) from error
    places = Places.from_environment()
    screen = Review(desk(places), light=os.environ.get("COLORFGBG", "").rpartition(";")[2] in _LIGHT)
    sys.setswitchinterval(_TURN)
    screen.run()
    if screen.return_code:
        raise SafeAgentError("the screen ended by a mistake in safe-agent itself")


def desk(places: Places) -> Desk:
    """Return what the screen works with; asks for the passphrase of the private key where it has one."""
    identity, closed = _key(Keys(places.config))
    work = _Work(places, identity, closed)
    return Desk(
        sessions=partial(reader.list_sessions, places.state),
        outline=work.outline,
        open=work.open,
        verify=work.verify,
        play=work.play,
        export=work.export,
        formats=tuple((name, what) for name, (what, _) in _FORMATS.items()),
        closed=closed,
    )


def _key(keys: Keys) -> tuple[Opener | None, str]:
    """Return the private key, or why there is none to work with."""
    if not keys.has_identity():
        return None, _NO_KEY
    try:
        identity = keys.load_identity()
    except SafeAgentError as error:
        return None, f"{error.what}: {error.hint}" if error.hint else error.what
    # a plugin talks on the terminal whenever a log is opened, and here that is in the middle of the screen
    return (identity, "") if all(key.recipient() for key in identity.keys) else (None, _BY_PLUGIN)


@dataclass(frozen=True, slots=True)
class _Work:
    """Everything with one private key, for which the user was asked once."""

    places: Places
    identity: Opener | None
    closed: str

    def _opener(self) -> Opener:
        if self.identity is None:
            raise StateError(self.closed)
        return self.identity

    def outline(self, session: Session) -> Outline:
        return reader.outline(session.directory, self._opener())

    def open(self, session: Session) -> desks.Opened:
        log = Opened(session, self._opener(), self.places)
        return desks.Opened(log.records, record(self.places, [session.id], "screen"))

    def verify(self, session: Session) -> Verdict:
        told, doubt = _ledger(self.places)
        found = verdicts.judge(session, self.identity, told)
        counted = f"{found.records:,} records in {found.frames:,} frames" if found.frames is not None else ""
        content = ("" if found.decrypted else "not ") + "decrypted and checked" if counted else ""
        said = (_MEANING.get(found.verdict, ""), found.reason, found.hint, counted, content, doubt)
        return Verdict(found.verdict, tuple(filter(None, said)), good=found.exit_code == 0)

    def play(self, session: Session, sequence: int) -> None:
        from wrapper.cli.auditing import playing  # noqa: PLC0415 (loads pyte)

        log = Opened(session, self._opener(), self.places)
        record_reading(self.places, [session.id], "play")
        playing.play(log.records(), idle=_IDLE, goto=str(sequence) if sequence else "")

    def export(self, session: Session, form: str) -> tuple[str, ...]:
        """Write into the folder that safe-agent was called in; never over a file that is there."""
        from wrapper.review.export.formats import write  # noqa: PLC0415 (five formats, of which nobody may want one)

        log = Opened(session, self._opener(), self.places)
        unrecorded = record(self.places, [session.id], "export")
        path = Path()
        try:
            with _new_file(Path.cwd(), session.id, _FORMATS[form][1]) as (path, out):
                write(form, log.records(), out, state=session.state.value)
        except OSError as error:
            raise AuditError(f"cannot write into the folder of this call: {error.strerror}") from error
        except AuditError as error:
            raise AuditError(error.what, hint=f"what was good before is in `{path}`") from error
        return (str(path), *([f"this reading is not recorded: {unrecorded}"] if unrecorded else ()))


def _ledger(places: Places) -> tuple[Mapping[str, Told] | None, str]:
    """Return what the ledger knows, and what has to be said of it."""
    folder = places.state / LEDGER
    if not folder.is_dir():
        return None, _NO_LEDGER
    try:
        view = read(folder)
    except AuditError as error:
        return None, f"the ledger cannot be relied on: {error.what}"
    return verdicts.by_session(view.entries), "; ".join(f"the ledger: {warning}" for warning in view.warnings)


@contextlib.contextmanager
def _new_file(folder: Path, name: str, ending: str) -> Iterator[tuple[Path, BinaryIO]]:
    for number in itertools.count(1):
        path = folder / f"{name}{f'-{number}' if number > 1 else ''}.{ending}"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "wb") as out:
            yield path, out
        return
