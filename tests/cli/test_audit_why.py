import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, start_event
from wrapper.audit import events
from wrapper.cli import audit
from wrapper.errors import SafeAgentError

_LINE = "    return price * (1 - discount)"


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(audit.group, ("why", *arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


def _asked(text: str) -> events.Request:
    body = {"model": "m", "tools": [{"name": "Edit"}], "messages": [{"role": "user", "content": text}]}
    return events.Request(
        at=1_001.0, number=1, method="POST", url="https://api.invalid/", headers={}, body=json.dumps(body).encode()
    )


def _called(tool: str, given: object) -> events.Response:
    content = [{"type": "tool_use", "id": "call-1", "name": tool, "input": given}]
    body = {"type": "message", "role": "assistant", "model": "m", "content": content}
    return events.Response(at=1_002.0, number=1, status=200, headers={}, body=json.dumps(body).encode())


def _change(**changes: object) -> events.FileChange:
    fields: dict[str, object] = {
        "at": 1_003.0,
        "path": "cost.py",
        "action": "modified",
        "by": "agent",
        "process": "sh[9]",
    }
    return events.FileChange(**fields | changes)  # type: ignore[arg-type]


@pytest.fixture
def file(user: Home, tmp_path: Path) -> Path:
    """A file of three lines, the second one written by an agent's edit."""
    work = tmp_path / "work"
    work.mkdir()
    made = work / "cost.py"
    made.write_text(f"def cost(price, discount):\n{_LINE}\n\n")
    edit = _called("Edit", {"file_path": str(made), "old_string": "    pass", "new_string": _LINE})
    user.write(written=[start_event(workspace=str(work)), _asked("give a \x1b[31mdiscount"), edit, _change(), ended()])
    return made


def test_it_says_which_call_wrote_the_line_and_who_asked_for_it(file: Path) -> None:
    result = _run(f"{file}:2")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{file}:2: {_LINE}",
        "  written by claude's Edit at 1970-01-01 00:16:42 UTC",
        "  session s-1, frame 4",
        "  the file was then modified by the agent (sh[9]) at 1970-01-01 00:16:43 UTC, frame 6",
        "  asked for by ada (frame 2): “give a \\x1b[31mdiscount”",
        "1 call of 1 session searched",
    ]


def test_a_line_that_is_in_no_log_is_said_not_to_be(file: Path) -> None:
    result = _run(f"{file}:1")
    assert result.exit_code == 1
    assert "no call in the logs has this text" in result.stdout
    assert "the last change in the logs: modified by the agent" in result.stdout
    assert "lay elsewhere" not in result.stdout
    assert "1 call of 1 session searched" in result.stdout


def test_where_the_project_lies_elsewhere_now_it_is_not_said_that_nobody_wrote_it(file: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / file.name
    moved.parent.mkdir()
    moved.write_bytes(file.read_bytes())
    result = _run(f"{moved}:2")
    assert result.exit_code == 1
    assert "no call in the logs has this text for this file" in result.stdout
    assert "if the project lay elsewhere then" in result.stdout
    assert "`safe-agent audit search TEXT --all`" in result.stdout


@pytest.mark.parametrize(
    ("by", "said"), [("host", "by the host (the user's editor"), ("agent", "by the agent (sh[9])")]
)
def test_what_no_call_has_is_found_by_the_hash_of_the_file(user: Home, file: Path, by: str, said: str) -> None:
    file.write_text("def cost(price, discount):\n    return what_a_program_wrote(price)\n")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    story = [
        start_event("s-2", workspace=str(file.parent)),
        _asked("format it"),
        _called("Bash", {"command": "black ."}),
        _change(action="created", by=by, after=digest),
        ended(),
    ]
    user.write("s-2", story, created=2_000.0)
    result = _run(f"{file}:2")
    assert result.exit_code == 0
    assert f"no call has this text; it was in the file after it was created {said}" in result.stdout
    assert ("the call before that: claude's Bash" in result.stdout) == (by == "agent")


def test_a_change_of_a_content_that_had_the_line_before_did_not_bring_it(user: Home, file: Path) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    story = [start_event("s-2", workspace=str(file.parent)), _change(before=digest, after=digest), ended()]
    user.write("s-2", story, created=2_000.0)
    assert _run(f"{file}:1").exit_code == 1


def test_the_session_that_wrote_it_last_counts(user: Home, file: Path) -> None:
    whole = _called("Write", {"file_path": str(file), "content": file.read_text()})
    story = [start_event("s-2", workspace=str(file.parent), user="bob"), _asked("again"), whole, _change(), ended()]
    user.write("s-2", story, created=2_000.0)
    assert "session s-2" in _run(f"{file}:2").stdout
    assert "asked for by bob" in _run(f"{file}:2").stdout


def test_as_json_it_is_one_object(file: Path) -> None:
    said = json.loads(_run("--json", f"{file}:2").stdout)
    (stage,) = said["stages"]
    assert (stage["text"], stage["commit"]) == (_LINE, None)
    assert (stage["origin"]["tool"], stage["origin"]["session"], stage["origin"]["change"]["process"]) == (
        "Edit",
        "s-1",
        "sh[9]",
    )
    assert said["searched"] == {"sessions": 1, "calls": 1}


@pytest.mark.parametrize(
    "place", ["cost.py", "cost.py:", "cost.py:0", "cost.py:x", ":3", "cost.py:\N{SUPERSCRIPT TWO}"]
)
def test_what_names_no_line_is_wrong_usage(file: Path, place: str) -> None:
    del file
    assert _run(place).exit_code == 2


def test_an_empty_line_and_one_that_is_not_there_are_errors(file: Path) -> None:
    for place, what in ((f"{file}:3", "is empty"), (f"{file}:4", "has 3 lines"), (f"{file}x:1", "cannot read")):
        error = _run(place).exception
        assert isinstance(error, SafeAgentError)
        assert what in error.what
        assert error.exit_code == 125


def test_a_session_that_cannot_be_opened_is_named(user: Home, file: Path) -> None:
    user.write("s-2", [start_event("s-2"), ended()], created=2_000.0)
    (user.directory("s-2") / "000001.key.age").unlink()
    result = _run(f"{file}:2")
    assert result.exit_code == 0
    assert "not searched to its end: session s-2" in result.stderr
    (user.directory("s-1") / "000001.key.age").unlink()
    error = _run(f"{file}:2").exception
    assert isinstance(error, SafeAgentError)
    assert error.what == "no log could be searched"
