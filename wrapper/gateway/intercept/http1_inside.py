"""The inside's end of HTTP/1.1: requests one after the other, each answered before the next is begun.

Rules of this file:
1. What comes behind a request (pipelining) waits; reading stops while much waits.
2. A request of which something is wrong ends the connection after its answer: where the next one would begin is not
   certain any more.
3. An answer that breaks off is broken off here, too: no last chunk, no goodbye.
"""

import asyncio
import collections
from dataclasses import dataclass
from typing import Final

import httptools

from wrapper.gateway.intercept import http1
from wrapper.gateway.intercept.exchange import Answer, Body, Request, RequestHead
from wrapper.gateway.intercept.exchanging import Exchanging, refusal
from wrapper.gateway.intercept.heads import Own, is_bodiless, length_of, request_head, sorted_out, tokens
from wrapper.gateway.intercept.link import Link
from wrapper.gateway.intercept.pieces import Pieces
from wrapper.gateway.refusal import RefusedError

_AHEAD: Final = 256 * 2**10  # bytes of a body that wait before reading stops
_QUEUED: Final = 8  # requests that wait before reading stops
_MOST_QUEUED: Final = 1024  # one read can bring some, even so
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(slots=True)
class _Asked:
    head: RequestHead
    body: Pieces
    has_body: bool
    keep: bool
    chunks: bool


class Http1Inside(http1.Framing):
    """Serves `link` until it ends; see `run`."""

    def __init__(self, link: Link, exchanging: Exchanging) -> None:
        super().__init__()
        self._link = link
        self._way = exchanging
        self._queue: collections.deque[_Asked | RefusedError] = collections.deque()
        self._parser = httptools.HttpRequestParser(self)
        self._current: _Asked | None = None  # what is being received
        self._raw: Pieces | None = None
        self._broken = False
        self._paused = False
        self._arrived: asyncio.Future[None] | None = None
        self._late: asyncio.TimerHandle | None = None
        self._task = asyncio.current_task()
        self._ended = self._hung_up = False

    async def run(self) -> None:
        """Answer requests until one end has had enough."""
        self._link.attach(self)
        try:
            while (asked := await self._next()) is not None and await self._answered(asked):
                pass
        except OSError:
            pass  # the inside is gone: there is nobody to tell
        except asyncio.CancelledError:
            if not self._hung_up or self._task is None or self._task.uncancel():  # by somebody else than `ended`
                raise
        finally:
            if self._late is not None:
                self._late.cancel()
            self._ended = True
            self._link.close(linger=True)

    async def _next(self) -> _Asked | RefusedError | None:
        while not self._queue:
            if self._ended:
                return None
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        asked = self._queue.popleft()
        self._throttle()
        return asked

    # What comes in.

    def received(self, data: bytes) -> None:
        """Parse."""
        while data and self._raw is None and not self._broken:
            data = self._parsed(data)
            self._time_head()
        if self._raw is not None:
            self._raw.feed(data)
        self._throttle()

    def ended(self, error: OSError | None) -> None:
        """Break off what goes on for who is gone."""
        gone = error or ConnectionResetError("the client has closed")
        for body in (self._current.body if self._current else None, self._raw):
            if body is not None:
                body.fail(gone)
        if not self._ended:
            self._ended = True
            if self._task is not None:
                self._hung_up = self._task.cancel()

    def on_message_begin(self) -> None:
        """Start a request."""
        self.begin()

    def on_headers_complete(self) -> None:
        """Put a request into the queue: its body comes while it is handled."""
        self.framed()
        try:
            asked = self._asked()
        except RefusedError as error:
            self._refuse(error)
        self.fields = []
        self._current = asked
        if len(self._queue) > _MOST_QUEUED:
            self._refuse(RefusedError(400, f"more than {_MOST_QUEUED} requests wait for their answers"))
        self._put(asked)

    def on_body(self, body: bytes) -> None:
        """Add to the body."""
        self.framed()
        if self._current is not None:
            self._current.body.feed(body)

    def on_message_complete(self) -> None:
        """End the body."""
        self.framed()
        if self._current is not None and not self._current.head.upgrade:
            try:
                self._current.body.finish(self.trailers(400))
            except RefusedError as error:
                self._refuse(error)
            self._current = None

    def _asked(self) -> _Asked:
        version = self._parser.get_http_version()
        if version not in {"1.1", "1.0"}:
            raise RefusedError(400, "a request of a version that is neither 1.1 nor 1.0")
        fields, own = sorted_out(self.fields)
        length = length_of(own)
        chunked = _is_chunked(own, version)
        upgrade = _upgrade(own)
        if b"host" not in own:
            raise RefusedError(400, "a request without Host")
        method, target = self._parser.get_method().decode("ascii"), self.url.decode("ascii", "replace")
        authority = own[b"host"].decode("latin-1").strip(" \t")
        head = request_head(self._way.destination, method, target, authority, fields, upgrade)
        if upgrade and (chunked or length or method != "GET"):
            raise RefusedError(400, "a request for another protocol that has a body")
        expects = version == "1.1" and b"100-continue" in tokens(own.get(b"expect", b""))
        body = Pieces(length, self._taken, self._continue if expects else None)
        return _Asked(head, body, bool(chunked or length), self._parser.should_keep_alive(), version == "1.1")

    def _continue(self) -> None:
        self._link.write(_CONTINUE)

    def _parsed(self, data: bytes) -> bytes:
        """Parse; give what is left behind a request for another protocol: that one's bytes, or the next request."""
        try:
            self.parse(self._parser.feed_data, data)
        except httptools.HttpParserUpgrade as switch:
            if self._current is not None and self._current.head.upgrade:
                self._raw = self._current.body
            else:
                self._parser = httptools.HttpRequestParser(self)
            return data[switch.args[0] :]
        except RefusedError as error:
            self._fail(error)
        return b""

    def _fail(self, error: RefusedError) -> None:
        """Refuse all that comes from here on."""
        self._broken = True
        self._way.refused(error)
        if self._current is not None:
            self._current.body.fail(error)
            self._current = None
        else:
            self._put(error)

    def _put(self, asked: _Asked | RefusedError) -> None:
        self._queue.append(asked)
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    def _taken(self, size: int) -> None:  # noqa: ARG002  what waits is counted anew
        self._throttle()

    def _throttle(self) -> None:
        body = self._raw or (self._current.body if self._current else None)
        much = len(self._queue) > _QUEUED or (body is not None and body.waiting > _AHEAD)
        if much != self._paused:
            self._paused = much
            (self._link.pause if much else self._link.resume)()

    def _time_head(self) -> None:
        """Give the rest of a head its time."""
        begun = bool(self._unframed)
        if begun and self._late is None:
            self._late = asyncio.get_running_loop().call_later(self._way.limits.head, self._is_late)
        elif not begun and self._late is not None:
            self._late.cancel()
            self._late = None

    def _is_late(self) -> None:
        self._late = None
        self._fail(RefusedError(408, f"no complete request within {self._way.limits.head:g} seconds"))

    # What goes out.

    async def _answered(self, asked: _Asked | RefusedError) -> bool:
        """Answer, and tell whether the connection can have another request."""
        if isinstance(asked, RefusedError):
            await self._write(refusal(asked), "GET", keep=False, chunks=True)
            return False
        sending = self._way.sending()
        try:
            request = Request(asked.head, asked.body if asked.has_body or asked.head.upgrade else None)
            answer = await self._way.answer(request, sending)
            keep = asked.keep and not asked.head.upgrade and not self._broken
            if answer.head.status == 101:
                await self._switch(answer)
                return False
            endless = answer.body is not None and answer.body.length is None and not asked.chunks
            await self._write(answer, asked.head.method, keep=keep and not endless, chunks=asked.chunks)
            return keep and not endless and (asked.body.is_complete or not asked.has_body)
        finally:
            sending.close()

    async def _write(self, answer: Answer, method: str, *, keep: bool, chunks: bool) -> None:
        try:
            head = http1.answer_bytes(answer, method, keep=keep, chunks=chunks)
        except RefusedError as error:
            answer = refusal(error)
            head = http1.answer_bytes(answer, method, keep=keep, chunks=chunks)
        self._link.write(head)
        if answer.body is not None and not is_bodiless(method, answer.head.status):
            await self._write_body(answer.body, chunks=chunks)
        self._link.flush()
        await self._link.drain()

    async def _write_body(self, body: Body, *, chunks: bool) -> None:
        try:
            if body.length is not None or chunks:
                await http1.send_body(self._link, body)
            else:
                await http1.send_raw(self._link, body)
        except (OSError, RefusedError) as error:
            self._link.flush()  # what has come is not lost with it
            self._link.abort(ConnectionAbortedError(f"the answer broke off ({type(error).__name__})"))
            raise ConnectionAbortedError("the answer broke off") from error

    async def _switch(self, answer: Answer) -> None:
        self._link.write(http1.answer_bytes(answer, "GET", keep=True, chunks=True))
        if answer.body is not None:
            try:
                await http1.send_raw(self._link, answer.body)
            except RefusedError as error:
                self._link.abort(ConnectionAbortedError("refused"))
                raise ConnectionAbortedError("refused") from error


def _is_chunked(own: Own, version: str) -> bool:
    coding = own.get(b"transfer-encoding")
    if coding is None:
        return False
    if coding.strip(b" \t").lower() != b"chunked" or version != "1.1":
        raise RefusedError(400, "a body in another transfer coding than `chunked`")
    return True


def _upgrade(own: Own) -> str:
    wanted = b"upgrade" in tokens(own.get(b"connection", b"")) and http1.WEBSOCKET in tokens(own.get(b"upgrade", b""))
    return http1.WEBSOCKET.decode() if wanted else ""
