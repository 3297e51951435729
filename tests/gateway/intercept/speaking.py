"""Both ends that an interception stands between, in both HTTPs, independent of what is tested: raw bytes, and h2."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

from tests.gateway.intercept.scene import HOST

Fields = tuple[tuple[bytes, bytes], ...]


@dataclass
class Message:
    """A request or an answer: `first` is its method and target, or its status. `length`: announce it."""

    first: tuple[bytes, ...]
    headers: Fields = ()
    pieces: Sequence[bytes] = ()
    trailers: Fields = ()
    length: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


class BrokenError(Exception):
    """The other end broke off."""


# HTTP/1.1


async def read_message(reader: asyncio.StreamReader, *, bodiless: bool = False) -> Message:
    """Read one message. BrokenError where it is cut; EOFError where there is none."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise BrokenError from error
        raise EOFError from error
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    headers = tuple(_field(line) for line in lines)
    named = dict(headers)
    words = tuple(first.split(b" "))
    message = Message(words[:2] if not words[0].startswith(b"HTTP/") else words[1:2], headers)
    if bodiless or words[1] in {b"204", b"304"} or words[1].startswith(b"1"):
        return message
    try:
        if b"content-length" in named:
            message.pieces = (await reader.readexactly(int(named[b"content-length"])),)
            message.length = True
        elif named.get(b"transfer-encoding") == b"chunked":
            await _read_chunks(reader, message)
        elif words[0].startswith(b"HTTP/"):
            message.pieces = (await reader.read(-1),)
    except (asyncio.IncompleteReadError, OSError) as error:
        raise BrokenError from error
    return message


async def _read_chunks(reader: asyncio.StreamReader, message: Message) -> None:
    pieces = []
    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
        pieces.append(await reader.readexactly(size))
        assert await reader.readexactly(2) == b"\r\n"
    message.pieces = pieces
    trailers = []
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
        trailers.append(_field(line.removesuffix(b"\r\n")))
    message.trailers = tuple(trailers)


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip()


async def write_message(writer: asyncio.StreamWriter, message: Message, *, framed: bool = True) -> None:
    """Write one message, each piece by itself."""
    first = b" ".join(message.first)
    first = b"HTTP/1.1 %b X" % first if len(message.first) == 1 else first + b" HTTP/1.1\r\nHost: " + HOST.encode()
    headers = list(message.headers)
    if framed and message.length:
        headers.append((b"Content-Length", b"%d" % len(message.body)))
    elif framed:
        headers.append((b"Transfer-Encoding", b"chunked"))
    writer.write(first + b"".join(b"\r\n%b: %b" % one for one in headers) + b"\r\n\r\n")
    for piece in message.pieces:
        writer.write(piece if message.length else b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"")
        await writer.drain()
    if framed and not message.length:
        writer.write(b"0\r\n" + b"".join(b"%b: %b\r\n" % one for one in message.trailers) + b"\r\n")
    await writer.drain()


@dataclass
class Host:
    """Answers each request with the next of `answers`, and keeps what it got."""

    answers: list[Message] = field(default_factory=list)
    got: list[Message] = field(default_factory=list)
    broken: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak what was agreed on."""
        if writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
            await self._serve2(Talk(reader, writer, client=False))
            return
        with contextlib.suppress(EOFError):
            while True:
                try:
                    asked = await read_message(reader)
                except BrokenError:
                    self.broken += 1
                    return
                self.got.append(asked)
                answer = self._answer()
                bodiless = asked.first[0] == b"HEAD" or answer.first[0] in {b"204", b"304"}
                await write_message(writer, answer, framed=not bodiless)

    async def _serve2(self, talk: "Talk") -> None:
        with contextlib.suppress(EOFError, BrokenError):
            while True:
                number = await talk.wait(lambda: next((n for n in talk.whole if n not in talk.done), None))
                talk.done.add(number)
                asked = talk.messages[number]
                self.got.append(asked)
                await talk.send(number, self._answer(), bodiless=asked.first[0] == b"HEAD")

    def _answer(self) -> Message:
        return self.answers.pop(0) if self.answers else Message((b"200",), (), (b"fine",), length=True)


# HTTP/2


class Talk:
    """One HTTP/2 connection, either end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, client: bool = True) -> None:
        config = H2Configuration(client_side=client, header_encoding=None, validate_outbound_headers=False,
                                 normalize_outbound_headers=False)  # fmt: skip
        self.h2 = H2Connection(config)
        self.h2.initiate_connection()
        self.reader, self.writer = reader, writer
        self.client = client
        self.messages: dict[int, Message] = {}
        self.whole: list[int] = []
        self.done: set[int] = set()
        self.resets: dict[int, int] = {}
        self.gone: ConnectionTerminated | None = None
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    async def read(self) -> list[Event]:
        """Read once. EOFError at the end, BrokenError after the other end has said that it is over."""
        try:
            data = await self.reader.read(2**16)
        except OSError as error:
            raise EOFError from error
        if not data:
            raise EOFError
        events = self.h2.receive_data(data)
        for event in events:
            self._take(event)
        self.flush()
        if self.gone is not None:
            raise BrokenError
        return events

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived() | ResponseReceived():
                pseudo = {name: value for name, value in event.headers if name.startswith(b":")}
                rest = tuple((name, value) for name, value in event.headers if not name.startswith(b":"))
                first = (pseudo[b":status"],) if self.client else (pseudo[b":method"], pseudo[b":path"])
                self.messages[event.stream_id] = Message(first, rest, [])
            case DataReceived():
                self.messages[event.stream_id].pieces = [*self.messages[event.stream_id].pieces, event.data]
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case TrailersReceived():
                self.messages[event.stream_id].trailers = tuple((name, value) for name, value in event.headers)
            case StreamEnded():
                self.whole.append(event.stream_id)
            case StreamReset():
                self.resets[event.stream_id] = int(event.error_code)
            case ConnectionTerminated():
                self.gone = event

    async def wait(self, found: Callable[[], int | None]) -> int:
        """Read until there is what is looked for."""
        while (number := found()) is None:
            await self.read()
        return number

    async def send(self, number: int, message: Message, *, bodiless: bool = False) -> None:
        """Send a message, each piece by itself."""
        if self.client:
            method, target = message.first
            head = [(b":method", method), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", target)]
        else:
            head = [(b":status", message.first[0])]
        headers = [*head, *message.headers]
        if message.length and not bodiless:
            headers.append((b"content-length", b"%d" % len(message.body)))
        bodiless = bodiless or message.first[0] in {b"204", b"304"} or not (message.pieces or message.trailers)
        self.h2.send_headers(number, headers, end_stream=bodiless)
        if bodiless:
            self.flush()
            return
        for piece in message.pieces:
            at = 0
            while at < len(piece):
                room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
                if not room:
                    self.flush()
                    await self.read()
                    continue
                self.h2.send_data(number, piece[at : at + room])
                at += room
            self.flush()
            await self.writer.drain()
        if message.trailers:
            self.h2.send_headers(number, list(message.trailers), end_stream=True)
        else:
            self.h2.end_stream(number)
        self.flush()

    async def ask(self, message: Message) -> Message:
        """Send a request, and give its answer. BrokenError where it was cut."""
        number = self.h2.get_next_available_stream_id()
        await self.send(number, message)
        found = await self.wait(lambda: number if number in self.whole or number in self.resets else None)
        if found in self.resets and found not in self.whole:
            raise BrokenError
        return self.messages[found]
