import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, recording, start_event, warned
from wrapper.audit import events
from wrapper.audit.client import RecorderClient
from wrapper.cli import audit
from wrapper.errors import SafeAgentError

pytestmark = pytest.mark.timeout(60)
_COMMAND = str(Path(sys.executable).parent / "safe-agent")


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(audit.group, ("follow", *arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


class _Follower:
    """`safe-agent audit follow` in a process of its own, its lines as they come."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [_COMMAND, "audit", "follow", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self._lines.put(line)

    def sees(self, text: str) -> str:
        """Read on until a line holds `text`."""
        while text not in (line := self._lines.get(timeout=20)):
            pass
        return line

    def ends(self) -> int:
        return self.process.wait(timeout=20)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()


@contextmanager
def _following(*arguments: str) -> Iterator[_Follower]:
    follower = _Follower(*arguments)
    try:
        yield follower
    finally:
        follower.close()


def test_it_tells_what_happens_while_it_happens_and_ends_with_the_session(user: Home) -> None:
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        client.append_durable(start_event())
        with _following() as follower:
            follower.sees("session s-1")
            follower.sees("start")
            client.append(warned("first"))
            follower.sees("first")
            client.append(events.FileChange(at=1_005.0, path="src/a.py", action="modified", by="agent"))
            follower.sees("modified src/a.py")  # though another change would belong to it
            client.append(ended(3))
            follower.sees("exit code 3")
            assert follower.process.poll() is None
            client.close()
            running.connections[0].close()
            assert follower.ends() == 0


def test_as_json_each_moment_is_a_line(user: Home) -> None:
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        client.append_durable(start_event())
        with _following("--json", "--kind", "warning") as follower:
            client.append(warned("first"))
            moment = json.loads(follower.sees("first"))
            assert (moment["kind"], moment["title"]) == ("warning", "first")
            assert list(moment) == ["frame", "at", "kind", "title", "lines", "paths", "refers"]


def test_ctrl_c_stops_it_quietly(user: Home) -> None:
    with recording(user) as running:
        RecorderClient(running.connections[0]).append_durable(start_event())
        with _following() as follower:
            follower.sees("start")
            os.kill(follower.process.pid, signal.SIGINT)
            assert follower.ends() == 130


def test_a_killed_recorder_ends_it_and_is_said(user: Home) -> None:
    with recording(user) as running:
        RecorderClient(running.connections[0]).append_durable(start_event())
        with _following() as follower:
            follower.sees("start")
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
            assert follower.ends() == 10


def test_of_a_session_that_has_ended_it_tells_all(user: Home) -> None:
    user.write(written=[start_event(), warned("told"), ended()])
    result = _run()
    assert [line.split()[2] for line in result.stdout.splitlines()[1:] if line[:8].strip()] == [
        "start",
        "warning",
        "end",
    ]
    assert result.exit_code == 0


def test_what_a_client_paints_is_left_out_unless_it_is_asked_for(user: Home) -> None:
    user.write(written=[start_event(), events.Output(at=1_001.0, stream="tty", data=b"painted\r\n"), ended()])
    assert "painted" not in _run().stdout
    assert "painted" in _run("--kind", "output").stdout


def test_its_help_has_an_example_and_the_exit_codes() -> None:
    text = _run("--help").output
    assert "Example" in text
    assert "Exit codes: 0" in text
