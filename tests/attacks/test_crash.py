"""The session's own processes die, the disk is full, the provider is gone."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.machine import Machine, Running, until

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


_FULL = """
import os, subprocess, sys
from wrapper import linux
state, uid, gid = sys.argv[1], os.getuid(), os.getgid()
if uid:
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    open("/proc/self/setgroups", "w").write("deny")
    open("/proc/self/uid_map", "w").write(f"{uid} {uid} 1")
    open("/proc/self/gid_map", "w").write(f"{gid} {gid} 1")
else:
    linux.unshare(linux.CLONE_NEWNS)
linux.mount(None, "/", linux.MS_REC | linux.MS_PRIVATE)
linux.mount("small", state, 0, kind="tmpfs", data="size=256k,mode=0700")
sys.exit(subprocess.call(sys.argv[2:], env=dict(os.environ)))
"""


def test_a_full_disk_ends_the_session(anyones: Machine) -> None:
    """Promise 4: nothing goes on unrecorded; one clear line."""
    state = anyones.home / ".local/state/safe-agent"
    anyones.host("mkdir", "-p", str(state), check=True)
    fill = "head -c 3000000 /dev/urandom | base64; sleep 5; touch went-on"
    command = [sys.executable, "-c", _FULL, str(state), "safe-agent", "exec", "--", "sh", "-c", fill]
    done = anyones.host(*command, PYTHONPATH=str(Path(__file__).parents[2]))
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
