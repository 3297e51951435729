import errno
import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from tests.audit.recording import Home, frames_of, put, recording, start_event, warned
from wrapper.audit import entries, ledger, reader
from wrapper.audit import format as layout
from wrapper.audit.bookkeeping import Bookkeeping
from wrapper.audit.client import RecorderClient
from wrapper.audit.writer import Limits, SessionWriter
from wrapper.errors import AuditError


def _told(user: Home) -> list[entries.Entry]:
    return [entry for _, entry in ledger.read(user.state / "ledger").entries]


def _killed(user: Home, session: str) -> None:
    """Leave a session as a recorder leaves it that is killed with SIGKILL: a mark that nobody holds, an open log."""
    books = Bookkeeping(user.state, session)
    books.opened(frames_of(user.directory(session))[0].hex()[:64])
    assert books._mark is not None
    os.close(books._mark)


def test_the_ledger_hears_of_a_session_and_of_its_end(user: Home) -> None:
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        client.append_durable(start_event())
        client.append_durable(warned("more"))
        client.close()
        assert running.wait() == 0
    opened, closed = _told(user)
    proven = reader.verify(user.directory())
    assert isinstance(opened, entries.Opened)
    assert isinstance(closed, entries.Closed)
    assert (opened.session, opened.header) == ("s-1", proven.segments[0][0])
    wanted = {1: {closed.size: None}}
    assert reader.verify(user.directory(), wanted=wanted).roots == {(1, closed.size): closed.root}
    assert closed.size == proven.frames
    assert not list((user.state / "running").iterdir())


def test_the_ledger_hears_of_each_segment(user: Home) -> None:
    with recording(user, limits=Limits(size=3_000)) as running:
        client = RecorderClient(running.connections[0])
        for number in range(30):
            client.append_durable(warned(f"{number} {os.urandom(100).hex()}"))
        client.close()
        assert running.wait() == 0
    rotated = [entry for entry in _told(user) if isinstance(entry, entries.Rotated)]
    assert [(entry.segment, entry.to) for entry in rotated] == [(n, n + 1) for n in range(1, len(rotated) + 1)]
    assert len(rotated) > 2
    wanted = {entry.segment: {entry.size: None} for entry in rotated}
    roots = reader.verify(user.directory(), wanted=wanted).roots
    assert roots == {(entry.segment, entry.size): entry.root for entry in rotated}


def test_a_running_session_says_how_far_it_is(user: Home) -> None:
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        client.append_durable(start_event())
        deadline = time.monotonic() + 20
        while not ((user.state / "ledger/state").exists() and any(isinstance(e, entries.Beat) for e in _told(user))):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        client.close()
        running.wait()
    beat = next(entry for entry in _told(user) if isinstance(entry, entries.Beat))
    roots = reader.verify(user.directory(), wanted={1: {beat.size: None}}).roots
    assert roots == {(1, beat.size): beat.root}


def test_the_next_session_states_how_a_killed_one_was_left(user: Home) -> None:
    directory = user.write("killed", [warned("one"), warned("two")], seal=False)
    with (directory / layout.LOG_FILE).open("ab") as log:
        log.write(b"half a frame")
    _killed(user, "killed")
    Bookkeeping(user.state, "next").recover_others()
    left = _told(user)[-1]
    assert isinstance(left, entries.Recovered)
    assert (left.session, left.size, left.torn, left.why) == ("killed", 4, len(b"half a frame"), "")
    assert not list((user.state / "running").iterdir())


def test_a_killed_log_that_was_tampered_with_is_stated_as_such(user: Home) -> None:
    directory = user.write("killed", [warned("one"), warned("two")], seal=False)
    _killed(user, "killed")
    header, frames = frames_of(directory)
    put(directory, header, frames[1:])
    Bookkeeping(user.state, "next").recover_others()
    left = _told(user)[-1]
    assert isinstance(left, entries.Recovered)
    assert "carries number 1" in left.why


def test_a_session_that_runs_is_left_alone_by_others(user: Home) -> None:
    user.write("other", [warned("x")], seal=False)
    books = Bookkeeping(user.state, "other")
    books.opened("0" * 64)
    Bookkeeping(user.state, "mine").recover_others()
    assert [type(entry) for entry in _told(user)] == [entries.Opened]


def test_a_session_that_has_made_its_mark_and_not_locked_it_yet_is_left_alone(user: Home) -> None:
    writer = SessionWriter(user.directory("other"), user.keys.load_recipients())
    (user.state / "running").mkdir()
    (user.state / "running/other").touch()
    Bookkeeping(user.state, "mine").recover_others()
    assert not (user.state / "ledger").exists()
    assert (user.state / "running/other").exists()
    writer.close()
    Bookkeeping(user.state, "mine").recover_others()
    assert [type(entry) for entry in _told(user)] == [entries.Recovered]


def test_a_mark_that_is_taken_away_before_it_is_locked_is_made_anew(user: Home) -> None:
    path = user.state / "running/s-1"
    path.parent.mkdir(parents=True)
    with path.open("wb") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        books = Bookkeeping(user.state, "s-1")
        begins = threading.Thread(target=books.opened, args=("0" * 64,))
        begins.start()
        begins.join(0.1)
        assert begins.is_alive()
        path.unlink()
    begins.join(20)
    with path.open("rb") as mark, pytest.raises(BlockingIOError):
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_session_that_ends_while_others_look_at_its_mark_is_not_stated_as_left(
    user: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.write("other", [warned("x")])
    path = user.state / "running/other"
    path.parent.mkdir(parents=True)
    path.touch()
    lock = fcntl.flock

    def ended_just_now(descriptor: int, how: int) -> None:
        path.unlink(missing_ok=True)
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", ended_just_now)
    Bookkeeping(user.state, "mine").recover_others()
    assert not (user.state / "ledger").exists()


def test_a_folder_of_marks_that_cannot_be_written_is_said(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    books = Bookkeeping(user.state, "s-1")
    books.opened("0" * 64)

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(AuditError, match="Read-only file system"):
        books.closed(layout.Position(1, 5, "ab" * 32))
    user.write("killed", [warned("x")], seal=False)
    _killed(user, "killed")
    with pytest.raises(AuditError, match="Read-only file system"):
        Bookkeeping(user.state, "mine").recover_others()


def test_a_mark_without_a_session_is_taken_away(user: Home) -> None:
    books = Bookkeeping(user.state, "never")
    books.opened("0" * 64)
    assert books._mark is not None
    os.close(books._mark)
    Bookkeeping(user.state, "next").recover_others()
    assert [type(entry) for entry in _told(user)] == [entries.Opened]
    assert not list((user.state / "running").iterdir())


def test_nothing_is_said_twice_of_a_log_that_did_not_grow(user: Home) -> None:
    books = Bookkeeping(user.state, "s-1")
    position = layout.Position(1, 5, "ab" * 32)
    books.beat(position)
    books.beat(position)
    assert len(_told(user)) == 1


def test_a_session_whose_begin_the_ledger_cannot_take_fails(user: Home, tmp_path: Path) -> None:
    user.state.mkdir(parents=True, exist_ok=True)
    (user.state / "ledger").write_text("no folder")
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        with pytest.raises(Exception, match="audit log"):
            for _ in range(100):
                client.append_durable(warned("x"))
        assert running.wait() == 1
