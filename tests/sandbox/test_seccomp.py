"""The filter of system calls, run by a small interpreter of classic BPF."""

import errno
import platform
import struct

import pytest

from wrapper.sandbox.seccomp import program

ALLOWED = 0x7FFF0000
_ARCHITECTURES = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028}


def verdict(machine: str, architecture: str, number: int, argument: int = 0) -> int:
    """Run the filter on one call; give 0 where it is allowed, else the errno."""
    data = struct.pack("=IIQQ", number, _ARCHITECTURES[architecture], 0, argument)
    code = list(struct.iter_unpack("=HBBI", program(machine)))
    at = loaded = 0
    while True:
        kind, yes, no, value = code[at]
        at += 1
        if kind == 0x20:
            loaded = struct.unpack_from("=I", data, value)[0]
        elif kind == 0x06:
            return 0 if value == ALLOWED else value & 0xFFFF
        else:
            at += yes if (loaded == value if kind == 0x15 else loaded >= value) else no


@pytest.mark.parametrize(
    ("machine", "architecture", "numbers"),
    [
        ("x86_64", "x86_64", [248, 249, 250, 425, 0x40000000 + 250]),
        ("x86_64", "i386", [286, 287, 288, 425, 102]),
        ("aarch64", "aarch64", [217, 218, 219, 425]),
        ("aarch64", "arm", [309, 310, 311, 425]),
    ],
)
def test_keys_and_io_uring_are_missing(machine: str, architecture: str, numbers: list[int]) -> None:
    assert {verdict(machine, architecture, number) for number in numbers} == {errno.ENOSYS}


@pytest.mark.parametrize(
    ("machine", "architecture", "number"),
    [("x86_64", "x86_64", 41), ("x86_64", "i386", 359), ("aarch64", "aarch64", 198), ("aarch64", "arm", 281)],
)
def test_only_five_families_of_sockets_are_there(machine: str, architecture: str, number: int) -> None:
    found = {family: verdict(machine, architecture, number, family) for family in (*range(300), 2**31, 2**32 - 1)}
    assert {family for family, error in found.items() if not error} == {0, 1, 2, 10, 16}
    assert set(found.values()) == {0, errno.EAFNOSUPPORT}
    # the kernel takes an int: what stands above it in the register says nothing
    assert verdict(machine, architecture, number, 2**32 + 40) == errno.EAFNOSUPPORT


def test_all_other_calls_are_allowed() -> None:
    stopped = {number for number in range(460) if verdict("x86_64", "x86_64", number)}
    assert stopped == {248, 249, 250, 425}


def test_calls_of_an_unknown_architecture_fail() -> None:
    assert verdict("x86_64", "aarch64", 1) == errno.ENOSYS


def test_this_machine_has_a_filter() -> None:
    assert program(platform.machine())
