"""A judge at a desk: it knows one value of the user's, a host is a function, and what reached it is kept."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from redactors import KnownValues, Origin, Vault
from redactors.engine import Engine
from tests.gateway.wire import MASKING_KEY, MemorySink, engine, forge_token, in_effect
from wrapper.audit.events import Sent
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.bindings import Binding, Bindings
from wrapper.gateway.intercept.exchange import Answer, AnswerHead, Body, Headers, Request, RequestHead
from wrapper.gateway.intercept.judging import Judge
from wrapper.gateway.intercept.pieces import Whole
from wrapper.gateway.intercept.pipeline import Capture, Inspection
from wrapper.gateway.refusal import RefusedError
from wrapper.policy.egress import Where
from wrapper.policy.model import Policy

T = TypeVar("T")

HOST = Destination("forge.test", 443)
SECRET = b"correct horse/battery&staple"
"""A value of the user's, from outside."""
TOKEN = forge_token("Zk3vQ8sLw0pXr5Ty7Nb2Mc9Dd4Ff6G")
"""Looks like a forge's token; nobody knows it."""
FORGE_KEY = forge_token("q8Rt2Lw7Zx4Vb9Nm3Kp6Hs1Jd5Gf0C")
"""The user's own token, bound to HOST."""
JSON = (b"content-type", b"application/json")


@dataclass
class Pieces:
    """A body that comes in pieces; `length` as announced."""

    given: Sequence[bytes]
    length: int | None = None
    trailers: Headers = ()
    taken: int = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.given:
            self.taken += 1
            yield piece
            await asyncio.sleep(0)


@dataclass
class Forge:
    """The host: keeps what reached it, byte for byte; `recorded` says how much of the body the log had by then."""

    sink: MemorySink
    answer: Callable[[Request], Answer] = lambda _: Answer(AnswerHead(200, ()), Whole(b"ok"))
    got: list[tuple[RequestHead, bytes]] = field(default_factory=list)
    ahead: list[int] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)

    async def send(self, request: Request) -> Answer:
        """Read the whole request, then answer. What had not been recorded when it came is noted in `ahead`."""
        body, place = bytearray(), len(self.got)
        self.got.append((request.head, b""))
        try:
            if request.body is not None and not request.head.upgrade:
                async for piece in request.body:
                    body += piece
                    self.ahead.append(len(body) - sum(one.size for one in self.sink.of(Sent)))
        except BaseException as error:
            self.broken.append(error)
            raise
        finally:
            self.got[place] = (request.head, bytes(body))
        return self.answer(request)


class Desk:
    """A judge with its log, and a host behind it. `policy` is a user's, in TOML."""

    def __init__(
        self,
        policy: str = '[[hosts]]\nhosts = ["forge.test"]\ninspect = "yes"\n',
        *,
        inspections: Sequence[Inspection] = (),
        captures: Sequence[Capture] = (),
        wire: Callable[[Engine], Engine] = lambda engine: engine,
        merged: Policy | None = None,
    ) -> None:
        self.vault = Vault(MASKING_KEY)
        self.known = KnownValues(self.vault)
        for kind, value in (("PASSWORD", SECRET), ("GITHUB-TOKEN", FORGE_KEY)):
            assert self.known.add(kind, value, Origin.OUTSIDE)
        self.placeholder = self.vault.issue("PASSWORD", SECRET, Origin.OUTSIDE).encode()
        self.forge_placeholder = self.vault.issue("GITHUB-TOKEN", FORGE_KEY, Origin.OUTSIDE).encode()
        self.sink = MemorySink()
        self.forge = Forge(self.sink)
        where = (Where("header", "authorization"), Where("basic"))
        bound = Binding("github", self.forge_placeholder, FORGE_KEY, where, lambda host, _: host == HOST.host)
        self.judge = Judge(
            merged or in_effect(policy),
            wire(engine(self.vault, self.known)),
            self.sink,
            numbers=count(1),
            bindings=Bindings([bound]),
            inspections=inspections,
            captures=captures,
            clock=lambda: 1.0,
        )

    def close(self) -> None:
        """End its thread."""
        self.judge.close()

    async def ask(
        self,
        method: str = "POST",
        target: str = "/repos/a/b/issues/1/comments",
        *,
        headers: Iterable[tuple[bytes, bytes]] = (JSON,),
        body: Body | bytes | None = None,
        upgrade: str = "",
    ) -> tuple[Answer, bytes]:
        """Send a request as the inside would; gives the answer and its body."""
        head = RequestHead(method, HOST.host, target, tuple(headers), upgrade)
        whole = Whole(body) if isinstance(body, bytes) else body
        answer = await self.judge.handler(HOST)(Request(head, whole), self.forge.send)
        said = b"".join([piece async for piece in answer.body]) if answer.body is not None else b""
        return answer, said

    async def refused(self, *args: Any, **kwargs: Any) -> RefusedError:
        """Send a request that must be refused, and give why."""
        try:
            await self.ask(*args, **kwargs)
        except RefusedError as error:
            return error
        raise AssertionError(f"it went through: {self.forge.got}")

    @property
    def log(self) -> str:
        """All that the log has, as text."""
        return repr(self.sink.events)


def run(test: Coroutine[Any, Any, T]) -> T:
    """Run in a loop of its own."""
    return asyncio.run(asyncio.wait_for(test, 20))


def chunked(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Cut `data` into pieces of these sizes; the rest is the last."""
    pieces, at = [], 0
    for size in sizes:
        if at >= len(data):
            break
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]] if at < len(data) else pieces
