"""Redis' own server and clients, with the password put into what they log in with."""

import asyncio

import pytest
import redis.client
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.databases.inside import Inside, inside, run
from tests.gateway.databases.servers import PLACEHOLDER, Server
from tests.gateway.databases.servers import redis as redis_server
from tests.gateway.wire import in_loop
from wrapper.gateway.databases.account import Account
from wrapper.gateway.databases.redis import Redis, logins

MARK = PLACEHOLDER.encode()


@pytest.fixture(scope="module", autouse=True)
def _started() -> None:
    """Start the server before a test's own time begins."""
    redis_server()


def known(server: Server, user: str | None = "default") -> Redis:
    return Redis(Account(user, server.password.encode()), [MARK])


async def client(at: Inside, *command: str, user: str = "default", options: tuple[str, ...] = ()) -> str:
    words = ("--no-auth-warning", "-u", f"redis://{user}:{PLACEHOLDER}@127.0.0.1:{at.port}")
    return await run("redis-cli", *options, *words, *command)


@in_loop
async def test_the_clients_log_in_with_the_placeholder_by_auth_and_hello() -> None:
    """Promise 2: and the inside gets the password back in no answer."""
    server = redis_server()
    async with inside(server.port, known(server)) as at:
        for options in ((), ("-3",)):
            assert await client(at, "PING", options=options) == "PONG\n"
            assert await client(at, "CONFIG", "GET", "requirepass", options=options) in {
                f"requirepass\n{PLACEHOLDER}\n",
                f"requirepass {PLACEHOLDER}\n",
            }
        for protocol in (2, 3):
            await asyncio.to_thread(python, at.port, protocol)
        assert server.password.encode() not in at.heard
        assert MARK in at.heard


def python(port: int, protocol: int) -> None:
    url = f"redis://:{PLACEHOLDER}@127.0.0.1:{port}/0?protocol={protocol}"
    with redis.client.Redis.from_url(url) as made:
        made.set("large", b"x\r\n" * 1000000)
        assert made.get("large") == b"x\r\n" * 1000000
        made.delete("counted")
        with made.pipeline() as pipeline:
            for _ in range(3000):
                pipeline.incr("counted")
            assert pipeline.execute()[-1] == 3000
        with made.pubsub() as heard:
            heard.subscribe("news")
            assert (heard.get_message(timeout=5) or {})["type"] == "subscribe"
            made.publish("news", "said")
            assert (heard.get_message(timeout=5) or {})["data"] == b"said"
        assert made.config_get("requirepass")["requirepass"] == PLACEHOLDER


@in_loop
async def test_without_the_log_in_the_same_client_is_refused() -> None:
    """The control of the test above: the placeholder is no password, and the server does give the password away."""
    server = redis_server()
    async with inside(server.port, None) as at:
        assert "WRONGPASS" in await client(at, "PING")
        asked = await at.talk(b"AUTH %b\r\nCONFIG GET requirepass\r\n" % server.password.encode())
        assert server.password.encode() in asked


@in_loop
async def test_only_the_accounts_user_gets_the_password() -> None:
    server = redis_server()
    for account, works in ((known(server, "app"), {"app"}), (known(server), {"default"})):
        async with inside(server.port, account) as at:
            for user in ("app", "default"):
                assert ("PONG" in await client(at, "PING", user=user)) == (user in works)
    async with inside(server.port, known(server, None)) as at:
        assert "PONG" in await client(at, "PING", user="app")


@in_loop
async def test_who_sends_no_password_is_as_far_in_as_the_server_lets_everybody() -> None:
    server = redis_server()
    async with inside(server.port, known(server)) as at:
        assert b"NOAUTH" in await at.talk(b"PING\r\n")
        assert await at.talk(b"auth %b\r\n" % MARK, b"ping\r\n") == b"+OK\r\n+PONG\r\n"
        assert (await at.talk(b"HELLO 3 AUTH default %b\r\n" % MARK)).startswith(b"%7\r\n")


@in_loop
async def test_a_wrong_password_is_the_servers_answer_and_a_warning_without_it() -> None:
    server = redis_server()
    async with inside(server.port, Redis(Account("default", b"not-the-password"), [MARK])) as at:
        assert "WRONGPASS" in await client(at, "PING")
        assert len(at.told()) == 1
        assert "did not take the password" in at.told()[0]
        assert "not-the-password" not in at.told()[0]
    async with inside(server.port, known(server)) as at:
        assert (await at.talk(b"AUTH %b\r\nAUTH its-own\r\n" % MARK)).startswith(b"+OK\r\n-WRONGPASS")
        assert at.told() == []


def test_the_password_of_a_log_in_is_found_where_the_server_looks_for_it() -> None:
    assert logins([b"AUTH", b"p"]) == [(b"default", 1)]
    assert logins([b"auth", b"u", b"p"]) == [(b"u", 2)]
    assert logins([b"HELLO", b"3", b"AUTH", b"u", b"p", b"SETNAME", b"n"]) == [(b"u", 4)]
    assert logins([b"HELLO", b"3", b"SETNAME", b"AUTH", b"AUTH", b"u", b"p"]) == [(b"u", 6)]
    for wrong in (
        [b"AUTH"],
        [b"AUTH", b"u", b"p", b"x"],
        [b"HELLO"],
        [b"HELLO", b"3"],
        [b"HELLO", b"3", b"AUTH", b"u"],
    ):
        assert logins(wrong) == []
    assert logins([b"HELLO", b"3", b"SETNAME", b"AUTH", b"u", b"p"]) == []


@given(st.lists(st.sampled_from([b"HELLO", b"AUTH", b"SETNAME", b"default", b"3", b"p"]), min_size=1, max_size=8))
def test_what_is_found_stands_behind_an_auth_and_its_user(words: list[bytes]) -> None:
    for user, at in logins([b"HELLO", *words]):
        assert [b"HELLO", *words][at - 2 : at] == [b"AUTH", user]
