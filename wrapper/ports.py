"""What the adapters must offer to the session, as protocols; adapters import this and never each other."""

from typing import Protocol

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
