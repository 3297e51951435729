"""Trust is for one workspace and one content, and only the user's own file is believed."""

import os
from pathlib import Path

import pytest

from wrapper.errors import StateError
from wrapper.policy.trust import is_trusted, revoke, trust, trusted


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "config/safe-agent"


def test_nothing_is_trusted_at_first(home: Path) -> None:
    assert trusted(home) == {}
    assert not is_trusted(home, Path("/w"), b"x")
    assert not revoke(home, Path("/w"))
    assert not home.exists()


def test_trust_holds_for_this_workspace_and_this_content_only(home: Path) -> None:
    trust(home, Path("/w"), b"x")
    assert is_trusted(home, Path("/w"), b"x")
    assert not is_trusted(home, Path("/w"), b"x ")
    assert not is_trusted(home, Path("/v"), b"x")
    trust(home, Path("/v"), b"y")
    trust(home, Path("/w"), b"z")
    assert not is_trusted(home, Path("/w"), b"x")
    assert is_trusted(home, Path("/v"), b"y")


def test_revoked_trust_is_gone(home: Path) -> None:
    trust(home, Path("/w"), b"x")
    assert revoke(home, Path("/w"))
    assert not is_trusted(home, Path("/w"), b"x")


def test_the_file_is_the_users_alone_and_nothing_is_left_beside_it(home: Path) -> None:
    trust(home, Path("/w"), b"x")
    assert [entry.name for entry in home.iterdir()] == ["trust.json"]
    assert (home / "trust.json").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_others_could_write_is_not_believed(home: Path, mode: int) -> None:
    trust(home, Path("/w"), b"x")
    (home / "trust.json").chmod(mode)
    with pytest.raises(StateError, match="somebody else"):
        is_trusted(home, Path("/w"), b"x")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version": 1}', b'{"version": 1, "projects": {"/w": 5}}', b"\xff"]
)
def test_a_damaged_file_is_not_believed(home: Path, content: bytes) -> None:
    home.mkdir(parents=True)
    (home / "trust.json").write_bytes(content)
    (home / "trust.json").chmod(0o600)
    with pytest.raises(StateError, match="damaged"):
        trusted(home)


def test_a_file_of_a_later_version_is_refused(home: Path) -> None:
    home.mkdir(parents=True)
    (home / "trust.json").write_text('{"version": 2, "projects": {}}')
    (home / "trust.json").chmod(0o600)
    with pytest.raises(StateError, match="version 2"):
        trusted(home)


def test_a_link_or_a_pipe_in_its_place_is_refused(home: Path, tmp_path: Path) -> None:
    home.mkdir(parents=True)
    (home / "trust.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="cannot read"):
        trusted(home)
    (home / "trust.json").unlink()
    os.mkfifo(home / "trust.json", 0o600)
    with pytest.raises(StateError, match="somebody else"):
        trusted(home)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot"):
        trust(tmp_path / "file/safe-agent", Path("/w"), b"x")
