"""What a hostile inside does to the daemon itself: it must answer, keep its memory, and go on."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.view.served import PLACEHOLDER, SECRET, served

DOTENV = b"A=" + SECRET + b"\n"
SHOWN = b"A=" + PLACEHOLDER + b"\n"
_MOST_GROWN = 160 << 10  # KiB; a masked file of 64 MiB may be held twice


@pytest.fixture
def real() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="view-", dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def inside(real: Path) -> Iterator[Path]:
    with served(real) as folder:
        (real / "a.env").write_bytes(DOTENV)
        before = _memory(folder)  # much of it is that of the process that it was forked from
        yield folder
        assert (folder / "a.env").read_bytes() == SHOWN, "the view does not answer as it did"
        assert _memory(folder) - before < _MOST_GROWN


def _memory(inside: Path) -> int:
    """Give the most memory that the daemon had, in KiB (`VmHWM`, proc(5))."""
    status = Path(*inside.parts[:3], "status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def _errno(error: pytest.ExceptionInfo[OSError]) -> int | None:
    return error.value.errno


def test_writes_far_behind_the_end_of_a_masked_file_are_refused(inside: Path, real: Path) -> None:
    for place in (1 << 32, 1 << 40, (1 << 62) - 4096):
        with (inside / "a.env").open("r+b", buffering=0) as file, pytest.raises(OSError, match="too large") as error:
            file.seek(place)
            file.write(b"x")
        assert _errno(error) == errno.EFBIG
    with pytest.raises(OSError, match="too large"):
        os.truncate(inside / "a.env", 1 << 40)
    assert (real / "a.env").read_bytes() == DOTENV


def test_a_large_sparse_file_is_served_without_being_read_whole(inside: Path, real: Path) -> None:
    with (inside / "sparse").open("w+b", buffering=0) as file:
        file.truncate(1 << 40)
        file.seek((1 << 39) + 3)
        file.write(PLACEHOLDER)
        file.seek(1 << 39)
        assert file.read(3) == b"\0\0\0"
    assert (real / "sparse").stat().st_size == 1 << 40


@pytest.mark.parametrize("length", [255, 256, 1024, 4095])
def test_long_names_are_answered_as_the_disk_answers_them(inside: Path, length: int) -> None:
    with contextlib.ExitStack() as stack:
        if length > 255:
            stack.enter_context(pytest.raises(OSError, match="too long"))
        (inside / ("n" * length)).write_bytes(b"x")


def test_folders_may_lie_deeper_than_any_recursion_goes(inside: Path, real: Path) -> None:
    depth = 2_000
    at = os.open(inside, os.O_PATH)
    for _ in range(depth):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_PATH, dir_fd=at)
        os.close(at)
        at = below
    made = os.open("a", os.O_WRONLY | os.O_CREAT, dir_fd=at)
    os.write(made, PLACEHOLDER)
    os.close(made)
    os.close(at)
    (inside / "d").rename(inside / "e")
    at = os.open(real, os.O_PATH)
    for number in range(depth):
        below = os.open("d" if number else "e", os.O_PATH, dir_fd=at)
        os.close(at)
        at = below
    made = os.open("a", os.O_RDONLY, dir_fd=at)
    assert os.read(made, 100) == SECRET
    for number in range(depth):  # a recursive removal would have to be as deep
        with contextlib.suppress(OSError):
            os.unlink("a", dir_fd=at)
        above = os.open("..", os.O_PATH, dir_fd=at)
        os.rmdir("d" if number < depth - 1 else "e", dir_fd=above)
        os.close(at)
        at = above
    os.close(at)
    os.close(made)


def test_names_that_come_and_go_leave_nothing_behind(inside: Path) -> None:
    before = _memory(inside)
    for number in range(5000):
        (inside / f"n{number}").touch()
        (inside / f"n{number}").rename(inside / "same")
    (inside / "same").unlink()
    assert _memory(inside) - before < 20 << 10


def test_a_folder_cannot_be_moved_into_itself(inside: Path) -> None:
    (inside / "a" / "b").mkdir(parents=True)
    with pytest.raises(OSError, match="Invalid argument"):
        (inside / "a").rename(inside / "a" / "b" / "c")
    for _ in range(500):
        (inside / "a").rename(inside / "x")
        (inside / "x").rename(inside / "a")
    assert (inside / "a" / "b").is_dir()


def test_a_request_that_fails_in_the_judge_is_an_error_and_no_more(inside: Path, real: Path) -> None:
    (real / "a").write_bytes(b"judge, fail")
    with pytest.raises(OSError, match="Input/output") as error:
        (inside / "a").stat()
    assert _errno(error) == errno.EIO
    (inside / "b").write_bytes(b"do not")
    (inside / "b").rename(inside / "c")
    assert (inside / "c").read_bytes() == b"do not"


def test_what_the_kernel_forgot_is_found_again(inside: Path, real: Path) -> None:
    """More files than it may keep descriptors for are opened, and all are read twice."""
    for number in range(3000):
        (real / f"f{number}.env").write_bytes(DOTENV)
    for _ in range(2):
        for number in range(3000):
            assert (inside / f"f{number}.env").read_bytes() == SHOWN
