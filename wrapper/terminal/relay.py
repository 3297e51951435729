"""The relay: one loop that moves bytes between the user's terminal (or pipes) and the child.

Promises:
1. Output passes the redactor and `on_output` before it is shown; what is held back is shown 20 ms after the last byte.
2. No byte is lost or reordered, however slow the user's side is; a flooding child does not keep a key waiting.
3. The terminal is given back in every case: the end, a stop (Ctrl-Z), a signal, an exception; for SIGKILL there is the
   guardian.
4. Nothing goes on when a process the session needs has died: the child is killed and SessionError raised.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Container, Iterable, Mapping
from typing import TYPE_CHECKING

from wrapper.errors import SessionError
from wrapper.ports import Answer, Question
from wrapper.terminal import jobs, leader
from wrapper.terminal.console import Console
from wrapper.terminal.feed import Feed
from wrapper.terminal.flow import GONE, Flow, Outlet, Redactor
from wrapper.terminal.pty import Child, Stream
from wrapper.terminal.signals import Signals

if TYPE_CHECKING:
    from wrapper.terminal.interlude import Questions

_TICK = 0.2  # seconds between looks at what nobody tells us: the agent's state, the inner line's settings
_GRACE = 5.0  # seconds from SIGTERM or SIGHUP to SIGKILL
_LINGER = 0.1  # seconds after the child's end, or after its last byte then, for which more is waited for
_SETTLE = 1.0  # seconds that a stuck terminal may hold up a stop or an error
_NEVER = float("inf")
_CUT_SHORT = b"\x1b\\\x0f\x1b[0m"  # ends a control string, another character set and colours cut in their middle
_BELOW = b"\r\n\x1b[J"  # a line of its own for what is said next, without the rest of a picture around it


class Relay:
    """Moves bytes until the child ends. `redactor_for` is called once per stream of output.

    `on_output(stream, data)` gets redacted bytes before they are shown; what it raises ends the session. No data says
    that nothing has come for a second, or that the stream has ended.
    `on_resize(rows, columns)` is called at the start and at each change. `on_typed(data)` gets the keys of a terminal,
    passwords left out. `watched` maps the name of each process that
    must live to its pidfd. `sources` maps a descriptor to what is called when it is readable; that returns False at the
    stream's end. `inner_pid` gives the agent's own process (not bubblewrap's, nor its PID 1: see `jobs.first_child`)
    once it is known; None says that the child stands for itself.
    """

    def __init__(  # noqa: PLR0913 - what a session joins comes together here, and only here
        self,
        child: Child,
        *,
        redactor_for: Callable[[], Redactor],
        on_output: Callable[[str, bytes], object],
        on_resize: Callable[[int, int], object] = lambda _rows, _columns: None,
        watched: Mapping[str, int] | None = None,
        sources: Mapping[int, Callable[[], object]] | None = None,
        inner_pid: Callable[[], int | None] = lambda: None,
        on_typed: Callable[[bytes], object] = lambda _data: None,
    ) -> None:
        self._child = child
        self._redactor_for = redactor_for
        self._on_output = on_output
        self._on_resize = on_resize
        self._watched = dict(watched or {})
        self._sources = dict(sources or {})
        self._inner_pid = inner_pid
        self._on_typed = on_typed
        self._signals = Signals()
        self._console: Console | None = None
        self._flows: list[Flow] = []
        self._feed: Feed | None = None  # where the child's stdin is a pipe
        self._code: int | None = None
        self._is_sandboxed = False  # known from the first signal on
        self._linger_until = self._kill_at = _NEVER
        self._poll = select.poll()
        self._polled: dict[int, int] = {}
        self._questions: Questions | None = None  # made with the first one

    def run(self) -> int:
        """Relay until the child ends; return its exit code, 128+n for a signal. To be called in the main thread.

        Raises SessionError if a watched process ends, and whatever a callback raises; the child is dead then.
        """
        with self._signals:
            try:
                self._open()
                while self._code is None or not self._finished():
                    self._turn()
                self._bring_back()
            except BaseException:
                self._kill()
                self._dismiss()
                self._bring_back(_CUT_SHORT, _BELOW)
                raise
            finally:
                self._close()
        return self._code

    # Questions to the user

    def ask(self, number: int, question: Question, answered: Callable[[Answer], object]) -> None:
        """Put a question where the child's screen is, after those that wait already; `answered` gets what came of it.

        The first of its answers, by nobody, where the terminal is not ours or the child is gone.
        """
        if self._console is None or not self._child.stdio.full or self._code is not None:
            answered(Answer(question.answers[0], by="nobody"))
            return
        if self._questions is None:
            from wrapper.terminal.interlude import Questions  # noqa: PLC0415 (most sessions ask nothing)

            self._questions = Questions(self._console, self._flows[0])
        self._questions.ask(number, question, answered)

    def withdraw(self, number: int) -> None:
        """Take a question back; it is answered by nobody."""
        if self._questions is not None:
            self._questions.withdraw(number)

    def tell(self, text: str) -> None:
        """Show a line of ours between the child's; nothing where it draws, or a question stands."""
        if self._console is None or self._code is not None or self._flows[0].paused:
            return
        if self._console.shows_lines:
            self._flows[0].inject(f"\r\nsafe-agent: {text}\r\n".encode())

    def _dismiss(self) -> None:
        """End what is asked: something else happens on the screen."""
        if self._questions is not None:
            self._questions.dismiss()

    # Opening and closing

    def _open(self) -> None:
        child = self._child
        if child.pty is not None:
            shown_on = 1 if child.stdio.stdout else 2 if child.stdio.stderr else 0
            self._flows.append(self._flow(Stream.TTY, child.pty, shown_on))
            self._console = Console(
                child, child.pty, agent=self._inner_pid, on_resize=self._on_resize, on_typed=self._on_typed
            )
            self._console.resize()
            self._console.follow()
        if child.stdout is not None:
            self._flows.append(self._flow(Stream.STDOUT, child.stdout, 1))
        if child.stderr is not None:
            self._flows.append(self._flow(Stream.STDERR, child.stderr, 2))
        if child.stdin is not None:
            self._feed = Feed(child.stdin)

    def _flow(self, stream: Stream, source: int, shown_on: int) -> Flow:
        return Flow(stream, source, Outlet(shown_on), self._redactor_for(), self._record)

    def _record(self, stream: str, data: bytes) -> None:
        if self._console is not None and stream == Stream.TTY:
            self._console.shown(data)
        self._on_output(stream, data)

    def _bring_back(self, first: bytes = b"", last: bytes = b"") -> None:
        """Undo on the user's screen what the child left on; between `first` and `last` where the screen was ours."""
        if self._console is not None and self._flows:
            screen = self._flows[0].outlet
            undo = self._console.undo
            screen.write(first + undo + last if self._console.outer.is_raw else undo)
            self._drain([screen])

    def _close(self) -> None:
        if self._console is not None:
            self._console.close()
        for flow in self._flows:
            flow.close()
        if self._feed is not None:
            self._feed.close()
        self._child.reap()
        os.close(self._child.changes)

    # One turn of the loop

    def _turn(self) -> None:
        ready = self._wait()
        self._check_watched(ready)
        if self._signals.fd in ready:
            for number in self._signals.received():
                self._on_signal(number)
        self._read_sources(ready)
        self._move_input(ready)
        for flow in self._flows:
            self._move_output(flow, ready)
        if self._questions is not None:
            self._questions.turn()
        if self._console is not None and not self._child.stdio.full and self._code is None:
            self._console.follow()
        if self._child.changes in ready and self._code is None:
            self._on_change(self._child.next_change())
        elif not ready and self._code is None and self._agent_stopped():
            self._suspend()
        if time.monotonic() > self._kill_at:
            self._kill_at = _NEVER
            self._give_up()

    def _read_sources(self, ready: Container[int]) -> None:
        for source in tuple(self._sources):
            if source in ready and self._sources[source]() is False:
                del self._sources[source]

    def _wait(self) -> dict[int, int]:
        wanted = self._interest()
        for fd in self._polled.keys() - wanted.keys():
            self._poll.unregister(fd)
        for fd, events in wanted.items():
            if self._polled.get(fd) != events:
                self._poll.register(fd, events)
        self._polled = wanted
        return dict(self._poll.poll(self._patience() * 1000))

    def _patience(self) -> float:
        """Seconds until something is due without an event."""
        due = [flow.flush_at for flow in self._flows if flow.flush_at is not None and flow.readable]
        if self._code is not None:
            due.append(self._linger_until)
        if self._questions is not None:
            due.append(self._questions.due)
        if not due:
            return _TICK
        return min(_TICK, max(0.0, min(due) - time.monotonic() + 0.0005))

    def _interest(self) -> dict[int, int]:
        wanted = {self._signals.fd: select.POLLIN}
        for fd in self._watched.values():
            wanted[fd] = select.POLLIN
        for source in self._sources:
            wanted[source] = select.POLLIN
        for flow in self._flows:
            if flow.readable:
                wanted[flow.source] = select.POLLIN
            if not flow.outlet.broken:  # without events: to learn that the reader has gone
                wanted[flow.outlet.fd] = select.POLLOUT if flow.outlet.waiting else 0
        if self._code is None:
            self._add_input(wanted)
        return wanted

    def _add_input(self, wanted: dict[int, int]) -> None:
        wanted[self._child.changes] = select.POLLIN
        if self._console is not None:
            if self._console.wants_keys or (self._questions is not None and self._questions.takes_keys):
                wanted[self._console.outer.fd] = select.POLLIN
            if self._console.keys.waiting:
                wanted[self._console.keys.fd] = select.POLLOUT
        if self._feed is not None:
            wanted.update(self._feed.interest())

    def _check_watched(self, ready: Iterable[int]) -> None:
        for name, fd in self._watched.items():
            if fd in ready:
                raise SessionError(
                    f"the {name} ended unexpectedly",
                    hint="nothing may run unprotected or unrecorded: the session was ended; start it again",
                )

    # Bytes

    def _move_input(self, ready: Mapping[int, int]) -> None:
        console = self._console
        if console is not None:
            if console.keys.fd in ready:
                console.keys.drain()
            if console.outer.fd in ready:
                gone = bool(ready[console.outer.fd] & GONE)
                if self._questions is not None and self._questions.takes_keys:
                    if self._questions.type(gone=gone):
                        self._on_signal(signal.SIGTSTP)
                else:
                    console.type(self._flows[0], gone=gone)
                if console.hung_up:
                    self._end_child(signal.SIGHUP)
        if self._feed is not None and not self._feed.move(ready):
            self._feed.close()
            self._feed = None

    def _move_output(self, flow: Flow, ready: Mapping[int, int]) -> None:
        outlet = flow.outlet
        state = ready.get(outlet.fd, 0)
        if state & GONE:
            outlet.give_up()
        elif state & select.POLLOUT:
            outlet.drain()
        if outlet.broken and flow.name != Stream.TTY:
            flow.close_source()  # the child learns of it as it would without us: SIGPIPE at its next write
        elif self._moves(flow, ready) and self._code is not None:
            self._linger_until = time.monotonic() + _LINGER

    def _moves(self, flow: Flow, ready: Mapping[int, int]) -> bool:
        """Read what is there, or let what is held back come due; tell whether anything was there."""
        if not flow.readable:
            return False
        if flow.source in ready:
            return flow.pump()
        if flow.flush_at is None or flow.source not in self._polled or time.monotonic() < flow.flush_at:
            return False  # behind an outlet that was full until now, a secret's rest may wait
        return flow.come_due()

    def _drain(self, outlets: list[Outlet], seconds: float = _SETTLE) -> None:
        """Wait, but not for ever, until what is kept has been written."""
        until = time.monotonic() + seconds
        while (waiting := [out for out in outlets if out.waiting]) and (left := until - time.monotonic()) > 0:
            poll = select.poll()
            for outlet in waiting:
                poll.register(outlet.fd, select.POLLOUT)
            if not poll.poll(left * 1000):
                return
            for outlet in waiting:
                outlet.drain()

    # The child's end

    def _on_change(self, change: leader.Change | None) -> None:
        if isinstance(change, leader.Ended):
            self._dismiss()
            self._code = change.code
            self._linger_until = time.monotonic() + _LINGER
        elif change is not None and jobs.is_stopped(self._child.pid):  # else somebody has continued it already
            self._suspend()

    def _finished(self) -> bool:
        """Tell whether all the child's last output has been shown, or nobody is there to see it."""
        late = time.monotonic() > self._linger_until
        for flow in self._flows:
            if late and flow.readable and not flow.ended:
                flow.end()
        return all(flow.outlet.broken or (flow.ended and not flow.outlet.waiting) for flow in self._flows)

    def _end_child(self, number: int) -> None:
        """Pass a signal that ends things on, and see to it that it does."""
        self._dismiss()
        self._signal_child(number)
        jobs.send_group(self._child.pid, signal.SIGCONT)  # a stopped process does not handle it
        self._kill_at = min(self._kill_at, time.monotonic() + _GRACE)

    def _give_up(self) -> None:
        """End the grace: kill the child, or leave the last output to a terminal that does not take it."""
        self._kill()
        for flow in self._flows if self._code is not None else []:
            flow.outlet.give_up()

    def _kill(self) -> None:
        if self._code is not None:  # ended already: its number may be a stranger's
            return
        agent = self._inner_pid()
        jobs.send_group(self._child.pid, signal.SIGKILL)
        if agent is not None:
            jobs.send(agent, signal.SIGKILL)

    def _signal_child(self, number: int) -> None:
        """Signal the child's foreground, sparing bubblewrap: its end would take the agent along unwarned.

        Also where the agent has just ended: bubblewrap is about to tell with which code.
        """
        self._is_sandboxed = self._is_sandboxed or self._inner_pid() is not None
        groups = {self._child.pid, self._console.group if self._console is not None else self._child.pid}
        for group in groups:
            jobs.send_within(group, number, but=self._child.pid if self._is_sandboxed else None)

    # Signals, stopping

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGWINCH and self._console is not None:
            self._console.resize()
            if self._questions is not None:
                self._questions.draw()
        elif number in {signal.SIGTERM, signal.SIGHUP}:
            self._end_child(number)
        elif number in {signal.SIGINT, signal.SIGQUIT}:
            self._signal_child(number)
        elif number == signal.SIGTSTP:
            # On pipes no leader stands above the child, and its orphaned group would ignore SIGTSTP.
            jobs.send_group(self._child.pid, signal.SIGTSTP if self._console is not None else signal.SIGSTOP)
            self._suspend()
        elif number == signal.SIGCONT:
            self._resume(was_raw=self._console is not None and self._console.outer.is_raw, is_lost=True)
            if self._questions is not None:
                self._questions.draw()

    def _agent_stopped(self) -> bool:
        agent = self._inner_pid()
        return jobs.is_stopped(self._child.pid) or (agent is not None and jobs.is_stopped(agent))

    def _suspend(self) -> None:
        """Stop as the child has: show its last words, give the terminal back, stop, and take all up again."""
        self._dismiss()
        for flow in self._flows:
            while flow.readable and flow.pump():
                pass
            flow.flush()
        self._drain([flow.outlet for flow in self._flows])
        was_raw = self._console is not None and self._console.outer.is_raw
        is_lost = False
        if self._console is not None and was_raw:
            is_lost = bool(self._console.undo)
            self._bring_back()
            self._console.outer.leave()
        self._signals.stop_here()
        self._resume(was_raw=was_raw, is_lost=is_lost)
        if self._console is not None and was_raw:
            self._flows[0].outlet.write(self._console.redo)

    def _resume(self, *, was_raw: bool, is_lost: bool) -> None:
        """Go on; a child whose screen `is_lost` hears of it, as of a new size.

        One that put the terminal back before it stopped draws by itself. Told as well, Claude Code draws twice, the
        second time over the first.
        """
        if self._console is not None:
            if was_raw:
                self._console.outer.enter()
            self._console.resize()
        agent = self._inner_pid()
        jobs.send_group(self._child.pid, signal.SIGCONT)
        if agent is not None and jobs.is_stopped(agent):  # in a group of its own
            jobs.send(agent, signal.SIGCONT)
        if self._console is not None and is_lost:
            jobs.send_group(self._console.group, signal.SIGWINCH)  # the size may be the same, the screen is not
