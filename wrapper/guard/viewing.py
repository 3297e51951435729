"""The guard's thread for a FUSE view: hears what the daemon says, and looks at commits as refs move."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from wrapper.errors import SessionError
from wrapper.guard.appearing import Appearing
from wrapper.guard.publishing import Publisher
from wrapper.view.messages import (
    LONGEST,
    Appeared,
    FromView,
    KnownValue,
    RefsMoved,
    Rest,
    Rested,
    Told,
    encode,
    from_view,
)

if TYPE_CHECKING:  # subprocess: 10 ms
    from wrapper.guard.commits import Outcome
    from wrapper.guard.holding import Held, Unheld

_QUIET: Final = 0.15  # seconds after the last move of a ref: a rebase moves many
_MOST_WAITED: Final = 1.0  # and not longer, whatever goes on
_REST_WAIT: Final = 8.0
_MOST_NAMED: Final = 5


class Repositories(Protocol):
    """Looks at commits; see `repositories.Repositories`."""

    def appeared(self, path: str) -> None:
        """Take notice of what was made inside."""

    def refs_moved(self, path: str) -> None:
        """Take notice of what was done to git's refs inside."""

    def missed(self) -> None:
        """Take notice that not all was told of."""

    def check(self, *, ended: bool = False) -> "Iterable[tuple[Path, Outcome | Held | Unheld]]":
        """Look at what refs have come to point at; make it real where the session has `ended`."""

    def let_stand(self, folder: Path, held: "Held") -> bool:
        """Put refs forward to what a person has reviewed. False: they have moved meanwhile."""


class Reviews(Protocol):
    """Has a person review commits; see `reviewing.Reviews`."""

    def hold(self, folder: Path, held: "Held", let_stand: Callable[[], bool]) -> None:
        """Ask, and put refs forward where a person says so; from any thread."""


class ViewThread(threading.Thread):
    """Takes the daemon's messages; `warn` takes what the user must know, `failed` a fatal error."""

    def __init__(
        self,
        connection: socket.socket,
        publisher: Publisher,
        appearing: Appearing,
        repositories: Repositories,
        reviews: Reviews,
        *,
        warn: Callable[[str], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        super().__init__(name="view", daemon=True)
        self._connection = connection
        self._publisher = publisher
        self._appearing = appearing
        self._repositories = repositories
        self._reviews = reviews
        self._looking = threading.Lock()
        self._warn = warn
        self._failed = failed
        self._moved_at: float | None = None
        self._due = 0.0
        self._is_all_said = False

    def run(self) -> None:
        """Serve until the daemon has said all, or is gone."""
        try:
            while not isinstance(message := self._next(), Rested):
                self._take(message)
            self._is_all_said = True
        except BaseException as error:  # noqa: BLE001 (whatever it was, the session must end: promise 5)
            self._failed(error)

    def finish(self) -> None:
        """Let the daemon say what is left, when nothing runs inside any more, and end; look at commits a last time."""
        with contextlib.suppress(OSError):  # a daemon that is dead says nothing more
            self._connection.send(encode(Rest()))
            self.join(_REST_WAIT)
        if self.is_alive():
            self._warn("the view did not say in time what was left: the log of its last changes may not be complete")
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)  # its memory takes some time to be given back: now, beside us
        if not self._is_all_said:
            self._repositories.missed()
        self._check(ended=True)

    def _next(self) -> FromView:
        while True:
            if self._moved_at is not None and time.monotonic() >= self._due:  # also where there is always more to hear
                self._check()
            self._connection.settimeout(None if self._moved_at is None else max(0.001, self._due - time.monotonic()))
            try:
                packet = self._connection.recv(LONGEST)
            except TimeoutError:
                continue
            if not packet:
                raise SessionError("the view ended unexpectedly")
            return from_view(packet)

    def _take(self, message: FromView) -> None:
        match message:
            case KnownValue():
                self._publisher.learn(message)
            case Appeared():
                self._appearing.look(os.fsdecode(message.path))
                self._repositories.appeared(os.fsdecode(message.path))
            case Told():
                self._warn(message.text)
            case RefsMoved():
                self._repositories.refs_moved(os.fsdecode(message.path))
                now = time.monotonic()
                self._moved_at = self._moved_at or now
                self._due = min(now + _QUIET, self._moved_at + _MOST_WAITED)

    def _check(self, *, ended: bool = False) -> None:
        from wrapper.guard.holding import Held, Unheld  # noqa: PLC0415 (what looks at commits has imported it)

        self._moved_at = None
        with self._looking:
            for folder, outcome in self._repositories.check(ended=ended):
                match outcome:
                    case Held():
                        self._reviews.hold(folder, outcome, partial(self._let_stand, folder, outcome))
                    case Unheld():
                        self._unheld(folder, outcome, ended=ended)
                    case _:
                        self._warn(_said(folder, outcome))

    def _let_stand(self, folder: Path, held: "Held") -> bool:
        with self._looking:
            return self._repositories.let_stand(folder, held)

    def _unheld(self, folder: Path, unheld: "Unheld", *, ended: bool) -> None:
        """Tell of commits that could not be put back; in the end that is a failure (promise 5)."""
        text = f"git in `{folder.name}`: commits made inside could not be taken back, and nobody has reviewed them"
        if ended:
            self._failed(SessionError(f"{text}: {unheld.why}"))
        else:
            self._warn(f"{text} so far: {unheld.why}")


_DONE: Final = {
    "waiting": "gets the real content when the session has ended",
    "rewritten": "has the real content now",
    "taken back": "was taken back",
    "failed": "could not be given the real content",
}


_UNREFERRED: Final = "what `git reflog` leads to"


def _said(folder: Path, outcome: "Outcome") -> str:
    paths = ", ".join(f"`{path}`" for path in outcome.paths[:_MOST_NAMED])
    more = f" and {len(outcome.paths) - _MOST_NAMED} more" if len(outcome.paths) > _MOST_NAMED else ""
    why = f": {outcome.why}" if outcome.why else ""
    what = "what is staged" if outcome.ref.endswith("index") else f"`{outcome.ref}`" if outcome.ref else "a commit"
    what = _UNREFERRED if outcome.ref == "logs" else what
    held = f" held placeholders in {paths}{more} and" if paths else ""
    return f"git in `{folder.name}`: {what}{held} {_DONE[outcome.done]}{why}"
