"""`safe-agent audit` without a verb, as a program on a terminal, and what it is made of."""

import contextlib
import os
import stat
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pexpect
import pytest
from click.testing import CliRunner

from tests.audit.recording import Home, ended, start_event, warned
from wrapper.audit import events, reader
from wrapper.audit.entries import Reading
from wrapper.audit.ledger import Ledger, read
from wrapper.cli import audit
from wrapper.cli.auditing.browse import browse, desk
from wrapper.errors import SafeAgentError
from wrapper.plan.places import Places
from wrapper.review.app.desk import Desk
from wrapper.review.export.formats import FORMATS

_STORY: list[events.Event] = [
    start_event(),
    events.Output(at=1_001.0, stream="tty", data=b"shown on the terminal\r\n"),
    warned("something happened"),
    ended(),
]


def _desk() -> Desk:
    return desk(Places.from_environment())


@contextmanager
def _terminal(user: Home, size: tuple[int, int] = (24, 80)) -> Iterator[pexpect.spawn]:
    """Start the real program on a pseudo-terminal of its own, as the owner of `user`."""
    environ = {name: value for name, value in os.environ.items() if name.startswith(("HOME", "XDG_"))}
    child = pexpect.spawn(
        sys.executable,
        ["-c", "from wrapper.cli.main import main; main(['audit'])"],
        env=environ | {"PATH": "/usr/bin:/bin", "TERM": "xterm-256color", "LANG": "C.UTF-8"},
        dimensions=size,
        timeout=30,
    )
    try:
        yield child
    finally:
        child.close(force=True)


def _ends(child: pexpect.spawn) -> tuple[int, bytes]:
    child.expect(pexpect.EOF)
    child.wait()
    return child.exitstatus, child.before


def test_a_session_is_opened_by_keys_and_the_terminal_is_given_back(user: Home) -> None:
    user.write(written=_STORY)
    with _terminal(user) as child:
        before = termios.tcgetattr(child.child_fd)
        child.expect(b"/work/project")
        child.send("\r")
        child.expect(b"something happened")
        child.send("q")
        code, last = _ends(child)
        assert code == 0
        assert b"\x1b[?1049l" in last
        assert b"\x1b[?25h" in last
        assert b"\x1b[?1000l" in last
        assert termios.tcgetattr(child.child_fd) == before


def test_p_plays_on_the_same_terminal_and_comes_back(user: Home) -> None:
    user.write(written=_STORY)
    with _terminal(user) as child:
        child.expect(b"/work/project")
        child.send("p")
        child.expect(b"\x1b\\[\\?1049l")
        child.expect(b"shown on the terminal")
        child.send("q")
        child.expect(b"/work/project")
        child.send("q")
        assert _ends(child)[0] == 0


@pytest.mark.parametrize("keys", ["v\x03", "vq", "\x03", "q", "\rq", "/\x03", "?\x03", "eq\x03"])
def test_every_way_out_ends_with_code_0_also_while_work_goes_on(user: Home, keys: str) -> None:
    user.write(written=_STORY)
    with _terminal(user) as child:
        child.expect(b"/work/project")
        for key in keys:
            child.send(key)
        with contextlib.suppress(OSError):  # where it has ended before
            child.send("qq")  # the first closes a window that may have opened in between
        assert _ends(child)[0] == 0


def test_without_a_terminal_the_help_is_printed_as_for_wrong_usage(user: Home) -> None:
    result = CliRunner().invoke(audit.group, [])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Commands:" in result.stderr
    assert "Without a verb, on a terminal" in result.stderr


def test_a_verb_does_not_start_the_screen(user: Home) -> None:
    user.write(written=_STORY)
    result = CliRunner().invoke(audit.group, ["ls"])
    assert "/work/project" in result.stdout


def test_a_machine_without_textual_is_told_which_extra_to_install(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "textual" or "review.app" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "textual", None)
    with pytest.raises(SafeAgentError) as caught:
        browse()
    assert "textual" in caught.value.what
    assert "`review`" in caught.value.hint


def test_each_session_opened_is_a_reading_in_the_ledger(user: Home) -> None:
    user.write(written=_STORY)
    Ledger(user.state / "ledger").append(Reading(1.0, "", "before", "ada"))
    made = _desk()
    (session,) = made.sessions()
    made.outline(session)
    made.verify(session)
    opened = made.open(session).records
    list(opened())
    list(opened())
    verbs = [entry.verb for _, entry in read(user.state / "ledger").entries if isinstance(entry, Reading)]
    assert verbs == ["before", "screen"]


def test_without_the_private_key_nothing_is_opened_and_all_is_still_proven(user: Home) -> None:
    user.write(written=_STORY)
    user.keys.identity_path.unlink()
    made = _desk()
    (session,) = made.sessions()
    assert "private key is not on this machine" in made.closed
    for refused in (made.open, made.outline):
        with pytest.raises(SafeAgentError) as caught:
            refused(session)
        assert caught.value.what == made.closed
    assert made.verify(session).good


def test_a_key_that_cannot_be_used_is_said_with_what_to_do(user: Home) -> None:
    user.keys.identity_path.chmod(0o644)
    assert "open to other users" in _desk().closed
    assert "chmod 600" in _desk().closed


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_is_a_new_file_of_the_readers_own(
    user: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    user.write(written=_STORY)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    made = _desk()
    (session,) = made.sessions()
    first = Path(made.export(session, form)[0])
    before = first.read_bytes()
    second = Path(made.export(session, form)[0])
    assert first != second
    assert before == first.read_bytes() == second.read_bytes() != b""
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert sorted(folder.iterdir()) == sorted([first, second])


def test_every_format_of_an_export_is_offered(user: Home) -> None:
    assert {name for name, _ in _desk().formats} == set(FORMATS)


def test_an_export_of_a_damaged_log_names_the_file_with_what_was_good(
    user: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (log,) = user.write(written=_STORY).glob("*.alog")
    log.write_bytes(log.read_bytes()[:-20] + bytes(20))
    monkeypatch.chdir(tmp_path)
    made = _desk()
    with pytest.raises(SafeAgentError) as caught:
        made.export(made.sessions()[0], "jsonl")
    assert str(tmp_path / "s-1.jsonl") in caught.value.hint
    assert b"something happened" in (tmp_path / "s-1.jsonl").read_bytes()


def test_an_export_into_a_folder_that_cannot_be_written_says_so(
    user: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.write(written=_STORY)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    made = _desk()
    with pytest.raises(SafeAgentError, match="cannot write into"):
        made.export(made.sessions()[0], "jsonl")


@pytest.mark.parametrize(
    ("damage", "name"), [(lambda data: data[:-9], "truncated"), (lambda data: data[:-9] + bytes(9), "tampered")]
)
def test_a_verdict_on_a_damaged_log_has_its_name_its_reason_and_its_meaning(
    user: Home, damage: object, name: str
) -> None:
    (log,) = user.write(written=_STORY).glob("*.alog")
    log.write_bytes(damage(log.read_bytes()))  # type: ignore[operator]
    made = _desk()
    verdict = made.verify(made.sessions()[0])
    assert (verdict.name, verdict.good) == (name, False)
    assert any("frame" in sentence for sentence in verdict.sentences)


def test_a_verdict_says_what_a_missing_ledger_means_and_a_sealed_log_is_good(user: Home) -> None:
    user.write(written=_STORY)
    made = _desk()
    (session,) = made.sessions()
    assert session.state is reader.State.SEALED
    verdict = made.verify(session)
    assert verdict.good
    assert any("no ledger here" in sentence for sentence in verdict.sentences)
    assert any("decrypted and checked" in sentence for sentence in verdict.sentences)


def test_a_reading_that_cannot_be_recorded_is_said(user: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user.write(written=_STORY)
    monkeypatch.chdir(tmp_path)
    made = _desk()
    (session,) = made.sessions()
    assert made.open(session).unrecorded == "this machine has no ledger"
    assert made.export(session, "jsonl")[1] == "this reading is not recorded: this machine has no ledger"


def test_a_key_that_may_ask_at_each_log_is_left_to_the_verbs(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    user.write(written=_STORY)

    class Plugin:
        def recipient(self) -> str:
            return ""

    monkeypatch.setattr(user.keys.__class__, "load_identity", lambda _: SimpleNamespace(keys=(Plugin(),)))
    made = _desk()
    assert "age plugin" in made.closed
    with pytest.raises(SafeAgentError, match="age plugin"):
        made.open(made.sessions()[0])
