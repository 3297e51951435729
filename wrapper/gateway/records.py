"""What the log gets of the wire: requests as they leave, answers as they came, and what was decided on the way."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from redactors.engine import Engine
from redactors.finding import Confidence
from wrapper.audit.deltas import Deltas
from wrapper.audit.events import Event, Redacted, Refused, Request, Response, Warned
from wrapper.errors import AuditError
from wrapper.gateway.answer import Offload, Transcript
from wrapper.gateway.incoming import Inward
from wrapper.gateway.outgoing import Masked, Outgoing, recorded
from wrapper.ports import AsyncAuditSink


class Leaving(NamedTuple):
    """A request that may leave to `url`, which asks `model`; `upstream` is the name of the one that policy chose.

    `account` says under which login (`account.account`).
    """

    number: int
    method: str
    url: str
    outgoing: Outgoing
    upstream: str = ""
    model: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """What all gateways of a session share: where events go, the numbers of requests, and what shortens their bodies.

    `clock` gives seconds since the epoch.
    """

    sink: AsyncAuditSink
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    deltas: Deltas = field(default_factory=Deltas)
    clock: Callable[[], float] = time.time


class Records:
    """Writes them; `failed` once the log has: then nothing may leave any more."""

    def __init__(self, log: Log, engine: Engine, offload: Offload) -> None:
        self._sink = log.sink
        self._deltas = log.deltas
        self._clock = log.clock
        self._engine = engine
        self._offload = offload
        self._late: set[asyncio.Task[None]] = set()
        self.failed = False

    def append(self, event: Event) -> None:
        """Record what has happened already; once that fails, no further request leaves."""
        try:
            self._sink.append(event)
        except AuditError:
            self.failed = True

    def warn(self, text: str) -> None:
        """Record what the user will be told at the end."""
        self.append(Warned(at=self._clock(), text=text))

    def refused(self, number: int, method: str, url: str, reason: str) -> None:
        """Record a request that was not forwarded; the reason may quote the client."""
        said = self._engine.redact(reason.encode("utf-8", "backslashreplace")).data.decode("utf-8", "replace")
        self.append(Refused(at=self._clock(), number=number, method=method, url=url, reason=said))

    def kept_back(self, number: int, masked: Iterable[Masked]) -> None:
        """Record for what a request was not sent."""
        for note in masked:
            self.append(redacted(self._clock(), number, note))

    def check(self) -> None:
        """Raise AuditError once the log has failed."""
        if self.failed:
            raise AuditError("the log has failed")

    async def request(self, leaving: Leaving) -> None:
        """Return only when the record is on disk. AuditError if it is not: then nothing may be sent."""
        self.check()
        at, outgoing = self._clock(), leaving.outgoing
        try:
            for note in outgoing.masked:
                self._sink.append(redacted(at, leaving.number, note))
            delta = self._deltas.shorten(leaving.number, outgoing.body)
            event = Request(
                at=at,
                number=leaving.number,
                method=leaving.method,
                url=leaving.url,
                headers=recorded(outgoing.headers),
                body=delta.body,
                base=delta.base,
                prefix=delta.prefix,
                suffix=delta.suffix,
                upstream=leaving.upstream,
                model=leaving.model,
                account=leaving.account,
            )
            await self._sink.append_durable(event)
        except AuditError:
            self.failed = True
            raise

    def response(self, number: int, transcript: Transcript, inward: Inward) -> None:
        """Record in a task of its own: the client need not wait for it, and may already be gone."""
        if transcript.status:
            task = asyncio.get_running_loop().create_task(self._response(number, transcript, inward))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def close(self) -> None:
        """Wait for the answers that are being recorded."""
        while self._late:
            await asyncio.wait(self._late)

    async def _response(self, number: int, transcript: Transcript, inward: Inward) -> None:
        at = self._clock()
        body = await self._offload(len(transcript.body), self._certainly_redacted, bytes(transcript.body))
        for (kind, placeholder, rule), count in inward.masked.items():
            self.append(
                Redacted(
                    at=at,
                    kind=kind,
                    placeholder=placeholder,
                    place="response",
                    where=f"#{number}",
                    rule=rule,
                    count=count,
                )
            )
        for near in inward.near.found:
            self.append(Warned(at=at, text=f"{near} (answer to request #{number})"))
        self.append(
            Response(
                at=at,
                number=number,
                status=transcript.status,
                headers=transcript.headers,
                body=body,
                complete=transcript.complete,
            )
        )

    def _certainly_redacted(self, data: bytes) -> bytes:
        """Redact what looks like a key for certain, though the model made it up; signatures only look random."""
        return self._engine.redact(data, minimum=Confidence.CERTAIN).data


def redacted(at: float, number: int, note: Masked, place: str = "request") -> Redacted:
    """Give the event of one note about request `number`."""
    return Redacted(
        at=at,
        kind=note.kind,
        placeholder=note.placeholder,
        place=place,
        where=f"#{number}{note.where}",
        rule=note.rule,
        count=note.times,
        action=note.action,
    )
