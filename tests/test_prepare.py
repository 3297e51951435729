"""What is worked out before a session starts: the client's own files, also those that are made later."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from redactors.vault import Origin
from tests.machine import Machine, fake
from wrapper.disguises import ClientState, Fixed
from wrapper.look import Looked, look, make_state
from wrapper.prepare import Prepared, prepare
from wrapper.wishes import Wishes

Ready = Callable[[str], Prepared]


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine.make()
    for client in ("claude", "codex"):
        program = made.home / ".local/bin" / client
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    made.environ["PATH"] = f"{made.home}/.local/bin:/usr/bin:/bin"
    yield made
    made.remove()


@pytest.fixture
def ready(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Ready:
    def make(client: str) -> Prepared:
        monkeypatch.chdir(machine.workspace)
        looked: Looked = look(Wishes(client, ()), machine.environ)
        make_state(looked)
        return prepare(looked)

    return make


def claude_login(access: str) -> str:
    oauth = {"accessToken": access, "refreshToken": fake("refresh-"), "expiresAt": 4e12, "scopes": []}
    return json.dumps({"claudeAiOauth": oauth})


def shown(prepared: Prepared, file: Path) -> bytes:
    disguise = prepared.judged(str(file))
    assert disguise is not None
    return disguise.mask(file.read_bytes()) or b""


def test_a_login_is_covered_before_the_client_starts(machine: Machine, ready: Ready) -> None:
    file, access = machine.home / ".claude/.credentials.json", fake("access-")
    file.parent.mkdir()
    file.write_text(claude_login(access))
    prepared = ready("claude")
    assert isinstance(prepared.early[str(file)], Fixed)
    assert file in prepared.state_files
    assert access.encode() not in shown(prepared, file)
    assert [one.path for one in prepared.plan.covered].count(str(file)) == 1


def test_a_login_that_is_made_during_the_session_is_covered_before(machine: Machine, ready: Ready) -> None:
    """Promise 2: a login comes to stand there, of this session or of the bare client outside."""
    prepared = ready("claude")
    file, access = machine.home / ".claude/.credentials.json", fake("access-")
    assert isinstance(prepared.early[str(file)], Fixed)
    assert file in prepared.state_files
    file.write_text(claude_login(access))
    assert isinstance(prepared.judged(str(file)), Fixed)
    assert b"MASKED-" in shown(prepared, file)
    assert access.encode() not in shown(prepared, file)


def test_another_secret_in_the_place_of_a_login_is_sent_to_nobody(machine: Machine, ready: Ready) -> None:
    """Promise 1: the inside writes a placeholder there, and what stands in the real file then is the value."""
    prepared = ready("claude")
    state, secret, own = machine.home / ".claude.json", fake("gh" + "p_", 36), fake("sk" + "-ant-api03-", 80)
    prepared.looked.vault.issue("GITHUB-TOKEN", secret.encode(), Origin.OUTSIDE)
    for value, headers in ((secret, {}), (own, {"x-api-key": own})):
        state.write_text(json.dumps({"primaryApiKey": value}))
        credential = prepared.login.identity()
        assert credential is not None
        assert credential.headers == headers


def test_logins_of_other_servers_are_masked_whole(machine: Machine, ready: Ready) -> None:
    """Codex keeps those of MCP servers in a file of their own; nothing tells such a token from any other text."""
    prepared = ready("codex")
    file, token = machine.home / ".codex/.credentials.json", fake("", 30)
    file.write_text(
        json.dumps({"server|1": {"server_name": "docs", "access_token": token, "refresh_token": token[::-1]}})
    )
    assert isinstance(prepared.judged(str(file)), ClientState)
    inside = shown(prepared, file)
    assert token.encode() not in inside
    assert token[::-1].encode() not in inside
    disguise = prepared.judged(str(file))
    assert disguise is not None
    assert disguise.restore(inside) == file.read_bytes()


def test_settings_without_secrets_are_not_covered(machine: Machine, ready: Ready) -> None:
    """A covered file cannot be replaced inside, and clients save that way."""
    file = machine.home / ".claude/settings.json"
    file.parent.mkdir()
    file.write_text('{"theme": "dark"}')
    prepared = ready("claude")
    assert str(file) not in prepared.early
    assert shown(prepared, file) == file.read_bytes()
