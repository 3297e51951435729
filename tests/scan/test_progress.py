"""How far a scan is, is seen on a terminal and nowhere else, and leaves nothing behind."""

import io
import os

import pytest

from wrapper.scan import progress as module
from wrapper.scan.progress import Progress


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST", -1.0)
    monkeypatch.setattr(module, "_EVERY", 0.0)


@pytest.mark.usefixtures("at_once")
def test_it_counts_on_one_line_that_is_taken_away() -> None:
    stream = io.StringIO()
    shown = Progress(stream, is_shown=True)
    shown.begin("scanning files:", 2000)
    for _ in range(1500):
        shown.step()
    shown.clear()
    assert "scanning files: 1,500 of 2,000" in stream.getvalue()
    assert "\n" not in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


@pytest.mark.usefixtures("at_once")
def test_nothing_is_written_where_it_is_not_shown() -> None:
    stream = io.StringIO()
    hidden = Progress(stream, is_shown=False)
    hidden.begin("scanning files:", 2)
    hidden.step()
    hidden.clear()
    assert stream.getvalue() == ""


def test_a_short_scan_shows_nothing() -> None:
    stream = io.StringIO()
    shown = Progress(stream, is_shown=True)
    shown.begin("scanning files:", 3)
    for _ in range(3):
        shown.step()
    shown.clear()
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("at_once")
def test_what_a_worker_does_is_counted_and_shown_by_its_parent_alone() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", newline="") as stream:
        shown = Progress(stream, is_shown=True)
        shown.begin("scanning files:", 20)
        worker = os.fork()
        if not worker:
            for _ in range(9):
                shown.step()
            os._exit(0)
        os.waitpid(worker, 0)
        shown.step()
    with os.fdopen(reading, newline="") as output:
        assert output.read() == "\r\x1b[Kscanning files: 10 of 20"


@pytest.mark.usefixtures("at_once")
def test_a_new_count_begins_at_nothing() -> None:
    stream = io.StringIO()
    shown = Progress(stream, is_shown=True)
    shown.begin("one:", 9)
    shown.step()
    shown.begin("two:", 5)
    shown.step()
    assert stream.getvalue().endswith("two: 1 of 5")
