"""The real clients with everything masked that they say of themselves, and with everything dropped: they still work."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.clients.scene import write_json
from tests.fakes.provider import Call, FaultyProvider, Script, Turn, Write
from tests.machine import Machine, fake
from wrapper.gateway.identity import FIELDS

pytestmark = pytest.mark.timeout(120)

WORKSPACE = r"{{seen:here=(MASKED-WORKSPACE-[0-9A-Z]{8})}}"
HOME = r"{{seen:home=(MASKED-HOME-[0-9A-Z]{8})}}"


def script() -> Script:
    """Look where one is, then use what was shown: read below the workspace, write below it and below the home."""
    use = (
        f'cat "{WORKSPACE}/app.py"; echo of-home > "{HOME}/made.txt"; cat "$HOME/made.txt"; echo it > {WORKSPACE}/a.txt'
    )
    turns = (
        Turn(text="I look.", calls=(Call(run='echo "here=$PWD"; echo "home=$HOME"'),)),
        Turn(text="I use it.", calls=(Call(run=use),)),
        Turn(text="I write.", calls=(Call(write=Write(f"{WORKSPACE}/made.txt", "by its own tool\n")),)),
        Turn(text="All done."),
    )
    return Script(turns=turns)


@pytest.fixture
def telling(machine: Machine) -> Machine:
    """A machine of which a client can tell much."""
    planted = {
        "git user": "Planted Jane Doe",
        "identity": "planted-login",
        "branch": "planted-branch-name",
        "subject": "planted subject of a commit",
        "dirty": "planted-dirty-file.txt",
        "memory": "planted memory of the project",
        "own memory": "planted memory of the user",
        "remote": "planted-org/planted-repository",
    }
    machine.git("config", "user.name", planted["git user"])
    machine.git("config", "user.email", f"{planted['identity']}@planted-host.example")
    machine.git("remote", "add", "origin", f"https://github.com/{planted['remote']}.git")
    machine.git("checkout", "-qb", planted["branch"])
    for name in ("CLAUDE.md", "AGENTS.md"):
        (machine.workspace / name).write_text(f"# Notes\n{planted['memory']}\n")
    machine.git("add", "CLAUDE.md", "AGENTS.md")
    machine.git("commit", "-qm", planted["subject"])
    (machine.workspace / planted["dirty"]).write_text("x")
    for folder, name in ((".claude", "CLAUDE.md"), (".codex", "AGENTS.md")):
        (machine.home / folder).mkdir(mode=0o700)
        (machine.home / folder / name).write_text(f"{planted['own memory']}\n")
    machine.planted |= planted
    machine.planted |= {"home": str(machine.home), "workspace": str(machine.workspace)}
    machine.planted["slug"] = str(machine.workspace).replace("/", "-")
    return machine


@pytest.fixture
def provider(machine: Machine) -> Iterator[FaultyProvider]:
    with FaultyProvider(script()) as one:
        machine.environ |= {"ANTHROPIC_BASE_URL": one.url, "OPENAI_BASE_URL": f"{one.url}/v1"}
        yield one


def claude(machine: Machine) -> str:
    machine.environ["ANTHROPIC_API_KEY"] = fake("sk" + "-ant-api03-", 88)
    tools = ("--permission-mode", "auto", "--allowedTools", "Bash Read Edit Write")
    return machine.host("safe-claude", "-p", "look around", *tools, check=True).stdout


def codex(machine: Machine, *choice: str) -> str:
    write_json(machine.home / ".codex" / "auth.json", {"OPENAI_API_KEY": fake("sk" + "-proj-", 80)})
    (machine.home / ".codex/config.toml").write_text(f'[projects."{machine.workspace}"]\ntrust_level = "trusted"\n')
    free = "--dangerously-bypass-approvals-and-sandbox"
    return machine.host("safe-codex", "exec", free, *choice, "look around", check=True).stdout


def codex_with_tools(machine: Machine) -> str:
    return codex(machine, "-m", "gpt-5")


Client = Callable[[Machine], str]
CLIENTS = [
    pytest.param(claude, id="claude"),
    pytest.param(codex, id="codex"),
    pytest.param(codex_with_tools, id="gpt-5"),
]


def decide(machine: Machine, action: str) -> None:
    (machine.home / ".config/safe-agent/policy.toml").write_text(f'version = 1\n[identity]\n{action} = ["*"]\n')


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("action", ["mask", "drop"])
def test_with_every_field_gone_it_works_and_tells_nothing(
    telling: Machine, provider: FaultyProvider, client: Client, action: str
) -> None:
    decide(telling, action)
    assert client(telling) == "All done.\n"
    provider.assert_nowhere(telling.planted.values())
    assert "print('hello')" in provider.said()  # the path that the model was shown led to the file
    assert "of-home" in provider.said()
    assert (telling.workspace / "a.txt").read_text() == "it\n"
    assert (telling.workspace / "made.txt").read_text() == "by its own tool\n"


@pytest.mark.parametrize("client", CLIENTS)
def test_without_a_policy_all_of_it_is_told(telling: Machine, provider: FaultyProvider, client: Client) -> None:
    """The control: the test above looks where the clients do say it."""
    assert client(telling) == "All done.\n"
    said = provider.said() + "".join(str(one.headers) for one in provider.requests)
    names = ["memory", "own memory", "home", "workspace"]
    names += ["git user", "identity", "branch", "subject", "dirty"] if client is claude else ["remote"]
    assert [name for name in names if telling.planted[name] not in said] == []


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("action", ["mask", "drop"])
def test_a_turn_repeats_the_one_before_byte_by_byte(
    telling: Machine, provider: FaultyProvider, client: Client, action: str
) -> None:
    """Else the provider's prompt cache is of no use. (Claude Code moves its cache marks; all else stays.)"""
    provider.websocket = False  # there, later turns are only what is new
    decide(telling, action)
    client(telling)
    early, late = provider.model_requests()[-2:]
    conversation = "messages" if client is claude else "input"
    assert _unmarked(late.json[conversation])[: len(early.json[conversation])] == _unmarked(early.json[conversation])
    for name in ("system", "tools", "prompt_cache_key"):
        assert json.dumps(late.json.get(name)) == json.dumps(early.json.get(name))


def _unmarked(items: object) -> list[object]:
    def bare(value: object) -> object:
        if isinstance(value, dict):
            return {name: bare(one) for name, one in value.items() if name != "cache_control"}
        return [bare(one) for one in value] if isinstance(value, list) else value

    assert isinstance(items, list)
    return [bare(one) for one in items]


@pytest.mark.parametrize("client", CLIENTS)
def test_the_log_says_which_fields_were_replaced(telling: Machine, provider: FaultyProvider, client: Client) -> None:
    decide(telling, "mask")
    client(telling)
    assert provider.model_requests()
    log = telling.log()
    named = {field for field in FIELDS["claude" if client is claude else "codex"] if f'"identity:{field}"' in log}
    # No login, and remotes are told on the screen only; in the turn's metadata.
    missing = {"account", "email", "git-remote"} if client is claude else {"commits", "git-remote"}
    assert named == set(FIELDS["claude" if client is claude else "codex"]) - missing
