"""One end of TLS over a connection that is there already: decrypts for a receiver, encrypts for whoever writes.

Not asyncio's own, for three reasons: bytes that came before the switch are not lost; an end without TLS's own goodbye
(`close_notify`, RFC 8446 section 6.1) is told apart from one with it, so a cut body is not taken for a whole one; and
all that is written in one round of the loop leaves as one record and one call.

Rules of this file:
1. Nothing is read ahead of who reads: `pause` stops the socket. What is written waits in `drain` above 256 KiB.
2. A link ends once: `receiver.ended` is called with what ended it, and `gone` returns.
"""

import asyncio
import asyncio.trsock
import collections
import contextlib
import re
import socket
import ssl
from typing import Final, Protocol

_READ: Final = 128 * 2**10  # bytes at once, of TLS
_RECORD: Final = 16 * 2**10  # of text in a record, RFC 8446 section 5.1
_WAITING: Final = 256 * 2**10  # bytes that wait to be sent before a writer waits too
_CORKED: Final = 64 * 2**10  # bytes that need not wait for the round's end
_FLOOD: Final = 8 * 2**20  # bytes that wait to be sent: nobody who minds `drain` gets there
_AROUND: Final = re.compile(r"^\[[^]]*\] | ?\(_ssl\.c:\d+\)$")  # what Python puts around OpenSSL's words
_LINGERING: Final = 1.0  # seconds; closing with unread bytes would take the last answer with it


class AlertError(ConnectionResetError):
    """The other end has ended TLS, and said why: the text is OpenSSL's."""


class Receiver(Protocol):
    """Gets what a link decrypts."""

    def received(self, data: bytes) -> None:
        """Take some bytes."""

    def ended(self, error: OSError | None) -> None:
        """Take note of the end; None: the other end said goodbye."""


class Link(asyncio.BufferedProtocol):
    """Takes the connection of `writer` over. `host`: be its client; None: be the server."""

    def __init__(self, writer: asyncio.StreamWriter, context: ssl.SSLContext, host: str | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=host is None, server_hostname=host)
        self._space = memoryview(bytearray(_READ))
        self._receiver: Receiver | None = None
        self._early: list[bytes] = []
        self._corked: list[bytes] = []
        self._corked_size = 0
        self._due = self._full = self._closing = self._over = False
        self._drains: collections.deque[asyncio.Future[None]] = collections.deque()
        self._shaken: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._error: OSError | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._stirred = self._loop.time()
        assert isinstance(writer.transport, asyncio.Transport)  # noqa: S101  (a socket's, or TLS's over one)
        self._transport = writer.transport
        self._before = self._transport.get_protocol()
        self._transport.set_protocol(self)
        self._transport.set_write_buffer_limits(high=_WAITING)
        _send_at_once(self._transport.get_extra_info("socket"))

    @property
    def protocol(self) -> str:
        """What was agreed on (ALPN), empty for nothing."""
        return self._tls.selected_alpn_protocol() or ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be written."""
        return self._over or self._closing

    async def shake(self, reader: asyncio.StreamReader, seconds: float) -> None:
        """Shake hands; what `reader` has got by now comes first. Raises ssl.SSLError, TimeoutError, OSError."""
        reader.feed_eof()  # it gets nothing more: read what it has
        early = await reader.read(-1)
        self._shaken = self._loop.create_future()
        if self._over:
            raise self._error or ConnectionResetError("closed before TLS began")
        self._in.write(early)
        self._shake()
        async with asyncio.timeout(seconds):
            await self._shaken

    def attach(self, receiver: Receiver) -> None:
        """Give all that comes to `receiver`."""
        self._receiver = receiver
        for data in self._early:
            receiver.received(data)
        self._early.clear()
        if self._over:
            receiver.ended(self._error)

    def idle_after(self, seconds: float) -> None:
        """Break off where no byte goes either way for so long."""

        def look() -> None:
            left = self._stirred + seconds - self._loop.time()
            if left <= 0:
                self.abort(TimeoutError(f"no byte for {seconds:g} seconds"))
            else:
                self._watch = self._loop.call_later(left, look)

        self._watch = self._loop.call_later(seconds, look)

    # What comes in.

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Give the event loop where to put what it reads."""
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        """Take what the event loop has read."""
        self._stirred = self._loop.time()
        if self._closing:
            return
        self._in.write(self._space[:nbytes])
        if self._shaken is not None and not self._shaken.done():
            self._shake()
        else:
            self._decrypt()

    def eof_received(self) -> bool:
        """Take the end of the socket; the transport closes itself."""
        if self._shaken is not None and not self._shaken.done():
            self._shaken.set_exception(ConnectionResetError("closed while shaking hands"))
        elif not self._closing:
            self._in.write_eof()
            self._decrypt()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of it all."""
        self._end(exc if isinstance(exc, OSError) else ConnectionResetError("the connection was closed"))
        if not self._gone.done():
            self._gone.set_result(None)
        for timer in (self._watch, self._linger):
            if timer is not None:
                timer.cancel()
        if isinstance(self._before, asyncio.Protocol):
            self._before.connection_lost(exc)  # whoever waits for the stream that this was

    def _shake(self) -> None:
        assert self._shaken is not None  # noqa: S101  (`shake` makes it)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLError, ssl.CertificateError) as error:
            self._send()
            self._shaken.set_exception(error)
            return
        else:
            self._shaken.set_result(None)
        self._send()
        if self._shaken.done():
            self._decrypt()

    def _decrypt(self) -> None:
        """Give all that is there as one piece."""
        pieces: list[bytes] = []
        goodbye, error = False, None
        try:
            while self._in.pending or self._tls.pending() or self._in.eof:
                data = self._tls.read(_RECORD)
                if not data:
                    goodbye = True
                    break
                pieces.append(data)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            goodbye = True
        except OSError as raised:  # SSLError is one
            words = words_of(raised) if isinstance(raised, ssl.SSLError) else ""
            cut = ConnectionResetError(f"cut off without TLS's goodbye ({type(raised).__name__})")
            error = AlertError(words) if " alert " in words else cut
        if self._out.pending:
            self._send()  # a key update asks for an answer
        if pieces:
            self._give(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if goodbye:
            self._end(None)
        elif error is not None:
            self.abort(error)

    def _give(self, data: bytes) -> None:
        if self._receiver is None:
            self._early.append(data)
            self._transport.pause_reading()
            self._loop.call_soon(self._transport.resume_reading)
        elif not self._over:
            self._receiver.received(data)

    def _end(self, error: OSError | None) -> None:
        if self._over:
            return
        self._over, self._error = True, error
        if self._shaken is not None and not self._shaken.done():
            self._shaken.set_exception(error or ConnectionResetError("closed while shaking hands"))
        self._wake()
        if self._receiver is not None:
            self._receiver.ended(error)

    # What goes out.

    def write(self, data: bytes) -> None:
        """Send by the end of this round of the loop, in order, with what else is written in it."""
        self._corked.append(data)
        self._corked_size += len(data)
        if self._corked_size >= _CORKED:
            self.flush()
        elif not self._due:
            self._due = True
            self._loop.call_soon(self._flush_due)

    def _flush_due(self) -> None:
        self._due = False
        self.flush()

    def flush(self) -> None:
        """Send now."""
        if not self._corked or self._gone.done():
            return
        data = self._corked[0] if len(self._corked) == 1 else b"".join(self._corked)
        self._corked.clear()
        self._corked_size = 0
        if not data or self._closing:
            return
        self._stirred = self._loop.time()
        try:
            sent = self._tls.write(data)
            while sent < len(data):
                sent += self._tls.write(memoryview(data)[sent:])
        except OSError as error:
            self.abort(ConnectionResetError(f"TLS has ended ({type(error).__name__})"))
            return
        self._send()

    def _send(self) -> None:
        self._transport.write(self._out.read())
        if self._transport.get_write_buffer_size() > _FLOOD:
            self.abort(ConnectionAbortedError("what was sent is not read"))

    async def drain(self) -> None:
        """Wait until more may be written. Raises OSError where nothing can be."""
        if self._full and not self._over:
            waiter = self._loop.create_future()
            self._drains.append(waiter)
            await waiter
        if self._over:
            raise self._error or ConnectionResetError("the other end has closed")

    def pause_writing(self) -> None:
        """Let writers wait."""
        self._full = True

    def resume_writing(self) -> None:
        """Let them go on."""
        self._full = False
        self._wake()

    def _wake(self) -> None:
        for waiter in self._drains:
            if not waiter.done():
                waiter.set_result(None)
        self._drains.clear()

    def pause(self) -> None:
        """Read no more for now."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    # The end.

    def close(self, *, linger: bool = False) -> None:
        """Say goodbye after what was written. With `linger` wait a moment for the other end to read it."""
        self.flush()
        if self._closing or self._gone.done():
            return
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            pass  # it wants to read the other end's goodbye
        except ValueError:
            pass  # hands were never shaken
        self._transport.write(self._out.read())
        self._closing = True
        self._receiver = None
        if linger and self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
            self._linger = self._loop.call_later(_LINGERING, self._lingered)
        else:
            self._transport.close()
        self._end(None)

    def _lingered(self) -> None:
        if self._transport.get_write_buffer_size():  # a slow reader; one that never reads is cut by `idle_after`
            self._linger = self._loop.call_later(_LINGERING, self._lingered)
        else:
            self._transport.abort()

    def abort(self, error: OSError) -> None:
        """Break off: the other end sees that this was no end."""
        self._corked.clear()
        self._transport.abort()
        self._end(error)

    async def gone(self) -> None:
        """Wait until the socket is closed."""
        await asyncio.shield(self._gone)


def words_of(error: ssl.SSLError) -> str:
    """Give OpenSSL's own words: Python has no name for each of its reasons."""
    return _AROUND.sub("", str(error.args[-1])) if error.args else "it failed"


def _send_at_once(sock: "asyncio.trsock.TransportSocket | None") -> None:
    """Let no small record wait for an answer to the last one: asyncio misses sockets that were handed out."""
    if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
