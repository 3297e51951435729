"""Sessions that renew one login at the same time: a used refresh token takes the whole login with it."""

import asyncio
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from tests.fakes.authorization import CLAUDE_TOKEN, AuthorizationServer
from tests.machine import until
from wrapper.agents.claude import ClaudeCode
from wrapper.agents.client import ClientFacts, Credential, Program, Renewal
from wrapper.gateway.login import LiveCredential, posting
from wrapper.gateway.outward import DIRECT
from wrapper.gateway.turns import Turn, nobody_else, turns
from wrapper.look import read_file


@pytest.fixture
def server() -> Iterator[AuthorizationServer]:
    with AuthorizationServer() as started:
        yield started


def put(home: Path, server: AuthorizationServer) -> Path:
    """Put a login there that ends in this minute."""
    given = server.login()
    oauth = {
        "accessToken": given["access_token"],
        "refreshToken": given["refresh_token"],
        "expiresAt": int(time.time() * 1000),
        "scopes": ["user:inference"],
    }
    file = home / ".claude/.credentials.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"claudeAiOauth": oauth}))
    return file


def session(home: Path, url: str) -> None:
    """Be one session that needs a valid login; exits with 1 where there is none."""
    renew(home, url, turns(home / "turns", home / ".claude/.credentials.json"))


def hasty(home: Path, url: str) -> None:
    """Be one that waits for nobody."""
    renew(home, url, nobody_else)


def renew(home: Path, url: str, turn: Turn) -> None:

    def read() -> Credential | None:
        facts = ClientFacts(home, {}, gateway="", egress="", read=read_file)
        credential = ClaudeCode().launch(Program(Path("/bin/true"), ()), ("-p",), facts).credential
        assert credential is not None
        assert credential.login is not None
        assert credential.login.renewal is not None
        renewal = Renewal(f"{url}{CLAUDE_TOKEN}", credential.login.renewal.body)
        return replace(credential, login=replace(credential.login, renewal=renewal))

    async def once() -> None:
        await LiveCredential(read, posting(DIRECT), turn=turn).headers({})

    asyncio.run(once())


def started(work: Callable[[Path, str], None], home: Path, url: str) -> BaseProcess:
    process = multiprocessing.get_context("fork").Process(target=work, args=(home, url))
    process.start()
    return process


def refresh_token(file: Path) -> str:
    return str(json.loads(file.read_text())["claudeAiOauth"]["refreshToken"])


def test_sessions_that_renew_at_once_renew_once_and_leave_a_valid_file(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    file = put(tmp_path, server)
    server.pause = 0.2
    sessions = [started(session, tmp_path, server.url) for _ in range(3)]
    for one in sessions:
        one.join(30)
    assert [one.exitcode for one in sessions] == [0, 0, 0]
    assert len(server.asked) == 1
    assert refresh_token(file) in server.valid


def test_without_turns_they_would_end_the_login(tmp_path: Path, server: AuthorizationServer) -> None:
    """The control."""
    file = put(tmp_path, server)
    server.pause = 0.2
    sessions = [started(hasty, tmp_path, server.url) for _ in range(2)]
    for one in sessions:
        one.join(30)
    assert len(server.asked) > 1
    assert refresh_token(file) not in server.valid


def test_one_that_is_killed_meanwhile_holds_off_nobody_and_leaves_the_file_whole(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    file = put(tmp_path, server)
    server.pause = 60.0
    killed = started(session, tmp_path, server.url)
    until(lambda: bool(server.asked))
    before = file.read_bytes()
    assert killed.pid is not None
    os.kill(killed.pid, signal.SIGKILL)
    killed.join(10)
    assert file.read_bytes() == before
    server.pause = 0.0
    family = server.used.popitem()[1]
    server.valid = {refresh_token(file): family}  # the provider had not used it up yet
    other = started(session, tmp_path, server.url)
    other.join(30)
    assert other.exitcode == 0
    assert refresh_token(file) in server.valid


def test_whoever_waits_too_long_hears_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wrapper.gateway.turns._LONGEST", 0.1)
    turn = turns(tmp_path / "turns", tmp_path / "login")

    async def twice() -> None:
        async with turn():
            with pytest.raises(TimeoutError):
                async with turn():
                    pytest.fail("both were alone")
        async with turn():
            pass

    asyncio.run(twice())


def test_logins_of_different_files_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async def both() -> None:
        async with turns(tmp_path, tmp_path / "one")(), turns(tmp_path, tmp_path / "two")():
            pass

    asyncio.run(both())
