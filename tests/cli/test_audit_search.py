import json

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, frames_of, put, start_event
from wrapper.audit import events, seal
from wrapper.cli import audit
from wrapper.errors import SafeAgentError


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(audit.group, ("search", *arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


_BODY = json.dumps({"messages": [{"role": "user", "content": 'find the "needle"\nplease'}]}).encode()
_STORY: list[events.Event] = [
    start_event(),
    events.Resize(at=1_000.0, rows=6, columns=30),
    events.Output(at=1_001.0, stream="tty", data=b"a \x1b[31mnee\x1b[0mdle\r\n"),
    events.Request(at=1_002.0, number=1, method="POST", url="https://api.invalid/v1", headers={}, body=_BODY),
    events.FileChange(at=1_003.0, path="src/needle.py", action="modified"),
    ended(),
]


def test_hits_are_lines_and_the_screen_can_be_jumped_to(user: Home) -> None:
    user.write(written=_STORY)
    result = _run("needle")
    head, *lines = result.stdout.splitlines()
    assert head == "session s-1"
    assert [line.split("UTC  ")[1] for line in lines] == [
        "screen  a needle",
        'request #1 messages[0].content  find the "needle"',
        "file  src/needle.py",
    ]
    frame = lines[0].split()[0]
    assert f"see it: safe-agent audit play s-1 --goto {frame}" in result.stderr
    assert result.exit_code == 0


def test_the_frame_that_is_named_is_the_one_that_show_names(user: Home) -> None:
    user.write(written=_STORY)
    (hit, *_) = map(json.loads, _run("needle", "--json").stdout.splitlines())
    shown = CliRunner().invoke(audit.group, ("show", "--json", "--only", "output")).stdout
    assert json.loads(shown)["frame"] == hit["frame"]


def test_as_json_a_hit_says_where_the_match_stands(user: Home) -> None:
    user.write(written=_STORY)
    hits = [json.loads(line) for line in _run("needle", "--json").stdout.splitlines()]
    assert [list(hit) for hit in hits] == [["session", "frame", "at", "where", "line", "match"]] * 3
    for hit in hits:
        start, end = hit["match"]
        assert hit["line"][start:end] == "needle"
    assert (hits[1]["where"], hits[1]["at"]) == ("request #1 messages[0].content", 1_002.0)


def test_what_is_not_there_ends_with_1_and_prints_nothing(user: Home) -> None:
    user.write(written=_STORY)
    result = _run("nothing like it")
    assert (result.stdout, result.exit_code) == ("", 1)


def test_options_change_what_matches(user: Home) -> None:
    user.write(written=_STORY)
    assert _run("NEEDLE").exit_code == 1
    assert _run("-i", "NEEDLE").exit_code == 0
    assert _run("ne+dle").exit_code == 1
    assert _run("-E", "ne+dle").exit_code == 0


def test_a_bad_expression_is_one_clear_error_before_anything_is_read(user: Home) -> None:
    del user
    error = _run("-E", "(").exception
    assert isinstance(error, SafeAgentError)
    assert "`(` is not a regular expression" in error.what


def test_all_sessions_are_searched_and_one_that_cannot_be_read_is_said(user: Home) -> None:
    user.write("s-1", _STORY)
    user.write("s-2", _STORY, created=2_000.0)
    header, frames = frames_of(user.directory("s-1"))
    put(user.directory("s-1"), header, [frames[0][:-1] + bytes([frames[0][-1] ^ 1]), *frames[1:]])
    result = _run("needle", "--all")
    assert "session s-2" in result.stdout
    assert "session s-1" in result.stderr
    assert result.exit_code == 12
    assert _run("needle", "s-2").exit_code == 0


def test_all_and_a_name_are_wrong_usage(user: Home) -> None:
    user.write(written=_STORY)
    assert _run("needle", "s-1", "--all").exit_code == 2


def test_of_an_open_log_what_there_is_is_searched(user: Home) -> None:
    user.write(written=_STORY, seal=False)
    assert _run("needle").exit_code == 0
    assert _run("nothing").exit_code == 10


def test_a_copy_is_searched_by_its_path_and_played_by_it(user: Home) -> None:
    user.write(written=_STORY)
    result = _run("needle", str(user.directory()))
    assert f"audit play {user.directory()} --goto" in result.stderr
    assert result.exit_code == 0


def test_a_log_for_other_readers_says_so(user: Home) -> None:
    user.write(written=_STORY)
    user.keys.identity_path.write_text(seal.Identity.generate().text())
    error = _run("needle").exception
    assert isinstance(error, SafeAgentError)
    assert error.exit_code == 13


@pytest.mark.parametrize("verb", ["search"])
def test_its_help_has_an_example_and_the_exit_codes(verb: str) -> None:
    text = CliRunner().invoke(audit.group, (verb, "--help")).output
    assert "Example" in text
    assert "Exit codes: 0" in text
