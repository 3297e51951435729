"""A command for which one folder is a small disk of its own."""

import subprocess
import sys
from pathlib import Path

from tests.machine import Machine

_MOUNTS = """
import os, subprocess, sys
from wrapper import linux
folder, size, uid, gid = sys.argv[1], sys.argv[2], os.getuid(), os.getgid()
if uid:
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    open("/proc/self/setgroups", "w").write("deny")
    open("/proc/self/uid_map", "w").write(f"{uid} {uid} 1")
    open("/proc/self/gid_map", "w").write(f"{gid} {gid} 1")
else:
    linux.unshare(linux.CLONE_NEWNS)
linux.mount(None, "/", linux.MS_REC | linux.MS_PRIVATE)
linux.mount("small", folder, 0, kind="tmpfs", data=f"{size},mode=0700")
sys.exit(subprocess.call(sys.argv[3:], env=dict(os.environ)))
"""


def with_little_room(
    machine: Machine, folder: Path, *command: str, size: str = "size=256k"
) -> subprocess.CompletedProcess[str]:
    """Run a command outside, for which `folder` is empty and has this size (tmpfs(5))."""
    root = str(Path(__file__).parents[1])
    return machine.host(sys.executable, "-c", _MOUNTS, str(folder), size, *command, PYTHONPATH=root)
