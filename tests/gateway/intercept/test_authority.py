"""The authority of a session: for the hosts of policy only, and nowhere but in memory."""

import asyncio
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from wrapper.gateway.intercept.authority import Authority

HOSTS = ("api.github.com", "*.example.org", "db.example.net:8443")


def client(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def handshake(authority: Authority, host: str) -> str:
    """Shake hands as a server that is `host`; give the protocol, or what the client says against it."""

    async def run() -> str:
        async def served(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=authority.context(host))
        port = server.sockets[0].getsockname()[1]
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client(authority), server_hostname=host)
            spoken = writer.get_extra_info("ssl_object").selected_alpn_protocol()
            writer.close()
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        finally:
            server.close()
        return str(spoken)

    return asyncio.run(run())


@pytest.mark.parametrize("host", ["api.github.com", "a.b.example.org", "db.example.net"])
def test_a_strict_client_takes_a_certificate_for_a_host_of_policy(host: str) -> None:
    assert handshake(Authority(HOSTS), host) == "h2"


@pytest.mark.parametrize("host", ["example.com", "github.com", "evilexample.org", "api.anthropic.com"])
def test_a_certificate_for_another_host_is_worth_nothing(host: str) -> None:
    assert handshake(Authority(HOSTS), host) == "permitted subtree violation"


def test_an_authority_for_every_host_is_bound_to_none() -> None:
    assert handshake(Authority(("*",)), "anything.example") == "h2"


def test_sessions_do_not_trust_each_other() -> None:
    one, other = Authority(HOSTS), Authority(HOSTS)
    context = client(one)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = context.wrap_bio(incoming, outgoing, server_hostname="api.github.com")
    theirs = other.context("api.github.com").wrap_bio(outgoing, incoming, server_side=True)
    with pytest.raises(ssl.SSLCertVerificationError):
        for _ in range(4):
            for side in (ours, theirs):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue


def test_it_is_for_a_short_time() -> None:
    now = [1_800_000_000.0]
    authority = Authority(HOSTS, clock=lambda: now[0])
    certificate = x509.load_pem_x509_certificate(authority.certificate)
    life = certificate.not_valid_after_utc.timestamp() - now[0]
    assert 0 < life <= 31 * 86400
    first = authority.context("api.github.com")
    assert authority.context("api.github.com") is first
    now[0] += 13 * 3600
    assert authority.context("api.github.com") is not first


def test_no_key_is_ever_a_file(tmp_path: Path) -> None:
    """Promise 2: strace sees every file that is opened for writing; the one that holds the key has no name."""
    log = tmp_path / "calls"
    script = "from wrapper.gateway.intercept.authority import Authority; Authority(('a.example',)).context('a.example')"
    subprocess.run(
        [
            "strace",
            "-f",
            "-e",
            "trace=openat,open,creat,memfd_create",
            "-o",
            str(log),
            sys.executable,
            "-B",
            "-c",
            script,
        ],
        check=True,
        cwd=Path(__file__).parents[3],
        env={"PATH": os.environ["PATH"]},
    )
    calls = log.read_text().splitlines()
    assert any("memfd_create" in call for call in calls)  # the control: strace sees it being made
    assert not [call for call in calls if "O_WRONLY" in call or "O_RDWR" in call or "O_CREAT" in call]


def test_its_representation_tells_nothing() -> None:
    assert "PRIVATE" not in repr(Authority(HOSTS))
    assert "PRIVATE" not in repr(vars(Authority(HOSTS)))


def test_it_vouches_for_no_address() -> None:
    """A constraint to names alone leaves every address to whoever has the key (RFC 5280, 4.2.1.10)."""
    certificate = x509.load_pem_x509_certificate(Authority(HOSTS).certificate)
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    excluded = {str(one.value) for one in constraints.excluded_subtrees or ()}
    assert excluded == {"0.0.0.0/0", "::/0"}


def test_hosts_that_the_inside_makes_up_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wrapper.gateway.intercept.authority._MOST_KEPT", 2)
    authority = Authority(HOSTS)
    first, second, _ = (authority.context(f"{name}.example.org") for name in "abc")
    assert authority.context("b.example.org") is second
    assert authority.context("a.example.org") is not first
