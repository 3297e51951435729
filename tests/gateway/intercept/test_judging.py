"""What becomes of a request at an intercepted host, from its head to the log; the host is a function."""

import asyncio
import gzip
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redactors.vault import PLACEHOLDER
from tests.gateway.intercept.desk import FORGE_KEY, HOST, JSON, SECRET, TOKEN, Desk, Pieces, chunked, run
from wrapper.audit.events import MOST_KEPT, Answered, Event, Judged, Redacted, Refused, Sent, Warned
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import Answer, AnswerHead, Body, Request, RequestHead
from wrapper.gateway.intercept.pieces import Whole
from wrapper.gateway.intercept.pipeline import AnsweredError
from wrapper.gateway.refusal import RefusedError

RECORDING = '[[hosts]]\nhosts = ["forge.test"]\ninspect = "yes"\nfound = "record"\n'
REDACTING = '[[hosts]]\nhosts = ["forge.test"]\ninspect = "yes"\nfound = "redact"\n'
LISTED = '[[hosts]]\nhosts = ["forge.test"]\nallow = ["GET /repos/**"]\n'
LONG = b"a line of a log that says little\n" * 200_000  # 6.6 MB


@pytest.fixture
def desk() -> Iterator[Desk]:
    one = Desk()
    yield one
    one.close()


def at(policy: str) -> Desk:
    return Desk(policy)


# What leaves, and what is recorded of it.


def test_a_clean_request_leaves_as_it_came_and_is_on_disk_before(desk: Desk) -> None:
    body = b'{"body":"looks good"}'

    async def look(event: Event) -> None:
        if isinstance(event, Sent):
            assert desk.forge.got == []

    desk.sink.before = look
    answer, said = run(desk.ask(body=body))
    assert (answer.head.status, said) == (200, b"ok")
    assert desk.forge.got == [(RequestHead("POST", HOST.host, "/repos/a/b/issues/1/comments", (JSON,)), body)]
    sent, answered = desk.sink.events
    assert sent == Sent(
        at=1.0,
        number=1,
        host="forge.test",
        port=443,
        method="POST",
        target="/repos/a/b/issues/1/comments",
        headers={"content-type": "application/json"},
        body=body,
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )
    assert answered == Answered(at=1.0, number=1, status=200, size=2)


def test_a_placeholder_becomes_a_value_where_its_rule_says_and_the_log_has_only_the_name(desk: Desk) -> None:
    headers = ((b"authorization", b"token " + desk.forge_placeholder), (b"x-other", desk.forge_placeholder))
    run(desk.ask("GET", "/user", headers=headers))
    assert desk.forge.got[0][0].headers == (
        (b"authorization", b"token " + FORGE_KEY),
        (b"x-other", desk.forge_placeholder),
    )
    (sent,) = desk.sink.of(Sent)
    assert (sent.used, sent.headers) == (("github",), {"x-other": desk.forge_placeholder.decode()})
    assert FORGE_KEY.decode() not in desk.log
    (warned,) = desk.sink.of(Warned)
    assert "`where`" in warned.text
    run(desk.ask("GET", "/user", headers=headers))
    assert len(desk.sink.of(Warned)) == 1


def test_an_answer_that_echoes_a_value_is_masked_and_its_kinds_are_recorded(desk: Desk) -> None:
    desk.forge.answer = lambda _: Answer(AnswerHead(200, ((b"x-echo", FORGE_KEY),)), Whole(b"you are " + FORGE_KEY))
    answer, said = run(desk.ask("GET", "/user"))
    assert said == b"you are " + desk.forge_placeholder
    assert answer.head.get(b"x-echo") == desk.forge_placeholder
    (answered,) = desk.sink.of(Answered)
    assert (answered.size, answered.masked) == (len(said), ("GITHUB-TOKEN",))
    assert {(one.place, one.count) for one in desk.sink.of(Redacted)} == {("response", 2)}
    assert FORGE_KEY.decode() not in desk.log


def test_an_answer_that_breaks_off_is_recorded_as_such(desk: Desk) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half of "
        raise ConnectionResetError("gone")

    class Broken:
        length = None
        trailers = ()

        def __aiter__(self) -> AsyncIterator[bytes]:
            return broken()

    desk.forge.answer = lambda _: Answer(AnswerHead(200, ()), Broken())
    with pytest.raises(ConnectionResetError):
        run(desk.ask("GET", "/x"))
    (answered,) = desk.sink.of(Answered)
    assert not answered.complete


# What is found.


def test_a_known_value_stops_a_request_before_anything_leaves(desk: Desk) -> None:
    error = run(desk.refused(body=b'{"body":"it is %b"}' % SECRET))
    assert error.status == 403
    assert "a value that is a secret (PASSWORD) in the body at byte 15" in error.message
    assert (desk.forge.got, desk.sink.of(Sent)) == ([], [])
    (found,) = desk.sink.of(Redacted)
    assert (found.place, found.where, found.action) == ("egress", "#1@15", "blocked")
    assert found.placeholder == desk.placeholder.decode()
    (refused,) = desk.sink.of(Refused)
    assert (refused.number, refused.url) == (1, "https://forge.test/repos/a/b/issues/1/comments")
    assert [(one.about, one.action) for one in desk.sink.of(Judged)] == [("kind", "blocked")]
    assert SECRET.decode() not in desk.log + error.message


def test_a_host_that_redacts_gets_the_placeholder() -> None:
    desk = at(REDACTING)
    target = f"/search?q={TOKEN.decode()}&r=1"
    run(desk.ask(target=target, headers=(JSON, (b"x-note", SECRET)), body=b'{"pin":"%b","n":1}' % SECRET))
    head, body = desk.forge.got[0]
    assert json.loads(body) == {"pin": desk.placeholder.decode(), "n": 1}
    assert head.get(b"x-note") == desk.placeholder
    assert TOKEN.decode() not in head.target
    assert head.target.endswith("&r=1")
    assert {one.action for one in desk.sink.of(Redacted)} == {""}
    assert TOKEN.decode() not in desk.log
    assert SECRET.decode() not in desk.log
    desk.close()


def test_a_host_that_only_records_gets_the_value_and_the_log_does_not() -> None:
    desk = at(RECORDING)
    body = b'{"pin":"%b"}' % SECRET
    target = f"/search?q={TOKEN.decode()}"
    run(desk.ask(target=target, headers=(JSON, (b"x-note", SECRET)), body=body))
    head, got = desk.forge.got[0]
    assert (got, head.target, head.get(b"x-note")) == (body, target, SECRET)
    assert {one.action for one in desk.sink.of(Redacted)} == {"monitored"}
    (sent,) = desk.sink.of(Sent)
    assert sent.sha256 == hashlib.sha256(sent.body).hexdigest() != hashlib.sha256(body).hexdigest()
    assert TOKEN.decode() not in desk.log
    assert SECRET.decode() not in desk.log
    desk.close()


def test_a_packed_secret_that_is_only_recorded_is_not_in_the_log_in_its_packing() -> None:
    desk = at(RECORDING)
    body = gzip.compress(b"pin=%b" % SECRET)
    run(desk.ask(headers=((b"content-type", b"application/gzip"),), body=body))
    assert desk.forge.got[0][1] == body
    assert {one.action for one in desk.sink.of(Redacted)} == {"monitored"}
    (sent,) = desk.sink.of(Sent)
    assert b"a secret is packed in this body" in sent.body
    desk.close()


def test_what_is_only_likely_leaves_and_is_recorded(desk: Desk) -> None:
    body = b'{"password": "b7Kx02-qPz9w"}'
    run(desk.ask(body=body))
    assert desk.forge.got[0][1] == body
    assert [(one.action, one.place) for one in desk.sink.of(Redacted)] == [("monitored", "egress")]


def test_a_body_full_of_what_is_likely_fills_no_log_and_a_long_refusal_is_short(desk: Desk) -> None:
    rows = [f'"password": "{hashlib.sha256(b"%d" % row).hexdigest()[:16]}x"\n'.encode() for row in range(4_400)]
    parts = [b"".join(rows[at : at + 220]) + LONG[: 256 * 1024] for at in range(0, len(rows), 220)]
    run(desk.ask("PUT", "/dump", headers=(), body=Pieces(parts)))
    found = desk.sink.of(Redacted)
    assert len(found) == 1_000
    assert [one.text.split(": ")[1] for one in desk.sink.of(Warned)] == ["not all are recorded"]
    assert {one.action for one in found} == {"monitored"}
    error = run(desk.refused(body=b" ".join((SECRET, TOKEN, FORGE_KEY, b"x", SECRET, TOKEN + b" "))))
    assert len(error.message) < 600


def test_a_placeholder_is_no_finding_wherever_it_stands(desk: Desk) -> None:
    mark = desk.placeholder
    run(desk.ask(target=f"/x?key={mark.decode()}", headers=(JSON, (b"x-key", mark)), body=b'{"password":"%b"}' % mark))
    assert desk.forge.got[0][1] == b'{"password":"%b"}' % mark
    assert desk.sink.of(Redacted) == []


def test_a_kind_that_policy_blocks_stops_even_where_the_host_only_records() -> None:
    desk = at(f'[wire]\nblock = ["GITHUB-TOKEN"]\n{RECORDING}')
    run(desk.refused(body=TOKEN))
    run(desk.refused(headers=((b"authorization", b"token " + TOKEN),)))
    assert desk.forge.got == []
    desk.close()


def test_a_kind_that_policy_monitors_leaves_though_the_host_stops() -> None:
    desk = at('[wire]\nmonitor = ["GITHUB-TOKEN"]\n[[hosts]]\nhosts = ["forge.test"]\ninspect = "yes"\n')
    run(desk.ask(body=b"see " + TOKEN))
    assert desk.forge.got[0][1] == b"see " + TOKEN
    run(desk.refused(body=b"see " + FORGE_KEY))  # one of the user's own all the same
    desk.close()


def test_a_credential_that_the_host_gave_the_inside_works_and_a_known_value_does_not(desk: Desk) -> None:
    run(desk.ask("GET", "/v2/", headers=((b"authorization", b"Bearer " + TOKEN),)))
    assert desk.forge.got[0][0].get(b"authorization") == b"Bearer " + TOKEN
    assert TOKEN.decode() not in desk.log
    run(desk.refused("GET", "/v2/", headers=((b"authorization", b"Bearer " + FORGE_KEY),)))
    assert len(desk.forge.got) == 1


# Routes.


def test_a_route_that_is_not_listed_is_refused_before_its_body_is_read() -> None:
    desk, body = at(LISTED), Pieces([b"x"] * 3, length=3)
    error = run(desk.refused("POST", "/repos/a", body=body))
    assert "`GET /repos/**`" in error.message
    assert body.taken == 0
    (judged,) = desk.sink.of(Judged)
    assert (judged.about, judged.action) == ("route", "denied")
    run(desk.ask("GET", "/repos/a"))
    assert len(desk.forge.got) == 1
    desk.close()


def test_a_secret_in_a_path_that_is_refused_is_not_in_the_log() -> None:
    desk = at(LISTED)
    run(desk.refused("GET", f"/x/{TOKEN.decode()}"))
    assert TOKEN.decode() not in desk.log
    assert desk.sink.of(Refused)
    desk.close()


# Bodies that are packed, long, or endless.


@pytest.mark.parametrize("coding", [b"gzip", b"x-gzip", b"identity, gzip"])
def test_a_packed_body_leaves_plain(desk: Desk, coding: bytes) -> None:
    body = b'{"body":"looks good"}'
    run(desk.ask(headers=(JSON, (b"content-encoding", coding)), body=gzip.compress(body)))
    assert desk.forge.got[0] == (RequestHead("POST", HOST.host, "/repos/a/b/issues/1/comments", (JSON,)), body)


def test_a_coding_that_nobody_knows_is_refused(desk: Desk) -> None:
    assert run(desk.refused(headers=(JSON, (b"content-encoding", b"rot13")), body=b"x")).status == 415


def test_a_long_body_is_sent_while_it_comes_each_piece_on_disk_before(desk: Desk) -> None:
    run(desk.ask("PUT", "/upload", headers=(), body=Pieces(chunked(LONG, [100_000] * 100), len(LONG))))
    assert desk.forge.got[0][1] == LONG
    assert max(desk.forge.ahead) <= 0
    parts = desk.sink.of(Sent)
    assert len({one.number for one in parts}) == 1
    assert [one.offset for one in parts] == [sum(one.size for one in parts[:at]) for at in range(len(parts))]
    assert [one.ended for one in parts] == [False] * (len(parts) - 1) + [True]
    assert b"".join(one.body for one in parts) == LONG[:MOST_KEPT]
    assert parts[-1].sha256 == hashlib.sha256(LONG).hexdigest()


def test_what_comes_while_a_slow_disk_writes_gets_one_record(desk: Desk) -> None:
    async def slow(event: Event) -> None:
        for _ in range(2_000 if isinstance(event, Sent) else 0):
            await asyncio.sleep(0)  # many rounds of the loop, in which more is read and judged

    desk.sink.before = slow
    run(desk.ask("PUT", "/upload", headers=(), body=Pieces(chunked(LONG, [100_000] * 100), len(LONG))))
    assert desk.forge.got[0][1] == LONG
    assert max(desk.forge.ahead) <= 0
    parts = desk.sink.of(Sent)
    assert len(parts) < len(LONG) // (256 * 1024)
    assert (parts[-1].ended, parts[-1].sha256) == (True, hashlib.sha256(LONG).hexdigest())


def test_a_long_body_that_is_announced_keeps_its_length_unless_it_may_change(desk: Desk) -> None:
    lengths: list[int | None] = []

    async def send(request: Request) -> Answer:
        assert request.body is not None
        lengths.append(request.body.length)
        async for _ in request.body:
            pass
        return Answer(AnswerHead(200, ()))

    async def both() -> None:
        for one in (desk, redacting):
            request = Request(RequestHead("PUT", HOST.host, "/u", ()), Pieces([LONG], len(LONG)))
            await one.judge.handler(HOST)(request, send)

    redacting = at(REDACTING)
    run(both())
    assert lengths == [len(LONG), None]
    redacting.close()


def test_a_secret_late_in_a_long_body_breaks_the_request_off_before_it(desk: Desk) -> None:
    body = LONG + b"\n" + SECRET + b"\n" + LONG
    error = run(desk.refused("PUT", "/upload", headers=(), body=Pieces(chunked(body, [300_000] * 100), len(body))))
    assert error.status == 403
    (_, got) = desk.forge.got[0]
    assert LONG.startswith(got)
    assert len(LONG) - len(got) < 600_000
    assert isinstance(desk.forge.broken[0], RefusedError)
    assert not desk.sink.of(Sent)[-1].ended
    assert len(desk.sink.of(Refused)) == 1
    assert SECRET.decode() not in desk.log


def test_a_call_that_stays_open_gets_each_message_on_before_the_next_one_comes(desk: Desk) -> None:
    async def calls() -> None:
        arrived = asyncio.Event()

        class Call:
            length = None
            trailers = ()

            async def __aiter__(self) -> AsyncIterator[bytes]:
                yield b"\0\0\0\0\x05hello"
                await arrived.wait()
                yield b"\0\0\0\0\x05again"

        async def send(request: Request) -> Answer:
            got = bytearray()
            assert request.body is not None
            async for piece in request.body:
                got += piece
                arrived.set()
            assert got == b"\0\0\0\0\x05hello\0\0\0\0\x05again"
            return Answer(AnswerHead(200, ()))

        head = RequestHead("POST", HOST.host, "/svc/Call", ((b"content-type", b"application/grpc"),))
        await desk.judge.handler(HOST)(Request(head, Call()), send)

    run(calls())
    parts = desk.sink.of(Sent)
    assert [one.size for one in parts[:3]] == [0, 10, 10]
    assert parts[-1].ended


@given(
    st.lists(st.sampled_from([SECRET, TOKEN, b"\n", b"plain words\n", b'"password": "b7Kx02-qPz9w"\n']), max_size=6),
    st.lists(st.integers(1, 40), max_size=20),
    st.sampled_from([RECORDING, REDACTING, ""]),
)
@settings(max_examples=12, deadline=None)
def test_the_verdict_on_a_body_is_the_same_however_it_comes(parts: list[bytes], sizes: list[int], policy: str) -> None:
    body = b" ".join(parts)
    seen = []
    for given_body in (Whole(body), Pieces(chunked(body, sizes)), Pieces(chunked(body, sizes), len(body))):
        desk = at(policy) if policy else Desk()
        try:
            run(desk.ask(headers=(), body=given_body))
        except RefusedError as error:
            seen.append((error.what, desk.forge.got, desk.sink.of(Redacted)))
        else:
            seen.append(("", desk.forge.got, desk.sink.of(Redacted)))
        desk.close()
    assert seen[0] == seen[1] == seen[2]


# What goes wrong.


def test_nothing_leaves_once_the_log_has_failed(desk: Desk) -> None:
    desk.sink.fails = True
    assert run(desk.refused(body=b"x")).status == 503
    desk.sink.fails = False
    assert run(desk.refused(body=b"x")).status == 503
    assert desk.forge.got == []


def test_a_log_that_fails_while_a_body_is_sent_breaks_it_off(desk: Desk) -> None:
    async def fails(event: Event) -> None:
        desk.sink.fails = isinstance(event, Sent) and event.offset > 0

    desk.sink.before = fails
    assert run(desk.refused("PUT", "/u", headers=(), body=Pieces(chunked(LONG, [50_000] * 200)))).status == 503
    assert len(desk.forge.got[0][1]) < 600_000 + MOST_KEPT * 4
    assert len(desk.forge.got[0][1]) <= sum(one.size for one in desk.sink.of(Sent))


def test_a_host_that_cannot_be_reached_is_recorded_as_a_refusal(desk: Desk) -> None:
    async def send(_: Request) -> Answer:
        raise RefusedError(502, "`forge.test` cannot be reached")

    async def ask() -> None:
        await desk.judge.handler(HOST)(Request(RequestHead("GET", HOST.host, "/", ())), send)

    with pytest.raises(RefusedError):
        run(ask())
    assert [type(one) for one in desk.sink.events] == [Sent, Refused]


def test_requests_at_the_same_time_do_not_wait_for_a_long_one(desk: Desk) -> None:
    async def both() -> list[int]:
        done: list[int] = []

        async def one(number: int, body: Body) -> None:
            await desk.ask("PUT", "/u", headers=(), body=body)
            done.append(number)

        await asyncio.gather(one(1, Pieces(chunked(LONG * 4, [200_000] * 200))), *(one(2, Whole(b"x")) for _ in "abc"))
        return done

    assert run(both())[-1] == 1


# Inspections and captures.


class Push:
    """Covers pushes, says no to some of them in words of its own."""

    def covers(self, head: RequestHead, destination: Destination) -> bool:
        assert destination == HOST
        return head.target.startswith("/org/")

    async def inspected(self, head: RequestHead, body: Body | None) -> Body | None:
        assert head.get(b"content-encoding") is None
        assert body is not None
        data = b"".join([piece async for piece in body])
        if data.startswith(b"bad"):
            raise AnsweredError(
                Answer(AnswerHead(200, ()), Whole(b"not that branch")), "a branch that may not be pushed"
            )
        return Whole(data)

    def is_packed(self, head: RequestHead) -> bool:
        del head
        return False


def test_what_an_inspection_covers_is_its_own_to_allow_and_to_refuse_in_its_words() -> None:
    desk = Desk(LISTED, inspections=[Push()])
    run(
        desk.ask(
            "POST", "/org/repo/git-receive-pack", headers=((b"content-encoding", b"gzip"),), body=gzip.compress(b"ok")
        )
    )
    assert desk.forge.got[0][1] == b"ok"
    answer, said = run(desk.ask("POST", "/org/repo/git-receive-pack", headers=(), body=b"bad"))
    assert (answer.head.status, said) == (200, b"not that branch")
    assert [one.reason for one in desk.sink.of(Refused)] == ["a branch that may not be pushed"]
    run(desk.refused("POST", "/other", body=b"ok"))
    run(desk.refused("GET", "/org/repo/info/refs", body=Pieces([]), upgrade="websocket"))
    assert len(desk.forge.got) == 1
    desk.close()


class Login:
    """Keeps a token: the host's is real, the inside's is a placeholder."""

    name = "demo"

    def __init__(self) -> None:
        self.turns: list[str] = []

    def wants(self, head: RequestHead, destination: Destination) -> bool:
        return head.target == "/oauth/token" and destination == HOST

    @asynccontextmanager
    async def turn(self, head: RequestHead, destination: Destination) -> AsyncIterator[None]:
        self.turns.append("in")
        yield
        self.turns.append("out")

    def asked(self, head: RequestHead, body: bytes) -> bytes:
        return body.replace(b"MASKED-REFRESH", b"real-refresh")

    def answered(self, head: RequestHead, status: int, body: bytes) -> bytes:
        return body.replace(b"new-refresh", b"MASKED-REFRESH") if status == 200 else body


def test_a_capture_sees_what_the_host_sees_and_says_what_the_inside_gets() -> None:
    login = Login()
    desk = Desk(captures=[login])
    coded = (b"content-encoding", b"gzip")
    desk.forge.answer = lambda _: Answer(AnswerHead(200, (JSON, coded)), Whole(gzip.compress(b'{"t":"new-refresh"}')))
    body = b'{"refresh":"MASKED-REFRESH","code_verifier":"%b"}' % TOKEN
    answer, said = run(desk.ask("POST", "/oauth/token", body=body))
    assert desk.forge.got[0][1] == body.replace(b"MASKED-REFRESH", b"real-refresh")
    assert (answer.head.status, said) == (200, b'{"t":"MASKED-REFRESH"}')
    assert answer.head.get(b"content-encoding") is None
    assert login.turns == ["in", "out"]
    (sent,), (answered,) = desk.sink.of(Sent), desk.sink.of(Answered)
    assert (answered.captured, answered.size) == (("demo",), len(said))
    assert b"MASKED-REFRESH" in sent.body
    assert "real-refresh" not in desk.log
    assert TOKEN.decode() not in desk.log
    run(desk.refused("POST", "/oauth/token", body=b'{"refresh":"%b"}' % SECRET))
    assert len(desk.forge.got) == 1
    desk.close()


def test_a_request_of_two_types_is_refused(desk: Desk) -> None:
    form = (b"content-type", b"application/x-www-form-urlencoded")
    assert run(desk.refused(headers=((b"content-type", b"text/plain"), form), body=b"a=1")).status == 400


def test_only_a_websocket_may_a_connection_become(desk: Desk) -> None:
    assert run(desk.refused("GET", "/", headers=(), upgrade="h2c")).status == 501


def test_placeholders_in_the_log_are_ours(desk: Desk) -> None:
    run(desk.refused(body=SECRET))
    (found,) = desk.sink.of(Redacted)
    assert re.fullmatch(PLACEHOLDER, found.placeholder.encode())


ZIPPED = gzip.compress(SECRET, mtime=0)


class Pausing(Pieces):
    """A body that has not ended when it should have, and so is sent while it comes."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in super().__aiter__():
            yield piece
            await asyncio.sleep(0.06 if self.taken > 1 else 0.55)


@pytest.mark.parametrize(
    ("policy", "media", "pieces"),
    [
        (RECORDING.replace("record", "stop"), b"text/plain", [b"password: ", *(bytes((one,)) for one in SECRET[:4]), SECRET[4:]]),
        (RECORDING.replace("record", "stop"), b"application/gzip", [ZIPPED[:30], ZIPPED[30:]]),
        (LISTED.replace("GET", "POST"), b"application/x-www-form-urlencoded", [b"a=1&_meth", b"od=DELETE"]),
        (RECORDING, b"text/plain; charset=utf-16", [b"some", b"thing"]),
    ],
    ids=["a trickled value", "a packed one", "another method", "what cannot be read"],
)  # fmt: skip
def test_a_body_that_is_sent_while_it_comes_is_judged_as_one_that_is_whole(
    policy: str, media: bytes, pieces: list[bytes]
) -> None:
    desk = at(policy)
    error = run(desk.refused(body=Pausing(pieces), headers=((b"content-type", media),)))
    assert error.status in (403, 415)
    gone = b"".join(body for _, body in desk.forge.got)
    assert not gone or gone in ZIPPED[:30]
    desk.close()
