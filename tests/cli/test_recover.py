"""`safe-agent recover`, as typed: what is listed, asked, shown and put back."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, start_event
from tests.machine import fake
from wrapper.cli.recover import recover
from wrapper.errors import SafeAgentError
from wrapper.view.recovery import RecoveryStore


def run(*arguments: str, given: str = "") -> Result:
    result = CliRunner().invoke(recover, arguments, input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


def refused(*arguments: str) -> SafeAgentError:
    error = run(*arguments).exception
    assert isinstance(error, SafeAgentError)
    return error


def kept(user: Home, session: str = "s-1") -> RecoveryStore:
    return RecoveryStore(user.directory(session) / "recovery", user.keys.masking_key())


class Scene:
    """A session whose agent damaged a placeholder in `.env`."""

    def __init__(self, user: Home, workspace: Path) -> None:
        self.workspace = workspace
        self.value = fake()
        self.before = f"DATABASE_URL={self.value}\nPORT=1\n".encode()
        self.file = workspace / ".env"
        workspace.mkdir()
        self.file.write_bytes(b"DATABASE_URL=MASKED-DATABA\nPORT=1\n")
        self.file.chmod(0o640)
        user.write("s-1", [start_event(workspace=str(workspace)), ended()])
        kept(user).keep(".env", self.before, "`MASKED-DATABA` is no placeholder", 1_002.0)


@pytest.fixture
def scene(user: Home, tmp_path: Path) -> Scene:
    return Scene(user, tmp_path / "work")


def test_the_list_has_the_newest_session_first(user: Home, scene: Scene) -> None:
    user.write("s-2", [start_event("s-2"), ended()], created=2_000.0)
    kept(user, "s-2").keep("a.json", b"x" * 2048, "cut", 2_001.0)
    kept(user, "s-2").keep("b.json", b"y", "cut", 2_002.0)
    head, *rows = run().stdout.splitlines()
    assert head.split() == ["SESSION", "NUMBER", "KEPT", "SIZE", "PATH", "WHY"]
    assert [row.split()[:2] for row in rows] == [["s-2", "1"], ["s-2", "2"], ["s-1", "1"]]
    assert "1970-01-01 00:33:21 UTC  2.0 KiB  a.json  cut" in rows[0]
    assert run("last").stdout.splitlines()[1:] == [row.rstrip() for row in run("s-2").stdout.splitlines()[1:]]
    assert scene.value not in run().output


@pytest.mark.parametrize("at", [1e300, -1e300, float("nan"), float("inf"), 0.0])
def test_a_time_that_is_none_hides_nothing(user: Home, scene: Scene, at: float) -> None:
    """What stands in the clear beside what is kept is not proven: anybody who may write there says what he likes."""
    kept(user).keep("odd", b"A=1", "cut", at)
    rows = run().stdout.splitlines()[1:]
    assert [row.split()[1] for row in rows] == ["1", "2"]
    assert rows[1].split()[2] == "-"
    assert run("s-1", "2", "--to", str(scene.workspace / "odd")).exit_code == 0


def test_the_list_as_json_has_one_object_per_line(scene: Scene) -> None:
    (row,) = map(json.loads, run("last", "--json").stdout.splitlines())
    assert row == {
        "session": "s-1",
        "number": 1,
        "path": ".env",
        "at": 1_002.0,
        "why": "`MASKED-DATABA` is no placeholder",
        "size": len(scene.before),
    }


def test_where_nothing_is_kept_it_says_so_and_lists_nothing(user: Home) -> None:
    def says_so(*arguments: str) -> bool:
        result = run(*arguments)
        return (result.stdout, result.exit_code) == ("", 0) and "nothing is kept" in result.stderr

    assert says_so()
    user.write("s-1")
    assert says_so()
    assert says_so("last")
    assert run("--json").output == ""


def test_a_yes_puts_the_content_back_with_the_files_mode(scene: Scene) -> None:
    result = run("last", "1", given="y\n")
    assert result.exit_code == 0
    assert scene.file.read_bytes() == scene.before
    assert stat.S_IMODE(scene.file.stat().st_mode) == 0o640
    assert "kept 1970-01-01 00:16:42 UTC: `MASKED-DATABA` is no placeholder" in result.stderr
    assert "other values: DATABASE_URL" in result.stderr
    assert scene.value not in result.output
    assert result.stdout == ""


@pytest.mark.parametrize("given", ["n\n", "\n"])
def test_anything_but_yes_leaves_the_file_as_it_is(scene: Scene, given: str) -> None:
    before = scene.file.read_bytes()
    result = run("last", "1", given=given)
    assert (result.exit_code, scene.file.read_bytes()) == (1, before)


def test_nobody_to_ask_leaves_the_file_as_it_is(scene: Scene) -> None:
    before = scene.file.read_bytes()
    assert run("last", "1").exit_code != 0
    assert scene.file.read_bytes() == before


def test_with_yes_nothing_is_asked(scene: Scene) -> None:
    assert run("s-1", "1", "--yes").exit_code == 0
    assert scene.file.read_bytes() == scene.before
    again = run("s-1", "1")
    assert (again.exit_code, "holds what was kept already" in again.stderr) == (0, True)


def test_a_file_that_is_gone_comes_back_for_the_user_alone(scene: Scene) -> None:
    scene.file.unlink()
    result = run("last", "1", given="y\n")
    assert "is not there now" in result.stderr
    assert scene.file.read_bytes() == scene.before
    assert stat.S_IMODE(scene.file.stat().st_mode) == 0o600


def test_to_another_file_it_asks_only_where_that_would_be_replaced(scene: Scene, tmp_path: Path) -> None:
    damaged = scene.file.read_bytes()
    there = tmp_path / "restored.env"
    assert run("last", "1", "--to", str(there)).exit_code == 0
    assert there.read_bytes() == scene.before
    assert stat.S_IMODE(there.stat().st_mode) == 0o600
    there.write_bytes(b"other")
    assert run("last", "1", "--to", str(there), given="n\n").exit_code == 1
    assert there.read_bytes() == b"other"
    assert scene.file.read_bytes() == damaged


def test_on_standard_output_stands_exactly_what_was_kept(user: Home, scene: Scene) -> None:
    kept(user).keep("b", bytes(range(256)), "cut", 3.0)
    assert run("last", "1", "--stdout").stdout_bytes == scene.before
    assert run("last", "2", "--stdout").stdout_bytes == bytes(range(256))


def test_an_absolute_path_needs_no_log(user: Home, scene: Scene, tmp_path: Path) -> None:
    user.keys.identity_path.unlink()
    kept(user).keep(str(tmp_path / "other.env"), b"A=1", "cut", 4.0)
    assert run("last", "2", "--yes").exit_code == 0
    assert (tmp_path / "other.env").read_bytes() == b"A=1"
    error = refused("last", "1", "--yes")
    assert "cannot tell where `.env` lies" in error.what
    assert "--to FILE" in error.hint
    assert run("last", "1", "--stdout").stdout_bytes == scene.before


def test_a_link_in_the_place_of_the_file_is_not_followed(scene: Scene, tmp_path: Path) -> None:
    target = tmp_path / "authorized_keys"
    target.write_bytes(b"the user's own")
    scene.file.unlink()
    scene.file.symlink_to(target)
    refused("last", "1", "--yes")
    assert target.read_bytes() == b"the user's own"


def test_what_is_not_kept_is_one_clear_error(user: Home, scene: Scene) -> None:
    assert refused("last", "7").what == "nothing is kept as 7"
    assert refused("nope", "1").what == "no session begins with `nope`"
    user.keys.masking_path.unlink()
    assert "masking.key" in refused("last", "1").what
    assert scene.value not in run("last", "1").output


@pytest.mark.parametrize(
    "arguments",
    [("--stdout",), ("last", "--yes"), ("last", "--to", "x"), ("last", "1", "--json"), ("last", "0"), ("last", "x"),
     ("last", "1", "--stdout", "--to", "x")],
)  # fmt: skip
def test_options_that_make_no_sense_together_are_wrong_usage(scene: Scene, arguments: tuple[str, ...]) -> None:
    before = scene.file.read_bytes()
    assert run(*arguments).exit_code == 2
    assert scene.file.read_bytes() == before


def test_inside_a_session_it_refuses(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFE_AGENT_SESSION", "1")
    for arguments in ((), ("last", "1", "--stdout")):
        assert "inside a safe-agent session" in refused(*arguments).what
        assert scene.value not in run(*arguments).output


def test_nothing_that_was_kept_can_act_on_the_terminal(user: Home, tmp_path: Path) -> None:
    hostile = "a\x1b]0;owned\x07b\x1b[2J\x9b31mc\rd\x7f\u202eevil"
    user.write("s-1", [start_event(workspace=str(tmp_path)), ended()])
    kept(user).keep(hostile, f"{hostile}=1".encode(), hostile, 1.0)
    (tmp_path / hostile).write_text(f"{hostile}=2")
    for arguments in ((), ("--json",), ("last", "1")):
        printed = run(*arguments).output
        assert printed
        assert all(letter.isprintable() or letter == "\n" for letter in printed), arguments
