import json
import os

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, asked, ended, frames_of, put, recording, start_event, warned
from wrapper.audit import entries, events, ledger, seal
from wrapper.audit import format as layout
from wrapper.audit.client import RecorderClient
from wrapper.audit.deltas import Deltas
from wrapper.audit.ledger import Ledger
from wrapper.cli import audit, keys
from wrapper.errors import AuditError, SafeAgentError


def _run(*arguments: str, group: object = None) -> Result:
    result = CliRunner().invoke(group or audit.group, arguments)  # type: ignore[arg-type]
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


NO_LEDGER = "safe-agent: this reading is not recorded: this machine has no ledger\n"
_STORY: list[events.Event] = [
    start_event(),
    events.Output(at=1_001.0, stream="tty", data=b"\x1b[31mhello\x1b[0m\r\nthere\r\n"),
    events.Output(at=1_001.5, stream="tty", data=b"and more\r\n"),
    events.Redacted(at=1_002.0, kind="X", placeholder="MASKED-X-00000000", place="request", where="#1"),
    events.Request(
        at=1_002.0,
        number=1,
        method="POST",
        url="https://api.invalid/v1/messages",
        headers={"content-type": "application/json"},
        body=json.dumps({"model": "m-1", "messages": [{"role": "user", "content": "fix the bug"}]}).encode(),
    ),
    events.Response(at=1_003.0, number=1, status=200, headers={}, body=b"\xff\xfe", complete=False),
    events.Connection(at=1_004.0, host="evil.invalid", port=443, allowed=False, rule="default"),
    events.FileChange(at=1_005.0, path="src/a.py", action="modified"),
    ended(3),
]


def test_ls_shows_what_a_session_was(user: Home) -> None:
    user.write(written=_STORY)
    result = _run("ls")
    head, line = result.stdout.splitlines()
    assert head.split() == ["ID", "STARTED", "STATE", "EXIT", "DURATION", "SIZE", "USER", "AGENT", "WORKSPACE"]
    assert line.startswith("s-1  1970-01-01 00:16:40 UTC  sealed  3     10.5s")
    assert line.endswith("ada   claude  /work/project")
    assert (result.exit_code, result.stderr) == (0, NO_LEDGER)


def test_ls_as_json_has_one_object_per_line(user: Home) -> None:
    user.write("s-1", _STORY)
    user.write("s-2", [start_event("s-2")], seal=False, created=2_000.0)
    first, second = (json.loads(line) for line in _run("ls", "--json").stdout.splitlines())
    assert (first["id"], first["state"], first["exit_code"], first["duration"]) == ("s-1", "sealed", 3, 10.5)
    assert (second["id"], second["state"], second["exit_code"], second["agent"]) == ("s-2", "open", None, "claude")


def _two_users(user: Home) -> None:
    user.write("s-1", [start_event(), ended()])
    other = {"user": "bob", "agent": "codex", "workspace": "/work/other", "at": 200_000.0}
    user.write("s-2", [start_event("s-2", **other), ended(1)], created=200_000.0, seal=False)


@pytest.mark.parametrize(
    ("asked", "listed"),
    [
        ((), ["s-1", "s-2"]),
        (("--agent", "codex"), ["s-2"]),
        (("--user", "ada"), ["s-1"]),
        (("--repo", "other"), ["s-2"]),
        (("--repo", "/work"), ["s-1", "s-2"]),
        (("--repo", "/work/other/"), ["s-2"]),
        (("--repo", "/work/oth"), []),
        (("--state", "open"), ["s-2"]),
        (("--since", "1970-01-02"), ["s-2"]),
        (("--since", "2d"), []),
        (("--since", "1970-01-02", "--user", "ada"), []),
    ],
)
def test_ls_lists_what_was_asked_for(user: Home, asked: tuple[str, ...], listed: list[str]) -> None:
    _two_users(user)
    assert [json.loads(line)["id"] for line in _run("ls", "--json", *asked).stdout.splitlines()] == listed


def test_ls_of_a_time_that_is_none_is_wrong_usage(user: Home) -> None:
    del user
    result = _run("ls", "--since", "yesterday")
    assert result.exit_code == 2
    assert "`yesterday` is no time" in result.stderr


def test_ls_leaves_out_what_is_not_known_without_the_private_key(user: Home) -> None:
    _two_users(user)
    user.keys.identity_path.unlink()
    assert _run("ls", "--user", "ada").stdout == ""
    assert _run("ls", "--state", "open").stdout.splitlines()[1].startswith("s-2")


def test_ls_is_itself_recorded_where_it_decrypts(user: Home) -> None:
    user.write(written=_STORY)
    Ledger(user.state / "ledger").append(entries.Closed(at=1.0, session="s-1", segment=1, size=1, root="00" * 32))
    assert _run("ls").stderr == ""
    last = ledger.read(user.state / "ledger").entries[-1][1]
    assert isinstance(last, entries.Reading)
    assert last.verb == "ls"


def test_ls_of_nothing_prints_nothing_and_says_so(user: Home) -> None:
    result = _run("ls")
    assert (result.stdout, result.exit_code) == ("", 0)
    assert "there is no session yet in" in result.stderr
    assert "XDG_STATE_HOME" in result.stderr
    user.write("s-1", [start_event(), ended()])
    result = _run("ls", "--state", "open")
    assert (result.stdout, result.stderr) == ("", "safe-agent: none of 1 session is such a one\n")


@pytest.mark.parametrize(
    "verb", [("verify", "--all"), ("verify", "--all", "--require", "anchored"), ("redactions", "--all")]
)
def test_what_holds_of_no_session_at_all_is_not_said(user: Home, verb: tuple[str, ...]) -> None:
    """A state folder that was mistyped would else be proven, in a script for ever."""
    assert not user.state.exists()
    result = _run(*verb)
    assert result.exit_code == 1  # of the test's runner: the program ends with 125
    assert isinstance(result.exception, AuditError)
    assert "there is no session yet in" in result.exception.what


def test_ls_without_the_private_key_shows_what_stands_outside_and_says_so(user: Home) -> None:
    user.write(written=_STORY)
    user.keys.identity_path.unlink()
    result = _run("ls")
    assert "sealed" in result.stdout
    assert "claude" not in result.stdout
    assert "private key is not on this machine" in result.stderr


def test_ls_lists_a_damaged_session_with_the_reason(user: Home) -> None:
    user.write(written=_STORY)
    (user.directory() / layout.LOG_FILE).write_bytes(b"overwritten by something")
    assert "damaged" in _run("ls").stdout
    assert json.loads(_run("ls", "--json").stdout)["problem"] == "this is not a safe-agent log"


def test_show_only_has_what_was_asked_for(user: Home) -> None:
    user.write(written=_STORY)
    rows = [
        json.loads(line)
        for line in _run("show", "last", "--json", "--only", "file", "--only", "end").stdout.splitlines()
    ]
    assert [row["type"] for row in rows] == ["file", "end"]


def test_show_counts_files_that_were_read_and_names_each_when_asked_for_them_only(user: Home) -> None:
    many = tuple((f"src/{number}.py", 1_001.0 + number, 1024) for number in range(20))
    user.write(written=[start_event(view="fuse"), events.FilesRead(at=1_030.0, files=many), ended()])
    assert "20 files  20.0 KiB" in _run("show").stdout
    assert "files: fuse" in _run("show").stdout
    lines = _run("show", "--only", "read").stdout.splitlines()
    assert len(lines) == 21
    assert lines[1].split() == ["+0:01.000", "read", "src/0.py", "1.0", "KiB"]
    (row,) = map(json.loads, _run("show", "--only", "read", "--json").stdout.splitlines())
    assert len(row["files"]) == 20


def test_show_as_json_says_how_bytes_are_written(user: Home) -> None:
    user.write(written=_STORY)
    rows = {row["type"]: row for row in map(json.loads, _run("show", "--json").stdout.splitlines())}
    assert rows["start"]["plan"] == {"mounts": []}
    assert json.loads(rows["request"]["body"])["model"] == "m-1"
    assert (rows["request"]["encoding"], rows["response"]["encoding"]) == ("utf-8", "base64")
    assert rows["response"]["body"] == "//4="
    assert all(list(row)[:3] == ["frame", "type", "at"] for row in rows.values())


def test_show_of_an_unsealed_log_shows_all_and_says_so(user: Home) -> None:
    user.write(written=_STORY, seal=False)
    result = _run("show")
    assert "exit code 3" in result.stdout
    assert "not sealed" in result.stderr
    assert result.exit_code == 10


def test_show_of_a_tampered_log_shows_what_was_good_and_fails(user: Home) -> None:
    directory = user.write(written=[warned("good"), warned("bad")])
    header, frames = frames_of(directory)
    put(directory, header, [*frames[:2], frames[2][:-1] + bytes([frames[2][-1] ^ 1]), *frames[3:]])
    result = _run("show")
    assert "good" in result.stdout
    assert "bad" not in result.stdout
    assert isinstance(result.exception, SafeAgentError)
    assert result.exception.exit_code == 12


def test_show_without_the_private_key_says_where_to_read(user: Home) -> None:
    user.write(written=_STORY)
    user.keys.identity_path.unlink()
    result = _run("show")
    assert isinstance(result.exception, SafeAgentError)
    assert result.exception.hint == "read the logs where `audit.key` is"


def test_show_of_a_running_session_shows_what_there_is(user: Home) -> None:
    with recording(user) as running:
        RecorderClient(running.connections[0]).append_durable(start_event())
        result = _run("show")
    assert result.exit_code == 0
    assert "claude -p hello" in result.stdout


def _conversation() -> list[events.Event]:
    """A request, the same with more in it, and what policy made of the next one."""
    said = [{"role": "user", "content": f"step {turn} " + "and so on " * 200} for turn in range(2)]
    bodies = [json.dumps({"model": "m-1", "messages": said[: turn + 1]}).encode() for turn in range(2)]
    writer = Deltas()
    first, second = (asked(number, writer.shorten(number, body)) for number, body in enumerate(bodies, 1))
    found = {"kind": "EMAIL", "placeholder": "MASKED-EMAIL-00000000", "place": "request", "rule": "email"}
    return [
        start_event(),
        first,
        events.Redacted(at=1_003.0, where="#2@9", action="monitored", **found),  # type: ignore[arg-type]
        second,
        events.Judged(at=1_004.0, number=3, about="task", rule="benchmarks", action="allowed", reason="why", by="user"),
        events.Judged(at=1_004.0, number=4, about="approval", rule="only m-1", action="denied", by="policy"),
        ended(),
    ]


@pytest.mark.parametrize("only", [(), ("--only", "request")])
def test_show_as_json_has_every_body_in_full_whatever_is_asked_for(user: Home, only: tuple[str, ...]) -> None:
    user.write(written=_conversation())
    rows = [json.loads(line) for line in _run("show", "--json", *only).stdout.splitlines()]
    bodies = {row["number"]: row for row in rows if row["type"] == "request"}
    assert [len(json.loads(bodies[number]["body"])["messages"]) for number in (1, 2)] == [1, 2]
    assert "base" not in bodies[2]
    assert bodies[2]["prefix"] > 1_000
    assert "prefix" not in bodies[1]


def test_show_of_a_log_that_lacks_a_request_shows_the_rest_and_fails(user: Home) -> None:
    story = _conversation()
    user.write(written=[story[0], *story[2:]])
    result = _run("show")
    assert "of 4.0 KiB; the rest, from #1, cannot be put together" in result.stdout
    assert "exit code 0" in result.stdout
    assert isinstance(result.exception, SafeAgentError)
    assert (result.exception.what, result.exception.exit_code) == (
        "frame 4: request #2 builds on #1, which the log does not hold in full",
        125,
    )


_HOSTILE = "a\x1b]0;owned\x07b\x1b[2J\x9b31mc\rd\x7f\u202eevil\u200b\x00"


@pytest.mark.parametrize(
    "event",
    [
        start_event(
            workspace=_HOSTILE, argv=(_HOSTILE,), user=_HOSTILE, agent=_HOSTILE, degraded=(_HOSTILE,), plan=_HOSTILE
        ),
        events.Output(at=1.0, stream=_HOSTILE, data=_HOSTILE.encode() + b"\xff\x9b2J"),
        events.Request(at=1.0, number=1, method=_HOSTILE, url=_HOSTILE, headers={_HOSTILE: _HOSTILE}, body=b"x"),
        events.Request(
            at=1.0,
            number=1,
            method="POST",
            url="u",
            headers={},
            body=json.dumps({"model": _HOSTILE, "input": _HOSTILE}).encode(),
        ),
        events.Refused(at=1.0, number=1, method=_HOSTILE, url=_HOSTILE, reason=_HOSTILE),
        events.Judged(at=1.0, number=1, about=_HOSTILE, rule=_HOSTILE, action=_HOSTILE, reason=_HOSTILE, by=_HOSTILE),
        events.Request(at=1.0, number=1, method="G", url="u", headers={}, body=b"x", upstream=_HOSTILE, model=_HOSTILE),
        events.Connection(at=1.0, host=_HOSTILE, port=1, allowed=True, rule=_HOSTILE),
        events.FileChange(at=1.0, path=_HOSTILE, action=_HOSTILE, target=_HOSTILE, by=_HOSTILE, process=_HOSTILE),
        events.FilesRead(at=1.0, files=((_HOSTILE, 1.0, 1),)),
        events.Redacted(
            at=1.0,
            kind=_HOSTILE,
            placeholder=_HOSTILE,
            place=_HOSTILE,
            where=_HOSTILE,
            rule=_HOSTILE,
            action=_HOSTILE,
        ),
        warned(_HOSTILE),
        events.SessionEnd(at=1.0, exit_code=1, reason=_HOSTILE),
    ],
    ids=lambda event: type(event).__name__,
)
def test_nothing_of_the_log_can_act_on_the_readers_terminal(user: Home, event: events.Event) -> None:
    user.write(written=[event])
    for arguments in (
        ("show",),
        ("show", "--full"),
        ("show", "--json"),
        ("redactions",),
        ("redactions", "--json"),
        ("ls",),
        ("ls", "--json"),
        ("verify",),
        ("verify", "--json"),
    ):
        printed = _run(*arguments).output
        assert printed
        assert all(letter.isprintable() or letter == "\n" for letter in printed), arguments


def test_verify_says_sealed_with_code_0(user: Home) -> None:
    user.write(written=_STORY)
    result = _run("verify")
    assert result.stdout.startswith("s-1  SEALED  9 records in 19 frames, decrypted and checked")
    assert result.exit_code == 0


def test_verify_needs_no_key(user: Home) -> None:
    user.write(written=_STORY)
    user.keys.identity_path.unlink()
    assert "SEALED  9 records in 19 frames, not decrypted" in _run("verify").stdout


def test_verify_of_a_log_for_other_readers_still_verifies_unless_content_is_asked_for(user: Home) -> None:
    user.write(written=_STORY)
    user.keys.identity_path.write_text(seal.Identity.generate().text())
    assert _run("verify").exit_code == 0
    result = _run("verify", "--decrypt")
    assert (result.exit_code, result.stdout.split()[1]) == (13, "NOKEY")


def test_each_verdict_has_a_code_and_all_gives_the_worst(user: Home) -> None:
    for session in ("sealed", "open", "truncated", "tampered"):
        user.write(session, _STORY, seal=session != "open")
    log = user.directory("truncated") / layout.LOG_FILE
    os.truncate(log, log.stat().st_size - 1)
    log = user.directory("tampered") / layout.LOG_FILE
    log.write_bytes(log.read_bytes() + b"x")
    codes = {session: _run("verify", session).exit_code for session in ("sealed", "open", "truncated", "tampered")}
    assert codes == {"sealed": 0, "open": 10, "truncated": 11, "tampered": 12}
    result = _run("verify", "--all", "--json")
    verdicts = {row["session"]: row["verdict"] for row in map(json.loads, result.stdout.splitlines())}
    assert verdicts == {session: session for session in codes}
    assert result.exit_code == 12


def test_verify_of_an_unknown_session_is_one_clear_error(user: Home) -> None:
    user.write()
    result = _run("verify", "nope")
    assert isinstance(result.exception, SafeAgentError)
    assert result.exception.what == "no session begins with `nope`"


@pytest.mark.parametrize("verb", ["ls", "show", "redactions", "verify"])
def test_every_verbs_help_has_an_example_and_the_exit_codes(verb: str) -> None:
    text = _run(verb, "--help").output
    assert "Example" in text
    assert "Exit codes: 0" in text


def test_keys_are_made_once_and_the_private_one_is_never_printed(user: Home) -> None:
    result = _run("make", group=keys.group)
    assert "already" in result.stderr
    user.keys.masking_path.unlink()
    assert "made masking.key" in _run("make", group=keys.group).stderr
    shown = _run("show", group=keys.group)
    assert shown.stdout.split() == list(user.keys.load_recipients())
    assert user.keys.load_identity().text().strip() not in shown.output


def test_keys_as_json_say_whether_the_private_one_is_here(user: Home) -> None:
    assert json.loads(_run("show", "--json", group=keys.group).stdout)["private_key_here"] is True
    user.keys.identity_path.unlink()
    assert json.loads(_run("show", "--json", group=keys.group).stdout)["private_key_here"] is False
