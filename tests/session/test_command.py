"""`safe-agent exec` is transparent: arguments, pipes, exit codes, folders are those of the bare command."""

import json
import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from tests.machine import Machine

_ECHO = "import json, sys; print(json.dumps(sys.argv[1:]))"


@pytest.mark.parametrize("code", [0, 1, 2, 42, 125, 127, 255])
def test_the_commands_exit_code_is_the_sessions(machine: Machine, code: int) -> None:
    assert machine.inside(f"exit {code}").returncode == code


@pytest.mark.parametrize(("name", "number"), [("INT", 2), ("ABRT", 6), ("KILL", 9), ("SEGV", 11), ("TERM", 15)])
def test_a_signal_is_128_more(machine: Machine, name: str, number: int) -> None:
    assert machine.inside(f"ulimit -c 0; kill -{name} $$").returncode == 128 + number


@pytest.mark.parametrize("command", ["no-such-command", "./no-such-file", "/no/such/path"])
def test_a_command_that_is_not_there_is_127(anyones: Machine, command: str) -> None:
    done = anyones.host("safe-agent", "exec", "--", command)
    assert done.returncode == 127
    assert command in done.stderr


def test_a_command_that_cannot_be_executed_is_126(machine: Machine) -> None:
    """As a shell says it."""
    assert machine.host("safe-agent", "exec", "--", "./app.py").returncode == 126
    assert machine.host("safe-agent", "exec", "--", "/usr").returncode == 126


def test_no_command_is_wrong_usage(machine: Machine) -> None:
    assert machine.host("safe-agent", "exec").returncode == 2
    assert machine.host("safe-agent", "exec", "--").returncode == 2
    assert machine.host("safe-agent", "exec", "--", "").returncode == 127


@pytest.mark.parametrize(
    "arguments",
    [
        ["a b", "", " ", "\t", "it's", '"', "$HOME", "`id`", "\\", "*", "~", "a\nb", "\n"],
        ["--help", "-h", "--version", "--policy", "x", "--profile=strict", "--", "-", "--allow-degraded", "-p"],
        ["ü", "日本語", "\udcff\udcfe", "a=b", "x" * 100_000],
        [str(number) for number in range(3000)],
    ],
    ids=["quotes", "options", "bytes", "many"],
)
def test_arguments_reach_the_command_untouched(machine: Machine, arguments: list[str]) -> None:
    done = machine.host("safe-agent", "exec", "--", "python3", "-c", _ECHO, *arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == arguments


def test_standard_streams_are_pipes_apart_from_each_other(machine: Machine) -> None:
    done = machine.host(
        "sh",
        "-c",
        "printf 'a\\nb\\n' | safe-agent exec -- sh -c 'cat; echo err >&2; [ -t 1 ] || echo pipe' | tr a-z A-Z",
    )
    assert done.stdout == "A\nB\nPIPE\n"
    assert "err\n" in done.stderr
    assert "err" not in done.stdout


def test_input_ends_when_the_callers_does(machine: Machine) -> None:
    script = "head -c 3000000 /dev/zero | safe-agent exec -- sh -c 'wc -c; cat; echo end'"
    assert machine.host("sh", "-c", script).stdout.split() == ["3000000", "end"]


def test_closed_streams_do_no_harm(machine: Machine) -> None:
    assert machine.host("sh", "-c", "safe-agent exec -- sh -c 'exit 3' <&- >&- 2>&-").returncode == 3


def test_big_output_arrives_whole_and_in_order(machine: Machine) -> None:
    done = machine.inside("seq 1 1000000")
    assert done.stdout == "".join(f"{number}\n" for number in range(1, 1_000_001))


def test_a_reader_that_goes_away_ends_the_command(machine: Machine) -> None:
    before = time.monotonic()
    done = machine.host("sh", "-c", "safe-agent exec -- yes | head -n 2")
    assert done.stdout == "y\ny\n"
    assert time.monotonic() - before < 10


def test_binary_output_is_not_changed(machine: Machine) -> None:
    script = "safe-agent exec -- python3 -c 'import os; os.write(1, bytes(range(256)) * 999)' | sha256sum"
    import hashlib

    assert machine.host("sh", "-c", script).stdout.split()[0] == hashlib.sha256(bytes(range(256)) * 999).hexdigest()


def test_the_command_starts_in_the_callers_folder(anyones: Machine) -> None:
    folder = anyones.workspace / "deep er" / "földer"
    folder.mkdir(parents=True)
    anyones.give()
    done = anyones.host("safe-agent", "exec", "--", "sh", "-c", "pwd; cat ../../app.py; echo x > made", cwd=folder)
    assert done.stdout == f"{folder}\nprint('hello')\n"
    assert (folder / "made").read_text() == "x\n"


def test_files_made_inside_belong_to_the_user(anyones: Machine) -> None:
    anyones.inside("umask 027; mkdir d; echo x > d/f; ln -s f d/l; chmod +x d/f")
    about = (anyones.workspace / "d/f").stat()
    assert (about.st_uid, stat.S_IMODE(about.st_mode)) == (anyones.uid, 0o750)
    assert (anyones.workspace / "d/l").is_symlink()


def test_a_workspace_of_another_user_can_be_worked_in_by_root(machine: Machine) -> None:
    """In containers root works in folders of other users."""
    if os.getuid() != 0:
        return  # there is nobody to be root
    subprocess.run(["chown", "-R", "12345:12345", str(machine.workspace)], check=True)
    machine.host("git", "config", "--global", "safe.directory", "*", check=True)
    done = machine.inside("echo more >> app.py && echo MORE=1 >> .env && mkdir d && touch d/x && rm d/x")
    assert done.returncode == 0, done.stderr
    assert machine.planted["stripe"] in (machine.workspace / ".env").read_text()
    assert (machine.workspace / ".env").stat().st_uid == 12345


def test_the_sessions_processes_change_nothing_for_its_command(machine: Machine) -> None:
    """Limits, umask, nice, ignored signals and the environment's plain part are the caller's."""
    script = "umask; ulimit -n; nice; cut -d: -f2 /proc/self/status | head -0; grep -E 'Sig(Ign|Blk)' /proc/self/status; echo $LANG"
    bare = machine.host("sh", "-c", f"umask 027; ulimit -n 500; nice -n 3 sh -c '{script}'").stdout
    inside = machine.host("sh", "-c", f"umask 027; ulimit -n 500; nice -n 3 safe-agent exec -- sh -c '{script}'").stdout
    assert inside == bare


def test_two_sessions_in_one_workspace_do_not_harm_each_other(machine: Machine) -> None:
    """Promise 3: both write to the same masked file."""
    script = "echo FIRST=1 >> .env; [ -e second ]; touch first; until [ -e second ]; do sleep 0.02; done; cat .env"
    with machine.running(script) as first:
        first.reached("first")
        second = machine.inside("cat .env; echo SECOND=2 >> .env; touch second; sleep 0.3")
        done = first.end()
    assert second.returncode == 0
    assert "FIRST=1" in second.stdout
    assert "SECOND=2" in done.stdout
    text = (machine.workspace / ".env").read_text()
    assert text.endswith("FIRST=1\nSECOND=2\n")
    assert machine.planted["stripe"] in text
    assert Path(machine.workspace, "app.py").exists()
