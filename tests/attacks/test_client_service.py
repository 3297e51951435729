"""What clients that run outside do with files that an agent writes into their folders."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.codex import FREE, trust
from tests.clients.scene import asking_shell, write_json
from tests.fakes.provider import FaultyProvider
from tests.machine import Machine, fake

pytestmark = pytest.mark.timeout(120)

_FOLDERS = ("daemon/dispatch", "jobs", "session-env", "sessions", "shell-snapshots")


def job(machine: Machine, short: str, mark: Path) -> str:
    """Give what asks the service to run a program."""
    run = {"mode": "exec", "cmd": "/bin/sh", "args": ["-c", f"id > {mark}"]}
    asked = {"proto": 1, "short": short, "sessionId": str(uuid.uuid4()), "createdAt": int(time.time() * 1000)}
    return json.dumps(asked | {"source": "shell", "cwd": str(machine.workspace), "launch": run})


@pytest.fixture
def served(machine: Machine) -> Iterator[Machine]:
    """A machine on which the bare client has its service running."""
    key = machine.environ["ANTHROPIC_API_KEY"] = fake("sk" + "-ant-api03-", 88)
    state = {
        "hasCompletedOnboarding": True,
        "customApiKeyResponses": {"approved": [key[-20:]], "rejected": []},
        "projects": {str(machine.workspace): {"hasTrustDialogAccepted": True}},
    }
    write_json(machine.home / ".claude.json", state)
    with FaultyProvider(asking_shell("true")) as provider:
        machine.environ |= {"ANTHROPIC_BASE_URL": provider.url, "HTTPS_PROXY": provider.url, "NO_PROXY": "127.0.0.1"}
        machine.host("claude", "--bg", "wait", check=True)
        try:
            yield machine
        finally:
            machine.host("claude", "daemon", "stop", "--any")


def came(mark: Path, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not mark.exists() and time.monotonic() < until:
        time.sleep(0.1)
    return mark.exists()


def test_it_runs_nothing_for_an_agent_that_leaves_it_a_job(served: Machine) -> None:
    """Promise 2: what the service starts has the user's files, environment and network."""
    inside, outside = served.workspace / "by-the-agent", served.home / "by-the-user"
    orders = served.home / ".claude" / "daemon" / "dispatch"
    evil = job(served, "deadbeef", inside)
    writes = "; ".join(f"mkdir -p ~/.claude/{name}; echo evil > ~/.claude/{name}/evil.json" for name in _FOLDERS)
    tries = (
        writes,
        f"echo '{evil}' > ~/.claude/daemon/dispatch/deadbeef.json",
        'echo \'{"remoteControl": [{"dir": "/"}]}\' > ~/.claude/daemon.json',
        "for d in daemon jobs shell-snapshots daemon.json; do mv ~/.claude/$d ~/.claude/moved; rm -rf ~/.claude/$d; done",
        "rmdir ~/.claude/daemon; umount ~/.claude/daemon; mv ~/.claude ~/.other",
        "ls ~/.claude/daemon ~/.claude/sessions; echo tried",
    )
    with FaultyProvider(asking_shell("; ".join(tries))) as provider:
        served.environ["ANTHROPIC_BASE_URL"] = provider.url
        result = served.host("safe-claude", "-p", "go", "--allowedTools", "Bash")
        assert result.stdout == "All done.\n", result.stderr
        assert "tried" in provider.said()
        assert "roster.json" not in provider.said()
    assert not came(inside, 3)
    assert list((served.home / ".claude").rglob("evil.json")) == []
    assert json.loads((served.home / ".claude/daemon.json").read_bytes()) == {}

    (orders / "0badcafe.json").write_text(job(served, "0badcafe", outside))
    assert came(outside, 60), "the control: it does run what stands there"


def test_shells_of_a_bare_codex_run_nothing_that_an_agent_writes(machine: Machine) -> None:
    """Promise 2: it runs a snapshot of the shell before each command, and finds its own tools by a folder in PATH."""
    write_json(machine.home / ".codex" / "auth.json", {"OPENAI_API_KEY": fake("sk" + "-proj-", 80)})
    folder = machine.home / ".codex"
    held = {
        "shell_snapshots/live.1.sh": "# Snapshot file\n",
        "tmp/arg0-linux/codex-arg0live/apply_patch": "#!/bin/sh\n",
    }
    for name, text in held.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    tries = (
        "for f in $(find ~/.codex/shell_snapshots ~/.codex/tmp -name '*live*'); do echo evil > $f; done",
        f"cd ~/.codex; for f in {' '.join(held)}; do mkdir -p $(dirname $f); echo evil > $f; ln -sf /tmp/evil $f; done",
        "mv tmp moved; rm -rf shell_snapshots; umount tmp; echo evil > shell_snapshots/evil.sh; ls shell_snapshots; echo tried",
    )
    with FaultyProvider(asking_shell("; ".join(tries))) as provider:
        machine.environ["OPENAI_BASE_URL"] = f"{provider.url}/v1"
        trust(machine)
        result = machine.host("safe-codex", "exec", FREE, "go")
        assert result.stdout == "All done.\n", result.stderr
        assert "tried" in provider.said()
    assert {name: (folder / name).read_text() for name in held} == held
    assert not any((folder / name).is_symlink() for name in held)
    assert list(folder.rglob("evil.sh")) == []


def test_a_link_in_its_place_is_refused(machine: Machine) -> None:
    """Promise 2: it would lead what is shown, or what is made there, to another place."""
    folder = machine.home / ".claude"
    folder.mkdir(mode=0o700)
    (folder / "daemon.json").symlink_to(machine.home / ".ssh/id_ed25519")
    result = machine.host("safe-claude", "-p", "go")
    assert result.returncode == 125
    assert "daemon.json` is a link" in result.stderr
