"""A client's login in a folder of the session's own: what of it gets into the real file, and what never does."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from redactors import Origin, Vault
from tests.machine import fake
from wrapper.agents.claude import ClaudeCode
from wrapper.agents.client import ClientFacts, Program
from wrapper.agents.codex import Codex
from wrapper.guard.loginroom import LoginRoom
from wrapper.look import read_file

KIND = "ANTHROPIC-LOGIN"


class Home:
    """A HOME with Claude's login and a session's room for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.real = folder / ".claude/.credentials.json"
        self.real.parent.mkdir()
        self.vault = Vault(bytes(32))
        self.mcp, self.access = fake("mcp-", 30), fake("at-", 40)
        oauth = {"accessToken": self.access, "refreshToken": fake("rt-", 40), "expiresAt": 5, "scopes": ["a"]}
        self.write(
            {"claudeAiOauth": oauth, "mcpOAuth": {"srv": {"accessToken": self.mcp, "serverUrl": "https://m.test"}}}
        )

    def write(self, document: object) -> None:
        self.real.write_text(json.dumps(document))
        self.real.chmod(0o640)

    def issue(self, kind: str, value: bytes) -> str:
        return self.vault.issue(kind, value, Origin.OUTSIDE)

    def open(self) -> "Home":
        facts = ClientFacts(self.folder, {}, gateway="", egress="", read=read_file)
        room = ClaudeCode().launch(Program(Path("/bin/true"), ()), (), facts).room
        assert room is not None
        self.room = LoginRoom(room, self.folder / "room", self.vault)
        self.room.fill(self.issue)
        self.file = self.room.folder / ".credentials.json"
        return self

    def document(self) -> Any:
        return json.loads(self.real.read_text())

    def inside(self) -> Any:
        return json.loads(self.file.read_text())

    def saved(self, document: object) -> None:
        """Save as the client does: a new file, renamed."""
        beside = self.file.with_name("new")
        beside.write_text(json.dumps(document))
        beside.replace(self.file)

    def given(self) -> dict[str, Any]:
        """Give a login that the provider granted inside, as the client writes it."""
        values = (fake("at-", 40).encode(), fake("rt-", 40).encode())
        for value in values:
            self.room.take(value)
        access, refresh = (self.issue(KIND, value) for value in values)
        return {"accessToken": access, "refreshToken": refresh, "expiresAt": 9, "scopes": ["b"]}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_the_room_holds_placeholders_and_is_the_users_alone(home: Home) -> None:
    home.open()
    text = home.file.read_text()
    assert home.access not in text
    assert home.mcp not in text
    assert text.count("MASKED-") == 3
    assert (home.room.folder.stat().st_mode & 0o777, home.file.stat().st_mode & 0o777) == (0o700, 0o600)


def test_what_nobody_touched_changes_nothing(home: Home) -> None:
    before = home.document()
    home.open().room.settle()
    assert home.room.finish() == ()
    assert home.document() == before
    assert not home.room.folder.exists(), "a key that was typed inside would lie in it"


def test_a_login_of_the_inside_is_real_outside_at_once_in_the_same_inode(home: Home) -> None:
    """A new inode would stand there without its cover."""
    new = home.open().given()
    number = home.real.stat().st_ino
    home.saved(home.inside() | {"claudeAiOauth": new})
    home.room.settle()
    assert home.real.stat().st_ino == number
    oauth = home.document()["claudeAiOauth"]
    assert oauth["accessToken"] == (home.vault.value_of(new["accessToken"]) or b"").decode()
    assert "MASKED" not in home.real.read_text()
    assert home.document()["mcpOAuth"]["srv"]["accessToken"] == home.mcp


def test_a_logout_removes_the_file_in_the_end_with_what_was_in_it(home: Home) -> None:
    home.open().file.unlink()
    home.room.settle()
    assert home.document() == {}
    assert home.room.finish() == ()
    assert not home.real.exists()


def test_a_file_that_was_made_to_be_covered_goes_again(home: Home) -> None:
    home.write({})
    assert home.open().file.exists() is False
    home.room.finish()
    assert not home.real.exists()


def test_in_the_end_the_file_is_replaced_whole_and_keeps_its_mode(home: Home) -> None:
    new, number = home.open().given(), home.real.stat().st_ino
    keeper = os.open(home.real, os.O_RDONLY)  # else its number may be given out again
    home.saved({"claudeAiOauth": new})
    home.room.finish()
    os.close(keeper)
    assert home.real.stat().st_ino != number
    assert home.real.stat().st_mode & 0o777 == 0o640
    assert "mcpOAuth" not in home.document()
    assert sorted(one.name for one in home.real.parent.iterdir()) == [".credentials.json"]


@pytest.mark.parametrize("of", ["mcp", "elsewhere"])
def test_a_secret_of_another_kind_does_not_become_a_token(home: Home, of: str) -> None:
    """Promise 1: the client outside would send it to the provider."""
    login, before = home.open().inside(), home.document()
    value = home.mcp if of == "mcp" else fake("gh" + "p_", 36)
    login["claudeAiOauth"]["accessToken"] = home.issue("GITHUB-TOKEN", value.encode())
    home.saved(login)
    home.room.settle()
    assert home.document() == before
    assert home.room.finish() == ()
    assert home.document() == before


def test_a_token_of_the_provider_does_not_become_another_servers(home: Home) -> None:
    """Promise 1: the client outside would send it there."""
    login = home.open().inside()
    placeholder = login["claudeAiOauth"]["accessToken"]
    login["mcpOAuth"]["srv"]["accessToken"] = placeholder
    login["mcpOAuth"]["evil"] = {"accessToken": placeholder, "serverUrl": "https://evil.test"}
    login["note"] = placeholder
    home.saved(login)
    home.room.finish()
    text = home.real.read_text()
    assert text.count(home.access) == 1
    assert text.count(placeholder) == 3


def test_a_login_that_no_provider_gave_does_not_count(home: Home) -> None:
    """An agent may have written it: the user's next session would belong to somebody else."""
    before = home.open().document()
    foreign = {"accessToken": fake("at-", 40), "refreshToken": fake("rt-", 40), "expiresAt": 9}
    home.saved(home.inside() | {"claudeAiOauth": foreign})
    home.room.settle()
    home.room.finish()
    assert home.document() == before


def test_a_server_that_the_user_logged_in_to_inside_stays(home: Home) -> None:
    login = home.open().inside()
    login["mcpOAuth"]["new"] = {"accessToken": "given-inside-0123456789"}
    home.saved(login)
    home.room.settle()
    assert home.document()["mcpOAuth"]["new"] == {"accessToken": "given-inside-0123456789"}
    assert home.document()["claudeAiOauth"]["expiresAt"] == 5


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"{" * 100_000, b" " * (2 << 20)])
def test_what_is_no_login_does_not_count(home: Home, content: bytes) -> None:
    before = home.open().document()
    home.file.write_bytes(content)
    home.room.settle()
    home.room.finish()
    assert home.document() == before


def test_no_login_is_written_through_a_link_of_another_sessions_inside(home: Home) -> None:
    """Promise 2: the client's folder is the inside's to write, and what a link leads to may be seen in the next one."""
    home.open()
    seen = home.folder / "workspace"
    seen.mkdir()
    home.real.unlink()
    home.real.symlink_to(seen / "login")
    home.saved(home.inside() | {"claudeAiOauth": home.given()})
    assert home.room.finish() == ()
    assert home.document()["claudeAiOauth"]["scopes"] == ["b"]
    assert not home.real.is_symlink()
    assert list(seen.iterdir()) == []


def test_nothing_is_read_through_a_link_and_nothing_waits_for_a_pipe(home: Home) -> None:
    """Promise 2: a link would have a file of the user's read into the login."""
    before = home.open().document()
    other = home.folder / "other.json"
    other.write_text(json.dumps({"claudeAiOauth": home.given()}))
    home.file.unlink()
    home.file.symlink_to(other)
    home.room.settle()
    assert home.document() == before
    home.file.unlink()
    os.mkfifo(home.file)
    home.room.settle()
    assert home.room.finish() == ()
    assert home.document() == before


def test_a_renewal_outside_meanwhile_is_not_undone(home: Home) -> None:
    home.open()
    newer = home.document()
    newer["claudeAiOauth"] |= {"accessToken": "newer-0123456789", "expiresAt": 99}
    home.write(newer)
    login = home.inside()
    home.saved(login | {"mcpOAuth": {}})
    home.room.settle()
    assert home.document()["claudeAiOauth"] == newer["claudeAiOauth"]


def test_where_the_real_file_is_gone_meanwhile_a_new_login_waits_for_the_end(home: Home) -> None:
    """Promise 2: nothing would cover it."""
    new = home.open().given()
    home.real.unlink()
    home.saved({"claudeAiOauth": new})
    home.room.settle()
    assert not home.real.exists()
    assert home.room.finish() == ()
    assert home.document()["claudeAiOauth"]["expiresAt"] == 9


def test_what_cannot_be_written_is_told(home: Home) -> None:
    home.open()
    home.saved({"claudeAiOauth": home.given()})
    home.real.unlink()
    home.real.mkdir()
    assert "log in again" in home.room.finish()[0]


def test_codexs_login_comes_to_stand_where_none_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wrapper.agents.codex._PRIVATE", ())  # the tests' folders lie below /tmp
    facts = ClientFacts(tmp_path, {}, gateway="", egress="", read=read_file)
    launch = Codex().launch(Program(Path("/bin/true"), ()), ("login", "--with-api-key"), facts)
    assert launch.room is not None
    room = LoginRoom(launch.room, tmp_path / "room", Vault(bytes(32)))
    room.fill(lambda _kind, _value: "")
    (room.folder / "auth.json").write_text('{"OPENAI_API_KEY": "typed-by-the-user"}')
    room.settle()
    real = tmp_path / ".codex/auth.json"
    assert not real.exists(), "nothing would cover it while something runs inside"
    assert room.finish() == ()
    assert json.loads(real.read_text()) == {"OPENAI_API_KEY": "typed-by-the-user"}
    assert real.stat().st_mode & 0o777 == 0o600
