"""What goes wrong on this side of the provider: clients leave, the session ends, the log fails; nothing leaves by it."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from tests.gateway.contract.apis import APIS, Api
from tests.gateway.contract.line import Line, line
from tests.gateway.contract.raw import FIRST, SOON, STREAMS, VALUE, assert_serves, chunk, posted
from tests.gateway.frames import until
from tests.gateway.wire import Received, in_loop
from wrapper.audit.events import Event, Redacted, Refused, Request, Response
from wrapper.errors import AuditError
from wrapper.ports import Answer as Answered
from wrapper.ports import Question

NAMED = {api.name: api for api in APIS}
HTTP = pytest.mark.parametrize(
    "api", [NAMED["messages, streamed"], NAMED["responses, zstd"], NAMED["chat, streamed"]], ids=lambda api: api.name
)
EACH = pytest.mark.parametrize(
    "api", [NAMED["messages, streamed"], NAMED["responses, zstd"], NAMED["WebSocket"]], ids=lambda api: api.name
)
OTHER = "battery-staple-" + secrets.token_hex(8)


# The client goes away.


@HTTP
@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_client_that_leaves_within_its_body_has_asked_nothing(api: Api, how: str) -> None:
    @in_loop
    async def run() -> None:
        async with line(api) as one:
            _, writer = await asyncio.open_connection("127.0.0.1", one.world.port)
            writer.write(posted(one.api.body.plain, target=one.api.target)[:-10])
            await writer.drain()
            await asyncio.sleep(0.05)
            if how == "reset":
                writer.transport.abort()
            writer.close()
            await asyncio.sleep(0.1)
            assert not one.provider.bytes
            assert not one.world.sink.of(Request)
            await assert_serves(one)

    run()


@dataclass
class Hesitating:
    """A user who does not answer until `answers` is set; `asked` is set by the first question."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, question: Question) -> Answered:
        self.asked.set()
        await self.answers.wait()
        return Answered("yes", "for a test")


@contextlib.asynccontextmanager
async def leaving(one: Line, body: bytes) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Ask in a task of its own; what is given cuts the client's connection."""
    task = asyncio.create_task(one.ask(body))

    async def leave() -> None:
        task.cancel()  # closes the connection
        with contextlib.suppress(asyncio.CancelledError):
            await task

    try:
        yield leave
    finally:
        with contextlib.suppress(asyncio.IncompleteReadError, IndexError):  # it was cut off before it was answered
            await leave()


@EACH
def test_a_client_that_leaves_while_the_user_is_asked_has_sent_nothing(api: Api) -> None:
    user = Hesitating()

    @in_loop
    async def run() -> None:
        async with line(api, policy="[wire]\nbudget = 1\n", asking=user) as one:
            one.world.knows(VALUE.encode())
            one.world.knows(OTHER.encode())
            async with leaving(one, api.body.prompt(f"{VALUE} {OTHER}")) as leave:
                await asyncio.wait_for(user.asked.wait(), 5)
                await leave()
            await asyncio.sleep(0.1)
            user.answers.set()
            await asyncio.sleep(0.1)
            assert one.sent == []
            await assert_serves(one)

    run()


@EACH
def test_a_client_that_leaves_while_it_is_recorded_has_sent_nothing(api: Api) -> None:
    """Promise 4 holds for nobody's sake too: what is durable later does not leave then."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            recording, durable = asyncio.Event(), asyncio.Event()

            async def append(event: Event) -> None:
                one.world.sink.append(event)  # on its way to the disk, as with the recorder
                if isinstance(event, Request) and event.body:
                    recording.set()
                    await durable.wait()

            one.world.sink.append_durable = append  # type: ignore[method-assign]
            async with leaving(one, api.body.plain) as leave:
                await asyncio.wait_for(recording.wait(), 5)
                await leave()
            await asyncio.sleep(0.1)
            durable.set()
            await asyncio.sleep(0.1)
            assert one.sent == []
            await assert_serves(one)

    run()


@EACH
def test_a_client_that_leaves_while_it_is_answered_ends_the_call_and_the_answer_is_recorded(api: Api) -> None:
    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAMS + chunk(FIRST))
        await writer.drain()

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            one.provider.answer = answer
            one.provider.messages = [b'{"type":"response.created"}']
            async with leaving(one, api.body.plain) as leave:
                await until(lambda: one.sent)
                await asyncio.sleep(0.1)
                await leave()
            await asyncio.wait_for(one.provider.left.wait(), SOON)
            [answered] = await one.answers()
            assert not answered.complete
            assert b'"type":' in answered.body
            await assert_serves(one)

    run()


# The session ends.


async def _while_asked(one: Line) -> bytes:
    one.world.knows(VALUE.encode())
    one.world.knows(OTHER.encode())
    return one.api.body.prompt(f"{VALUE} {OTHER}")


async def _while_recorded(one: Line) -> bytes:
    async def append(event: Event) -> None:
        one.world.sink.append(event)
        await asyncio.Event().wait()

    one.world.sink.append_durable = append  # type: ignore[method-assign]
    return one.api.body.plain


async def _while_answered(one: Line) -> bytes:
    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAMS + chunk(FIRST))
        await writer.drain()

    one.provider.answer = answer
    one.provider.messages = [b'{"type":"response.created"}']
    return one.api.body.plain


@EACH
@pytest.mark.parametrize("busy", [_while_asked, _while_recorded, _while_answered])
def test_a_session_that_ends_waits_for_nobody_and_sends_nothing_more(
    api: Api, busy: Callable[[Line], Awaitable[bytes]]
) -> None:
    @in_loop
    async def run() -> None:
        async with (
            line(api, policy="[wire]\nbudget = 1\n", asking=Hesitating()) as one,
            leaving(one, await busy(one)),
        ):
            await asyncio.sleep(0.2)
            arrived = len(one.provider.bytes)
            await asyncio.wait_for(one.world.gateway.close(), 5)
            await asyncio.sleep(0.05)
            assert len(one.provider.bytes) == arrived
            assert len(one.sent) == (busy is _while_answered)
            answers = one.world.sink.of(Response)
            assert [answer.complete for answer in answers] == [False] * (busy is _while_answered)

    run()


# The log.


def failing(one: Line, kind: type[Event]) -> asyncio.Event:
    """Let the log fail at the next event of a kind, and never again: the gateway must know by itself.

    What is given is set then.
    """
    append = one.world.sink.append
    failed = asyncio.Event()

    def fails(event: Event) -> None:
        if isinstance(event, kind) and not failed.is_set():
            failed.set()
            raise AuditError("no space left", hint="free space")
        append(event)

    one.world.sink.append = fails  # type: ignore[method-assign]
    return failed


@EACH
@pytest.mark.parametrize("kind", [Redacted, Request])
def test_a_log_that_fails_before_a_request_leaves_keeps_it_and_all_later_ones_here(api: Api, kind: type[Event]) -> None:
    """Promise 4."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            one.world.knows(VALUE.encode())
            failing(one, kind)
            with contextlib.suppress(AssertionError, asyncio.IncompleteReadError):  # a WebSocket is closed
                heard = await one.ask_with(VALUE)
                assert heard.status == 503 or api.is_socket
            arrived = len(one.provider.bytes)
            assert one.sent == []
            assert (await one.ask()).status == 503
            assert len(one.provider.bytes) == arrived

    run()


@EACH
def test_a_log_that_fails_at_an_answer_keeps_all_later_requests_here(api: Api) -> None:
    """Promise 4."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            failed = failing(one, Response)
            assert (await one.ask()).status in (200, 101)
            await asyncio.wait_for(failed.wait(), SOON)
            arrived = len(one.provider.bytes)
            assert (await one.ask()).status == 503
            assert len(one.provider.bytes) == arrived

    run()


@HTTP
def test_a_log_that_fails_at_a_refusal_keeps_all_later_requests_here(api: Api) -> None:
    """Promise 4."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            failing(one, Refused)
            await one.world.ask(api.target, b"{}", headers=["Content-Encoding: rot13"])
            assert (await one.ask()).status == 503
            assert not one.provider.bytes

    run()
