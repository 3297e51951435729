"""What is written by the handle of a new file, past the kernel's page cache: it lands as any other write does."""

import contextlib
import itertools
import mmap
import os
import random
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import until
from tests.view.served import PLACEHOLDER, SECRET, served
from tests.view.told import Told
from wrapper.view import wire

MIB = 1 << 20


@pytest.fixture
def inside(top: Path) -> Iterator[Path]:
    with served(top / "real", told=top / "told") as folder:
        yield folder


def _make(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)


def _write_all(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        assert file.write(data) == len(data)


@pytest.mark.parametrize("at", [0, 1, MIB - 100, MIB - 12, MIB + 1000, 2 * MIB - 40, 2 * MIB + 777])
def test_a_placeholder_in_a_long_text_is_restored_wherever_it_stands(real: Path, inside: Path, at: int) -> None:
    text = b"line of text\n" * (3 * MIB // 13)
    _write_all(_make(inside / "long"), text[:at] + PLACEHOLDER + text[at:])
    assert (real / "long").read_bytes() == text[:at] + SECRET + text[at:]
    assert (inside / "long").read_bytes() == text[:at] + PLACEHOLDER + text[at:]


def test_pieces_of_any_size_give_what_one_write_gives(real: Path, inside: Path) -> None:
    dice = random.Random(4)  # noqa: S311 (which pieces)
    for number in range(12):
        parts = [PLACEHOLDER, b"MASKED-", b"x" * 70_000, b"\n", b"A-B", PLACEHOLDER[:9], b"y" * dice.randrange(200_000)]
        text = b"".join(dice.choices(parts, k=20))
        with os.fdopen(_make(inside / f"text{number}"), "wb", buffering=0) as file:
            at = 0
            while at < len(text):
                size = dice.choice([1, 5, 40, 4096, 65_536, 300_000])
                file.write(text[at : at + size])
                at += size
        assert (real / f"text{number}").read_bytes() == text.replace(PLACEHOLDER, SECRET)


def test_a_long_binary_keeps_its_placeholder_and_is_told_once_it_rests(top: Path, real: Path, inside: Path) -> None:
    data = b"\0" + bytes(100_000) + PLACEHOLDER + os.urandom(100_000)
    _write_all(_make(inside / "image.bin"), data)
    _write_all(_make(inside / "other.bin"), data.replace(PLACEHOLDER, b"nothing of the kind"))
    assert Told(top / "told").rows("left") == [(b"image.bin", "it is a binary file")]
    assert (real / "image.bin").read_bytes() == data


def test_a_long_write_with_a_nul_that_is_written_over_is_restored_when_it_rests(real: Path, inside: Path) -> None:
    text = b"line\n" * 20_000 + PLACEHOLDER + b"\n" + b"line\n" * 20_000
    with os.fdopen(_make(inside / "text"), "wb", buffering=0) as file:
        file.write(b"\0" + text[1:])
        file.seek(0)
        file.write(b"l")
    until(lambda: (real / "text").read_bytes() == text.replace(PLACEHOLDER, SECRET))
    until(lambda: (inside / "text").read_bytes() == text)


def test_a_large_binary_is_looked_at_when_it_rests(inside: Path) -> None:
    with os.fdopen(_make(inside / "image.bin"), "wb", buffering=0) as file:
        file.write(b"PASSWORD=" + SECRET + b"\n" + b"text\n" * 20_000)
        file.write(bytes(MIB))
        file.truncate(70 * MIB)
    with pytest.raises(PermissionError):
        for _ in range(300):
            with (inside / "image.bin").open("rb") as file:
                assert SECRET in file.read(100)
            time.sleep(0.01)


def test_who_has_a_file_mapped_sees_what_is_written_directly(inside: Path) -> None:
    descriptor = _make(inside / "log")
    os.write(descriptor, bytes(8000))
    with (inside / "log").open("rb") as file, mmap.mmap(file.fileno(), 8000, mmap.MAP_SHARED, mmap.PROT_READ) as seen:
        looking = subprocess.Popen(["/usr/bin/env", "python3", "-c", _LOOKING, f"/proc/self/fd/{file.fileno()}"],
                                   pass_fds=[file.fileno()])  # fmt: skip
        try:
            for number in range(1000):
                now = b"%05d" % number
                assert os.pwrite(descriptor, now, 5 * number) == 5
                until(lambda at=5 * number, now=now: seen[at : at + 5] == now)  # type: ignore[misc]
            assert os.pread(file.fileno(), 5000, 0) == b"".join(b"%05d" % number for number in range(1000))
        finally:
            looking.kill()
            looking.wait()
    os.close(descriptor)


_LOOKING = """
import mmap, sys
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 8000, mmap.MAP_SHARED, mmap.PROT_READ) as seen:
    while True: seen[0], seen[4096]
"""


def test_what_is_appended_by_two_handles_stands_in_the_order_in_which_it_was_written(real: Path, inside: Path) -> None:
    first = os.open(inside / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    second = os.open(inside / "log", os.O_WRONLY | os.O_APPEND)
    for number, one in zip(range(50), itertools.cycle((first, second)), strict=False):
        os.write(one, b"%03d\n" % number)
        assert (inside / "log").read_bytes().count(b"\n") == number + 1
    os.close(first)
    os.close(second)
    assert (real / "log").read_bytes() == b"".join(b"%03d\n" % number for number in range(50))


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
@pytest.mark.parametrize(("mode", "left"), [(0o4755, 0o755), (0o6755, 0o755), (0o2745, 0o2745)])
def test_a_write_takes_the_set_id_bits_as_on_the_real_tree(real: Path, mode: int, left: int) -> None:
    real.chmod(0o777)
    real.parent.chmod(0o755)
    with served(real) as inside:
        for folder in (real, inside):
            pid = os.fork()
            if not pid:
                with contextlib.suppress(BaseException):
                    os.chdir(folder)
                    os.setresgid(65534, 65534, 65534)
                    os.setresuid(65534, 65534, 65534)
                    descriptor = _make(Path(f"made{folder == inside:d}"))
                    os.fchmod(descriptor, mode)
                    os.write(descriptor, b"#!/bin/sh\n")
                    os._exit(0)
                os._exit(1)
            assert os.waitpid(pid, 0)[1] == 0
        modes = [stat.S_IMODE((real / f"made{number}").stat().st_mode) for number in (0, 1)]
        assert modes == [left, left]
        until(lambda: stat.S_IMODE((inside / "made1").stat().st_mode) == left)


def test_thousands_of_new_files_hold_no_descriptors(inside_with_few: Path) -> None:
    for number in range(500):
        os.close(os.open(inside_with_few / f"plain{number}", os.O_CREAT | os.O_WRONLY, 0o644))
        os.close(os.open(inside_with_few / f"locked{number}", os.O_CREAT | os.O_WRONLY, 0o444))
    last = os.open(inside_with_few / "last", os.O_CREAT | os.O_WRONLY, 0)
    for number in range(500):
        assert (inside_with_few / f"plain{number}").read_bytes() == b""
    assert os.write(last, b"its mode forbids to open it again") > 0
    os.close(last)


@pytest.fixture
def inside_with_few(top: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr("wrapper.view.daemon.allow_descriptors", lambda: 64)

    def held() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (the call itself)

    def must_hold_few(_daemon: object) -> None:
        most = held() + 150  # the process of the tests may have left it many
        while held() < most:
            time.sleep(0.01)
        os._exit(1)

    with served(top / "real", beside=must_hold_few) as folder:
        yield folder


def test_an_old_kernel_is_not_asked_to_write_directly() -> None:
    for minor in (wire.OLDEST_MINOR, wire.DIRECT_MINOR - 1, wire.DIRECT_MINOR, 99):
        request = memoryview(bytes(wire.HEADER.size) + b"".join(n.to_bytes(4, "little") for n in (7, minor, 0, 0)))
        assert wire.minor(request) == minor
    handles = [
        wire.created(1, 2, (0,) * 16, wire.FOREVER, is_direct=is_direct)[-16:-4].hex() for is_direct in (True, False)
    ]
    assert handles == ["0100000000000000" + "01000000", "0000000000000000" + "02000000"]
