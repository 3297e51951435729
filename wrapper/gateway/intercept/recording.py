"""What the log gets of requests to intercepted hosts: each on disk before it leaves, its answer, and what was refused.

Rules of this file:
1. Nothing leaves unrecorded (promise 4): `leaves` returns only when the record is on disk. Once the log has failed,
   nothing leaves any more.
2. The log holds placeholders: what a swap puts in is not told here, only the names of the secrets.
3. Each request ends with one `Answered` or one `Refused`; a message on a WebSocket that was sent has none of its own.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from redactors.engine import Engine
from wrapper.audit.events import MOST_KEPT, Answered, Event, Judged, Redacted, Refused, Sent, Warned
from wrapper.errors import AuditError
from wrapper.gateway.credential import CREDENTIAL_HEADERS
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import Headers, RequestHead
from wrapper.gateway.outgoing import Masked, redact_target
from wrapper.gateway.records import redacted
from wrapper.ports import AsyncAuditSink

_HTTPS: Final = 443
_MOST_FOUND: Final = 1_000  # records of one request: a dump of a database is full of what is likely


class Recording:
    """Writes to `sink`; `numbers` are those of all requests of the session, `clock` gives seconds since the epoch."""

    def __init__(
        self, sink: AsyncAuditSink, engine: Engine, numbers: Iterator[int], clock: Callable[[], float] = time.time
    ) -> None:
        self._sink = sink
        self._engine = engine
        self._numbers = numbers
        self._clock = clock
        self._warned: set[str] = set()
        self._has_failed = False

    def entry(self, destination: Destination, head: RequestHead) -> "Entry":
        """Begin the records of one request. AuditError once the log has failed."""
        if self._has_failed:
            raise AuditError("the log has failed")
        return Entry(self, next(self._numbers), destination, head)

    def append(self, event: Event) -> None:
        """Record what has happened. Once that fails, no further request leaves."""
        try:
            self._sink.append(event)
        except AuditError:
            self._has_failed = True

    async def durable(self, event: Event) -> None:
        """Return only after the event is on disk. AuditError if it is not."""
        if self._has_failed:
            raise AuditError("the log has failed")
        try:
            await self._sink.append_durable(event)
        except AuditError:
            self._has_failed = True
            raise

    def warn_once(self, text: str) -> None:
        """Record what the user will be told at the end."""
        if text not in self._warned:
            self._warned.add(text)
            self.append(Warned(at=self.now(), text=text))

    def now(self) -> float:
        """Give the time."""
        return self._clock()

    def redacted(self, text: str) -> str:
        """Redact what may quote the inside."""
        return self._engine.redact(text.encode("utf-8", "backslashreplace")).data.decode("utf-8", "replace")

    def redacted_target(self, target: str) -> str:
        """Redact path and query."""
        return redact_target(target.encode("latin-1", "replace"), self._engine, [])


class Entry:
    """The records of one request, or of one message on a WebSocket."""

    def __init__(self, recording: Recording, number: int, destination: Destination, head: RequestHead) -> None:
        self.number = number
        self._recording = recording
        self._destination = destination
        self._head = head
        self._method = head.method
        self._target: str | None = None
        self._headers: dict[str, str] = {}
        self._used: tuple[str, ...] = ()
        self._size = 0
        self._kept = 0
        self._found = 0
        self._hash = hashlib.sha256()
        self._has_ended = False

    def looked_at(self, target: str, headers: Headers, used: Iterable[str] = ()) -> None:
        """Take what the log may hold of the head, and the names of secrets that will be put in."""
        self._target = target
        self._headers = {
            name.decode("latin-1"): value.decode("utf-8", "replace")
            for name, value in headers
            if name.decode("latin-1") not in CREDENTIAL_HEADERS
        }
        self._used = tuple(dict.fromkeys(used))

    async def leaves(self, body: bytes, *, ended: bool = True) -> None:
        """Record the next bytes of the body, with the head if they are the first. AuditError where that fails."""
        kept = body[: max(0, MOST_KEPT - self._kept)]
        self._hash.update(body)
        event = Sent(
            at=self._recording.now(),
            number=self.number,
            host=self._destination.host,
            port=self._destination.port,
            method=self._method,
            target=self.target,
            headers=self._headers,
            body=kept,
            size=len(body),
            sha256=self._hash.hexdigest(),
            offset=self._size,
            ended=ended,
            used=self._used,
        )
        self._size += len(body)
        self._kept += len(kept)
        self._headers, self._used = {}, ()  # told once
        await self._recording.durable(event)

    def message(self) -> "Entry":
        """Begin the records of a message on the WebSocket that this request has opened."""
        entry = self._recording.entry(self._destination, self._head)
        entry._method = "WEBSOCKET"  # noqa: SLF001  (an entry of this file)
        entry._target = self.target  # noqa: SLF001
        return entry

    @property
    def target(self) -> str:
        """Path and query, for the log."""
        if self._target is None:
            self._target = self._recording.redacted_target(self._head.target)
        return self._target

    def found(self, notes: Iterable[Masked]) -> None:
        """Record what was found, whatever became of it. Of very much that leaves, the first is recorded."""
        at = self._recording.now()
        for note in notes:
            self._found += 1
            if self._found > _MOST_FOUND and note.action != "blocked":
                self.warn_once(
                    f"a request to {self._destination.host} has more than {_MOST_FOUND} values that look like secrets: "
                    "not all are recorded"
                )
                continue
            self._recording.append(redacted(at, self.number, note, "egress"))

    def masked(self, values: Mapping[tuple[str, str], int]) -> None:
        """Record what was masked in the answer: kind and placeholder, and how often."""
        at = self._recording.now()
        for (kind, placeholder), count in values.items():
            self._recording.append(
                Redacted(
                    at=at, kind=kind, placeholder=placeholder, place="response", where=f"#{self.number}", count=count
                )
            )

    def judged(self, about: str, rule: str, action: str) -> None:
        """Record what policy has decided."""
        self._recording.append(
            Judged(at=self._recording.now(), number=self.number, about=about, rule=rule, action=action, by="policy")
        )

    def warn_once(self, text: str) -> None:
        """Record what the user will be told at the end."""
        self._recording.warn_once(text)

    def refused(self, reason: str) -> None:
        """Record that the request, or the rest of it, was not forwarded. The first reason counts."""
        if self._has_ended:
            return
        self._has_ended = True
        port = "" if self._destination.port == _HTTPS else f":{self._destination.port}"
        self._recording.append(
            Refused(
                at=self._recording.now(),
                number=self.number,
                method=self._recording.redacted(self._method),
                url=f"https://{self._destination.host}{port}{self.target}",
                reason=self._recording.redacted(reason),
            )
        )

    def answered(  # what there is to say of an answer
        self, status: int, size: int, *, complete: bool, masked: Iterable[str] = (), captured: Iterable[str] = ()
    ) -> None:
        """Record what came back."""
        if self._has_ended:
            return
        self._has_ended = True
        self._recording.append(
            Answered(
                at=self._recording.now(),
                number=self.number,
                status=status,
                size=size,
                complete=complete,
                masked=tuple(dict.fromkeys(masked)),
                captured=tuple(captured),
            )
        )
