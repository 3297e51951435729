"""A session holds what no rule names and asks: at its own terminal, and it hears another one."""

import pytest

from tests.machine import Machine
from tests.session.asking import InTerminal, events, set_policy
from tests.session.hosts import reachable

pytestmark = pytest.mark.timeout(120)

CURL = "curl -s -o /dev/null -w '%{http_connect} '"
HOSTS = ("once.example", "always.example", "elsewhere.example", "no.example")


def test_the_user_answers_at_the_sessions_terminal_or_at_another_one(machine: Machine) -> None:
    set_policy(machine, 'version = 1\n[network]\nunknown = "ask"\nwait_seconds = 60\n')
    asks = "; ".join(f"{CURL} https://{host}/" for host in (*HOSTS, "once.example", "no.example"))
    with reachable(machine, *HOSTS) as proxy:
        session = InTerminal(machine, "sh", "-c", f"{asks}; echo over")
        assert "may the client connect to `once.example:443`?" in session.asked()
        session.child.send("o\r")
        assert "`always.example:443`" in session.asked()
        session.child.send("a\r")
        assert "`elsewhere.example:443`" in session.asked()
        machine.host("safe-agent", "allow", "elsewhere.example", "--once", check=True)
        assert "`no.example:443`" in session.asked()
        session.child.send("\x1b")
        shown = session.ended()
        reached = [head.split(b" ")[1].decode() for head in proxy.heads]
    assert "200 403 over" in shown.replace("\r\n", "")
    assert "refused: no.example" in shown
    assert reached == ["once.example:443", "always.example:443", "elsewhere.example:443", "once.example:443"]
    allowed = (machine.home / ".config/safe-agent/allowed.toml").read_text()
    assert '"always.example",' in allowed
    assert all(host not in allowed for host in ("once.example", "elsewhere.example", "no.example"))
    judged = [(one["rule"], one["action"], one["by"]) for one in events(machine, "judged")]
    assert judged == [
        ("once.example:443", "allowed", "user"),
        ("always.example:443", "allowed", "user"),
        ("elsewhere.example", "allowed", "user"),
        ("no.example:443", "denied", "user"),
    ]


def test_where_nobody_sits_nothing_waits(machine: Machine) -> None:
    set_policy(machine, 'version = 1\n[network]\nunknown = "wait"\nwait_seconds = 3000\n')
    done = machine.inside(f"{CURL} https://new.example/")  # waiting for so long would time the test out
    assert done.stdout == "403 "
    assert events(machine, "judged") == []
    assert not list(machine.sessions()[-1].glob("allow"))
