"""A filter on system calls, for what namespaces do not hold: the kernel's keys, and sockets that no network holds.

- Keys (keyrings(7)) belong to a user, and the kernel shows and links them across user namespaces: what the user's
  login, Kerberos or an encrypted disk keeps there could be read inside.
- Families of sockets: those that programs use by IP, by path and to ask the kernel of its network, and no other, as
  Flatpak has it. AF_VSOCK (vsock(7)) reaches the machine that runs this one, AF_QIPCRTR a radio beside it, whatever
  network namespace the caller is in; and old or rare families are where the kernel itself was broken into.
- io_uring (io_uring_setup(2)) opens sockets without the call that is filtered here.
Calls of another architecture's numbers have the same list where programs of the kind run on this one, and fail
otherwise. The calls fail as on a kernel that does not have them. Built as seccomp(2) describes: classic BPF over
`struct seccomp_data` (nr at 0, arch at 4, low half of the first argument at 16).
"""

import errno
import struct
from dataclasses import dataclass

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JGE|K, BPF_RET|K
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO
_FAMILIES = (0, 1, 2, 10, 16)  # AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
_LEFT = range(len(_FAMILIES), 0, -1)  # from each of them so many instructions to the one that allows
_X32 = 0x40000000  # added to the numbers of the x32 ABI, under the same architecture


@dataclass(frozen=True, slots=True)
class _Abi:
    """One numbering of the calls: `audit` is its AUDIT_ARCH (linux/audit.h)."""

    audit: int
    socket: int
    forbidden: tuple[int, ...]


# add_key, request_key, keyctl, io_uring_setup; on i386 also socketcall, whose arguments a filter cannot see
_AMD64 = _Abi(0xC000003E, 41, (248, 249, 250, 425))
_I386 = _Abi(0x40000003, 359, (286, 287, 288, 425, 102))
_ARM64 = _Abi(0xC00000B7, 198, (217, 218, 219, 425))
_ARM = _Abi(0x40000028, 281, (309, 310, 311, 425))
_ABIS = {"x86_64": (_AMD64, _I386), "aarch64": (_ARM64, _ARM)}


def program(machine: str) -> bytes:
    """Give the filter for a machine as `uname -m` names it. Raises KeyError for one that is not known."""
    fail, missing = _return(_FAIL | errno.ENOSYS), _return(_FAIL | errno.EAFNOSUPPORT)
    code = [_load(_ARCHITECTURE)]
    for abi in _ABIS[machine]:
        calls = [_load(_NUMBER), _step(_AT_LEAST, _X32, 0, 1), fail]
        for number in abi.forbidden:
            calls += [_step(_EQUAL, number, 0, 1), fail]
        calls += [_step(_EQUAL, abi.socket, 1, 0), _return(_ALLOW)]
        families = (_step(_EQUAL, family, left, 0) for left, family in zip(_LEFT, _FAMILIES, strict=True))
        calls += [_load(_ARGUMENT), *families, missing, _return(_ALLOW)]
        code += [_step(_EQUAL, abi.audit, 0, len(calls)), *calls]
    return b"".join([*code, fail])


def _load(offset: int) -> bytes:
    return _step(_LOAD, offset, 0, 0)


def _return(value: int) -> bytes:
    return _step(_RETURN, value, 0, 0)


def _step(code: int, value: int, yes: int, no: int) -> bytes:
    """Encode one `struct sock_filter`: `yes` and `no` are how many instructions to skip."""
    return struct.pack("=HBBI", code, yes, no, value)
