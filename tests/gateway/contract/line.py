"""A client and a provider at both ends of a gateway, which speak one API, whatever it runs over."""

import asyncio
import base64
import contextlib
import os
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock

from redactors.context import Context, ContextRule
from redactors.engine import Engine
from redactors.vault import PLACEHOLDER
from tests.gateway import wire
from tests.gateway.contract.answers import Texts
from tests.gateway.contract.apis import CODINGS, Api
from tests.gateway.frames import DEFLATE, Peer, fields, switching, until
from tests.gateway.wire import PLACE, Provider, Received, World, chunked, plain, read_reply, wired
from wrapper.audit.events import Response
from wrapper.policy.wire import Place

TERM = "Blue Falcon"
"""A word that the context rules of every line know, of the kind `PROJECT`."""
Run = Callable[[Coroutine[Any, Any, None]], None]
PINGS = (b"", b"ping", b"\x00\xff", b"p" * 125) * 8
_OURS = re.compile(PLACEHOLDER)
_LAST = (b'"response.completed"', b'"type":"error"', b'"type": "error"')


class Speaking(Provider):
    """A provider that speaks WebSocket too: each message is a request `WEBSOCKET`, answered by `messages`.

    A handshake is kept in `openings`; `refuses` it: `answer` is the answer then. `cuts` are the sizes of the fragments
    in which messages come, with pings in between; `in_kind` makes the messages from what was asked.
    """

    def __init__(self, answer: wire.Answer) -> None:
        super().__init__(answer)
        self.openings: list[Received] = []
        self.messages: list[bytes] = []
        self.refuses = False
        self.cuts: tuple[int, ...] = ()
        self.in_kind: Callable[[bytes], list[bytes]] | None = None
        self._writers: list[asyncio.StreamWriter] = []

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                request = await self._read(reader)
                if request.headers.get("upgrade") == "websocket":
                    self.openings.append(request)
                    if not self.refuses:
                        await self._talk(request, reader, writer)
                        break
                else:
                    self.requests.append(request)
                await self.answer(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        finally:
            writer.close()

    async def _talk(self, opening: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, masks=False)
        agreed = DEFLATE if DEFLATE in opening.headers.get("sec-websocket-extensions", "") else ""
        peer.agree(agreed)
        extensions = [f"Sec-WebSocket-Extensions: {agreed}"] if agreed else []
        writer.write(switching(opening.headers["sec-websocket-key"], extensions))
        with contextlib.suppress(AssertionError):  # `heard` meets the close frame
            while True:
                message = (await peer.heard()).encode()
                self.bytes += message
                self.requests.append(Received("WEBSOCKET", opening.target, {}, message, message))
                for one in self.in_kind(message) if self.in_kind else self.messages:
                    peer.say(one, self.cuts, PINGS[: len(self.cuts)])
                await writer.drain()
        peer.close()
        await writer.drain()
        self.left.set()


@dataclass(frozen=True)
class Heard:
    """What the client read: an answer over HTTP, or the messages of a WebSocket joined by LF (status 101).

    `head` is the status line and the headers as they came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    head: bytes = b""


@dataclass(frozen=True)
class Line:
    """One API through a gateway."""

    api: Api
    world: World
    provider: Speaking

    @property
    def sent(self) -> list[bytes]:
        """The bodies that reached the provider."""
        return [one.body for one in self.provider.requests]

    async def answers(self, count: int = 1) -> list[Response]:
        """Give the answers on record, once there are so many: they are recorded when the client has them already."""
        await asyncio.wait_for(until(lambda: len(self.world.sink.of(Response)) >= count), 5)
        return self.world.sink.of(Response)

    def says(self, texts: Texts) -> None:
        """Let the provider answer with these texts."""
        parts = self.api.answers.say(texts)
        if self.api.is_socket:
            self.provider.messages = parts
        elif "event-stream" in self.api.answers.content_type:
            self.provider.answer = chunked(*parts, content_type=self.api.answers.content_type)
        else:
            self.provider.answer = plain(b"".join(parts), content_type=self.api.answers.content_type)

    def answers_in_kind(self) -> None:
        """Let the provider answer each request with the placeholder that it holds."""

        def parts(request: bytes) -> list[bytes]:
            found = _OURS.findall(request)
            return self.api.answers.say(dict.fromkeys(self.api.answers.places, found[0].decode()))

        async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
            body = parts(request.raw)
            await asyncio.sleep(0.01)
            await chunked(*body, content_type=self.api.answers.content_type)(request, writer)

        self.provider.in_kind = parts
        self.provider.answer = answer

    def says_nothing_much(self) -> None:
        """Let the provider give any answer."""
        self.says(dict.fromkeys(("text", "arguments", "patch", "javascript", "signed"), "fine"))

    async def ask(
        self, body: bytes | None = None, *headers: str, target: str = "", cuts: tuple[int, ...] = ()
    ) -> Heard:
        """Send a request as the client does, and read the answer; `cuts` are as the provider's."""
        body = self.api.body.plain if body is None else body
        target = target or self.api.target
        if self.api.is_socket:
            return await self._say(body, target, headers, cuts)
        lines = [f"Content-Type: {self.api.content_type}"] if body else []
        if self.api.coding:
            body = CODINGS[self.api.coding](body)
            lines.append(f"Content-Encoding: {self.api.coding}")
        lines += [f"Content-Length: {len(body)}", "Connection: close", *headers]
        return await self._post(f"{self.api.method} {target} HTTP/1.1", lines, body)

    async def ask_all(self, bodies: list[bytes]) -> None:
        """Send several requests on one connection without waiting for answers, then read these."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.world.port)
        try:
            if self.api.is_socket:
                peer = await self._opened(reader, writer, self.api.target, ())
                for body in bodies:
                    peer.say(body)
                for _ in range(len(bodies) * len(self.provider.messages)):
                    await peer.heard()
                return
            for number, body in enumerate(bodies, 1):
                head = f"{self.api.method} {self.api.target} HTTP/1.1\r\nHost: inside\r\n"
                head += f"Content-Type: {self.api.content_type}\r\nContent-Length: {len(body)}\r\n"
                writer.write((head + ("Connection: close\r\n" * (number == len(bodies))) + "\r\n").encode() + body)
            data = await reader.read(-1)
            assert data.count(b"HTTP/1.1 200") == len(bodies)
        finally:
            writer.close()

    async def ask_with(self, text: str, *headers: str) -> Heard:
        """Ask with more text where the user speaks; where there is no body, in the query."""
        if self.api.body.spots:
            return await self.ask(self.api.body.prompt(f" {text} "), *headers)
        return await self.ask(
            None, *headers, target=f"{self.api.target.partition('?')[0]}?q={text.replace(' ', '%20')}"
        )

    async def _post(self, first: str, lines: list[str], body: bytes) -> Heard:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.world.port)
        try:
            writer.write("\r\n".join([first, "Host: inside", *lines, "", ""]).encode("latin-1") + body)
            data = await reader.read(-1)
            reply = read_reply(data)
            return Heard(reply.status, reply.headers, reply.body, data.partition(b"\r\n\r\n")[0])
        finally:
            writer.close()

    async def _say(self, message: bytes, target: str, headers: tuple[str, ...], cuts: tuple[int, ...]) -> Heard:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.world.port)
        try:
            peer = await self._opened(reader, writer, target, headers)
            got = fields(peer.head)
            status = int(peer.head.split(b" ")[1])
            if status != 101:
                return Heard(status, got, await reader.readexactly(int(got["content-length"])), peer.head)
            peer.say(message, cuts, PINGS[: len(cuts)])
            heard: list[bytes] = []
            while not heard or not any(last in heard[-1] for last in _LAST):
                heard.append((await peer.heard()).encode())
            peer.close()
            await peer.closed()
            return Heard(status, got, b"\n".join(heard), peer.head)
        finally:
            writer.close()

    async def _opened(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str, headers: tuple[str, ...]
    ) -> Peer:
        lines = [f"GET {target} HTTP/1.1", "Host: inside", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}", "Sec-WebSocket-Version: 13"]
        lines += [f"Sec-WebSocket-Extensions: {DEFLATE}"] if self.api.deflate else []
        writer.write("\r\n".join([*lines, *headers, "", ""]).encode())
        peer = Peer(reader, writer, masks=True)
        peer.head = await reader.readuntil(b"\r\n\r\n")
        peer.agree(fields(peer.head).get("sec-websocket-extensions", ""))
        return peer


def knowing_context(engine: Engine) -> Engine:
    """Widen an engine by a context rule."""
    return engine.with_sources(Context((ContextRule("PROJECT", terms=(TERM,)),)))


@contextlib.contextmanager
def running(api: Api, **more: Any) -> Iterator[tuple[Line, Run]]:
    """Start a line that lives from one of `run(coroutine)` to the next: for properties, which have many examples."""
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        one = runner.run(stack.enter_async_context(line(api, **more)))
        try:
            yield one, runner.run
        finally:
            runner.run(stack.aclose())


@contextlib.asynccontextmanager
async def line(api: Api, **more: Any) -> AsyncIterator[Line]:
    """Start a line; `more` is for `wired`."""
    place = Place(api.agent, PLACE.workspace, PLACE.remotes)
    with mock.patch.object(wire, "Provider", Speaking):
        async with wired(kind=api.kind, widen=knowing_context, place=place, **more) as world:
            provider = world.provider
            assert isinstance(provider, Speaking)
            one = Line(api, world, provider)
            one.says_nothing_much()
            yield one
