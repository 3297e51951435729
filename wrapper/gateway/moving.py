"""Bytes moved both ways through a tunnel, counted and bounded, their beginning looked at."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine

from wrapper.gateway.greetings import ACCESS_DENIED
from wrapper.gateway.hello import Beginning, FrontedError
from wrapper.gateway.limits import Use
from wrapper.gateway.tunnel import Streams

_CHUNK = 64 * 2**10
_LOOKS = 4  # how often a silent connection is looked at within its time


async def move(inner: Streams, outer: Streams, use: Use, beginning: Beginning, *, half_closed: float) -> None:
    """Move bytes until both ends have closed; one end alone may close its half first.

    `half_closed`: seconds without a byte, after one half has closed. What is cut is noted in `use`. FrontedError goes
    on to the caller, after the client has been told in TLS's words.
    """
    ways = {
        asyncio.create_task(_out(inner[0], outer[1], use, beginning)),
        asyncio.create_task(_in(outer[0], inner[1], use)),
    }
    try:
        await _both(ways, use, half_closed)
    finally:
        for way in ways:
            way.cancel()
        ended = await asyncio.gather(*ways, return_exceptions=True)
    for error in ended:
        if isinstance(error, FrontedError):
            with contextlib.suppress(OSError):
                inner[1].write(ACCESS_DENIED)
            raise error


async def served(serving: Coroutine[None, None, None], use: Use) -> None:
    """Wait for somebody else's serving of a connection, and end it where nothing comes either way for too long."""
    task = asyncio.create_task(serving)
    try:
        await _watched({task}, use, use.terms.idle_seconds, use.idle)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error


async def _both(ways: "set[asyncio.Task[None]]", use: Use, half_closed: float) -> None:
    running = await _watched(ways, use, use.terms.idle_seconds, use.idle)
    if running and not any(way.exception() for way in ways - running):
        await _watched(running, use, min(half_closed, use.terms.idle_seconds or half_closed), lambda: None)


async def _watched(
    ways: "set[asyncio.Task[None]]", use: Use, silence: float, on_silence: Callable[[], object]
) -> "set[asyncio.Task[None]]":
    """Wait until one is done, or there was no byte for `silence` seconds (0: any time); give those not done."""
    quiet, before = 0, use.total
    while True:
        done, running = await asyncio.wait(ways, timeout=silence / _LOOKS or None, return_when=asyncio.FIRST_COMPLETED)
        if done:
            return running
        quiet, before = (quiet + 1 if use.total == before else 0), use.total
        if quiet >= _LOOKS:
            on_silence()
            return set()


async def _out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, use: Use, beginning: Beginning) -> None:
    while not beginning.is_over and (chunk := await reader.read(_CHUNK)):
        if passed := beginning.feed(chunk):
            await _write(writer, passed, use.on_sent)
    if not beginning.is_over and (rest := beginning.end()):
        await _write(writer, rest, use.on_sent)
    await _pump(reader, writer, use.on_sent)


async def _in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, use: Use) -> None:
    await _pump(reader, writer, use.on_received)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], None]) -> None:
    """Move bytes until the reader ends, then close the writer's half."""
    while chunk := await reader.read(_CHUNK):
        await _write(writer, chunk, count)
    if writer.can_write_eof():
        writer.write_eof()


async def _write(writer: asyncio.StreamWriter, chunk: bytes, count: Callable[[int], None]) -> None:
    count(len(chunk))
    writer.write(chunk)
    await writer.drain()
