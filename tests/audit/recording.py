"""Real sessions for tests: the recorder in a process of its own, logs on a real disk."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wrapper.audit import events, recorder
from wrapper.audit import format as layout
from wrapper.audit.deltas import Delta
from wrapper.audit.keys import Keys
from wrapper.audit.writer import Limits, SessionWriter

_LIMITS = Limits()


def start_event(session: str = "s-1", **changes: object) -> events.SessionStart:
    fields: dict[str, object] = {
        "at": 1_000.0,
        "session": session,
        "user": "ada",
        "host": "box",
        "workspace": "/work/project",
        "agent": "claude",
        "agent_version": "2.1.300",
        "version": "0.1.0",
        "argv": ("claude", "-p", "hello"),
        "policy": "ab" * 32,
        "plan": '{"mounts": []}',
    }
    return events.SessionStart(**{**fields, **changes})  # type: ignore[arg-type]


def asked(number: int, body: Delta) -> events.Request:
    """Make the record of a request from its body as `Deltas` wrote it."""
    return events.Request(
        at=1_002.0,
        number=number,
        method="POST",
        url="https://api.invalid/v1/messages",
        headers={},
        body=body.body,
        base=body.base,
        prefix=body.prefix,
        suffix=body.suffix,
    )


def warned(text: str) -> events.Warned:
    return events.Warned(at=1_001.0, text=text)


def ended(code: int = 0) -> events.SessionEnd:
    return events.SessionEnd(at=1_010.5, exit_code=code)


@dataclass
class Home:
    """A user's keys and state."""

    config: Path
    state: Path
    keys: Keys

    def directory(self, session: str = "s-1") -> Path:
        return self.state / "sessions" / session

    def write(
        self, session: str = "s-1", written: Sequence[events.Event] = (), *, seal: bool = True, created: float = 1_000.0
    ) -> Path:
        """Write a log without a recorder; every event is synced, so that each has a checkpoint of its own."""
        writer = SessionWriter(self.directory(session), self.keys.load_recipients(), clock=lambda: created)
        for event in written:
            writer.append(events.encode(event))
            writer.sync()
        if seal:
            writer.close()
        else:
            writer._segment.close()
        return self.directory(session)


def home(folder: Path) -> Home:
    keys = Keys(folder / "config")
    keys.make()
    return Home(folder / "config", folder / "state", keys)


@dataclass
class Recorder:
    """A running recorder and our ends of its connections."""

    pid: int
    connections: list[socket.socket]
    directory: Path
    code: int | None = None

    def wait(self) -> int:
        """Return its exit code, negative for a signal."""
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code


@contextmanager
def recording(
    of: Home,
    session: str = "s-1",
    *,
    clients: int = 1,
    before: Callable[[], object] = lambda: None,
    limits: Limits = _LIMITS,
) -> Iterator[Recorder]:
    """Fork a recorder as a session does; `before` runs in it first. At the end all connections are closed."""
    pairs = [socket.socketpair() for _ in range(clients)]
    recipients = of.keys.load_recipients()
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            for ours, _ in pairs:
                ours.close()
            before()
            code = recorder.serve([theirs for _, theirs in pairs], of.directory(session), recipients, limits=limits)
        finally:
            os._exit(code)
    for _, theirs in pairs:
        theirs.close()
    running = Recorder(pid, [ours for ours, _ in pairs], of.directory(session))
    try:
        yield running
    finally:
        for ours, _ in pairs:
            ours.close()
        running.wait()


def frames_of(directory: Path, log: str = layout.LOG_FILE) -> tuple[bytes, list[bytes]]:
    """Split a segment's log, by default that of the first, into its header and its whole frames."""
    data = (directory / log).read_bytes()
    start = layout.PREFIX_SIZE + layout.decode_prefix(data[: layout.PREFIX_SIZE]).length
    header, frames = data[:start], []
    while start < len(data):
        size = layout.FRAME_SIZE + int.from_bytes(data[start : start + 4], "big")
        frames.append(data[start : start + size])
        start += size
    return header, frames


def put(directory: Path, header: bytes, frames: Sequence[bytes]) -> None:
    """Write a log anew from its parts."""
    (directory / layout.LOG_FILE).write_bytes(header + b"".join(frames))
