"""What is copied by the kernel's own call (copy_file_range(2)) is masked and restored like what is written."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import until
from tests.view.entered import called
from tests.view.served import PLACEHOLDER, SECRET, served
from tests.view.told import Told


@pytest.fixture
def real(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def inside(real: Path) -> Iterator[Path]:
    with served(real) as made:
        yield made


def copied(inside: Path, source: str, target: str) -> int:
    """Copy as cp(1) does; gives how many bytes went over."""

    def copy() -> int:
        with open(source, "rb") as one, open(target, "wb") as other:  # noqa: PTH123 (relative to the view's root)
            done = 0
            while part := os.copy_file_range(one.fileno(), other.fileno(), 1 << 30):
                done += part
            return done

    return called(copy, inside)


@pytest.mark.parametrize("size", [0, 1, 4096, 3_000_000, 70_000_000])
def test_a_plain_file_arrives_whole(real: Path, inside: Path, size: int) -> None:
    data = os.urandom(min(size, 1 << 20)) * (size // (1 << 20) + 1)
    (real / "one").write_bytes(data[:size])
    assert copied(inside, "one", "other") == size
    assert (real / "other").read_bytes() == data[:size]
    assert (inside / "other").read_bytes() == data[:size]


def test_a_copy_of_a_masked_file_holds_the_values_and_shows_placeholders(real: Path, inside: Path) -> None:
    """Promises 2 and 3."""
    (real / "one.env").write_bytes(b"A=" + SECRET + b"\n")
    copied(inside, "one.env", "other")
    assert (real / "other").read_bytes() == b"A=" + SECRET + b"\n"
    assert (inside / "other").read_bytes() == b"A=" + PLACEHOLDER + b"\n"


def test_what_the_host_puts_into_the_source_meanwhile_is_not_read_in_the_copy(real: Path, inside: Path) -> None:
    """Promise 2: it is no writing of the inside's own, which may be read back for a moment."""
    for number in range(60):
        source, target = real / f"one{number}", f"other{number}"
        source.write_bytes(b"plain\n" * 500)
        (inside / source.name).read_bytes()
        source.write_bytes(b"B=" + SECRET + b"\n" + b"plain\n" * 500)
        copied(inside, source.name, target)
        assert SECRET not in (inside / target).read_bytes()


def test_what_comes_into_the_source_while_it_is_copied_is_not_copied(
    real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 2: behind what is looked at of a large file nobody would find it again; another session may write it."""
    source, copy = real / "one", os.copy_file_range

    def raced(*given: int) -> int:
        os.pwrite(host, SECRET, 0)
        return copy(*given)

    def behind() -> bytes:
        with Path("one").open("rb") as one, Path("other").open("r+b") as other:
            done = copy(one.fileno(), other.fileno(), 1 << 20, 0, 17 << 20)  # raced in the daemon only
            assert done == 1 << 20
            return os.pread(other.fileno(), 1 << 20, 17 << 20)

    source.write_bytes(b"plain\n" * (1 << 18))
    time.sleep(0.05)  # its next state has other times
    (real / "other").write_bytes(b"plain\n")
    host = os.open(source, os.O_WRONLY)
    monkeypatch.setattr(os, "copy_file_range", raced)
    with served(real) as inside:
        seen = called(behind, inside)
    os.close(host)
    assert SECRET not in seen
    assert PLACEHOLDER in seen
    assert SECRET not in (real / "other").read_bytes()


def test_a_placeholder_left_in_a_binary_is_restored_when_the_copy_is_a_text(real: Path, inside: Path) -> None:
    """Promise 3."""

    def part() -> None:
        Path("binary").write_bytes(bytes(100) + b"A=" + PLACEHOLDER + b"\n")
        with Path("binary").open("rb") as one, Path("text").open("wb") as other:
            os.copy_file_range(one.fileno(), other.fileno(), 100, 100)

    called(part, inside)
    until(lambda: (real / "text").read_bytes() == b"A=" + SECRET + b"\n")


def test_a_copied_binary_is_told_of_only_if_there_is_a_placeholder_in_it(real: Path, tmp_path: Path) -> None:
    """`cp` of each picture would be told of else."""
    (real / "picture").write_bytes(os.urandom(50) + bytes(3) + os.urandom(5000))
    (real / "archive").write_bytes(bytes(10) + PLACEHOLDER)
    with served(real, told=tmp_path / "told") as inside:
        copied(inside, "picture", "picture2")
        copied(inside, "archive", "archive2")
        until(lambda: (b"archive2", "it is a binary file") in Told(tmp_path / "told").rows("left", after=0))
        assert Told(tmp_path / "told").rows("left") == [(b"archive2", "it is a binary file")]
