import stat
import threading
from pathlib import Path

import pytest

from wrapper.errors import PolicyError
from wrapper.guard.allowed import forget, remember
from wrapper.policy.load import ALLOWED_FILE, load_policy


def allows(config: Path, host: str) -> bool:
    policy = load_policy(profile="default", workspace=config / "none", config_home=config, organisation=config / "none")
    return policy.host(host, 443).action == "allow"


def test_what_is_remembered_is_policy_and_says_who_and_when(tmp_path: Path) -> None:
    config = tmp_path / "new" / "safe-agent"
    remember(config, "a.example", "asked at a test's terminal")
    assert allows(config, "a.example")
    assert not allows(config, "b.example")
    (line,) = [one for one in (config / ALLOWED_FILE).read_text().splitlines() if "a.example" in one]
    assert "asked at a test's terminal" in line
    assert " UTC, " in line
    assert stat.S_IMODE((config / ALLOWED_FILE).stat().st_mode) == 0o600
    assert forget(config, "a.example")
    assert not forget(config, "a.example")
    assert not allows(config, "a.example")


def test_terminals_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    names = [f"n{number}.example" for number in range(24)]
    writers = [threading.Thread(target=remember, args=(tmp_path, name, "")) for name in names]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert all(allows(tmp_path, name) for name in names)
    assert sorted(path.name for path in tmp_path.iterdir()) == [ALLOWED_FILE]


def test_a_file_that_is_no_such_list_is_not_written_over(tmp_path: Path) -> None:
    text = 'version = 1\n[files]\nmask = ["x"]\n'
    (tmp_path / ALLOWED_FILE).write_text(text)
    with pytest.raises(PolicyError):
        remember(tmp_path, "a.example", "")
    assert (tmp_path / ALLOWED_FILE).read_text() == text


def test_a_file_that_is_no_text_is_told_as_such_and_kept(tmp_path: Path) -> None:
    (tmp_path / ALLOWED_FILE).write_bytes(b"version = 1\n# caf\xe9\n")
    for change in (lambda: remember(tmp_path, "a.example", ""), lambda: forget(tmp_path, "a.example")):
        with pytest.raises(PolicyError, match="is not UTF-8"):
            change()
    assert (tmp_path / ALLOWED_FILE).read_bytes().endswith(b"\xe9\n")


def test_a_link_into_a_folder_of_settings_stays_a_link(tmp_path: Path) -> None:
    settings, config = tmp_path / "settings", tmp_path / "config"
    for folder in (settings, config):
        folder.mkdir()
    (settings / "hosts.toml").touch()
    (config / ALLOWED_FILE).symlink_to(settings / "hosts.toml")
    remember(config, "a.example", "")
    assert (config / ALLOWED_FILE).is_symlink()
    assert allows(config, "a.example")
    assert [one.name for one in settings.iterdir()] == ["hosts.toml"]
