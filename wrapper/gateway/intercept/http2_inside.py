"""The inside's end of HTTP/2: a task for each stream, up to so many at once."""

import asyncio
import contextlib
from typing import Final

from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, RequestReceived
from h2.exceptions import H2Error, InvalidBodyLengthError

from wrapper.gateway.intercept.exchange import Answer, Request
from wrapper.gateway.intercept.exchanging import Exchanging, refusal
from wrapper.gateway.intercept.heads import checked_fields, is_bodiless, length_of, request_head, sorted_out
from wrapper.gateway.intercept.http2 import STREAMS, Http2, Stream
from wrapper.gateway.intercept.link import Link
from wrapper.gateway.intercept.pieces import Pieces
from wrapper.gateway.refusal import RefusedError

_WINDOW: Final = 256 * 2**10  # loopback: nothing is far away
_LINGERING: Final = 1.0  # seconds that the rest of a request gets that is answered already


class Http2Inside(Http2):
    """Serves `link` until it ends; see `run`."""

    def __init__(self, link: Link, exchanging: Exchanging) -> None:
        super().__init__(link, client=False, window=_WINDOW, whole_window=_WINDOW * STREAMS)
        self._way = exchanging
        self._end_of_it: asyncio.Future[None] = self._loop.create_future()
        self._leaving = False
        self._tasks: set[asyncio.Task[None]] = set()  # those of streams that were reset, too, until they have ended
        self._dispatch[RequestReceived] = self._on_request  # type: ignore[assignment]  # its own kind of event

    async def run(self) -> None:
        """Answer requests until one end has had enough."""
        self._link.attach(self)
        try:
            await self._end_of_it
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._flush_now()
            self._link.close(linger=True)

    def ended(self, error: OSError | None) -> None:
        """Break all streams off."""
        super().ended(error)
        if not self._end_of_it.done():
            self._end_of_it.set_result(None)

    def lost(self, stream: Stream, error: BaseException) -> None:
        """Break a request off for who does not want its answer any more."""
        super().lost(stream, error)
        if stream.task is not None:
            stream.task.cancel()

    def _broke(self, error: Exception) -> None:
        # A body of another length than announced reached the handler; curl ends one so whose answer is an error.
        if not isinstance(error, InvalidBodyLengthError):
            self._way.refused(RefusedError(400, f"what came is no HTTP/2 that is passed on ({type(error).__name__})"))
        super()._broke(error)

    def _on_goaway(self, event: ConnectionTerminated) -> None:
        del event
        self._leaving = True
        self._leave()

    def _leave(self) -> None:
        if self._leaving and not self.streams and not self._end_of_it.done():
            self._end_of_it.set_result(None)

    def _on_request(self, event: RequestReceived) -> None:
        number = event.stream_id
        if len(self._tasks) >= 2 * STREAMS:  # streams that were reset, and whose handlers have not ended
            self._spend(event)
            self.reset(number, ErrorCodes.REFUSED_STREAM)
            return
        try:
            request: Request | RefusedError = self._request(event)
        except RefusedError as error:
            self._way.refused(error)
            request = error
        body = request.body if isinstance(request, Request) else Pieces(None, self.taking(number))
        stream = Stream(number, body if isinstance(body, Pieces) else Pieces(0, self.taking(number)))
        self.streams[number] = stream
        stream.task = task = self._loop.create_task(self._served(stream, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _request(self, event: RequestReceived) -> Request:
        # h2 has checked that each pseudo-header is there once, before all others, and `host` is as `:authority`.
        pseudo: dict[bytes, bytes] = {}
        fields: list[tuple[bytes, bytes]] = []
        for name, value in event.headers:
            if name[:1] == b":":
                pseudo[name] = value
            else:
                fields.append((name, value))
        kept, own = sorted_out(fields)
        if pseudo.get(b":scheme") != b"https":
            raise RefusedError(421, "a request for another scheme than https")
        method, target = (pseudo.get(name, b"").decode("ascii", "replace") for name in (b":method", b":path"))
        authority = pseudo.get(b":authority", own.get(b"host", b"")).decode("latin-1")
        head = request_head(self._way.destination, method, target, authority, kept, "")
        length = length_of(own)
        if event.stream_ended is not None or length == 0:
            return Request(head)
        return Request(head, Pieces(length, self.taking(event.stream_id)))

    # What goes out.

    async def _served(self, stream: Stream, request: Request | RefusedError) -> None:
        sending = self._way.sending()
        try:
            if isinstance(request, RefusedError):
                await self._write(stream, refusal(request), "GET")
            else:
                await self._write(stream, await self._way.answer(request, sending), request.head.method)
            if not stream.body.is_complete and stream.body.length != 0:
                await self._linger(stream.body)
            if not stream.body.is_complete and stream.body.length != 0:
                self.reset(stream.number, ErrorCodes.NO_ERROR)  # RFC 9113 section 8.1
        except (OSError, RefusedError, H2Error):
            self.reset(stream.number, ErrorCodes.INTERNAL_ERROR)
        except asyncio.CancelledError:
            self.reset(stream.number, ErrorCodes.CANCEL)
            raise
        finally:
            sending.close()
            self.forget(stream)
            self._leave()

    async def _linger(self, body: Pieces) -> None:
        """Wait for the rest of a request that nobody wanted: all of a small one, the window's fill of a large one.

        What comes for a stream that was reset is answered with an error (by h2), and clients (curl) that see it
        together with their answer throw that away. Nothing is read, so a large request's client has stopped by then.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGERING):
                await body.arrived(_WINDOW)

    async def _write(self, stream: Stream, answer: Answer, method: str) -> None:
        try:
            headers = checked_fields(answer.head.headers, 502)
        except RefusedError as error:
            answer, headers = refusal(error), ()
        status = answer.head.status
        body = None if is_bodiless(method, status) else answer.body
        if stream.is_done:
            return
        self.send_head(stream.number, ((b":status", b"%d" % status),), headers, body)
        if body is not None:
            await self.send_body(stream, body)
        await self._link.drain()
