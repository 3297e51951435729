"""What the user types is in the log only where policy asks for it, and a password never."""

import json

import pexpect
import pytest

from tests.machine import Machine

_SCRIPT = "read shown; stty -echo; echo ready; read hidden; stty echo; echo over"


def _typed(machine: Machine) -> str:
    child = pexpect.spawn(
        str(machine.environ["PATH"].split(":")[0]) + "/safe-agent",
        ["exec", "--", "sh", "-c", _SCRIPT],
        env=machine.environ,
        cwd=str(machine.workspace),
        timeout=30,
    )
    child.expect("log ")
    child.sendline("words for all")
    child.expect("ready")
    child.sendline("words for nobody")
    child.expect("over")
    child.expect(pexpect.EOF)
    child.close()
    events = [json.loads(line) for line in machine.log().splitlines()]
    return "".join(str(event) for event in events if event.get("type") == "typed")


@pytest.mark.parametrize("wanted", [False, True])
def test_typed_lines_are_recorded_where_policy_asks_and_passwords_never(machine: Machine, wanted: bool) -> None:  # noqa: FBT001
    if wanted:
        policy = machine.home / ".config/safe-agent/policy.toml"
        policy.write_text("version = 1\n[audit]\nkeystrokes = true\n")
    typed = _typed(machine)
    assert ("words for all" in typed) is wanted
    assert "words for nobody" not in typed
