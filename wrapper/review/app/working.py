"""Work in threads for a screen, which must never wait: neither for a disk nor, when it is left, for a thread.

The threads are daemons, not the workers of Textual, which its end waits for: a proof of 2 GB cannot be interrupted.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, ParamSpec, TypeVar

from textual.message import Message
from textual.screen import Screen

Item = TypeVar("Item")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")
_LOOK: Final = 0.1  # seconds between two looks whether a job is still wanted


class StoppedError(Exception):
    """Nobody wants the job's result any more."""


class Told(Message, bubble=False):
    """Something that a job wants done in the screen's own thread."""

    def __init__(self, job: "Job", what: Callable[[], object]) -> None:
        super().__init__()
        self.job = job
        self.what = what
        self.done = threading.Event()


class Job:
    """One piece of work; `tell` does something on the screen and waits until it is done."""

    def __init__(self, screen: Screen[object]) -> None:
        self._screen = screen
        self.stopped = False

    def tell(self, what: Callable[Arguments, object], *args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        """Do it in the screen's thread. Raises StoppedError where nobody wants it any more."""
        told = Told(self, partial(what, *args, **kwargs))
        try:
            posted = self._screen.post_message(told)
        except RuntimeError:  # the screen's loop has ended
            posted = False
        while not told.done.wait(_LOOK if posted else 0):
            if self.stopped or not posted:
                raise StoppedError
        self.check()

    def check(self) -> None:
        """Raise StoppedError where nobody wants it any more."""
        if self.stopped:
            raise StoppedError

    def watched(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield `items` for as long as they are wanted; else raises StoppedError."""
        for item in items:
            self.check()
            yield item


class Working(Screen[Result]):
    """A screen with jobs, of each name one at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs: dict[str, Job] = {}

    def start(self, name: str, work: Callable[[Job], None]) -> None:
        """Begin a job; the earlier one of that name is not wanted any more."""
        self.stop(name)
        job = self._jobs[name] = Job(self)  # type: ignore[arg-type]  # a screen's result is its own affair
        threading.Thread(target=self._run, args=(job, work), daemon=True, name=f"review-{name}").start()

    def stop(self, name: str) -> None:
        """Want the job of that name no more."""
        if name in self._jobs:
            self._jobs.pop(name).stopped = True

    def _run(self, job: Job, work: Callable[[Job], None]) -> None:
        try:
            work(job)
        except StoppedError:
            pass
        except Exception as error:  # noqa: BLE001 (whatever it was, it must not be lost with its thread)
            self.post_message(Told(job, partial(_raised, error)))

    def on_told(self, message: Told) -> None:
        """Do what a job wants, unless the job is not wanted."""
        if not message.job.stopped:
            message.what()
        message.done.set()

    def on_unmount(self) -> None:
        """Want no job any more."""
        for name in tuple(self._jobs):
            self.stop(name)


def _raised(error: Exception) -> None:
    raise error
