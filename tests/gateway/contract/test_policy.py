"""What policy says of the wire holds over every API alike."""

import secrets
from typing import Any

import pytest

from tests.gateway.contract.apis import APIS, Api
from tests.gateway.contract.line import TERM, Heard, Line, line
from tests.gateway.wire import REAL_KEY, FixedCredential, Somebody, forge_token, in_loop
from wrapper.audit.events import Judged, Redacted, Refused
from wrapper.gateway.server import Route

EACH = pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
ASKING = pytest.mark.parametrize("api", [api for api in APIS if api.asks], ids=lambda api: api.name)
VALUE = "correct-horse-" + secrets.token_hex(8)
OTHER = "battery-staple-" + secrets.token_hex(8)
TOKEN = forge_token("Zk3vQ8sLw0pXr5Ty7Nb2Mc9Dd4Ff6G").decode()
TASK = '[[tasks]]\nname = "puzzles"\npatterns = ["(?i)crossword"]\naction = "deny"\nmessage = "do it by hand"\n'


def assert_denied(one: Line, heard: Heard, *words: str) -> None:
    """Check that nothing was sent, that the client is told so, and that it is on record without the secret."""
    assert one.sent == []
    assert one.api.is_socket or not one.provider.bytes
    assert b"safe-agent" in heard.body
    for word in words:
        assert word.encode() in heard.body
    assert heard.status in (101, 200, 400)
    assert len(one.world.sink.of(Refused)) == 1
    assert one.world.sink.of(Judged)[-1].action in ("denied", "blocked")
    assert VALUE.encode() not in one.world.recorded()
    assert VALUE.encode() not in heard.body


async def assert_serves(one: Line) -> None:
    """Check that the next request passes."""
    await one.ask()
    assert one.sent == [one.api.body.plain]


@EACH
def test_a_request_with_a_blocked_kind_is_not_sent(api: Api) -> None:
    @in_loop
    async def run() -> None:
        async with line(api, policy='[wire]\nblock = ["PASSWORD"]\n') as one:
            one.world.knows(VALUE.encode())
            assert_denied(one, await one.ask_with(f"it is {VALUE}"), "PASSWORD")
            await assert_serves(one)

    run()


@EACH
def test_a_kind_that_is_only_watched_leaves_and_is_recorded_but_nothing_of_the_outside(api: Api) -> None:
    """Promise 1 stands whatever `monitor` says."""

    @in_loop
    async def run() -> None:
        async with line(api, policy='[wire]\nmonitor = ["*"]\n') as one:
            placeholder = one.world.knows(VALUE.encode())
            await one.ask_with(f"{VALUE} and {TERM}")
            got = one.provider.requests[-1].raw
            assert VALUE.encode() not in got
            assert placeholder.encode() in got
            if api.body.spots:  # targets and headers are redacted whatever policy says
                assert TERM.encode() in one.sent[-1]
                actions = {note.kind: note.action for note in one.world.sink.of(Redacted)}
                assert actions == {"PASSWORD": "", "PROJECT": "monitored"}

    run()


@EACH
def test_above_the_budget_nothing_is_sent_unless_the_user_says_so(api: Api) -> None:
    @in_loop
    async def run() -> None:
        async with line(api, policy="[wire]\nbudget = 1\n") as one:
            one.world.knows(VALUE.encode())
            one.world.knows(OTHER.encode())
            assert_denied(one, await one.ask_with(f"{VALUE}+{OTHER}"), "more than the 1")
            await one.ask_with(VALUE)
            assert len(one.sent) == 1
        user = Somebody("yes")
        async with line(api, policy="[wire]\nbudget = 1\n", asking=user) as one:
            instead = [one.world.knows(value.encode()) for value in (VALUE, OTHER)]
            await one.ask_with(f"{VALUE}+{OTHER}")
            assert len(user.asked) == 1
            assert VALUE not in repr(user.asked)
            assert all(placeholder.encode() in one.provider.requests[-1].raw for placeholder in instead)

    run()


@ASKING
def test_a_kind_of_work_that_is_denied_is_not_sent(api: Api) -> None:
    @in_loop
    async def run() -> None:
        async with line(api, policy=TASK) as one:
            assert_denied(one, await one.ask_with("Write me a CROSS\u200bWORD"), "puzzles", "do it by hand")
            await assert_serves(one)

    run()


@ASKING
def test_a_model_that_is_not_approved_is_not_asked(api: Api) -> None:
    rule = '[[approved.rules]]\nmodels = ["claude-opus-*", "gpt-5"]\naction = "deny"\nreason = "no contract"\n'

    @in_loop
    async def run() -> None:
        async with line(api, policy=rule) as one:
            assert_denied(one, await one.ask(), "no contract")

    run()


@EACH
def test_where_only_what_is_approved_may_be_asked_no_body_leaves(api: Api) -> None:
    @in_loop
    async def run() -> None:
        async with line(api, policy='[approved]\ndefault = "deny"\n') as one:
            heard = await one.ask()
            if api.body.spots:
                assert_denied(one, heard)
            else:
                assert one.sent == [b""]  # nothing of the workspace is in it

    run()


def _routing(api: Api, port: int) -> str:
    return (
        f'[upstreams.internal]\nkind = "{api.kind}"\nurl = "http://127.0.0.1:{port}"\nkey = "INTERNAL_KEY"\n'
        '[[approved.rules]]\nmodels = ["claude-opus-*", "gpt-5"]\naction = "route"\nupstream = "internal"\n'
    )


@ASKING
def test_a_model_that_is_routed_is_asked_there_alone_with_that_servers_key(api: Api) -> None:
    """Promise 1: neither provider ever sees the other's key."""
    name, scheme = ("x-api-key", "") if api.kind == "anthropic" else ("authorization", "Bearer ")
    second_key = "internal-" + secrets.token_hex(16)

    def credential(key: str) -> FixedCredential:
        return FixedCredential({name: scheme + key})

    @in_loop
    async def run() -> None:
        async with line(api, own={name: "unused"}) as second:
            others: dict[str, Any] = {
                "internal": Route(f"http://127.0.0.1:{second.provider.port}", credential(second_key))
            }
            settings = {"policy": _routing(api, second.provider.port), "others": others}
            async with line(api, own={name: scheme + REAL_KEY}, **settings) as one:
                one.world.knows(VALUE.encode())
                heard = await one.ask_with(VALUE)
                if api.is_socket:  # a handshake names no model: clients go on over HTTP
                    assert heard.status == 426
                    assert not one.provider.bytes + second.provider.bytes
                    return
                assert heard.status == 200
                assert len(second.sent) == 1
                assert one.sent == []
                assert second.provider.requests[0].headers[name] == scheme + second_key
                assert REAL_KEY.encode() not in second.provider.bytes
                assert VALUE.encode() not in second.provider.bytes
                other = Api("models", api.kind, "/v1/models", api.body._replace(spots=()), api.answers, method="GET")
                await one.world.ask(other.target, method="GET")
                assert one.provider.requests[-1].headers[name] == scheme + REAL_KEY
                assert second_key.encode() not in one.provider.bytes
                assert second_key.encode() not in one.world.recorded()

    run()


DECISIONS = {
    "a default that denies": '[approved]\ndefault = "deny"\n',
    "a rule that denies": '[[approved.rules]]\nmodels = ["*"]\naction = "deny"\nreason = "no"\n',
    "work that is denied": '[[tasks]]\nname = "t"\npatterns = ["horse"]\naction = "deny"\n',
    "work that is warned of": '[[tasks]]\nname = "t"\npatterns = ["horse"]\naction = "warn"\n',
    "work that wants a reason": '[[tasks]]\nname = "t"\npatterns = ["horse"]\naction = "reason"\n',
    "what is blocked": '[wire]\nblock = ["*"]\n',
    "what is watched": '[wire]\nmonitor = ["*"]\n',
    "a budget": "[wire]\nbudget = 1\n",
}


@ASKING
@pytest.mark.parametrize("decision", list(DECISIONS))
def test_what_is_decided_shows_no_secret_to_the_log_the_user_or_the_provider(api: Api, decision: str) -> None:
    """Promises 1 and 4: model names, excerpts and reasons are quoted, so they are redacted."""

    @in_loop
    async def run() -> None:
        user = Somebody("yes", f"because of {VALUE}")
        async with line(api, policy=DECISIONS[decision], asking=user) as one:
            one.world.knows(VALUE.encode())
            one.world.knows(OTHER.encode())
            spots = [spot for spot in api.body.spots if spot.name.endswith("/model")]
            for write in (api.body.prompt, *(spot.write for spot in spots)):
                heard = await one.ask(write(f" {VALUE} and {OTHER} "))
                assert heard.status in (101, 200, 400)
            assert one.world.sink.events
            assert VALUE.encode() not in one.world.recorded()
            assert VALUE not in repr(user.asked)
            assert VALUE.encode() not in one.provider.bytes

    run()
