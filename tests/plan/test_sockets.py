"""Which sockets of this machine are known by their paths."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from wrapper.plan import sockets
from wrapper.plan.sockets import bound, is_socket, standing

_TABLE = b"""Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 20500 /run/a b.sock
0000000000000000: 00000002 00000000 00010000 0001 01 20501 @abstract
0000000000000000: 00000003 00000000 00000000 0001 03 20502
0000000000000000: 00000002 00000000 00010000 0001 01 20503 relative.sock
0000000000000000: 00000002 00000000 00000000 0002 01 20504 /\xff
"""


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with socket.socket(socket.AF_UNIX) as served:
        served.bind(str(tmp_path / "link/s"))
        yield tmp_path


def test_absolute_names_are_read_from_the_kernels_table() -> None:
    assert list(bound(_TABLE)) == ["/run/a b.sock", "/\udcff"]


def test_a_socket_that_stands_is_known_by_its_real_path(listening: Path) -> None:
    found = (str(listening / "real/s"),)
    assert standing([str(listening)]) == standing(["/missing", str(listening / "real")]) == found
    assert standing([str(listening / "rea")]) == standing([]) == ()
    (listening / "real/s").unlink()
    assert standing([str(listening)]) == ()


def test_a_link_to_a_socket_and_a_file_are_none(listening: Path) -> None:
    (listening / "a").symlink_to("real/s")
    (listening / "b").write_text("")
    assert [is_socket(f"{listening}/{name}") for name in ("real/s", "a", "b", "missing", "\0")] == [True, *[False] * 4]


def test_a_machine_without_such_a_table_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sockets, "_TABLE", tmp_path / "missing")
    assert standing(["/"]) == ()
