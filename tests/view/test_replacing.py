"""What is put back lands in its file, whole, with its mode, and nowhere else."""

import os
import stat
from pathlib import Path

import pytest

from wrapper.errors import StateError
from wrapper.view.replacing import read_now, replace


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "work/config").mkdir(parents=True)
    return tmp_path / "work"


def test_a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it(root: Path) -> None:
    file = root / "config/.env"
    file.write_bytes(b"old")
    file.chmod(0o640)
    before = file.stat()
    replace(str(root), "config/.env", b"new")
    assert read_now(str(root), "config/.env") == b"new"
    after = file.stat()
    assert (stat.S_IMODE(after.st_mode), after.st_uid, after.st_gid) == (0o640, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino
    assert names(root / "config") == [".env"]


def test_a_file_that_is_gone_is_made_for_the_user_alone(root: Path) -> None:
    assert read_now(str(root), ".env") is None
    replace(str(root), ".env", b"new")
    assert (root / ".env").read_bytes() == b"new"
    assert stat.S_IMODE((root / ".env").stat().st_mode) == 0o600


def test_a_bit_that_makes_a_file_run_as_its_owner_is_not_put_back(root: Path) -> None:
    (root / "a").write_bytes(b"old")
    (root / "a").chmod(0o4755)
    replace(str(root), "a", b"new")
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o755


def test_the_root_itself_may_be_reached_through_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    replace(str(tmp_path / "link"), "a", b"new")
    assert (root / "a").read_bytes() == b"new"


@pytest.mark.parametrize("path", ["link/file", "file", "../outside/file", "config/../../outside/file"])
def test_no_link_and_no_way_up_leads_out(root: Path, tmp_path: Path, path: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"the user's own")
    (root / "link").symlink_to(outside)
    (root / "file").symlink_to(outside / "file")
    with pytest.raises(StateError, match="file"):
        read_now(str(root), path)
    with pytest.raises(StateError) as caught:
        replace(str(root), path, b"theirs")
    assert "--to FILE" in caught.value.hint
    assert (outside / "file").read_bytes() == b"the user's own"
    assert names(outside) == ["file"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_neither_waited_for_nor_replaced(root: Path, make: object) -> None:
    assert callable(make)
    make(root / "odd")
    kind = stat.S_IFMT((root / "odd").stat().st_mode)
    with pytest.raises(StateError):
        read_now(str(root), "odd")
    with pytest.raises(StateError):
        replace(str(root), "odd", b"x")
    assert stat.S_IFMT((root / "odd").stat().st_mode) == kind
    assert names(root) == ["config", "odd"]


def test_a_folder_that_is_gone_is_told(root: Path) -> None:
    assert read_now(str(root), "gone/.env") is None
    with pytest.raises(StateError, match="No such file"):
        replace(str(root), "gone/.env", b"x")
