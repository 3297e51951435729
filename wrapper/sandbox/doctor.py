"""Can this machine give every protection? Each check tries the thing itself and names the exact fix.

Assumes a process with one thread: it forks, and the child joins a user namespace (unshare(2)).
"""

import errno
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

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


_DEVICE: Final = Path("/dev/fuse")
_CONTAINER: Final = f"in a container: start it with `--device {_DEVICE}`"
_RULE: Final = """echo 'KERNEL=="fuse", MODE="0666"' | sudo tee /etc/udev/rules.d/99-fuse.rules"""
_UNMOUNTED: Final = (
    "needs Linux 4.18 or newer, and no seccomp profile or security module that forbids mount(2) in a user namespace"
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
    yield _view()
    yield _watches()


def _bubblewrap(path: str) -> Check:
    found = shutil.which("bwrap", path=path)
    if found is None:
        return Check("bubblewrap", "missing", "not found in PATH", "sudo apt install bubblewrap")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout
    return Check("bubblewrap", "ok", said.strip() or found)


def _namespaces() -> Check:
    code = _in_child(_enter)
    if code == 0:
        return Check("user namespaces", "ok", "user and mount namespaces can be made")
    reason, fix = _why(code)
    return Check("user namespaces", "missing", f"{reason} ({os.strerror(abs(code))})", fix)


def _in_child(attempt: Callable[[], None]) -> int:
    """Try something that cannot be undone; returns the errno it failed with, else 0."""
    pid = os.fork()
    if pid == 0:
        try:
            attempt()
        except OSError as error:
            os._exit(error.errno or 1)
        except BaseException:  # noqa: BLE001 (whatever it is: this process must not go on as a second doctor)
            os._exit(errno.EIO)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _enter() -> None:
    """Make a user and mount namespace, as a session does."""
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)


def _open_fuse() -> int:
    """Open the device as the one user that is known in namespaces of our own."""
    uid, gid = os.getuid(), os.getgid()
    _enter()
    linux.map_ids(uid, gid)
    return os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)


def _mount_fuse() -> None:
    """Mount it; the mount is gone with its namespace, and nothing must look at it, for nobody answers."""
    device = _open_fuse()
    linux.mount(None, "/", linux.MS_REC | linux.MS_PRIVATE)
    linux.mount_fuse(device, str(_DEVICE.parent))


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


def _view() -> Check:
    """Try what the view of the workspace needs; without it files are covered by binds, which lag behind changes."""
    if not _DEVICE.exists():
        return Check("view", "optional", f"{_DEVICE} is not there", f"sudo modprobe fuse\n{_CONTAINER}")
    if _in_child(_enter):
        return Check("view", "optional", "needs user namespaces", "see the fix for user namespaces")
    code = _in_child(lambda: os.close(_open_fuse()))
    if code:
        found = f"{_DEVICE} (mode {stat.S_IMODE(_DEVICE.stat().st_mode):04o}) cannot be opened: {os.strerror(code)}"
        return Check("view", "optional", found, _unopened(code))
    code = _in_child(_mount_fuse)
    if code:
        found = f"FUSE cannot be mounted in a user namespace: {os.strerror(code)}"
        return Check("view", "optional", found, "sudo modprobe fuse" if code == errno.ENODEV else _UNMOUNTED)
    return Check("view", "ok", "the workspace can be served by FUSE")


def _unopened(code: int) -> str:
    """Say what to do about a device that cannot be opened: by its mode, by a container's rules, without its module."""
    if code == errno.EACCES:
        return f"sudo chmod 0666 {_DEVICE}\nto keep it: {_RULE}"
    return _CONTAINER if code == errno.EPERM else f"sudo modprobe fuse\n{_CONTAINER}"


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
