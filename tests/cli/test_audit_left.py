import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, frames_of, put, start_event
from wrapper.audit import events
from wrapper.cli import audit
from wrapper.errors import SafeAgentError

_FILE = "".join(f"price of the item {number} is {number * 37}\n" for number in range(20))

_PART = "".join(_FILE.splitlines(keepends=True)[4:9])
_AT = _FILE.index(_PART)
_SHARE = f"{len(_PART)} of {len(_FILE)} bytes ({len(_PART) / len(_FILE):.1%}) of the working copy"


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(audit.group, ("left", *arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


def _request(number: int, text: str, **changes: object) -> events.Request:
    fields: dict[str, object] = {
        "at": 1_002.0,
        "number": number,
        "method": "POST",
        "url": "https://api.invalid/v1/messages",
        "headers": {},
        "body": json.dumps({"model": "m-1", "messages": [{"role": "user", "content": text}]}).encode(),
    }
    return events.Request(**fields | changes)  # type: ignore[arg-type]


@pytest.fixture
def file(user: Home, tmp_path: Path) -> Path:
    """A file, part of which left in one of two sessions."""
    user.write("s-1", [start_event(), _request(1, "hello there, how are you today, and all that"), ended()])
    answer = events.Response(at=1_003.0, number=2, status=200, headers={}, body=_FILE.encode())
    user.write("s-2", [start_event("s-2"), _request(1, "hi"), _request(2, _PART), _request(3, _PART), answer, ended()])
    made = tmp_path / "prices.txt"
    made.write_text(_FILE)
    return made


def test_it_says_what_left_when_and_to_whom(file: Path) -> None:
    result = _run(str(file))
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{file}: it left; 4 requests of 2 sessions looked through",
        "session s-2",
        "  1970-01-01 00:16:42 UTC  frame 4, request #2 to https://api.invalid/v1/messages, model m-1",
        f"      {_SHARE}",
        f"      lines 5-9 (bytes {_AT}-{_AT + len(_PART)})",
        "      in 2 requests, the last one #3",
        "in all",
        f"  {_SHARE}",
    ]
    assert "not found are runs of under 32 bytes" in result.stderr


def test_a_file_that_never_left_says_what_was_looked_through(file: Path) -> None:
    file.write_text("something that nobody has ever read or written to anybody\n")
    result = _run(str(file))
    assert result.exit_code == 0
    assert result.stdout == f"{file}: nothing left in 1 version of it; 4 requests of 2 sessions looked through\n"


def test_one_session_can_be_named(file: Path) -> None:
    assert _run(str(file), "s-1").exit_code == 0
    assert _run(str(file), "last").exit_code == 1
    assert "3 requests of 1 session" in _run(str(file), "s-2").stdout
    assert _run(str(file), "--all").exit_code == 1
    assert _run(str(file), "s-1", "--all").exit_code == 2


def test_as_json_it_is_one_object(file: Path) -> None:
    said = json.loads(_run("--json", str(file)).stdout)
    assert said["left"] is True
    assert said["looked_through"] == {"sessions": 2, "requests": 4}
    assert said["versions"] == [{"name": "the working copy", "path": str(file), "bytes": len(_FILE)}]
    (leaving,) = said["leavings"]
    assert leaving["places"] == [{"offset": _AT, "length": len(_PART), "first_line": 5, "last_line": 9, "masked": 0}]
    assert (leaving["session"], leaving["request"], leaving["last_request"]) == ("s-2", 2, 3)
    assert said["in_all"] == [{"version": "the working copy", "bytes": len(_PART), "of": len(_FILE)}]


def test_a_session_that_cannot_be_opened_is_named_and_the_others_are_looked_through(user: Home, file: Path) -> None:
    (user.directory("s-1") / "000001.key.age").unlink()
    result = _run(str(file))
    assert result.exit_code == 1
    assert "not looked through to its end: session s-1: session s-1: its key file is gone" in result.stderr
    assert json.loads(_run("--json", str(file)).stdout)["not_looked_through"][0]["session"] == "s-1"


def test_where_no_log_can_be_opened_it_fails(user: Home, file: Path) -> None:
    for session in ("s-1", "s-2"):
        (user.directory(session) / "000001.key.age").unlink()
    result = _run(str(file))
    assert isinstance(result.exception, SafeAgentError)
    assert result.exception.exit_code == 125


def test_what_stood_before_a_damage_counts(user: Home, file: Path) -> None:
    header, frames = frames_of(user.directory("s-2"))
    put(user.directory("s-2"), header, [*frames[:6], frames[6][:-1] + bytes([frames[6][-1] ^ 1]), *frames[7:]])
    result = _run(str(file))
    assert result.exit_code == 1
    assert "not looked through to its end: session s-2" in result.stderr


def test_a_file_that_is_not_there_is_an_error(user: Home, tmp_path: Path) -> None:
    del user
    result = _run(str(tmp_path / "never"))
    assert isinstance(result.exception, SafeAgentError)
    assert "does not exist" in result.exception.what


def test_a_file_that_is_too_short_is_said_to_be(file: Path) -> None:
    file.write_text("hi\n")
    assert "too short to be looked for: 1 version" in _run(str(file)).stderr


def test_nothing_of_the_log_acts_on_the_terminal(user: Home, file: Path) -> None:
    evil = "https://api.invalid/\x1b]0;owned\x07"
    user.write("s-3", [start_event("s-3"), _request(1, _FILE, url=evil, upstream="\x1b[2J", model="\x9b"), ended()])
    shown = _run(str(file)).stdout
    assert "owned" in shown
    assert not set("\x1b\x07\x9b") & set(shown)


def test_the_relative_name_of_a_file_will_do(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    assert _run(os.path.relpath(file)).stdout.startswith("prices.txt: it left")
