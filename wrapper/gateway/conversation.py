"""A WebSocket's messages as requests and answers: each of the client's is cleared and recorded like a body."""

from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

import aiohttp
from aiohttp import web

from wrapper.errors import AuditError
from wrapper.gateway.answer import Transcript
from wrapper.gateway.checkpoint import Checkpoint, Draft
from wrapper.gateway.denial import DeniedError, denial_messages
from wrapper.gateway.dialect import Dialect
from wrapper.gateway.incoming import Inward, InwardMessages
from wrapper.gateway.records import Leaving, Records
from wrapper.gateway.refusal import RefusedError
from wrapper.gateway.websocket import Refusal

_MESSAGE = "WEBSOCKET"
_SWITCHED = 101  # RFC 9110 section 15.2.2: the status of what comes over the connection from then on
_JSON = ((b"content-type", b"application/json"),)


class Opened(NamedTuple):
    """A connection that was asked for by request `number`; `target` is its path and query, `url` where it leads.

    `account` is the login it was opened with.
    """

    number: int
    target: bytes
    url: str
    account: str = ""


class Talk:
    """One connection's messages. `inward` masks what comes for the handshake, `arriving` what comes for a message.

    `declined` passes on the answer of a provider that did not accept.
    """

    def __init__(  # noqa: PLR0913 - what a connection's messages need comes together here
        self,
        opened: Opened,
        checkpoint: Checkpoint,
        records: Records,
        numbers: Iterator[int],
        dialect: Dialect,
        *,
        inward: Callable[[], Inward],
        limit: int,
        declined: Callable[[aiohttp.ClientResponse], Awaitable[web.StreamResponse]],
    ) -> None:
        self.inward = inward()
        self._opened = opened
        self._checkpoint = checkpoint
        self._records = records
        self._numbers = numbers
        self._dialect = dialect
        self._make_inward = inward
        self._limit = limit
        self._declined = declined
        self._number = opened.number
        self._answers = opened.number

    async def leaving(self, message: bytes) -> bytes | Refusal:
        """Give what may be sent of a message; it is on record then. AuditError where it cannot be."""
        number = next(self._numbers)
        draft = Draft(number, self._opened.target, _JSON, message)
        asked = self._checkpoint.reads(draft.target, message)
        try:
            cleared = await self._checkpoint.clear(draft, asked)
        except DeniedError as error:
            self._records.refused(number, _MESSAGE, self._opened.url, error.text)
            return Refusal(denial_messages(self._dialect, asked, error.text))
        outgoing = cleared.outgoing._replace(headers=())
        opened = self._opened
        leaving = Leaving(number, _MESSAGE, opened.url, outgoing, model=cleared.model, account=opened.account)
        await self._records.request(leaving)
        self._number = number
        return outgoing.body

    def arriving(self) -> InwardMessages:
        """Begin the answer to the last message that left."""
        self._answers = self._number  # the next message may leave before the answer has ended
        return InwardMessages(self._make_inward(), self._dialect, self._limit)

    def answered(self, messages: InwardMessages) -> None:
        """Record an answer."""
        complete = messages.finished and not messages.truncated
        transcript = Transcript(_SWITCHED, {}, bytes(messages.seen), complete)
        self._records.response(self._answers, transcript, messages.inward)

    async def declined(self, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        """Pass on what the provider said instead."""
        return await self._declined(upstream)

    def broken(self, error: Exception) -> None:
        """Record why the connection was ended here."""
        match error:
            case RefusedError():
                self._records.refused(next(self._numbers), _MESSAGE, self._opened.url, error.what)
            case AuditError():
                self._records.failed = True
            case _:
                self._records.warn(f"a WebSocket connection failed with {type(error).__name__}")
