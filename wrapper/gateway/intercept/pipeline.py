"""What may stand in a request's way besides the judge: inspections before it, captures behind it; pure.

The order of the steps is told in `judging`. An inspection sees a request as the inside sent it, with placeholders and
the body's codings undone. A capture is for exchanges in which a login travels: it sees the request after the swap, and
the answer before anything in it is masked, and it alone says what of them reaches the host and the inside.
"""

from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import Answer, Body, RequestHead
from wrapper.gateway.refusal import RefusedError

MOST_CAPTURED: Final = 2**20
"""Bytes of a body that a capture gets, codings undone: a token answer has some kilobytes. A longer one is refused."""


class AnsweredError(RefusedError):
    """A request that is not forwarded; the inside gets `answer`, in its protocol's own words (git's, say)."""

    def __init__(self, answer: Answer, what: str, *, hint: str = "") -> None:
        super().__init__(answer.head.status, what, hint=hint)
        self.answer = answer


class Inspection(Protocol):
    """Looks at requests of one protocol (git's, say) before they are judged."""

    def covers(self, head: RequestHead, destination: Destination) -> bool:
        """Tell whether a request is of this protocol; then this, and no `allow` list, says what may be asked."""

    async def inspected(self, head: RequestHead, body: Body | None) -> Body | None:
        """Give the body on, whole, though its beginning may have been read. Raises RefusedError, AnsweredError."""

    def is_packed(self, head: RequestHead) -> bool:
        """Tell whether what it covers has a body that the protocol packs: what a rule finds in that is chance.

        So it is searched for known values only.
        """


class Capture(Protocol):
    """Keeps a login outside: bodies are whole, codings undone, of at most MOST_CAPTURED bytes.

    What a rule finds in such a body is the login's matter and not judged; a value that is known is.
    """

    name: str
    """What is kept, for the log: `claude`, say."""

    def wants(self, head: RequestHead, destination: Destination) -> bool:
        """Tell whether this exchange is for it."""

    def turn(self, head: RequestHead, destination: Destination) -> AbstractAsyncContextManager[None]:
        """Hold off all others while one exchange runs: nobody may use one refresh token twice. Raises RefusedError."""

    def asked(self, head: RequestHead, body: bytes) -> bytes:
        """Give the request's body as the host gets it; placeholders are swapped already. Raises RefusedError."""

    def answered(self, head: RequestHead, status: int, body: bytes) -> bytes:
        """Give the answer's body as the inside gets it; it is masked afterwards. Raises RefusedError."""
