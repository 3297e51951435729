"""What the view tells reaches the log and the guard, in order; values reach the guard alone."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from wrapper.audit.events import Event, FileChange, FilesRead
from wrapper.errors import StateError
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

    def append(self, event: Event) -> None:
        self.events.append(event)


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
