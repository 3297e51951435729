"""What leaves, over every API: no secret in any byte, every other byte as it was, on record before it is sent."""

import asyncio
import json
import secrets

import pytest

from redactors import Origin
from tests.fakes.provider import assert_absent
from tests.gateway.contract.apis import APIS, Api
from tests.gateway.contract.bodies import SEALED
from tests.gateway.contract.line import TERM, Line, line
from tests.gateway.wire import REAL_KEY, forge_token, in_loop, plain
from wrapper.audit.events import Event, Redacted, Request

EACH = pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
WITH_BODY = pytest.mark.parametrize("api", [api for api in APIS if api.body.spots], ids=lambda api: api.name)
VALUE = "correct-horse-" + secrets.token_hex(8)
HARD = f'say "{secrets.token_hex(8)}" \\ to ü\nand `go` on'
TOKEN = forge_token("Zk3vQ8sLw0pXr5Ty7Nb2Mc9Dd4Ff6G").decode()


def placeholders(one: Line) -> dict[str, str]:
    """Make the value known; return what stands for each secret."""
    return {
        VALUE: one.world.knows(VALUE.encode()),
        TOKEN: one.world.vault.issue("GITHUB-TOKEN", TOKEN.encode(), Origin.INSIDE),
        TERM: one.world.vault.issue("PROJECT", TERM.encode(), Origin.INSIDE),
    }


@EACH
def test_a_harmless_request_arrives_byte_for_byte_with_its_length(api: Api) -> None:
    """Promise 1 without harm."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            heard = await one.ask()
            assert heard.status in (200, 101)
            assert one.sent == [api.body.plain]
            assert one.provider.requests[0].target == api.target
            if api.body.plain and not api.is_socket:
                headers = one.provider.requests[0].headers
                assert headers["content-length"] == str(len(api.body.plain))
                assert headers["content-type"] == api.content_type
                assert "content-encoding" not in headers

    run()


@WITH_BODY
def test_a_secret_in_any_place_stays_here_and_all_else_arrives_byte_for_byte(api: Api) -> None:
    """Promise 1. What the provider signed is not searched by rules: a changed signature is refused."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            instead = placeholders(one)
            for spot in api.body.spots:
                body = spot.write(f"{VALUE} and {TOKEN} of {TERM}, thanks")
                await one.ask(body)
                wanted = body
                for secret, placeholder in instead.items():
                    if not spot.signed or secret == VALUE:
                        wanted = wanted.replace(secret.encode(), placeholder.encode())
                assert one.sent[-1] == wanted, spot.name
                assert one.provider.requests[-1].headers.get("content-length", str(len(wanted))) == str(len(wanted))
                assert spot.signed or wanted.count(SEALED.encode()) == body.count(SEALED.encode())
            assert_absent(bytes(one.provider.bytes), [VALUE], "what the provider got")
            assert VALUE.encode() not in one.world.recorded()

    run()


@WITH_BODY
def test_a_value_that_needs_escapes_stays_here_and_json_stays_json(api: Api) -> None:
    """Promise 1."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            placeholder = one.world.knows(HARD.encode())
            telling = HARD.split('"')[1].encode()
            for spot in api.body.spots:
                await one.ask(spot.write(f"{HARD}, thanks"))
                assert placeholder.encode() in one.sent[-1], spot.name
                assert telling not in one.sent[-1], spot.name
                if api.content_type == "application/json":
                    assert json.loads(one.sent[-1])
            assert telling not in one.provider.bytes
            assert telling not in one.world.recorded()

    run()


@EACH
def test_a_secret_in_the_target_or_a_header_stays_here(api: Api) -> None:
    """Promise 1."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            placeholders(one)
            path, said = api.target.partition("?")[0], TERM.replace(" ", "%20")
            for secret in (VALUE, TOKEN, said):
                await one.ask(target=f"{path}?q={secret}&r=1")
                await one.ask(target=f"{path}/{secret}/x?r=1")
                await one.ask(
                    None, f"X-Note: it is {secret.replace('%20', ' ')} so", f"X-{secret.replace('%20', '-')}: 1"
                )
            got = bytes(one.provider.bytes) + b"".join(opening.raw for opening in one.provider.openings)
            assert_absent(got, [VALUE, TOKEN], "what the provider got")
            assert TERM.encode() not in got
            assert said.encode() not in got
            assert b"r=1" in got
            assert b"it is MASKED-" in got
            assert VALUE.encode() not in one.world.recorded()
            assert TOKEN.encode() not in one.world.recorded()

    run()


@EACH
def test_the_record_is_durable_before_the_first_byte_arrives(api: Api) -> None:
    """Promise 4."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            placeholder = one.world.knows(VALUE.encode())
            marks: list[tuple[Event, int]] = []

            async def before(event: Event) -> None:
                await asyncio.sleep(0.02)
                marks.append((event, len(one.provider.bytes)))

            one.world.sink.before = before
            await one.ask_with(VALUE)
            event, mark = marks[-1]
            assert isinstance(event, Request)
            assert mark == len(one.provider.bytes) - len(one.provider.requests[-1].raw)
            recorded = one.world.sink.of(Request)[-1]
            assert recorded.body == one.sent[-1]
            assert recorded.method == api.method
            assert placeholder.encode() in one.provider.requests[-1].raw
            assert placeholder in {note.placeholder for note in one.world.sink.of(Redacted)}
            assert VALUE.encode() not in one.world.recorded()

    run()


@EACH
def test_nothing_leaves_once_the_log_has_failed(api: Api) -> None:
    """Promise 4."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            one.world.sink.fails = True
            for _ in range(2):
                heard = await one.ask()
                assert heard.status == 503
                assert b"nothing was sent" in heard.body
            assert not one.provider.bytes

    run()


@EACH
def test_only_the_real_credential_leaves_and_only_in_its_header(api: Api) -> None:
    """Promise 1: whatever the inside puts into headers that authenticate does not count."""

    @in_loop
    async def run() -> None:
        own = {"x-api-key": REAL_KEY} if api.kind == "anthropic" else {"authorization": f"Bearer {REAL_KEY}"}
        async with line(api, own=own) as one:
            fake = one.world.knows(REAL_KEY.encode(), "API-KEY")
            headers = [f"Authorization: Bearer {fake}", f"x-api-key: {fake}", "Proxy-Authorization: Basic YTpi"]
            await one.ask_with(REAL_KEY, *headers)
            first = (one.provider.openings or one.provider.requests)[0]
            [name] = own
            assert first.headers[name] == own[name]
            got = bytes(one.provider.bytes)
            assert got.count(REAL_KEY.encode()) == 1
            assert {"authorization", "x-api-key", "proxy-authorization"} & set(first.headers) == {name}
            assert REAL_KEY.encode() not in one.world.recorded()

    run()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("kind", ["anthropic", "openai"])
def test_a_body_is_looked_at_whatever_the_method(kind: str, method: str) -> None:
    """Promise 1: also where no body is expected."""

    @in_loop
    async def run() -> None:
        async with line(next(api for api in APIS if api.kind == kind)) as one:
            placeholder = one.world.knows(VALUE.encode())
            one.provider.answer = plain(b"{}")
            body = json.dumps({"a": VALUE}).encode()
            reply = await one.world.ask("/v1/any", body, method=method, headers=["Content-Type: application/json"])
            assert reply.status == 200
            [received] = one.provider.requests
            assert received.method == method
            assert received.document == {"a": placeholder}

    run()


@EACH
def test_requests_on_one_connection_are_each_looked_at_and_answered_in_order(api: Api) -> None:
    """Promises 1 and 4: what is sent ahead waits for its own record."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            placeholder = one.world.knows(VALUE.encode()).encode()
            texts = [f" {number} {VALUE} " for number in range(4)]
            bodies = [api.body.prompt(text) for text in texts]
            await one.ask_all(bodies)
            assert one.sent == [body.replace(VALUE.encode(), placeholder) for body in bodies]
            recorded = [event for event in one.world.sink.of(Request) if event.method == api.method]
            assert [event.body for event in recorded] == one.sent
            assert len({event.number for event in recorded}) == 4

    run()


@WITH_BODY
def test_a_value_that_becomes_known_later_is_found_in_what_was_searched_before(api: Api) -> None:
    """Promise 1: a conversation repeats itself, and what was harmless is remembered as such."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            body = api.body.prompt(f" {VALUE} ")
            await one.ask(body)
            assert one.sent == [body]
            placeholder = one.world.knows(VALUE.encode())
            for _ in range(2):
                await one.ask(body)
                assert one.sent[-1] == body.replace(VALUE.encode(), placeholder.encode())

    run()
