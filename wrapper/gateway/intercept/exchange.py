"""One request and its answer, whatever HTTP they travel by, and what is done to them on the way.

A connection's two ends are spoken by `serving` (towards the inside) and `upstream` (towards the host). Between them
stands a handler: it gets the request as the inside sent it, decides, and calls `send` with what may leave, or raises
RefusedError before anything has left.

Rules of this file:
1. Names of headers are lower case. What belongs to a connection never stands in a head, in neither direction:
   `connection` and what it names, `keep-alive`, `proxy-connection`, `transfer-encoding`, `te` but for `trailers`,
   `upgrade`, `expect`, `host` (see `authority`) and `content-length` (see `Body.length`; an answer without a body may
   have one all the same: that to HEAD, and 304). An end makes its own, and passes over a `content-length` beside a
   body.
2. A head has been checked before a handler sees it: one authority, which is the host that was connected to; one way to
   tell the body's length; no control characters. What a handler gives is checked again before it is sent.
3. A body is read once, in pieces as they come, and never ahead of who reads it. Its end may bring trailers, which
   travel only where no length was announced. A body that is not as long as its `length` breaks the exchange off.
4. A request with `upgrade` has a body: it gives nothing before the answer of status 101, and then, as the answer's
   body, the bytes of the protocol that was switched to.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol, Self

Headers = tuple[tuple[bytes, bytes], ...]
"""Names in lower case and values, in their order."""


class Body(Protocol):
    """The bytes of a request or an answer; `length` is what was announced, None where nothing was."""

    @property
    def length(self) -> int | None:
        """Bytes in all, as announced."""

    @property
    def trailers(self) -> Headers:
        """What came behind the last byte; empty until then."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the pieces. Raises OSError where the other end breaks off."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """`target` is in origin form (`/path?query`), as it came; `upgrade` is what the connection is to become, or ""."""

    method: str
    authority: str
    target: str
    headers: Headers
    upgrade: str = ""

    def get(self, name: bytes) -> bytes | None:
        """Give the value of the first header of this name."""
        return next((value for key, value in self.headers if key == name), None)

    def with_headers(self, headers: Headers) -> Self:
        """Give the same with other headers."""
        return replace(self, headers=headers)


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """A final answer, or 101; interim ones (1xx) are the ends' own."""

    status: int
    headers: Headers

    def get(self, name: bytes) -> bytes | None:
        """Give the value of the first header of this name."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Request:
    """What the inside asks; `body` is None where there is none."""

    head: RequestHead
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the host says; `body` is None where there is none."""

    head: AnswerHead
    body: Body | None = None


Send = Callable[[Request], Awaitable[Answer]]
"""Sends a request to the host that was connected to, and gives its answer as soon as its head is there.

The body goes on being sent meanwhile. Raises RefusedError where the host cannot be reached or breaks the protocol.
"""

Handler = Callable[[Request, Send], Awaitable[Answer]]
"""Handles one request; see the file's docstring. Whatever it raises, the inside gets an answer or a reset."""
