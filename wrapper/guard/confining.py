"""Work that can write nowhere but below one folder (landlock(7)): git's, in a repository that strangers change.

Rules of this file:
1. Programs that the work starts are confined like it. They read and run what they could before.
2. A thread of its own is confined, and ends with the work: what is confined once stays so.
3. Without Landlock (a kernel before 5.13, one where it is off, a container that forbids the call) nothing is confined.
   So this is the second wall, against what changes between a look and the use of what was seen; the first is the look.
"""

import ctypes
import errno
import os
import struct
import threading
from collections.abc import Callable
from typing import Final, TypeVar

_T = TypeVar("_T")

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same number on every architecture
_ASKED_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_SET_NO_NEW_PRIVS: Final = 38  # prctl(2); without it only root may confine itself
_WRITE_FILE: Final = 1 << 1
_CHANGE_FOLDER: Final = sum(1 << bit for bit in range(4, 13))  # remove a folder or file, make one of any kind
_TRUNCATE: Final = 1 << 14
_TRUNCATE_SINCE: Final = 3
_MISSING: Final = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})  # the last from a filter of system calls
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def confined(folder: int, work: Callable[[], _T]) -> _T:
    """Do some work that writes only below the folder that this descriptor stands for. Raises what it raises.

    OSError where the kernel has Landlock and refuses: nothing was done then.
    """
    done: list[_T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            _confine(folder)
            done.append(work())
        except BaseException as error:  # noqa: BLE001 (it is the caller's, in the thread that waits)
            failed.append(error)

    thread = threading.Thread(target=run, name="confined")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def _confine(folder: int) -> None:
    """Confine this thread for good. Raises OSError."""
    try:
        version = _call(_CREATE_RULESET, None, 0, _ASKED_VERSION)
    except OSError as error:
        if error.errno in _MISSING:
            return
        raise
    handled = _WRITE_FILE | _CHANGE_FOLDER | (_TRUNCATE if version >= _TRUNCATE_SINCE else 0)
    rules = _call(_CREATE_RULESET, struct.pack("=Q", handled), 8, 0)
    try:
        _allow(rules, folder, handled)
        nowhere = os.open(os.devnull, os.O_PATH | os.O_CLOEXEC)  # git opens it in place of what it was not given
        try:
            _allow(rules, nowhere, handled & (_WRITE_FILE | _TRUNCATE))
        finally:
            os.close(nowhere)
        if _libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        _call(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, place: int, access: int) -> None:
    _call(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", access, place), 0)


def _call(number: int, *arguments: int | bytes | None) -> int:
    wide = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *wide))
    if result < 0:
        number_of_error = ctypes.get_errno()
        raise OSError(number_of_error, os.strerror(number_of_error), "landlock")
    return result
