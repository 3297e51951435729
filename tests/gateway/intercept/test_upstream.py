"""How hosts are reached: verified, by the protocol there is, on connections that are used again."""

import asyncio
import contextlib
import ssl
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from tests.fakes.company import Authority
from tests.gateway.intercept.scene import HOST, scene
from tests.gateway.intercept.speaking import BrokenError, Host, Message, Talk, read_message, write_message
from tests.gateway.wire import listening
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import Request, RequestHead
from wrapper.gateway.intercept.exchanging import Limits
from wrapper.gateway.intercept.http2_outside import Http2Outside
from wrapper.gateway.intercept.pieces import Whole
from wrapper.gateway.intercept.upstream import Kept, Upstream
from wrapper.gateway.refusal import RefusedError

_GET = f"GET /x HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
_POST = f"POST /x HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx".encode()


def test_one_connection_to_the_host_serves_many_of_the_inside() -> None:
    async def run() -> None:
        for protocol in ("http/1.1", "h2"):
            host = Host()
            async with scene(host.serve, protocols=(protocol,), offers=(protocol,)) as made:
                for _ in range(3):
                    assert (await made.say(_GET)).endswith(b"fine")
                assert made.dialled == 1, protocol

    asyncio.run(run())


def test_streams_that_begin_at_once_share_the_connection_that_the_first_one_opens() -> None:
    async def run() -> None:
        host = Host()
        async with scene(host.serve, protocols=("h2",)) as made:
            talk = Talk(*await made.open("h2"))
            await talk.read()
            for number in (1, 3, 5):
                await talk.send(number, Message((b"GET", b"/x"), length=True))
            await talk.wait(lambda: 1 if len(talk.whole) == 3 else None)
            assert made.dialled == 1
            talk.writer.close()

    asyncio.run(run())


@pytest.mark.parametrize(("request_", "status"), [(_GET, b"200"), (_POST, b"502")])
def test_a_connection_gone_stale_is_replaced_where_the_request_means_the_same_twice(
    request_: bytes, status: bytes
) -> None:
    async def run() -> None:
        seen = 0

        async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal seen
            mine = seen
            seen += 1
            with contextlib.suppress(EOFError):
                while True:
                    asked = await read_message(reader)
                    if mine == 0 and asked.first[1] == b"/x":
                        return  # closes without a word
                    await write_message(writer, Message((b"200",), (), (b"fine",), length=True))

        async with scene(host) as made:
            await made.say(_GET.replace(b"/x", b"/first"))
            assert (await made.say(request_)).startswith(b"HTTP/1.1 " + status)
            assert (await made.say(_GET)).startswith(b"HTTP/1.1 200")
            assert made.dialled == 2

    asyncio.run(run())


def test_a_host_that_goes_away_answers_what_it_has_begun_and_the_next_request_goes_elsewhere() -> None:
    """RFC 9113 section 6.8: servers end connections so after some thousand requests."""

    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = Talk(reader, writer, client=False)
        with contextlib.suppress(EOFError):
            await talk.wait(lambda: 1 if 1 in talk.whole else None)
            goaway = b"\0\0\x08\x07\0\0\0\0\0" + b"\0\0\0\x01" + b"\0\0\0\0"
            writer.write(goaway)
            await talk.send(1, Message((b"200",), (), [b"begun"]))
            while True:
                await talk.read()

    async def run() -> None:
        async with scene(host, protocols=("h2",), offers=("h2",)) as made:
            for dialled in (1, 2):
                assert b"begun" in await made.say(_GET)
                assert made.dialled == dialled

    asyncio.run(run())


async def openssl(authority: Authority, folder: Path, options: str) -> tuple[Process, int]:
    """Start OpenSSL's own server as HOST, with these options; give it and its port."""
    authority.context(HOST)
    with listening() as free:
        port = int(free.getsockname()[1])
    pair = folder / f"{HOST}.key-and-certificate"
    command = f"openssl s_server -accept 127.0.0.1:{port} -key {pair} -cert {pair} {options}".split()
    server = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
    assert server.stdout is not None
    while b"ACCEPT" not in await server.stdout.readline():
        pass
    return server, port


def test_a_host_that_knows_http2_alone_is_offered_it_too_after_it_refused_the_other(tmp_path: Path) -> None:
    """It ends the handshake with an alert (RFC 7301 section 3.2), as OpenSSL's own server does and Python's does not."""

    async def run() -> None:
        authority = Authority(tmp_path)
        server, port = await openssl(authority, tmp_path, "-alpn h2")
        dialled: list[int] = []

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            dialled.append(port)
            return await asyncio.open_connection("127.0.0.1", port)

        kept = Kept(lambda: ssl.create_default_context(cafile=str(authority.file)), Limits())
        upstream = Upstream(Destination(HOST, 443), connect, kept, Limits(), ("http/1.1",))
        try:
            request = Request(RequestHead("GET", HOST, "/", ()))
            async with asyncio.timeout(10):
                connection, _ = await upstream.connection(request, fresh=True)
            assert isinstance(connection, Http2Outside)
            assert dialled == [port, port]
        finally:
            kept.close()
            server.kill()
            await server.communicate()

    asyncio.run(run())


def test_a_certificate_that_does_not_hold_says_what_is_wrong_and_what_to_do() -> None:
    async def run() -> None:
        host = Host()
        async with scene(host.serve, certified="other.example.test") as made:
            answer = (await made.say(_GET)).decode()
            assert "502" in answer.splitlines()[0]
            assert f"the certificate of `{HOST}` is not trusted" in answer
            assert "(hint: " in answer
        async with scene(host.serve) as made:
            made.kept._trusted = ssl.create_default_context
            answer = (await made.say(_GET)).decode()
            assert "NODE_EXTRA_CA_CERTS or SSL_CERT_FILE" in answer
        assert host.got == []

    asyncio.run(run())


def test_a_context_that_would_not_verify_is_refused() -> None:
    async def run() -> None:
        def careless() -> ssl.SSLContext:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context

        with pytest.raises(RefusedError, match="not be verified"):
            await Kept(careless, Limits()).context()

    asyncio.run(run())


def test_what_cannot_be_reached_is_refused_in_its_own_words() -> None:
    async def run() -> None:
        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            raise RefusedError(504, "it does not answer")

        kept = Kept(ssl.create_default_context, Limits())
        upstream = Upstream(Destination(HOST, 443), connect, kept, Limits(), ("h2", "http/1.1"))
        with pytest.raises(RefusedError, match="it does not answer"):
            await upstream.sending()(Request(RequestHead("GET", HOST, "/", ())))

    asyncio.run(run())


def test_a_host_is_reached_through_a_tunnel_that_is_tls_itself() -> None:
    """As by a company's proxy with an `https://` URL."""

    async def run() -> None:
        host = Host()
        async with scene(host.serve) as made:

            async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                far_reader, far = await asyncio.open_connection("127.0.0.1", made.host_port)

                async def move(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                    with contextlib.suppress(ConnectionError):
                        while data := await source.read(2**16):
                            sink.write(data)
                            await sink.drain()
                    sink.close()

                await asyncio.gather(move(reader, far), move(far_reader, writer))

            proxy = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=made.authority.context("127.0.0.1"))
            trusted = made.trusting()

            async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
                return await asyncio.open_connection(*proxy.sockets[0].getsockname(), ssl=made.trusting())

            kept = Kept(lambda: trusted, Limits())
            upstream = Upstream(Destination(HOST, 443), connect, kept, Limits(), ("http/1.1",))
            sent = upstream.sending()
            body = Whole(bytes(2**20))
            async with asyncio.timeout(20):
                answer = await sent(Request(RequestHead("POST", HOST, "/x", ()), body))
                assert answer.body is not None
                assert b"".join([piece async for piece in answer.body]) == b"fine"
            assert len(host.got[0].body) == 2**20
            kept.close()
            proxy.close()
            await asyncio.sleep(0.05)  # three layers say goodbye

    asyncio.run(run())


def test_a_kept_connection_is_closed_when_nobody_wants_it() -> None:
    async def run() -> None:
        ended = asyncio.Event()

        async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_message(reader)
            await write_message(writer, Message((b"200",), (), (b"fine",), length=True))
            assert await reader.read(1) == b""
            ended.set()

        async with scene(host, limits=Limits(kept=0.1)) as made:
            await made.say(_GET)
            async with asyncio.timeout(10):
                await ended.wait()

    asyncio.run(run())


def test_streams_wait_for_the_hosts_word_on_how_many_it_takes() -> None:
    """Those that it refuses cannot be sent again where they have a body."""

    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)  # the way to the host
        talk = Talk(reader, writer, client=False)
        talk.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 5})
        talk.flush()
        refused: set[int] = set()
        with contextlib.suppress(EOFError, BrokenError):
            while True:
                await talk.read()
                for number in [one for one in talk.messages if one not in talk.done | refused]:
                    if len(talk.messages) - len(talk.done | refused) > 5:
                        talk.h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)
                        refused.add(number)
                for number in [one for one in talk.whole if one not in talk.done | refused]:
                    talk.done.add(number)
                    await talk.send(number, Message((b"200",), (), (b"fine",), length=True))

    async def run() -> None:
        async with scene(host, protocols=("h2",)) as made:
            talk = Talk(*await made.open("h2"))
            numbers = []
            for _ in range(20):
                numbers.append(talk.h2.get_next_available_stream_id())
                await talk.send(numbers[-1], Message((b"POST", b"/"), (), (b"body",), length=True))
            async with asyncio.timeout(10):
                await talk.wait(lambda: 1 if {*numbers} <= {*talk.whole} else None)
            assert {talk.messages[one].first for one in numbers} == {(b"200",)}
            talk.writer.close()

    asyncio.run(run())


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)
    writer.close()


def test_a_host_may_be_silent_as_long_as_policy_lets_a_connection(tmp_path: Path) -> None:
    """It was ten minutes for a WebSocket, whatever `idle_seconds` said."""

    async def run() -> None:
        authority = Authority(tmp_path)
        limits = Limits(idle=0.2)
        server = await asyncio.start_server(_silent, "127.0.0.1", 0, ssl=authority.context(HOST))
        port = server.sockets[0].getsockname()[1]
        kept = Kept(lambda: ssl.create_default_context(cafile=str(authority.file)), limits)
        upstream = Upstream(
            Destination(HOST, 443), lambda: asyncio.open_connection("127.0.0.1", port), kept, limits, ("http/1.1",)
        )
        async with asyncio.timeout(10):
            with pytest.raises(RefusedError) as refused:
                await upstream.sending()(Request(RequestHead("GET", HOST, "/", ())))
        assert refused.value.status == 504
        kept.close()
        server.close()

    asyncio.run(run())


def test_a_host_that_asks_for_a_clients_certificate_says_so(tmp_path: Path) -> None:
    """By TLS 1.3 it does after the handshake, and as OpenSSL's own server does: Python's says nothing."""

    async def run() -> None:
        authority = Authority(tmp_path)
        server, port = await openssl(authority, tmp_path, "-Verify 1 -www")
        kept = Kept(lambda: ssl.create_default_context(cafile=str(authority.file)), Limits())
        upstream = Upstream(
            Destination(HOST, 443), lambda: asyncio.open_connection("127.0.0.1", port), kept, Limits(), ("http/1.1",)
        )
        try:
            async with asyncio.timeout(10):
                with pytest.raises(RefusedError, match="certificate required"):
                    await upstream.sending()(Request(RequestHead("GET", HOST, "/", ())))
        finally:
            kept.close()
            server.kill()
            await server.communicate()

    asyncio.run(run())
