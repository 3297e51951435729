"""What the adapters must offer to the session, as protocols; adapters import this and never each other."""

from typing import Protocol

import msgspec

from wrapper.audit.events import Event


class AuditSink(Protocol):
    """Where events go from a thread that may block (the relay)."""

    def append(self, event: Event) -> None:
        """Hand over one event; on disk within 200 ms. Raises AuditError once the log has failed."""

    def append_durable(self, event: Event) -> None:
        """Return only after the event is on disk (fsync). Raises AuditError if it is not."""


class AsyncAuditSink(Protocol):
    """The same for an event loop (the guard)."""

    def append(self, event: Event) -> None:
        """Hand over one event without waiting. Raises AuditError once the log has failed."""

    async def append_durable(self, event: Event) -> None:
        """Return only after the event is on disk (fsync). Raises AuditError if it is not."""


class Question(msgspec.Struct, frozen=True):
    """What the user is asked at the terminal. Any of its text may come from the inside: it is shown made harmless.

    `what` is the question itself, `lines` what it is about. The first of `answers` is the safe one, which needs no
    decision; `always` and `never` among them ask for the answer to be remembered under `key`, a hex digest ("" for
    never). `wants_reason`: whoever chooses another answer than the first must write why. `patience`: seconds that it
    stands, once it is shown; 0: as long as others do.
    """

    what: str
    lines: tuple[str, ...] = ()
    answers: tuple[str, ...] = ("no", "yes")
    wants_reason: bool = False
    key: str = ""
    patience: float = 0.0


class Answer(msgspec.Struct, frozen=True):
    """One of the question's `answers`, and who gave it: `user`, `remembered` or `nobody`."""

    choice: str
    reason: str = ""
    by: str = "user"


class Asking(Protocol):
    """Where the user can be asked."""

    async def ask(self, question: Question) -> Answer:
        """Give the user's answer; the first of `answers`, by `nobody`, where no one can be asked or answers in time."""
