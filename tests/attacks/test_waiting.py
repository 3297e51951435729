"""Attacks on promises 1 and 4: a host that nobody allowed, reached by way of the user's answer to what waits."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.company import CompanyProxy
from tests.machine import Machine
from tests.session.asking import InTerminal, events, set_policy
from tests.session.hosts import reachable

pytestmark = pytest.mark.timeout(120)

POLICY = """
version = 1
[network]
deny = ["denied.example"]
unknown = "wait"
wait_seconds = 30
"""
# What the inside can try by itself; it says what it found, then asks for a host and waits.
INSIDE = r"""
import os, socket, subprocess, sys
state, port = sys.argv[1], 41198
def say(*words): print(*words, flush=True)
for path in (state, os.path.dirname(state)):
    say("state", os.path.exists(path))
sockets = [os.path.join(folder, name) for top in ("/run", "/tmp", "/var", os.path.expanduser("~"), "/dev")
           for folder, _, names in os.walk(top) for name in names
           if name == "allow" or (os.path.exists(os.path.join(folder, name)) and os.stat(os.path.join(folder, name)).st_mode & 0o170000 == 0o140000)]
say("sockets", sockets)
say("unix", [line for line in open("/proc/net/unix").read().splitlines()[1:] if "allow" in line])
try:
    say("command", subprocess.run([sys.argv[2], "allow", "new.example"], capture_output=True).returncode)
except OSError:
    say("command absent")
def proxy():
    return socket.create_connection(("127.0.0.1", port))
def connect(host):
    one = proxy()
    one.sendall(b"CONNECT " + host + b":443 HTTP/1.1\r\n\r\n")
    return one, one.recv(4096)
with proxy() as one:
    one.sendall(b"\x05\x01\x00")
    say("socks", one.recv(99))
say("denied", connect(b"denied.example")[1][:12])
try:
    socket.create_connection(("192.0.2.1", 443), timeout=1)
    say("direct reached")
except OSError:
    say("direct refused")
say("asking")
one, said = connect(b"new.example")
say("new", said[:12])
one.sendall(b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n")
say("within", one.recv(99)[:2])
say("other", connect(b"other.example")[1][:12])
say("over")
"""


@pytest.fixture
def company(machine: Machine) -> Iterator[CompanyProxy]:
    with reachable(machine, "new.example", "other.example", "evil.example", "denied.example") as proxy:
        yield proxy


def test_the_inside_cannot_answer_for_the_user_nor_use_an_answer_for_another_host(
    machine: Machine, company: CompanyProxy
) -> None:
    """Promises 1 and 4: the socket is not there, what is denied is not held, and one host's answer is one host's."""
    set_policy(machine, POLICY)
    (machine.workspace / "try.py").write_text(INSIDE)
    state = machine.home / ".local/state/safe-agent"
    command = Path(machine.host("sh", "-c", "command -v safe-agent", check=True).stdout.strip())
    session = InTerminal(machine, "python3", "try.py", str(state), str(command))
    session.child.expect_exact("asking")
    before = session.child.before
    assert isinstance(before, bytes)
    tried = before.decode()
    assert "state True" not in tried
    assert tried.count("state False") == 2
    assert "sockets []" in tried
    assert "unix []" in tried
    assert "command 0" not in tried
    assert r"socks b'\x05\xff'" in tried
    assert "denied b'HTTP/1.1 403'" in tried
    assert "direct refused" in tried
    [running] = machine.sessions()
    assert (running / "allow").is_socket()  # the control: there is one, outside
    waiting = ""
    while not waiting:
        waiting = machine.host("safe-agent", "allow", check=True).stdout
        time.sleep(0.05)
    assert waiting.startswith("new.example:443  for ")
    denied = machine.host("safe-agent", "allow", "denied.example", "--once")
    assert (denied.returncode, 'is denied by deny "denied.example"' in denied.stderr) == (125, True)
    machine.host("safe-agent", "allow", "new.example", "--once", check=True)
    session.child.expect_exact("new b'HTTP/1.1 200'")
    session.child.expect(r"within b'(\\x15\\x03|)'")
    while "other.example" not in machine.host("safe-agent", "allow", check=True).stdout:
        time.sleep(0.05)
    session.child.sendintr()
    shown = session.ended()
    assert "over" not in shown
    assert [head.split(b" ")[1] for head in company.heads] == [b"new.example:443"]
    decided = [(one["rule"], one["action"], one["by"]) for one in events(machine, "judged")]
    assert decided == [("new.example", "allowed", "user")]
    made = [(one["host"], one["allowed"]) for one in events(machine, "connection")]
    assert made.count(("denied.example", False)) == 1
    assert ("other.example", False) in made
    assert ("new.example", False) in made  # what was said in the tunnel was not TLS for it
    assert not (running / "allow").exists()
