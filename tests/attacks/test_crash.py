"""The session's own processes die, the disk is full, the log is gone, the provider is gone."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.machine import Machine, Running, until
from tests.smalldisk import with_little_room

_WAIT = "echo STARTED; touch ready; trap '' TERM HUP INT; sleep 60 & sleep 60"


def processes() -> dict[int, tuple[int, str, str]]:
    """Give parent, name and arguments of every process."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")
                name = (folder / "comm").read_text().strip()
                arguments = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if fields[2].split()[0] != "Z":
                found[int(folder.name)] = (int(fields[2].split()[1]), name, arguments)
    return found


def family(top: int) -> dict[int, str]:
    """Give the process and all that came from it, by id, with their names."""
    table = processes()
    found = {top: table[top][1]}
    for _ in table:
        found |= {pid: name for pid, (parent, name, _) in table.items() if parent in found}
    return found


@contextmanager
def busy(machine: Machine) -> Iterator[Running]:
    """A session whose command ignores signals, after it wrote to the masked file."""
    script = f"echo ADDED=1 >> .env; cp .env copy; {_WAIT}"
    with machine.running(script) as running:
        running.reached("ready")
        time.sleep(0.3)
        yield running


def gone(pids: dict[int, str]) -> bool:
    return not set(pids) & set(processes())


def test_a_killed_wrapper_leaves_nothing_behind(shown: Machine) -> None:
    """Promises 2, 3 and 4: no process, no mount; what waited is restored; the log is whole."""
    own = {"fuse": {"safe-view", "safe-mount"}, "binds": {"safe-mount"}}[shown.view]
    with busy(shown) as running:
        everyone = family(running.process.pid)
        assert {"safe-log", "safe-guard", "sleep", *own} <= set(everyone.values())
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        until(lambda: gone(everyone), within=8)
    assert str(shown.root) not in Path("/proc/self/mountinfo").read_text()
    for name in (".env", "copy"):
        text = (shown.workspace / name).read_text()
        assert "MASKED-" not in text
        assert "ADDED=1" in text
        assert shown.planted["stripe"] in text
    assert shown.host("safe-agent", "audit", "verify").returncode == 0
    assert "STARTED" in shown.log()
    assert not shown.leaks(shown.log())
    assert shown.inside("true").returncode == 0


_SAID = {
    "safe-guard": "guard",
    "safe-log": "recorder",
    "safe-view": "view",
    "safe-mount": "mounter",
    "safe-watch": "watch",
}


@pytest.mark.parametrize("name", _SAID)
def test_a_session_ends_when_one_of_its_processes_is_killed(shown: Machine, name: str) -> None:
    """Promise 5: it says which process is gone, ends with 125, and the command inside is dead."""
    with busy(shown) as running:
        everyone = family(running.process.pid)
        victims = [pid for pid, found in everyone.items() if found == name]
        assert len(victims) == (0 if (name, shown.view) == ("safe-view", "binds") else 1)
        if not victims:
            return  # the daemon is FUSE's
        os.kill(victims[0], signal.SIGKILL)
        done = running.end(within=30)
    assert done.returncode == 125, done.stderr
    assert "safe-agent: " in done.stderr
    assert _SAID[name] in done.stderr
    assert "Traceback" not in done.stderr
    until(lambda: gone(everyone), within=8)
    assert str(shown.root) not in Path("/proc/self/mountinfo").read_text()
    assert not shown.leaks(done.stdout)
    if (shown.view, name) != ("binds", "safe-guard"):  # there the guard restores
        assert "MASKED-" not in (shown.workspace / ".env").read_text()
        assert shown.planted["stripe"] in (shown.workspace / "copy").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_session_that_is_asked_to_end_ends_in_order(machine: Machine, number: signal.Signals) -> None:
    """Promises 3 and 4: the command gets the signal, the files are restored, the log is sealed."""
    with machine.running("cp .env copy; touch ready; exec sleep 60") as running:
        running.reached("ready")
        everyone = family(running.process.pid)
        running.process.send_signal(number)
        done = running.end(within=20)
    assert done.returncode == 128 + number
    until(lambda: gone(everyone), within=5)
    assert machine.planted["stripe"] in (machine.workspace / "copy").read_text()
    assert machine.host("safe-agent", "audit", "verify").returncode == 0


def test_a_full_disk_ends_the_session(anyones: Machine) -> None:
    """Promise 4: nothing goes on unrecorded; one clear line."""
    state = anyones.home / ".local/state/safe-agent"
    anyones.host("mkdir", "-p", str(state), check=True)
    fill = "head -c 3000000 /dev/urandom | base64; sleep 5; touch went-on"
    done = with_little_room(anyones, state, "safe-agent", "exec", "--", "sh", "-c", fill)
    assert done.returncode == 125, done.stderr[-500:]
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (anyones.workspace / "went-on").exists()


def test_a_provider_that_is_down_is_an_answer_and_the_session_goes_on(machine: Machine) -> None:
    """The client sees an error in its own API's shape, and may try again."""
    ask = (
        "curl -sS -m 20 -w ' %{http_code}' -H 'content-type: application/json' -d '{}' $ANTHROPIC_BASE_URL/v1/messages"
    )
    done = machine.inside(f"{ask}; echo; echo still here", ANTHROPIC_BASE_URL="http://127.0.0.1:9")
    assert '"type":"error"' in done.stdout.replace(" ", "")
    assert done.stdout.splitlines()[0].split()[-1] in {"502", "503", "504", "529"}
    assert "still here" in done.stdout
    assert done.returncode == 0


def test_a_session_that_was_refused_leaves_nothing(machine: Machine) -> None:
    """Promise 5: nothing half started."""
    before = set(processes())
    done = machine.host("safe-agent", "exec", "--allow-degraded", "nonsense", "--", "true")
    assert done.returncode == 125
    assert machine.sessions() == []
    until(
        lambda: not [pid for pid, row in processes().items() if pid not in before and row[1].startswith("safe-agent")]
    )


def test_the_signal_of_a_killed_command_is_the_sessions_code(machine: Machine) -> None:
    assert machine.inside("kill -9 $$").returncode == 137
    assert machine.inside("kill -TERM $$").returncode == 143


def test_a_log_that_is_deleted_while_it_is_written_ends_the_session(machine: Machine) -> None:
    """What is written to a file without a name is gone with its writer: that is no durable record."""
    with machine.running("sleep 60; touch went-on") as running:
        for session in machine.sessions():
            shutil.rmtree(session)
        done = running.end(within=30)
    assert done.returncode == 125, done.stderr
    assert "the log was deleted while the session ran" in done.stderr
    assert not (machine.workspace / "went-on").exists()
    assert machine.host("safe-agent", "audit", "verify", "--all").returncode == 11


def test_a_start_that_is_killed_before_its_log_begins_is_no_cut_session(machine: Machine) -> None:
    assert machine.inside("true").returncode == 0
    command = ["safe-agent", "exec", "--", "true"]
    starting = subprocess.Popen(command, env=machine.environ, cwd=machine.workspace, start_new_session=True)
    until(lambda: len(machine.sessions()) == 2)
    everyone = family(starting.pid)
    os.kill(starting.pid, signal.SIGKILL)
    starting.wait()
    until(lambda: gone(everyone), within=10)
    shown = machine.host("safe-agent", "audit", "verify", "--all")
    assert shown.returncode in (0, 10), shown.stdout
    assert "TRUNCATED" not in shown.stdout


@pytest.mark.parametrize("name", ["safe-log", "safe-watch"])
def test_a_helper_that_dies_before_it_is_needed_is_named_and_no_mistake_of_ours(machine: Machine, name: str) -> None:
    """Promise 5: it says which process is gone."""
    script = "import sys; from tests.attacks.test_crash import start; sys.exit(start(sys.argv[1]))"
    done = machine.host(sys.executable, "-c", script, name, PYTHONPATH=str(Path(__file__).parents[2]))
    assert done.returncode == 125, done.stderr
    assert "ended before the session could begin" in done.stderr
    assert "mistake" not in done.stderr
    assert machine.sessions() == []


def start(name: str) -> int:
    """Start a session of which the process `name` is killed as soon as it is forked."""
    from wrapper import crew
    from wrapper.cli.main import main
    from wrapper.processes import Forked, fork

    def killed(which: str, work: Callable[[], int], *, keep: Sequence[int]) -> Forked:
        made = fork(which, work, keep=keep)
        if which == name:
            os.kill(made.pid, signal.SIGKILL)
            os.waitid(os.P_PIDFD, made.pidfd, os.WEXITED | os.WNOWAIT)
        return made

    setattr(crew, "fork", killed)  # noqa: B010 (a name that the module imports)
    sys.argv = ["safe-agent", "exec", "--", "true"]
    main()
    return 0


def test_a_killed_wrapper_leaves_nothing_in_the_sessions_folder_but_the_log(shown: Machine) -> None:
    with busy(shown) as running:
        everyone = family(running.process.pid)
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        until(lambda: gone(everyone), within=8)
    (session,) = shown.sessions()
    assert {path.suffix for path in session.iterdir()} <= {".alog", ".age"}


def test_a_session_that_the_full_disk_refused_leaves_nothing_and_the_disk_is_named(anyones: Machine) -> None:
    """Half a header would look like a log that was cut."""
    state = anyones.home / ".local/state/safe-agent"
    anyones.host("mkdir", "-p", str(state), check=True)
    for inodes in (4, 5):  # the state folder, those of the sessions, of this one and its view; then its key
        look = f'safe-agent exec -- true; echo "code $?"; find {state}/sessions -mindepth 1'
        done = with_little_room(anyones, state, "sh", "-c", look, size=f"size=1m,nr_inodes={inodes}")
        assert done.stdout == "code 125\n", done.stderr
        assert str(state) in done.stderr
        assert "No space left on device" in done.stderr


def test_an_umask_that_opens_everything_opens_nothing_of_ours(machine: Machine) -> None:
    """Another user must neither read nor replace keys, policy, logs, ledger: none comes by what lies in a 0700."""
    shutil.rmtree(machine.home / ".config/safe-agent")
    script = "umask 0; safe-agent keys make && safe-agent exec -- true"
    assert machine.host("sh", "-c", script).returncode == 0
    for folder in (".config/safe-agent", ".local/state/safe-agent"):
        assert stat.S_IMODE((machine.home / folder).stat().st_mode) == 0o700


def test_an_umask_that_closes_everything_stops_nothing(machine: Machine) -> None:
    done = machine.host("sh", "-c", "umask 777; exec safe-agent exec -- sh -c 'umask 022; cp .env copy'")
    assert done.returncode == 0, done.stderr
    assert machine.planted["stripe"] in (machine.workspace / "copy").read_text()
    assert machine.host("sh", "-c", "umask 777; safe-agent audit verify --all").returncode == 0


@pytest.mark.parametrize("name", ["new\nline", "a:b", "quo'te \"s$(id)", "d" * 60 + "/" + "d" * 200])
def test_a_home_of_any_name_holds_a_log_that_verifies(machine: Machine, name: str) -> None:
    home = machine.root / name
    home.parent.mkdir(exist_ok=True)
    machine.home.rename(home)
    done = machine.inside("cp .env copy", HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert machine.planted["stripe"] in (machine.workspace / "copy").read_text()
    assert machine.host("safe-agent", "audit", "verify", "--all", HOME=str(home)).returncode == 0


def test_sessions_that_begin_and_end_at_once_do_not_disturb_each_other(machine: Machine) -> None:
    """No lock, no mark and no entry of one is taken for another's."""
    command = ["safe-agent", "exec", "--", "sh", "-c", "echo hello; cp .env copy.$$"]
    running = [
        subprocess.Popen(command, env=machine.environ, cwd=machine.workspace, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [one.communicate(timeout=100)[1] for one in running]
    assert [one.returncode for one in running] == [0] * 4, said
    shown = machine.host("safe-agent", "audit", "verify", "--all")
    assert (shown.returncode, shown.stdout.count("SEALED")) == (0, 4), shown.stdout
    assert not list((machine.home / ".local/state/safe-agent/running").iterdir())
