"""What the adapters must offer to the session, as protocols; adapters import this and never each other."""

from collections.abc import Sequence
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


class View(Protocol):
    """How the workspace is shown inside. `view/binds` covers files by mounts; a FUSE view fits the same face."""

    @property
    def namespaces(self) -> Sequence[int]:
        """Descriptors of the user and mount namespace (in this order) in which the sandbox is to be started."""

    def cover(self, path: str, content: bytes | None, mode: int) -> None:
        """Show `content` at the absolute host path `path` inside; None: a file that cannot be opened."""

    def close(self) -> None:
        """Bring back the last writes from inside, end the view's process; nothing stays mounted."""
