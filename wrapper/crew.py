"""The processes that are forked early, each for its own reason, and share nothing but sockets with what comes after.

- The recorder first: before anything secret is read.
- The mounter (`view.binds`) and the watcher next, as soon as policy is known: both take a while to stand, and the
  watcher must before the client starts. Neither ever holds a secret but those of the environment.
"""

import contextlib
import select
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from wrapper.audit.client import RecorderClient
from wrapper.errors import AuditError, ProtectionError, SessionError
from wrapper.guard.watcher import WATCH_ALL, WATCH_REST, Failed, Message, Standing, Watched, receive
from wrapper.guard.watcher import serve as serve_watch
from wrapper.look import Looked
from wrapper.messages import say
from wrapper.plan.caching import replace_file
from wrapper.processes import fork
from wrapper.provenance.commits import known_to_git
from wrapper.provenance.handing import Handing, Task
from wrapper.view.binds import BindsView
from wrapper.view.messages import LONGEST
from wrapper.walker import Walker

_SEALED = 3.0  # seconds; sealing takes a tenth of one, and what is far away (anchors) may take long


class Recorder:
    """The recorder's process: forked before anything secret is read, told where to write when that is known.

    `on_late` is called where its end takes long: it needs nobody to wait for it.
    """

    def __init__(self) -> None:
        self.on_late: Callable[[], None] = lambda: None
        self._word, word = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._relay, relay = socket.socketpair()
        self.guard, guard = socket.socketpair()
        self.view, view = socket.socketpair()
        theirs = (word, relay, guard, view)
        self.process = fork("safe-log", lambda: _record(*theirs), keep=[connection.fileno() for connection in theirs])
        for connection in theirs:
            connection.close()

    def begin(self, folder: Path, looked: Looked) -> RecorderClient:
        """Say where to write, for whom, and what to do with logs in the end; gives the relay's end."""
        policy = looked.policy
        duty = _Duty(
            folder=str(folder),
            recipients=looked.recipients,
            segment=(policy.audit_segment_bytes, policy.audit_segment_hours * 3600),
            anchors=policy.audit_anchors,
            keep_days=policy.audit_keep_days,
            report="" if looked.report is None else str(looked.report),
            index=_task(folder, looked),
        )
        with _must_live("recorder"):
            self._word.send(msgspec.msgpack.encode(duty))
        self._word.close()
        return RecorderClient(self._relay)

    def give_up(self) -> None:
        """Let the recorder end: it seals what it has, or goes without a trace where nothing began."""
        for connection in (self._word, self._relay, self.guard, self.view):
            connection.close()
        if not select.select([self.process.pidfd], [], [], _SEALED)[0]:
            self.on_late()
        self.process.wait()


class _Duty(msgspec.Struct, frozen=True):
    """What a recorder is told: `segment` is when one ends, in bytes and seconds; `report` is a file to write, or "".

    `index` is what the indexer has to know, None where policy wants no index.
    """

    folder: str
    recipients: tuple[str, ...]
    segment: tuple[int, float]
    anchors: tuple[str, ...]
    keep_days: int
    report: str
    index: Task | None


class Watcher:
    """The watcher's process, and what it has said before there was a guard to listen."""

    def __init__(self, looked: Looked, staging: Path) -> None:
        state = {path.parent for path in looked.launch.masked}
        self.folders = (
            Watched(Path(looked.facts.workspace), deep=True),
            Watched(staging),
            *(Watched(folder) for folder in sorted(state) if folder.is_dir()),
        )
        self.seen: list[Message] = []
        self.connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        work = partial(serve_watch, theirs, self.folders, looked.policy, may_fail="watch" in looked.degraded)
        self.process = fork("safe-watch", work, keep=[theirs.fileno()])
        theirs.close()

    def begin(self, *, workspace: bool) -> None:
        """Say whether the workspace is to be watched: a view that serves it hears of its changes by itself."""
        with _must_live("watcher"):
            self.connection.send(WATCH_ALL if workspace else WATCH_REST)

    def wait(self) -> None:
        """Wait until all watches stand. Raises ProtectionError `watch` where they cannot be had."""
        while not isinstance(message := receive(self.connection), Standing):
            if message is None:
                raise ProtectionError("watch", "the watcher ended before it stood", hint="see the message above")
            if isinstance(message, Failed):
                raise ProtectionError("watch", message.what, hint=message.hint)
            self.seen.append(message)
        self.seen += [Failed(what, "") for what in message.degraded]

    def close(self) -> None:
        """Let it end, and wait for that."""
        self.connection.close()
        self.process.wait()


@contextlib.contextmanager
def _must_live(name: str) -> Iterator[None]:
    """Say of a process that is spoken to whether it is gone."""
    try:
        yield
    except ConnectionError as error:
        raise SessionError(f"the {name} ended before the session could begin", hint="start it again") from error


@dataclass(frozen=True, slots=True)
class Crew:
    """The early processes of one session."""

    recorder: Recorder
    watcher: Watcher
    view: BindsView
    walker: Walker


def clear(folder: Path) -> None:
    """Take away what stood in a session's folder for as long as it ran; the folder, too, where nothing was recorded."""
    for staged in ("view", "inside", "login"):
        shutil.rmtree(folder / staged, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _record(word: socket.socket, *connections: socket.socket) -> int:
    from wrapper.audit.recorder import NOT_TOLD, serve  # noqa: PLC0415 (cryptography: 17 ms, on the other core)
    from wrapper.audit.writer import Limits  # noqa: PLC0415

    said = word.recv(LONGEST)
    if not said:
        return 0  # nothing begins: the session was refused
    word.close()
    duty = msgspec.msgpack.decode(said, type=_Duty)
    limits = Limits(*duty.segment)
    folder = Path(duty.folder)
    with _reporting(duty) as on_event, _indexing(duty.index) as listener:
        code = serve(connections, folder, duty.recipients, limits=limits, on_event=on_event, listener=listener)
    if code in (0, NOT_TOLD):  # all others have ended: where the wrapper was killed, nobody else clears up
        clear(folder)
    if code == NOT_TOLD:
        say("warning: the log is sealed, but the ledger could not be told that the session ended")
    state = Path(duty.folder).parent.parent
    if duty.keep_days:
        _let_go(state, duty.keep_days)
    if duty.anchors:
        _anchor(duty.anchors, state)
    return code


@contextlib.contextmanager
def _reporting(duty: _Duty) -> Iterator[Callable[[bytes], None] | None]:
    """Count what goes through where a report is wanted, and write it in the end."""
    if not duty.report:
        yield None
        return
    from wrapper.audit.report import Tally  # noqa: PLC0415 (where one is wanted)

    tally = Tally(duty.folder)
    yield tally.add
    report = tally.report()
    if report is not None:
        try:
            replace_file(Path(duty.report), report.to_json())
        except OSError as error:
            say(f"warning: the report `{duty.report}` could not be written: {error.strerror}")


def _task(folder: Path, looked: Looked) -> Task | None:
    if not looked.policy.provenance.capture:
        return None
    places = looked.places
    key = places.config / "provenance.key"  # `key.FILE`: importing that loads cryptography, before the client starts
    workspace = looked.facts.workspace
    return Task(folder.name, workspace, str(places.state), str(key), known_to_git(Path(workspace)))


@contextlib.contextmanager
def _indexing(task: Task | None) -> Iterator[Handing | None]:
    """Have an index made of what the session brings; one that fails is told of, and ends no session."""
    handing = None if task is None else Handing(task, _index)
    yield handing
    if handing is not None and (problem := handing.end()):
        say(f"warning: the index of what the agent wrote is not whole: {problem}")
        say(f"hint: make it anew: `safe-agent provenance rebuild {handing.session}`")


def _index(connection: socket.socket, task: Task) -> int:
    from wrapper.provenance.indexer import serve  # noqa: PLC0415 (numpy: 100 ms, where there is something to index)

    return serve(connection, task)


def _let_go(state: Path, days: int) -> None:
    """Delete the keys of sessions that are older than the policy keeps them; a session's end does not fail for it."""
    from wrapper.audit.retention import retain  # noqa: PLC0415 (where the policy asks for it)

    try:
        for shredding in retain(state, days):
            if shredding.error is not None:
                say(f"warning: the keys of session {shredding.session.id} are still there: {shredding.error.what}")
    except AuditError as error:
        say(f"warning: no old session was let go: {error.what}")


def _anchor(anchors: tuple[str, ...], state: Path) -> None:
    """Put the ledger's checkpoint where it is out of this machine's reach; a session's end does not fail for it."""
    from wrapper.anchors.anchoring import anchor_all  # noqa: PLC0415 (where the policy asks for it)

    try:
        for outcome in anchor_all(anchors, state):
            if outcome.error is not None:
                say(f"warning: the ledger is not anchored to `{outcome.where}`: {outcome.error.what}")
    except AuditError as error:
        say(f"warning: the ledger is not anchored: {error.what}")
