import hashlib
import json
import math
import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, frames_of, put, recording, start_event
from tests.repository import git, repository
from wrapper.audit import events
from wrapper.audit.client import RecorderClient
from wrapper.audit.ledger import Ledger, read
from wrapper.audit.reader import Session, State, find_session
from wrapper.audit.retention import shred
from wrapper.cli import audit, left
from wrapper.errors import SafeAgentError
from wrapper.review.looking import Books, Window, in_question

_FILE = "".join(f"price of the item {number} is {number * 37}\n" for number in range(20))
_OTHER = "".join(f"def tariff_{number}(zone):\n    return zone * {number + 11}\n\n" for number in range(9))

_PART = "".join(_FILE.splitlines(keepends=True)[4:9])
_AT = _FILE.index(_PART)
_SHARE = f"{len(_PART)} of {len(_FILE)} bytes ({len(_PART) / len(_FILE):.1%}) of the working copy"


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(left.command, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


def _said(*arguments: str) -> tuple[int, list[str]]:
    """Return the exit code and the reasons why not all is known."""
    result = _run("--json", *arguments)
    return result.exit_code, [one["reason"] for one in json.loads(result.stdout)["missing"]]


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


def _recorded(user: Home, session: str, written: Sequence[events.Event], *, kill: bool = False) -> None:
    """Record a session as a real one is: the ledger knows of it; `kill`: its recorder dies."""
    with recording(user, session) as running:
        client = RecorderClient(running.connections[0])
        for event in (start_event(session), *written):
            client.append_durable(event)
        if kill:
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
            return
        client.append_durable(ended())
        client.close()
        assert running.wait() == 0


@pytest.fixture
def file(user: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file, part of which left in one of two sessions that are sealed and known to the ledger."""
    _recorded(user, "s-1", [_request(1, "hello there, how are you today, and all that")])
    answer = events.Response(at=1_003.0, number=2, status=200, headers={}, body=_FILE.encode())
    _recorded(user, "s-2", [_request(1, "hi"), _request(2, _PART), _request(3, _PART), answer])
    made = tmp_path / "work" / "prices.txt"
    made.parent.mkdir()
    made.write_text(_FILE)
    monkeypatch.chdir(made.parent)
    return made


def test_it_says_what_left_when_and_to_whom(user: Home, file: Path) -> None:
    result = _run("prices.txt")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "prices.txt: left",
        "session s-2 (claude in /work/project)",
        "  1970-01-01 00:16:42 UTC  frame 4, request #2 to https://api.invalid/v1/messages, model m-1",
        "      account not known: its record does not tell",
        f"      {_SHARE}",
        f"      lines 5-9 (bytes {_AT}-{_AT + len(_PART)})",
        "      in 2 requests, the last one #3",
        "in all",
        f"  {_SHARE}",
        "looked through: 4 requests of 2 sessions",
    ]
    assert "not found are runs of under 32 bytes" in result.stderr
    said = [entry for _, entry in read(user.state / "ledger").entries if getattr(entry, "verb", "") == "left"]
    assert [entry.session for entry in said] == ["s-1", "s-2"]  # type: ignore[union-attr]
    assert CliRunner().invoke(audit.group, ["left", str(file)]).exit_code == 1


def test_no_is_said_only_while_every_session_is_sealed_known_to_the_ledger_and_readable(user: Home, file: Path) -> None:
    file.write_text("something that nobody has ever read or written to anybody\n")
    result = _run("prices.txt")
    assert (result.exit_code, result.stderr.count("\n")) == (0, 1)
    assert result.stdout.splitlines() == [
        "prices.txt: not left (1 version looked for)",
        "looked through: 4 requests of 2 sessions",
    ]
    with recording(user, "s-3") as running:  # one that runs
        client = RecorderClient(running.connections[0])
        client.append_durable(start_event("s-3"))
        code, reasons = _said("prices.txt")
        assert (code, reasons) == (3, ["it runs: its log is not sealed yet"])
        assert _said("prices.txt", "--session", "s-1") == (0, [])
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    code, (why,) = _said("prices.txt")
    assert (code, "its recorder was killed" in why) == (3, True)
    shutil.rmtree(user.directory("s-3"))
    code, (why,) = _said("prices.txt")
    assert (code, "the session is gone, but the ledger knows it" in why) == (3, True)
    shown = _run("prices.txt").stdout
    assert "prices.txt: unknown: nothing was found, but not all is known" in shown
    assert "  session s-3: the session is gone" in shown


def test_a_log_that_was_cut_makes_it_unknown_and_what_stood_before_counts(user: Home, file: Path) -> None:
    header, frames = frames_of(user.directory("s-2"))
    put(user.directory("s-2"), header, frames[:5])
    assert _run("prices.txt").exit_code == 1
    file.write_text("something that nobody has ever read or written to anybody\n")
    code, reasons = _said("prices.txt")
    assert (code, len(reasons)) == (3, 1)
    assert "truncated" in reasons[0]
    put(user.directory("s-2"), header, [*frames[:6], frames[6][:-1] + bytes([frames[6][-1] ^ 1]), *frames[7:]])
    assert any("tampered" in why for why in _said("prices.txt")[1])


def test_keys_that_were_deleted_or_are_elsewhere_make_it_unknown(user: Home, file: Path) -> None:
    shred(find_session(user.state, "s-1"), Ledger(user.state / "ledger"), "kept for 1 day")
    code, reasons = _said("prices.txt")
    assert (code, reasons) == (1, ["its keys were deleted by retention"])
    file.write_text("something that nobody has ever read or written to anybody\n")
    assert _said("prices.txt")[0] == 3
    assert _said("prices.txt", "--session", "s-2") == (0, [])
    shutil.move(user.config / "keys" / "audit.key", user.config / "elsewhere")
    code, reasons = _said("prices.txt", "--session", "s-2")
    assert (code, reasons) == (3, ["no private key here opens it"])


def test_without_a_ledger_it_is_unknown(user: Home, file: Path) -> None:
    shutil.rmtree(user.state / "ledger")
    file.write_text("something that nobody has ever read or written to anybody\n")
    code, reasons = _said("prices.txt")
    assert (code, "no ledger" in reasons[0]) == (3, True)


def test_what_left_where_nobody_looked_makes_it_unknown(user: Home, file: Path) -> None:
    def tunnel(host: str, sent: int) -> events.Connection:
        return events.Connection(at=1_004.0, host=host, port=443, allowed=True, rule="r", sent=sent)

    def post(host: str, size: int, body: bytes = b"x" * 10) -> events.Sent:
        return events.Sent(
            at=1_004.0, number=9, host=host, port=443, method="POST", target="/", headers={}, body=body,
            size=size, sha256="",
        )  # fmt: skip

    file.write_text("something that nobody has ever read or written to anybody\n")
    seen = [tunnel("seen.invalid", 900), post("seen.invalid", 10), tunnel("idle.invalid", 0)]
    _recorded(user, "s-3", seen)
    assert _said("prices.txt") == (0, [])
    pushed = b"0000PACK\0\0\0\2 and so on"
    unseen = [tunnel("tunnel.invalid", 2048), post("big.invalid", 10 + (3 << 20)), post("forge.invalid", 21, pushed)]
    _recorded(user, "s-4", unseen)
    code, reasons = _said("prices.txt")
    assert code == 3
    assert reasons == [
        "2.0 KiB went to `tunnel.invalid:443` through a tunnel, into which nobody looked",
        "3.0 MiB of bodies to `big.invalid` are not in the log, which keeps the first MiB of each",
        "21 B went to `forge.invalid` in requests with packed data (git's, or an archive), which is not searched",
    ]


def test_what_a_tunnel_that_ended_later_carried_before_is_not_known(user: Home, file: Path) -> None:
    file.write_text("something that nobody has ever read or written to anybody\n")
    ended_at = events.Connection(at=4e9, host="tunnel.invalid", port=443, allowed=True, rule="r", sent=900)
    _recorded(user, "s-3", [ended_at])
    assert _said("prices.txt", "--until", "2090-01-01")[0] == 3
    assert _said("prices.txt", "--session", "s-3", "--since", "2099-01-01") == (0, [])


def test_a_session_whose_clock_was_set_back_is_in_question(user: Home) -> None:
    ledger = Books({}, {"s-1": (100.0, 900.0), "s-2": (500.0, math.inf)})
    one = Session("s-1", user.state, 800.0, State.SEALED, 1)
    assert [in_question([one], ledger, Window(since, until)) != [] for since, until in ((0, 200), (0, 100), (901, 999))] == [
        True, False, False,
    ]  # fmt: skip


def test_what_git_keeps_elsewhere_makes_it_unknown_unless_it_is_there(user: Home, file: Path) -> None:
    del user
    file.write_text("something that nobody has ever read or written to anybody\n")
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"
    )
    (file.parent / "pointer").write_text(pointer)
    work = repository(file.parent)
    blob = git(work, "hash-object", "-w", "pointer").decode().strip()
    git(work, "update-index", "--add", "--cacheinfo", f"100644,{blob},prices.txt")
    assert _run("prices.txt").exit_code == 0
    file.write_text("something else that nobody has ever read or written to anybody\n")
    result = _run("prices.txt")
    assert (result.exit_code, "1 content that git keeps as pointers (LFS)" in result.stdout) == (3, True)


def test_contents_that_cannot_be_searched_for_make_it_unknown_and_empty_ones_do_not(user: Home, file: Path) -> None:
    del user
    for text, why in (("hi\n", "too short"), ("ab" * 40, "too uniform")):
        file.write_text(text)
        result = _run("--json", "prices.txt")
        (one,) = json.loads(result.stdout)["files"]
        assert (result.exit_code, one["answer"]) == (3, "unknown")
        assert why in one["missing"][0]
    file.write_text("")
    assert _run("prices.txt").exit_code == 0


def test_what_was_read_inside_and_not_sent_is_told(user: Home, file: Path) -> None:
    reads = events.FilesRead(at=1_005.0, files=(("prices.txt", 1_004.0, 90), ("other.txt", 1_004.0, 9)))
    with recording(user, "s-3") as running:
        client = RecorderClient(running.connections[0])
        for event in (start_event("s-3", workspace=str(file.parent)), reads, ended()):
            client.append_durable(event)
        client.close()
        assert running.wait() == 0
    assert "  read by session s-3 at 1970-01-01 00:16:44 UTC (90 bytes), not sent" in _run("prices.txt").stdout
    (said,) = json.loads(_run("--json", "prices.txt").stdout)["files"]
    assert said["read"] == [{"session": "s-3", "at": 1_004.0, "bytes": 90}]


def test_only_what_left_in_the_time_asked_about_counts(user: Home, file: Path) -> None:
    _recorded(user, "s-3", [_request(1, _FILE, at=2_000_000.0)])
    assert _said("prices.txt", "--since", "1970-01-10", "--until", "1970-02-01")[0] == 0  # begun later than that
    result = _run("--json", "prices.txt", "--since", "1970-01-10")
    assert {one["session"] for one in json.loads(result.stdout)["files"][0]["leavings"]} == {"s-3"}
    assert json.loads(result.stdout)["since"] == "1970-01-10T00:00:00+00:00"
    assert _run("prices.txt", "--since", "1h").exit_code == 0
    future = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 200_000))
    assert json.loads(_run("--json", "prices.txt", "--since", future).stdout)["looked_through"]["sessions"] == 0
    work = repository(file.parent)
    git(work, "add", ".")
    git(work, "commit", "-qm", "one", extra={"GIT_COMMITTER_DATE": "2090-01-01T00:00:00Z"})
    assert _run("prices.txt", "--since", "HEAD").exit_code == 0
    assert _run("prices.txt", "--until", "HEAD").exit_code == 1
    assert "no revision" in str(_run("prices.txt", "--since", "never").exception)
    assert _run("prices.txt", "--since", "1h", "--until", "2h").exit_code == 2


def test_revisions_folders_and_everything_are_looked_for_as_they_are_named(user: Home, file: Path) -> None:
    work = repository(file.parent)
    (work / "sub").mkdir()
    (work / "sub" / "tariffs.py").write_text(_OTHER)
    git(work, "add", ".")
    git(work, "commit", "-qm", "one")
    file.write_text("rewritten altogether, so that nothing of what it was is left in it\n")
    (work / ".gitignore").write_text("*.tmp\n")
    (work / "ignored.tmp").write_text(_PART)
    assert _run("HEAD:prices.txt").exit_code == 1
    assert _run("HEAD:./prices.txt").exit_code == 1
    assert _run(":prices.txt").exit_code == 1
    assert _run("--rev", "HEAD", "prices.txt").exit_code == 1
    assert "HEAD:prices.txt: left" in _run("HEAD:prices.txt").stdout
    assert _run("sub").exit_code == 0
    assert _run("HEAD:sub", "sub").exit_code == 0
    result = _run("--json", "--all")
    assert {one["file"]: one["answer"] for one in json.loads(result.stdout)["files"]} == {
        ".gitignore": "unknown",
        "prices.txt": "left",
        "sub/tariffs.py": "not left",
    }
    shown = _run("--all").stdout.splitlines()
    assert shown[0] == "prices.txt: left"
    assert shown[1].endswith("the index: lines 5-9")
    assert "sub/tariffs.py: not left (1 version looked for)" in shown
    assert _run().exit_code == 2
    assert _run("--all", "prices.txt").exit_code == 2
    assert "git has no `never` in `HEAD`" in str(_run("HEAD:never").exception)
    assert "does not exist" in str(_run("never").exception)


def test_what_another_file_has_as_well_left_of_both(user: Home, file: Path) -> None:
    del user
    (file.parent / "copy.txt").write_text(f"{_PART}and a good deal besides that is its own\n")
    (file.parent / "same.txt").write_text(_FILE)
    said = json.loads(_run("--json", ".").stdout)["files"]
    assert {one["file"]: (one["answer"], one["in_all"][0]["lines"]) for one in said} == {
        "copy.txt": ("left", [[1, 5]]),
        "prices.txt": ("left", [[5, 9]]),
        "same.txt": ("left", [[5, 9]]),
    }


@pytest.mark.parametrize("name", ["with\nline", "-leading", "caf\udce9", "a:b.txt", "'quoted\"", "\x1b[2J"])
def test_odd_names_are_found_and_do_nothing_to_the_terminal(file: Path, name: str) -> None:
    work = repository(file.parent)
    file.rename(work / name)
    git(work, "add", ".")
    git(work, "commit", "-qm", "one")
    for arguments in (["--", name], ["--all"], ["--", f"HEAD:{name}"]):
        result = CliRunner().invoke(left.command, arguments)
        assert result.exit_code == 1, result.output
        assert result.stdout.isascii() or "\udce9" not in result.stdout
        assert "\x1b" not in result.stdout
    (work / name).unlink()
    said = json.loads(_run("--json", "--", name).stdout)
    assert (said["answer"], said["files"][0]["file"]) == ("left", name)


def test_the_document_has_the_shape_that_is_promised(user: Home, file: Path) -> None:
    _recorded(user, "s-3", [_request(1, _FILE, account="API key MASKED-API-KEY-0123ABCD", upstream="internal")])
    said = json.loads(_run("--json", "prices.txt", "--session", "s-3").stdout)
    assert list(said) == ["version", "answer", "since", "until", "files", "looked_through", "sessions", "missing"]
    assert (said["version"], said["answer"], said["looked_through"]) == (1, "left", {"sessions": 1, "requests": 1})
    assert said["sessions"] == [
        {
            "session": "s-3", "state": "sealed", "workspace": "/work/project", "agent": "claude", "requests": 1,
            "complete": True,
        }
    ]  # fmt: skip
    (one,) = said["files"]
    assert list(one) == ["file", "answer", "versions", "leavings", "in_all", "read", "missing"]
    (leaving,) = one["leavings"]
    place = {"offset": 0, "length": len(_FILE), "first_line": 1, "last_line": 20, "masked": 0}
    assert leaving == {
        "session": "s-3", "frame": 2, "at": 1002.0, "request": 1, "provider": "api.invalid",
        "url": "https://api.invalid/v1/messages", "upstream": "internal", "model": "m-1",
        "account": {"login": "API key MASKED-API-KEY-0123ABCD", "user": "", "organisation": ""},
        "version": "the working copy", "path": str(file), "bytes": len(_FILE), "of": len(_FILE), "forms": [],
        "places": [place], "requests": 1, "last_request": 1, "same_as": "",
    }  # fmt: skip
    assert "under API key MASKED-API-KEY-0123ABCD" in _run("prices.txt", "--session", "s-3").stdout


def test_nothing_of_the_log_acts_on_the_terminal(user: Home, file: Path) -> None:
    del file
    evil = "https://api.invalid/\x1b]0;owned\x07"
    _recorded(user, "s-3", [_request(1, _FILE, url=evil, upstream="\x1b[2J", model="\x9b", account="\x1b[1m")])
    shown = _run("prices.txt").stdout
    assert "owned" in shown
    assert not set("\x1b\x07\x9b") & set(shown)
