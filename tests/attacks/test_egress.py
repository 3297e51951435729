"""Attacks on promises 1 and 4: bytes that leave for a host that the policy does not allow, or without a record.

What is attacked is the egress proxy, the only way out of the sandbox besides the gateway. Its stated limit: inside an
allowed tunnel nothing is seen, so an allowed host that serves other names, or is itself a proxy, leads to those.
"""

import asyncio
import itertools
from pathlib import Path

import pytest

from tests.gateway.tunnels import Site, site
from tests.gateway.wire import in_loop
from wrapper.audit.events import Connection
from wrapper.gateway import egress, wayout
from wrapper.gateway.destination import is_private, is_public
from wrapper.gateway.dialling import is_this_machine
from wrapper.gateway.egress import Timeouts

LOOPBACK = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0x7F.0x0.0x0.0x1", "0177.0.0.1", "017700000001",
    "127.0.0.1.", "0", "0x", "0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[fe80::1%25eth0]",
    "::1", "1.1.1.1", "[2606:4700::1111]", "allowed.example.1", "allowed.example.0x7f", "169.254.169.254",
]  # fmt: skip
TRICKS = [
    b"evil.example\x00.allowed.example:443", b"allowed.example\x00.evil.example:443", b"evil.example%00.allowed.example:443",
    b"allowed.example@evil.example:443", b"user:pass@allowed.example:443", b"allowed.example:443@evil.example:443",
    b"allowed.example#.evil.example:443", b"allowed.example?.evil.example:443", b"allowed.example/.evil.example:443",
    b"allowed.example\\.evil.example:443", b"allowed.example .evil.example:443", b"allowed.example\t:443",
    b"allowed.example\r.evil.example:443", b"allowed.example\n.evil.example:443", b"allowed%2eexample:443",
    b"https://allowed.example:443", b"//allowed.example:443", b"allowed.example:443:443", b"allowed.example::443",
    "allowed。example:443".encode(), "\u0430llowed.example:443".encode(), b"allowed.example\xad:443",
    b"allowed.example..:443", b".allowed.example:443", b"allowed..example:443", b"-allowed.example:443",
    b"*.example:443", b"allowed.example,evil.example:443", b"allowed.example;evil.example:443", b":443", b"", b"443",
    b"x" * 64 + b".example:443", b".".join([b"xxxxxxx"] * 40) + b":443",
]  # fmt: skip
PORTS = ["", "0", "22", "25", "53", "444", "8443", "65979", "000443443", "-443", "+443", "0x1bb", "443x", "4 43", "٤٤٣"]
PRIVATE = [
    "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1",
    "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
    "2001:0:7f00:1::", "2002:7f00:1::1", "2002:c0a8:101::", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%lo", "fec0::1",
    "ff02::1", "3fff::1", "2600::5efe:a00:1", "2a00:1450::200:5efe:7f00:1",
]  # fmt: skip


async def refused(place: Site, request: bytes) -> bytes:
    """Send a request that must go nowhere; nothing is looked up, dialled or unrecorded."""
    out = await place.say(request)
    assert out.split(b" ")[1][:1] in {b"4", b"5"}, out
    assert b"safe-agent: " in out
    assert (place.asked, place.reached) == ([], [])
    assert [one.allowed for one in place.sink.of(Connection)][-1:] == [False]
    return out


@pytest.mark.parametrize("host", LOOPBACK)
def test_an_address_is_refused_in_whatever_notation_even_if_policy_allows_everything(host: str) -> None:
    @in_loop
    async def scenario() -> None:
        bare = host.strip("[]").rstrip(".")
        async with site(allowed=(host, bare), names={host: ["127.0.0.1"], bare: ["127.0.0.1"]}) as place:
            for port in ("443", "80"):
                await refused(place, f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n".encode())

    scenario()


@pytest.mark.parametrize("authority", TRICKS)
def test_a_name_that_reads_as_two_is_refused(authority: bytes) -> None:
    @in_loop
    async def scenario() -> None:
        async with site() as place:
            await refused(place, b"CONNECT " + authority + b" HTTP/1.1\r\n\r\n")

    scenario()


@pytest.mark.parametrize("port", PORTS)
def test_no_port_is_served_that_policy_does_not_name(port: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with site() as place:
            await refused(place, f"CONNECT allowed.example:{port} HTTP/1.1\r\n\r\n".encode())

    scenario()


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_resolves_into_a_private_range_is_refused(address: str) -> None:
    assert not is_public(address)

    @in_loop
    async def scenario() -> None:
        for answer in ([address], ["1.1.1.1", address], [address, "1.1.1.1"]):
            async with site(names={"allowed.example": answer}, allow_private=False) as place:
                out = await place.connect("allowed.example:443", b"payload")
                assert out.startswith(b"HTTP/1.1 403 ")
                assert b"no public address" in out
                assert place.reached == []
                assert [one.allowed for one in place.sink.of(Connection)] == [True, False]

    scenario()


@in_loop
async def test_a_name_that_changes_its_address_is_dialled_where_it_was_checked() -> None:
    answers = itertools.chain([["93.184.215.14"]], itertools.repeat(["127.0.0.1"]))
    dialled: list[str] = []

    async def resolve(_host: str, _port: int) -> list[str]:
        return next(answers)

    async def dial(address: str, _port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        dialled.append(address)
        raise OSError

    async with site(allow_private=False) as place:
        place.proxy._way.resolve = resolve
        place.proxy._way.dial = dial
        assert b" 502 " in (await place.connect("allowed.example:443"))[:20]
        assert b" 403 " in (await place.connect("allowed.example:443"))[:20]
        assert dialled == ["93.184.215.14"]


@in_loop
async def test_a_denied_name_is_not_even_looked_up() -> None:
    async with site() as place:
        await refused(place, b"CONNECT c2VjcmV0.evil.example:443 HTTP/1.1\r\n\r\n")


@in_loop
async def test_a_secret_in_a_name_below_an_allowed_one_is_refused_and_not_logged() -> None:
    name = "hunter2hunter2.allowed.example"
    async with site(allowed=(name,), redact=lambda host: host.replace(b"hunter2hunter2", b"MASKED-X-1")) as place:
        await refused(place, f"CONNECT {name}:443 HTTP/1.1\r\n\r\n".encode())
        await refused(place, f"CONNECT user@{name}:443 HTTP/1.1\r\n\r\n".encode())
        assert "hunter2" not in repr(place.sink.events)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS", "TRACE", "HEAD", "connect", "CONNECT,GET", "PRI"])
def test_only_connect_is_served(method: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with site() as place:
            for target in ("http://allowed.example/", "/", "https://evil.example/x"):
                await refused(place, f"{method} {target} HTTP/1.1\r\nHost: allowed.example\r\n\r\n".encode())

    scenario()


@pytest.mark.parametrize(
    "head",
    [
        b"CONNECT allowed.example:443 HTTP/2.0\r\n\r\n",
        b"CONNECT  allowed.example:443 HTTP/1.1\r\n\r\n",
        b"CONNECT allowed.example:443\r\n\r\n",
        b"CONNECT allowed.example:443 HTTP/1.1\nX: y\r\n\r\n",
        b"CONNECT allowed.example:443 HTTP/1.1\r\nno header\r\n\r\n",
        b"CONNECT allowed.example:443 HTTP/1.1\r\nX: a\r\n folded\r\n\r\n",
        b"CONNECT allowed.example:443 HTTP/1.1\r\nX: a\x00b\r\n\r\n",
        b"CONNECT allowed.example:443 HTTP/1.1\r\nX: a\nCONNECT evil.example:443 HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_a_request_that_parsers_read_differently_is_refused(head: bytes) -> None:
    @in_loop
    async def scenario() -> None:
        async with site() as place:
            await refused(place, head)

    scenario()


@in_loop
async def test_the_host_header_decides_nothing() -> None:
    async with site() as place:
        await refused(place, b"CONNECT evil.example:443 HTTP/1.1\r\nHost: allowed.example:443\r\n\r\n")


@in_loop
async def test_a_relayed_connect_reaches_the_allowed_host_and_no_other() -> None:
    inner = b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    async with site() as place:
        out = await place.connect("allowed.example:443", inner)
        assert out.endswith(b"got " + inner)  # the allowed host got it as bytes, and it alone
        assert place.asked == ["allowed.example"]
        assert {one.host for one in place.sink.of(Connection)} == {"allowed.example"}


@in_loop
async def test_a_second_connect_behind_a_refused_one_is_not_read() -> None:
    async with site() as place:
        allowed = b"CONNECT allowed.example:443 HTTP/1.1\r\n\r\n"
        out = await refused(place, b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n" + allowed)
        assert out.count(b"HTTP/1.1 ") == 1


@in_loop
async def test_a_head_without_end_is_cut_off() -> None:
    async with site() as place:
        out = await place.say(b"CONNECT allowed.example:443 HTTP/1.1\r\n" + b"X: " + b"a" * 20_000 + b"\r\n\r\n")
        assert out.startswith(b"HTTP/1.1 431 ")
        assert place.reached == []
        assert place.connections()[-1][2] is False


@in_loop
async def test_a_client_that_sends_its_head_byte_by_byte_is_cut_off() -> None:
    async with site(timeouts=Timeouts(head=0.2)) as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        for byte in b"CONNECT ":
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.02)
        assert (await asyncio.wait_for(reader.read(-1), 2)).startswith(b"HTTP/1.1 408 ")
        writer.close()
        assert place.reached == []


@in_loop
async def test_connections_without_number_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress, "_MOST_TUNNELS", 5)
    async with site(timeouts=Timeouts(head=1)) as place:
        idle = [await asyncio.open_connection("127.0.0.1", place.port) for _ in range(5)]
        await asyncio.sleep(0.05)
        assert (await place.connect("allowed.example:443")).startswith(b"HTTP/1.1 503 ")
        for _, writer in idle:
            writer.close()
        await asyncio.sleep(0.05)
        assert b" 200 " in (await place.connect("allowed.example:443"))[:20]


@in_loop
async def test_every_tunnelled_byte_has_a_record_that_came_first() -> None:
    async with site() as place:
        for _ in range(3):
            await place.connect("allowed.example:443", b"12345")
        await place.connect("evil.example:443", b"12345")
        await asyncio.sleep(0.02)
        assert place.connections() == [("allowed.example", 443, True)] * 6 + [("evil.example", 443, False)]
        assert sum(one.sent for one in place.sink.of(Connection)) == 15


def test_the_limits_of_the_proxy_are_stated_where_its_rules_stand() -> None:
    text = Path(egress.__file__).read_text().split('"""')[1]
    assert "is itself a proxy" in " ".join(text.split())
    assert "serves others by name" in " ".join(text.split())


@pytest.mark.parametrize("address", ["10.0.0.1", "172.16.5.5", "192.168.1.1", "100.64.0.1", "fd12:3456::1"])
def test_a_host_that_policy_has_as_ones_own_may_have_an_address_of_ones_own(address: str) -> None:
    @in_loop
    async def scenario() -> None:
        own = {"internal": ["mirror.corp:8443"], "allowed": ["mirror.corp:8443", "mirror.corp"]}
        async with site(names={"mirror.corp": [address]}, allow_private=False, **own) as place:  # type: ignore[arg-type]
            dialled = _noting(place)
            assert b" 502 " in (await place.connect("mirror.corp:8443"))[:20]
            assert dialled == [address]
            assert b" 403 " in (await place.connect("mirror.corp:443"))[:20]  # named with its port only
            assert dialled == [address]

    scenario()


@pytest.mark.parametrize(
    "address",
    [*(one for one in PRIVATE if not is_private(one)), "100.100.100.200", "fd00:ec2::254", "fd20:ce::254",
     "fd00:c1::a9fe:a9fe", "fd00:42::42", "fd00:a9fe:a9fe::1", "100.100.100.100", "fd7a:115c:a1e0::53",
     "168.63.129.16", "::ffff:10.0.0.1", "2002:a00:1::", "64:ff9b::a00:1", "fc00::1%eth0"],
)  # fmt: skip
def test_not_even_such_a_host_leads_to_this_machine_or_to_a_clouds_credentials(address: str) -> None:
    @in_loop
    async def scenario() -> None:
        for answer in ([address], ["10.0.0.1", address], [address, "1.1.1.1"]):
            async with site(
                names={"allowed.example": answer}, internal=["allowed.example:443"], allow_private=False
            ) as place:
                dialled = _noting(place)
                assert (await place.connect("allowed.example:443")).startswith(b"HTTP/1.1 403 ")
                assert dialled == []

    scenario()


@in_loop
async def test_a_public_address_of_this_machine_is_for_hosts_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What listens on all addresses of a machine in a cloud is reached by its public one as by loopback."""
    assert is_this_machine("127.0.0.1")
    assert not is_this_machine("198.51.100.7")
    monkeypatch.setattr(wayout, "is_this_machine", lambda one: one == "1.1.1.1")
    names = {"evil.example": ["1.0.0.1", "1.1.1.1"], "own.example": ["1.1.1.1"], "open.example": ["1.0.0.1"]}
    async with site(names=names, internal=["own.example:443"], allowed=[*names], allow_private=False) as place:
        dialled = _noting(place)
        answer = await place.connect("evil.example:443")
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"which is this machine" in answer
        assert dialled == []
        await place.connect("own.example:443")
        await place.connect("open.example:443")
        assert dialled == ["1.1.1.1", "1.0.0.1"]


@in_loop
async def test_a_public_host_that_changes_to_a_private_address_is_refused_beside_one_that_may() -> None:
    names = {"allowed.example": ["10.0.0.1"], "mirror.corp": ["10.0.0.1"]}
    allowed = ["allowed.example", "mirror.corp"]
    async with site(names=names, allowed=allowed, internal=["mirror.corp:443"], allow_private=False) as place:
        dialled = _noting(place)
        assert b" 403 " in (await place.connect("allowed.example:443"))[:20]
        assert dialled == []
        await place.connect("mirror.corp:443")
        assert dialled == ["10.0.0.1"]


def _noting(place: Site) -> list[str]:
    """Have the proxy's dials noted, and fail."""
    dialled: list[str] = []

    async def dial(address: str, _port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        dialled.append(address)
        raise OSError

    place.proxy._way.dial = dial
    return dialled
