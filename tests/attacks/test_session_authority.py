"""The authority by which hosts are intercepted: nothing of it may be of use to the inside, or outlive the session."""

import json
from pathlib import Path

import pytest

from tests.fakes.company import Authority
from tests.machine import Machine

POLICY = """version = 1
[[secrets]]
name = "api"
from = "env:API_TOKEN"
hosts = ["api.example"]
"""
SEARCH = """
echo "folder: $(ls /run/safe-agent | tr '\\n' ' ')"
echo 'BEGIN PRIV''ATE KEY' > /tmp/control
echo "keys: $(grep -rlas -e 'PRIVATE[ ]KEY' /run /tmp /etc /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null)"
for file in /run/safe-agent/*; do echo x > $file && echo "wrote $file"; done 2>/dev/null
touch /run/safe-agent/new 2>/dev/null && echo 'made a file'
rm -f /run/safe-agent/authorities.pem 2>/dev/null && echo 'removed it'
mv /run/safe-agent /run/other 2>/dev/null && echo 'moved it'
echo "count: $(grep -c BEGIN /run/safe-agent/more-authorities.pem)"
env | grep -c /run/safe-agent/
"""


@pytest.fixture
def bound(anyones: Machine) -> Machine:
    (anyones.home / ".config/safe-agent/policy.toml").write_text(POLICY)
    anyones.environ["API_TOKEN"] = anyones.planted["odd"]
    # a company's authority, in a file that is inside by itself
    Authority(anyones.workspace)
    anyones.environ["NODE_EXTRA_CA_CERTS"] = str(anyones.workspace / "company-ca.pem")
    anyones.give()
    return anyones


def test_the_inside_has_the_certificate_and_can_change_nothing_of_it(bound: Machine) -> None:
    """Promise 2: the key that signs for hosts is nowhere inside, and what programs trust cannot be changed there."""
    seen = bound.seen(SEARCH)
    lines = dict(line.partition(": ")[::2] for line in seen.splitlines())
    assert "authorities.pem" in lines["folder"]
    assert "more-authorities.pem" in lines["folder"]
    assert lines["keys"] == "/tmp/control"
    assert lines["count"] == "2"  # the session's, and the company's
    assert not [line for line in lines if line.startswith(("wrote", "made", "removed", "moved"))], seen
    assert int(seen.splitlines()[-1]) >= 9  # variables


def test_nothing_of_it_is_left_when_the_session_has_ended(bound: Machine) -> None:
    """Promise 2: neither the certificate nor the folder stays, and the host itself never trusts it."""
    assert bound.inside("cat /run/safe-agent/more-authorities.pem").stdout.count("BEGIN CERTIFICATE") == 2
    left = [path for path in Path(bound.home).rglob("*") if "authorities" in path.name]
    assert left == []
    assert not (bound.sessions()[0] / "inside").exists()


def test_a_session_that_binds_nothing_changes_nothing_of_what_programs_trust(anyones: Machine) -> None:
    seen = anyones.seen("ls /run/safe-agent; env | grep -c -e CA_BUNDLE -e SSL_CERT; true")
    assert "No such file" in seen
    assert seen.splitlines()[-1] == "0"


def test_the_log_tells_of_the_secret_but_not_what_it_is(bound: Machine) -> None:
    bound.inside("true").check_returncode()
    log = bound.log()
    start = json.loads(log.splitlines()[0])
    assert "API_TOKEN" in json.dumps(start)
    assert bound.leaks(log) == []
