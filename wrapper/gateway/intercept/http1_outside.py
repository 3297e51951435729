"""The host's end of HTTP/1.1: one exchange at a time on a connection that is used again.

Rules of this file:
1. A connection is used again only where both bodies have ended as they should, and nothing came behind the answer: a
   host that answers twice answers nobody.
2. An answer may begin, and end, while the request is still being sent.
3. An answer without a length ends with the connection, and only with TLS's goodbye: without it it was cut.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import httptools

from wrapper.gateway.intercept import http1
from wrapper.gateway.intercept.exchange import Answer, Request
from wrapper.gateway.intercept.heads import Own, answer_head, is_bodiless, length_of, sorted_out, tokens
from wrapper.gateway.intercept.link import AlertError, Link
from wrapper.gateway.intercept.pieces import Pieces
from wrapper.gateway.refusal import RefusedError

_AHEAD: Final = 256 * 2**10  # bytes of an answer that wait before reading stops
_MOST_INTERIM: Final = 32  # answers before the answer


class UnansweredError(ConnectionError):
    """The host closed the connection before it said a word about the request."""


class Http1Outside(http1.Framing):
    """A connection to a host. `done` hears when it may be used again."""

    def __init__(self, link: Link, done: Callable[["Http1Outside"], None]) -> None:
        super().__init__()
        self._link = link
        self._done = done
        self._parser = httptools.HttpResponseParser(self)
        self._asked: Request | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._body: Pieces | None = None
        self._task: asyncio.Task[None] | None = None
        self._interim = 0
        self._heard = self._sent = self._raw = self._keep = self._chunked = self._paused = False
        self.idle_since = 0.0
        link.attach(self)

    @property
    def is_open(self) -> bool:
        """Whether a request may be sent."""
        return not self._link.is_over and self._asked is None

    @property
    def is_unused(self) -> bool:
        """Whether no exchange goes on."""
        return self._asked is None

    async def exchange(self, request: Request) -> Answer:
        """Send, and give the answer as soon as its head is there.

        OSError, RefusedError; UnansweredError where it may be tried again.
        """
        head = http1.request_bytes(request.head, request.body)  # before anything is touched: it may refuse
        loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._asked, self._answer = request, loop.create_future()
        self._task, self._interim = None, 0
        self._heard = self._raw = False
        self._sent = request.body is None or bool(request.head.upgrade)
        if self._sent:
            self._link.write(head)
            self._link.flush()
        else:
            self._task = loop.create_task(self._send(head, request))
        return await self._answer

    def abandon(self, request: Request) -> None:
        """Break off what of this exchange goes on."""
        if self._asked is request:
            self._fail(ConnectionAbortedError("the exchange was given up"))
        elif self._raw and self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        """Close the connection."""
        if self._asked is not None:
            self._fail(ConnectionAbortedError("the connection is closed"))
        self._link.close()

    # What is sent.

    async def _send(self, head: bytes, request: Request) -> None:
        assert request.body is not None  # noqa: S101  (`exchange` sees to it)
        try:
            self._link.write(head)
            await http1.send_body(self._link, request.body)
            self._link.flush()
        except Exception as error:  # noqa: BLE001  whatever stops the body must end the exchange
            self._fail(error)
        else:
            self._sent = True
            self._settle()

    async def _send_raw(self, request: Request) -> None:
        try:
            if request.body is not None:
                await http1.send_raw(self._link, request.body)
            self._link.close()
        except Exception as error:  # noqa: BLE001  as above
            self._fail(error)

    # What comes.

    def received(self, data: bytes) -> None:
        """Parse."""
        if self._raw and self._body is not None:
            self._body.feed(data)
        elif self._asked is None:
            self._link.abort(ConnectionAbortedError("the host answered what nobody asked"))
        else:
            try:
                self.parse(self._parser.feed_data, data)
            except httptools.HttpParserUpgrade as switch:
                self._switched(data[switch.args[0] :])
            except RefusedError as error:
                self._fail(RefusedError(502, f"the host's answer is {error.what}"))
        self._throttle()

    def ended(self, error: OSError | None) -> None:
        """End what ends so, break off what does not."""
        if self._body is not None and self._until_end() and error is None:
            self._keep = False
            self._complete()
        elif self._asked is not None and isinstance(error, TimeoutError):
            self._fail(RefusedError(504, "the host does not answer", hint="try again later"))
        elif self._asked is not None:
            unheard = not self._heard and not self._unframed
            cut = UnansweredError if unheard else ConnectionResetError
            self._fail(error if isinstance(error, AlertError) else cut("the host closed the connection"))
        else:
            self._link.close()

    def on_message_begin(self) -> None:
        """Start an answer."""
        if self._asked is None:  # in the same read as the end of the answer
            self._link.abort(ConnectionAbortedError("the host answered twice"))
        self.begin()

    def on_headers_complete(self) -> None:
        """Give the answer, unless it is an interim one."""
        if self._asked is None or self._answer is None:
            return
        self.framed()
        self._heard = True
        status = self._parser.get_status_code()
        if status < 200 and status != 101:
            self._interim += 1
            if self._interim > _MOST_INTERIM:
                self._refuse(RefusedError(502, "more than enough: interim answers without end"))
            return
        try:
            answer = self._answered(status, self._asked)
        except RefusedError as error:
            self._refuse(error)
        self.fields = []
        if not self._answer.done():
            self._answer.set_result(answer)
        if answer.body is None and status != 101:
            self._complete()

    def on_body(self, body: bytes) -> None:
        """Add to the body."""
        self.framed()
        if self._body is not None:
            self._body.feed(body)
        elif self._asked is None:  # behind an answer that has none
            self._link.abort(ConnectionAbortedError("the host sent more than its answer"))

    def on_message_complete(self) -> None:
        """End the body."""
        self.framed()
        if self._body is not None and not self._raw:
            try:
                trailers = self.trailers(502)
            except RefusedError as error:
                self._refuse(error)
            self._body.finish(trailers)
            self._complete()

    def _answered(self, status: int, asked: Request) -> Answer:
        fields, own = sorted_out(self.fields)
        length = length_of(own)
        chunked = self._chunked = _is_chunked(own)
        self._keep = self._parser.should_keep_alive()
        if status == 101:
            if not asked.head.upgrade or http1.WEBSOCKET not in tokens(own.get(b"upgrade", b"")):
                raise RefusedError(502, "a switch to a protocol that nobody asked for")
            self._keep, self._raw = False, True
            self._body = Pieces(None, self._taken)
            return Answer(answer_head(status, fields), self._body)
        if asked.head.upgrade:
            self._keep = False
        if not 200 <= status <= 599:
            raise RefusedError(502, "one with a status that is none")
        if is_bodiless(asked.head.method, status) or (length == 0 and not chunked):
            if length is not None and status != 204:  # RFC 9110 section 8.6
                fields.append((b"content-length", b"%d" % length))
            return Answer(answer_head(status, fields))
        head = answer_head(status, fields)
        self._body = Pieces(length, self._taken)
        if length is None and not chunked:
            self._keep = False
        return Answer(head, self._body)

    def _until_end(self) -> bool:
        """Whether the body ends with the connection."""
        return self._raw or (self._body is not None and self._body.length is None and not self._chunked)

    def _switched(self, rest: bytes) -> None:
        if self._asked is not None and self._raw and self._body is not None:
            self._body.feed(rest)
            self._task = asyncio.get_running_loop().create_task(self._send_raw(self._asked))

    # The end of an exchange.

    def _complete(self) -> None:
        """Take the answer's end; what of the request is not sent yet will not be."""
        if self._body is not None:
            self._body.finish()
        self._body = None
        if not self._sent and self._task is not None:
            self._task.cancel()
        self._asked = None
        self._settle()

    def _settle(self) -> None:
        """Be used again, where both have ended."""
        if self._asked is not None:
            return
        if self._keep and self._sent and not self._link.is_over:
            self.idle_since = asyncio.get_running_loop().time()
            self._done(self)
        else:
            self._link.close()

    def _fail(self, error: BaseException) -> None:
        """Break the exchange off."""
        asked, self._asked = self._asked, None
        if asked is not None:
            if self._answer is not None and not self._answer.done():
                self._answer.set_exception(error)
            if self._body is not None:
                self._body.fail(error)
            if self._task is not None and self._task is not asyncio.current_task():
                self._task.cancel()
        self._link.abort(error if isinstance(error, OSError) else ConnectionAbortedError("given up"))

    def _taken(self, size: int) -> None:  # noqa: ARG002  what waits is counted anew
        self._throttle()

    def _throttle(self) -> None:
        much = self._body is not None and self._body.waiting > _AHEAD
        if much != self._paused:
            self._paused = much
            (self._link.pause if much else self._link.resume)()


def _is_chunked(own: Own) -> bool:
    coding = own.get(b"transfer-encoding")
    if coding is None:
        return False
    if coding.strip(b" \t").lower() != b"chunked":
        raise RefusedError(502, "in another transfer coding than `chunked`")
    return True
