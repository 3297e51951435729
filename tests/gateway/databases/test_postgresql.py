"""PostgreSQL's own server and client, with a log-in between them that puts the password in."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.databases.inside import Inside, inside, run
from tests.gateway.databases.servers import PLACEHOLDER, Server, postgresql
from tests.gateway.wire import in_loop
from wrapper.audit.events import Connection
from wrapper.gateway.databases.account import Account
from wrapper.gateway.databases.postgresql import PostgreSQL, parameters
from wrapper.gateway.databases.speaking import RefusedLoginError


@pytest.fixture(scope="module", autouse=True)
def _started() -> None:
    """Start the server before a test's own time begins."""
    postgresql()


def known(server: Server, user: str | None) -> PostgreSQL:
    return PostgreSQL(Account(user, server.password.encode()))


async def psql(at: Inside, user: str, query: str, options: str = "") -> str:
    url = f"postgresql://{user}:{PLACEHOLDER}@127.0.0.1:{at.port}/postgres?{options}"
    return await run("psql", "-XtA", url, "-c", query)


@in_loop
async def test_psql_logs_in_with_the_placeholder_whatever_way_the_server_wants() -> None:
    """Promise 2: SCRAM, MD5, the password as it is, and none; and the inside hears none of it."""
    server = postgresql()
    for user in ("scram", "hashed", "clear", "trusted"):
        async with inside(server.port, known(server, user)) as at:
            assert await psql(at, user, "SELECT current_user || repeat('x', 3)") == f"{user}xxx\n"
            assert at.told() == []
            assert server.password.encode() not in at.heard
            await at.settled()
            made, ended = at.sink.of(Connection)
            assert (made.rule, made.sent) == (f"network.loopback: postgresql as {user}", 0)
            assert ended.sent > 0 < ended.received


@in_loop
async def test_without_the_log_in_the_same_client_is_refused() -> None:
    """The control of the test above: the placeholder is no password to the server."""
    server = postgresql()
    async with inside(server.port, None) as at:
        for user in ("scram", "hashed", "clear"):
            assert "password authentication failed" in await psql(at, user, "SELECT 1")


@in_loop
async def test_another_user_than_the_accounts_logs_in_as_it_is() -> None:
    server = postgresql()
    async with inside(server.port, known(server, "scram")) as at:
        assert "password authentication failed" in await psql(at, "hashed", "SELECT 1")
        assert await psql(at, "trusted", "SELECT current_user") == "trusted\n"
    async with inside(server.port, known(server, None)) as at:  # of a bare password nobody said whose it is
        assert await psql(at, "scram", "SELECT current_user") == "scram\n"
        assert "which needs the user's name" in await psql(at, "hashed", "SELECT 1")


@in_loop
async def test_a_wrong_password_is_the_servers_answer_and_a_warning_without_it() -> None:
    server = postgresql()
    async with inside(server.port, PostgreSQL(Account("scram", b"not-the-password"))) as at:
        assert 'password authentication failed for user "scram"' in await psql(at, "scram", "SELECT 1")
        assert len(at.told()) == 1
        assert "refused the log-in" in at.told()[0]
        assert "not-the-password" not in at.told()[0]


@in_loop
async def test_clients_that_insist_on_tls_or_channel_binding_are_told_why_it_fails() -> None:
    server = postgresql()
    async with inside(server.port, known(server, "scram")) as at:
        for mode in ("disable", "allow", "prefer"):
            assert await psql(at, "scram", "SELECT 1", f"sslmode={mode}") == "1\n"
        assert "server does not support SSL" in await psql(at, "scram", "SELECT 1", "sslmode=require")
        assert "channel binding" in await psql(at, "scram", "SELECT 1", "sslmode=prefer&channel_binding=require")


@in_loop
async def test_copies_errors_large_results_and_a_cancelled_query_pass() -> None:
    server = postgresql()
    async with inside(server.port, known(server, "scram")) as at:
        script = "CREATE TEMP TABLE t (n int);\n\\copy t from stdin\n1\n2\n\\.\nSELECT sum(n) FROM t;\nSELECT 1/0;\n"
        url = f"postgresql://scram:{PLACEHOLDER}@127.0.0.1:{at.port}/postgres"
        out = await run("psql", "-qXtA", url, text=script)
        assert out.startswith("3\n")
        assert "division by zero" in out
        assert len(await psql(at, "scram", "SELECT repeat('x', 5000000)")) == 5000001
        waiting = "sleep 1000 & p=$!; psql -qXtA \"$0\" -c 'SELECT pg_sleep(100)' & q=$!; "
        seen = 'psql -qXtA "$0" -c "SELECT count(*) FROM pg_stat_activity WHERE query = \'SELECT pg_sleep(100)\'"'
        until = f'while [ "$({seen})" != 1 ]; do :; done; kill -INT $q; wait $q; kill $p'
        # a shell starts what is in the background with SIGINT ignored; psql takes it back
        assert "canceling statement due to user request" in await run("bash", "-mc", waiting + until, url)


def startup(*pairs: bytes) -> bytes:
    body = struct.pack("!I", 196608) + b"\0".join((*pairs, b"", b""))
    return struct.pack("!I", len(body) + 4) + body


def test_a_startup_message_is_read_as_the_server_reads_it() -> None:
    assert parameters(startup(b"user", b"app", b"options", b"")) == {b"user": b"app", b"options": b""}
    assert parameters(startup()) == {}


@pytest.mark.parametrize(
    "message",
    [
        startup(b"user", b"app")[:-1],
        startup(b"user", b"app") + b"\0",
        startup(b"user", b"app") + b"user\0other\0\0",
        startup(b"user", b"app", b"user", b"other"),
        startup(b"user"),
        startup(b"user", b"app", b"", b"x", b"database", b"y"),
        startup(b"user", b"app")[:8],
    ],
)
def test_a_startup_message_that_can_be_read_in_two_ways_is_refused(message: bytes) -> None:
    """Promise 2: the password goes with the user that the server sees."""
    with pytest.raises(RefusedLoginError):
        parameters(message)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_startup_message_or_refused(body: bytes) -> None:
    try:
        read = parameters(b"\0" * 8 + body)
    except RefusedLoginError:
        return
    assert b"".join(name + b"\0" + value + b"\0" for name, value in read.items()) + b"\0" == body
