"""Raw WebSocket frames for tests: a client and a provider that write what they like, over asyncio's streams."""

import asyncio
import base64
import contextlib
import hashlib
import os
import secrets
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
COMPRESSED = 0x40
DEFLATE = "permessage-deflate"
TAIL = b"\x00\x00\xff\xff"


@dataclass
class Frame:
    opcode: int
    payload: bytes
    final: bool
    reserved: int


class Peer:
    """One end of a connection that can write any frame; `head` is what came before the frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, masks: bool) -> None:
        self.reader = reader
        self.writer = writer
        self.masks = masks
        self.head = b""
        self.masked: list[bool] = []
        self.compressed = 0
        self._inflate: zlib._Decompress | None = None
        self._deflate: zlib._Compress | None = None

    def agree(self, extensions: str) -> None:
        if DEFLATE in extensions:
            self._inflate = zlib.decompressobj(wbits=-15)
            self._deflate = zlib.compressobj(wbits=-15)

    def frame(self, opcode: int, payload: bytes = b"", *, final: bool = True, length: int | None = None) -> None:
        """Write one frame; `opcode` may have reserved bits, `length` is what its head says."""
        size = len(payload) if length is None else length
        mask = secrets.token_bytes(4) if self.masks else b""
        bit = 128 if self.masks else 0
        if size < 126:
            head = struct.pack("!BB", opcode | (128 if final else 0), size | bit)
        elif size < 2**16:
            head = struct.pack("!BBH", opcode | (128 if final else 0), 126 | bit, size)
        else:
            head = struct.pack("!BBQ", opcode | (128 if final else 0), 127 | bit, size)
        self.writer.write(head + mask + xor(payload, mask))

    def say(self, text: str | bytes, sizes: tuple[int, ...] = (), pings: tuple[bytes, ...] = ()) -> None:
        """Write a message in fragments of the given sizes, with a ping before each further one."""
        payload = text.encode() if isinstance(text, str) else text
        opcode = TEXT
        if self._deflate is not None:
            payload = (self._deflate.compress(payload) + self._deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)
            opcode |= COMPRESSED
        for number, size in enumerate(sizes):
            self.frame(opcode, payload[:size], final=False)
            payload, opcode = payload[size:], CONTINUATION
            if number < len(pings):
                self.frame(PING, pings[number])
        self.frame(opcode, payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.frame(CLOSE, struct.pack("!H", code) + reason.encode())

    async def read(self) -> Frame:
        first, second = await self.reader.readexactly(2)
        size = second & 127
        if size > 125:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
        mask = await self.reader.readexactly(4) if second & 128 else b""
        self.masked.append(bool(mask))
        payload = xor(await self.reader.readexactly(size), mask)
        return Frame(first & 15, payload, bool(first & 128), first & 0x70)

    async def heard(self) -> str:
        """Read one text message, over control frames."""
        data, packed = b"", False
        while True:
            one = await self.read()
            if one.opcode >= CLOSE:
                assert one.opcode != CLOSE, one.payload
                continue
            packed = packed or bool(one.reserved & COMPRESSED)
            data += one.payload
            if one.final:
                break
        if packed:
            assert self._inflate is not None
            self.compressed += 1
            data = self._inflate.decompress(data + TAIL)
        return data.decode()

    async def closed(self) -> tuple[int, str]:
        """Read up to the close frame; (0, "") where the connection ends without one."""
        try:
            while (one := await self.read()).opcode != CLOSE:
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, ""
        return (int.from_bytes(one.payload[:2]), one.payload[2:].decode())

    async def at_end(self) -> bool:
        with contextlib.suppress(ConnectionError):
            await self.reader.read()
        return True


def xor(data: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)) if mask else data


class Provider:
    """Accepts one handshake after the other, or answers `refusal` to it."""

    def __init__(self, headers: tuple[str, ...] = (), refusal: bytes = b"", extensions: str = DEFLATE) -> None:
        self.headers = headers
        self.refusal = refusal
        self.extensions = extensions
        self.asked: list[bytes] = []
        self.peers: asyncio.Queue[Peer] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            peer = Peer(reader, writer, masks=False)
            peer.head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        self.asked.append(peer.head)
        if self.refusal:
            writer.write(self.refusal)
            return
        sent = fields(peer.head)
        agreed = self.extensions if DEFLATE in sent.get("sec-websocket-extensions", "") else ""
        peer.agree(agreed)
        more = [*self.headers, *([f"Sec-WebSocket-Extensions: {agreed}"] if agreed else [])]
        writer.write(switching(sent["sec-websocket-key"], more))
        await self.peers.put(peer)


def switching(key: str, more: list[str]) -> bytes:
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode(), usedforsecurity=False).digest()
    accept = base64.b64encode(digest).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    return "\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept}", *more, "", ""]).encode()


def fields(head: bytes) -> Mapping[str, str]:
    pairs = (line.split(":", 1) for line in head.decode().split("\r\n")[1:] if ":" in line)
    return {name.lower(): value.strip() for name, value in pairs}


async def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *more: str, extensions: str = "") -> Peer:
    """Send a client's handshake; the answer's head is in `head`."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = ["GET /v1/responses HTTP/1.1", "Host: i", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *more]
    lines += [f"Sec-WebSocket-Extensions: {extensions}"] if extensions else []
    writer.write("\r\n".join([*lines, "", ""]).encode())
    peer = Peer(reader, writer, masks=True)
    peer.head = await reader.readuntil(b"\r\n\r\n")
    peer.agree(fields(peer.head).get("sec-websocket-extensions", ""))
    return peer


async def until(happened: Callable[[], object]) -> None:
    while not happened():  # noqa: ASYNC110  what is waited for is seen from outside only
        await asyncio.sleep(0.002)
