"""Attacks on promise 2 (and 4) by way of a database on loopback whose password is put in outside.

The inside has the database and not its password: what it hears is searched for the password in all forms, whatever it
sends and whatever the service answers. Nothing is connected before that is on record.
"""

import asyncio
import base64
import contextlib
import functools
import hashlib
import hmac
import struct
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.databases.inside import Inside, Serve, fake_server, inside, run
from tests.gateway.databases.mysqld import Fake, saying
from tests.gateway.databases.servers import PLACEHOLDER, mariadb, postgresql
from tests.gateway.databases.servers import redis as redis_server
from tests.gateway.wire import MemorySink, in_loop, listening
from tests.machine import fake
from wrapper.audit.events import Connection, encode
from wrapper.gateway.databases.account import Account
from wrapper.gateway.databases.mysql import MySQL
from wrapper.gateway.databases.postgresql import PostgreSQL, message
from wrapper.gateway.databases.redis import Redis
from wrapper.gateway.databases.resp import command
from wrapper.gateway.databases.speaking import Database
from wrapper.gateway.loopback import LoopbackForward

MARK = PLACEHOLDER.encode()
PASSWORD = fake().encode()
OK = message(b"R", struct.pack("!i", 0))
SCRAM = message(b"R", struct.pack("!i", 10) + b"SCRAM-SHA-256\0\0")
CLEARTEXT = message(b"R", struct.pack("!i", 3))
MD5 = message(b"R", struct.pack("!i", 5) + b"salt")


@pytest.fixture(scope="module", autouse=True)
def _started() -> None:
    """Start the servers before a test's own time begins."""
    postgresql()
    mariadb()
    redis_server()


def forms(password: bytes, user: bytes = b"app") -> Iterator[bytes]:
    """Give what stands for a password: it, parts of it, what it can be read back from, what can be used in its place."""
    yield from (password, password[:-7], password[7:], password[::-1])
    yield from (password.hex().encode(), base64.b64encode(password).rstrip(b"=")[:-2])
    for made in (hashlib.sha1(password, usedforsecurity=False), hashlib.sha256(password), hashlib.sha512(password)):
        yield from (made.digest(), made.hexdigest().encode(), hashlib.new(made.name, made.digest()).digest())
    inner = hashlib.md5(password + user, usedforsecurity=False).hexdigest()
    yield from (inner.encode(), hashlib.md5(inner.encode() + b"salt", usedforsecurity=False).hexdigest().encode())


def found(in_what: bytes, password: bytes, user: bytes = b"app") -> list[bytes]:
    return [one for one in forms(password, user) if one in in_what]


def log_of(at: Inside) -> bytes:
    return b"".join(map(encode, at.sink.events))


def startup(*pairs: bytes, code: int = 196608) -> bytes:
    body = struct.pack("!I", code) + b"".join(one + b"\0" for one in pairs) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


APP = startup(b"user", b"app", b"database", b"app")
QUERY = message(b"Q", b"SELECT 1\0")


def postgres(heard: bytearray, *answers: bytes) -> Serve:
    """Give a server that hears the first message and says these, one after another, with what it hears after each."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = struct.unpack("!I", await reader.readexactly(4))[0]
        heard.extend(await reader.readexactly(size - 4))
        for answer in answers:
            writer.write(answer)
            heard.extend(await reader.read(65536))

    return serve


def any_database() -> list[tuple[Database, bytes]]:
    """Give each protocol with what a client of it says first."""
    account = Account("app", PASSWORD)
    return [(PostgreSQL(account), APP), (MySQL(account), b""), (Redis(account, [MARK]), b"PING\r\n")]


# What comes back.


@in_loop
async def test_no_form_of_the_password_comes_in_while_real_clients_work() -> None:
    """Promise 2: nor into the log. The controls are what the servers were sent, in the tests below."""
    for server, made, users in (
        (postgresql(), PostgreSQL, ("scram", "hashed", "clear")),
        (mariadb(), MySQL, ("native", "ed")),
    ):
        for user in users:
            database = made(Account(user, server.password.encode()))
            async with inside(server.port, database) as at:
                assert "worked" in await _asks(at, user, is_mysql=made is MySQL)
                assert found(bytes(at.heard), server.password.encode(), user.encode()) == []
                assert found(log_of(at), server.password.encode(), user.encode()) == []


async def _asks(at: Inside, user: str, *, is_mysql: bool) -> str:
    words = f"mariadb --no-defaults -h127.0.0.1 -P{at.port} -u{user} -p{PLACEHOLDER} -BNe".split()
    url = f"postgresql://{user}:{PLACEHOLDER}@127.0.0.1:{at.port}/postgres"
    return await run(*(words if is_mysql else ("psql", "-XtA", url, "-c")), "SELECT 'worked'")


@in_loop
async def test_what_a_postgresql_server_asks_for_goes_to_it_alone() -> None:
    """Promise 2: a server that wants the password itself, or its hash, gets it; the inside hears that it is in."""
    for asks in (CLEARTEXT, MD5):
        heard = bytearray()
        async with (
            fake_server(postgres(heard, asks, OK)) as port,
            inside(port, PostgreSQL(Account("app", PASSWORD))) as at,
        ):
            assert await at.talk(APP) == OK
            assert found(bytes(heard), PASSWORD)
            assert found(bytes(at.heard) + log_of(at), PASSWORD) == []


@in_loop
async def test_redis_gives_its_password_in_no_answer() -> None:
    """Promise 2: configuration, slow log, list of users, errors; and the server has it to give."""
    server = redis_server()
    password = server.password.encode()
    asked = [
        b"CONFIG GET requirepass", b"CONFIG GET *", b"SLOWLOG GET 100", b"ACL LOG", b"CLIENT LIST", b"ACL WHOAMI",
        b"HELLO 3 SETNAME x AUTH default " + MARK, b"CLIENT GETNAME", b"AUTH " + MARK + b" x y",
        b"EVAL \"return redis.call('CONFIG','GET','requirepass')\" 0", b"MULTI", b"AUTH " + MARK, b"EXEC",
    ]  # fmt: skip
    lines = b"".join(one + b"\r\n" for one in (b"AUTH " + MARK, b"CONFIG SET slowlog-log-slower-than 0", *asked))
    async with inside(server.port, Redis(Account("default", password), [MARK])) as at:
        heard = await at.talk(lines)
        assert heard.count(MARK) >= 2
        assert [one for one in forms(password) if one in heard and len(one) < 64] == []
    async with inside(server.port, None) as at:
        assert password in await at.talk(lines.replace(MARK, password))


@in_loop
async def test_an_old_redis_that_repeats_what_it_does_not_know_gives_no_piece_of_the_password() -> None:
    """Promise 2: before version 6 HELLO is unknown, and 128 bytes of its words come back: where they end, the client says."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.readuntil(b"SETNAME\r\n$1\r\nx\r\n"):
            words = data.split(b"\r\n")[4::2]
            repeated = b"".join(b"`%b`, " % one for one in words)[:128]
            said.append(repeated)
            writer.write(b"-ERR unknown command `HELLO`, with args beginning with: " + repeated + b"\r\n")

    said: list[bytes] = []
    async with (
        fake_server(serve) as port,
        inside(port, Redis(Account("default", PASSWORD), [MARK])) as at,
    ):
        for size in range(60, 110):
            words = [b"HELLO", b"3", b"SETNAME", b"x" * size, b"AUTH", b"default", MARK, b"SETNAME", b"x"]
            await at.talk(command(words))
        ends = {one[-4:] for one in said}
        assert any(PASSWORD[:8] in one and PASSWORD not in one for one in said)
        assert len(ends) > 20
        assert at.heard.count(b"-ERR unknown command `HELLO`\r\n") == 50
        assert len(at.heard) == 50 * len(b"-ERR unknown command `HELLO`\r\n")


@in_loop
async def test_replication_ends_before_a_password_could_pass_unseen() -> None:
    """Promise 2: behind SYNC comes what is no answer, and no password could be found there."""
    server = redis_server()
    async with inside(server.port, Redis(Account("default", server.password.encode()), [MARK])) as at:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        with contextlib.closing(writer):
            writer.write(b"AUTH " + MARK + b"\r\nCONFIG SET repl-diskless-sync-delay 0\r\n")
            assert await reader.readexactly(10) == b"+OK\r\n" * 2
            writer.write(b"SYNC\r\n")  # the server takes it only where nothing else is to be answered
            await reader.readuntil(b"REDIS")  # the beginning of what the server holds
            assert b"+OK" in await at.talk(b"AUTH " + MARK + b"\r\nSET sought 1\r\n")
            assert b"sought" not in await reader.read()
        assert len(at.told()) == 1


# Another place, another user.


@in_loop
async def test_the_placeholder_is_data_in_every_other_command_of_redis() -> None:
    """Promise 2: what would send the password on, or store it where it can be read, has the placeholder."""
    heard = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            heard.extend(data)
        writer.write(b"+OK\r\n")

    said = [
        [b"MIGRATE", b"evil", b"6379", b"", b"0", b"100", b"AUTH2", b"default", MARK, b"KEYS", b"k"],
        [b"MIGRATE", b"evil", b"6379", b"k", b"0", b"100", b"AUTH", MARK],
        [b"CONFIG", b"SET", b"requirepass", MARK], [b"CONFIG", b"SET", b"masterauth", MARK],
        [b"REPLICAOF", b"evil", b"6379"], [b"ACL", b"SETUSER", b"x", b">" + MARK], [b"SET", b"k", MARK],
        [b"EVAL", b"return redis.call('AUTH', ARGV[1])", b"0", MARK], [b"AUTH", b"x" + MARK], [b"AUTH", MARK + b" "],
        [b"AUTH", MARK, b"default"], [b"AUTH", b"default", MARK, b"x"], [b"AUTH", b"Default", MARK],
        [b"HELLO", b"3", b"SETNAME", MARK], [b"HELLO", b"3", b"AUTH", MARK, b"default"], [b"HELLO", MARK],
        [b"SET", b"AUTH", MARK], [b"ECHO", MARK], [b"AUTH\0", MARK], [b"CLIENT", b"SETNAME", MARK],
    ]  # fmt: skip
    async with (
        fake_server(serve) as port,
        inside(port, Redis(Account("default", PASSWORD), [MARK])) as at,
    ):
        await at.talk(*map(command, said))
        await at.settled()
        assert bytes(heard) == b"".join(map(command, said))
        heard.clear()
        await at.talk(command([b"AUTH", MARK]))  # the control
        assert bytes(heard) == command([b"AUTH", PASSWORD])


@in_loop
async def test_a_second_log_in_for_another_user_gets_no_password() -> None:
    """Promise 2: the placeholder of one account opens no other, though both have the same password."""
    server = redis_server()
    async with inside(server.port, Redis(Account("default", server.password.encode()), [MARK])) as at:
        heard = await at.talk(b"AUTH default %b\r\nAUTH app %b\r\nACL WHOAMI\r\n" % (MARK, MARK))
        assert heard.startswith(b"+OK\r\n-WRONGPASS")
        assert heard.endswith(b"default\r\n")


PIECES = st.sampled_from([
    b"*2\r\n", b"*3\r\n", b"*1\n", b"*-1\r\n", b"*0\r\n", b"$3\r\n", b"$4\r\n", b"$30\r\n", b"$99\r\n", b"$-1\r\n",
    b"SET\r\n", b"AUTH\r\n", b"AUTH", b"k\r\n", b"\r\n", b"\n", b"\r", b"\0", b"$1\r\nk\r\n", b"$3\r\nSET\r\n",
    b"$4\r\nAUTH\r\n", b"AUTH default " + MARK + b"\r\n", b"$%d\r\n%b\r\n" % (len(MARK), MARK), MARK, b"SET k ", b"'", b'"',
])  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, min_size=1, max_size=12))
def test_no_framing_makes_redis_store_the_password_as_data(said: list[bytes]) -> None:
    """Promise 2: what is a log-in here and data to the server could be read back in pieces."""
    server = redis_server()
    password = server.password.encode()

    async def attempt() -> bytes:
        async with inside(server.port, Redis(Account("default", password), [MARK])) as at:
            await at.talk(b"AUTH %b\r\n" % MARK + b"".join(said))
            assert password not in at.heard
        async with inside(server.port, None) as direct:
            return await direct.talk(b"AUTH %b\r\nKEYS *\r\nGET k\r\nFLUSHALL\r\n" % password)

    assert password not in asyncio.run(attempt())


@in_loop
async def test_a_startup_message_of_two_meanings_is_not_sent_on() -> None:
    """Promise 2: names that end early, twice, or behind the end; and another user goes without the password."""
    heard = bytearray()
    account = Account("app", PASSWORD)
    tricks = [
        startup(b"user", b"app", b"user", b"other"),
        startup(b"user", b"other", b"", b"user", b"app"),
        APP[:-1] + b"user\0other\0\0",
        b"\0\0\0\x09" + APP[4:],
        struct.pack("!I", len(APP) + 1) + APP[4:] + b"\0",
    ]
    async with fake_server(postgres(heard, CLEARTEXT, OK)) as port, inside(port, PostgreSQL(account)) as at:
        for trick in tricks:
            assert b"safe-agent" in await at.talk(trick)
        for other in (b"other", b"app ", b"App", b"app\0", b""):
            await at.talk(startup(b"user", other, b"database", b"app"))
        assert found(bytes(heard), PASSWORD) == []
        await at.talk(APP)  # the control
        assert found(bytes(heard), PASSWORD)


@in_loop
async def test_replication_is_the_accounts_own_right_and_nobody_elses() -> None:
    server = postgresql()
    for user, ends in (("scram", True), ("hashed", False)):
        async with inside(server.port, PostgreSQL(Account("scram", server.password.encode()))) as at:
            conninfo = (
                f"host=127.0.0.1 port={at.port} user={user} dbname=postgres replication=database password={PLACEHOLDER}"
            )
            assert ("systemid" in await run("psql", "-X", conninfo, "-c", "IDENTIFY_SYSTEM")) == ends


# Before the log-in.


async def _heard(reader: asyncio.StreamReader) -> bytes:
    """Read what a client says in one message of PostgreSQL's."""
    head = await reader.readexactly(5)
    return await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)


@in_loop
async def test_what_is_sent_with_the_first_message_waits_for_the_log_in() -> None:
    """A query smuggled in before the server has let the client in."""
    order: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(APP))
        with contextlib.suppress(TimeoutError):
            order.append(await asyncio.wait_for(reader.read(10), 0.2))
        writer.write(CLEARTEXT)
        order.append(await reader.readexactly(len(message(b"p", PASSWORD + b"\0"))))
        with contextlib.suppress(TimeoutError):
            order.append(await asyncio.wait_for(reader.read(10), 0.2))
        writer.write(OK)
        order.append(await reader.readexactly(len(QUERY)))

    async with fake_server(serve) as port, inside(port, PostgreSQL(Account("app", PASSWORD))) as at:
        assert await at.talk(APP + QUERY) == OK
    assert order == [message(b"p", PASSWORD + b"\0"), QUERY]


@in_loop
async def test_a_server_that_asks_twice_or_proves_nothing_is_left() -> None:
    """Promise 2: one that cannot do SCRAM, and so does not know the password, gets it by no other way after that."""
    nonce = message(b"R", struct.pack("!i", 11) + b"r=x,s=c2FsdHNhbHRzYWx0c2FsdA==,i=4096")
    final = message(b"R", struct.pack("!i", 12) + b"v=" + base64.b64encode(b"x" * 32))
    for answers in (
        (SCRAM, CLEARTEXT), (SCRAM, MD5), (SCRAM, OK), (SCRAM, SCRAM), (MD5, CLEARTEXT), (SCRAM, nonce), (SCRAM, final),
        (nonce,), (final,), (message(b"R", b""),), (message(b"R", b"\0" * 3),), (message(b"R", struct.pack("!i", 7)),),
        (message(b"R", struct.pack("!i", 10) + b"SCRAM-SHA-256-PLUS\0\0"),), (b"R\x7f\xff\xff\xff",), (b"Z\0\0\0\5I",),
        (b"HTTP/1.1 200 OK\r\n\r\n",), (message(b"N", b"x" * 50) * 100,), (MD5[:-1].replace(b"\x0c", b"\x0b"),),
    ):  # fmt: skip
        heard = bytearray()
        async with (
            fake_server(postgres(heard, *answers)) as port,
            inside(port, PostgreSQL(Account("app", PASSWORD))) as at,
        ):
            said = await at.talk(APP)
            assert b"safe-agent: " in said, answers
            assert OK not in said
            assert PASSWORD not in heard
            assert len(at.told()) == 1


@in_loop
async def test_a_server_that_takes_any_proof_is_left_unless_it_proves_its_own() -> None:
    """Promise 2's other side: the client is not told that it is in by a server that does not know the password."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: Callable[[bytes], bytes]) -> None:
        await reader.readexactly(len(APP))
        writer.write(SCRAM)
        first = (await _heard(reader)).rpartition(b"n,,")[2]
        told = b"r=" + first.partition(b"r=")[2] + b"more,s=c2FsdHNhbHRzYWx0c2FsdA==,i=4096"
        writer.write(message(b"R", struct.pack("!i", 11) + told))
        final = (await _heard(reader)).rpartition(b",p=")[0]
        writer.write(ends(first + b"," + told + b"," + final))

    def proves(exchanged: bytes) -> bytes:
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD, b"saltsaltsaltsalt", 4096)
        key = hmac.digest(salted, b"Server Key", "sha256")
        proof = b"v=" + base64.b64encode(hmac.digest(key, exchanged, "sha256"))
        return message(b"R", struct.pack("!i", 12) + proof) + OK

    def lies(_exchanged: bytes) -> bytes:
        return message(b"R", struct.pack("!i", 12) + b"v=" + base64.b64encode(b"x" * 32)) + OK

    for ends, lets_in in ((proves, True), (lies, False), (lambda _: OK, False)):
        async with (
            fake_server(functools.partial(serve, ends=ends)) as port,
            inside(port, PostgreSQL(Account("app", PASSWORD))) as at,
        ):
            assert (await at.talk(APP) == OK) == lets_in
            assert bool(at.told()) != lets_in


@in_loop
async def test_a_mysql_server_that_asks_for_more_than_a_proof_is_left() -> None:
    """Promise 2: no key, a small one, one of another kind, twice; a switch to what wants the password as it is."""
    greeting = Fake(PASSWORD).greeting(b"n" * 20)
    full, more = b"\x01\x04", b"\x01"
    for packets in (
        (full, more + b"no key"), (full, more + _pem(512)), (full, more + _pem(9000)), (full, full, full), (more + b"x",), (b"\x02plugin\0",),
        (b"\xfe",), (b"\xfemysql_old_password\0nonce\0",), (b"\xfeclient_ed25519\0short\0",), (b"",), (b"\xfemysql\xff\0n",),
        (b"\xfemysql_clear_password\0",), (b"\xfecaching_sha2_password\0" + b"m" * 20,) * 9,
    ):  # fmt: skip
        heard: list[bytes] = []
        async with (
            fake_server(saying(heard, greeting, *packets)) as port,
            inside(port, MySQL(Account("app", PASSWORD))) as at,
        ):
            said = await at.talk(_answer())
            assert b"safe-agent: " in said, packets
            assert PASSWORD not in b"".join(heard)
            assert PASSWORD not in at.heard + log_of(at)


def _pem(bits: int) -> bytes:
    """Make the RSA key of a server that wants to read the password without having it as it is."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    numbers = rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 2**300 + 1)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return numbers.public_key().public_bytes(serialization.Encoding.PEM, form)


def _answer(user: bytes = b"app") -> bytes:
    body = (0x0028A200).to_bytes(4, "little") + b"\0\0\0\1\x21" + b"\0" * 23
    body += user + b"\0\x20" + b"p" * 32 + b"caching_sha2_password\0"
    return struct.pack("<I", len(body))[:3] + b"\1" + body


# Bounds.


@in_loop
async def test_lengths_that_lie_end_the_connection_before_anything_is_held() -> None:
    """A gigabyte announced, TLS begun without being asked for, negotiations without end, other protocols."""
    heard = bytearray()
    tls = struct.pack("!II", 8, 80877103)
    async with fake_server(postgres(heard, OK)) as port, inside(port, PostgreSQL(Account("app", PASSWORD))) as at:
        for said in (
            struct.pack("!II", 2**30, 196608), struct.pack("!II", 4, 196608), struct.pack("!II", 2**32 - 1, 196608),
            b"\x16\x03\x01\x02\x00\x01\x00\x01", tls * 4, b"GET / HTTP/1.1\r\n\r\n", struct.pack("!II", 8, 131072),
        ):  # fmt: skip
            assert b"safe-agent: " in (await at.talk(said))
        assert heard == b""
        assert at.sink.of(Connection) == []
    greeting = Fake(PASSWORD).greeting(b"n" * 20)
    for first in (
        b"\xff\xff\xff\1",
        b"\0\0\0\1",
        b"\1\0\0\1x",
        b"\x20\0\0\1" + b"\x05" * 32,
        b"\x20\0\0\2" + b"\x05" * 32,
    ):
        async with fake_server(saying([], greeting)) as port, inside(port, MySQL(Account("app", PASSWORD))) as at:
            assert b"safe-agent: " in (await at.talk(first))
    for hello in (b"\xff\xff\xff\0", b"\1\0\0\0\x09", b"\5\0\0\0\x0a8.0\0", b"\4\0\0\0HTTP"):

        async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hello: bytes = hello) -> None:
            writer.write(hello)
            await writer.drain()

        async with fake_server(serve) as port, inside(port, MySQL(Account("app", PASSWORD))) as at:
            await at.talk(ends=False)
            await at.settled()


@in_loop
async def test_a_client_that_never_finishes_its_log_in_is_cut_off() -> None:
    greeting = Fake(PASSWORD).greeting(b"n" * 20)
    async with fake_server(saying([], greeting)) as port:
        for database, half in (
            (PostgreSQL(Account("app", PASSWORD)), APP[:9]),
            (MySQL(Account("app", PASSWORD)), b"\x20\0"),
        ):
            async with inside(port, database, log_in=0.1) as at:
                await at.talk(half, ends=False)
                await at.settled()
                assert [one for one in at.told() if "logged in within 0.1 seconds" in one] == at.told() != []


@in_loop
async def test_one_connection_too_many_is_closed_and_that_is_told_once() -> None:
    heard = bytearray()
    async with (
        fake_server(postgres(heard, OK)) as port,
        inside(port, PostgreSQL(Account("app", PASSWORD)), most=2) as at,
    ):
        open_ones = [await asyncio.open_connection("127.0.0.1", at.port) for _ in range(2)]
        for _, writer in open_ones:
            writer.write(APP[:5])
        while len(at.forward._open) < 2:  # noqa: ASYNC110 (nothing tells)
            await asyncio.sleep(0.002)
        assert await at.talk(APP) == await at.talk(APP) == b""
        assert len(at.told()) == 1
        for _, writer in open_ones:
            writer.close()
        await at.settled()
        assert await at.talk(APP) == OK


@in_loop
async def test_nothing_is_connected_or_logged_in_where_nothing_can_be_recorded() -> None:
    """Promise 4."""
    connected: list[object] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append((reader, writer))

    async with fake_server(serve) as port:
        for fails in (True, False):
            for database, first in any_database():
                forward = LoopbackForward(port, MemorySink(fails=fails), database=database)
                sock = listening()
                await forward.start(sock)
                reader, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
                writer.write(first)
                writer.write_eof()
                with contextlib.suppress(ConnectionResetError):
                    await reader.read()
                writer.close()
                await forward.close()
            assert len(connected) == (0 if fails else 3)


@in_loop
async def test_a_client_that_breaks_the_protocol_after_the_server_has_closed_leaves_nothing_behind() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        await reader.read()

    async with (
        fake_server(serve) as port,
        inside(port, Redis(Account("default", PASSWORD), [MARK])) as at,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        with contextlib.closing(writer):
            assert await reader.read() == b""
            (task,) = at.forward._open
            writer.write(b"*x\r\n")
            writer.write_eof()
            await at.settled()
            assert task.exception() is None
        assert len(at.told()) == 1


@in_loop
async def test_a_service_that_is_not_there_is_named_to_the_client_and_once_to_the_user() -> None:
    async with fake_server(postgres(bytearray())) as port:
        pass
    for database, first in any_database():
        async with inside(port, database) as at:
            for _ in range(3):
                assert b"nothing listens on this port" in await at.talk(first)
            assert len(at.told()) == 1


@in_loop
async def test_no_connection_outlives_its_forward() -> None:
    server = redis_server()
    listed = ["redis-cli", "-p", str(server.port), "--no-auth-warning", "-a", server.password, "client", "list"]
    async with inside(server.port, Redis(Account("default", server.password.encode()), [MARK])) as at:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
        writer.write(b"AUTH " + MARK + b"\r\nCLIENT SETNAME lasting\r\nSUBSCRIBE x\r\n")
        while b"subscribe" not in at.heard:
            await reader.read(1000)
        assert "name=lasting" in await run(*listed)
    writer.close()
    assert "name=lasting" not in await run(*listed)
