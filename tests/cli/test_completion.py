"""Completion as a person meets it: in the real shells, by the Tab key; and what is imported for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.keyboard import COMMANDS, SHELLS, at, environment
from tests.machine import CLIENTS

OLD, NEW = "20240131T111156Z-8fff00", "20240229T235959Z-aaaa00"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in (OLD, NEW, "not a session"):
        (tmp_path / ".local/state/safe-agent/sessions" / name).mkdir(parents=True)
    (tmp_path / "work/a folder").mkdir(parents=True)
    (tmp_path / "work/b file.txt").write_text("")
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS)
def test_the_tab_key_brings_commands_options_values_sessions_and_files(shell: str, home: Path) -> None:
    loading = {"fish": "safe-agent completion fish | source"}.get(shell, f"source <(safe-agent completion {shell})")
    many = "\t\t" if shell == "bash" else "\t"  # readline rings first
    with at(shell, home / "work", environment(home, CLIENTS / "node_modules/.bin"), loading, loading) as keyboard:
        for typed, completed in (
            ("safe-agent au", "safe-agent audit"),
            ("safe-agent run --profile st", "safe-agent run --profile strict"),
            ("safe-agent run --profile=st", "safe-agent run --profile=strict"),
            ("safe-agent run --allow-degraded cov", "safe-agent run --allow-degraded cover"),
            ("safe-agent audit show 202402", f"safe-agent audit show {NEW}"),
            ("safe-agent scan b", "safe-agent scan b\\ file.txt"),
            ("safe-claude b", "safe-claude b\\ file.txt"),
            ("safe-codex exec --sandb", "safe-codex exec --sandbox"),
        ):
            keyboard.press(f"{typed}\t", f"READY> {completed}")
        listed = keyboard.press(f"safe-agent audit show {many}", OLD)
        # fish lists in columns, the others in rows; what it was told stands in `complete -C`
        ordered = (
            keyboard.enter('complete -C "safe-agent audit show "').splitlines()[1:]
            if shell == "fish"
            else listed.split()
        )
        assert [one.split()[0] for one in ordered if one.startswith(("last", NEW, OLD))] == ["last", NEW, OLD]
        assert "not a session" not in listed
        if shell != "bash":  # which shows no descriptions
            assert "2024-02-29 23:59" in listed
        inner = keyboard.press(f"safe-agent exec -- dirn{many}", "dirname")
        assert "safe-agent exec -- dirn" in inner


def asked(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    code = "import sys; from wrapper.cli.main import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    return subprocess.run(
        [sys.executable, "-c", code, "completion", "--answer", "bash", "--", *words],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_no_command_is_imported_to_list_them(home: Path) -> None:
    """Start-up time: Tab must feel like nothing."""
    done = asked(home, "safe-agent", "")
    assert done.stdout.splitlines()[0] == "values 0"
    assert "audit\t" in done.stdout
    imported = {name for name in done.stderr.split() if name.startswith("wrapper.cli.")}
    assert imported == {f"wrapper.cli.{name}" for name in ("main", "lazily", "elsewhere", "completion", "completing")}


def test_no_log_is_opened_to_list_sessions(home: Path) -> None:
    """A log that is read is recorded as read; and what stands in it is a stranger's text."""
    done = asked(home, "safe-agent", "audit", "play", "")
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == ["values 0", "last", NEW, OLD]
    assert not (home / ".local/state/safe-agent/ledger").exists()


def test_the_script_is_printed_without_what_answers_it(home: Path) -> None:
    code = "import sys; from wrapper.cli.main import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, "completion", "zsh"],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "compdef _safe_agent safe-agent" in done.stdout
    assert {"wrapper.cli.completing", "wrapper.plan.places"}.isdisjoint(done.stderr.split())


@pytest.mark.parametrize("arguments", [(), ("tcsh",), ("bash", "more")])
def test_another_shell_is_wrong_usage(home: Path, arguments: tuple[str, ...]) -> None:
    command = [str(COMMANDS / "safe-agent"), "completion", *arguments]
    done = subprocess.run(command, env=environment(home), capture_output=True, timeout=60, check=False)
    assert done.returncode == 2


def test_the_script_for_bash_is_sound() -> None:
    script = Path(__file__).parents[2] / "wrapper/cli/shells/completion.bash"
    subprocess.run(["shellcheck", "-s", "bash", script], check=True, timeout=60)
