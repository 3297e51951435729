"""A masker that knows some values, and answers that go through it."""

import asyncio
import secrets
from collections.abc import Iterable

from redactors.known import KnownValues
from redactors.vault import Origin, Vault
from tests.gateway.intercept.exchanges import Pieces, asked, cut, read
from wrapper.gateway.intercept.exchange import Answer, AnswerHead, Body, Headers
from wrapper.gateway.intercept.masking import Masker

V = b"ghp_" + secrets.token_hex(18).encode()
ODD = b"p/" + secrets.token_hex(9).encode() + b"+&=" + secrets.token_hex(9).encode()
OWN = secrets.token_hex(20).encode()  # the inside has it already
VAULT = Vault(bytes(32))
KNOWN = KnownValues(VAULT)
KNOWN.add("github-token", V, Origin.OUTSIDE)
KNOWN.add("password", ODD, Origin.OUTSIDE)
KNOWN.add("secret", OWN, Origin.INSIDE)
P = (VAULT.placeholder_of(V) or "").encode()
Q = (VAULT.placeholder_of(ODD) or "").encode()
MASKER = Masker(KNOWN, VAULT)


class Heard:
    """Counts what was masked."""

    def __init__(self) -> None:
        self.masks: dict[str, int] = {}

    def __call__(self, kind: str, placeholder: str, count: int) -> None:
        self.masks[placeholder] = self.masks.get(placeholder, 0) + count


def answered(
    body: Body | None = None,
    *headers: tuple[bytes, bytes],
    status: int = 200,
    upgrade: str = "",
    told: Heard | None = None,
) -> Answer:
    answer = Answer(AnswerHead(status, headers), body)
    return MASKER.answer(answer, asked(upgrade=upgrade), told or Heard())


def masked(data: bytes, sizes: Iterable[int] = (2**16,)) -> bytes:
    return read(answered(Pieces(cut(data, list(sizes)), len(data))).body)


class Line:
    """A body whose pieces the test gives one by one."""

    length = None
    trailers: Headers = ()

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | OSError | None] = asyncio.Queue()

    def give(self, piece: bytes | OSError | None) -> None:
        """Give a piece, an error, or the end."""
        self._pieces.put_nowait(piece)

    def __aiter__(self) -> "Line":
        """Read it."""
        return self

    async def __anext__(self) -> bytes:
        """Wait for a piece."""
        piece = await self._pieces.get()
        if piece is None:
            raise StopAsyncIteration
        if isinstance(piece, OSError):
            raise piece
        return piece
