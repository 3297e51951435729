"""Denied code with the real clients: whatever way the agent comes by it, the provider never sees a run of it.

`training/x.py` is denied, so that nobody inside can open it. It is in git, so that anybody inside can have git show it.
"""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.clients.scene import write_json
from tests.fakes.provider import Call, FaultyProvider, Script, Turn
from tests.guard.duty import OWN_CODE
from tests.machine import Machine, fake

pytestmark = pytest.mark.timeout(120)

TELLING = ("normalise", "decay", "archived")
"""Words of the code that no renaming of the tests below touches."""

RENAMED = (
    "git show HEAD:training/x.py | "
    "sed -e 's/total/subtotal/g; s/weight/mass/g; s/history/past/g; s/score/rate/g' -e 's/^/        /' | tee pasted.txt"
)
DENY = '[files]\ndeny = ["training/**"]\n'
BLOCK = f'{DENY}[wire]\nblock = ["DENIED-CODE"]\n'
ASK = '[files.send]\nask = ["training/**"]\n'


def claude(machine: Machine) -> str:
    machine.environ["ANTHROPIC_API_KEY"] = fake("sk" + "-ant-api03-", 88)
    tools = ("--allowedTools", "Bash Read Edit Write")
    return machine.host("safe-claude", "-p", "look around", *tools).stdout


def codex(machine: Machine) -> str:
    write_json(machine.home / ".codex" / "auth.json", {"OPENAI_API_KEY": fake("sk" + "-proj-", 80)})
    (machine.home / ".codex/config.toml").write_text(f'[projects."{machine.workspace}"]\ntrust_level = "trusted"\n')
    free = "--dangerously-bypass-approvals-and-sandbox"
    return machine.host("safe-codex", "exec", free, "look around").stdout


Client = Callable[[Machine], str]
CLIENTS = [pytest.param(claude, id="claude"), pytest.param(codex, id="codex")]


@pytest.fixture
def provider(machine: Machine) -> Iterator[FaultyProvider]:
    (machine.workspace / "training").mkdir()
    (machine.workspace / "training/x.py").write_text(OWN_CODE)
    machine.git("add", "training")
    machine.git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "train")
    with FaultyProvider() as one:
        machine.environ |= {"ANTHROPIC_BASE_URL": one.url, "OPENAI_BASE_URL": f"{one.url}/v1"}
        yield one


def running(provider: FaultyProvider, *commands: str) -> None:
    turns = (Turn(text=f"I look ({number}).", calls=(Call(run=one),)) for number, one in enumerate(commands))
    provider.script = Script(turns=(*turns, Turn(text="All done.")))


def policy(machine: Machine, text: str) -> None:
    (machine.home / ".config/safe-agent/policy.toml").write_text(f"version = 1\n{text}")


def told(provider: FaultyProvider) -> list[str]:
    """Give the words of the code that reached the provider, in whatever message."""
    wire = b"".join(bytes(log) for log in provider.wire) + provider.said().encode()
    return [word for word in TELLING if word.encode() in wire]


def sent(machine: Machine) -> str:
    """Give what the log holds of requests and answers; what stood on the terminal and in files is recorded as it stood."""
    lines = machine.log().splitlines()
    return "\n".join(line for line in lines if json.loads(line)["type"] not in ("output", "file"))


@pytest.mark.parametrize("client", CLIENTS)
def test_renamed_and_indented_anew_it_leaves_only_as_a_placeholder(
    machine: Machine, provider: FaultyProvider, client: Client
) -> None:
    policy(machine, DENY)
    running(
        provider, "cat training/x.py || echo closed-to-me", RENAMED, "cat pasted.txt; git grep -n . HEAD -- training"
    )
    assert client(machine) == "All done.\n"
    assert "closed-to-me" in provider.said()
    assert "MASKED-DENIED-CODE-" in provider.said()
    assert told(provider) == []
    assert "normalise" in (machine.workspace / "pasted.txt").read_text()  # the agent did have it
    assert not [word for word in TELLING if word in sent(machine)]
    assert '"fingerprint:training/x.py"' in machine.log()


@pytest.mark.parametrize("client", CLIENTS)
def test_without_a_policy_it_is_told(machine: Machine, provider: FaultyProvider, client: Client) -> None:
    """The control."""
    policy(machine, "")
    running(provider, RENAMED)
    assert client(machine) == "All done.\n"
    assert told(provider) == list(TELLING)


@pytest.mark.parametrize("client", CLIENTS)
def test_where_policy_blocks_it_nothing_is_sent_and_the_user_reads_why(
    machine: Machine, provider: FaultyProvider, client: Client
) -> None:
    policy(machine, BLOCK)
    running(provider, "echo harmless", RENAMED)
    said = client(machine)
    assert "safe-agent" in said
    assert "`training/x.py`" in said
    assert "All done." not in said
    assert "harmless" in provider.said()
    assert "MASKED-DENIED-CODE-" not in provider.said()
    assert told(provider) == []
    assert '"blocked"' in machine.log()
    assert not [word for word in TELLING if word in sent(machine)]


@pytest.mark.parametrize("client", CLIENTS)
def test_where_policy_says_to_ask_and_nobody_can_be_asked_it_does_not_leave(
    machine: Machine, provider: FaultyProvider, client: Client
) -> None:
    policy(machine, ASK)
    running(provider, "cat training/x.py && echo open-to-me")
    assert client(machine) == "All done.\n"
    assert "open-to-me" in provider.said()
    assert "MASKED-DENIED-CODE-" in provider.said()
    assert told(provider) == []
    assert '"nobody"' in machine.log()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_conversation_from_before_the_policy_does_not_bring_it_along(
    machine: Machine, provider: FaultyProvider, client: Client
) -> None:
    policy(machine, "")
    running(provider, RENAMED)
    client(machine)
    assert told(provider) == list(TELLING)
    policy(machine, DENY)
    with FaultyProvider(Script(rest="Gone on.")) as later:
        machine.environ |= {"ANTHROPIC_BASE_URL": later.url, "OPENAI_BASE_URL": f"{later.url}/v1"}
        again = ("safe-claude", "-p", "--continue") if client is claude else ("safe-codex", "exec", "resume", "--last")
        assert machine.host(*again, "go on").stdout == "Gone on.\n"
        assert "MASKED-DENIED-CODE-" in later.said()
        assert told(later) == []
