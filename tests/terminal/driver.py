"""A small wrapper for the tests: starts a command through `spawn` and `Relay` on its own descriptors 0 to 2.

usage: driver.py [--sandbox] [--mask VALUE | --known VALUE] [--log FILE] [--break-after BYTES] [--watch NAME=PID] -- COMMAND…
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from wrapper.errors import SafeAgentError
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

    def resize(self, rows: int, columns: int) -> None:
        self.line(rows=rows, columns=columns)

    def line(self, **values: object) -> None:
        if self._file is not None:
            self._file.write(json.dumps(values) + "\n")


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
        return Relay(
            child,
            redactor_for=lambda: redactor(options.mask.encode(), options.known.encode()),
            on_output=log.output,
            on_resize=log.resize,
            watched={name: os.pidfd_open(int(pid))} if name else {},
            inner_pid=agent_below(child.pid) if options.sandbox else lambda: None,
        ).run()
    except SafeAgentError as error:
        sys.stderr.write(f"safe-agent: {error.what}\nhint: {error.hint}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
