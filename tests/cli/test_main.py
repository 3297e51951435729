"""`safe-agent` itself: finding commands, helping, failing."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from wrapper.cli.main import _COMMANDS, cli
from wrapper.version import VERSION

Run = Callable[..., "subprocess.CompletedProcess[str]"]
COMMANDS = Path(sys.executable).parent


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run one of the installed commands in an empty project, with an empty HOME and no client in PATH."""
    project, home = tmp_path / "project", tmp_path / "home"
    project.mkdir()
    home.mkdir()

    def run(*command: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [COMMANDS / command[0], *command[1:]],
            cwd=project,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    return run


def verbs(name: str, command: click.Command) -> Iterator[tuple[str, ...]]:
    yield (name,)
    if isinstance(command, click.Group):
        for verb in command.commands.values():
            for rest in verbs(str(verb.name), verb):
                yield (name, *rest)


@pytest.mark.parametrize("name", ["", *_COMMANDS])
def test_the_help_of_every_command_has_an_example_and_the_exit_codes(name: str) -> None:
    command = cli.get_command(click.Context(cli), name) if name else None
    every = [()] if command is None else list(verbs(name, command))
    assert name == "" or every
    for words in every:
        shown = CliRunner().invoke(cli, [*words, "--help"], prog_name="safe-agent")
        assert not re.search(r"^  [a-z]+ .*\.\.\.$", shown.output, re.MULTILINE), (
            f"{words}: a sentence of its list is cut"
        )
        assert shown.exit_code == 0, words
        text = " ".join(shown.stdout.split())
        assert "Example: " in text or "Examples: " in text, words
        assert " ".join(["safe-agent", *words]) in text.partition("Example")[2], f"{words}: its example is another's"
        assert "Exit codes: " in text, words
        assert "125" in text.partition("Exit codes: ")[2], words


@pytest.mark.parametrize("words", [[], ["audit", "verify"], ["doctor"]])
def test_the_short_option_for_help_is_known_to_every_command(run: Run, words: list[str]) -> None:
    shown = run("safe-agent", *words, "-h")
    assert shown.returncode == 0
    assert shown.stdout == run("safe-agent", *words, "--help").stdout


def test_help_names_every_command_and_loads_none_of_them(run: Run) -> None:
    listed = run("safe-agent", "--help").stdout.partition("Commands:")[2]
    assert [line.split()[0] for line in listed.splitlines() if line[:3].strip()] == list(_COMMANDS)
    code = (
        "import sys\nfrom wrapper.cli.main import main\ntry: main(['--help'])\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={}, timeout=30)
    loaded = set(done.stderr.split())
    assert "wrapper.cli.main" in loaded
    assert not loaded & {
        "aiohttp",
        "asyncio",
        "hyperscan",
        "cryptography",
        "watchdog",
        "detect_secrets",
        "pexpect",
        "msgspec",
    }


def test_the_version_is_the_one_that_the_log_names(run: Run) -> None:
    said = run("safe-agent", "--version")
    assert (said.returncode, said.stdout) == (0, f"safe-agent, version {VERSION}\n")


def test_an_unknown_command_is_wrong_usage_and_names_what_was_typed(run: Run) -> None:
    refused = run("safe-agent", "polciy")
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert "polciy" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_no_command_is_wrong_usage_and_shows_the_help(run: Run) -> None:
    shown = run("safe-agent")
    assert shown.returncode == 2
    assert "Commands:" in shown.stdout + shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_refusal_is_a_line_and_a_hint_on_stderr_and_exits_125(run: Run) -> None:
    refused = run("safe-agent", "keys", "show")
    assert (refused.returncode, refused.stdout) == (125, "")
    first, second = refused.stderr.splitlines()
    assert first.startswith("safe-agent: ")
    assert second == "hint: run `safe-agent keys make`"


@pytest.mark.parametrize("command", ["safe-claude", "safe-codex"])
def test_a_client_that_is_not_installed_exits_127_and_says_how_to_install_it(run: Run, command: str) -> None:
    run("safe-agent", "keys", "make").check_returncode()
    refused = run(command, "--version")
    assert (refused.returncode, refused.stdout) == (127, "")
    assert "is not in PATH" in refused.stderr
    assert "hint: install " in refused.stderr


@pytest.mark.parametrize("command", ["safe-agent", "safe-claude", "safe-codex"])
def test_no_home_is_refused_with_a_hint(run: Run, tmp_path: Path, command: str) -> None:
    arguments = ("exec", "true") if command == "safe-agent" else ()
    refused = run(command, *arguments, HOME=str(tmp_path / "missing"))
    assert refused.returncode == 125
    assert refused.stderr == "safe-agent: HOME is not a folder\nhint: set HOME to your home folder\n"


def test_a_reader_that_went_away_ends_it_without_a_traceback(run: Run, tmp_path: Path) -> None:
    gone, ours = os.pipe()
    os.close(gone)
    done = subprocess.run(
        [COMMANDS / "safe-agent", "policy", "show"],
        cwd=tmp_path / "project",
        env={"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=ours,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=30,
    )
    os.close(ours)
    assert done.stderr == ""
    assert done.returncode == 141


@pytest.mark.parametrize("arguments", ["--help", "policy show", "--version"])
def test_what_cannot_be_written_is_said_and_is_no_mistake_of_ours(tmp_path: Path, arguments: str) -> None:
    for name in ("home", "project"):
        (tmp_path / name).mkdir()
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [COMMANDS / "safe-agent", *arguments.split()],
            env={"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            cwd=tmp_path / "project",
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=30,
        )
    assert done.returncode == 125
    assert done.stderr.splitlines()[0] == "safe-agent: cannot write to standard output: No space left on device"
    assert "Traceback" not in done.stderr
