"""A session that ends is not held up, cut short or misreported by what comes meanwhile."""

import json
import os
import shutil
import signal
import time
from functools import partial

import pexpect
import pytest

from tests.machine import COMMANDS, Machine, until
from wrapper import crew

_LEAVING = "trap 'sleep 0.2; echo bye; exit 7' INT; echo ready; while :; do sleep 0.05; done"


def _in_terminal(machine: Machine, script: str) -> "pexpect.spawn[bytes]":
    command = ["exec", "--", "sh", "-c", script]
    folder = str(machine.workspace)
    return pexpect.spawn(str(COMMANDS / "safe-agent"), command, env=machine.environ, cwd=folder, timeout=30)


def _ends(machine: Machine) -> list[tuple[int, str]]:
    events = [json.loads(line) for line in machine.log().splitlines()]
    return [(event["exit_code"], event["reason"]) for event in events if event["type"] == "end"]


def test_ctrl_c_pressed_once_too_often_cuts_no_end_short(machine: Machine) -> None:
    """Promise 3: files are put back then. The third Ctrl-C of who leaves Claude Code falls there."""
    child = _in_terminal(machine, _LEAVING)
    child.expect("ready")
    child.sendintr()
    child.expect("bye")
    for _ in range(40):
        child.sendintr()
        time.sleep(0.005)
    child.expect(r"\(exit 7\)")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 7
    assert _ends(machine) == [(7, "")]


def test_a_job_that_is_cancelled_twice_ends_with_its_own_word(machine: Machine) -> None:
    with machine.running("trap 'exit 9' TERM; while :; do sleep 0.05; done") as running:
        running.process.send_signal(signal.SIGTERM)
        for _ in range(40):
            time.sleep(0.01)
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGTERM)
        done = running.end()
    assert (done.returncode, _ends(machine)) == (9, [(9, "")])


def test_a_closed_terminal_takes_no_last_word_from_the_log(machine: Machine) -> None:
    """What the end has to tell cannot be shown, and is no reason to fail."""
    script = "git init -q new; trap 'exit 5' HUP; echo ready; while :; do sleep 0.05; done"
    child = _in_terminal(machine, script)
    child.expect("ready")
    os.close(child.child_fd)
    child.closed = True
    until(lambda: bool(machine.sessions()) and not (machine.sessions()[0] / "view").exists(), within=20)
    assert _ends(machine) == [(5, "")]


def test_only_where_sealing_takes_long_are_signals_heeded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An anchor that is far away does not hold the user, and no key in the last tenth of a second changes the code."""
    for patience, late in ((60.0, 0), (0.0, 1)):
        monkeypatch.setattr(crew, "_SEALED", patience)
        recorder = crew.Recorder()
        called: list[int] = []
        recorder.on_late = partial(called.append, 1)
        recorder.give_up()
        assert sum(called) == late


def test_a_workspace_that_is_taken_away_is_named(machine: Machine) -> None:
    with machine.running("sleep 1") as running:
        shutil.rmtree(machine.workspace)
        done = running.end()
    assert done.returncode == 125
    assert f"`{machine.workspace}` was taken away while the session ran" in done.stderr
    machine.workspace.mkdir()
    assert "was taken away" in _ends(machine)[0][1]
