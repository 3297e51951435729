"""The beginning of a body, which is all of it where it is short and ends soon."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from wrapper.gateway.intercept.exchange import Body, Headers
from wrapper.gateway.refusal import RefusedError

WITHIN: Final = 4 * 2**20
"""Bytes up to which a body is judged as a whole: what people and programs write by hand is shorter."""
_SOON: Final = 0.5  # seconds: a body without an announced length that has not ended by then is sent while it comes


class Reading:
    """Reads a body piece by piece; who waits no longer for a piece does not lose it."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.ended = False
        self._pieces = aiter(body)
        self._next: asyncio.Future[bytes] | None = None

    async def piece(self, within: float | None = None) -> bytes:
        """Give the next piece; empty at the end. TimeoutError where none came `within` seconds: ask again then."""
        if self.ended:
            return b""
        if within is None and self._next is None:
            piece = await self._pull()
            self.ended = not piece
            return piece
        if self._next is None:
            self._next = asyncio.ensure_future(self._pull())
        done, _ = await asyncio.wait((self._next,), timeout=within)
        if not done:
            raise TimeoutError
        piece, self._next = self._next.result(), None
        self.ended = not piece
        return piece

    def drop(self) -> None:
        """Read no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    async def _pull(self) -> bytes:
        async for piece in self._pieces:
            if piece:
                return piece
        return b""


class Gathered(NamedTuple):
    """The beginning of a body, and what follows it; None: that is all."""

    data: bytes
    rest: Reading | None


async def gathered(body: Body | None, *, at_once: bool = False) -> Gathered:
    """Read a body to its end, if that comes within WITHIN bytes and soon; `at_once`: it is a stream by its nature."""
    if body is None:
        return Gathered(b"", None)
    reading = Reading(body)
    announced = body.length is not None
    if at_once or (body.length or 0) > WITHIN:
        return Gathered(b"", reading)
    pieces: list[bytes] = []
    size, deadline = 0, asyncio.get_running_loop().time() + _SOON
    try:
        while size <= WITHIN:
            left = None if announced else max(0.0, deadline - asyncio.get_running_loop().time())
            piece = await reading.piece(left)
            if not piece:
                return Gathered(b"".join(pieces), None)
            pieces.append(piece)
            size += len(piece)
    except TimeoutError:
        pass
    except BaseException:
        reading.drop()
        raise
    return Gathered(b"".join(pieces), reading)


async def whole(body: Body | None, most: int, name: str) -> bytes:
    """Read all of a body. RefusedError (413) where `name` has more than `most` bytes."""
    pieces: list[bytes] = []
    size = 0
    if body is not None:
        async for piece in body:
            pieces.append(piece)
            size += len(piece)
            if size > most:
                raise RefusedError(413, f"{name} has more than {most} bytes")
    return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class Passing:
    """A body made of pieces that are judged as they come."""

    pieces: AsyncIterator[bytes]
    length: int | None
    trailers: Headers = ()

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Give them, once."""
        return self.pieces
