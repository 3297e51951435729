"""The session from its first record to its last: prepare, record, cover, guard, start, relay, restore, seal."""

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from redactors.documents import mask_known
from redactors.finding import Finding
from redactors.vault import Origin
from wrapper import linux, status
from wrapper.audit.events import Redacted, Resize, SessionEnd, SessionStart
from wrapper.crew import Crew
from wrapper.errors import SafeAgentError, SessionError
from wrapper.guard.duties import GuardDuties
from wrapper.guard.messages import (
    FINISH,
    READY,
    Answered,
    Asked,
    Listening,
    Notice,
    Summary,
    Withdrawn,
    encode,
    from_guard,
)
from wrapper.look import Looked
from wrapper.messages import printable, say
from wrapper.ports import Answer, AuditSink
from wrapper.prepare import Prepared, prepare
from wrapper.processes import Forked, fork
from wrapper.sandbox import bubblewrap
from wrapper.sandbox.netns import listen_inside
from wrapper.showing import Showing, stand
from wrapper.terminal import signals
from wrapper.terminal.pty import Child, Stdio, spawn
from wrapper.version import VERSION
from wrapper.view.binds import BindsView
from wrapper.view.messages import LONGEST, KnownValue

if TYPE_CHECKING:
    from redactors.engine import Engine
    from redactors.known import KnownValues
    from redactors.stream import StreamRedactor
    from wrapper.terminal.relay import Relay
    from wrapper.terminal.transcript import Transcript

_MOST_TOLD = 8  # hosts
_FINISH_WAIT = 15.0  # seconds for the guard to end its requests and to restore what waits


def run_recorded(session: str, folder: Path, looked: Looked, crew: Crew) -> int:
    """Take stock, begin the log, run; whatever happens, the log says how it ended and is sealed."""
    kind = stand(looked, crew.view)
    crew.watcher.begin(workspace=kind != "fuse")
    prepared = prepare(looked, crew.walker.same, own=folder / "inside")
    log = crew.recorder.begin(folder, looked)
    code, reason = 125, ""
    try:
        log.append_durable(_start_event(session, prepared, kind))
        code = _Session(prepared, folder, log, crew, kind).run()
    except SafeAgentError as error:
        reason = error.what
        raise
    except KeyboardInterrupt:
        code, reason = 128 + signal.SIGINT, "interrupted before the client had started"
    finally:
        with contextlib.suppress(SafeAgentError):
            log.append_durable(SessionEnd(at=time.time(), exit_code=code, reason=reason))
        log.close()
    return code


class _Session:
    """One session between its first record and its last."""

    def __init__(self, prepared: Prepared, folder: Path, log: AuditSink, crew: Crew, kind: str) -> None:
        self._prepared = prepared
        self._kind = kind
        self._looked = prepared.looked
        self._watcher = crew.watcher
        self._view = crew.view
        self._plan = prepared.plan
        self._folder = folder
        self._log = log
        self._recorder = crew.recorder
        self._control, self._their_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._updates, self._their_updates = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._agent: int | None = None
        self._guard_is_awaited = False

    def run(self) -> int:
        try:
            return self._run()
        except SessionError as error:
            if Path(self._plan.workspace).is_dir():
                raise
            raise SessionError(
                f"`{self._plan.workspace}` was taken away while the session ran: {error.what}",
                hint="what was done in it is in the log: `safe-agent audit show last`",
            ) from error

    def _run(self) -> int:
        showing = Showing(self._prepared, self._view, self._log, self._recorder, self._folder)
        with contextlib.closing(showing):
            showing.begin()
            self._guard_is_awaited = showing.connection is not None or self._prepared.trust is not None
            self._watcher.wait()
            self._prepared.reaching.make(self._folder / "inside")
            self._prepared.login.make()
            guard = self._fork_guard(showing)
            try:
                showing.complete()
                child = self._start(self._view)
                self._announce()
                return self._run_relay(child, guard, showing)
            finally:
                # Who presses Ctrl-C twice to leave the client presses it a third time: files are put back now, and what
                # the guard has to tell must not be lost. This ends by itself, within `_FINISH_WAIT`.
                self._recorder.on_late = signals.ignore()
                self._finish(guard)

    def _fork_guard(self, showing: Showing) -> Forked:
        prepared = self._prepared
        duties = GuardDuties(
            control=self._their_control,
            updates=self._their_updates,
            audit=self._recorder.guard,
            changes=self._watcher.connection,
            seen=self._watcher.seen,
            folders=self._watcher.folders,
            workspace=Path(self._plan.workspace),
            staging=self._folder / "view",
            policy=prepared.policy,
            engine=prepared.engine,
            vault=self._looked.vault,
            covers=showing.covers,
            rescan=showing.rescan,
            gateways=prepared.gateways,
            state_files=prepared.state_files,
            protected=frozenset(showing.relative(path) for path in self._plan.protected),
            may_miss_changes="watch" in self._plan.degraded,
            cache=self._looked.places.cache,
            credentials=prepared.credentials,
            view=showing.connection,
            repositories=showing.repositories,
            interactive=Stdio.of_process().full,
            answers=self._looked.places.config / "answers.json",
            place=prepared.place,
            outward=prepared.outward,
            bound=prepared.reaching.bound,
            services=prepared.reaching.services,
            trust=prepared.trust,
            room=prepared.login.room,
            captures=prepared.login.captures,
            changes_of_login=prepared.login.changes,
            unneeded=self._looked.launch.unneeded,
            early=self._looked.launch.early,
            environ=self._looked.facts.environ,
        )
        keep = [
            self._their_control,
            self._their_updates,
            self._recorder.guard,
            self._view.connection,
            self._watcher.connection,
            *([] if showing.connection is None else [showing.connection]),
        ]
        guard = fork("safe-guard", lambda: _guard(duties), keep=[one.fileno() for one in keep])
        for theirs in (self._their_control, self._their_updates, self._recorder.guard):
            theirs.close()
        showing.hand_over()
        return guard

    def _start(self, view: BindsView) -> Child:
        """Start bubblewrap in the view's namespaces; hand the sockets made inside to the guard; let the client go."""
        gate = bubblewrap.Gate.make()
        facts = self._looked.facts
        argv = bubblewrap.arguments(
            self._looked.bubblewrap,
            self._plan.mounts,
            self._plan.command,
            folder=self._plan.folder,
            gate=gate,
            as_root=facts.uid == 0,
            foreign_owner=facts.owner != facts.uid,
        )
        user, mounts = view.namespaces

        def enter() -> None:
            linux.setns(user, linux.CLONE_NEWUSER)
            linux.setns(mounts, linux.CLONE_NEWNS)
            for descriptor in (user, mounts):  # they must not reach the inside
                os.close(descriptor)

        with contextlib.closing(gate):
            child = spawn(
                argv,
                self._plan.environment.inside,
                cwd=self._plan.folder,
                before_exec=enter,
                pass_fds=(*gate.childs, user, mounts),
                interactive=Stdio.of_process(),
            )
            try:
                importlib.import_module("redactors.stream")  # what the relay needs, while bubblewrap makes its mounts
                importlib.import_module("wrapper.terminal.relay")
                importlib.import_module("wrapper.terminal.transcript")
                self._hand_out(gate)
            except BaseException:
                _show_rest(child)
                child.kill()  # it waits at the gate, and must not pass when that is closed
                raise
        return child

    def _hand_out(self, gate: bubblewrap.Gate) -> None:
        """Give the guard the sockets made inside, then let the client go."""
        pid = gate.started()
        sockets = listen_inside(pid, tuple(self._plan.listeners))
        packet = encode(Listening(pid, tuple(self._plan.listeners.values())))
        with contextlib.suppress(ConnectionError):  # it has ended: the next lines say so
            linux.send_descriptors(self._control, packet, [opened.fileno() for opened in sockets])
        for opened in sockets:
            opened.close()
        self._agent = pid
        if self._guard_is_awaited and self._heard() != READY:
            raise SessionError("the guard ended before the client could start", hint="see the message above")
        signals.hold()  # the client runs before the relay does
        gate.release()

    def _announce(self) -> None:
        plan = self._plan
        for notice in plan.notices:
            say(notice)
        line = status.begun(plan, view=self._kind, session=self._folder.name, columns=status.columns(sys.stderr))
        status.tell(line, wanted=self._looked.policy.status_line, environ=self._looked.facts.environ)

    def _run_relay(self, child: Child, guard: Forked, showing: Showing) -> int:
        from wrapper.terminal.transcript import Transcript  # noqa: PLC0415 (imported while bubblewrap started)

        transcript = Transcript(self._log, self._redactor_for_log)
        try:
            code = self._relay(child, guard, showing, transcript).run()
        except BaseException:
            with contextlib.suppress(SafeAgentError):  # the log may be what has failed
                transcript.close()
            raise
        transcript.close()
        return code

    def _relay(self, child: Child, guard: Forked, showing: Showing, transcript: "Transcript") -> "Relay":
        from wrapper.terminal import jobs  # noqa: PLC0415 (as above)
        from wrapper.terminal.relay import Relay  # noqa: PLC0415

        gc.freeze()  # as in `processes.fork`: a key would wait for it
        gc.enable()
        watched = {
            "guard": guard.pidfd,
            "recorder": self._recorder.process.pidfd,
            **showing.watched,
            "watcher": self._watcher.process.pidfd,
        }
        relay = Relay(
            child,
            redactor_for=self._redactor,
            on_output=transcript.shown,
            on_typed=transcript.typed if self._looked.policy.audit_keystrokes else lambda _data: None,
            on_resize=lambda rows, columns: self._log.append(Resize(at=time.time(), rows=rows, columns=columns)),
            watched=watched,
            sources={self._updates.fileno(): self._learn, self._control.fileno(): lambda: self._hear(relay)},
            inner_pid=lambda: None if self._agent is None else jobs.first_child(self._agent),
        )
        return relay

    def _redactor(self) -> "StreamRedactor":
        """For the screen: known values only; the user may see a key that the agent has just made."""
        from redactors.stream import StreamRedactor  # noqa: PLC0415 (as above)

        redactor = StreamRedactor(_known(self._prepared.engine), self._looked.vault)
        redactor.on_mask = self._masked_on_screen
        return redactor

    def _redactor_for_log(self) -> "StreamRedactor":
        from redactors.stream import StreamRedactor  # noqa: PLC0415 (as above)

        engine = self._prepared.engine
        return StreamRedactor(_known(engine), self._looked.vault, engine=engine)

    def _masked_on_screen(self, found: Finding, placeholder: str) -> None:
        self._log.append(
            Redacted(
                at=time.time(), kind=found.kind, placeholder=placeholder, place="terminal", where="", rule=found.rule
            )
        )

    def _learn(self) -> bool:
        """Take a value that became known in the guard; False when the guard says no more."""
        packet = self._updates.recv(LONGEST)
        if not packet:
            return False
        value = msgspec.msgpack.decode(packet, type=KnownValue)
        if self._prepared.engine.known is not None:
            self._prepared.engine.known.add(value.kind, value.value, Origin.OUTSIDE)
            self._looked.vault.issue(value.kind, value.value, Origin.OUTSIDE, value.prefix)
        return True

    def _hear(self, relay: "Relay") -> bool:
        """Have the relay ask what the guard wants to know; False when the guard says no more."""
        packet = self._heard()
        match from_guard(packet) if packet else None:
            case Asked(number, question):
                relay.ask(number, question, lambda answer: self._answer(number, answer))
            case Withdrawn(number):
                relay.withdraw(number)
            case Notice(text):
                relay.tell(text)
            case _:
                return False
        return True

    def _answer(self, number: int, answer: Answer) -> None:
        with contextlib.suppress(OSError):  # the guard is gone: the relay learns of it by itself
            self._control.send(encode(Answered(number, answer)))

    def _heard(self) -> bytes:
        """Give the guard's next packet, b"" at its end."""
        try:
            return self._control.recv(LONGEST)
        except OSError:
            return b""

    def _finish(self, guard: Forked) -> None:
        """Let the guard end what it does and restore what waits; say what it has to tell."""
        with contextlib.suppress(OSError):
            self._control.send(FINISH)
        self._updates.close()  # the guard must not wait for a relay that takes nothing any more
        summary = self._last_word(guard)
        self._control.close()
        code = guard.wait()
        if summary is not None:
            for warning in dict.fromkeys(summary.warnings):
                say(f"warning: {warning}")
            if summary.refused:
                more = ", …" if len(summary.refused) > _MOST_TOLD else ""
                say(f"refused: {', '.join(summary.refused[:_MOST_TOLD])}{more} (`safe-agent allow HOST` lets them in)")
        elif sys.exc_info()[0] is None:
            raise SessionError(
                f"the guard ended with code {code} before its work was done",
                hint="files that quote placeholders may not have been restored; see `safe-agent audit show last`",
            )

    def _last_word(self, guard: Forked) -> Summary | None:
        """Wait for the guard's summary, past questions that nobody can answer now; a guard that is late is ended."""
        until = time.monotonic() + _FINISH_WAIT
        while select.select([self._control], [], [], max(0.0, until - time.monotonic()))[0]:
            packet = self._heard()
            if packet == READY:
                continue  # the session ended before it waited for that
            said = from_guard(packet) if packet else None
            if not isinstance(said, Asked | Withdrawn | Notice):
                return said
        os.kill(guard.pid, signal.SIGKILL)
        return None


def _known(engine: "Engine") -> "KnownValues":
    assert engine.known is not None  # noqa: S101 (prepare made the engine with known values)
    return engine.known


def _guard(duties: GuardDuties) -> int:
    from wrapper.guard.process import serve  # noqa: PLC0415 (asyncio: 15 ms, on the other core)

    return serve(duties)


def _show_rest(child: Child) -> None:
    """Show what bubblewrap said before it gave up."""
    for source in (child.pty, child.stderr):
        if source is not None:
            with contextlib.suppress(OSError):
                os.write(2, os.read(source, 65536))


def _start_event(session: str, prepared: Prepared, view: str) -> SessionStart:
    facts = prepared.looked.facts
    shown = tuple(_redacted(word, prepared) for word in prepared.plan.command)
    plan = replace(prepared.plan, command=shown)
    return SessionStart(
        at=time.time(),
        session=session,
        user=facts.user,
        host=facts.host,
        workspace=printable(plan.workspace),
        agent=plan.client,
        agent_version=prepared.looked.program.version,
        version=VERSION,
        argv=plan.command,
        policy=plan.policy,
        plan=mask_known(plan.to_json(), prepared.engine).data.decode(),
        degraded=plan.degraded,
        view=view,
    )


def _redacted(word: str, prepared: Prepared) -> str:
    """Give an argument as the log may hold it: the user may have typed a secret."""
    data = prepared.engine.redact(os.fsencode(word), origin=Origin.OUTSIDE).data
    return printable(os.fsdecode(data))
