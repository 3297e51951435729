"""`run` and `exec` take safe-agent's own options and leave the rest to the client."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from wrapper.cli import run as module
from wrapper.cli.main import cli
from wrapper.errors import PolicyError
from wrapper.wishes import Wishes


@pytest.fixture
def wishes(monkeypatch: pytest.MonkeyPatch) -> list[Wishes]:
    """What a session would have been asked for; it ends with 7."""
    asked: list[Wishes] = []

    def run_session(wish: Wishes) -> int:
        asked.append(wish)
        return 7

    monkeypatch.setattr(module, "run_session", run_session)
    return asked


def invoked(*words: str) -> Result:
    return CliRunner().invoke(cli, words, prog_name="safe-agent")


@pytest.mark.parametrize(
    ("words", "wish"),
    [
        (["run", "claude"], Wishes("claude", ())),
        (["run", "codex", "--", "exec", "hi"], Wishes("codex", ("exec", "hi"))),
        (["run", "claude", "-p", "hi"], Wishes("claude", ("-p", "hi"))),
        (["run", "claude", "--", "-p", "--", "hi"], Wishes("claude", ("-p", "--", "hi"))),
        (["run", "claude", "--profile", "x", "--help"], Wishes("claude", ("--profile", "x", "--help"))),
        (["run", "--profile", "ci", "claude"], Wishes("claude", (), profile="ci")),
        (["run", "--policy", "a.toml", "codex"], Wishes("codex", (), policy=Path("a.toml"))),
        (
            ["run", "--allow-degraded", "watch", "--allow-degraded=cover", "claude"],
            Wishes("claude", (), degraded=("watch", "cover")),
        ),
        (["exec", "--", "env"], Wishes("command", ("env",))),
        (["exec", "ls", "-la", "--color"], Wishes("command", ("ls", "-la", "--color"))),
        (
            ["exec", "--profile", "lab", "--", "sh", "-c", "exit 1"],
            Wishes("command", ("sh", "-c", "exit 1"), profile="lab"),
        ),
        (["exec", "--", "sh", "--", "x"], Wishes("command", ("sh", "--", "x"))),
    ],
)
def test_what_is_typed_is_what_is_asked_for(wishes: list[Wishes], words: list[str], wish: Wishes) -> None:
    assert invoked(*words).exit_code == 7
    assert wishes == [wish]


@pytest.mark.parametrize(
    "words", [["run"], ["run", "vim"], ["exec"], ["exec", "--"], ["run", "--profile"], ["run", "--what", "claude"]]
)
def test_wrong_usage_starts_nothing_and_ends_with_2(wishes: list[Wishes], words: list[str]) -> None:
    assert invoked(*words).exit_code == 2
    assert wishes == []


def test_a_refusal_goes_up_to_the_one_place_that_reports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Wishes) -> int:
        raise PolicyError("no")

    monkeypatch.setattr(module, "run_session", refused)
    assert isinstance(invoked("run", "claude").exception, PolicyError)
