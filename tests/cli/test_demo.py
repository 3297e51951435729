"""`safe-agent demo`, as typed, with each client for real."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine import CLIENTS, COMMANDS, fake
from wrapper.demo import show

Kill = Callable[[int, int], None]
SYSTEM = "/usr/local/bin:/usr/bin:/bin"
OURS = fake("gh" + "p_")


class Caller:
    """A user of the command: a HOME with a file in it and a token in the environment, neither of them to be used."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = f"{COMMANDS}:{CLIENTS}/node_modules/.bin:{SYSTEM}"
        (home / "mine.txt").write_text("mine")

    def command(self, *options: str) -> tuple[list[str], dict[str, str]]:
        environ = {"HOME": str(self.home), "PATH": self.path, "LANG": "C.UTF-8", "GITHUB_TOKEN": OURS}
        return [str(COMMANDS / "safe-agent"), "demo", *options], environ

    def run(self, *options: str) -> "subprocess.CompletedProcess[str]":
        argv, environ = self.command(*options)
        return subprocess.run(
            argv,
            env=environ,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, *options: str) -> "subprocess.Popen[str]":
        argv, environ = self.command(*options)
        return subprocess.Popen(
            argv,
            env=environ,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Caller]:
    made = Caller(tmp_path)
    yield made
    assert [path.name for path in tmp_path.iterdir() if path.name != "bin"] == ["mine.txt"]


def _root(talk: str) -> Path:
    """Find the folder in what the command said while it ran."""
    return Path(next(line for line in talk.splitlines() if "throw-away project" in line).split(": ")[-1]).parent


@pytest.mark.parametrize("client", ["claude", "codex", "builtin"])
def test_everything_holds_with_each_client(caller: Caller, client: str) -> None:
    result = caller.run("--client", client, "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    page: dict[str, Any] = json.loads(result.stdout)
    assert page["ok"]
    assert page["client"] == client
    assert all(check["ok"] for check in page["checks"])
    assert {check["name"] for check in page["checks"]} == {
        "played",
        "provider",
        "inside",
        "screen",
        "network",
        "file",
        "log",
        "log-content",
    }
    assert list(page) == ["version", "ok", "client", "client_version", "session", "secrets", "kept", "rows", "checks"]
    assert not _root(result.stderr).exists()


@pytest.mark.parametrize("client", ["claude", "codex", "builtin"])
def test_the_rows_show_placeholders_inside_and_git_history_masked_on_its_way_out(caller: Caller, client: str) -> None:
    rows = {row["asked"]: row for row in json.loads(caller.run("--client", client, "--json").stdout)["rows"]}
    for asked in ("env", "cat /proc/self/environ", "cat /proc/1/environ", "cat .env"):
        assert "MASKED-" in rows[asked]["saw"]
        assert rows[asked]["left"] == rows[asked]["saw"]
    for asked in ("cat ~/.aws/credentials", "cat ~/.ssh/id_ed25519"):
        assert rows[asked]["saw"] == "No such file or directory"
    edited = rows["set DEBUG=false in .env, then cat .env"]
    assert edited["saw"].startswith("DEBUG=false\nSTRIPE_KEY=MASKED-")
    assert edited["real"].startswith("DEBUG=false\nSTRIPE_KEY=sk")
    assert rows["curl example.com"]["left"] == "nothing: refused"
    for row in list(rows.values())[-3:]:
        assert row["saw"] == row["real"]
        assert "MASKED-STRIPE-KEY-" in row["left"]
    assert ("open .env with its own Read tool" in rows) is (client != "codex")


def test_the_page_is_plain_and_fits_a_hundred_columns(caller: Caller) -> None:
    result = caller.run("--client", "builtin")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.isascii()
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= show.WIDTH
    assert "all 8 checks held" in result.stdout
    assert "SEALED" in result.stdout
    assert OURS[4:] not in result.stdout + result.stderr


def test_without_a_client_in_path_the_built_in_one_stands_in(caller: Caller) -> None:
    caller.path = f"{COMMANDS}:{SYSTEM}"
    result = caller.run("--json")
    assert json.loads(result.stdout)["client"] == "builtin"
    assert "neither `claude` nor `codex` is installed" in result.stderr


def test_a_client_that_is_asked_for_and_not_installed_is_said_to_be_missing(caller: Caller) -> None:
    caller.path = f"{COMMANDS}:{SYSTEM}"
    result = caller.run("--client", "codex")
    assert result.returncode == 127
    assert "`codex` is not in PATH" in result.stderr


def test_keep_leaves_a_log_that_the_printed_command_reads(caller: Caller) -> None:
    result = caller.run("--client", "builtin", "--keep")
    root = _root(result.stderr)
    try:
        command = result.stderr.splitlines()[-1].removeprefix("safe-agent: ").strip()
        environ = {"PATH": caller.path}
        shown = subprocess.run(["sh", "-c", command], env=environ, cwd=root, capture_output=True, text=True, check=True)
        assert f"python3 {root}/home" in shown.stdout
    finally:
        shutil.rmtree(root)


def test_the_edit_leaves_no_other_file_behind(caller: Caller) -> None:
    root = _root(caller.run("--client", "claude", "--keep").stderr)
    try:
        assert sorted(path.name for path in (root / "shop").iterdir()) == [".env", ".git", "app.py"]
    finally:
        shutil.rmtree(root)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("kill", [os.kill, os.killpg])  # from elsewhere; from the terminal
def test_a_signal_leaves_neither_folder_nor_process(caller: Caller, number: signal.Signals, kill: Kill) -> None:
    process = caller.start("--client", "claude")
    assert process.stderr is not None
    root = _root(process.stderr.readline())
    while "starts in the sandbox" not in process.stderr.readline():
        pass
    time.sleep(0.5)
    kill(process.pid, number)
    _, talk = process.communicate(timeout=60)
    assert process.returncode == 128 + number, talk
    assert not root.exists()
    assert _alive(root) == []


def _alive(root: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if str(root).encode() in line:
            found.append(line.decode(errors="replace"))
    return found


def test_a_session_that_is_refused_is_said_in_its_own_words_and_cleaned_up(caller: Caller, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("git", "python3", "sh"):
        (tools / name).symlink_to(shutil.which(name, path=SYSTEM) or name)
    caller.path = str(tools)  # no bubblewrap
    result = caller.run("--client", "builtin")
    assert result.returncode == 125
    assert "the session did not begin" in result.stderr
    assert "bubblewrap" in result.stderr
    assert "Traceback" not in result.stderr
    assert not _root(result.stderr).exists() if "throw-away project" in result.stderr else True


def test_without_git_it_says_what_to_install(caller: Caller, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    caller.path = str(tmp_path / "bin")
    result = caller.run("--client", "builtin")
    assert result.returncode == 125
    assert "hint: apt-get install git" in result.stderr


def test_help_has_examples_and_exit_codes(caller: Caller) -> None:
    page = caller.run("--help").stdout
    assert "Examples:" in page
    assert "Exit codes:" in page
