"""`/dev/fuse` for every user of a test's machine: many machines give it to root only.

Where the tests run as root, a mount namespace of their own has a device that everybody may open. Where they run as an
ordinary user, what that user may do is all there is.
"""

import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from wrapper import linux
from wrapper.sandbox import doctor

_DEVICE: Final = Path("/dev/fuse")
_NUMBER: Final = os.makedev(10, 229)  # Documentation/admin-guide/devices.txt


def lack_of_fuse() -> str:
    """Say why whoever runs the tests cannot have FUSE; empty where it can be had."""
    found = doctor._view()
    return "" if found.status == "ok" else found.found


def entering(folder: Path) -> Callable[[], None]:
    """Give what a forked child of root's does to come into a namespace with FUSE for everybody, and into `folder`."""
    namespace = _namespace()

    def enter() -> None:
        linux.setns(namespace, linux.CLONE_NEWNS)
        os.chdir(folder)

    return enter


@functools.cache
def _namespace() -> int:
    """Make the namespace, once for all tests; it is there as long as this process."""
    made, ready = os.pipe()
    opened, done = os.pipe()
    child = os.fork()
    if not child:
        try:
            _prepare()
            os.write(ready, b".")
            os.close(done)
            os.read(opened, 1)
            os._exit(0)
        finally:
            os._exit(1)
    for end in (ready, opened):
        os.close(end)
    try:
        assert os.read(made, 1) == b".", "no mount namespace could be made"
        return os.open(f"/proc/{child}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for end in (made, done):
            os.close(end)
        os.waitpid(child, 0)


def _prepare() -> None:
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount(None, "/", linux.MS_REC | linux.MS_PRIVATE)
    if not _DEVICE.exists():
        return  # nobody has it here
    folder = tempfile.mkdtemp()
    linux.mount("devices", folder, 0, kind="tmpfs", data="mode=0755")
    device = f"{folder}/fuse"
    os.mknod(device, 0o020666, _NUMBER)
    Path(device).chmod(0o666)
    linux.mount(device, str(_DEVICE), linux.MS_BIND)
    linux.unmount(folder)
    Path(folder).rmdir()
