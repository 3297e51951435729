"""Watchdog's inotify thread, with what a guard needs beside: rounds, a last look at the end, and no leaks.

What watchdog 7.1 does not do, and why it matters here:
- It makes the descriptor without close-on-exec; a program started later would inherit the names of all that changes.
- When it stops, it drops what is still queued; the log would lack the session's last changes.
- Moves are paired by holding each half for 500 ms; a file moved away must be known within 100 ms. Here a round is
  all that one read gave, and the pairing waits only from one round to the next.
"""

import fcntl
import os
import struct
import termios
import time
from typing import Final, Protocol

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyFD, Mask, WatchCallback, WatchDescriptor

_LAST_LOOK: Final = 1.0  # seconds to work off what is queued when the watch ends

EVENTS: Final = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_EXCL_UNLINK
)
ROOT_EVENTS: Final = Mask(EVENTS | InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF)


class Listener(WatchCallback, Protocol):
    """What the reader reports to; see `wrapper.watch.workspace`."""

    def on_round(self, now: float) -> None:
        """All events of one read were handed over; `now` is monotonic seconds."""

    def on_end(self, error: Exception | None) -> None:
        """No event will follow; `error` is what ended the thread, if it was not asked to."""

    def next_due(self) -> float | None:
        """When `on_round` must be called though nothing happened, in monotonic seconds; None: it need not."""


class Reader(InotifyFD):
    """One inotify instance and the thread that reads it."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self.name = "watch"
        self._listener = listener

    @classmethod
    def _create_inotify_fd(cls) -> int:
        descriptor = super()._create_inotify_fd()
        os.set_inheritable(descriptor, False)
        return descriptor

    def watch(self, folder: str, mask: Mask) -> int | None:
        """Watch one folder; None where it is gone, not readable, a link, or reached through one.

        It is opened first, without following links, and watched by the descriptor: nobody can swap a folder for a
        link between the look and the watch. Raises OSError ENOSPC at the user's limit of watches.
        """
        try:
            held = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            place = f"/proc/self/fd/{held}"
            if os.readlink(place) != folder:  # noqa: PTH115 (thousands of folders: no Path for each)
                return None
            with self._lock:  # `add_callback` without its warning: after an overflow folders are watched over again
                found = self._get_or_create_watch(os.fsencode(place), mask)
                found.callbacks[CallbackId(id(self._listener))] = self._listener
                if found.wd < 0:  # not ours to read; watchdog takes that for a watch
                    del self._watch_for_wd[found.wd]
        except FileNotFoundError:
            return None
        finally:
            os.close(held)
        return found.wd if found.wd >= 0 else None

    def unwatch(self, descriptor: int) -> None:
        """Forget one folder."""
        self.remove_callbacks([(WatchDescriptor(descriptor), CallbackId(id(self._listener)))])

    def run(self) -> None:
        """Read until stopped, then what is still queued; replaces watchdog's loop."""
        failure: Exception | None = None
        try:
            while self.should_keep_running():
                self._round()
            end = time.monotonic() + _LAST_LOOK
            while self._queued() and time.monotonic() < end:
                self._round()
            if self._queued():
                self._listener.on_queue_overflow()  # not read is as lost as dropped
        except Exception as error:  # noqa: BLE001 (whatever ended the watch, the session must know: promise 5)
            failure = error
        self._is_reading = False  # so that `close` gives the descriptors back
        self.close()
        self._listener.on_end(failure)

    def on_thread_stop(self) -> None:
        """Wake the thread; it closes by itself when it has read what is queued."""
        with self._lock:
            if not self._closed:
                os.write(self._kill_w, b"!")

    def _round(self) -> None:
        for event in self.read_events():
            if event.is_queue_overflow:  # watchdog would also log it, onto the user's terminal
                self._listener.on_queue_overflow()
            else:
                self.handle_event(event)
        self._listener.on_round(time.monotonic())

    def _check_inotify_fd(self) -> bool:
        due = self._listener.next_due()
        timeout = None if due is None else max(0.0, due - time.monotonic()) * 1000
        assert self._poller is not None  # noqa: S101 (Linux has poll)
        return any(descriptor == self._inotify_fd for descriptor, _ in self._poller.poll(timeout))

    def _queued(self) -> int:
        """Give the bytes that wait to be read (inotify(7): FIONREAD)."""
        answer = fcntl.ioctl(self._inotify_fd, termios.FIONREAD, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])
