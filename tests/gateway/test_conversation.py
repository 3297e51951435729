"""A WebSocket through the whole gateway, between a raw client and a raw provider."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from redactors import KnownValues, Origin, Vault
from tests.gateway.frames import BINARY, DEFLATE, Peer, Provider, fields, opened, until
from tests.gateway.wire import (
    MASKING_KEY,
    NOWHERE,
    PLACE,
    REAL_KEY,
    FixedCredential,
    MemorySink,
    Nobody,
    engine,
    forge_token,
    in_effect,
    in_loop,
    listening,
)
from wrapper.audit.events import Event, Redacted, Refused, Request, Response
from wrapper.gateway.checkpoint import Terms
from wrapper.gateway.records import Log
from wrapper.gateway.server import Gateway, GatewayConfig, Route

SECRET = forge_token("".join(random.SystemRandom().choices("abcdefghijkmnpqrstuvwxyz", k=30)))


@dataclass
class World:
    port: int
    provider: Provider
    sink: MemorySink
    vault: Vault
    known: KnownValues
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self, *more: str, extensions: str = "") -> Peer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return await opened(reader, writer, *more, extensions=extensions)

    async def both(self, *more: str, extensions: str = "") -> tuple[Peer, Peer]:
        inside = await self.connect(*more, extensions=extensions)
        assert inside.head.startswith(b"HTTP/1.1 101 "), inside.head
        return inside, await self.provider.peers.get()

    def messages(self) -> list[Request]:
        return [one for one in self.sink.of(Request) if one.method == "WEBSOCKET"]

    def recorded(self) -> bytes:
        return b"\n".join(repr(event).encode() for event in self.sink.events)


@contextlib.asynccontextmanager
async def world(
    provider: Provider | None = None, *, policy: str = "", limit: int = 2**20, routed: bool = False
) -> AsyncIterator[World]:
    provider, sink = provider or Provider(), MemorySink()
    vault = Vault(MASKING_KEY)
    known = KnownValues(vault)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    route = Route(upstream, FixedCredential({"authorization": f"Bearer {REAL_KEY}"}))
    terms = Terms(in_effect(policy), PLACE, Nobody(), NOWHERE)
    others = {"internal": route} if routed else {}
    gateway = Gateway(GatewayConfig("openai", route, others, limit), engine(vault, known), vault, Log(sink), terms)
    sock = listening()
    await gateway.start(sock)
    one = World(sock.getsockname()[1], provider, sink, vault, known)
    try:
        yield one
    finally:
        for writer in (*one.writers, *provider.writers):
            writer.transport.abort()
        server.close()
        await asyncio.sleep(0.01)  # the gateway hears of it, else it waits for the end of what is open
        await gateway.close()


def asking(text: str, **more: object) -> str:
    """Write a message as the client does."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    return json.dumps({"type": "response.create", "model": "gpt-5", "input": [item]} | more)


def delta(text: str) -> str:
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return json.dumps({"type": "response.output_text.delta", "delta": text} | at)


COMPLETED = '{"type":"response.completed","response":{"id":"resp_1","output":[]}}'


async def said(inside: Peer) -> tuple[str, list[dict[str, Any]]]:
    """Read one answer up to its last event; return its text and its events."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in ("response.completed", "error"):
        events.append(json.loads(await inside.heard()))
    return "".join(one["delta"] for one in events if one["type"] == "response.output_text.delta"), events


@pytest.mark.parametrize("extensions", ["", DEFLATE])
def test_a_secret_in_a_message_stays_here_and_every_other_byte_is_kept(extensions: str) -> None:
    """Promise 1."""

    @in_loop
    async def run() -> None:
        async with world() as one:
            inside, outside = await one.both(extensions=extensions)
            sent = asking(f"my token is {SECRET.decode()}, thanks ")
            inside.say(sent, (20, 3, 70))
            got = await outside.heard()
            placeholder = one.vault.issue("GITHUB-TOKEN", SECRET, Origin.INSIDE)
            assert got == sent.replace(SECRET.decode(), placeholder)
            assert [message.body for message in one.messages()] == [got.encode()]
            assert [(note.placeholder, note.place) for note in one.sink.of(Redacted)] == [(placeholder, "request")]
            assert SECRET not in one.recorded()

    run()


@in_loop
async def test_no_byte_of_a_message_arrives_before_its_record_is_durable() -> None:
    """Promise 4."""
    async with world() as one:
        inside, outside = await one.both()
        durable = asyncio.Event()

        async def before(_event: Event) -> None:
            await durable.wait()

        one.sink.before = before
        inside.say(asking("hello"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(outside.reader.readexactly(1), 0.1)
        durable.set()
        assert "hello" in await outside.heard()


@in_loop
async def test_a_log_that_fails_lets_no_message_and_no_further_connection_out() -> None:
    """Promise 4."""
    async with world() as one:
        inside, outside = await one.both()
        one.sink.fails = True
        inside.say(asking("hello"))
        assert (await inside.closed())[0] == 1011
        assert b"hello" not in await outside.reader.read()
        again = await one.connect()
        assert again.head.split(b" ")[1] == b"503"
        assert len(one.provider.asked) == 1


@in_loop
async def test_the_handshake_is_a_redacted_request_with_the_real_key() -> None:
    """Promise 1."""
    async with world() as one:
        await one.both(
            "Authorization: Bearer MASKED-OPENAI-KEY-00000000", "OpenAI-Beta: x=1", f"X-Note: {SECRET.decode()}"
        )
        sent = fields(one.provider.asked[0])
        assert sent["authorization"] == f"Bearer {REAL_KEY}"
        assert sent["openai-beta"] == "x=1"
        assert SECRET not in one.provider.asked[0]
        (handshake,) = one.sink.of(Request)
        assert (handshake.method, handshake.body) == ("GET", b"")
        assert REAL_KEY.encode() not in one.recorded()


@in_loop
async def test_an_answer_is_restored_over_deltas_and_recorded_masked() -> None:
    async with world() as one:
        inside, outside = await one.both()
        inside.say(asking(f"my token is {SECRET.decode()}"))
        await outside.heard()
        placeholder = one.vault.issue("GITHUB-TOKEN", SECRET, Origin.INSIDE)
        for piece in ("use ", placeholder[:9], placeholder[9:20], placeholder[20:] + " now"):
            outside.say(delta(piece), (11,), (b"ping",))
        outside.say(COMPLETED)
        text, _ = await said(inside)
        assert text == f"use {SECRET.decode()} now"
        await until(lambda: one.sink.of(Response))
        (answer,) = one.sink.of(Response)
        assert (answer.status, answer.complete, answer.number) == (101, True, one.messages()[0].number)
        assert answer.body.endswith(COMPLETED.encode())
        assert placeholder[:9].encode() in answer.body
        assert SECRET not in one.recorded()


@in_loop
async def test_what_only_the_outside_knows_is_never_restored_and_masked_where_it_comes() -> None:
    """Promise 2: the model emits a masked value's placeholder, and the provider quotes the value and the key."""
    async with world() as one:
        value = b"correct-horse-battery-" + SECRET[-8:]
        assert one.known.add("PASSWORD", value, Origin.OUTSIDE)
        placeholder = one.vault.issue("PASSWORD", value, Origin.OUTSIDE)
        inside, outside = await one.both()
        outside.say(delta(f"curl -d {placeholder[:12]}"))
        outside.say(delta(f"{placeholder[12:]} host; {value.decode()} {REAL_KEY}"))
        outside.say(COMPLETED)
        text, _ = await said(inside)
        assert text.startswith(f"curl -d {placeholder} host; {placeholder} MASKED-")
        assert value.decode() not in text
        assert REAL_KEY not in text


@in_loop
async def test_a_blocked_kind_is_answered_by_the_gateway_and_the_connection_goes_on() -> None:
    async with world(policy='[wire]\nblock = ["GITHUB-TOKEN"]\n') as one:
        inside, outside = await one.both()
        inside.say(asking(f"my token is {SECRET.decode()}"))
        text, _ = await said(inside)
        assert "safe-agent" in text
        assert [refused.method for refused in one.sink.of(Refused)] == ["WEBSOCKET"]
        inside.say(asking("without a token"))
        assert "without a token" in await outside.heard()
        assert SECRET not in one.recorded()


@in_loop
async def test_a_task_that_policy_denies_is_not_sent() -> None:
    rule = '[[tasks]]\nname = "benchmarks"\npatterns = ["(?i)benchmark"]\naction = "deny"\nmessage = "not here"\n'
    async with world(policy=rule) as one:
        inside, outside = await one.both()
        inside.say(asking("write me a benchmark"))
        text, _ = await said(inside)
        assert "not here" in text
        inside.say(asking("write me a poem"))
        assert "poem" in await outside.heard()


@in_loop
async def test_where_policy_routes_by_model_clients_are_sent_to_http() -> None:
    """A handshake names no model, so it cannot be told where the messages may go."""
    async with world(routed=True) as one:
        inside = await one.connect()
        assert inside.head.startswith(b"HTTP/1.1 426 ")
        assert not one.provider.asked
        assert [refused.method for refused in one.sink.of(Refused)] == ["GET"]


@in_loop
async def test_a_provider_without_websocket_is_answered_masked_and_recorded() -> None:
    body = f'{{"error":{{"message":"no upgrade for {REAL_KEY}"}}}}'.encode()
    head = f"HTTP/1.1 426 Upgrade Required\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    async with world(Provider(refusal=head.encode() + body)) as one:
        inside = await one.connect()
        assert inside.head.startswith(b"HTTP/1.1 426 ")
        got = await inside.reader.readexactly(int(fields(inside.head)["content-length"]))
        assert b"no upgrade for MASKED-" in got
        await until(lambda: one.sink.of(Response))
        assert one.sink.of(Response)[0].status == 426
        assert REAL_KEY.encode() not in one.recorded()


def _binary(peer: Peer) -> None:
    peer.frame(BINARY, b"abc")


def _too_large(peer: Peer) -> None:
    peer.say(b"x" * 5001)


@pytest.mark.parametrize(("send", "code"), [(_binary, 1003), (_too_large, 1009)])
def test_what_is_no_text_or_too_large_is_refused_and_recorded(send: Callable[[Peer], None], code: int) -> None:
    @in_loop
    async def run() -> None:
        async with world(limit=5000) as one:
            inside, outside = await one.both()
            send(inside)
            assert (await inside.closed())[0] == code
            await outside.at_end()
            assert [refused.method for refused in one.sink.of(Refused)] == ["WEBSOCKET"]
            assert not one.messages()

    run()
