"""What the view tells reaches the log and the guard, in order; values reach the guard alone."""

import os
import queue
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from wrapper.audit.events import Event, FileChange, FilesRead
from wrapper.errors import AuditError, StateError
from wrapper.view import messages
from wrapper.view.telling import Telling
from wrapper.view.witness import Change


class Kept:
    def __init__(self) -> None:
        self.kept: list[tuple[str, bytes]] = []
        self.full = False

    def keep(self, path: str, content: bytes, why: str, at: float) -> None:
        assert why
        assert at > 1e9
        if self.full:
            raise StateError("the store is full")
        self.kept.append((path, content))


class Log:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def append_all(self, events: Iterable[Event]) -> None:
        self.events += events


class Scene:
    def __init__(self) -> None:
        self.guard, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.guard.settimeout(10)
        self.log, self.kept = Log(), Kept()
        self.telling = Telling(
            self.log,
            theirs,
            self.kept,
            Path("/work"),
            lambda name: name.replace(b"hunter2", b"MASKED"),
            lambda diff: diff.replace(b"hunter2", b"MASKED"),
        )

    def heard(self) -> list[messages.FromView]:
        """Give all that was said to the guard until the rest."""
        self.telling.rested()
        said = [messages.from_view(self.guard.recv(messages.LONGEST))]
        while said[-1] != messages.Rested():
            said.append(messages.from_view(self.guard.recv(messages.LONGEST)))
        return said[:-1]


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.guard.close()


def test_a_change_is_recorded_with_all_that_is_known_of_it(scene: Scene) -> None:
    change = Change("agent", "modified", b"a\xff.py", ranges=((0, 5),), before="b" * 64, after="a" * 64, process="n[1]")
    scene.telling.changed(change)
    assert scene.heard() == []
    (event,) = scene.log.events
    assert isinstance(event, FileChange)
    assert (event.by, event.action, event.ranges, event.process) == ("agent", "modified", ((0, 5),), "n[1]")
    assert (event.before, event.after) == ("b" * 64, "a" * 64)
    assert event.path.startswith("a")
    assert "\udcff" not in event.path


def test_a_value_in_a_files_name_is_masked_in_the_log_and_not_where_it_is_kept(scene: Scene) -> None:
    scene.telling.read([(b"hunter2.txt", 1.0, 1)])
    scene.telling.damaged(b"hunter2.env", "`MASKED-X` is none", b"real", refused=False)
    (told,) = scene.heard()
    assert "hunter2" not in repr((scene.log.events, told))
    assert scene.kept.kept == [("/work/hunter2.env", b"real")]


def test_many_reads_are_told_in_events_of_a_bounded_size(scene: Scene) -> None:
    scene.telling.read([(b"%d" % number, 1.0, number) for number in range(1200)])
    scene.heard()
    reads = [event.files for event in scene.log.events if isinstance(event, FilesRead)]
    assert [len(files) for files in reads] == [500, 500, 200]
    assert [size for files in reads for _, _, size in files] == list(range(1200))


def test_the_guard_hears_in_the_order_in_which_it_was_told(scene: Scene) -> None:
    scene.telling.refs_moved(b".git/HEAD")
    scene.telling.appeared(b"new")
    scene.telling.learned([("KEY", b"\x00value")])
    scene.telling.refused(b".envrc")
    said = scene.heard()
    assert said[:3] == [
        messages.RefsMoved(b".git/HEAD"),
        messages.Appeared(b"new"),
        messages.KnownValue("KEY", b"\x00value"),
    ]
    assert isinstance(said[3], messages.Told)
    assert ".envrc" in said[3].text
    assert scene.log.events == []


def test_what_was_damaged_is_kept_and_the_user_told_where(scene: Scene) -> None:
    """Promise 3."""
    scene.telling.damaged(b"a/.env", "`MASKED-X` is none", b"real", refused=False)
    (told,) = scene.heard()
    assert scene.kept.kept == [("/work/a/.env", b"real")]
    assert isinstance(told, messages.Told)
    assert "safe-agent recover" in told.text
    assert "a/.env" in told.text


def test_what_could_not_be_kept_is_said(scene: Scene) -> None:
    scene.kept.full = True
    scene.telling.damaged(b".env", "`MASKED-X` is none", b"real", refused=False)
    (told,) = scene.heard()
    assert isinstance(told, messages.Told)
    assert "could not be kept: the store is full" in told.text


def test_a_refused_write_keeps_nothing(scene: Scene) -> None:
    scene.telling.damaged(b".env", "`MASKED-X` is none", b"real", refused=True)
    (told,) = scene.heard()
    assert scene.kept.kept == []
    assert isinstance(told, messages.Told)
    assert "refused" in told.text


def test_a_value_too_long_for_a_packet_is_left_out_and_the_rest_goes_on(scene: Scene) -> None:
    scene.telling.learned([("KEY", b"x" * messages.LONGEST), ("KEY", b"short")])
    assert scene.heard() == [messages.KnownValue("KEY", b"short")]


class _SlowLog(Log):
    """A log that keeps its first caller until it is let go, and keeps what it was given together."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let_go = threading.Event(), threading.Event()
        self.together: list[list[Event]] = []

    def append_all(self, events: Iterable[Event]) -> None:
        before = len(self.events)
        super().append_all(events)
        self.together.append(self.events[before:])
        self.asked.set()
        assert self.let_go.wait(10)


@pytest.fixture
def slow() -> Iterator[tuple[Telling, _SlowLog, socket.socket]]:
    """Give what tells a log that has one event and does not take the next, and the guard's end."""
    guard, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    guard.setblocking(False)
    log = _SlowLog()
    with guard, theirs:
        telling = Telling(log, theirs, Kept(), Path("/work"), bytes, bytes)
        telling.masked(b"first")
        assert log.asked.wait(10)
        yield telling, log, guard


def test_what_comes_while_the_log_is_slow_goes_together_in_order_and_before_what_the_guard_hears(
    slow: tuple[Telling, _SlowLog, socket.socket],
) -> None:
    telling, log, guard = slow
    for number in range(20):
        telling.appeared(b"%d" % number)
        telling.changed(Change("agent", "created", b"%d" % number, contents=(b"", b"a line\n")))
    with pytest.raises(BlockingIOError):
        guard.recv(messages.LONGEST)
    log.let_go.set()
    telling.rested()
    said = [messages.from_view(guard.recv(messages.LONGEST)) for _ in range(21)]
    paths = [[event.path for event in events if isinstance(event, FileChange)] for events in log.together]
    assert paths == [["first"], [str(number) for number in range(20)]]
    assert all("a line" in event.diff for event in log.together[1] if isinstance(event, FileChange))
    assert said == [*(messages.Appeared(b"%d" % number) for number in range(20)), messages.Rested()]


def test_no_more_than_a_bounded_number_goes_together(slow: tuple[Telling, _SlowLog, socket.socket]) -> None:
    telling, log, _ = slow
    for number in range(200):
        telling.masked(b"%d" % number)
    log.let_go.set()
    telling.rested()
    assert [len(events) for events in log.together] == [1, 64, 64, 64, 8]


def test_little_is_compared_before_what_is_ready_goes(slow: tuple[Telling, _SlowLog, socket.socket]) -> None:
    telling, log, _ = slow
    for _ in range(4):
        telling.changed(Change("agent", "modified", b"long", contents=(bytes(30_000), bytes(30_001))))
    log.let_go.set()
    telling.rested()
    assert [len(events) for events in log.together] == [1, 2, 2]


@pytest.mark.parametrize(
    "error", [AuditError("no log"), OSError("no guard"), ValueError("no reason that anybody foresaw")]
)
def test_who_cannot_tell_any_more_ends_the_view(
    error: Exception, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 4: no session goes on that is not recorded."""
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    monkeypatch.setattr(os, "_exit", ended.put)

    def fails(_events: Iterable[Event]) -> None:
        raise error

    monkeypatch.setattr(scene.log, "append_all", fails)
    scene.telling.masked(b"file")
    assert ended.get(timeout=10) == 1
