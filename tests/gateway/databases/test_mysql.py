"""MariaDB's own server and client, and MySQL 8's way to log in, with a log-in between them that puts the password in."""

import asyncio

import pymysql
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pymysql import _auth

from tests.gateway.databases.inside import Inside, fake_server, inside, run
from tests.gateway.databases.mysqld import FLAGS, Fake, saying
from tests.gateway.databases.servers import PLACEHOLDER, Server, mariadb
from tests.gateway.wire import in_loop
from tests.machine import fake
from wrapper.gateway.databases.account import Account
from wrapper.gateway.databases.ed25519 import sign
from wrapper.gateway.databases.mysql import Commands, MySQL
from wrapper.gateway.databases.mysqlpackets import Greeting, Response, packet, switched
from wrapper.gateway.databases.mysqlscrambles import NATIVE, SHA2, scramble
from wrapper.gateway.databases.speaking import RefusedLoginError


@pytest.fixture(scope="module", autouse=True)
def _started() -> None:
    """Start the server before a test's own time begins."""
    mariadb()


def known(server: Server, user: str | None) -> MySQL:
    return MySQL(Account(user, server.password.encode()))


async def client(at: Inside, user: str, query: str, *options: str) -> str:
    words = ("-h127.0.0.1", f"-P{at.port}", f"-u{user}", f"-p{PLACEHOLDER}", "-BNe", query)
    return await run("mariadb", "--no-defaults", *options, *words)


async def python(at: Inside, query: str, user: str = "app") -> object:
    def asked() -> object:
        made = pymysql.connect(host="127.0.0.1", port=at.port, user=user, password=PLACEHOLDER)
        with made, made.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    return await asyncio.to_thread(asked)


@in_loop
async def test_the_clients_log_in_with_the_placeholder_whatever_the_account_wants() -> None:
    """Promise 2: MariaDB's two ways, by a switch too, and the inside hears none of it."""
    server = mariadb()
    for user in ("native", "ed"):
        async with inside(server.port, known(server, user)) as at:
            assert await client(at, user, "SELECT CURRENT_USER(), REPEAT('x', 3)") == f"{user}@localhost\txxx\n"
            assert await python(at, "SELECT CURRENT_USER()", user) == ((f"{user}@localhost",),)
            for begins in ("caching_sha2_password", "client_ed25519", "mysql_clear_password", "dialog"):
                assert await client(at, user, "SELECT 1", f"--default-auth={begins}") == "1\n", begins
            assert at.told() == []
            assert server.password.encode() not in at.heard


@in_loop
async def test_without_the_log_in_the_same_client_is_refused() -> None:
    """The control of the test above: the placeholder is no password to the server."""
    server = mariadb()
    async with inside(server.port, None) as at:
        for user in ("native", "ed"):
            assert "Access denied" in await client(at, user, "SELECT 1")


@in_loop
async def test_another_user_than_the_accounts_logs_in_as_it_is() -> None:
    server = mariadb()
    async with inside(server.port, known(server, "native")) as at:
        assert "Access denied for user 'ed'" in await client(at, "ed", "SELECT 1")
        assert await run("mariadb", "-h127.0.0.1", f"-P{at.port}", "-unobody", "-BNe", "SELECT 1") == "1\n"
    async with inside(server.port, known(server, None)) as at:
        assert await client(at, "ed", "SELECT 1") == "1\n"


@in_loop
async def test_tls_and_compression_are_not_offered_and_a_client_that_insists_says_so() -> None:
    server = mariadb()
    async with inside(server.port, known(server, "native")) as at:
        for option in ("--ssl", "--compress"):
            assert await client(at, "native", "SELECT REPEAT('x', 3)", option) == "xxx\n"
        assert "does not support it" in await client(at, "native", "SELECT 1", "--ssl-verify-server-cert")


@in_loop
async def test_a_wrong_password_is_the_servers_answer_and_a_warning_without_it() -> None:
    server = mariadb()
    for user in ("native", "ed"):
        async with inside(server.port, MySQL(Account(user, b"not-the-password"))) as at:
            assert f"Access denied for user '{user}'" in await client(at, user, "SELECT 1")
            assert len(at.told()) == 1
            assert "refused the log-in" in at.told()[0]
            assert "not-the-password" not in at.told()[0]


@in_loop
async def test_large_results_and_loaded_files_pass_and_another_user_on_the_same_connection_does_not() -> None:
    server = mariadb()
    async with inside(server.port, known(server, "native")) as at:
        assert len(await client(at, "native", "SELECT REPEAT('x', 5000000)")) == 5000001
        assert await client(at, "native", "SELECT LENGTH('" + "y" * 100000 + "')") == "100000\n"
        refused = await asyncio.to_thread(change_user, at.port)
        assert refused.args == (1047, "safe-agent: COM_CHANGE_USER is not carried: open a new connection")


def change_user(port: int) -> pymysql.MySQLError:
    made = pymysql.connect(host="127.0.0.1", port=port, user="native", password=PLACEHOLDER)
    try:
        made._execute_command(0x11, b"native\0\0\0")
        with pytest.raises(pymysql.MySQLError) as caught:
            made._read_packet()
        return caught.value
    finally:
        made._force_close()


# MySQL 8's way, for which there is no server here: a server by its documentation, real clients.


@in_loop
async def test_clients_log_in_by_caching_sha2_with_the_password_proved_or_encrypted() -> None:
    """Promise 2: the password goes out as a proof, and encrypted where the server has not seen the user yet."""
    password = fake().encode()
    for made in (
        Fake(password),
        Fake(password, is_cached=True),
        Fake(password, greets=b"mysql_native_password"),
        Fake(password, greets=b"sha256_password"),
    ):
        async with fake_server(made.serve) as port, inside(port, MySQL(Account("app", password))) as at:
            assert await client(at, "app", "DO 1") == ""
            assert await python(at, "DO 2") == []
            assert {b"\x03DO 1", b"\x03DO 2"} <= set(made.seen)
            assert password not in at.heard + at.said
            assert at.told() == []


@in_loop
async def test_a_server_that_has_another_password_refuses_caching_sha2() -> None:
    """The control of the test above."""
    made = Fake(fake().encode())
    async with fake_server(made.serve) as port, inside(port, MySQL(Account("app", b"another"))) as at:
        assert "Access denied" in await client(at, "app", "DO 1")
        assert len(at.told()) == 1


@in_loop
async def test_plugins_that_want_the_password_as_it_is_get_nothing() -> None:
    """Promise 2: `mysql_clear_password` and `dialog` are not spoken, and both sides hear which it was."""
    password = fake().encode()
    for plugin in (b"mysql_clear_password", b"dialog", b"sha256_password", b"parsec"):
        greeting = Fake(password).greeting(b"n" * 20)
        heard: list[bytes] = []
        serve = saying(heard, greeting, b"\xfe" + plugin + b"\0" + b"n" * 20 + b"\0")
        async with fake_server(serve) as port, inside(port, MySQL(Account("app", password))) as at:
            said = await client(at, "app", "DO 1")
            assert f"wants the plugin `{plugin.decode()}`" in said
            assert "ERROR 1251 (08004)" in said
            assert f"wants the plugin `{plugin.decode()}`" in at.told()[0]
        assert len(heard) == 1  # the answer to the greeting
        assert password not in heard[0]


@given(st.binary(min_size=1, max_size=60).filter(lambda one: b"\0" not in one), st.binary(min_size=20, max_size=20))
def test_proofs_are_those_of_another_implementation(password: bytes, nonce: bytes) -> None:
    assert scramble(NATIVE, password, nonce) == _auth.scramble_native_password(password, nonce)
    assert scramble(SHA2, password, nonce) == _auth.scramble_caching_sha2(password, nonce)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_password_as_long_as_a_seed_signs_as_ed25519_does(seed: bytes, nonce: bytes) -> None:
    assert sign(seed, nonce) == Ed25519PrivateKey.from_private_bytes(seed).sign(nonce)


# Packets.


def response(
    user: bytes = b"app", proof: bytes = b"p" * 20, *, flags: int = 0x0028A200 | 0x8, rest: bytes = b""
) -> bytes:
    """Make a HandshakeResponse41 with a database and a plugin."""
    fixed = flags.to_bytes(4, "little") + b"\0\0\0\1\x21" + b"\0" * 23
    return fixed + user + b"\0" + bytes((len(proof),)) + proof + b"db\0" + b"mysql_native_password\0" + rest


def test_an_answer_to_the_greeting_is_written_back_as_it_was_but_for_the_proof() -> None:
    read = Response.parse(response(rest=b"\x03a=b"))
    assert (read.user, read.proof, read.database, read.plugin) == (b"app", b"p" * 20, b"db", NATIVE)
    assert read.payload() == response(rest=b"\x03a=b")
    assert read.proving(NATIVE, b"q" * 20).payload() == response(proof=b"q" * 20, rest=b"\x03a=b")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        response()[:40],
        response(flags=0x0028A208 | 0x800),  # TLS
        response(flags=0x0028A208 | 0x20),  # compression
        response(flags=0x00280208 & ~0x200),
        response().replace(b"\x14pppp", b"\xfdpppp"),
        response(b"app").rstrip(b"\0").replace(b"\0", b"x"),
    ],
)
def test_an_answer_that_lies_or_asks_for_what_is_not_offered_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Response.parse(payload)


def test_a_greeting_offers_neither_tls_nor_compression_and_keeps_the_rest() -> None:
    made = Fake(b"x").greeting(b"n" * 20)
    read = Greeting.parse(made, (NATIVE, SHA2))
    assert (read.nonce, read.plugin) == (b"n" * 20, SHA2)
    clean = Fake(b"x", flags=FLAGS & ~0x800 & ~0x20).greeting(b"n" * 20)
    assert read.offered == clean != made
    assert Greeting.parse(read.offered, (NATIVE, SHA2)) == read


@given(st.data())
def test_any_bytes_are_a_packet_or_a_value_error(data: st.DataObject) -> None:
    """Also those that are nearly right: cut, or with bytes replaced."""
    whole = data.draw(st.sampled_from([Fake(b"x").greeting(b"n" * 20), response(), b"\xfeplugin\0nonce\0"]))
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for at, one in data.draw(st.dictionaries(st.integers(0, 90), st.integers(0, 255), max_size=4)).items():
        broken[at : at + 1] = bytes((one,))
    for parse in (lambda one: Greeting.parse(one, (NATIVE,)), lambda one: Response.parse(one).payload(), switched):
        try:
            parse(bytes(broken))
        except ValueError:
            continue


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=40)), max_size=8), st.data())
def test_commands_are_told_from_data_in_any_chunking(said: list[tuple[int, bytes]], data: st.DataObject) -> None:
    """A command is refused where it is one (number 0) and changes the user, and nothing else is touched."""
    stream = b"".join(packet(number, payload) for number, payload in said)
    first = next((at for at, (number, payload) in enumerate(said) if number == 0 and payload[:1] == b"\x11"), None)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    commands, out = Commands(), b""
    try:
        for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            out += commands.feed(stream[begin:end])
    except RefusedLoginError:
        assert first is not None
        assert out.count(b"\x11") <= stream.count(b"\x11")
        return
    assert first is None
    assert out == stream


def test_a_loaded_file_with_more_than_256_packets_is_no_command() -> None:
    commands = Commands()
    pieces = [packet(number, b"\x11 a piece") for number in range(2, 256)] + [packet(0, b"\x11 a piece")]
    assert commands.feed(b"".join(pieces)) == b"".join(pieces)
    with pytest.raises(RefusedLoginError):
        commands.feed(packet(1, b"") + packet(0, b"\x11app\0"))
