"""`safe-claude` and `safe-codex`: whatever is typed is the client's."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from wrapper.cli import alias
from wrapper.errors import ClientNotFoundError
from wrapper.wishes import Wishes


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Wishes]]:
    wishes: list[Wishes] = []

    def run(wish: Wishes) -> int:
        wishes.append(wish)
        return 7

    monkeypatch.setattr("wrapper.session.run", run)
    yield wishes
    gc.enable()


def started(monkeypatch: pytest.MonkeyPatch, entry: str, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", [entry, *arguments])
    with pytest.raises(SystemExit) as ended:
        getattr(alias, entry)()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize("client", ["claude", "codex"])
@pytest.mark.parametrize("arguments", [(), ("--help",), ("--policy", "x"), ("--", "-p", ""), ("run", "claude")])
def test_every_argument_goes_to_the_client_untouched(
    asked: list[Wishes], monkeypatch: pytest.MonkeyPatch, client: str, arguments: tuple[str, ...]
) -> None:
    assert started(monkeypatch, client, *arguments) == 7
    assert asked == [Wishes(client, arguments)]


def test_exec_with_nothing_to_parse_takes_the_short_way(asked: list[Wishes], monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(monkeypatch, "agent", "exec", "--", "ls", "--help") == 7
    assert asked == [Wishes("command", ("ls", "--help"))]


@pytest.mark.parametrize("arguments", [("--version",), ("exec", "--help"), ("run", "--help")])
def test_everything_else_of_safe_agent_is_parsed(
    asked: list[Wishes], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    assert started(monkeypatch, "agent", *arguments) == 0
    assert asked == []


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ClientNotFoundError("no `claude`", hint="install it"), 127, "safe-agent: no `claude`\nhint: install it\n"),
        (KeyboardInterrupt(), 130, ""),
        (RuntimeError("odd"), 125, "a mistake in safe-agent itself"),
    ],
)
def test_whatever_ends_the_start_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    def run(_: Wishes) -> int:
        raise error

    monkeypatch.setattr("wrapper.session.run", run)
    assert started(monkeypatch, "claude") == code
    assert said in capsys.readouterr().err
    gc.enable()


def test_what_the_clients_start_need_not_wait_for_is_not_imported() -> None:
    """Start-up time."""
    script = "import sys, wrapper.cli.alias, wrapper.session; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    slow = {"click", "aiohttp", "asyncio", "cryptography", "watchdog", "detect_secrets"}
    assert slow.isdisjoint(done.stdout.split())
