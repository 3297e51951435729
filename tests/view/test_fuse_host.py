"""What the host makes is seen inside, however close together asking and making are."""

import os
import threading
from pathlib import Path

import pytest

from tests.machine import until
from tests.view.served import served


def test_a_file_that_is_asked_for_while_it_is_made_is_seen_in_the_end(tmp_path: Path) -> None:
    """An answer that is on its way must not outlive what the kernel is told meanwhile."""
    real = tmp_path / "work"
    real.mkdir()
    with served(real) as inside:
        done = threading.Event()
        wanted: list[Path] = []

        def ask() -> None:
            while not done.is_set():
                for path in wanted[-2:]:
                    os.path.exists(path) and path.read_bytes()  # noqa: PTH110 (quick, as what it races with)

        asking = [threading.Thread(target=ask) for _ in range(2)]
        for thread in asking:
            thread.start()
        try:
            for number in range(300):
                name = f"file{number}"
                wanted.append(inside / name)
                (real / name).write_text("whole\n")
        finally:
            done.set()
            for thread in asking:
                thread.join()
        until(lambda: all(path.exists() and path.read_text() == "whole\n" for path in wanted), within=3)


def test_a_name_that_was_not_there_is_found_though_a_listing_told_of_it_before_the_change_was_heard(
    tmp_path: Path,
) -> None:
    """A listing names what would have to be read first without saying more: the kernel still takes it for missing."""
    real = tmp_path / "work"
    real.mkdir()
    names = [f"{number}.env" for number in range(100)] + [f"folder{number}" for number in range(100)]
    with served(real) as inside:
        for name in names:
            assert not (inside / name).exists()
            if name.endswith(".env"):
                (real / name).write_text("TOKEN=value\n")
            else:
                (real / name / "in").mkdir(parents=True)
            os.listdir(inside)  # noqa: PTH208 (quick: the change is heard a millisecond later)
        until(lambda: all((inside / name).exists() for name in names), within=3)
        assert all((inside / name / "in").exists() for name in names if not name.endswith(".env"))


@pytest.mark.parametrize("how", ["removed", "replaced", "moved away"])
def test_what_is_written_anew_right_after_the_host_took_the_name_stands_at_that_name(tmp_path: Path, how: str) -> None:
    """The kernel may still know the file that was there: nothing may go to it."""
    real = tmp_path / "work"
    (real / "folder").mkdir(parents=True)
    other = real / "folder/other"
    with served(real) as inside:
        for number in range(150):
            path, name = inside / "folder/file", real / "folder/file"
            path.write_bytes(b"before")
            assert path.stat().st_size == 6
            if how == "removed":
                name.unlink()
            elif how == "moved away":
                name.rename(other)
            else:
                other.write_bytes(b"the host's")
                other.rename(name)
            data = b"anew %d" % number
            path.write_bytes(data)
            assert name.read_bytes() == data
            if how == "moved away":
                assert other.read_bytes() == b"before"
            until(lambda: path.read_bytes() == data, within=3)  # noqa: B023 (called at once)


def test_what_the_host_does_in_a_folder_that_the_inside_has_just_changed_is_seen(tmp_path: Path) -> None:
    """What the kernel knows of a folder it drops itself when the inside changes a name: only then is it not told."""
    real = tmp_path / "work"
    (real / "folder").mkdir(parents=True)
    with served(real) as inside:
        ours, theirs = inside / "folder", real / "folder"
        for number in range(60):
            (theirs / "unknown").touch()
            (ours / f"inside{number}").touch()
            if number % 2:
                assert f"inside{number}" in os.listdir(ours)  # noqa: PTH208 (quick)
            if number % 3 == 0:
                (ours / f"inside{number}").unlink()
            (theirs / f"host{number}").touch()
            (theirs / "unknown").unlink()
            theirs.chmod(0o700 | number)
            until(lambda: sorted(os.listdir(ours)) == sorted(os.listdir(theirs)), within=3)  # noqa: PTH208 (as above)
            until(lambda: ours.stat().st_mode == theirs.stat().st_mode, within=3)
            until(lambda: ours.stat().st_mtime_ns == theirs.stat().st_mtime_ns, within=3)
