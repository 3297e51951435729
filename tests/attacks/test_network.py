"""Ways out over the network that are not the gateway or the proxy."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.machine import Machine

_TRY = r"""
import socket, sys
def attempt(what, work):
    try: print(what, "reached", work())
    except OSError as error: print(what, "refused", error.errno)
def tcp(host, port):
    one = socket.create_connection((host, port), timeout=2)
    return one.recv(99)
def udp(host, port):
    one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    one.settimeout(1)
    one.connect((host, port))
    one.send(b"hello")
    return one.recv(99)
port = int(sys.argv[1])
for host in ("127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", *sys.argv[2:]):
    attempt(f"tcp {host}", lambda: tcp(host, port))
    attempt(f"udp {host}", lambda: udp(host, port))
for host in ("192.0.2.1", "10.0.0.1", "169.254.169.254", "8.8.8.8", "2001:db8::1"):
    attempt(f"tcp {host}", lambda: tcp(host, 80))
    attempt(f"udp {host}", lambda: udp(host, 53))
for name in ("example.com", "secret-value.example.com"):
    attempt(f"name {name}", lambda: socket.getaddrinfo(name, 80))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
"""


@pytest.fixture
def service() -> Iterator[int]:
    """A service of the user's on this machine, on all its addresses."""
    listening = socket.create_server(("", 0))
    port = listening.getsockname()[1]
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("", port))

    def stream() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.send(b"a service of the host")
            connection.close()

    def answer() -> None:
        while True:
            try:
                _, address = datagrams.recvfrom(99)
            except OSError:
                return
            if address is None:
                return
            datagrams.sendto(b"a service of the host", address)

    for work in (stream, answer):
        threading.Thread(target=work, daemon=True).start()
    yield port
    for opened in (listening, datagrams):
        with contextlib.suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)
        opened.close()


def addresses() -> list[str]:
    """Give this machine's own addresses."""
    found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    return sorted({str(one[4][0]) for one in found})


def test_nothing_is_reached_but_the_gateway_and_the_proxy(anyones: Machine, service: int) -> None:
    """Promise 1: no TCP, UDP, DNS or raw socket leaves; the host's services, also on loopback, are out of reach."""
    seen = anyones.seen(f"RES_OPTIONS='timeout:1 attempts:1' python3 -c '{_TRY}' {service} {' '.join(addresses())}")
    assert "reached" not in seen
    assert seen.count("refused") >= 22


def test_the_hosts_ports_are_not_even_listed(machine: Machine, service: int) -> None:
    """Promise 2: what the user runs is nobody's business."""
    seen = machine.seen(
        "cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/unix; ls /sys/class/net; cat /proc/net/dev"
    )
    assert f"{service:04X}" not in seen
    assert "A0ED" in seen  # the gateway's, port 41197
    assert "eth" not in seen
    assert "@/" not in seen


def test_a_client_that_forgets_the_proxy_reaches_nobody(machine: Machine, service: int) -> None:
    """Promise 1: the proxy is the way out because there is no other, not because variables say so."""
    bare = "env -u HTTP_PROXY -u HTTPS_PROXY -u ALL_PROXY -u http_proxy -u https_proxy -u all_proxy -u NO_PROXY -u no_proxy"
    done = machine.inside(
        f"{bare} curl -sS -m 3 http://127.0.0.1:{service}/; {bare} curl -sS -m 3 http://localhost:{service}/; "
        f"curl -sS -m 3 --noproxy '*' http://example.com/; curl -sS -m 3 -x http://127.0.0.1:{service} http://example.com/"
    )
    assert done.stdout == ""
    assert done.stderr.count("curl: (") == 4


def test_the_proxy_refuses_the_hosts_loopback_whatever_it_is_called(machine: Machine, service: int) -> None:
    """Promise 1: the proxy stands outside, where loopback is the user's; every refusal is on record."""
    names = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "127.1", "2130706433", "0x7f000001", *addresses()]  # noqa: S104 (nothing is bound here)
    commands = "; ".join(f"curl -sS -m 5 -p -o /dev/null http://{name}:{service}/" for name in names)
    done = machine.inside(f"export NO_PROXY= no_proxy=; {commands}")
    assert done.stderr.count("curl: (") == len(names), done.stderr
    log = machine.log()
    assert log.count('"type": "connection"') >= len(names)
    assert '"allowed": true' not in log


def test_a_service_of_the_host_is_reached_only_where_policy_forwards_it(machine: Machine, service: int) -> None:
    """Promise 1: `network.loopback` opens one port and no other."""
    folder = machine.home / ".config/safe-agent"
    (folder / "policy.toml").write_text(f"version = 1\n[network]\nloopback = [{service}]\n")
    seen = machine.seen(f"RES_OPTIONS='timeout:1 attempts:1' python3 -c '{_TRY}' {service}")
    assert "tcp 127.0.0.1 reached b'a service of the host'" in seen
    assert seen.count("reached") <= 3  # 0.0.0.0 and 127.0.0.1 are one and the same
    assert "udp" not in [line.split()[0] for line in seen.splitlines() if "reached" in line]


def test_inside_has_a_loopback_of_its_own(machine: Machine) -> None:
    """What a developer runs inside is reached inside, by name too."""
    serve = "python3 -m http.server 8123 --bind 127.0.0.1 >/dev/null 2>&1 & sleep 1"
    assert "app.py" in machine.seen(f"{serve}; curl -s http://localhost:8123/; getent hosts localhost")
