"""The host's end of HTTP/2: many exchanges on one connection."""

import asyncio
from typing import Final

from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event, ResponseReceived, StreamReset
from h2.exceptions import H2Error

from wrapper.gateway.intercept.exchange import Answer, Body, Request
from wrapper.gateway.intercept.heads import (
    answer_head,
    checked_fields,
    is_bodiless,
    length_of,
    sorted_out,
)
from wrapper.gateway.intercept.http2 import BrokenError, Http2, Stream
from wrapper.gateway.intercept.link import Link
from wrapper.gateway.intercept.pieces import Pieces
from wrapper.gateway.refusal import RefusedError

_WINDOW: Final = 2**20  # 10 MB a second from a host that is 0.1 seconds away
_WHOLE_WINDOW: Final = 64 * 2**20


class UnprocessedError(ConnectionError):
    """The host says that it has not begun a request (RFC 9113 section 8.7)."""


class _Asked(Stream):
    __slots__ = ("answer", "request")

    def __init__(self, number: int, body: Pieces, request: Request) -> None:
        super().__init__(number, body)
        self.request = request
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()


class Http2Outside(Http2):
    """A connection to a host, for many at once."""

    def __init__(self, link: Link) -> None:
        super().__init__(link, client=True, window=_WINDOW, whole_window=_WHOLE_WINDOW)
        self._leaving = False
        self._settings: asyncio.Future[None] = self._loop.create_future()  # the first that the host sends
        self.idle_since = self._loop.time()
        self._dispatch[ResponseReceived] = self._on_response  # type: ignore[assignment]  # its own kind of event
        link.attach(self)

    @property
    def is_open(self) -> bool:
        """Whether new requests may be sent."""
        return not (self._leaving or self._is_over or self._link.is_over)

    @property
    def has_room(self) -> bool:
        """Whether the host takes one more stream at once; until it has said how many, one is enough."""
        return self._settings.done() and len(self.streams) < self._h2.remote_settings.max_concurrent_streams

    async def settled(self, seconds: float) -> None:
        """Wait for the host's first settings, or the end; a host that sends none is taken to have no wishes."""
        await asyncio.wait((self._settings,), timeout=seconds)
        self._settle()

    def _settle(self) -> None:
        if not self._settings.done():
            self._settings.set_result(None)

    def _on_settings(self, event: Event) -> None:
        super()._on_settings(event)
        self._settle()

    def ended(self, error: OSError | None) -> None:
        """Break all exchanges off."""
        super().ended(error)
        self._settle()

    @property
    def is_unused(self) -> bool:
        """Whether no exchange goes on."""
        return not self.streams

    async def exchange(self, request: Request) -> Answer:
        """Send, and give the answer as soon as its head is there.

        OSError, RefusedError; UnprocessedError where it may be tried again.
        """
        head, body = request.head, request.body
        headers = checked_fields(head.headers)
        first = (
            (b":method", head.method.encode("ascii")),
            (b":scheme", b"https"),
            (b":authority", head.authority.encode("ascii")),
            (b":path", head.target.encode("ascii")),
        )
        try:
            number = self._h2.get_next_available_stream_id()
            stream = _Asked(number, Pieces(None, self.taking(number)), request)
            self.send_head(number, first, headers, body)
        except H2Error as error:
            self._leaving = True
            raise UnprocessedError("the connection takes no more requests") from error
        self.streams[number] = stream
        if body is not None:
            stream.task = self._loop.create_task(self._send(stream, body))
        return await stream.answer

    def abandon(self, request: Request) -> None:
        """Break off what of this exchange goes on."""
        for stream in tuple(self.streams.values()):
            if isinstance(stream, _Asked) and stream.request is request:
                self.reset(stream.number, ErrorCodes.CANCEL)
                self.lost(stream, ConnectionAbortedError("the exchange was given up"))

    def close(self) -> None:
        """Close the connection."""
        self.ended(ConnectionAbortedError("the connection is closed"))
        self._link.close()

    def lost(self, stream: Stream, error: BaseException) -> None:
        """Break an exchange off."""
        super().lost(stream, error)
        if isinstance(stream, _Asked) and not stream.answer.done():
            stream.answer.set_exception(_told(error))
            stream.answer.exception()  # whoever asked may be gone
        if stream.task is not None and stream.task is not asyncio.current_task():
            stream.task.cancel()
        self.forget(stream)
        self._rest()

    def received_all(self, stream: Stream) -> None:
        """End an exchange with its answer; what of the request is not sent yet will not be."""
        if stream.task is not None and not stream.task.done():
            self.reset(stream.number, ErrorCodes.NO_ERROR)
            stream.task.cancel()
        stream.is_done = True
        self._forget_later(stream)

    def reset_reason(self, event: StreamReset) -> OSError:
        """Say what a reset means."""
        if event.error_code == ErrorCodes.REFUSED_STREAM:
            return UnprocessedError("the host has refused the stream")
        return super().reset_reason(event)

    def _forget_later(self, stream: Stream) -> None:
        # What waits in the body is read after the stream has ended; `taken` gives the connection's window back then.
        self.streams.pop(stream.number, None)
        self._rest()

    def _rest(self) -> None:
        self.idle_since = self._loop.time()
        if self._leaving and not self.streams:
            self._link.close()

    def _on_goaway(self, event: ConnectionTerminated) -> None:
        self._leaving = True
        last = event.last_stream_id or 0
        for stream in tuple(self.streams.values()):
            if stream.number > last:
                self.lost(stream, UnprocessedError("the host goes away"))
        self._rest()

    def _on_response(self, event: ResponseReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if not isinstance(stream, _Asked) or stream.answer.done():
            return
        try:
            answer = self._answered(stream, event)
        except RefusedError as error:
            self.reset(stream.number, ErrorCodes.PROTOCOL_ERROR)
            self.lost(stream, error)
            return
        stream.answer.set_result(answer)

    def _answered(self, stream: _Asked, event: ResponseReceived) -> Answer:
        status, fields = 0, []
        for name, value in event.headers:
            if name == b":status":
                status = int(value) if value.isdigit() and len(value) == 3 else 0
            else:
                fields.append((name, value))
        kept, own = sorted_out(fields)
        if not 200 <= status <= 599:
            raise RefusedError(502, "the host's answer has a status that is none")
        length = length_of(own)
        if event.stream_ended is not None or is_bodiless(stream.request.head.method, status):
            if length is not None and status != 204:
                kept.append((b"content-length", b"%d" % length))
            return Answer(answer_head(status, kept))
        stream.body.announce(length)
        return Answer(answer_head(status, kept), stream.body)

    async def _send(self, stream: _Asked, body: Body) -> None:
        try:
            await self.send_body(stream, body)
        except Exception as error:  # noqa: BLE001  whatever stops the body must end the exchange
            self.reset(stream.number, ErrorCodes.CANCEL)
            self.lost(stream, error)


def _told(error: BaseException) -> BaseException:
    if isinstance(error, TimeoutError):
        return RefusedError(504, "the host does not answer", hint="try again later")
    if isinstance(error, BrokenError):
        return RefusedError(502, "the host's answer is no HTTP/2 that is passed on")
    return error
