"""A host and a client that cost next to nothing, so that what stands between them is what is measured.

HTTP/2 without a library: the client's requests and the host's answers are the same bytes each time but for the stream's
number, and fields are read by nobody (literals without an index, RFC 7541 section 6.2.2, leave no state behind).
"""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

HOST = "localhost"
_BODY = b'{"login": "octocat", "id": 1, "type": "User", "company": "@github", "public_repos": 2}' * 10
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
_ACKNOWLEDGED = b"\0\0\0\4\1\0\0\0\0"
_WIDE = b"\0\0\6\4\0\0\0\0\0\0\4\x7f\xff\xff\xff" + b"\0\0\4\x08\0\0\0\0\0\x7f\0\0\0"  # windows nobody has to widen
_DATA, _HEADERS, _IS_SETTINGS, _PING, _GOAWAY = 0, 1, 4, 6, 7
_END_STREAM, _END_HEADERS = 1, 4
PIECE = 2**16


def _fields(*fields: tuple[bytes, bytes]) -> bytes:
    return b"".join(b"\0%c%b%c%b" % (len(name), name, len(value), value) for name, value in fields)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


class Host(asyncio.Protocol):
    """Answers `/N` with N bytes, all else with some JSON; reads bodies of announced length."""

    def __init__(self) -> None:
        self._held = b""
        self._left = 0
        self._speaks2 = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._writing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # of a stream
        self._speaks2 = transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"

    def pause_writing(self) -> None:
        """Wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        (self._frames if self._speaks2 else self._requests)(data)

    def _requests(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
            if self._left == 0:
                self._transport.write(_ANSWER % (len(_BODY), _BODY))
            return
        self._held += data
        while b"\r\n\r\n" in self._held:
            head, _, self._held = self._held.partition(b"\r\n\r\n")
            size = head.split(b" ", 2)[1][1:]
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            self._left = int(length or 0) - len(self._held)
            if self._left > 0:
                self._held = b""
            elif size.isdigit():
                self._left = 0
                self._writing = asyncio.get_running_loop().create_task(self._bulk(int(size)))
            else:
                self._left, self._held = 0, self._held[int(length or 0) :]
                self._transport.write(_ANSWER % (len(_BODY), _BODY))

    async def _bulk(self, size: int) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        piece = bytes(PIECE)
        for _ in range(size // PIECE):
            await self._writable.wait()
            self._transport.write(piece)

    def _frames(self, data: bytes) -> None:
        if self._held == b"" and data.startswith(_PREFACE):
            data = data[len(_PREFACE) :]
            self._transport.write(_WIDE)
        out = []
        self._held, frames = frames_of(self._held + data)
        for kind, flags, stream in frames:
            if kind == _HEADERS:
                head = _frame(_HEADERS, _END_HEADERS, stream, b"\x88" + _fields((b"content-type", b"application/json")))
                out.append(head + _frame(_DATA, _END_STREAM, stream, _BODY))
            elif kind == _IS_SETTINGS and not flags:
                out.append(_ACKNOWLEDGED)
            elif kind == _PING and not flags:
                out.append(_frame(_PING, 1, 0, bytes(8)))
        self._transport.write(b"".join(out))


def frames_of(data: bytes) -> tuple[bytes, list[tuple[int, int, int]]]:
    """Give what is left, and kind, flags and stream of each frame."""
    frames, at = [], 0
    while len(data) - at >= 9:
        length = int.from_bytes(data[at : at + 3])
        if len(data) - at < 9 + length:
            break
        frames.append((data[at + 3], data[at + 4], int.from_bytes(data[at + 5 : at + 9]) & 0x7FFFFFFF))
        at += 9 + length
    return data[at:], frames


async def serve_host(sock: socket.socket, context: ssl.SSLContext) -> None:
    """Be the host."""
    context.set_alpn_protocols(["h2", "http/1.1"])
    server = await asyncio.get_running_loop().create_server(Host, sock=sock, ssl=context)
    await server.serve_forever()


@dataclass
class Way:
    """How the client gets to the host: by a CONNECT proxy on `port`, or straight there; `context` verifies it."""

    name: str
    port: int
    host_port: int
    context: ssl.SSLContext
    pids: list[int] = field(default_factory=list)

    async def open(self, protocol: asyncio.Protocol, alpn: str) -> asyncio.Transport:
        """Connect."""
        loop = asyncio.get_running_loop()
        sock = socket.create_connection(("127.0.0.1", self.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.port != self.host_port:
            authority = f"{HOST}:{self.host_port}"
            sock.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += await asyncio.to_thread(sock.recv, 4096)
            assert b" 200 " in answer, answer
        sock.setblocking(False)
        self.context.set_alpn_protocols([alpn])
        transport, _ = await loop.create_connection(lambda: protocol, sock=sock, ssl=self.context, server_hostname=HOST)
        assert transport.get_extra_info("ssl_object").selected_alpn_protocol() in {alpn, None}
        return transport


class Client(asyncio.Protocol):
    """Asks again as soon as it has its answer, until told to stop; `times` are seconds for each."""

    def __init__(self, way: Way, alpn: str) -> None:
        self._way, self._alpn = way, alpn
        self._authority = f"{HOST}:{way.host_port}".encode()
        self._held = b""
        self._stream = -1
        self._begun = 0.0
        self.times: list[float] = []
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stop: Callable[[], bool] = lambda: False

    async def run(self, stop: Callable[[], bool]) -> None:
        """Ask until `stop` says so."""
        self._stop = stop
        self._transport = await self._way.open(self, self._alpn)
        if self._alpn == "h2":
            self._transport.write(_PREFACE + _WIDE)
        self._ask()
        await self._done
        self._transport.abort()

    def _ask(self) -> None:
        self._begun = time.perf_counter()
        if self._alpn == "h2":
            self._stream += 2
            head = b"\x82\x87" + _fields(
                (b":authority", self._authority), (b":path", b"/user"), (b"accept", b"*/*"), (b"user-agent", b"bench")
            )
            self._transport.write(_frame(_HEADERS, _END_HEADERS | _END_STREAM, self._stream, head))
        else:
            self._transport.write(
                b"GET /user HTTP/1.1\r\nHost: %b\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n" % self._authority
            )

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._held += data
        if self._alpn != "h2":
            if self._held.endswith(_LAST_CHUNK if b"\r\ntransfer-encoding: chunked\r\n" in self._held else _BODY):
                self._held = b""
                self._answered()
            return
        self._held, frames = frames_of(self._held)
        for kind, flags, _ in frames:
            if kind == _IS_SETTINGS and not flags:
                self._transport.write(_ACKNOWLEDGED)
            elif kind in {_DATA, _HEADERS} and flags & _END_STREAM:
                self._answered()
            elif kind == _GOAWAY:
                self._fail(ConnectionError("GOAWAY"))

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._fail(exc or ConnectionError("closed"))

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)

    def _answered(self) -> None:
        self.times.append(time.perf_counter() - self._begun)
        if self._stop():
            if not self._done.done():
                self._done.set_result(None)
        else:
            self._ask()


class Bulk(asyncio.Protocol):
    """Moves one large body."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._left = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writable = asyncio.Event()
        self._writable.set()
        self._upload = False

    async def download(self, size: int) -> float:
        """Give the seconds."""
        transport = await self._way.open(self, "http/1.1")
        begun = time.perf_counter()
        self._left = size
        transport.write(f"GET /{size} HTTP/1.1\r\nHost: {HOST}:{self._way.host_port}\r\n\r\n".encode())
        await self._done
        transport.abort()
        return time.perf_counter() - begun

    async def upload(self, size: int) -> float:
        """Give the seconds."""
        transport = await self._way.open(self, "http/1.1")
        begun = time.perf_counter()
        self._upload = True
        head = f"POST /up HTTP/1.1\r\nHost: {HOST}:{self._way.host_port}\r\nContent-Length: {size}\r\n\r\n"
        transport.write(head.encode())
        piece = bytes(PIECE)
        for _ in range(size // PIECE):
            await self._writable.wait()
            transport.write(piece)
        await self._done
        transport.abort()
        return time.perf_counter() - begun

    def pause_writing(self) -> None:
        """Wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._left -= len(data)
        if (self._upload or self._left <= 0) and not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._writable.set()
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("closed"))
