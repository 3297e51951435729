"""The few Linux calls that Python 3.11 does not offer: namespaces, mounts, process attributes.

Each raises OSError with the kernel's errno, but for `born`. Constants are those of the kernel's user-space headers.
"""

import array
import ctypes
import os
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_SHARED = 0x100000

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800

_LARGEST_READ = 1 << 20  # bytes that the kernel asks of a FUSE daemon at once

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

# statvfs(3) flags and mount(2) flags have the same values for these; a remount in a user namespace must keep them,
# since the kernel locks them there (mount_namespaces(7))
_LOCKED = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME | os.ST_RELATIME

_KEEP_SIZE = 1  # linux/falloc.h
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno), what)


def unshare(flags: int) -> None:
    """Leave the named namespaces (unshare(2)); CLONE_NEWUSER needs a process with one thread."""
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Join the namespace behind `descriptor` (setns(2)); a user namespace needs a process with one thread."""
    _check(_libc.setns(descriptor, kind), "setns")


def mount(source: str | None, target: str, flags: int, *, kind: str | None = None, data: str | None = None) -> None:
    """Attach, bind or change a file system, by the call of the same name in section 2 of the manual."""

    def encoded(text: str | None) -> bytes | None:
        return None if text is None else os.fsencode(text)

    _check(
        _libc.mount(encoded(source), encoded(target), encoded(kind), ctypes.c_ulong(flags), encoded(data)),
        target,
    )


def map_ids(uid: int, gid: int) -> None:
    """Map these, the caller's own of before, to themselves in a user namespace just made (user_namespaces(7)).

    It knows no other id then; more can be mapped from outside only.
    """
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        Path("/proc/self", name).write_text(text)


def mount_fuse(device: int, folder: str) -> None:
    """Mount what the opened `/dev/fuse` will serve over `folder` (fuse(4)); nothing may look at it until it answers.

    `allow_other` lets the members of the device's user namespace in, not only the user who mounts.
    """
    kind = stat.S_IFMT(Path(folder).stat().st_mode)
    options = (
        f"fd={device},rootmode={kind:o},user_id={os.getuid()},group_id={os.getgid()},default_permissions,allow_other"
    )
    data = f"{options},max_read={_LARGEST_READ}"
    mount("safe-agent", folder, MS_NOSUID | MS_NODEV, kind="fuse.safe-agent", data=data)


class _Statx(ctypes.Structure):
    """As much of `struct statx` (statx(2)) as is needed, and room for the rest of its 256 bytes."""

    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("_before", ctypes.c_uint8 * 76),
        ("born", ctypes.c_int64),
        ("born_ns", ctypes.c_uint32),
        ("_behind", ctypes.c_uint8 * 164),
    )


def born(descriptor: int) -> int:
    """Say when an open file was made (statx(2)), in nanoseconds since 1970.

    0 where its file system does not tell, or the kernel does not let us ask: nothing is raised.
    """
    told = _Statx()
    if _libc.statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_BTIME, ctypes.byref(told)) or not told.mask & _STATX_BTIME:
        return 0
    return int(told.born) * 1_000_000_000 + int(told.born_ns)


def reserve(descriptor: int, size: int) -> None:
    """Have a file's first `size` bytes belong to it on disk, and leave its size as it is (fallocate(2))."""
    allocate = _libc.fallocate64
    allocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    _check(allocate(descriptor, _KEEP_SIZE, 0, size), "fallocate")


def unmount(target: str) -> None:
    """Detach what is mounted at `target` at once (umount2(2) with MNT_DETACH)."""
    _check(_libc.umount2(os.fsencode(target), 2), target)


def bind_read_only(path: str) -> None:
    """Make `path` read-only by a bind over itself, keeping the flags that the kernel has locked."""
    mount(path, path, MS_BIND | MS_REC)
    kept = os.statvfs(path).f_flag & _LOCKED
    mount(None, path, MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def try_inotify() -> None:
    """Make an inotify instance and close it again (inotify_init1(2)); a user may have only so many (EMFILE)."""
    descriptor = _libc.inotify_init1(os.O_CLOEXEC)
    if descriptor < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))
    os.close(descriptor)


def set_dumpable(*, dumpable: bool) -> None:
    """Let others of the same user read this process's memory and `/proc` files, or not (prctl(2))."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, int(dumpable), 0, 0, 0), "prctl")


def set_parent_death_signal(signal_number: int) -> None:
    """Be sent `signal_number` when the parent thread ends (prctl(2)); 0 clears it."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose parent ends (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def set_process_name(name: str) -> None:
    """Name this process for ps(1) and top(1); at most 15 bytes count."""
    _check(_libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0), "prctl")


def fill_standard_descriptors() -> None:
    """Give closed descriptors 0 to 2 something: else what is opened next gets such a number, and is taken for it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def send_descriptors(connection: socket.socket, message: bytes, descriptors: Sequence[int]) -> None:
    """Send `message` (not empty) with open descriptors (SCM_RIGHTS, unix(7))."""
    connection.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])


def receive_descriptors(connection: socket.socket, most: int, *, longest: int = 4096) -> tuple[bytes, list[int]]:
    """Receive a message of at most `longest` bytes and up to `most` descriptors, which are not inherited on exec."""
    message, ancillary, _, _ = connection.recvmsg(longest, socket.CMSG_LEN(most * 4), socket.MSG_CMSG_CLOEXEC)
    received = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received.frombytes(data[: len(data) - len(data) % received.itemsize])
    return message, list(received)


def keep_only(descriptors: Sequence[int]) -> None:
    """Close every descriptor but 2 and those named; 0 and 1 become /dev/null.

    A forked process of ours must not hold the others' sockets: their end is how the others learn that we are gone.
    """
    kept = sorted({2, *descriptors})
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    limit = os.sysconf("SC_OPEN_MAX")
    for low, high in zip([2, *kept], [*kept, limit], strict=False):
        os.closerange(low + 1, high)
