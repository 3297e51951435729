"""The guard's process: owns the vault, serves the gateway, the egress proxy and loopback forwards, watches files.

It is forked by the session and hears from it over the control socket: `Listening` brings the sockets that were made
inside, `FINISH` (or the socket's end) closes all. Files that wait to be restored are restored after the sandbox's
last process is gone, also when the session itself was killed.
"""

import asyncio
import contextlib
import gc
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from redactors.vault import Origin
from wrapper import linux
from wrapper.audit.events import Connection, Event, Redacted, Request, Sent, Warned
from wrapper.errors import AuditError, SafeAgentError
from wrapper.gateway.refusal import NO_RULE
from wrapper.gateway.sparing import SparingListener, allow_descriptors
from wrapper.guard.appearing import Appearing
from wrapper.guard.asking import AtTerminal
from wrapper.guard.duties import GuardDuties
from wrapper.guard.files import FileThread, reason
from wrapper.guard.messages import FINISH, READY, Answered, FromGuard, Listening, Notice, Summary, encode, from_session
from wrapper.guard.publishing import Publisher
from wrapper.guard.remembered import Remembered
from wrapper.guard.services import Lazy, Serving, warm, warm_for
from wrapper.guard.viewing import ViewThread
from wrapper.guard.wire import Wire
from wrapper.messages import printable
from wrapper.ports import AsyncAuditSink

if TYPE_CHECKING:
    from wrapper.gateway.intercept.authority import Authority
    from wrapper.gateway.unnamed import Waiting
    from wrapper.guard.allowing import Desk
    from wrapper.guard.reviewing import Reviews

_END_WAIT = 3.0  # seconds that the sandbox, then open requests, get to be gone: less than the session waits for us
_WARM_AFTER = 0.15  # seconds: a command that is over by then does not wait for imports that it never needed
_STARTING = 30.0  # seconds in which a client calls by itself what it later is asked to call
_ALTERNATES = ".git/objects/info/alternates"
_MOST_SOCKETS = 250  # SCM_MAX_FD is 253
# of what the inside can cause without end; the summary is one packet, and the log has all
_MOST_TOLD, _LONGEST_TOLD = 50, 1000
_WEB_PORTS = (443, 80)
_MOST_FORMER = 10  # repositories whose commits are asked for former secrets: a second each, in long histories


class _Tally:
    """An audit sink that passes everything on and counts what the end of the session will tell.

    Of refused hosts it tells those that no rule names, `unnamed(host, port)`: the user can allow them.
    """

    def __init__(self, sink: AsyncAuditSink, unnamed: Callable[[str, int], bool]) -> None:
        self._sink = sink
        self._unnamed = unnamed
        self.requests = 0
        self.redactions = 0
        self.refused: dict[str, None] = {}
        self.warnings: dict[str, None] = {}

    def append(self, event: Event) -> None:
        self._count(event)
        self._sink.append(event)

    async def append_durable(self, event: Event) -> None:
        self._count(event)
        await self._sink.append_durable(event)

    def _count(self, event: Event) -> None:
        match event:
            case Request() | Sent(offset=0):
                self.requests += 1
            case Redacted(place="request" | "egress", action=""):
                self.redactions += event.count
            case Connection(allowed=False) if self._can_be_allowed(event):
                self._keep(self.refused, event.host if event.port in _WEB_PORTS else f"{event.host}:{event.port}")
            case Warned():
                self._keep(self.warnings, event.text)

    def _can_be_allowed(self, event: Connection) -> bool:
        """Whether it was refused for want of a rule alone: `safe-agent allow` opens nothing else."""
        return event.rule.startswith(NO_RULE) and self._unnamed(event.host, event.port)

    def _keep(self, told: dict[str, None], text: str) -> None:
        if len(told) < _MOST_TOLD:
            told[text[:_LONGEST_TOLD]] = None


def serve(duties: GuardDuties) -> int:
    """Be the guard until the session ends; returns the process's exit code."""
    allow_descriptors()

    async def run() -> int:
        return await _Guard(duties).run()

    return asyncio.run(run())


class _Guard:
    """What follows the session's words. The first failure ends it; what waits to be restored is restored anyway."""

    def __init__(self, duties: GuardDuties) -> None:
        from wrapper.audit.client import AsyncRecorderClient  # noqa: PLC0415 (after the fork, like the gateway)

        self._duties = duties
        self._loop = asyncio.get_running_loop()
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._started_by = time.monotonic() + _STARTING
        self._recorder = AsyncRecorderClient(duties.audit, on_failure=self._failed)
        self._tally = _Tally(self._recorder, lambda *where: self._leaves(*where) and not self._clients_own(*where))
        publisher = Publisher(duties.vault, duties.engine.known, duties.updates, duties.view)
        self._publish = publisher.publish
        self._appearing = Appearing(duties.policy, duties.protected, self._warn)
        self._files = FileThread(duties, publisher, self._appearing, tell=self._tell, failed=self._failed)
        self._asking = AtTerminal(
            self._say,
            Remembered(duties.answers, duties.workspace, self._warn),
            interactive=duties.interactive,
            redacted=self._redacted,
        )
        self._reviews: Reviews | None = None
        self._view = self._view_thread(publisher)
        self._wire = Wire(duties, self._warn)
        self._authority: Authority | None = None
        self._desk: Desk | None = None
        self._waiting = self._waiting_room()
        self._serving = Serving(
            duties, self._wire, self._tally, self._asking, lambda: self._authority, self._waiting, publisher.publish
        )
        self._services: list[Lazy] = []
        self._sandbox: int | None = None

    def _view_thread(self, publisher: Publisher) -> ViewThread | None:
        duties = self._duties
        if duties.view is None:
            return None
        restored = duties.vault.restore_in_file
        from wrapper.guard.repositories import Repositories  # noqa: PLC0415 (subprocess: 10 ms, for a view only)
        from wrapper.guard.reviewing import Reviews  # noqa: PLC0415 (as above)

        commits = duties.policy.files_commits
        refuse, review = commits != "rewrite", commits == "review"
        repositories = Repositories(duties.workspace, duties.repositories, restored, refuse=refuse, review=review)
        self._reviews = Reviews(self._asking, self._tally, redacted=self._redacted, warn=self._warn)
        return ViewThread(
            duties.view,
            publisher,
            self._appearing,
            repositories,
            self._reviews,
            warn=self._warn,
            failed=self._failed,
        )

    def _leaves(self, host: str, port: int) -> bool:
        """Whether no rule of the policy says anything of a host."""
        return port > 0 and self._duties.policy.host(host, port).rule is None

    def _clients_own(self, host: str, port: int) -> bool:
        """Whether the client calls a host by itself, and does well without; some only while it starts."""
        from wrapper.gateway.unnamed import covers  # noqa: PLC0415 (where policy names no rule for a host)

        early = self._duties.early if time.monotonic() < self._started_by else ()
        return covers((*self._duties.unneeded, *early), host, port)

    def _waiting_room(self) -> "Waiting | None":
        """Make what holds hosts that no rule names, where there is a user who can let them go on."""
        duties = self._duties
        if not duties.interactive:
            return None
        from wrapper.gateway.unnamed import Terms, Waiting  # noqa: PLC0415 (where somebody sits there only)

        egress = duties.policy.egress
        terms = Terms(egress.unknown, egress.wait_seconds, self._leaves, self._clients_own)
        return Waiting(terms, self._tally, asking=self._asking, always=self._remember, on_held=self._tell_of)

    def _tell_of(self, host: str, port: int) -> None:
        """Tell the user that a host waits, where the screen can take a line."""
        with contextlib.suppress(OSError):  # the session is over, or very busy
            name = host if port in _WEB_PORTS else f"{host}:{port}"
            self._say(Notice(f"`{host}:{port}` waits for you: `safe-agent allow {name}` in another terminal"))

    def _remember(self, host: str) -> None:
        """Allow a host for good, as `safe-agent allow` does; what cannot be written holds for this session."""
        if self._duties.answers is None:
            return
        from wrapper.guard.allowed import remember  # noqa: PLC0415 (asked for once in a while)

        try:
            remember(self._duties.answers.parent, host, "asked at the session's terminal")
        except (OSError, SafeAgentError) as error:
            self._loop.call_soon_threadsafe(self._warn, f"`{host}` is allowed for this session only: {reason(error)}")

    async def run(self) -> int:
        for step in (self._begin, self._follow, self._end_sandbox, self._close_services, self._restore, self._tell_all):
            try:
                await step()
            except Exception as error:  # noqa: BLE001 (the next step must be taken whatever it was)
                self._fail(error)
        return int(self._failure.done())

    async def _begin(self) -> None:
        """Do what the client waits for, and say when it is done."""
        self._files.start()
        trust = self._duties.trust
        if trust is not None:
            from wrapper.guard.trusting import make_authority  # noqa: PLC0415 (cryptography: 40 ms, where it is used)

            self._authority = await asyncio.to_thread(make_authority, trust)
        if self._view is not None:
            self._view.start()
        if self._view is not None or trust is not None:
            with contextlib.suppress(OSError):  # the session has ended: the next step hears of it
                self._duties.control.send(READY)
        if self._waiting is not None:
            await self._open_desk(self._waiting)

    async def _open_desk(self, waiting: "Waiting") -> None:
        from wrapper.guard.allowing import Desk  # noqa: PLC0415 (where somebody sits there only)

        duties = self._duties
        desk = Desk(
            duties.staging.parent, waiting, duties.policy, duties.place.agent, printable(duties.place.workspace)
        )
        try:
            await desk.open()
        except OSError as error:
            self._warn(f"`safe-agent allow` cannot reach this session: {error.strerror}")
        else:
            self._desk = desk

    async def _follow(self) -> None:
        """Do as the session says, until it says that it ends, or is gone."""
        while (packet := await _packet(self._duties.control, self._failure))[0] not in (b"", FINISH):
            match from_session(packet[0]):
                case Answered() as answered:
                    self._asking.heard(answered)
                case Listening() as listening:
                    self._listen(listening, packet[1])

    def _listen(self, listening: Listening, sockets: list[SparingListener]) -> None:
        self._sandbox = _opened(listening.pid)
        for use, sock in zip(listening.uses, sockets, strict=True):
            make = partial(self._serving.service, use)
            self._services.append(Lazy(sock, partial(warm_for, use, self._wire), make, self._failed))
        warming = threading.Thread(target=self._warm, daemon=True)
        self._loop.call_later(_WARM_AFTER, warming.start)

    def _warm(self) -> None:
        with contextlib.suppress(Exception):  # the service that needs it fails with it, and ends the session
            warm(self._wire)
        try:
            self._ask_again()
        except Exception as error:  # noqa: BLE001 (nothing stands on it; the user hears of it)
            self._loop.call_soon_threadsafe(self._warn, f"no second opinion on credential files: {reason(error)}")
        with contextlib.suppress(Exception):  # as above: what it adds is beyond what files hold
            self._know_former()
        gc.freeze()  # what was loaded stays: looking for garbage in it takes 35 ms, for which every stream waits

    def _ask_again(self) -> None:
        known = self._duties.engine.known
        if known is not None:
            from wrapper.guard.opinion import ask_second_opinion  # noqa: PLC0415 (nothing waits for it)

            ask_second_opinion(self._duties.credentials(), known, cache=self._duties.cache)

    def _know_former(self) -> None:
        """Know what credential files held in commits."""
        from redactors.documents import mask_document  # noqa: PLC0415 (nothing waits for it)
        from wrapper.guard.former import former  # noqa: PLC0415 (as above)
        from wrapper.plan.learning import learner  # noqa: PLC0415 (as above)

        duties, engine = self._duties, learner(self._duties.engine)
        paths = [duties.workspace / path for path, _ in duties.credentials()]
        for tree in duties.repositories[:_MOST_FORMER]:
            names = [str(path.relative_to(tree)) for path in paths if path.is_relative_to(tree)]
            for name, content in former(tree, names):
                mask_document(name, content, engine, whole=True)
        self._publish()

    async def _end_sandbox(self) -> None:
        """End whatever still runs inside, and wait for that: what is restored from now on must not be seen there."""
        if self._sandbox is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._sandbox, signal.SIGKILL)
            await asyncio.to_thread(select.select, [self._sandbox], [], [], _END_WAIT)

    async def _close_services(self) -> None:
        if self._desk is not None:
            await self._desk.close()
        self._asking.close()
        closing = asyncio.gather(*(service.close() for service in self._services), return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(closing, _END_WAIT)
        self._serving.close()
        if self._reviews is not None:
            await self._reviews.close()

    async def _restore(self) -> None:
        if self._view is not None:
            await asyncio.to_thread(self._view.finish)
            for tree in self._duties.repositories:  # git's objects are shown natively: nobody heard of it
                if (tree / _ALTERNATES).exists():
                    self._appearing.look(str((tree / _ALTERNATES).relative_to(self._duties.workspace)))
        await asyncio.to_thread(self._files.finish)
        if self._duties.room is not None:
            for warning in await asyncio.to_thread(self._duties.room.finish):
                self._warn(warning)
        for change in await asyncio.to_thread(lambda: tuple(self._duties.changes_of_login())):
            self._warn(change)
        await asyncio.sleep(0)  # the events that the last files brought
        if self._reviews is not None:
            await self._reviews.close()  # of the last commits, which nobody is asked about

    async def _tell_all(self) -> None:
        if self._failure.done():
            return
        await self._recorder.close()
        tally = self._tally
        summary = Summary(tally.requests, tally.redactions, tuple(tally.refused), tuple(tally.warnings))
        with contextlib.suppress(OSError):
            self._say(summary)

    def _say(self, message: FromGuard) -> None:
        """Tell the session. Raises OSError where it is gone, or takes nothing any more."""
        self._duties.control.send(encode(message), socket.MSG_DONTWAIT)

    def _redacted(self, text: str) -> str:
        return self._duties.engine.redact(text.encode("utf-8", "backslashreplace"), origin=Origin.OUTSIDE).data.decode(
            "utf-8", "replace"
        )

    def _tell(self, event: Event) -> None:
        """Record an event of another thread."""
        self._loop.call_soon_threadsafe(self._append, event)

    def _warn(self, text: str) -> None:
        self._tell(Warned(at=time.time(), text=printable(text)))

    def _append(self, event: Event) -> None:
        try:
            self._tally.append(event)
        except AuditError as error:
            self._fail(error)

    def _failed(self, error: BaseException) -> None:
        """Take notice, from any thread, that the session must end."""
        self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: BaseException) -> None:
        if self._failure.done():  # what fails after the first is a consequence
            return
        self._failure.set_result(None)
        os.write(2, f"safe-agent: the guard failed: {printable(reason(error))}\n".encode())


def _opened(pid: int) -> int | None:
    """Give a pidfd; None where the process is gone already: a command may be over before we hear of it."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


async def _packet(control: socket.socket, failure: "asyncio.Future[None]") -> tuple[bytes, list[SparingListener]]:
    """Wait for the session's next packet; after a failure, give what has come already, then its end."""
    loop = asyncio.get_running_loop()
    readable = loop.create_future()

    def wake() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(control, wake)
    try:
        await asyncio.wait((readable, failure), return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_reader(control)
    if failure.done() and not select.select([control], [], [], 0)[0]:  # what came first may name the sandbox to end
        return b"", []
    message, descriptors = linux.receive_descriptors(control, _MOST_SOCKETS)
    return message, [SparingListener(fileno=descriptor) for descriptor in descriptors]
