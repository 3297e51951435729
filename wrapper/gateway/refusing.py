"""A refusal told to a client of the proxy, in HTTP or in the words of the protocol that it speaks instead."""

import asyncio
import contextlib

from wrapper.gateway.greetings import ForeignError
from wrapper.gateway.refusal import RefusedError
from wrapper.gateway.tunnel import Streams

_CHUNK = 64 * 2**10
_LINGERING = 1.0  # seconds
_REASONS = {400: "Bad Request", 403: "Forbidden", 405: "Method Not Allowed", 408: "Request Timeout",
            431: "Request Header Fields Too Large", 502: "Bad Gateway", 503: "Service Unavailable",
            504: "Gateway Timeout"}  # fmt: skip


async def say(inner: Streams, error: RefusedError) -> None:
    """Answer in plain text: what reads it is a command-line tool or its user.

    What the client still sends is read for a moment: closing with unread bytes would reset the connection, and the
    client would lose the answer.
    """
    reader, writer = inner
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LINGERING):
            writer.write(_answer(error))
            await writer.drain()
            writer.write_eof()
            while await reader.read(_CHUNK):
                pass


def _answer(error: RefusedError) -> bytes:
    if isinstance(error, ForeignError):
        return error.reply
    body = f"{error.message}\n".encode()
    head = (
        f"HTTP/1.1 {error.status} {_REASONS.get(error.status, 'Refused')}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
