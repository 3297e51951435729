"""The real clients log in, renew and log out inside: the tokens stay outside, and the bare client has them afterwards."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.clients.codex import FREE, trust
from tests.clients.logins import STATE, Place, place
from tests.clients.scene import saying, write_json
from tests.clients.screen import Screen
from tests.fakes.provider import FaultyProvider
from tests.machine import Machine

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def there(machine: Machine) -> Iterator[Place]:
    with place(machine) as made:
        yield made


@pytest.fixture
def provider() -> Iterator[FaultyProvider]:
    with FaultyProvider(saying("One.")) as started:
        yield started


def bearers(provider: FaultyProvider) -> list[str]:
    return [one.headers["authorization"].removeprefix("Bearer ") for one in provider.model_requests()]


def test_codex_logs_in_by_a_code_and_out_again(there: Place, provider: FaultyProvider) -> None:
    machine, server = there.machine, there.server
    trust(machine, f'openai_base_url = "{provider.url}/backend-api/codex"')
    shown = machine.host("safe-codex", "login")
    assert shown.returncode == 0, shown.stderr
    assert "ABCD-12345" in shown.stdout
    assert there.codex.stat().st_mode & 0o777 == 0o600
    tokens = json.loads(there.codex.read_text())["tokens"]
    assert tokens["access_token"] in server.access
    assert tokens["refresh_token"] in server.valid
    assert tokens["id_token"] in server.issued

    used = machine.host("safe-codex", "exec", FREE, "go")
    assert used.stdout == "One.\n", used.stderr
    assert set(bearers(provider)) == {tokens["access_token"]}
    there.assert_nothing_got_in(shown.stdout, shown.stderr, used.stdout, used.stderr)

    login = there.codex.read_bytes()
    left = machine.host("safe-codex", "logout")
    assert "Successfully logged out" in left.stderr
    assert server.revoked == [tokens["refresh_token"]]
    assert not there.codex.exists()

    there.codex.write_bytes(login)
    assert "Logged in using ChatGPT" in machine.host("codex", "login", "status").stderr
    machine.host("codex", "logout").check_returncode()
    assert server.revoked == [tokens["refresh_token"]] * 2, "the bare client has the real one"


def test_claude_logs_in_by_a_command_and_out_again(there: Place, provider: FaultyProvider) -> None:
    machine, server = there.machine, there.server
    shown = there.log_in("safe-claude", "auth", "login")
    oauth = json.loads(there.claude.read_text())["claudeAiOauth"]
    assert oauth["accessToken"] in server.access
    assert oauth["refreshToken"] in server.valid
    assert oauth["subscriptionType"] == "max", "the profile was read with the token that is not inside"
    assert json.loads((machine.home / ".claude.json").read_text())["oauthAccount"]["emailAddress"] == "dev@example.com"

    machine.environ |= {"ANTHROPIC_BASE_URL": provider.url, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    bare = machine.host("claude", "-p", "go")
    assert bare.stdout == "One.\n", bare.stderr
    assert set(bearers(provider)) == {oauth["accessToken"]}
    there.assert_nothing_got_in(shown)

    left = machine.host("safe-claude", "auth", "logout")
    assert "Successfully logged out" in left.stdout
    assert server.revoked == [oauth["refreshToken"]]
    assert not there.claude.exists()


def test_claude_logs_in_while_it_runs_renews_by_itself_and_logs_out(there: Place, provider: FaultyProvider) -> None:
    machine, server = there.machine, there.server
    server.expires_in = 200  # seconds: the client renews five minutes before the end, the gateway two
    machine.environ |= {"ANTHROPIC_BASE_URL": provider.url, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    known = {str(machine.workspace): {"hasTrustDialogAccepted": True}}
    write_json(machine.home / ".claude.json", {"hasCompletedOnboarding": True, "projects": known})
    with Screen(machine.environ, machine.workspace) as screen:
        screen.type("safe-claude\r")
        screen.wait("Not ?logged ?in")
        screen.type("/login\r")
        screen.wait("Select ?login ?method")
        screen.type("\r")
        screen.until(lambda: STATE.search(flat(screen)))
        screen.type(there.agreed(flat(screen)) + "\r")
        screen.wait("Login ?successful")
        screen.type("\r")
        screen.type("hello\r")
        screen.wait("One\\.")
        oauth = json.loads(there.claude.read_text())["claudeAiOauth"]
        assert oauth["refreshToken"] in server.valid, "the login is real outside while the session runs"
        assert server.used, "the client has renewed its login"
        assert bearers(provider)[-1] in server.access
        screen.type("/logout\r")
        screen.wait("OUTER>")
        shown = screen.text
    assert server.refused == []
    assert server.revoked == [oauth["refreshToken"]]
    assert not there.claude.exists()
    there.assert_nothing_got_in(shown)


def flat(screen: Screen) -> str:
    """Give what stands on the screen without the ends of its lines, at which an address is cut."""
    return re.sub(r"\s+", "", screen.text)
