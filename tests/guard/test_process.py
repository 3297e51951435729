"""The guard as the process it is, with a real recorder beside it and a process that stands for the sandbox."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from redactors import KnownValues
from tests.audit.recording import Home, home, start_event
from tests.gateway.wire import MemorySink, engine, listening
from tests.guard.conftest import Desks
from tests.guard.duty import Desk
from tests.policy.writing import policy
from tests.view.staged import SHOWN, VALUES, VAULT, put_in_place
from wrapper import linux
from wrapper.audit import recorder
from wrapper.audit.client import RecorderClient
from wrapper.audit.events import Connection, Event, FileChange
from wrapper.audit.keys import Keys
from wrapper.audit.reader import open_session
from wrapper.guard import watcher
from wrapper.guard.messages import FINISH, Answered, Listening, Summary, encode
from wrapper.guard.process import _Tally, serve
from wrapper.guard.watcher import Ended, Overflowed, Seen
from wrapper.ports import Answer
from wrapper.processes import Forked, fork
from wrapper.view.messages import LONGEST


@dataclass
class Running:
    """A guard that runs: its process, its desk, and the sandbox that stands for one."""

    desk: Desk
    user: Home
    guard: Forked
    recorder: Forked
    sandbox: subprocess.Popen[bytes]
    said: Path
    relay: socket.socket

    def listen(self, *uses: str) -> list[int]:
        """Tell it of the sandbox and of sockets for these uses; give their ports."""
        sockets = [listening() for _ in uses]
        packet = msgspec.msgpack.encode(Listening(self.sandbox.pid, uses))
        linux.send_descriptors(self.desk.control, packet, [one.fileno() for one in sockets])
        ports = [one.getsockname()[1] for one in sockets]
        for one in sockets:
            one.close()
        return ports

    def watch_out(self) -> None:
        """Answer as the watcher when it is told to stop."""

        def last_word() -> None:
            if self.desk.changes.recv(100) == watcher.STOP:
                self.desk.say(Ended())

        threading.Thread(target=last_word, daemon=True).start()

    def summary(self) -> Summary | None:
        """Take its last word; None where it says nothing any more."""
        readable, _, _ = select.select([self.desk.control], [], [], 15)
        assert readable
        packet = self.desk.control.recv(LONGEST)
        return msgspec.msgpack.decode(packet, type=Summary) if packet else None

    def finish(self) -> Summary | None:
        self.watch_out()
        self.desk.control.send(FINISH)
        return self.summary()

    def code(self) -> int:
        return self.guard.wait()

    def log(self) -> list[Event]:
        self.relay.close()
        assert self.recorder.wait() == 0
        return list(open_session(self.user.directory(), Keys(self.user.config).load_identity()))


Start = Callable[..., Running]


@pytest.fixture
def start(desks: Desks, tmp_path: Path) -> Iterator[Start]:
    made: list[Running] = []

    def begin(*, before: Callable[[Desk], object] = lambda _: None, **more: Any) -> Running:
        desk = desks(engine=engine(VAULT, KnownValues(VAULT)), **more)
        before(desk)
        user = home(tmp_path)
        relay, theirs = socket.socketpair()
        recipients = user.keys.load_recipients()
        ends = (theirs, desk.audit)
        logging = fork(
            "test-log",
            lambda: recorder.serve(ends, user.directory(), recipients),
            keep=[one.fileno() for one in ends],
        )
        theirs.close()
        desk.audit.close()
        client = RecorderClient(relay)
        client.append_durable(start_event())
        said = tmp_path / "said"
        given = desk.duties
        keep = (given.control, given.updates, given.changes, given.audit)

        def work() -> int:
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
            return serve(given)

        guard = fork("test-guard", work, keep=[one.fileno() for one in keep])
        for one in keep:
            one.close()
        sandbox = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        made.append(Running(desk, user, guard, logging, sandbox, said, relay))
        return made[-1]

    yield begin
    for one in made:
        one.sandbox.kill()
        one.sandbox.wait()
        one.relay.close()
        for process in (one.guard, one.recorder):
            try:
                os.kill(process.pid, signal.SIGKILL)
                os.waitpid(process.pid, 0)
                os.close(process.pidfd)
            except (ProcessLookupError, ChildProcessError):
                pass


def wrote_inside(desk: Desk) -> Path:
    """Have the inside write to a covered file without anybody having told of it."""
    file = desk.work / ".env"
    put_in_place(desk.view.standing[str(file)], b"B=" + SHOWN[0])
    return file


@pytest.fixture
def covered(start: Start) -> tuple[Running, Path]:
    """A guard, and a file that waits to be restored."""
    running = start(before=lambda desk: desk.cover(VALUES[0]))
    return running, wrote_inside(running.desk)


def test_at_the_end_files_are_restored_and_what_happened_is_told(covered: tuple[Running, Path]) -> None:
    running, file = covered
    running.listen("egress")
    assert running.finish() == Summary()
    assert running.code() == 0
    assert file.read_bytes() == b"B=" + VALUES[0]
    assert [(one.path, one.action) for one in running.log() if isinstance(one, FileChange)] == [(".env", "restored")]
    assert not running.said.read_text()


def test_a_killed_session_is_an_end_like_any_other(covered: tuple[Running, Path]) -> None:
    """Promise 3."""
    running, file = covered
    running.listen("egress")
    running.watch_out()
    running.desk.control.close()
    running.desk.updates.close()
    assert running.code() == 0
    assert file.read_bytes() == b"B=" + VALUES[0]


def test_nothing_runs_inside_any_more_when_files_are_restored(covered: tuple[Running, Path]) -> None:
    """Promise 2."""
    running, _ = covered
    running.listen("egress")
    running.finish()
    assert running.sandbox.wait(5) == -signal.SIGKILL


def test_a_command_that_is_over_before_the_guard_hears_of_it_is_no_failure(start: Start) -> None:
    running = start()
    running.sandbox.kill()
    running.sandbox.wait()
    running.listen("egress")
    assert running.finish() == Summary()
    assert running.code() == 0


def test_a_failure_is_one_line_ends_the_sandbox_and_restores_the_files(covered: tuple[Running, Path]) -> None:
    """Promises 3 and 5."""
    running, file = covered
    running.listen("egress")
    begin = time.monotonic()
    running.desk.changes.close()
    assert running.code() == 1
    assert time.monotonic() - begin < 10
    assert running.said.read_text() == "safe-agent: the guard failed: the watch on the workspace ended unexpectedly\n"
    assert running.sandbox.wait(5) == -signal.SIGKILL
    assert file.read_bytes() == b"B=" + VALUES[0]
    assert running.summary() is None


def test_a_recorder_that_dies_ends_it(covered: tuple[Running, Path]) -> None:
    """Promise 4; and promise 3 still holds."""
    running, file = covered
    running.listen("egress")
    running.watch_out()
    os.kill(running.recorder.pid, signal.SIGKILL)
    assert running.code() == 1
    assert "the recorder of the audit log ended" in running.said.read_text()
    assert "Traceback" not in running.said.read_text()
    assert file.read_bytes() == b"B=" + VALUES[0]


def test_a_service_that_cannot_start_ends_the_session(start: Start) -> None:
    """Promise 5."""

    def broken() -> Any:
        raise RuntimeError("no such thing")

    running = start(gateways={"anthropic": broken})
    [port] = running.listen("anthropic")
    running.watch_out()
    with socket.create_connection(("127.0.0.1", port), 10):
        assert running.code() == 1
    assert running.said.read_text() == "safe-agent: the guard failed: RuntimeError: no such thing\n"


def test_a_host_that_policy_does_not_allow_is_refused_recorded_and_counted(start: Start) -> None:
    running = start()
    [port] = running.listen("egress")
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"CONNECT refused.example:443 HTTP/1.1\r\nHost: refused.example:443\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 403")
    summary = running.finish()
    assert summary is not None
    assert summary.refused == ("refused.example",)
    assert running.code() == 0
    [event] = [one for one in running.log() if isinstance(one, Connection)]
    assert (event.host, event.allowed, event.rule) == ("refused.example", False, "no rule allows it")


def test_the_user_is_told_of_refused_hosts_only_where_that_helps(start: Start) -> None:
    """Not of what a rule denies, nor of what the client calls by itself."""
    running = start(policy=policy(user='[network]\ndeny = ["denied.example"]'), unneeded=("own.example",))
    [port] = running.listen("egress")
    hosts = ("denied.example:443", "own.example:443", "127.0.0.1:443", "other.example:443", "other.example:8443")
    for host in hosts:
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(f"CONNECT {host} HTTP/1.1\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 403")
    summary = running.finish()
    assert summary is not None
    assert summary.refused == ("other.example", "other.example:8443")
    assert len([one for one in running.log() if isinstance(one, Connection)]) == len(hosts)


def test_what_was_refused_for_another_reason_is_not_told_as_what_the_user_can_allow() -> None:
    tally = _Tally(MemorySink(), lambda *_: True)
    for rule in ("no rule allows it", "no rule allows it, and the user said no"):
        tally.append(Connection(at=0, host="new.example", port=443, allowed=False, rule=rule))
    for rule in ("the name holds a secret", "allowed by you, but it resolves to 10.0.0.1", "no repository: `x`"):
        tally.append(Connection(at=0, host="x, `safe-agent allow evil`", port=22, allowed=False, rule=rule))
    assert list(tally.refused) == ["new.example"]


def test_a_port_of_loopback_that_policy_names_is_reached(start: Start) -> None:
    with listening() as service:
        service.settimeout(10)
        running = start()
        [port] = running.listen(str(service.getsockname()[1]))
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(b"hello")
            heard, _ = service.accept()
            with heard:
                heard.settimeout(10)
                assert heard.recv(5) == b"hello"
        assert running.finish() is not None


def test_a_summary_of_very_much_still_fits(start: Start) -> None:
    """The inside can cause any number of warnings; the session must end as it would have."""
    running = start()
    for number in range(120):
        name = f"{number}-{'x' * 3000}/.git/config"
        running.desk.say(Seen(0, name.encode(), "created"))
    running.desk.say(Overflowed(1))
    summary = running.finish()
    assert summary is not None
    assert 0 < len(summary.warnings) < 120
    assert running.code() == 0


def test_an_answer_that_nobody_waits_for_is_no_harm(start: Start) -> None:
    running = start()
    running.desk.control.send(encode(Answered(9, Answer("yes"))))
    running.listen("egress")
    running.desk.control.send(encode(Answered(9, Answer("yes"))))
    assert running.finish() == Summary()
    assert running.code() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP])
def test_the_keys_of_a_terminal_do_not_end_it(start: Start, number: signal.Signals) -> None:
    running = start()
    os.kill(running.guard.pid, number)
    running.listen("egress")
    os.kill(running.guard.pid, number)
    assert running.finish() == Summary()
