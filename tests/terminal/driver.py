"""A small wrapper for the tests: starts a command through `spawn` and `Relay` on its own descriptors 0 to 2.

usage: driver.py [--sandbox] [--mask VALUE | --known VALUE] [--log FILE] [--break-after BYTES] [--watch NAME=PID] [--ask SOCKET]
    -- COMMAND…
"""

import argparse
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from wrapper.errors import SafeAgentError
from wrapper.ports import Answer, Question
from wrapper.terminal import jobs
from wrapper.terminal.flow import Redactor
from wrapper.terminal.pty import Stdio, spawn
from wrapper.terminal.relay import Relay

BWRAP = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "--die-with-parent"]


class Mask:
    """The tests' own redactor: replaces one value, holds back what may be its beginning."""

    def __init__(self, value: bytes) -> None:
        self._value = value
        self._held = b""

    @property
    def held(self) -> bool:
        return bool(self._held)

    def feed(self, data: bytes) -> bytes:
        if not self._value:
            return data
        data = (self._held + data).replace(self._value, b"MASKED")
        keep = next((n for n in range(len(self._value) - 1, 0, -1) if data.endswith(self._value[:n])), 0)
        self._held = data[len(data) - keep :]
        return data[: len(data) - keep]

    def flush(self) -> bytes:
        data, self._held = self._held, b""
        return data


class Log:
    """Keeps what `on_output` and `on_resize` got, as JSON lines; breaks after some bytes if told to."""

    def __init__(self, path: str, break_after: int | None) -> None:
        self._file = Path(path).open("w", buffering=1) if path else None  # noqa: SIM115 - open as long as the process
        self._left = break_after

    def output(self, stream: str, data: bytes) -> None:
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise OSError(28, "no space left in the test's log")
        self.line(at=time.time(), stream=stream, data=data.decode("latin-1"))

    def typed(self, data: bytes) -> None:
        self.line(typed=data.decode("latin-1"))

    def resize(self, rows: int, columns: int) -> None:
        self.line(rows=rows, columns=columns)

    def line(self, **values: object) -> None:
        if self._file is not None:
            self._file.write(json.dumps(values) + "\n")


class Asked:
    """Takes questions from the socket at `path`, as the session takes them from the guard, and sends the answers."""

    def __init__(self, path: str) -> None:
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if path:
            self._line.connect(path)
        self.relay: Relay | None = None

    @property
    def sources(self) -> dict[int, Callable[[], object]]:
        return {self._line.fileno(): self._next}

    def _next(self) -> bool:
        packet = self._line.recv(1 << 16)
        if not packet:
            return False
        number, question = json.loads(packet)
        assert self.relay is not None
        if question is None:
            self.relay.withdraw(number)
        else:
            asked = msgspec.convert(question, Question)
            self.relay.ask(number, asked, lambda answer: self._answer(number, answer))
        return True

    def _answer(self, number: int, answer: Answer) -> None:
        self._line.send(json.dumps([number, answer.choice, answer.reason, answer.by]).encode())


def redactor(mask: bytes, known: bytes) -> Redactor:
    if not known:
        return Mask(mask)
    from redactors.known import KnownValues
    from redactors.stream import StreamRedactor
    from redactors.vault import Origin, Vault

    vault = Vault(bytes(32))
    values = KnownValues(vault)
    assert values.add("TEST", known, Origin.OUTSIDE)
    return StreamRedactor(values, vault)


def agent_below(bwrap: int) -> Callable[[], int | None]:
    def agent() -> int | None:
        init = jobs.first_child(bwrap)
        return None if init is None else jobs.first_child(init)

    return agent


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sandbox", action="store_true")
    parser.add_argument("--mask", default="")
    parser.add_argument("--known", default="", help="mask this value with the real redactor")
    parser.add_argument("--log", default="")
    parser.add_argument("--pid", default="", help="write `wrapper child` process numbers to this file")
    parser.add_argument("--break-after", type=int)
    parser.add_argument("--watch", default="")
    parser.add_argument("--typed", action="store_true", help="log what is typed, too")
    parser.add_argument("--ask", default="", help="take questions from this socket")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    log = Log(options.log, options.break_after)
    name, _, pid = options.watch.partition("=")
    try:
        child = spawn(
            [*BWRAP, "--", *options.command] if options.sandbox else options.command,
            {"PATH": os.environ["PATH"], "TERM": "xterm", "HOME": os.environ["HOME"]},
            cwd="/",
            before_exec=lambda: None,
            interactive=Stdio.of_process(),
        )
        if options.pid:
            Path(options.pid).write_text(f"{os.getpid()} {child.pid}")
        asked = Asked(options.ask)
        relay = asked.relay = Relay(
            child,
            redactor_for=lambda: redactor(options.mask.encode(), options.known.encode()),
            on_output=log.output,
            on_resize=log.resize,
            watched={name: os.pidfd_open(int(pid))} if name else {},
            inner_pid=agent_below(child.pid) if options.sandbox else lambda: None,
            sources=asked.sources if options.ask else {},
            on_typed=log.typed if options.typed else lambda _data: None,
        )
        return relay.run()
    except SafeAgentError as error:
        sys.stderr.write(f"safe-agent: {error.what}\nhint: {error.hint}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
