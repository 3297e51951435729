import asyncio
import os
import signal
import socket
import time

import pytest

from tests.audit.recording import Home, recording, start_event, warned
from wrapper.audit import events, reader, wire
from wrapper.audit.client import AsyncRecorderClient, RecorderClient
from wrapper.audit.format import MAX_RECORD
from wrapper.errors import AuditError
from wrapper.ports import AsyncAuditSink, AuditSink


def _texts(user: Home) -> list[str]:
    read = reader.open_session(user.directory(), user.keys.load_identity())
    return [event.text for event in read if isinstance(event, events.Warned)]


def _warnings(message: bytes) -> list[str]:
    inbox = wire.Inbox()
    inbox.feed(memoryview(message))
    decoded = [events.decode(bytes(payload)) for _, payload in inbox.messages()]
    return [event.text for event in decoded if isinstance(event, events.Warned)]


def _body(size: int, number: int = 1) -> events.Request:
    return events.Request(at=1.0, number=number, method="POST", url="u", headers={}, body=os.urandom(size))


def test_a_signal_in_the_middle_of_a_big_event_does_not_tear_it(user: Home) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        asked = [_body(5_000_000, number) for number in range(10)]
        with recording(user, before=lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN)) as running:
            client = RecorderClient(running.connections[0])
            for event in asked:
                client.append(event)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen
    assert list(reader.open_session(running.directory, user.keys.load_identity())) == asked


def test_several_events_at_once_are_one_message_and_stand_in_the_log_in_their_order(user: Home) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        RecorderClient(ours).append_all(warned(f"{number}") for number in range(50))
        assert _warnings(theirs.recv(1 << 20)) == [f"{number}" for number in range(50)]
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        client.append_all([])
        client.append_all([start_event(), *(warned(f"{number}") for number in range(50))])
        client.append(warned("the last"))
    assert _texts(user) == [*(f"{number}" for number in range(50)), "the last"]


def test_of_several_events_those_before_one_that_is_too_large_are_handed_over() -> None:
    ours, theirs = socket.socketpair()
    client = RecorderClient(ours)
    with ours, theirs:
        with pytest.raises(AuditError, match="larger than the log takes"):
            client.append_all([warned("before"), _body(MAX_RECORD), warned("behind")])
        assert _warnings(theirs.recv(1 << 20)) == ["before"]


def test_several_events_for_a_recorder_that_is_gone_are_a_failure_of_each_later_call() -> None:
    ours, theirs = socket.socketpair()
    client = RecorderClient(ours)
    theirs.close()
    with ours:
        for _ in range(2):
            with pytest.raises(AuditError, match="ended"):
                client.append_all([warned("x")])


def test_a_handler_that_raises_in_the_middle_of_an_event_ends_the_connection() -> None:
    class Bored(Exception):  # noqa: N818 (what a handler of somebody else may raise)
        pass

    def bored(*_: object) -> None:
        raise Bored

    ours, theirs = socket.socketpair()
    client, event = RecorderClient(ours), _body(5_000_000)
    before = signal.signal(signal.SIGALRM, bored)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(Bored):
            client.append(event)  # nobody reads: it blocks
    finally:
        signal.signal(signal.SIGALRM, before)
    with theirs, pytest.raises(AuditError, match="cut off"):
        client.append(warned("x"))


def test_both_clients_are_the_sinks_that_the_session_wires(user: Home) -> None:
    def say(sink: AuditSink) -> None:
        sink.append(warned("blocking"))
        sink.append_durable(warned("blocking, durable"))

    async def say_in_a_loop(sink: AsyncAuditSink) -> None:
        sink.append(warned("async"))
        await sink.append_durable(warned("async, durable"))

    async def run(connection: socket.socket) -> None:
        await say_in_a_loop(AsyncRecorderClient(connection))

    with recording(user, clients=2) as running:
        say(RecorderClient(running.connections[0]))
        asyncio.run(run(running.connections[1]))
    assert _texts(user) == ["blocking", "blocking, durable", "async", "async, durable"]


def test_a_closed_client_refuses_events(user: Home) -> None:
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        client.close()
        with pytest.raises(AuditError, match="was closed"):
            client.append(warned("x"))


def test_many_durable_events_at_once_return_each_after_its_own_is_on_disk(user: Home) -> None:
    async def run(connection: socket.socket) -> None:
        client = AsyncRecorderClient(connection)

        async def one(number: int) -> None:
            client.append(warned(f"plain {number}"))
            await client.append_durable(warned(f"durable {number}"))
            assert f"durable {number}" in _texts(user)

        await asyncio.gather(*(one(number) for number in range(100)))
        await client.close()

    with recording(user) as running:
        asyncio.run(run(running.connections[0]))
    texts = _texts(user)
    assert texts == [f"{kind} {number}" for number in range(100) for kind in ("plain", "durable")]


def test_answers_never_overtake_what_is_on_disk_when_big_and_small_events_mix(user: Home) -> None:
    returned: list[int] = []

    async def run(connection: socket.socket) -> None:
        client = AsyncRecorderClient(connection)

        async def one(number: int) -> None:
            await client.append_durable(_body(3_000_000 if number % 3 == 0 else 10, number))
            returned.append(number)

        await asyncio.gather(*(one(number) for number in range(30)))
        await client.close()

    with recording(user) as running:
        asyncio.run(run(running.connections[0]))
    assert returned == list(range(30))
    read = list(reader.open_session(running.directory, user.keys.load_identity()))
    assert [event.number for event in read if isinstance(event, events.Request)] == returned


def test_a_loop_is_not_held_while_the_recorder_is_slow(user: Home) -> None:
    async def run(connection: socket.socket, pid: int) -> float:
        client = AsyncRecorderClient(connection)
        await client.append_durable(start_event())
        os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        for number in range(10):
            client.append(_body(3_500_000, number))
        waiting = asyncio.ensure_future(client.append_durable(warned("last")))
        await asyncio.sleep(0.05)
        held = time.monotonic() - begun
        assert not waiting.done()
        os.kill(pid, signal.SIGCONT)
        await waiting
        await client.close()
        return held

    with recording(user) as running:
        assert asyncio.run(run(running.connections[0], running.pid)) < 1
    assert _texts(user) == ["last"]


def test_a_cancelled_wait_does_not_shift_the_answers_of_others(user: Home) -> None:
    async def run(connection: socket.socket) -> None:
        client = AsyncRecorderClient(connection)
        first = asyncio.ensure_future(client.append_durable(warned("first")))
        await asyncio.sleep(0)
        first.cancel()
        await client.append_durable(warned("second"))
        assert _texts(user) == ["first", "second"]
        await client.close()

    with recording(user) as running:
        asyncio.run(run(running.connections[0]))


def test_a_killed_recorder_fails_all_who_wait_and_says_so_once(user: Home) -> None:
    told: list[AuditError] = []

    async def run(connection: socket.socket, pid: int) -> None:
        client = AsyncRecorderClient(connection, on_failure=told.append)
        await client.append_durable(start_event())
        os.kill(pid, signal.SIGSTOP)
        waits = [asyncio.ensure_future(client.append_durable(_body(1_000_000))) for _ in range(5)]
        await asyncio.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        for result in await asyncio.gather(*waits, return_exceptions=True):
            assert isinstance(result, AuditError)
        with pytest.raises(AuditError):
            client.append(warned("x"))
        with pytest.raises(AuditError):
            await client.append_durable(warned("x"))
        with pytest.raises(AuditError):
            await client.close()

    with recording(user) as running:
        asyncio.run(run(running.connections[0], running.pid))
    assert [error.what for error in told] == ["the recorder of the audit log ended"]


def test_the_reason_of_a_failure_reaches_an_idle_loop(user: Home) -> None:
    user.state.write_text("not a folder")

    async def run(connection: socket.socket) -> AuditError:
        told = asyncio.get_running_loop().create_future()
        AsyncRecorderClient(connection, on_failure=told.set_result)
        return await asyncio.wait_for(told, 10)

    with recording(user) as running:
        assert "cannot start the log" in asyncio.run(run(running.connections[0])).what


def test_closing_sends_what_is_queued_first(user: Home) -> None:
    async def run(connection: socket.socket) -> None:
        client = AsyncRecorderClient(connection)
        for number in range(20):
            client.append(_body(1_000_000, number))
        client.append(warned("the last one"))
        await client.close()

    with recording(user) as running:
        asyncio.run(run(running.connections[0]))
        assert running.wait() == 0
    assert _texts(user) == ["the last one"]


def test_a_recorder_that_cannot_keep_up_is_a_failure_and_not_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wrapper.audit.client._MOST_QUEUED", 1 << 20)

    async def run(connection: socket.socket) -> None:
        client = AsyncRecorderClient(connection)
        with pytest.raises(AuditError, match="too slow"):
            for number in range(100):
                client.append(_body(500_000, number))

    ours, theirs = socket.socketpair()
    with theirs:
        asyncio.run(run(ours))


def test_what_is_not_durable_goes_together_with_what_comes_soon_after_it() -> None:
    async def run(connection: socket.socket, far: socket.socket) -> list[list[str]]:
        client = AsyncRecorderClient(connection)
        loop = asyncio.get_running_loop()
        messages = []
        client.append(warned("an answer"))
        with pytest.raises(BlockingIOError):
            far.recv(1)
        waiting = [asyncio.ensure_future(client.append_durable(warned("the next request")))]
        messages.append(await loop.sock_recv(far, 1 << 16))
        waiting += [asyncio.ensure_future(client.append_durable(warned(f"at once {n}"))) for n in range(3)]
        messages.append(await loop.sock_recv(far, 1 << 16))
        client.append(warned("nothing follows"))
        messages.append(await loop.sock_recv(far, 1 << 16))
        far.send(wire.ANSWER.pack(wire.WRITTEN, len(waiting)))
        await asyncio.gather(*waiting)
        await client.close()
        return [_warnings(message) for message in messages]

    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with theirs:
        assert asyncio.run(run(ours, theirs)) == [
            ["an answer", "the next request"],
            ["at once 0", "at once 1", "at once 2"],
            ["nothing follows"],
        ]


def test_a_durable_event_that_meets_a_recorder_that_is_gone_does_not_wait_for_ever() -> None:
    async def run(connection: socket.socket, far: socket.socket) -> None:
        client = AsyncRecorderClient(connection)
        far.close()
        with pytest.raises(AuditError, match="ended"):
            await asyncio.wait_for(client.append_durable(warned("x")), 10)

    asyncio.run(run(*socket.socketpair()))
