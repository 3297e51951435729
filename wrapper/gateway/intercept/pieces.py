"""A body that arrives piece by piece, between who receives it and who reads it."""

import asyncio
import collections
from collections.abc import Callable
from typing import Final, Self

from wrapper.gateway.intercept.exchange import Headers

_SMALL: Final = 256  # bytes; an object for each piece of two bytes would take twenty times what the window grants
_JOINED: Final = 4096


class Pieces:
    """A Body. `taken` hears how many bytes were read, `wanted` once that the first are waited for."""

    __slots__ = (
        "_error", "_length", "_pieces", "_taken", "_trailers", "_waiter", "_wanted", "is_complete", "waiting",
    )  # fmt: skip

    def __init__(
        self, length: int | None, taken: Callable[[int], None], wanted: Callable[[], None] | None = None
    ) -> None:
        self._length = length
        self._taken = taken
        self._wanted = wanted
        self._pieces: collections.deque[bytes] = collections.deque()
        self._waiter: asyncio.Future[None] | None = None
        self._trailers: Headers = ()
        self._error: BaseException | None = None
        self.waiting = 0
        self.is_complete = False

    @property
    def length(self) -> int | None:
        """Bytes in all, as announced."""
        return self._length

    @property
    def trailers(self) -> Headers:
        """What came behind the last byte."""
        return self._trailers

    def announce(self, length: int | None) -> None:
        """Say how long it will be, where that is known only now."""
        self._length = length

    def feed(self, data: bytes) -> None:
        """Add a piece."""
        if self._error is None and data:
            if len(data) < _SMALL and self._pieces and len(self._pieces[-1]) < _JOINED:
                self._pieces[-1] += data
            else:
                self._pieces.append(data)
            self.waiting += len(data)
            self._wake()

    def finish(self, trailers: Headers = ()) -> None:
        """Say that this was all."""
        if self._error is None and not self.is_complete:
            self._trailers = trailers
            self.is_complete = True
            self._wake()

    def fail(self, error: BaseException) -> None:
        """Say that there will be no end; pieces that wait are still given."""
        if self._error is None and not self.is_complete:
            self._error = error
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def arrived(self, size: int) -> None:
        """Wait until it is all there, or broken off, or so many bytes wait. Nothing is read."""
        while not self.is_complete and self._error is None and self.waiting < size:
            await self._news()

    async def _news(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def __aiter__(self) -> Self:
        """Read it, once."""
        return self

    async def __anext__(self) -> bytes:
        """Give all that has come since."""
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self.is_complete:
                raise StopAsyncIteration
            if self._wanted is not None:
                self._wanted()
                self._wanted = None
            await self._news()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        size, self.waiting = self.waiting, 0
        self._taken(size)
        return data


class Whole:
    """A Body that is there already; `length` is its bytes."""

    __slots__ = ("_left", "length")

    trailers: Headers = ()

    def __init__(self, data: bytes) -> None:
        self._left = data
        self.length = len(data)

    def __aiter__(self) -> Self:
        """Read it, once."""
        return self

    async def __anext__(self) -> bytes:
        """Give it."""
        data, self._left = self._left, b""
        if not data:
            raise StopAsyncIteration
        return data
