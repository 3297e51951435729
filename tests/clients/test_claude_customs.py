"""What people set up for Claude Code works inside: servers of tools, memory files, hooks, commands, skills, sub-agents."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.scene import assert_nothing_got_out, saying, write_json
from tests.clients.screen import Screen
from tests.fakes.provider import Call, FaultyProvider, Script, Turn
from tests.gateway.wire import forge_token
from tests.machine import CIPHER, Machine, deciphered, fake
from wrapper.demo.exchange import Reply, Request
from wrapper.demo.provider import respond

pytestmark = pytest.mark.timeout(120)

SERVER = Path(__file__).with_name("mcpserver.py")
CIPHERED = " ".join(CIPHER)  # what a hook writes down would become the real values in the real file
PROMPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"
TOOLS = ("Bash", "mcp__project__peek", "mcp__own__peek", "Task")
FILES = {
    ".claude/commands/hello.md": "Say hello to $ARGUMENTS in a polite way.\n",
    ".claude/agents/reviewer.md": "---\nname: reviewer\ndescription: reviews\n---\nYou review politely.\n",
    ".claude/skills/greet/SKILL.md": "---\nname: greet\ndescription: greets people\n---\nGreet.\n",
}
REVIEW = {"description": "review", "prompt": "review this", "subagent_type": "reviewer"}


class Provider(FaultyProvider):
    """Answers the sub-agent, too, and the second session."""

    def respond(self, request: Request) -> Reply:
        if b"You review politely" in request.decoded:
            return respond(saying("Reviewed, all fine."), request)
        if b"and now" in request.decoded:
            return respond(Script(rest="Second done."), request)
        return super().respond(request)


def token() -> str:
    """Make a forge's token that is certainly one, by its checksum."""
    return forge_token(fake("", 30)).decode()


def hook(command: str, **more: str) -> list[dict[str, Any]]:
    return [{**more, "hooks": [{"type": "command", "command": command}]}]


@pytest.fixture
def furnished(machine: Machine) -> Machine:
    """A machine on which user and project have set up all that can be."""
    for name in ("project-server", "own-server", "memory", "own-memory"):
        machine.planted[name] = token()
    machine.planted["key"] = machine.environ["ANTHROPIC_API_KEY"] = fake("sk" + "-ant-api03-", 88)
    work, own = machine.workspace, machine.home / ".claude"
    shutil.copy(SERVER, work / "server.py")

    def server(name: str) -> dict[str, object]:
        return {"command": "python3", "args": ["server.py"], "env": {"API_TOKEN": machine.planted[name]}}

    write_json(work / ".mcp.json", {"mcpServers": {"project": server("project-server")}})
    state = {
        "hasCompletedOnboarding": True,
        "customApiKeyResponses": {"approved": [machine.planted["key"][-20:]], "rejected": []},
        "projects": {str(work): {"hasTrustDialogAccepted": True}},
        "mcpServers": {"own": server("own-server")},
    }
    write_json(machine.home / ".claude.json", state)
    refuse = "grep -q forbidden && { echo 'no such thing here' >&2; exit 2; }; exit 0"
    hooks = {
        "SessionStart": hook(f"(env; cat ~/.claude/CLAUDE.md .mcp.json ~/.claude.json) | {CIPHERED} > .session-start"),
        "PreToolUse": hook(refuse, matcher="Bash"),
    }
    write_json(work / ".claude" / "settings.json", {"hooks": hooks})
    prompted = hook(f"echo token-of-hook $GITHUB_TOKEN; env | {CIPHERED} > .prompted")
    write_json(own / "settings.json", {"enableAllProjectMcpServers": True, "hooks": {"UserPromptSubmit": prompted}})
    (work / "CLAUDE.md").write_text(f"project memory: token {machine.planted['memory']}\n")
    (own / "CLAUDE.md").write_text(f"user memory: token {machine.planted['own-memory']}\n")
    for name, text in FILES.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    return machine


@pytest.fixture
def provider(furnished: Machine) -> Iterator[Provider]:
    look = (Call(tool="mcp__project__peek"), Call(tool="mcp__own__peek"), Call(run="echo forbidden"))
    turns = (Turn(calls=look), Turn(calls=(Call(tool="Task", input=REVIEW),)))
    with Provider(Script(turns=turns, rest="First done.")) as one:  # said again when the sub-agent has reported
        one.own_headers = ("x-api-key",)
        furnished.environ["ANTHROPIC_BASE_URL"] = one.url
        yield one


def test_all_of_it_is_loaded_works_and_has_placeholders_only_also_in_the_session_after(
    furnished: Machine, provider: Provider
) -> None:
    command = ("safe-claude", "-p", "--output-format", "stream-json", "--verbose", "--allowedTools", *TOOLS, "--")
    first = furnished.host(*command, "/hello world")
    events = [json.loads(line) for line in first.stdout.splitlines()]  # nothing of ours between them
    began = next(one for one in events if one.get("subtype") == "init")
    assert events[-1]["result"] == "First done.", first.stderr
    assert {one["name"]: one["status"] for one in began["mcp_servers"]} == {"own": "connected", "project": "connected"}
    assert "hello" in began["slash_commands"]
    assert "reviewer" in began["agents"]
    assert "greet" in began["skills"]

    said = provider.said()
    assert "Say hello to world in a polite way." in said
    assert "greets people" in said
    assert "Reviewed, all fine." in said
    assert "no such thing here" in said  # the hook's refusal, told to the model
    assert {one["tool_name"] for one in events[-1]["permission_denials"]} <= {"Bash"}
    for found in (
        r"project memory: token MASKED-GITHUB-TOKEN-\w{8}",
        r"user memory: token MASKED-GITHUB-TOKEN-\w{8}",
        r"token-of-hook MASKED-GITHUB-TOKEN-\w{8}",
        r"STRIPE_KEY=MASKED-STRIPE-KEY-\w{8}",
        r"made MASKED-GITHUB-TOKEN-\w{8}",  # by the server, inside: known to nobody before it was sent
    ):
        assert re.search(found, said), found
    assert len(set(re.findall(r"API_TOKEN=(MASKED-GITHUB-TOKEN-\w{8})", said))) == 2
    for name in (".session-start", ".prompted"):
        seen = deciphered((furnished.workspace / name).read_text())
        assert "GITHUB_TOKEN=MASKED-" in seen
        assert ("user memory: token MASKED-" in seen) == (name == ".session-start")  # and not only on the wire
        assert furnished.leaks(seen) == []
    assert furnished.leaks(first.stdout, first.stderr) == []
    assert_nothing_got_out(furnished, provider, first.stdout, first.stderr)

    before = len(provider.requests)
    second = furnished.host("safe-claude", "-p", "--continue", "and now")
    assert second.stdout == "Second done.\n", second.stderr
    again = json.dumps([one.json.get("messages") for one in provider.requests[before:]])
    held = set(re.findall(r"API_TOKEN=(MASKED-[A-Z-]+-[0-9A-Z]{8})", said))
    assert held <= set(re.findall(r"API_TOKEN=(MASKED-[A-Z-]+-[0-9A-Z]{8})", again))  # the same ones, of the transcript
    assert_nothing_got_out(furnished, provider, second.stdout, second.stderr)


def test_on_a_wide_screen_a_long_paste_arrives_whole_and_its_secret_does_not(furnished: Machine) -> None:
    secret = furnished.planted["pasted"] = token()
    lines = [f"line {number} of it" for number in range(400)]
    lines[200] = f"token {secret}"
    with FaultyProvider(saying("I have read it.")) as provider:
        provider.own_headers = ("x-api-key",)
        furnished.environ |= {"ANTHROPIC_BASE_URL": provider.url, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
        with Screen(furnished.environ, furnished.workspace, (50, 200)) as screen:
            screen.type("safe-claude\r")
            screen.wait(PROMPT)
            screen.rest(1)
            screen.type("\x1b[200~" + "\n".join(lines) + "\x1b[201~")
            screen.wait(r"Pasted\s*text")
            screen.type("\r")
            screen.until(provider.model_requests)
            screen.wait(r"I\s*have\s*read\s*it")
            screen.type("/exit\r")
            screen.wait("OUTER> ")
            assert "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * 200 in screen.text
    said = provider.said()
    assert "\n".join(lines[:200]) in said
    assert "\n".join(lines[201:]) in said
    assert re.search(r"\ntoken MASKED-GITHUB-TOKEN-\w{8}\n", said)
    provider.assert_nowhere(furnished.planted.values())


def test_a_conversation_of_the_bare_client_goes_on_without_the_secrets_that_it_wrote_down(machine: Machine) -> None:
    machine.planted["key"] = machine.environ["ANTHROPIC_API_KEY"] = fake("sk" + "-ant-api03-", 88)
    turns = (Turn(calls=(Call(run="cat .env"),)), Turn(text="Bare done."), Turn(text="Safe done."))
    with FaultyProvider(Script(turns=turns)) as provider:
        machine.environ |= {"ANTHROPIC_BASE_URL": provider.url, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
        led = ("env", f"HTTPS_PROXY={provider.url}", "NO_PROXY=127.0.0.1")  # whatever else it asks stays on loopback
        bare = machine.host(*led, "claude", "-p", "look", "--allowedTools", "Bash")
        assert (bare.stdout, machine.planted["stripe"] in provider.said()) == ("Bare done.\n", True), bare.stderr
        provider.requests.clear()
        safe = machine.host("safe-claude", "-p", "--continue", "and now")
        assert safe.stdout == "Safe done.\n", safe.stderr
        assert re.search(r"STRIPE_KEY=MASKED-STRIPE-KEY-\w{8}", provider.said())
        assert machine.leaks(*(one.decoded for one in provider.requests)) == []
