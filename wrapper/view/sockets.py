"""Sockets of the host's processes in the workspace: whoever reaches one talks to a process outside the sandbox.

A socket in the file system is reached through its path, whatever network namespace the caller is in (unix(7)). The
kernel lists those that were bound in this network namespace; sockets that the inside binds are in another one.
"""

import os
from pathlib import Path


def is_bound_outside(path: str) -> bool:
    """Say whether a process of this network namespace has bound a socket to `path`, or to a relative path like it."""
    name = os.fsencode(path).rpartition(b"/")[2]
    for line in Path("/proc/net/unix").read_bytes().splitlines()[1:]:
        bound = line.split(None, 7)[7:]
        if bound and bound[0].rpartition(b"/")[2] == name:
            return True
    return False
