"""A running session's records as they come, and a sign when none came for a while."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Final

from wrapper.audit.events import Resize
from wrapper.audit.reader import Record

REST: Final = 0.5  # seconds without a record after which what is held back is told
_LOOK: Final = 0.2  # seconds between two looks at the log: a recorder brings it to disk that often
_AHEAD: Final = 256  # records that are read before they are told: memory stays small at the start of a long session

Reading = Callable[[Callable[[], bool]], Iterator[Record]]
"""Gives a session's records, and calls its argument where there is nothing new; false ends it (`reader.tail`)."""


def arriving(reading: Reading, rest: float = REST) -> Iterator[Record]:
    """Yield the records of `reading`, read by a thread; raises what it raises. Ends with it, or when it is closed.

    Whoever joins records to tell them as one thing would wait for the next one, which may take an hour. So where
    nothing came for `rest` seconds a record comes that nothing joins and that tells nothing: a size of no terminal.
    """
    arrived: queue.Queue[Record | BaseException | None] = queue.Queue(_AHEAD)
    left = threading.Event()
    threading.Thread(target=_read, args=(reading, arrived, left), daemon=True).start()
    last: Record | None = None
    try:
        while True:
            try:
                came = arrived.get(timeout=rest)
            except queue.Empty:
                if last is not None:
                    yield Record(last.sequence, Resize(at=last.event.at, rows=0, columns=0))
                last = None
                continue
            if came is None:
                return
            if isinstance(came, BaseException):
                raise came
            last = came
            yield came
    finally:
        left.set()


def _read(reading: Reading, arrived: "queue.Queue[Record | BaseException | None]", left: threading.Event) -> None:
    def pause() -> bool:
        return not left.wait(_LOOK)

    def put(what: Record | BaseException | None) -> None:
        while not left.is_set():
            try:
                arrived.put(what, timeout=_LOOK)
            except queue.Full:
                continue
            return

    try:
        for record in reading(pause):
            put(record)
            if left.is_set():
                return
    except BaseException as error:  # noqa: BLE001 (it is raised where the records are taken)
        put(error)
    else:
        put(None)
