"""The guard's file thread, with a watcher that says what the test says, and covers without mounts."""

import errno
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest

from redactors.vault import Origin
from tests.guard.conftest import Desks
from tests.guard.duty import Desk
from tests.view.staged import SHOWN, VALUES, VAULT, put_in_place
from wrapper.audit.events import Event, FileChange, Warned
from wrapper.errors import SessionError
from wrapper.guard import files as module
from wrapper.guard import watcher
from wrapper.guard.appearing import Appearing
from wrapper.guard.files import FileThread, reason
from wrapper.guard.publishing import Publisher
from wrapper.guard.watcher import Ended, Failed, Overflowed, Seen
from wrapper.view.messages import LONGEST, KnownValue

WORK, STAGING, STATE = 0, 1, 2


class Files:
    """A running file thread, and what it said."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.events: list[Event] = []
        self.failures: list[BaseException] = []
        duties = desk.duties
        publisher = Publisher(duties.vault, None, duties.updates, None)
        appearing = Appearing(duties.policy, duties.protected, self._warned)
        self.thread = FileThread(duties, publisher, appearing, tell=self.events.append, failed=self.failures.append)
        self.thread.start()

    def _warned(self, text: str) -> None:
        self.events.append(Warned(at=0.0, text=text))

    def finish(self) -> None:
        """End as a session does, with the watcher's last word."""

        def last_word() -> None:
            if self.desk.changes.recv(100) == watcher.STOP:
                self.desk.say(Ended())

        speaking = threading.Thread(target=last_word)
        speaking.start()
        self.thread.finish()
        speaking.join(5)

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        return [(one.path, one.action, one.target) for one in self.events if isinstance(one, FileChange)]

    @property
    def warnings(self) -> list[str]:
        return [one.text for one in self.events if isinstance(one, Warned)]


@pytest.fixture(autouse=True)
def _no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECOND_LOOK", 60.0)


@pytest.fixture
def files(desk: Desk) -> Iterator[Files]:
    made = Files(desk)
    yield made
    desk.changes.close()
    made.thread.join(5)
    assert not made.thread.is_alive()


def test_a_new_file_with_a_secret_is_told_and_covered(files: Files, desk: Desk) -> None:
    (desk.work / "late.env").write_bytes(VALUES[0])
    desk.say(Seen(WORK, b"late.env", "created"))
    files.finish()
    assert files.changes[:2] == [("late.env", "created", ""), ("late.env", "masked", "")]
    assert desk.view.seen(str(desk.work / "late.env")) == SHOWN[0]
    assert files.failures == []


def test_what_the_inside_writes_is_restored_when_it_is_told(files: Files, desk: Desk) -> None:
    file = desk.cover(VALUES[0])
    staged = desk.view.standing[str(file)]
    put_in_place(staged, b"B=" + SHOWN[0])
    desk.say(Seen(STAGING, os.fsencode(staged.name), "modified"))
    deadline = time.monotonic() + 5
    while file.read_bytes() != b"B=" + VALUES[0]:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    files.finish()
    assert (".env", "restored", "") in files.changes


@pytest.mark.parametrize("action", ["created", "deleted"])
def test_a_file_made_anew_where_a_covered_one_was_waits_for_the_end(files: Files, desk: Desk, action: str) -> None:
    """Promise 2: it may be open inside by its own inode, whatever that one's number is."""
    file = desk.cover(b"A=" + VALUES[0])
    desk.say(Seen(WORK, b".env", action))
    staged = desk.view.standing[str(file)]
    put_in_place(staged, b"B=" + SHOWN[0])
    desk.say(Seen(STAGING, os.fsencode(staged.name), "modified"), Seen(WORK, b"other", "deleted"))
    deadline = time.monotonic() + 5
    while ("other", "deleted", "") not in files.changes:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert file.read_bytes() == b"A=" + VALUES[0]
    files.finish()
    assert file.read_bytes() == b"B=" + VALUES[0]


def test_a_moved_files_cover_goes_with_it(files: Files, desk: Desk) -> None:
    file = desk.cover(VALUES[0])
    target = desk.work / "moved.env"
    file.rename(target)
    desk.view.standing[str(target)] = desk.view.standing.pop(str(file))
    desk.say(Seen(WORK, b".env", "moved", b"moved.env"))
    files.finish()
    assert desk.view.staged(str(target)) is not None
    assert desk.view.staged(str(file)) is None


def test_only_the_clients_own_files_are_looked_at_in_its_folder(files: Files, desk: Desk) -> None:
    for name in ("settings.json", "history.json"):
        (desk.root / "state" / name).write_bytes(VALUES[1])
        desk.say(Seen(STATE, name.encode(), "modified"))
    files.finish()
    assert desk.view.seen(str(desk.root / "state/settings.json")) == SHOWN[1]
    assert desk.view.seen(str(desk.root / "state/history.json")) == VALUES[1]
    assert not [change for change in files.changes if change[1] == "modified"]


def test_lost_changes_are_answered_with_a_look_at_everything(files: Files, desk: Desk) -> None:
    for path in (desk.work / "a.env", desk.root / "state/settings.json"):
        path.write_bytes(VALUES[0])
    desk.again.append(str(desk.work / "a.env"))
    desk.say(Overflowed(WORK), Overflowed(STATE))
    files.finish()
    assert desk.view.seen(str(desk.work / "a.env")) == SHOWN[0]
    assert desk.view.seen(str(desk.root / "state/settings.json")) == SHOWN[0]
    assert any("more files changed" in text for text in files.warnings)


def test_lost_changes_of_the_staging_folder_are_written_back(files: Files, desk: Desk) -> None:
    file = desk.cover(VALUES[0])
    put_in_place(desk.view.standing[str(file)], b"B=" + SHOWN[0])
    desk.say(Overflowed(STAGING), Seen(WORK, b"x", "deleted"))
    deadline = time.monotonic() + 5
    while file.read_bytes() != b"B=" + VALUES[0]:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    files.finish()


@pytest.mark.parametrize("message", [None, Failed("the folder is gone", "make it again")])
def test_a_watch_that_ends_by_itself_ends_the_session_and_files_are_restored_all_the_same(
    files: Files, desk: Desk, message: Failed | None
) -> None:
    """Promises 3 and 5."""
    file = desk.cover(VALUES[0])
    (desk.work / "note").write_bytes(SHOWN[1])
    desk.again.append(str(desk.work / "note"))
    if message is None:
        desk.changes.close()
    else:
        desk.say(message)
    files.thread.join(5)
    [error] = files.failures
    assert isinstance(error, SessionError)
    assert reason(error) == (message.what if message else "the watch on the workspace ended unexpectedly")
    put_in_place(desk.view.standing[str(file)], b"B=" + SHOWN[0])
    files.thread.finish()
    assert file.read_bytes() == b"B=" + VALUES[0]
    assert (desk.work / "note").read_bytes() == VALUES[1]  # nobody told of it: all was looked at again


def test_where_the_user_allowed_it_a_failed_watch_is_a_warning_and_all_is_looked_at_in_the_end(desks: Desks) -> None:
    desk = desks(may_miss_changes=True)
    files = Files(desk)
    (desk.work / "note").write_bytes(SHOWN[1])
    desk.again.append(str(desk.work / "note"))
    desk.say(Failed("too many watches", "raise the limit"))
    files.finish()
    assert files.failures == []
    assert files.warnings == ["degraded: too many watches"]
    assert (desk.work / "note").read_bytes() == VALUES[1]


def test_a_watcher_that_never_answers_does_not_keep_files_from_being_restored(
    files: Files, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STOP_WAIT", 0.1)
    file = desk.cover(VALUES[0])
    put_in_place(desk.view.standing[str(file)], b"B=" + SHOWN[0])
    begin = time.monotonic()
    files.thread.finish()
    assert time.monotonic() - begin < 3
    assert file.read_bytes() == b"B=" + VALUES[0]


def test_what_became_known_outside_is_told_to_the_relay_and_nothing_else(files: Files, desk: Desk) -> None:
    secret, made_inside, huge = (os.urandom(8).hex().encode() for _ in range(3))
    VAULT.issue("KEY", secret, Origin.OUTSIDE)
    VAULT.issue("KEY", made_inside, Origin.INSIDE)
    VAULT.issue("KEY", huge * (LONGEST // 8), Origin.OUTSIDE)
    desk.say(Seen(WORK, b"x", "deleted"), Seen(WORK, b"y", "deleted"))
    files.finish()
    desk.duties.updates.close()
    told = []
    while packet := desk.updates.recv(LONGEST):
        told.append(msgspec.msgpack.decode(packet, type=KnownValue))
    assert told == [KnownValue("KEY", secret)]


def test_a_relay_that_is_gone_keeps_nothing_from_being_restored(files: Files, desk: Desk) -> None:
    """Promise 3, when the session was killed."""
    desk.updates.close()
    (desk.work / "note").write_bytes(SHOWN[0])
    VAULT.issue("KEY", os.urandom(8).hex().encode(), Origin.OUTSIDE)
    desk.say(Seen(WORK, b"note", "created"))
    files.finish()
    assert files.failures == []
    assert (desk.work / "note").read_bytes() == VALUES[0]


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("Makefile", "Makefile"),
        ("sub/.git/config", "sub/.git"),
        ("sub/.git", "sub/.git"),
        ("vendor/x/.git/a", "vendor/x/.git"),
    ],
)
def test_what_appears_and_may_run_outside_later_is_named_once(files: Files, desk: Desk, path: str, named: str) -> None:
    desk.say(Seen(WORK, path.encode(), "created"), Seen(WORK, path.encode(), "modified"))
    files.finish()
    assert files.warnings == [
        f"`{named}` appeared during the session and may run outside it: look at it before you use it"
    ]


@pytest.mark.parametrize("seen", [Seen(WORK, b"plain", "created"), Seen(WORK, b"Makefile", "deleted")])
def test_nothing_is_said_of_other_files(files: Files, desk: Desk, seen: Seen) -> None:
    desk.say(seen)
    files.finish()
    assert files.warnings == []


def test_nothing_is_said_of_what_is_read_only_already(desks: Desks) -> None:
    desk = desks(protected=frozenset((".git/config", "Makefile")))
    files = Files(desk)
    desk.say(Seen(WORK, b".git/index", "modified"), Seen(WORK, b"Makefile", "modified"))
    files.finish()
    assert files.warnings == []


def test_a_file_that_cannot_be_covered_is_named(files: Files, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def cover(path: str, content: bytes | None, mode: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(desk.view, "cover", cover)
    (desk.work / "a\x1b[2J.env").write_bytes(VALUES[0])
    desk.say(Seen(WORK, b"a\x1b[2J.env", "created"))
    files.finish()
    assert files.warnings == [f"could not cover `{desk.work}/a\\x1b[2J.env`: No space left on device"]


def test_what_cannot_be_written_back_is_named(files: Files, desk: Desk) -> None:
    file = desk.cover(VALUES[0])
    put_in_place(desk.view.standing[str(file)], b"B=" + SHOWN[0])
    file.rename(desk.work / "aside")
    file.mkdir()
    files.finish()
    assert files.warnings == [f"could not write back what was written to `{file}` inside"]


def test_names_that_are_no_utf_8_can_be_told(files: Files, desk: Desk) -> None:
    desk.say(Seen(WORK, b"\xff\n", "deleted"))
    files.finish()
    assert files.changes == [("\\udcff\\n", "deleted", "")]


def test_what_happened_before_the_guard_stood_is_heard_too(desks: Desks) -> None:
    desk = desks()
    (desk.work / "early.env").write_bytes(VALUES[0])
    desk.duties = replace(desk.duties, seen=(Seen(WORK, b"early.env", "created"),))
    files = Files(desk)
    files.finish()
    assert desk.view.seen(str(desk.work / "early.env")) == SHOWN[0]


def test_the_workspace_is_looked_at_once_more_when_the_client_has_started(
    desks: Desks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changed between the inventory and the first watch was seen by neither."""
    monkeypatch.setattr(module, "_SECOND_LOOK", 0.05)
    desk = desks()
    (desk.work / "between.env").write_bytes(VALUES[0])
    desk.again.append(str(desk.work / "between.env"))
    files = Files(desk)
    deadline = time.monotonic() + 5
    while desk.view.seen(str(desk.work / "between.env")) != SHOWN[0]:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    files.finish()
    assert files.failures == []


def test_any_failure_of_the_thread_is_told(files: Files, desk: Desk) -> None:
    desk.changes.send(b"\xc1 no message")
    files.thread.join(5)
    assert len(files.failures) == 1
    assert ": " in reason(files.failures[0])


def test_a_misspelled_placeholder_in_a_file_that_is_written_back_is_told_once(desk: Desk) -> None:
    wrong = SHOWN[0][:-1] + (b"0" if SHOWN[0][-1:] != b"0" else b"1")
    file = desk.cover(b"A=" + VALUES[0])
    files = Files(desk)
    staged = desk.view.staged(str(file))
    assert staged is not None
    for extra in (b"", b"\nB=2"):
        staged.write_bytes(b"A=" + SHOWN[0] + b"\nC=" + wrong + extra)
        desk.say(Seen(STAGING, os.fsencode(staged.name), "modified"))
    files.finish()
    assert file.read_bytes() == b"A=" + VALUES[0] + b"\nC=" + wrong + b"\nB=2"
    [warning] = files.warnings
    assert warning.startswith(f"`{wrong.decode()}` differs by one character from the placeholder")
    assert "`.env`" in warning
