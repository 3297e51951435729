"""Start the child: in a pseudo-terminal where the user has a terminal, on plain pipes where there is none.

Rules of this file:
1. Only descriptors named in `pass_fds` reach the child; everything else is closed or close-on-exec.
2. The child never gets a descriptor of the outside: a file handed in as stdin could be opened again for writing
   through /proc/self/fd, and the user's terminal takes typed input back (TIOCSTI). It gets the inner terminal and
   pipes of ours.
3. It never shares the user's session, so /dev/tty inside is the inner terminal or nothing.
4. What fails between fork and exec is told to the parent by a close-on-exec pipe; that child ends with 125.
"""

import enum
import os
import shutil
import signal
import termios
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from wrapper import linux
from wrapper.errors import ClientNotFoundError, SessionError
from wrapper.terminal import jobs, leader, modes, outer

_REFUSED = 125


class Stream(enum.StrEnum):
    """Which way output came; the name under which the log keeps it."""

    TTY = "tty"
    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True)
class Stdio:
    """Which of the outer descriptors 0, 1 and 2 are terminals."""

    stdin: bool
    stdout: bool
    stderr: bool

    @classmethod
    def of_process(cls) -> Self:
        """Look at this process's own descriptors; a closed one is no terminal."""
        return cls(os.isatty(0), os.isatty(1), os.isatty(2))

    @property
    def any(self) -> bool:
        """True where the child gets a pseudo-terminal at all."""
        return self.stdin or self.stdout or self.stderr

    @property
    def full(self) -> bool:
        """True for a session at the keyboard: what is typed is read from, and shown on, the terminal."""
        return self.stdin and self.stdout

    @property
    def terminals(self) -> tuple[int, ...]:
        """The outer descriptors that are terminals, stdin first."""
        return tuple(fd for fd, is_tty in enumerate((self.stdin, self.stdout, self.stderr)) if is_tty)


@dataclass(frozen=True)
class Child:
    """A started child. `pid` leads its process group; `changes` becomes readable when it stops or ends.

    `pty` is the inner terminal's master; `stdin` is the end to write, `stdout` and `stderr` the ends to read, each None
    where the child has the inner terminal (or where there is none). `next_change` reads one change, None if there is
    none; `reap` waits for its end.
    """

    pid: int
    stdio: Stdio
    pty: int | None
    stdin: int | None
    stdout: int | None
    stderr: int | None
    changes: int
    next_change: Callable[[], leader.Change | None]
    reap: Callable[[], None]

    def kill(self) -> None:
        """End the child and wait for it; for a child that no relay has taken over."""
        jobs.send_group(self.pid, signal.SIGKILL)
        self.reap()


@dataclass(frozen=True)
class _Pipes:
    """The pipes for the descriptors that are no terminals: `ours` and `theirs` by descriptor number."""

    ours: Mapping[int, int]
    theirs: Mapping[int, int]

    @classmethod
    def make(cls, numbers: Sequence[int]) -> Self:
        ours, theirs = {}, {}
        for number in numbers:
            read, write = os.pipe()
            ours[number], theirs[number] = (write, read) if number == 0 else (read, write)
            os.set_blocking(ours[number], False)
        return cls(ours, theirs)

    def close(self, *, ours: bool = False) -> None:
        for fd in [*self.theirs.values(), *(self.ours.values() if ours else ())]:
            os.close(fd)


def spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    cwd: str,
    before_exec: Callable[[], None],
    pass_fds: tuple[int, ...] = (),
    interactive: Stdio,
) -> Child:
    """Start `argv` with exactly `env`; `before_exec` runs in the forked child just before exec and may raise.

    Raises ClientNotFoundError if the program is not there, SessionError for whatever else fails before exec.
    """
    program = shutil.which(argv[0], path=env.get("PATH", os.defpath))
    if program is None:
        raise ClientNotFoundError(f"`{argv[0]}` is not installed or cannot be run", hint="see `safe-agent doctor`")
    linux.fill_standard_descriptors()
    pipes = _Pipes.make([fd for fd in range(3) if fd not in interactive.terminals])
    error_read, error_write = os.pipe()
    launch = _Launch([program, *argv[1:]], dict(env), cwd, before_exec, pass_fds, pipes, error_write)
    try:
        child = _in_terminal(launch, interactive) if interactive.any else _on_pipes(launch, interactive)
    except (OSError, ValueError) as error:
        pipes.close(ours=True)
        os.close(error_read)
        raise SessionError(f"`{argv[0]}` could not be started: {error}", hint="see `safe-agent doctor`") from error
    finally:
        os.close(error_write)
    pipes.close()
    with os.fdopen(error_read, "rb") as errors:
        text = errors.read().decode(errors="replace")
    if text:
        child.reap()
        pipes_left = (child.pty, child.stdin, child.stdout, child.stderr, child.changes)
        for fd in {fd for fd in pipes_left if fd is not None}:
            os.close(fd)
        raise SessionError(f"`{argv[0]}` could not be started: {text}", hint="see `safe-agent doctor`")
    return child


@dataclass(frozen=True)
class _Launch:
    argv: list[str]
    env: dict[str, str]
    cwd: str
    before_exec: Callable[[], None]
    pass_fds: tuple[int, ...]
    pipes: _Pipes
    error: int

    @property
    def kept(self) -> tuple[int, ...]:
        return (*self.pass_fds, *self.pipes.theirs.values(), self.error)

    def enter(self) -> None:
        """In the child, last steps before exec: descriptors, signals, folder, the caller's own steps."""
        try:
            for number, fd in self.pipes.theirs.items():
                os.dup2(fd, number)
                os.set_inheritable(fd, False)  # subprocess has made every kept descriptor inheritable
            os.set_inheritable(self.error, False)
            for fd in self.pass_fds:
                os.set_inheritable(fd, True)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores both; an ignored signal survives exec
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.chdir(self.cwd)
            self.before_exec()
            leader.die_with_parent()
        except BaseException as error:  # noqa: BLE001 - nothing may run on in a second copy of the wrapper
            os.write(self.error, (str(error) or type(error).__name__).encode()[:4096])
            os._exit(_REFUSED)


def _in_terminal(launch: _Launch, stdio: Stdio) -> Child:
    from ptyprocess import PtyProcess  # noqa: PLC0415 - only a session with a terminal pays for it

    attributes = modes.inner(termios.tcgetattr(stdio.terminals[0]), echo=stdio.full)
    size = outer.size(stdio.terminals[0])
    status_read, status_write = os.pipe()

    def enter() -> None:
        try:
            termios.tcsetattr(0, termios.TCSANOW, attributes)
            outer.resize(0, size)
            leader.lead(status_write)
        except BaseException as error:  # noqa: BLE001 - as above
            os.write(launch.error, str(error).encode()[:4096])
            os._exit(_REFUSED)
        launch.enter()

    try:
        process = PtyProcess.spawn(
            launch.argv,
            env=launch.env,
            preexec_fn=enter,
            dimensions=(size.rows, size.columns),
            pass_fds=(*launch.kept, status_write),
        )
    except BaseException:
        os.close(status_read)
        raise
    finally:
        os.close(status_write)
    master = os.dup(process.fd)
    process.fileobj.close()
    process.closed = True  # else its destructor would end the child
    outer.resize(master, size)
    os.set_blocking(master, False)
    changes = leader.Changes(status_read, process.pid)
    return Child(
        pid=changes.group,
        stdio=stdio,
        pty=master,
        stdin=launch.pipes.ours.get(0),
        stdout=launch.pipes.ours.get(1),
        stderr=launch.pipes.ours.get(2),
        changes=status_read,
        next_change=changes.next,
        reap=changes.reap,
    )


def _on_pipes(launch: _Launch, stdio: Stdio) -> Child:
    import subprocess  # noqa: PLC0415 - only a session without a terminal pays for it

    process = subprocess.Popen(
        launch.argv,
        env=launch.env,
        preexec_fn=launch.enter,  # noqa: PLW1509 - one thread runs when the child is started
        pass_fds=launch.kept,
        start_new_session=True,
    )
    changes = os.pidfd_open(process.pid)

    def next_change() -> leader.Change | None:
        code = process.poll()
        return None if code is None else leader.Ended(code if code >= 0 else 128 - code)

    return Child(
        pid=process.pid,
        stdio=stdio,
        pty=None,
        stdin=launch.pipes.ours[0],
        stdout=launch.pipes.ours[1],
        stderr=launch.pipes.ours[2],
        changes=changes,
        next_change=next_change,
        reap=lambda: (process.wait(), None)[1],
    )
