"""Can this machine give every protection? Each check tries the thing itself and names the exact fix.

Assumes a process with one thread: it forks, and the child joins a user namespace (unshare(2)).
"""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wrapper import linux

Status = Literal["ok", "missing", "optional"]

_SYSCTLS = (
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor forbids user namespaces (Ubuntu 23.10 and later)",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "this kernel forbids user namespaces to ordinary users",
        "sudo sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "no user namespaces are allowed",
        "sudo sysctl -w user.max_user_namespaces=15000",
    ),
)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table: `optional` things are good to have, `missing` ones stop a run."""

    name: str
    status: Status
    found: str
    fix: str = ""


def examine(path: str) -> Iterator[Check]:
    """Try what the machine must give; `path` is a PATH."""
    yield _bubblewrap(path)
    yield _namespaces()
    yield _sandbox(path)
    yield _fuse()
    yield _watches()


def _bubblewrap(path: str) -> Check:
    found = shutil.which("bwrap", path=path)
    if found is None:
        return Check("bubblewrap", "missing", "not found in PATH", "sudo apt install bubblewrap")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout
    return Check("bubblewrap", "ok", said.strip() or found)


def _namespaces() -> Check:
    """Make a user and mount namespace in a child, as a session does."""
    pid = os.fork()
    if pid == 0:
        try:
            linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == 0:
        return Check("user namespaces", "ok", "user and mount namespaces can be made")
    reason, fix = _why(code)
    return Check("user namespaces", "missing", f"{reason} ({os.strerror(abs(code))})", fix)


def _why(code: int = 0) -> tuple[str, str]:
    """Find the setting that refused with errno `code`: ENOSPC is a limit, that of a namespace around this one too."""
    for file, forbidding, reason, fix in _SYSCTLS:
        try:
            limited = code == errno.ENOSPC and file.endswith("/max_user_namespaces")
            if limited or Path(file).read_text().strip() == forbidding:
                return reason, f"{fix}   # and put it into /etc/sysctl.d/ to keep it"
        except OSError:
            continue
    return (
        "a container or its seccomp profile forbids user namespaces",
        "run the container with `--security-opt seccomp=unconfined` or with a profile that allows unshare(2)",
    )


def _sandbox(path: str) -> Check:
    """Run `true` in a sandbox without network."""
    bwrap = shutil.which("bwrap", path=path)
    if bwrap is None:
        return Check("sandbox", "missing", "needs bubblewrap", "sudo apt install bubblewrap")
    command = [bwrap, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--unshare-pid", "--unshare-net", "--"]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False, timeout=20)
    if tried.returncode == 0:
        return Check("sandbox", "ok", "a sandbox without network starts")
    said = tried.stderr.strip().splitlines() or ["it says nothing"]
    return Check("sandbox", "missing", said[-1], _why()[1])


def _fuse() -> Check:
    device = Path("/dev/fuse")
    if not device.exists():
        return Check("FUSE", "optional", "/dev/fuse is not there", "sudo modprobe fuse")
    if not os.access(device, os.R_OK | os.W_OK):
        return Check("FUSE", "optional", "/dev/fuse cannot be opened by you", "sudo chmod 0666 /dev/fuse")
    return Check("FUSE", "ok", "/dev/fuse can be opened (not used yet: files are covered by binds)")


def _watches() -> Check:
    try:
        linux.try_inotify()
    except OSError as error:
        fix = "sudo sysctl -w fs.inotify.max_user_instances=1024"
        return Check("file watches", "missing", f"no inotify instance can be made ({error.strerror})", fix)
    limit = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text())
    if limit < 65536:
        fix = "sudo sysctl -w fs.inotify.max_user_watches=524288"
        return Check("file watches", "optional", f"only {limit} folders can be watched", fix)
    return Check("file watches", "ok", f"{limit} folders can be watched")
