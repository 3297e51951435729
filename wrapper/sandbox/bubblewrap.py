"""The sandbox itself: a launch plan's mounts as arguments of bubblewrap, and what it says when it cannot start.

The order of arguments is the order of mounts (bwrap(1)). bubblewrap starts with the built environment: its first
process keeps the environment it was started with, readable inside at /proc/1/environ, even with `--clearenv`.
"""

import json
import os
import platform
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from wrapper.errors import ProtectionError
from wrapper.plan.mounts import Mount
from wrapper.sandbox import seccomp

_FLAGS = {"read-only": "--ro-bind", "read-write": "--bind", "link": "--symlink"}
_ALONE = {"empty": "--tmpfs", "proc": "--proc", "dev": "--dev", "seal": "--remount-ro"}
# The kernel lets root write here by its id alone, without any capability, and what is written holds outside as well:
# `core_pattern` names a program that the kernel starts. bubblewrap leaves open what it finds not writable by access(2).
_ROOTS_PROC = ("/proc/sys", "/proc/fs", "/proc/scsi", "/proc/acpi", "/proc/asound", "/proc/driver", "/proc/mtrr")
# bubblewrap ends with 1 where it cannot execute the command; env(1) with 127 and 126, like a shell. It would take a
# name with `=` for a variable.
_RUN = ("/usr/bin/env", "--")
_SHARED_FOLDERS = ("/tmp", "/var/tmp")  # noqa: S108 (fresh ones, inside)

# Root inside needs CAP_SETFCAP to map itself in a namespace of its own (user_namespaces(7)): the client's own inner
# sandbox does that. It gives no power over anything outside the namespace.
_ROOT_KEEPS = ("CAP_SETFCAP",)
# What root can do with other people's files outside it can do inside as well, in the workspace only.
_OWNER_KEEPS = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER")


def find_bubblewrap(search: str) -> str:
    """Find bwrap in `search` (a PATH). Raises ProtectionError `sandbox`."""
    found = shutil.which("bwrap", path=search)
    if found is None:
        raise ProtectionError(
            "sandbox",
            "bubblewrap is not installed",
            hint="install it (`apt install bubblewrap`), or run `./install.sh`",
        )
    return os.path.realpath(found)


@dataclass(frozen=True, slots=True)
class Gate:
    """What bubblewrap inherits: pipes to tell its child's id and to wait for the word to go on; a filter of calls."""

    info: int
    info_write: int
    block_read: int
    block: int
    filter: int
    _open: set[int]

    @classmethod
    def make(cls) -> Self:
        """Make both pipes; the child's ends are inheritable only by being passed on. Raises ProtectionError."""
        machine = platform.machine()
        try:
            program = seccomp.program(machine)
        except KeyError:
            raise ProtectionError(
                "sandbox", f"no filter of system calls is known for {machine}", hint="x86_64 and aarch64 have one"
            ) from None
        calls = os.memfd_create("calls")
        os.write(calls, program)
        os.lseek(calls, 0, os.SEEK_SET)
        info, info_write = os.pipe()
        block_read, block = os.pipe()
        made = (info, info_write, block_read, block, calls)
        return cls(*made, set(made))

    @property
    def childs(self) -> tuple[int, int, int]:
        """The descriptors that bubblewrap must inherit."""
        return self.info_write, self.block_read, self.filter

    def started(self) -> int:
        """Wait until the sandbox stands and return the host's id of its first process. Raises ProtectionError."""
        self._close(*self.childs)
        said = b""
        while b"}" not in said:
            part = os.read(self.info, 4096)
            if not part:
                raise _no_sandbox()
            said += part
        self._close(self.info)
        return int(json.loads(said)["child-pid"])

    def release(self) -> None:
        """Let the command start. Raises ProtectionError where bubblewrap has ended."""
        try:
            os.write(self.block, b"x")
        except BrokenPipeError:
            raise _no_sandbox() from None

    def close(self) -> None:
        """Give up what is still open. A command that waits starts by that, too: bubblewrap does not ask why."""
        self._close(*self._open)

    def _close(self, *descriptors: int) -> None:
        for descriptor in descriptors:
            self._open.discard(descriptor)
            os.close(descriptor)


def _no_sandbox() -> ProtectionError:
    return ProtectionError(
        "sandbox",
        "bubblewrap could not make the sandbox",
        hint="its message is above; `safe-agent doctor` says what is missing",
    )


def arguments(  # noqa: PLR0913 (each is a separate decision of the plan)
    bwrap: str,
    mounts: Iterable[Mount],
    command: Sequence[str],
    *,
    folder: str,
    gate: Gate,
    as_root: bool,
    foreign_owner: bool,
    network: bool = False,
) -> list[str]:
    """Build the whole argument vector. `foreign_owner`: root works in a workspace that is another user's."""
    keeps = (*_ROOT_KEEPS, *(_OWNER_KEEPS if foreign_owner else ())) if as_root else ()
    return [
        bwrap,
        *(word for mount in mounts for word in _words(mount)),
        *(word for folder in (_ROOTS_PROC if as_root else ()) for word in ("--ro-bind-try", folder, folder)),
        "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        *([] if network else ["--unshare-net"]),
        "--die-with-parent",
        "--cap-drop", "ALL",
        *(word for capability in keeps for word in ("--cap-add", capability)),
        "--chdir", folder,
        "--seccomp", str(gate.filter),
        "--info-fd", str(gate.info_write),
        "--block-fd", str(gate.block_read),
        "--", *(() if "=" in command[0] else _RUN), *command,
    ]  # fmt: skip


def _words(mount: Mount) -> tuple[str, ...]:
    if mount.target in _SHARED_FOLDERS and mount.kind == "empty":
        return "--perms", "1777", "--tmpfs", mount.target
    if mount.kind in _ALONE:
        return _ALONE[mount.kind], mount.target
    return _FLAGS[mount.kind], mount.source, mount.target
