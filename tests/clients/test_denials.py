"""What the real clients make of a denial: they show it as the model's words, end the turn, and do not try again.

First against a provider that denies by itself, so that it is the answer's shape which is tested and nothing else; then
through `safe-claude` and `safe-codex`, by policy.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

import pytest

from tests.clients.scene import asking_shell, saying, write_json
from tests.clients.screen import Screen
from tests.fakes.provider import FaultyProvider, Script
from tests.machine import Machine, fake
from wrapper.demo import websocket
from wrapper.demo.exchange import Reply, Request
from wrapper.gateway import anthropic, openai
from wrapper.gateway.denial import denial, denial_messages
from wrapper.gateway.requests import Asked, asked

SAID = "safe-agent: this request was not sent: somebody forbade it."
FREE = "--dangerously-bypass-approvals-and-sandbox"
CLAUDE_PROMPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"
CODEX_PROMPT = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
pytestmark = pytest.mark.timeout(120)


class DenyingProvider(FaultyProvider):
    """A provider that answers as the gateway does where the word `forbidden` was asked for."""

    def respond(self, request: Request) -> Reply:
        dialect = anthropic.DIALECT if "/messages" in request.path else openai.DIALECT
        wanted = asked(dialect.name, request.target, request.decoded) if request.method == "POST" else None
        if wanted is None or not _forbidden(wanted):
            return super().respond(request)
        answer = denial(dialect, request.target, wanted, SAID)
        return Reply(answer.status, "Denied", tuple(answer.headers.items()), (answer.body,))

    def speak(self, channel: websocket.Channel, request: Request, texts: Iterable[bytes]) -> bool:
        wanted = asked("openai", request.target, request.decoded)
        if wanted is not None and _forbidden(wanted):
            texts = denial_messages(openai.DIALECT, wanted, SAID)
        return super().speak(channel, request, texts)

    def asking(self, words: str) -> list[Request]:
        """Give the requests that asked a model, with `words` in them."""
        asking = [one for one in self.requests if one.method in {"POST", "WEBSOCKET"}]
        return [one for one in asking if words in one.decoded.decode()]


def _forbidden(wanted: Asked) -> bool:
    return any("forbidden" in text for text in (wanted.prompt, *wanted.earlier))


@pytest.fixture
def denying() -> Iterator[DenyingProvider]:
    with DenyingProvider(saying("Hello.", "Hello again.", "And again.")) as provider:
        yield provider


@pytest.fixture
def claude(machine: Machine) -> None:
    """A user who has used Claude Code here: no dialogs, and nothing but the provider is called."""
    key = machine.environ["ANTHROPIC_API_KEY"] = fake("sk" + "-ant-api03-", 88)
    machine.environ |= {
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",
    }
    state = {
        "hasCompletedOnboarding": True,
        "customApiKeyResponses": {"approved": [key[-20:]], "rejected": []},
        "projects": {str(machine.workspace): {"hasTrustDialogAccepted": True}},
    }
    write_json(machine.home / ".claude.json", state)


@pytest.fixture
def codex(machine: Machine) -> None:
    """A user who has used Codex here."""
    write_json(machine.home / ".codex" / "auth.json", {"OPENAI_API_KEY": fake("sk" + "-proj-", 80)})


def lead(machine: Machine, provider: FaultyProvider) -> None:
    """Lead bare clients to the provider, whatever host they ask for."""
    config = machine.home / ".codex" / "config.toml"
    if config.parent.exists():
        trusted = f'[projects."{machine.workspace}"]\ntrust_level = "trusted"\n'
        config.write_text(f'openai_base_url = "{provider.url}/v1"\n{trusted}')
    machine.environ |= {"ANTHROPIC_BASE_URL": provider.url, "HTTPS_PROXY": provider.url, "NO_PROXY": "127.0.0.1"}


# The answer's shape.


@pytest.mark.usefixtures("claude")
def test_claude_prints_it_as_a_result_after_one_request(machine: Machine, denying: DenyingProvider) -> None:
    lead(machine, denying)
    command = ("claude", "-p", "do the forbidden thing", "--output-format")
    printed = machine.host(*command, "text")
    assert (printed.returncode, printed.stdout) == (0, f"{SAID}\n"), printed.stderr
    result = json.loads(machine.host(*command, "json").stdout)
    assert (result["subtype"], result["is_error"], result["result"]) == ("success", False, SAID)
    assert len(denying.asking("forbidden")) == 2


@pytest.mark.usefixtures("claude")
def test_claude_shows_it_and_goes_on(machine: Machine, denying: DenyingProvider) -> None:
    lead(machine, denying)
    with Screen(machine.environ, machine.workspace) as screen:
        screen.type("claude\r")
        screen.wait(CLAUDE_PROMPT)
        screen.rest(1)
        screen.type("an ordinary thing\r")
        screen.wait(_spaced("Hello."))
        screen.rest(1)
        screen.type("do the forbidden thing\r")
        screen.wait(_spaced("safe-agent: this request was not sent"))
        screen.rest(1)
        asked_once = len(denying.asking("forbidden"))
        screen.type("/compact\r")
        screen.wait(_spaced("API Error: 400 safe-agent"))
        screen.type("/clear\r")
        screen.rest(1.5)
        screen.type("do another thing\r")
        screen.wait(_spaced("Hello."))
        screen.type("/exit\r")
        screen.wait("OUTER> ")
    assert asked_once <= 2  # the turn, and the conversation's title where the client asks for one


@pytest.mark.parametrize("transport", ["websocket", "http"])
@pytest.mark.usefixtures("codex")
def test_codex_prints_it_as_a_result_after_one_request(
    machine: Machine, denying: DenyingProvider, transport: str
) -> None:
    denying.websocket = transport == "websocket"
    lead(machine, denying)
    result = machine.host("codex", "--no-daemon", "exec", FREE, "do the forbidden thing")
    assert (result.returncode, result.stdout) == (0, f"{SAID}\n"), result.stderr
    assert len(denying.asking("forbidden")) == 1


@pytest.mark.usefixtures("codex")
def test_codex_sends_a_conversation_whole_after_a_denial(machine: Machine, denying: DenyingProvider) -> None:
    """The provider knows of no such answer: a delta against it would be refused."""
    lead(machine, denying)
    with Screen(machine.environ, machine.workspace) as screen:
        screen.type(f"codex --no-daemon {FREE}\r")
        screen.wait(CODEX_PROMPT)
        screen.rest(2)
        for turn, words in enumerate(("an ordinary thing", "do the forbidden thing", "so what now")):
            screen.type(f"{words}\r")
            screen.until(lambda words=words: denying.asking(words))  # type: ignore[misc]
            screen.rest(2 if turn else 4)
        screen.type("/quit\r")
        screen.wait("OUTER> ")
    assert "previous_response_id" in denying.asking("do the forbidden thing")[0].json
    [last] = denying.asking("so what now")
    assert "previous_response_id" not in last.json
    assert len(denying.asking("do the forbidden thing")) == 2
    assert "not sent" in last.decoded.decode()


def _spaced(words: str) -> str:
    """Make a pattern: clients move the cursor where others write a blank."""
    return r"\s*".join(map(re.escape, words.split()))


# By policy.

TASKS = """version = 1
[[tasks]]
name = "benchmarks"
patterns = ['\\bbenchmark']
action = "ACTION"
message = "Ask the evaluation team."
"""
APPROVED = """version = 1
[approved]
default = "deny"
[[approved.rules]]
models = ["*haiku*", "*-mini"]
action = "allow"
"""
CLAUDE = ("safe-claude", "-p")
CODEX = ("safe-codex", "exec", FREE)


def under(machine: Machine, policy: str, script: Script | None = None) -> FaultyProvider:
    """Let both clients work under `policy`; the provider is where they will be led."""
    path = machine.home / ".config" / "safe-agent" / "policy.toml"
    path.write_text(policy)
    provider = FaultyProvider(script or saying("Hello."))
    provider.own_headers = ("x-api-key", "authorization")
    provider.start()
    machine.environ |= {"ANTHROPIC_BASE_URL": provider.url, "OPENAI_BASE_URL": f"{provider.url}/v1"}
    return provider


def judged(machine: Machine) -> list[Mapping[str, object]]:
    """Give what was judged in the last session."""
    name = machine.sessions()[-1].name
    log = machine.host("safe-agent", "audit", "show", name, "--json", check=True).stdout
    return [one for one in map(json.loads, log.splitlines()) if one.get("type") == "judged"]


@pytest.mark.parametrize("client", [CLAUDE, CODEX])
@pytest.mark.usefixtures("claude", "codex")
def test_a_denied_kind_of_work_never_reaches_the_provider(machine: Machine, client: tuple[str, ...]) -> None:
    provider = under(machine, TASKS.replace("ACTION", "deny"))
    result = machine.host(*client, "please write a bench\u200bmark")
    provider.stop()
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(
        "safe-agent: this request was not sent: policy denies this kind of work, `benchmarks`"
    )
    assert "Reason: Ask the evaluation team." in result.stdout
    assert "user policy" in result.stdout
    assert not [one for one in provider.model_requests() if "please write" in one.decoded.decode()]
    assert {(one["about"], one["action"], one["by"]) for one in judged(machine)} == {("task", "denied", "policy")}


@pytest.mark.parametrize("client", [CLAUDE, CODEX])
@pytest.mark.usefixtures("claude", "codex")
def test_other_work_goes_on_and_what_tools_print_is_nobodys_order(machine: Machine, client: tuple[str, ...]) -> None:
    provider = under(machine, TASKS.replace("ACTION", "deny"), asking_shell("echo write a benchmark"))
    tools = ("--allowedTools", "Bash") if client == CLAUDE else ()
    result = machine.host(*client, "tidy up", *tools)
    provider.stop()
    assert result.stdout == "All done.\n", result.stderr
    assert not judged(machine)


@pytest.mark.parametrize("client", [CLAUDE, CODEX])
@pytest.mark.usefixtures("claude", "codex")
def test_where_nobody_can_write_a_reason_it_is_denied(machine: Machine, client: tuple[str, ...]) -> None:
    provider = under(machine, TASKS.replace("ACTION", "reason"))
    result = machine.host(*client, "please write a benchmark")
    provider.stop()
    assert "needs a written reason" in result.stdout
    assert "interactive terminal" in result.stdout
    assert not [one for one in provider.model_requests() if "please write" in one.decoded.decode()]
    assert {(one["action"], one["by"]) for one in judged(machine)} == {("denied", "nobody")}


@pytest.mark.parametrize("client", [CLAUDE, CODEX])
@pytest.mark.usefixtures("claude", "codex")
def test_a_model_that_is_not_approved_is_not_asked(machine: Machine, client: tuple[str, ...]) -> None:
    provider = under(machine, APPROVED)
    denied = machine.host(*client, "tidy up")
    assert denied.returncode == 0, denied.stderr
    assert "is not approved" in denied.stdout
    assert not provider.model_requests()
    model = ("--model", "claude-haiku-4-5") if client == CLAUDE else ("-m", "gpt-5-mini")
    allowed = machine.host(*client, "tidy up", *model)
    provider.stop()
    assert allowed.stdout == "Hello.\n", allowed.stderr


@pytest.mark.usefixtures("claude")
def test_the_user_writes_a_reason_at_the_terminal_and_the_work_goes_on(machine: Machine) -> None:
    provider = under(machine, TASKS.replace("ACTION", "reason"), asking_shell("echo from-the-tool"))
    with Screen(machine.environ, machine.workspace) as screen:
        screen.type("safe-claude --allowedTools Bash\r")
        screen.wait(CLAUDE_PROMPT)
        screen.rest(1)
        screen.type("please write a benchmark\r")
        screen.wait("safe-agent asks")
        screen.rest(1)
        screen.type("yes\r")
        screen.rest(0.5)
        screen.type("the lab wants it\r")
        screen.until(lambda: len(provider.model_requests()) == 2)
        screen.rest(1)
        screen.type("/exit\r")
        screen.wait("OUTER> ")
    provider.stop()
    assert "from-the-tool" in provider.said()
    [event] = judged(machine)  # one question, whatever else the client asked on its own
    assert (event["action"], event["by"], event["reason"]) == ("allowed", "user", "the lab wants it")
