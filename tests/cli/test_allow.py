"""`safe-agent allow`, as typed, beside sessions whose guard answers."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home
from tests.gateway.wire import MemorySink
from tests.policy.writing import policy
from wrapper.audit.events import Judged
from wrapper.cli.allow import allow
from wrapper.errors import SafeAgentError
from wrapper.gateway.unnamed import Terms, Waiting
from wrapper.guard.allowing import Desk
from wrapper.policy.load import load_policy

T = TypeVar("T")
FIRST, SECOND = "20260101T000000Z-aaaaaa", "20260101T000000Z-bbbbbb"


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(allow, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


def refused(*arguments: str) -> str:
    error = run(*arguments).exception
    assert isinstance(error, SafeAgentError)
    return f"{error.what} ({error.hint})"


class Session:
    """The guard of a session, in a thread of its own."""

    def __init__(self, user: Home, name: str, text: str = "") -> None:
        self.sink = MemorySink()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        said = policy(user=text)
        folder = user.directory(name)
        folder.mkdir(parents=True)

        async def begin() -> tuple[Waiting, Desk]:
            leaves: Callable[[str, int], bool] = lambda host, port: said.host(host, port).rule is None  # noqa: E731
            waiting = Waiting(Terms("wait", 60, leaves, lambda *_: False), self.sink)
            desk = Desk(folder, waiting, said, "claude", "/work\x1b[31m/place")
            await desk.open()
            return waiting, desk

        self.waiting, self._desk = self.do(begin())
        self.hearing: list[asyncio.Task[Any]] = []

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def wait_for(self, *hosts: str) -> None:
        async def begin() -> None:
            self.hearing += [asyncio.create_task(self.waiting.heard(host, 443)) for host in hosts]
            await asyncio.sleep(0)

        self.do(begin())

    def close(self) -> None:
        async def end() -> None:
            for one in self.hearing:
                one.cancel()
            await asyncio.gather(*self.hearing, return_exceptions=True)
            await self._desk.close()
            await asyncio.sleep(0)

        self.do(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def judged(self) -> list[tuple[str, str]]:
        return [(one.rule, one.action) for one in self.sink.of(Judged)]


Start = Callable[..., Session]


@pytest.fixture
def start(user: Home) -> Iterator[Start]:
    made: list[Session] = []

    def begin(name: str = FIRST, text: str = "") -> Session:
        made.append(Session(user, name, text))
        return made[-1]

    yield begin
    for one in made:
        one.close()


def allowed(user: Home, host: str) -> bool:
    none = user.config / "none"
    return (
        load_policy(profile="default", workspace=none, config_home=user.config, organisation=none)
        .host(host, 443)
        .action
        == "allow"
    )


def test_what_waits_is_listed_with_its_session_and_for_how_long(start: Start) -> None:
    start().wait_for("new.example", "new.example", "other.example")
    start(SECOND)
    lines = run().stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["new.example:443", "other.example:443"]
    assert f"asked by claude in /work\\x1b[31m/place, session {FIRST}" in lines[0]
    assert "for 0 s" in lines[0]
    row = json.loads(run("--json").stdout.splitlines()[0])
    assert {"session", "host", "port", "since", "connections", "client", "workspace"} == set(row)
    assert (row["host"], row["connections"]) == ("new.example", 2)
    assert run("--session", SECOND).stdout == ""


def test_nothing_waits_where_nothing_runs(user: Home) -> None:
    assert run().exit_code == 0
    assert "nothing waits" in run().stderr
    assert "no session runs" in refused("new.example", "--once")


def test_once_is_for_the_session_that_waits_and_is_not_remembered(user: Home, start: Start) -> None:
    first, second = start(), start(SECOND)
    second.wait_for("new.example")
    done = run("New.example", "--once")
    assert f"session {SECOND}: new.example:443 goes on" in done.stderr
    assert second.judged() == [("new.example", "allowed")]
    assert first.judged() == []
    assert not allowed(user, "new.example")
    assert "several sessions run" in refused("else.example", "--once")
    assert run("else.example", "--once", "--session", FIRST).exit_code == 0
    assert first.judged() == [("else.example", "allowed")]


def test_without_once_it_is_for_every_session_now_and_later_until_it_is_taken_back(user: Home, start: Start) -> None:
    first, second = start(), start(SECOND)
    second.wait_for("new.example")
    done = run("new.example")
    assert "allowed in later sessions too" in done.stderr
    assert "new.example:443 goes on" in done.stderr
    assert (first.judged(), second.judged()) == ([("new.example", "allowed")],) * 2
    assert allowed(user, "new.example")
    taken = run("new.example", "--remove")
    assert taken.exit_code == 0
    assert f"session {FIRST}: `new.example` is allowed no longer" in taken.stderr
    assert not allowed(user, "new.example")
    again = run("new.example", "--remove")
    assert (again.exit_code, "was not allowed" in again.stderr) == (1, True)


def test_what_the_users_own_rule_or_a_sessions_denies_is_refused_with_the_rule(user: Home, start: Start) -> None:
    session = start(FIRST, '[network]\ndeny = ["denied.example"]')
    (user.config / "policy.toml").write_text('version = 1\n[network]\ndeny = ["never.example"]\n')
    assert 'deny "never.example" (user' in refused("never.example")
    assert 'deny "never.example" (user' in refused("never.example", "--once")
    assert not (user.config / "allowed.toml").exists()
    done = run("denied.example", "--once")
    assert isinstance(done.exception, SafeAgentError)
    assert 'is denied by deny "denied.example"' in done.stderr
    assert session.judged() == []


@pytest.mark.parametrize(
    "host", ["*", "*:443", "https://new.example/", "10.0.0.1", "new.example:0", "a b", "new\x1b[2Jexample"]
)
def test_what_is_no_host_is_refused(user: Home, host: str) -> None:
    said = refused(host)
    assert "`" in said
    assert "explain" not in said
    assert not (user.config / "allowed.toml").exists()


def test_a_socket_that_nobody_serves_is_passed_over(user: Home, start: Start) -> None:
    dead = start()
    dead._loop.call_soon_threadsafe(dead._desk._server.close)  # type: ignore[union-attr]
    assert "nothing waits" in run().stderr
    assert "was not allowed" in refused("new.example", "--once")
    assert "no session that can be asked begins" in refused("--session", "2031")


@pytest.mark.parametrize("arguments", [("--once",), ("--remove",), ("new.example", "--once", "--remove")])
def test_options_that_do_not_fit_are_wrong_usage(user: Home, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_inside_a_session_it_refuses(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFE_AGENT_SESSION", "1")
    assert "inside a safe-agent session" in refused("new.example")
