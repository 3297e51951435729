"""What the screen needs from outside: who makes it decides where logs are and how a reading is recorded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wrapper.audit.reader import Outline, Record, Session

Records = Callable[[], Iterator[Record]]
"""Reads one session from its beginning each time that it is called; proves what it yields, and raises AuditError."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session whose log may be read; `unrecorded` says why the reading could not be recorded, empty where it was."""

    records: Records
    unrecorded: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a proof of a log came to: its name (`sealed`, …), sentences that say what it means, whether all is well."""

    name: str
    sentences: tuple[str, ...]
    good: bool


@dataclass(frozen=True, slots=True)
class Desk:
    """All that the screen asks for; each may raise SafeAgentError, and all but `play` are called in threads.

    `sessions` lists them, oldest first. `outline` says how one begins and ends. `open` records a reading of it, then
    returns what reads it. `play` has the terminal for itself, from the moment of a record on (0: from the start).
    `export` writes a session in one of `formats` (name and what it is) and says where to. `closed` says why no log
    can be opened on this machine, empty where they can.
    """

    sessions: Callable[[], tuple[Session, ...]]
    outline: Callable[[Session], Outline]
    open: Callable[[Session], Opened]
    verify: Callable[[Session], Verdict]
    play: Callable[[Session, int], None]
    export: Callable[[Session, str], tuple[str, ...]]
    formats: tuple[tuple[str, str], ...]
    closed: str = ""
