"""What /proc says about the processes of a session: whether one is stopped, who belongs to a group."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

_STATE, _PARENT, _GROUP = 0, 1, 2  # fields 3 to 5 of proc_pid_stat(5), counted from behind the name


def is_stopped(pid: int) -> bool:
    """Tell whether job control has stopped the process (a debugger does not count)."""
    fields = _fields(pid)
    return bool(fields) and fields[_STATE] == "T"


def first_child(pid: int) -> int | None:
    """Return the eldest child that `pid` forked: below bubblewrap's PID 1, the agent. None if there is none."""
    with (
        contextlib.suppress(OSError, IndexError, ValueError),
        Path(f"/proc/{pid}/task/{pid}/children").open() as children,
    ):
        return int(children.read().split()[0])
    return None


def members(group: int) -> list[int]:
    """Return the living processes of a process group, wherever their PID namespace is, each behind its parent."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    wanted = str(group)
    parents = {
        pid: int(fields[_PARENT])
        for pid in pids
        if (fields := _fields(pid)) and fields[_GROUP] == wanted and fields[_STATE] != "Z"
    }
    return sorted(parents, key=lambda pid: _depth(pid, parents))


def send(pid: int, number: int) -> None:
    """Signal one process, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def send_group(group: int, number: int) -> None:
    """Signal a process group, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def send_within(group: int, number: int, *, but: int | None) -> None:
    """Signal a group's members except `but`, or the whole group where nobody else is in it.

    Parents first: a shell whose command has ended by the signal goes on to the next, unless it has the signal as well.
    """
    signalled: set[int] = set() if but is None else {but}
    while but is not None and (others := [pid for pid in members(group) if pid not in signalled]):
        for pid in others:
            send(pid, number)
        signalled.update(others)  # and look again: one may have forked meanwhile
    if len(signalled) <= 1:
        send_group(group, number)


def _depth(pid: int, parents: Mapping[int, int]) -> int:
    """Count the ancestors among those that have `parents`."""
    for depth in range(len(parents)):
        pid = parents[pid]
        if pid not in parents:
            return depth
    return 0  # a circle: a number was given anew while they were read


def _fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()
    except OSError:
        return []
