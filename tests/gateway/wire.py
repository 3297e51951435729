"""A gateway between a raw client and a provider that keeps every byte it receives; all on loopback."""

import asyncio
import contextlib
import functools
import gzip
import io
import json
import secrets
import socket
import tarfile
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, ParamSpec, TypeVar

import msgspec

import redactors
from redactors import KnownValues, Origin, Vault
from tests import compiled
from tests.policy.writing import DEFAULT
from tests.policy.writing import policy as merged
from wrapper.audit.deltas import Bodies
from wrapper.audit.events import Event, Request
from wrapper.errors import AuditError
from wrapper.gateway.checkpoint import Terms
from wrapper.gateway.credential import Credential
from wrapper.gateway.identity import Folders
from wrapper.gateway.outward import DIRECT, Outward
from wrapper.gateway.records import Log
from wrapper.gateway.server import Gateway, GatewayConfig, Route
from wrapper.policy.model import Policy
from wrapper.policy.wire import Place
from wrapper.ports import Answer as Answered
from wrapper.ports import Asking, Question

P = ParamSpec("P")
E = TypeVar("E", bound=Event)

MASKING_KEY = bytes(range(32))
REAL_KEY = "sk-real-" + secrets.token_hex(16)
"""The agent's provider key outside; never a real one."""
PLACE = Place("claude", "/work/project", ("forge.example/team/project",))
NOWHERE = Folders()


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in a loop of its own, at most 90 seconds: the machine may be busy."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 90))

    return run


def listening() -> socket.socket:
    """Make a socket that listens on a free port of loopback."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    sock.setblocking(False)
    return sock


@functools.cache
def in_effect(text: str = "") -> Policy:
    """Merge a user's policy, in TOML, with the bundled one."""
    return merged(bundle=DEFAULT, user=text)


class Nobody:
    """Nobody can be asked."""

    async def ask(self, question: Question) -> Answered:
        return Answered(question.answers[0], by="nobody")


@dataclass
class Somebody:
    """A user who gives the same answer to everything; `asked` are the questions."""

    choice: str = "yes"
    reason: str = ""
    asked: list[Question] = field(default_factory=list)

    async def ask(self, question: Question) -> Answered:
        self.asked.append(question)
        await asyncio.sleep(0)
        return Answered(self.choice, self.reason)


@dataclass
class MemorySink:
    """An audit sink in memory, which holds bodies of requests whole, as the log's reader gives them.

    `fails`: the log is broken. `before` is awaited before a durable append returns.
    """

    events: list[Event] = field(default_factory=list)
    bodies: Bodies = field(default_factory=Bodies)
    fails: bool = False
    before: Callable[[Event], Awaitable[None]] | None = None

    def append(self, event: Event) -> None:
        if self.fails:
            raise AuditError("no space left", hint="free space")
        if isinstance(event, Request):
            event = msgspec.structs.replace(event, body=self.bodies.whole(event), base=0, prefix=0, suffix=0)
        self.events.append(event)

    async def append_durable(self, event: Event) -> None:
        self.append(event)
        if self.before is not None:
            await self.before(event)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


@dataclass(frozen=True)
class FixedCredential:
    """A key that never ends."""

    values: Mapping[str, str] = field(default_factory=dict)

    async def headers(self, inside: Mapping[str, str]) -> Mapping[str, str]:
        del inside
        return self.values

    async def close(self) -> None:
        """Nothing is under way."""


@dataclass(frozen=True)
class Received:
    """One request as the provider read it; `raw` is every byte of it."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


def plain(
    body: bytes, *, status: str = "200 OK", content_type: str = "application/json", headers: Iterable[str] = ()
) -> Answer:
    """Answer with a whole body."""

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + (b"" if request.method == "HEAD" else body))

    return answer


def chunked(*chunks: bytes, content_type: str = "text/event-stream", gap: float = 0) -> Answer:
    """Answer with chunks, each sent on its own; then the end."""

    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for chunk in chunks:
            writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            await writer.drain()
            await asyncio.sleep(gap)
        writer.write(b"0\r\n\r\n")

    return answer


def events(*documents: Mapping[str, Any]) -> list[bytes]:
    """Write server-sent events as the providers do."""
    return [f"event: {one['type']}\ndata: {json.dumps(one, separators=(',', ':'))}\n\n".encode() for one in documents]


class Provider:
    """A provider of which the test says what it answers; keeps every byte it receives."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[Received] = []
        self.bytes = bytearray()
        self.left = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await self._read(reader)
                self.requests.append(request)
                await self.answer(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Received:
        head = await reader.readuntil(b"\r\n\r\n")
        self.bytes += head
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        assert "transfer-encoding" not in headers, "the gateway sends bodies of known length"
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.bytes += body
        return Received(method, target, headers, body, head + body)


@dataclass(frozen=True)
class Reply:
    """What the client inside read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class World:
    """The gateway with everything around it."""

    gateway: Gateway
    provider: Provider
    sink: MemorySink
    vault: Vault
    known: KnownValues
    port: int

    def knows(self, value: bytes, kind: str = "PASSWORD", origin: Origin = Origin.OUTSIDE) -> str:
        """Make a value known; returns its placeholder."""
        assert self.known.add(kind, value, origin)
        return self.vault.issue(kind, value, origin)

    async def raw(self, data: bytes, *, eof: bool = False) -> bytes:
        """Send bytes, return all that comes back until the gateway closes or is silent for a second."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            if eof:
                writer.write_eof()
            out = b""
            with contextlib.suppress(TimeoutError, ConnectionError):
                while chunk := await asyncio.wait_for(reader.read(65536), 1):
                    out += chunk
            return out
        finally:
            writer.close()

    async def ask(
        self, target: str = "/v1/messages", body: bytes = b"", *, method: str = "POST", headers: Iterable[str] = ()
    ) -> Reply:
        """Send one request on a connection of its own, and read the whole answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            lines = [f"{method} {target} HTTP/1.1", "Host: inside", "Connection: close", *headers]
            if not any(line.lower().startswith(("content-length:", "transfer-encoding:")) for line in lines):
                lines.append(f"Content-Length: {len(body)}")
            writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
            return read_reply(await reader.read(-1), method)
        finally:
            writer.close()

    async def ask_json(self, document: object, *, target: str = "/v1/messages", headers: Iterable[str] = ()) -> Reply:
        return await self.ask(
            target, json.dumps(document).encode(), headers=["Content-Type: application/json", *headers]
        )

    def recorded(self) -> bytes:
        """Everything the log got, as one text."""
        return b"\n".join(repr(event).encode() for event in self.sink.events)


def read_reply(data: bytes, method: str = "POST") -> Reply:
    """Read an answer that ended with its connection."""
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked" and method != "HEAD":
        rest = unchunked(rest)
    return Reply(int(first.split(" ")[1]), headers, rest)


def unchunked(data: bytes) -> bytes:
    """Undo chunked framing; what is there of it."""
    out = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size or b"0", 16)
        if length == 0:
            break
        out += data[:length]
        data = data[length + 2 :]
    return out


@functools.cache
def _rules() -> redactors.Engine:
    """Compile the rules once for all tests of the process."""
    return compiled.load(Vault(MASKING_KEY))


def engine(vault: Vault, known: KnownValues) -> redactors.Engine:
    """Make an engine with the bundled rules."""
    compiled = _rules()
    return redactors.Engine([one.rule for one in compiled._detectors], compiled._scanner, vault, known)


@contextlib.asynccontextmanager
async def wired(  # noqa: PLR0913 - whatever a test wants otherwise
    answer: Answer | None = None,
    *,
    kind: Literal["anthropic", "openai"] = "anthropic",
    body_limit: int = 64 * 2**20,
    own: Mapping[str, str] | None = None,
    prefix: str = "",
    credential: Credential | None = None,
    widen: Callable[[redactors.Engine], redactors.Engine] = lambda engine: engine,
    policy: str = "",
    place: Place = PLACE,
    asking: Asking | None = None,
    folders: Folders = NOWHERE,
    others: Mapping[str, Route] = MappingProxyType({}),
    upstream: str = "",
    outward: Outward = DIRECT,
    asks: tuple[str, ...] = (),
    beside: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[World]:
    """Start a provider and a gateway before it; `widen` gives the engine what the guard adds on the wire.

    `policy` is the user's, in TOML; `others` are upstreams that it may route to. `upstream` stands for the provider's
    address where `outward` leads to it otherwise.
    """
    vault = Vault(MASKING_KEY)
    known = KnownValues(vault)
    sink = MemorySink()
    provider = Provider(answer or plain(b"{}"))
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0, limit=2**26)
    provider.port = server.sockets[0].getsockname()[1]
    default = {"x-api-key": REAL_KEY} if own is None else own
    base = upstream or f"http://127.0.0.1:{provider.port}"
    who = credential or FixedCredential(default)
    route = Route(f"{base}{prefix}", who, upstream.startswith("http://"), beside, asks)
    config = GatewayConfig(kind, route, others, body_limit)
    terms = Terms(in_effect(policy), place, asking or Nobody(), folders)
    gateway = Gateway(config, widen(engine(vault, known)), vault, Log(sink), terms, outward=outward)
    sock = listening()
    await gateway.start(sock)
    try:
        yield World(gateway, provider, sink, vault, known, sock.getsockname()[1])
    finally:
        await gateway.close()
        server.close()


def forge_token(payload: str) -> bytes:
    """Make a token of the shape of GitHub's classic ones, with a right checksum (base 62 of CRC-32)."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number, checksum = zlib.crc32(payload.encode()), ""
    while len(checksum) < 6:
        number, digit = divmod(number, 62)
        checksum = digits[digit] + checksum
    return f"gh{'p'}_{payload}{checksum}".encode()


def tarball(content: bytes) -> bytes:
    """Pack a file as npm does."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        info = tarfile.TarInfo("package/index.js")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def zipped(data: bytes) -> bytes:
    """Compress with gzip, always to the same bytes."""
    return gzip.compress(data, mtime=0)
