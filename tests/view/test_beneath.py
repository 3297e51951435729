"""Files are opened below a root and never through a link."""

import os
from pathlib import Path

import pytest

from wrapper.view.beneath import open_beneath, open_regular


def read(roots: list[Path], path: Path | str) -> bytes:
    descriptor = open_regular([str(root) for root in roots], str(path), os.O_RDONLY)
    with os.fdopen(descriptor, "rb") as opened:
        return opened.read()


def test_a_file_is_opened_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("x")
    assert read([tmp_path], tmp_path / "a/b/c") == b"x"
    assert read([], tmp_path / "a/b/c") == b"x"
    assert read([tmp_path, tmp_path / "a"], tmp_path / "a/b/c") == b"x"


def test_a_link_on_the_way_or_at_the_end_is_an_error(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_text("x")
    (root / "folder").symlink_to(tmp_path)
    (root / "file").symlink_to(tmp_path / "secret")
    for name in ("folder/secret", "file", "../secret", "folder/../secret"):
        with pytest.raises(OSError, match=r"\[Errno"):
            read([root], f"{root}/{name}")


def test_a_link_above_the_root_is_the_users_own_affair(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert read([tmp_path / "link"], tmp_path / "link/file") == b"x"


def test_a_pipe_in_the_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "file")
    with pytest.raises(OSError, match="not a regular file"):
        read([tmp_path], tmp_path / "file")


def test_a_pipe_that_takes_the_files_place_meanwhile_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    really = os.fstat

    def swap_and_look(descriptor: int) -> os.stat_result:
        (tmp_path / "file").unlink(missing_ok=True)
        os.mkfifo(tmp_path / "file")
        return really(descriptor)

    monkeypatch.setattr(os, "fstat", swap_and_look)
    descriptor = open_regular([str(tmp_path)], f"{tmp_path}/file", os.O_RDONLY)
    monkeypatch.undo()
    with os.fdopen(descriptor, "rb") as opened:
        assert opened.read() == b"x"


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - names only
    for name in ("a/missing", "missing/b", "a"):
        with pytest.raises(OSError, match=r"\[Errno"):
            os.close(open_beneath([str(tmp_path)], f"{tmp_path}/{name}", os.O_WRONLY))
        with pytest.raises(OSError, match=r"\[Errno"):
            read([tmp_path], tmp_path / name)
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208 - names only
