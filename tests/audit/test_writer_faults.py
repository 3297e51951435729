"""The writer of a session's log is killed, or the disk fails it, at every system call: strace(1) does it.

After each: what was acknowledged is proven and readable, what is there can be read without a crash, and nothing of a log
that was not ended is ever called sealed.
"""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.audit.recording import Home, warned
from tests.audit.tracing import FILE_CALLS, INTERPRETER, REFUSED, places, traced
from wrapper.audit import events, ledger, reader
from wrapper.audit.bookkeeping import Bookkeeping
from wrapper.audit.entries import Recovered
from wrapper.audit.format import NoKeyError, TruncatedError
from wrapper.audit.reader import State
from wrapper.audit.writer import Limits, SessionWriter
from wrapper.errors import AuditError

_TEXTS = [f"record {number} " + "x" * 700 for number in range(5)]
_LIMITS = Limits(size=1_200)  # so that it goes on in a second segment


def _write(user: Home, acknowledged: int) -> None:
    writer = SessionWriter(user.directory(), user.keys.load_recipients(), limits=_LIMITS)
    for text in _TEXTS:
        writer.append(events.encode(warned(text)))
        writer.sync()
        os.write(acknowledged, b"!")
    writer.close()
    os.write(acknowledged, b"!")


def _run(user: Home, trace: Path, *options: str) -> tuple[int, int, list[str]]:
    """Return exit code, how many records the writer acknowledged, and its system calls."""
    shutil.rmtree(user.state, ignore_errors=True)
    ours, theirs = os.pipe()
    ended = traced(lambda: _write(user, theirs), trace, *options)
    os.close(theirs)
    acknowledged = len(os.read(ours, 100))
    os.close(ours)
    return ended.code, acknowledged, ended.calls


def _must_hold(user: Home, acknowledged: int, *, sealed: bool) -> None:
    """Check what is left of the log against what the writer acknowledged before it died."""
    state = _state(user)
    assert state is State.SEALED if sealed else state in (State.OPEN, State.SEALED)
    read: list[str] = []
    try:
        for event in reader.open_session(user.directory(), user.keys.load_identity()):
            assert isinstance(event, events.Warned)
            read.append(event.text)
    except (TruncatedError, NoKeyError):
        pass  # a torn tail, or a log that never began
    assert read == _TEXTS[: len(read)]
    assert len(read) >= min(acknowledged, len(_TEXTS))


def _state(user: Home) -> State:
    for _ in range(200):
        try:
            state = reader.verify(user.directory()).state
        except TruncatedError:
            return State.OPEN
        if state is not State.RUNNING:
            return state
        time.sleep(0.01)  # the process that seals a key lives a moment longer than a writer that is killed
    return State.RUNNING


def _must_be_stated(user: Home) -> None:
    """Check that the next session can say how this one was left."""
    running = user.state / "running"
    running.mkdir(parents=True, exist_ok=True)
    (running / "s-1").touch()
    Bookkeeping(user.state, "next").recover_others()
    if user.directory().is_dir():
        (left,) = [entry for _, entry in ledger.read(user.state / "ledger").entries if isinstance(entry, Recovered)]
        assert left.session == "s-1"


def test_a_writer_killed_at_any_system_call_loses_nothing_that_it_acknowledged(user: Home, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    code, acknowledged, calls = _run(user, trace)
    assert (code, acknowledged) == (0, len(_TEXTS) + 1)
    assert len(list(user.directory().glob("*.alog"))) > 1
    _must_hold(user, acknowledged, sealed=True)
    killed = 0
    for call, number in places(calls):
        if call in INTERPRETER:
            continue
        code, acknowledged, _ = _run(user, trace, "-e", f"inject={call}:signal=KILL:when={number}")
        assert code == -signal.SIGKILL, (call, number)
        _must_hold(user, acknowledged, sealed=acknowledged > len(_TEXTS))
        _must_be_stated(user)
        killed += 1
    assert killed > 50


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_a_disk_that_fails_at_any_system_call_ends_the_log_and_loses_nothing(
    user: Home, tmp_path: Path, error: str
) -> None:
    trace = tmp_path / "trace"
    _, _, calls = _run(user, trace)
    refused = 0
    for call, number in places(calls):
        if call not in FILE_CALLS:
            continue
        code, acknowledged, _ = _run(user, trace, "-e", f"inject={call}:error={error}:when={number}")
        assert code in (0, 1, REFUSED), (call, number)
        _must_hold(user, acknowledged, sealed=acknowledged > len(_TEXTS))
        refused += code == REFUSED
    assert refused > 10


def test_a_log_whose_writer_was_refused_says_why(user: Home, tmp_path: Path) -> None:
    shutil.rmtree(user.state, ignore_errors=True)
    user.state.write_text("a file where the folder should be")
    with pytest.raises(AuditError, match="cannot start the log"):
        _write(user, 1)
