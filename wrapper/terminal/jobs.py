"""What /proc says about the processes of a session: whether one is stopped, who belongs to a group."""

import contextlib
import os
from pathlib import Path

_STATE, _GROUP = 0, 2  # fields 3 and 5 of proc_pid_stat(5), counted from behind the name


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
    """Return the living processes of a process group, wherever their PID namespace is."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    wanted = str(group)
    return [pid for pid in pids if (fields := _fields(pid)) and fields[_GROUP] == wanted and fields[_STATE] != "Z"]


def send(pid: int, number: int) -> None:
    """Signal one process, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def send_group(group: int, number: int) -> None:
    """Signal a process group, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def send_within(group: int, number: int, *, but: int | None) -> None:
    """Signal a group's members except `but`, or the whole group where nobody else is in it."""
    signalled: set[int] = set() if but is None else {but}
    while but is not None and (others := set(members(group)) - signalled):
        for pid in others:
            send(pid, number)
        signalled |= others  # and look again: one may have forked meanwhile
    if len(signalled) <= 1:
        send_group(group, number)


def _fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()
    except OSError:
        return []
