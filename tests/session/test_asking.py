"""A session asks its user at the terminal, and remembers: guard, relay and dialogue as they are."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.fakes.provider import FaultyProvider
from tests.guard.duty import OWN_CODE
from tests.machine import Machine
from tests.session.asking import REASON, SEND, AtTerminal, answering, events, set_policy

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def provider(machine: Machine) -> Iterator[FaultyProvider]:
    with answering(machine) as one:
        yield one


def test_a_reason_that_the_user_writes_lets_a_request_go_and_is_recorded(
    machine: Machine, provider: FaultyProvider
) -> None:
    """Promise 4."""
    set_policy(machine, REASON)
    session = AtTerminal(machine, "write a benchmark")
    window = session.asked()
    assert "policy wants a written reason for this kind of work: benchmarks" in window
    assert "│ say which project it is for" in window
    assert provider.model_requests() == []
    session.child.send("y\r")
    session.child.expect_exact("reason: ")
    session.child.send("for our own project\r")
    shown = session.ended()
    assert "said: scripted" in shown
    assert "typed: '' over" in shown
    [judged] = events(machine, "judged")
    assert (judged["action"], judged["reason"], judged["by"]) == ("allowed", "for our own project", "user")
    assert "own project" not in str(events(machine, "typed") + events(machine, "output"))


def test_escape_keeps_the_request_here(machine: Machine, provider: FaultyProvider) -> None:
    set_policy(machine, REASON)
    session = AtTerminal(machine, "write a benchmark")
    session.asked()
    session.child.send("\x1b")
    assert "safe-agent" in session.ended()
    assert provider.model_requests() == []
    assert events(machine, "judged")[-1]["action"] == "denied"


def test_where_nobody_sits_it_is_denied_at_once(machine: Machine, provider: FaultyProvider) -> None:
    set_policy(machine, REASON)
    done = machine.host("safe-agent", "exec", "--", "python3", "ask.py", "write a benchmark", "pass")
    assert "benchmarks" in done.stdout
    assert provider.model_requests() == []
    assert events(machine, "judged")[-1]["by"] == "nobody"


def test_always_holds_for_later_sessions_and_its_file_is_out_of_reach(
    machine: Machine, provider: FaultyProvider
) -> None:
    """Promise 2."""
    set_policy(machine, SEND)
    (machine.workspace / "plans").mkdir()
    (machine.workspace / "plans" / "score.py").write_text(OWN_CODE)
    session = AtTerminal(machine, f"what does this do?\n{OWN_CODE}")
    window = session.asked()
    assert "plans/score.py" in window
    session.child.send("always\r")
    assert "said: scripted" in session.ended()
    assert "def score(sample" in provider.said()
    answers = machine.home / ".config/safe-agent/answers.json"
    [kept] = json.loads(answers.read_text())["answers"]
    assert (kept["choice"], kept["workspace"]) == ("always", str(machine.workspace))
    assert re.fullmatch("[0-9a-f]+", kept["key"])
    later = machine.host("safe-agent", "exec", "--", "python3", "ask.py", f"what does this do?\n{OWN_CODE}", "pass")
    assert "said: scripted" in later.stdout, later.stdout + later.stderr
    assert machine.inside(f"cat {answers}").returncode != 0
    asked = len(provider.model_requests())
    answers.unlink()
    machine.host("safe-agent", "exec", "--", "python3", "ask.py", f"what does this do?\n{OWN_CODE}", "pass")
    assert len(provider.model_requests()) == asked


def test_a_session_that_ends_within_a_question_ends_as_any_other(machine: Machine, provider: FaultyProvider) -> None:
    set_policy(machine, REASON)
    session = AtTerminal(machine, "write a benchmark")
    session.asked()
    session.child.kill(15)
    session.ended()
    assert session.child.exitstatus == 143 or session.child.signalstatus == 15
    assert provider.model_requests() == []
    assert events(machine, "end")
