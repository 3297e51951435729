import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.audit.recording import warned
from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.errors import AuditError
from wrapper.review.following import arriving
from wrapper.review.story import story


def _output(text: bytes) -> events.Output:
    return events.Output(at=1.0, stream="stdout", data=text)


class _Log:
    """A log that grows while it is read, as `reader.tail` reads one; `left` is set when its reader has gone."""

    def __init__(self, *written: events.AnyEvent) -> None:
        self.written = list(written)
        self.ended = False
        self.left = threading.Event()

    def tail(self, pause: Callable[[], bool]) -> Iterator[Record]:
        number = 0
        try:
            while True:
                while number < len(self.written):
                    yield Record(number, self.written[number])
                    number += 1
                if self.ended or not pause():
                    return
        finally:
            self.left.set()


def _until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def test_all_records_come_in_order() -> None:
    log = _Log(*(warned(str(number)) for number in range(2_000)))
    log.ended = True
    assert [record.sequence for record in arriving(log.tail)] == list(range(2_000))


def test_what_is_held_back_is_told_when_nothing_more_comes() -> None:
    log = _Log(_output(b"one\n"), _output(b"two\n"))
    told = story(arriving(log.tail, rest=0.1))
    moment = next(told)  # though a third piece of output would belong to it
    assert moment.lines == ("one", "two")
    log.written.append(_output(b"three\n"))
    assert next(told).lines == ("three",)
    log.ended = True
    assert list(told) == []


def test_the_sign_comes_once_per_rest_and_only_after_a_record() -> None:
    log = _Log()
    coming = arriving(log.tail, rest=0.02)
    threading.Timer(0.3, lambda: log.written.append(warned("x"))).start()
    assert next(coming) == Record(0, log.written[0])
    assert isinstance(next(coming).event, events.Resize)
    threading.Timer(0.3, lambda: setattr(log, "ended", True)).start()
    assert list(coming) == []


def test_a_broken_log_tells_what_was_good_and_then_raises() -> None:
    def breaking(pause: Callable[[], bool]) -> Iterator[Record]:
        del pause
        yield Record(0, warned("good"))
        raise AuditError("broken")

    coming = arriving(breaking)
    assert next(coming).sequence == 0
    with pytest.raises(AuditError, match="broken"):
        next(coming)


def test_who_stops_looking_ends_the_reading() -> None:
    log = _Log(*(warned(str(number)) for number in range(2_000)))
    coming = arriving(log.tail)
    next(coming)
    coming.close()  # type: ignore[attr-defined]
    _until(log.left.is_set)
