"""Requests and answers as raw bytes, for what no client and no provider would do; and what must be true all the same."""

import asyncio
import contextlib
import json
import secrets

from tests.gateway.contract.line import Line
from tests.gateway.wire import Reply, read_reply
from wrapper.audit.events import Refused, Request

VALUE = "correct-horse-" + secrets.token_hex(8)
BODY = json.dumps({"model": "m-1", "messages": [{"role": "user", "content": f"it is {VALUE}, thanks"}]}).encode()
HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: inside\r\nConnection: close\r\nContent-Type: application/json\r\n"
STREAMS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
FIRST = b'event: ping\ndata: {"type":"ping"}\n\n'
SOON = 2.0
"""Seconds; what happens at once is over by then on a busy machine too."""

Tally = tuple[int, int, int]
"""Bytes that the provider got, requests on record, refusals on record."""


def chunk(data: bytes) -> bytes:
    """Write one chunk (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def cut(data: bytes, sizes: tuple[int, ...]) -> list[bytes]:
    """Cut into pieces of the given sizes; what is left is the last one."""
    out = []
    for size in sizes:
        out.append(data[:size])
        data = data[size:]
    return [piece for piece in (*out, data) if piece]


def posted(body: bytes, *headers: str, target: str = "/v1/messages") -> bytes:
    """Write a request with a body of known length."""
    lines = [f"POST {target} HTTP/1.1", "Host: inside", "Connection: close", "Content-Type: application/json"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", *headers, "", ""]).encode("latin-1") + body


async def exchanged(one: Line, data: bytes, *, pieces: tuple[int, ...] = (), breaks_off: bool = False) -> Reply | None:
    """Send raw bytes, in pieces of the given sizes; None where no answer came.

    Who gets no answer for long ends the connection; who `breaks_off`, at once.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", one.world.port)
    try:
        for piece in cut(data, pieces):
            writer.write(piece)
            await asyncio.sleep(0)
        out = b""
        with contextlib.suppress(ConnectionError):
            try:
                while part := await asyncio.wait_for(reader.read(65536), 0.05 if breaks_off else 4):
                    out += part
            except TimeoutError:
                writer.write_eof()
                out += await asyncio.wait_for(reader.read(-1), 5)
        return read_reply(out) if b"\r\n\r\n" in out else None
    finally:
        writer.close()


async def assert_serves(one: Line) -> None:
    """Check that the gateway still does its work, and that nothing else comes in between."""
    one.says_nothing_much()
    before = len(one.provider.requests)
    heard = await asyncio.wait_for(one.ask(), 5)
    assert heard.status in (200, 101)
    assert one.sent[before:] == [one.api.body.plain]


def tally(one: Line) -> Tally:
    """Count what has left and what is on record."""
    return len(one.provider.bytes), len(one.world.sink.of(Request)), len(one.world.sink.of(Refused))


def assert_kept_here(one: Line, before: Tally, reply: Reply | None) -> None:
    """Check that nothing was sent since `before`, and that this was told in the provider's shape and recorded."""
    assert tally(one)[:2] == before[:2]
    assert VALUE.encode() not in one.world.recorded()
    if reply is not None:
        assert 400 <= reply.status < 500
        assert reply.document["error"]["message"].startswith("safe-agent: ")
        assert len(one.world.sink.of(Refused)) == before[2] + 1
