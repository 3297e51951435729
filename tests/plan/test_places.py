import os
from pathlib import Path

import pytest

from wrapper.errors import StateError
from wrapper.plan.places import Places


def test_without_xdg_variables_the_folders_are_those_of_the_specification(tmp_path: Path) -> None:
    places = Places.from_environment({"HOME": str(tmp_path)})
    assert places.config == tmp_path / ".config/safe-agent"
    assert places.state == tmp_path / ".local/state/safe-agent"
    assert places.cache == tmp_path / ".cache/safe-agent"
    assert places.sessions == places.state / "sessions"
    assert places.keys == places.config / "keys"


def test_an_absolute_xdg_variable_moves_its_folder_and_a_relative_one_is_ignored(tmp_path: Path) -> None:
    environ = {
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": "/var/state",
        "XDG_CACHE_HOME": "relative",
        "XDG_CONFIG_HOME": "",
    }
    places = Places.from_environment(environ)
    assert places.state == Path("/var/state/safe-agent")
    assert places.cache == tmp_path / ".cache/safe-agent"
    assert places.config == tmp_path / ".config/safe-agent"


def test_home_is_resolved(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert Places.from_environment({"HOME": str(tmp_path / "link")}).home == tmp_path / "real"


@pytest.mark.parametrize("home", ["", ".", "relative", "/nonexistent-home", "/etc/passwd"])
def test_a_home_that_is_no_folder_is_refused(home: str) -> None:
    with pytest.raises(StateError, match="HOME is not a folder"):
        Places.from_environment({"HOME": home})


def test_folders_are_made_for_their_user_alone(tmp_path: Path) -> None:
    places = Places.from_environment({"HOME": str(tmp_path)})
    places.private(places.sessions, places.cache)
    assert places.sessions.stat().st_mode & 0o777 == 0o700
    assert places.cache.stat().st_mode & 0o777 == 0o700
    places.private(places.sessions)  # again


def test_a_folder_that_cannot_be_made_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="file/sessions`: Not a directory") as caught:
        Places.from_environment({"HOME": str(tmp_path)}).private(tmp_path / "file" / "sessions")
    assert "XDG_STATE_HOME" in caught.value.hint


def test_a_folder_that_is_there_but_not_ones_own_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StateError, match="permission denied"):
        Places.from_environment({"HOME": str(tmp_path)}).private(tmp_path)
