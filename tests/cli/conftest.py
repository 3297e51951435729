from pathlib import Path

import pytest

from tests.audit.recording import Home, home


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A user with keys, whose folders the commands of this process find."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SAFE_AGENT_SESSION", raising=False)
    for name, folder in (("XDG_CONFIG_HOME", "c"), ("XDG_STATE_HOME", "s"), ("XDG_CACHE_HOME", "x")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    made = home(tmp_path)
    made.config.rename(tmp_path / "moved")
    (tmp_path / "c").mkdir()
    (tmp_path / "moved").rename(tmp_path / "c" / "safe-agent")
    config = tmp_path / "c" / "safe-agent"
    return Home(config, tmp_path / "s" / "safe-agent", type(made.keys)(config))
