"""One request's way through the handler, whatever HTTP it came by: what it raises becomes an answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from wrapper.errors import AuditError
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import Answer, AnswerHead, Handler, Request
from wrapper.gateway.intercept.pieces import Whole
from wrapper.gateway.refusal import RefusedError


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: for both handshakes and a head; without a byte either way; for a host's answer; of an unused connection.

    `answer`: None is as `idle`, since a WebSocket's silence is one at both ends. `reuse`: as long after the last answer
    a connection is still trusted with what cannot be repeated.
    """

    head: float = 30.0
    idle: float = 600.0
    answer: float | None = None
    kept: float = 60.0
    reuse: float = 5.0


class Sending(Protocol):
    """A Send for one request; `close` breaks off what has not ended."""

    async def __call__(self, request: Request) -> Answer:
        """Send."""

    def close(self) -> None:
        """Be done."""


@dataclass(frozen=True, slots=True)
class Exchanging:
    """What both kinds of the inside's end need: `sending` opens a way out for one request.

    `refused` hears of what is refused before any handler sees it.
    """

    destination: Destination
    handle: Handler
    sending: Callable[[], Sending]
    refused: Callable[[RefusedError], None]
    limits: Limits

    async def answer(self, request: Request, sending: Sending) -> Answer:
        """Give an answer in any case; a handler's own fault is told to the event loop, as a task's would be."""
        try:
            return await self.handle(request, sending)
        except RefusedError as error:
            return refusal(error)
        except AuditError as error:
            return refusal(RefusedError(503, f"nothing was sent, because the log cannot be written: {error.what}"))
        except OSError:
            return refusal(RefusedError(502, f"the exchange with {self.destination.host} broke off"))
        except Exception as error:  # noqa: BLE001  the inside must not wait for ever
            told = {"message": "a handler of intercepted requests failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(told)
            return refusal(RefusedError(500, "the request could not be handled"))


def refusal(error: RefusedError) -> Answer:
    """Say it in plain text: what reads it is a command-line tool or its user."""
    headers = ((b"content-type", b"text/plain; charset=utf-8"),)
    return Answer(AnswerHead(error.status, headers), Whole(f"{error.message}\n".encode()))
