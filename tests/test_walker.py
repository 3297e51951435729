"""The walker ends plainly, whatever becomes of who asked."""

import os
from pathlib import Path

import pytest

from wrapper import walker


def test_nobody_who_listens_any_more_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr(walker, "load_any", lambda _place: object())
    monkeypatch.setattr(walker, "unchanged", lambda _workspace, _cache: ["folder"])
    read, write = os.pipe()
    os.close(read)
    assert walker._walk(write, {"HOME": str(tmp_path), "PATH": os.defpath}) == 0
