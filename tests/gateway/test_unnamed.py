import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.gateway.tunnels import site
from tests.gateway.wire import MemorySink, in_loop
from wrapper.audit.events import Connection, Judged
from wrapper.errors import AuditError
from wrapper.gateway import unnamed
from wrapper.gateway.unnamed import Said, Terms, Waiting
from wrapper.ports import Answer, Question

OK = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass
class Room:
    """A waiting room, its log, the time there, and what was asked at the terminal."""

    waiting: Waiting
    sink: MemorySink
    now: list[float]
    asked: list[Question] = field(default_factory=list)
    always: list[str] = field(default_factory=list)

    def judged(self) -> list[tuple[str, str, str]]:
        return [(one.rule, one.action, one.by) for one in self.sink.of(Judged)]

    async def waits(self, count: int = 1) -> None:
        while sum(one.clients for one in self.waiting.held()) != count:  # noqa: ASYNC110 (a list that changes)
            await asyncio.sleep(0.001)


def room(
    unknown: str = "wait",
    seconds: float = 30.0,
    *,
    named: tuple[str, ...] = (),
    unneeded: tuple[str, ...] = (),
    answer: Answer | None = None,
) -> Room:
    sink, now, asked, always = MemorySink(), [1000.0], [], []  # type: ignore[var-annotated]

    class Terminal:
        async def ask(self, question: Question) -> Answer:
            asked.append(question)
            if answer is None:
                await asyncio.sleep(60)
            assert answer is not None
            return answer

    waiting = Waiting(
        Terms(unknown, seconds, lambda host, _port: host not in named, lambda host, _port: host in unneeded),
        sink,
        asking=Terminal(),
        always=always.append,
        clock=lambda: now[0],
    )
    return Room(waiting, sink, now, asked, always)


@in_loop
async def test_a_host_waits_until_it_is_allowed_and_others_of_it_go_on_at_once() -> None:
    one = room()
    hearing = [asyncio.create_task(one.waiting.heard("a.example", 443)) for _ in range(3)]
    other = asyncio.create_task(one.waiting.heard("b.example", 443))
    await one.waits(4)
    assert [(held.host, held.port, held.since, held.clients) for held in one.waiting.held()] == [
        ("a.example", 443, 1000.0, 3),
        ("b.example", 443, 1000.0, 1),
    ]
    assert await one.waiting.allow("a.example", "somebody, once") == ("a.example:443",)
    assert await asyncio.gather(*hearing) == [Said("allow", "allowed by somebody, once")] * 3
    assert await one.waiting.heard("a.example", 80) == Said("allow", "allowed by somebody, once")
    assert not other.done()
    assert one.judged() == [("a.example", "allowed", "user")]
    other.cancel()


@in_loop
async def test_a_decision_is_durable_before_it_holds_and_holds_not_at_all_without_a_log() -> None:
    one = room()
    hearing = asyncio.create_task(one.waiting.heard("a.example", 443))
    await one.waits()

    async def slow(_event: object) -> None:
        await asyncio.sleep(0.02)
        assert not hearing.done()

    one.sink.before = slow
    one.sink.fails = True
    with pytest.raises(AuditError):
        await one.waiting.allow("a.example", "somebody")
    assert not hearing.done()
    one.sink.fails = False
    await one.waiting.allow("a.example", "somebody")
    said = await hearing
    assert said is not None
    assert said.action == "allow"


@in_loop
async def test_nobodys_answer_is_no_and_the_next_try_is_refused_at_once_for_a_while() -> None:
    one = room(seconds=0.02)
    said = await one.waiting.heard("a.example", 443)
    assert said is not None
    assert (said.action, "nobody allowed it within 0.02 seconds" in said.text) == ("deny", True)
    assert await one.waiting.heard("a.example", 443) is None
    assert one.judged() == [("a.example:443", "denied", "nobody")]
    one.now[0] += 601
    assert await one.waiting.heard("a.example", 443) is not None
    assert len(one.judged()) == 2
    await one.waiting.allow("*.example", "somebody")
    said = await one.waiting.heard("a.example", 443)
    assert said is not None
    assert said.action == "allow"


@in_loop
async def test_what_a_rule_names_is_never_held_nor_opened() -> None:
    one = room(named=("denied.example",))
    await one.waiting.allow("*.example", "somebody")
    assert await one.waiting.heard("denied.example", 443) is None
    said = await one.waiting.heard("free.example", 443)
    assert said is not None
    assert said.action == "allow"


@pytest.mark.parametrize("unknown", ["deny", "wait"])
def test_what_need_not_wait_is_refused_at_once_but_can_be_allowed(unknown: str) -> None:
    @in_loop
    async def scenario() -> None:
        one = room(unknown, unneeded=("telemetry.example",))
        assert await one.waiting.heard("telemetry.example", 443) is None
        await one.waiting.allow("telemetry.example:443", "somebody")
        assert await one.waiting.heard("telemetry.example", 443) is not None
        assert await one.waiting.heard("telemetry.example", 80) is None

    scenario()


@in_loop
async def test_what_was_taken_back_waits_again() -> None:
    one = room(seconds=0.01)
    await one.waiting.allow("a.example", "somebody")
    assert await one.waiting.take_back("a.example", "somebody")
    assert not await one.waiting.take_back("a.example", "somebody")
    said = await one.waiting.heard("a.example", 443)
    assert said is not None
    assert said.action == "deny"
    assert one.judged()[:2] == [("a.example", "allowed", "user"), ("a.example", "denied", "user")]


@in_loop
async def test_a_flood_of_names_waits_within_bounds_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    one = room()
    hearing = [asyncio.create_task(one.waiting.heard(f"n{n}.example", 443)) for n in range(1000)]
    hearing += [asyncio.create_task(one.waiting.heard("n0.example", 443)) for _ in range(1000)]
    await one.waits(64)
    assert len(one.waiting.held()) == 32
    assert sum(task.done() for task in hearing) == 2000 - 64
    for task in hearing:
        task.cancel()
    await asyncio.gather(*hearing, return_exceptions=True)
    assert one.waiting.held() == ()
    monkeypatch.setattr(unnamed, "_MOST_REFUSED", 5)
    quick = room(seconds=0.001)
    await asyncio.gather(*(quick.waiting.heard(f"n{n}.example", 443) for n in range(20)))
    assert len(quick.waiting._refused) == 5


@pytest.mark.parametrize(
    ("answer", "action", "kept"),
    [
        (Answer("no"), "deny", []),
        (Answer("once"), "allow", []),
        (Answer("always"), "allow", ["a.example"]),
        (Answer("no", by="nobody"), "deny", []),
    ],
)
def test_the_user_is_asked_at_the_terminal_once_per_host(answer: Answer, action: str, kept: list[str]) -> None:
    @in_loop
    async def scenario() -> None:
        one = room("ask", answer=answer)
        said = await asyncio.gather(*(one.waiting.heard("a.example", 443) for _ in range(5)))
        assert {heard.action for heard in said if heard is not None} == {action}
        (question,) = one.asked
        assert "`a.example:443`" in question.what
        assert question.answers == ("no", "once", "always")
        assert one.always == kept
        assert one.judged() == [("a.example:443", "allowed" if action == "allow" else "denied", answer.by)]

    scenario()


@pytest.mark.parametrize(("port", "ports"), [(443, "on ports 443 and 80"), (8443, "on port 8443")])
def test_the_user_is_told_for_which_ports_always_is(port: int, ports: str) -> None:
    @in_loop
    async def scenario() -> None:
        one = room("ask", answer=Answer("always"))
        await one.waiting.heard("a.example", port)
        assert one.asked[0].lines[1].endswith(ports)
        assert one.always == ["a.example" if port == 443 else "a.example:8443"]

    scenario()


@in_loop
async def test_another_terminal_answers_what_is_asked_at_this_one() -> None:
    one = room("ask")
    hearing = asyncio.create_task(one.waiting.heard("a.example", 443))
    await one.waits()
    while not one.asked:  # noqa: ASYNC110 (it is asked in a task of its own)
        await asyncio.sleep(0.001)
    await one.waiting.allow("a.example", "somebody")
    said = await hearing
    assert said is not None
    assert said.action == "allow"


@in_loop
async def test_a_connection_is_held_then_made_and_the_log_tells_why() -> None:
    one = room()
    names = {"new.example": ["127.0.0.1"]}
    async with site(unnamed=one.waiting, names=names) as place:
        connecting = asyncio.create_task(place.say(b"CONNECT new.example:443 HTTP/1.1\r\n\r\n", eof=False))
        await one.waits()
        assert place.asked == []
        await one.waiting.allow("new.example", "somebody, once")
        while not place.reached:  # noqa: ASYNC110 (a list that grows)
            await asyncio.sleep(0.001)
        connecting.cancel()
        first = place.sink.of(Connection)[0]
        assert (first.host, first.allowed, first.rule) == ("new.example", True, "allowed by somebody, once")


@in_loop
async def test_names_without_end_do_not_take_the_terminal_away_from_who_says_no() -> None:
    one = room("ask", seconds=0.02, answer=Answer("no"))
    names = [f"n{number}.example" for number in range(20)]
    said = await asyncio.gather(*(one.waiting.heard(name, 443) for name in names))
    assert [answer.action for answer in said if answer] == ["deny"] * 20
    assert len(one.asked) == 8
    assert [by for _, _, by in one.judged()] == ["user"] * 8 + ["nobody"] * 12


@in_loop
async def test_an_answer_is_recorded_before_it_is_remembered_and_also_if_the_client_has_left() -> None:
    one = room("ask", answer=Answer("always"))
    begun, going = asyncio.Event(), asyncio.Event()

    async def slow(_event: object) -> None:
        begun.set()
        await going.wait()

    one.sink.before = slow
    hearing = asyncio.create_task(one.waiting.heard("a.example", 443))
    await begun.wait()
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)
    assert one.always == []
    going.set()
    while not one.always:  # noqa: ASYNC110 (a list that grows)
        await asyncio.sleep(0.001)
    assert one.judged() == [("a.example:443", "allowed", "user")]
    assert await one.waiting.heard("a.example", 443) is not None


@pytest.mark.parametrize("leaves", ["by closing", "by closing its half", "by a reset"])
def test_a_client_that_leaves_while_it_waits_is_missed_and_recorded(leaves: str) -> None:
    @in_loop
    async def scenario() -> None:
        one = room()
        async with site(unnamed=one.waiting) as place:
            _, writer = await asyncio.open_connection("127.0.0.1", place.port)
            writer.write(b"CONNECT new.example:443 HTTP/1.1\r\n\r\n")
            await one.waits()
            if leaves == "by a reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            leave: Callable[[], None] = writer.write_eof if leaves == "by closing its half" else writer.transport.abort
            leave()
            await one.waits(0)
            assert place.connections() == [("new.example", 443, False)]
            assert "the client left" in place.sink.of(Connection)[0].rule
            writer.close()

    scenario()


@in_loop
async def test_a_refusal_after_waiting_names_the_command_that_allows_the_host() -> None:
    one = room(seconds=0.01)
    async with site(unnamed=one.waiting) as place:
        out = await place.say(b"CONNECT new.example:8443 HTTP/1.1\r\n\r\n", eof=False)
        assert out.startswith(b"HTTP/1.1 403 ")
        assert b"nobody allowed it within 0.01 seconds" in out
        assert b"`safe-agent allow new.example:8443`" in out


@pytest.mark.parametrize(("unknown", "told"), [("wait", [("a.example", 443)]), ("ask", [])])
def test_what_begins_to_wait_is_told_once_where_nobody_is_asked(unknown: str, told: list[tuple[str, int]]) -> None:
    @in_loop
    async def scenario() -> None:
        heard: list[tuple[str, int]] = []
        terms = Terms(unknown, 0.01, lambda *_: True, lambda *_: False)
        asking = room("ask", answer=Answer("no")).waiting._asking
        waiting = Waiting(terms, MemorySink(), asking=asking, on_held=lambda *name: heard.append(name))
        await asyncio.gather(*(waiting.heard("a.example", 443) for _ in range(3)))
        assert heard == told

    scenario()
