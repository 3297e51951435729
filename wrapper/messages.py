"""How safe-agent talks: lower case, no final period, a hint after an error; talk goes to stderr, data to stdout."""

import contextlib
import sys
from collections.abc import Mapping
from typing import TextIO

from wrapper.errors import SafeAgentError


def say(text: str, *, to: TextIO | None = None) -> None:
    """Write one line of talk, in which a stranger's file names may stand; a raw terminal needs the carriage return."""
    stream = sys.stderr if to is None else to
    if stream is None:  # the caller has closed it
        return
    with contextlib.suppress(OSError):  # who reads it has gone; what is done meanwhile goes on
        stream.write(f"safe-agent: {printable(text)}" + ("\r\n" if stream.isatty() else "\n"))
        stream.flush()


def report(error: SafeAgentError) -> int:
    """Say what happened and what to do; returns the exit code."""
    say(error.what)
    for line in error.hint.splitlines():
        if sys.stderr is not None:
            with contextlib.suppress(OSError):
                sys.stderr.write(f"hint: {printable(line)}\n")
    return error.exit_code


def report_mistake() -> int:
    """Say that what is being handled was not foreseen; returns the exit code of every failure of safe-agent."""
    import traceback  # noqa: PLC0415 (rarely needed)

    traceback.print_exc()
    say("this is a mistake in safe-agent itself")
    return SafeAgentError.exit_code


def printable(text: str) -> str:
    """Write a name so that the log and a terminal can hold it: it may be no UTF-8 (PEP 383), or hold control codes."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def wants_colours(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Say whether to print in colours: on a terminal that has them, unless NO_COLOR is set to anything."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"
