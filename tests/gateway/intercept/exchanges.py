"""Requests, answers and bodies for tests of what is done to them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from wrapper.gateway.intercept.bindings import Binding
from wrapper.gateway.intercept.exchange import Body, Headers, RequestHead
from wrapper.policy.egress import Where

HOST = "api.example.com"


class Pieces:
    """A body in these pieces; before one that is a number, so many seconds pass."""

    def __init__(self, pieces: Iterable[bytes | float], length: int | None = None, trailers: Headers = ()) -> None:
        self.length = length
        self.trailers: Headers = ()
        self._pieces = pieces
        self._at_end = trailers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give them."""
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                await asyncio.sleep(piece)
        self.trailers = self._at_end


async def gathered(body: Body | None) -> bytes:
    """Read a body to its end."""
    return b"" if body is None else b"".join([piece async for piece in body])


def read(body: Body | None) -> bytes:
    """Read a body to its end, in a loop of its own."""
    return asyncio.run(gathered(body))


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cut data into pieces of these sizes, over and over."""
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    return pieces


def binding(placeholder: bytes, value: bytes, *where: str, name: str = "github", port: int = 443) -> Binding:
    """Bind a value to HOST; `where` reads as in a policy: `header:authorization`, `basic`, `query:key`, `body`."""
    places = tuple(Where(*one.partition(":")[::2]) for one in where)
    return Binding(name, placeholder, value, places, lambda host, at: (host, at) == (HOST, port))


def asked(target: str = "/", *headers: tuple[bytes, bytes], method: str = "GET", upgrade: str = "") -> RequestHead:
    """Make the head of a request."""
    return RequestHead(method, HOST, target, headers, upgrade)
