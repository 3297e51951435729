"""The screen over real logs, driven by keys; what it asks of outside is noted."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tests.audit.recording import Home, ended, start_event
from tests.review.app.pressing import Pressed
from wrapper.audit import events, reader
from wrapper.audit.reader import Record, Session
from wrapper.audit.writer import SessionWriter
from wrapper.errors import SafeAgentError
from wrapper.review.app.desk import Desk, Opened, Verdict
from wrapper.review.app.screens import Review
from wrapper.review.app.session import SessionScreen


def asks(number: int, *said: str) -> events.Request:
    messages = [{"role": "user", "content": text} for text in said]
    return events.Request(
        at=1_002.0,
        number=number,
        method="POST",
        url="https://api.invalid/v1/messages",
        headers={"content-type": "application/json"},
        body=json.dumps({"model": "m-1", "messages": messages}).encode(),
    )


STORY: tuple[events.Event, ...] = (
    start_event(),
    events.Resize(at=1_000.5, rows=24, columns=80),
    events.Output(at=1_001.0, stream="tty", data=b"\x1b[31mhello\x1b[0m\r\nthere\r\n"),
    events.Redacted(at=1_002.0, kind="X", placeholder="MASKED-X-00000000", place="request", where="#1", count=3),
    asks(1, "fix the bug"),
    events.Output(at=1_003.0, stream="tty", data=b"\x1b[2J\x1b[Hanother screen"),
    events.Connection(at=1_004.0, host="evil.invalid", port=443, allowed=False, rule="default"),
    events.FileChange(at=1_005.0, path="src/a.py", action="modified", by="agent"),
    ended(3),
)


def write_at_once(of: Home, session: str, written: Iterable[events.Event]) -> None:
    """Write a long log, with few checkpoints."""
    writer = SessionWriter(of.directory(session), of.keys.load_recipients(), clock=lambda: 1_000.0)
    for event in written:
        writer.append(events.encode(event))
    writer.close()


@dataclass
class Asked:
    """What the screen asked for."""

    opened: list[str] = field(default_factory=list)
    exported: list[tuple[str, str]] = field(default_factory=list)
    failing: SafeAgentError | None = None
    unrecorded: str = ""


def desk(of: Home, asked: Asked, *, closed: str = "") -> Desk:
    """Make a desk over the logs of one user, who has the private key."""
    identity = of.keys.load_identity()

    def opening(session: Session) -> Opened:
        asked.opened.append(session.id)

        def records() -> Iterator[Record]:
            return reader.read_records(session.directory, identity)

        return Opened(records, asked.unrecorded)

    def verify(session: Session) -> Verdict:
        proven = reader.verify(session.directory, identity)
        return Verdict(proven.state.value, ("all is as it was written",), good=True)

    def play(session: Session, sequence: int) -> None:
        raise AssertionError(session.id, sequence)  # no terminal here can be lent

    def export(session: Session, form: str) -> tuple[str, ...]:
        if asked.failing is not None:
            raise asked.failing
        asked.exported.append((session.id, form))
        return (f"/made/{session.id}.{form}",)

    return Desk(
        sessions=lambda: reader.list_sessions(of.state),
        outline=lambda session: reader.outline(session.directory, identity),
        open=opening,
        verify=verify,
        play=play,
        export=export,
        formats=(("html", "a page"), ("cast", "the terminal")),
        closed=closed,
    )


@dataclass
class Show(Pressed):
    """The screen over the logs."""

    @property
    def session(self) -> SessionScreen:
        screen = self.app.screen
        assert isinstance(screen, SessionScreen)
        return screen

    @property
    def titles(self) -> list[str]:
        """The moments that are listed."""
        return [entry.moment.title for entry in self.session.timeline.items]

    async def reads(self) -> None:
        """Open the session under the cursor and wait until it is read to its end."""
        await self.press("enter")
        await self.until(lambda: isinstance(self.app.screen, SessionScreen) and self.session._done)


def showing(of: Desk, act: Callable[[Show], Awaitable[None]], size: tuple[int, int] = (120, 40)) -> None:
    """Run the screen without a terminal while `act` presses keys."""

    async def run() -> None:
        app = Review(of)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await act(Show(app, pilot))

    asyncio.run(run())
