"""The broker's connection to one stub: frames in, frames out."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from wrapper.gateway.remotes.frames import FrameReader
from wrapper.gateway.remotes.inside import ERRORS, EXIT, INPUT, MOST, OUTPUT, frame

_LINGERING = 5.0  # seconds; a stub goes at once when it has heard its exit code
_PAUSE = 0.05  # seconds after which what may begin a value is shown: below what people notice


class Masking(Protocol):
    """Takes known values out of a text as it comes; see `redactors.knownstream`."""

    @property
    def held(self) -> bool:
        """Whether bytes are held back."""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes, give what may be shown now."""

    def flush(self) -> bytes:
        """Give out what is held back."""


class Stub:
    """What a stub says and is told; it goes when it has heard its exit code."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader()

    def close(self) -> None:
        """Give the connection up; what was written is still sent."""
        self._writer.close()

    async def frame(self) -> tuple[int, bytes] | None:
        """Give the next frame; None where the stub is gone. Raises FrameError."""
        while (one := self._frames.frame()) is None:
            data = await self._reader.read(MOST)
            if not data:
                return None
            self._frames.feed(data)
        return one

    async def copy(self, kind: int, source: asyncio.StreamReader, count: Callable[[int], None]) -> None:
        """Tell it all that comes from `source`. Raises OSError where the stub is gone."""
        while data := await source.read(MOST):
            count(len(data))
            self._writer.write(frame(kind, data))
            await self._writer.drain()

    async def tell(self, source: asyncio.StreamReader, masking: Masking, count: Callable[[int], None]) -> None:
        """Tell it, as text for its user, what comes from `source`, masked. Raises OSError where the stub is gone."""
        while True:
            try:
                async with asyncio.timeout(_PAUSE if masking.held else None):
                    data = await source.read(MOST)
            except TimeoutError:
                await self._send(ERRORS, masking.flush())
                continue
            count(len(data))
            await self._send(ERRORS, masking.feed(data) if data else masking.flush())
            if not data:
                return

    async def leave(self, words: str, code: int) -> None:
        """Say the last words: for the user, then the exit code. What it still says is read for a moment.

        Closing with unread bytes would reset the connection, and the stub would lose its last words.
        """
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_LINGERING):
                await self._send(ERRORS, words.encode("utf-8", "backslashreplace"))
                self._writer.write(frame(EXIT, bytes([code])))
                await self._writer.drain()
                self._writer.write_eof()
                while await self._reader.read(MOST):
                    pass

    async def report(self, report: bytes) -> None:
        """Answer a push as its server would, and read what git still has to send before it looks at the answer."""
        await self._send(OUTPUT, report)
        while (one := await self.frame()) is not None and one[0] == INPUT:
            pass

    async def _send(self, kind: int, data: bytes) -> None:
        for at in range(0, len(data), MOST):
            self._writer.write(frame(kind, data[at : at + MOST]))
            await self._writer.drain()
