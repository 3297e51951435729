"""What is read before anything protects may be what the inside of an earlier session has put there."""

import os
import socket
from pathlib import Path

from wrapper.look import read_file


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_regular_file_is_read_also_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "file") == read_file(tmp_path / "link") == b"content"
    assert (read_file(Path("/proc/self/mountinfo")) or b"").count(b"\n") > 0


def test_what_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        before = _open_files()
        for name in ("pipe", "endless", "socket", "none", "."):
            assert read_file(tmp_path / name) is None, name
        assert _open_files() == before
