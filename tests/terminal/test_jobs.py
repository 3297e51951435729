"""Who belongs to a process group, and in which order its members are signalled."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.terminal.screens import wait_until
from wrapper.terminal import jobs

CHAIN = 'if [ "$0" -gt 0 ]; then sh -c "$CHAIN" $(($0 - 1)) & fi; [ "$0" -gt 0 ] || echo UP; wait; sleep 30'


def test_the_members_of_a_group_come_behind_their_parents() -> None:
    group = subprocess.Popen(
        ["sh", "-c", CHAIN, "12"], env={**os.environ, "CHAIN": CHAIN}, stdout=subprocess.PIPE, process_group=0
    )
    try:
        assert group.stdout is not None
        assert group.stdout.readline() == b"UP\n"
        found = jobs.members(group.pid)
        parents = [int(jobs._fields(pid)[jobs._PARENT]) for pid in found]
    finally:
        jobs.send_group(group.pid, signal.SIGKILL)
        group.communicate()
    assert found[0] == group.pid
    assert len(found) >= 13
    assert all(parent in found[:place] for place, parent in enumerate(parents) if place)


def test_a_group_is_signalled_in_that_order_and_who_came_meanwhile_too(monkeypatch: pytest.MonkeyPatch) -> None:
    there = iter([[700, 1000, 129, 5], [700, 1000, 129, 5, 6], [700, 1000, 129, 5, 6]])
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(jobs, "members", lambda _group: next(there))
    monkeypatch.setattr(jobs, "send", lambda pid, number: sent.append((pid, number)))
    jobs.send_within(700, signal.SIGINT, but=700)
    assert sent == [(pid, signal.SIGINT) for pid in (1000, 129, 5, 6)]


def test_a_shell_that_is_interrupted_does_not_go_on_to_its_next_command() -> None:
    for _ in range(20):
        script = "trap '' USR1; echo UP; sleep 30; echo after"
        leader = [
            "python3",
            "-c",
            "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))",
            "sh",
            "-c",
            script,
        ]
        group = subprocess.Popen(leader, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, process_group=0)
        try:
            assert group.stdout is not None
            assert group.stdout.readline() == b"UP\n"
            wait_until(lambda: "sleep" in map(_name, jobs.members(group.pid)))  # noqa: B023  (called at once)
            jobs.send_within(group.pid, signal.SIGINT, but=group.pid)
            assert group.stdout.read() == b""
        finally:
            jobs.send_group(group.pid, signal.SIGKILL)
            group.communicate()


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
