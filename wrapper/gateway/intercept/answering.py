"""An answer's body, counted while it goes in."""

from collections.abc import AsyncIterator
from typing import Protocol

from wrapper.gateway.intercept.exchange import Body, Headers


class Done(Protocol):
    """Hears of an answer's end."""

    def __call__(self, size: int, *, complete: bool) -> None:
        """Take how many bytes went in, and whether that was all."""


class Counted:
    """A body that tells `done`, once, where it ends or is given up."""

    def __init__(self, body: Body, done: Done) -> None:
        self._body = body
        self._done = done

    @property
    def length(self) -> int | None:
        """As announced."""
        return self._body.length

    @property
    def trailers(self) -> Headers:
        """What came behind the last byte."""
        return self._body.trailers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the pieces."""
        size, complete = 0, False
        try:
            async for piece in self._body:
                size += len(piece)
                yield piece
            complete = True
        finally:
            self._done(size, complete=complete)
