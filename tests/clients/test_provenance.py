"""What the real clients wrote, told line by line afterwards: `safe-agent blame` after a session of each."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.codex import FREE, with_key
from tests.fakes.provider import Call, Edit, FaultyProvider, Read, Script, Turn, Write
from tests.machine import Machine, fake
from wrapper.audit.bookkeeping import LEDGER
from wrapper.audit.entries import Reading
from wrapper.audit.ledgerview import read

pytestmark = pytest.mark.timeout(120)

PERSONS = ["import bisect", "", "def known_before(readings, limit):", "    return bisect.bisect(readings, limit)"]
AGENTS = [
    "",
    "",
    "class RollingWindow:",
    "    def __init__(self, capacity, smoothing):",
    "        self.samples = deque(maxlen=capacity)",
    "        self.smoothing = smoothing",
    "",
    "    def observe(self, reading):",
    "        self.samples.append(reading)",
    "        return self.weighted_average()",
]
LATER = ["        if not math.isfinite(reading):", "            raise BadReading(reading)"]
EDITED = ("        self.samples = deque(maxlen=capacity)", "        self.samples = deque([0.0], maxlen=capacity)")
ADDED = ["", "", "def written_by_hand(stream):", "    yield from map(float, stream)"]


def writing(machine: Machine) -> Script:
    """Read a person's file, write another with its lines and new ones, then put two lines into it."""
    file = str(machine.workspace / "window.py")
    whole = "\n".join([*PERSONS, *AGENTS]) + "\n"
    edit = Edit(file, old=AGENTS[7], new="\n".join([AGENTS[7], *LATER]))
    return Script(
        turns=(
            Turn(text="I look.", calls=(Call(read=Read(file)),)),
            Turn(text="I write.", calls=(Call(write=Write(file, whole)),)),
            Turn(text="I refine.", calls=(Call(edit=edit),)),
            Turn(text="All done."),
        )
    )


@pytest.fixture
def provider(machine: Machine) -> Iterator[FaultyProvider]:
    """A machine with a person's committed file, and a model that goes on with it."""
    (machine.workspace / "window.py").write_text("\n".join(PERSONS) + "\n")
    machine.git("add", "window.py")
    author = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    machine.host(
        "git", *author, "commit", "-q", "--amend", "-m", "old", check=True, GIT_COMMITTER_DATE="1700000000 +0000"
    )
    made = FaultyProvider(writing(machine))
    made.own_headers = ("x-api-key", "authorization")
    made.start()
    yield made
    made.stop()


def edited_by_hand(file: Path) -> list[str]:
    """Do what a person does afterwards; give the lines of the file then."""
    text = file.read_text()
    assert EDITED[0] in text
    text = text.replace(*EDITED) + "\n".join(ADDED) + "\n"
    file.write_text(text)
    return text.splitlines()


def state_of(line: str) -> str:
    """What is true of a line that says something."""
    if line in PERSONS:
        return "human"
    return "agent-edited" if line == EDITED[1] else "unknown" if line in ADDED else "agent"


def assert_told(machine: Machine, prompt: str, model: str) -> None:
    """Check every line of the file, and what explains the agent's."""
    lines = edited_by_hand(machine.workspace / "window.py")
    told = machine.host("safe-agent", "blame", "--json", "--prompts", "window.py")
    assert (told.returncode, told.stderr) == (0, ""), told.stderr
    document = json.loads(told.stdout)
    assert [line["text"] for line in document["lines"]] == lines
    assert set(LATER) < set(lines)
    said = {line["text"]: line["state"] for line in document["lines"] if line["text"].strip()}
    assert said == {line: state_of(line) for line in lines if line.strip()}
    (session,) = (folder.name for folder in machine.sessions())
    of_agent = [line for line in document["lines"] if line["state"].startswith("agent") and line["text"].strip()]
    assert {line["source"]["session"] for line in of_agent} == {session}
    assert all(line["source"]["model"].startswith(model) for line in of_agent)
    assert {line["prompt"] for line in of_agent} == {prompt}
    assert document["faults"] == []
    entries = [entry for _, entry in read(machine.home / ".local/state/safe-agent" / LEDGER).entries]
    readings = [entry for entry in entries if isinstance(entry, Reading)]
    assert [(one.session, one.verb) for one in readings] == [(session, "blame")]
    machine.git("add", "window.py")
    trailers = machine.host("safe-agent", "provenance", "export", "--format", "trailers")
    agent = "Claude" if model == "claude-" else "Codex"
    assert trailers.stdout.startswith(f"Assisted-by: {agent}:{model}"), trailers.stderr
    assert trailers.stdout.splitlines()[1:] == [f"Safe-Agent-Session: {session}"]
    again = machine.host("safe-agent", "blame", "--stat", "window.py").stdout
    assert again.splitlines()[1].split()[:2] == ["50.0%", "20"]


def test_claude_code_is_told_from_the_person_before_it_and_after_it(machine: Machine, provider: FaultyProvider) -> None:
    machine.planted["key"] = fake("sk" + "-ant-api03-", 88)
    machine.environ |= {"ANTHROPIC_API_KEY": machine.planted["key"], "ANTHROPIC_BASE_URL": provider.url}
    result = machine.host("safe-claude", "-p", "write the window", "--allowedTools", "Bash Read Edit Write")
    assert (result.returncode, result.stdout) == (0, "All done.\n"), result.stderr
    assert_told(machine, "write the window", "claude-")


def test_codex_is_told_from_the_person_before_it_and_after_it(machine: Machine, provider: FaultyProvider) -> None:
    with_key(machine, provider)
    result = machine.host("safe-codex", "exec", FREE, "write the window")
    assert (result.returncode, result.stdout) == (0, "All done.\n"), result.stderr
    assert_told(machine, "write the window", "gpt-")
