"""What both ends do with HTTP/2 (by h2): frames in and out, flow control, and bounds on what costs us and not them.

Rules of this file:
1. A stream's window opens as its body is read, so nobody's slowness fills memory. The connection's window is as wide as
   those of many streams together, so one stream that nobody reads does not stop the others.
2. Frames that move nothing forward (resets, pings, settings, priorities, empty data) come out of a bucket that refills
   slowly: rapid reset (CVE-2023-44487) and its kin (CVE-2019-9512 to 9518) empty it, and the connection ends. A ping
   for each frame of data is free: gRPC measures the way so. h2 itself bounds header lists (64 KiB, decoded),
   CONTINUATION (64) and the streams at once.
3. Streams take turns after each 64 KiB.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    PingReceived,
    PriorityUpdated,
    RemoteSettingsChanged,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import H2Error, ProtocolError
from h2.settings import SettingCodes, Settings
from hpack import Decoder
from hpack.struct import HeaderTuple, NeverIndexedHeaderTuple
from hyperframe.frame import Frame, GoAwayFrame

from wrapper.gateway.intercept.exchange import Body, Headers
from wrapper.gateway.intercept.heads import HEAD_BYTES, checked_trailers
from wrapper.gateway.intercept.link import Link
from wrapper.gateway.intercept.pieces import Pieces
from wrapper.gateway.refusal import RefusedError

STREAMS: Final = 100
"""At once on a connection, as RFC 9113 section 6.5.2 recommends at least."""
_TURN: Final = 64 * 2**10
_BURST: Final = 500.0  # frames that move nothing forward: a client that cancels a page's worth of requests
_REFILL: Final = 50.0  # of them in a second
_MOST_PINGS: Final = 1000  # that data sent long ago may still be asked for
_TABLE: Final = 4096  # bytes of our encoder's memory, which is searched for each field, whatever the other end grants
_SECRET: Final = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"})
_Dispatch = dict[type[Event], Callable[[Event], None]]


class BrokenError(ConnectionAbortedError):
    """The other end has sent what is no HTTP/2, or too much of what moves nothing forward."""


class _Decoder(Decoder):
    """Takes blanks around values away, as HTTP/1.1 does: curl sends `Bearer ` where a variable is empty.

    RFC 9113 section 8.2.1 has them refused, and h2 ends the whole connection for one.
    """

    def decode(self, data: bytes, raw: bool = False) -> Iterable[HeaderTuple]:  # noqa: FBT001, FBT002  (hpack's)
        return [_trimmed(field) for field in super().decode(data, raw)]


def _trimmed(field: HeaderTuple) -> HeaderTuple:
    name, value = field
    plain = value.strip(b" \t")
    return field if plain == value or name[:1] == b":" else type(field)(name, plain)


class _Connection(H2Connection):
    """h2 takes a GOAWAY for the end of everything; streams up to the last one it names go on (RFC 9113 section 6.8)."""

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        event = ConnectionTerminated()
        event.last_stream_id = frame.last_stream_id
        event.error_code = ErrorCodes.NO_ERROR if frame.error_code == 0 else ErrorCodes.INTERNAL_ERROR
        return [], [event]


class Stream:
    """One exchange. `body` is what comes; `task` is what is done about it."""

    __slots__ = ("_waiter", "body", "is_done", "number", "task")

    def __init__(self, number: int, body: Pieces) -> None:
        self.number = number
        self.body = body
        self.task: asyncio.Task[None] | None = None
        self.is_done = False
        self._waiter: asyncio.Future[None] | None = None

    async def opened(self) -> None:
        """Wait for a wider window, or the stream's end."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Look at the window again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Http2:
    """One connection. `window`: bytes of a stream that may come ahead of who reads it."""

    def __init__(self, link: Link, *, client: bool, window: int, whole_window: int) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        config = H2Configuration(
            client_side=client,
            header_encoding=None,
            validate_outbound_headers=False,  # heads are checked where they are made, and by `heads`
            normalize_outbound_headers=False,
        )
        self._h2 = _Connection(config)
        self._h2.decoder = _Decoder(max_header_list_size=HEAD_BYTES)
        values = {
            SettingCodes.INITIAL_WINDOW_SIZE: window,
            SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
            SettingCodes.MAX_HEADER_LIST_SIZE: HEAD_BYTES,
            SettingCodes.ENABLE_CONNECT_PROTOCOL: 0,
        }
        if client:
            values[SettingCodes.ENABLE_PUSH] = 0
        self._h2.local_settings = Settings(client=client, initial_values=values)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(whole_window)
        self.streams: dict[int, Stream] = {}
        self._due = self._is_over = False
        self._bucket, self._filled = _BURST, self._loop.time()
        self._moved = 0  # frames of data for which no ping has come yet
        self._dispatch: _Dispatch = {
            DataReceived: self._on_data,  # type: ignore[dict-item]  # each takes its own kind of event
            StreamEnded: self._on_ended,  # type: ignore[dict-item]
            TrailersReceived: self._on_trailers,  # type: ignore[dict-item]
            StreamReset: self._on_reset,  # type: ignore[dict-item]
            WindowUpdated: self._on_window,  # type: ignore[dict-item]
            RemoteSettingsChanged: self._on_settings,
            PingReceived: self._on_ping,
            PriorityUpdated: self._spend,
            InformationalResponseReceived: self._spend,
            ConnectionTerminated: self._on_goaway,  # type: ignore[dict-item]
        }
        self._flush()

    # What comes in.

    def received(self, data: bytes) -> None:
        """Parse."""
        if self._is_over:
            return
        try:
            for event in self._h2.receive_data(data):
                act = self._dispatch.get(type(event))
                if act is not None:
                    act(event)
        except (H2Error, RefusedError) as error:
            self._broke(error)
        else:
            self._flush()

    def ended(self, error: OSError | None) -> None:
        """Break all streams off."""
        self._is_over = True
        for stream in tuple(self.streams.values()):
            self.lost(stream, error or ConnectionResetError("the connection was closed"))

    def lost(self, stream: Stream, error: BaseException) -> None:
        """Take note of a stream that will not go on."""
        stream.is_done = True
        stream.body.fail(error)
        stream.wake()

    def _broke(self, error: Exception) -> None:
        """End a connection on which something came that may not."""
        self._flush_now()
        self.ended(BrokenError(f"the other end breaks HTTP/2 ({type(error).__name__})"))
        self._link.close()

    def _on_data(self, event: DataReceived) -> None:
        stream = self.streams.get(event.stream_id)
        padding = event.flow_controlled_length - len(event.data)
        if stream is None or stream.is_done:
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            return
        if padding:
            self._h2.acknowledge_received_data(padding, event.stream_id)
        if event.data:
            self._moved += 1
        elif event.stream_ended is None:
            self._spend(event)
        stream.body.feed(event.data)

    def _on_trailers(self, event: TrailersReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            stream.body.finish(checked_trailers([(name, value) for name, value in event.headers]))

    def _on_ended(self, event: StreamEnded) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            if not stream.body.is_complete:
                stream.body.finish()
            self.received_all(stream)

    def received_all(self, stream: Stream) -> None:
        """Take note that the other end has said all of a stream."""

    def _on_reset(self, event: StreamReset) -> None:
        self._spend(event)
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            self.lost(stream, self.reset_reason(event))

    def reset_reason(self, event: StreamReset) -> OSError:
        """Say what a reset means."""
        return ConnectionResetError(f"the stream was reset ({event.error_code})")

    def _on_window(self, event: WindowUpdated) -> None:
        if event.stream_id:
            stream = self.streams.get(event.stream_id)
            if stream is not None:
                stream.wake()
        else:
            self._wake()

    def _on_settings(self, event: Event) -> None:
        self._spend(event)
        self._h2.encoder.header_table_size = min(self._h2.encoder.header_table_size, _TABLE)
        self._wake()

    def _on_goaway(self, event: ConnectionTerminated) -> None:
        """Take note that no more streams are wanted."""

    def _wake(self) -> None:
        for stream in self.streams.values():
            stream.wake()

    def _on_ping(self, event: Event) -> None:
        if self._moved:
            self._moved = min(self._moved, _MOST_PINGS) - 1
        else:
            self._spend(event)

    def _spend(self, event: Event) -> None:
        """Take one out of the bucket."""
        del event
        now = self._loop.time()
        self._bucket = min(_BURST, self._bucket + (now - self._filled) * _REFILL) - 1
        self._filled = now
        if self._bucket < 0:
            with contextlib.suppress(H2Error):
                self._h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            raise ProtocolError("too much that moves nothing forward")

    # What goes out.

    def _flush(self) -> None:
        """Send by the end of this round of the loop."""
        if not self._due:
            self._due = True
            self._loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._due = False
        data = self._h2.data_to_send()
        if data and not self._link.is_over:
            self._link.write(data)
            self._link.flush()

    def send_head(self, stream: int, first: Iterable[tuple[bytes, bytes]], headers: Headers, body: Body | None) -> None:
        """Send a head; without a body it is all. Raises ProtocolError where the stream cannot have one."""
        fields: list[HeaderTuple] = [HeaderTuple(*field) for field in first]
        for name, value in headers:
            if name != b"content-length" or body is None:
                kind = NeverIndexedHeaderTuple if name in _SECRET else HeaderTuple
                fields.append(kind(name, value))
        if body is not None and body.length is not None:
            fields.append(HeaderTuple(b"content-length", b"%d" % body.length))
        self._h2.send_headers(stream, fields, end_stream=body is None)
        self._flush()

    async def send_body(self, stream: Stream, body: Body) -> None:
        """Send a body and its trailers. OSError where the stream has ended or the body is not as long as announced."""
        left = body.length
        if left != 0:
            async for piece in body:
                if left is not None:
                    left -= len(piece)
                    if left < 0:
                        break
                await self._send_piece(stream, piece, last=left == 0)
        if left:
            raise ConnectionAbortedError("a body is not as long as it was announced")
        if left is None or not body.length:
            self._end(stream, checked_trailers(body.trailers, 502))

    def _end(self, stream: Stream, trailers: Headers) -> None:
        if stream.is_done:
            raise ConnectionResetError("the stream has ended")
        if trailers:
            self._h2.send_headers(stream.number, list(trailers), end_stream=True)
        else:
            self._h2.end_stream(stream.number)
        self._flush()

    async def _send_piece(self, stream: Stream, piece: bytes, *, last: bool) -> None:
        at, turn = 0, 0
        while at < len(piece):
            if stream.is_done:
                raise ConnectionResetError("the stream has ended")
            room = min(self._h2.local_flow_control_window(stream.number), self._h2.max_outbound_frame_size)
            if room <= 0:
                await stream.opened()
                continue
            data = piece if not at and len(piece) <= room else piece[at : at + room]
            at += len(data)
            turn += len(data)
            self._h2.send_data(stream.number, data, end_stream=last and at == len(piece))
            self._moved += 1
            self._flush()
            if turn >= _TURN:
                turn = 0
                self._flush_now()
                await asyncio.sleep(0)
            await self._link.drain()

    def reset(self, stream: int, code: ErrorCodes) -> None:
        """End a stream, if it has not ended."""
        with contextlib.suppress(H2Error):
            self._h2.reset_stream(stream, code)
        self._flush()

    def forget(self, stream: Stream) -> None:
        """Be done with a stream; what was not read of it gives its window back."""
        stream.is_done = True
        if self.streams.pop(stream.number, None) is not None and stream.body.waiting and not self._is_over:
            self._acknowledge(stream.number, stream.body.waiting)

    def taking(self, number: int) -> Callable[[int], None]:
        """Give what hears of bytes of a stream that were read."""

        def taken(size: int) -> None:
            if not self._is_over:
                self._acknowledge(number, size)

        return taken

    def _acknowledge(self, number: int, size: int) -> None:
        with contextlib.suppress(H2Error):
            self._h2.acknowledge_received_data(size, number)
        self._flush()
