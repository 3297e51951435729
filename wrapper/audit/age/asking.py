"""Asking a person for a passphrase, or for what an age plugin wants to know; on the terminal, never on stdin."""

import os
import sys
from typing import Protocol

from wrapper.audit.format import NoKeyError
from wrapper.messages import printable, say


class NoTerminalError(NoKeyError):
    """There is nobody to ask."""


class Asking(Protocol):
    """Somebody who can be asked; each question raises NoTerminalError where nobody can answer."""

    def tell(self, text: str) -> None:
        """Show a message."""

    def secret(self, prompt: str) -> str:
        """Return what is typed, which is not shown."""

    def line(self, prompt: str) -> str:
        """Return what is typed."""


class Nobody:
    """Whom a session asks while it starts: nobody."""

    def tell(self, text: str) -> None:
        """Refuse."""
        raise _nobody(text)

    def secret(self, prompt: str) -> str:
        """Refuse."""
        raise _nobody(prompt)

    def line(self, prompt: str) -> str:
        """Refuse."""
        raise _nobody(prompt)


class Terminal:
    """The terminal that controls this process, also where stdin and stdout are pipes (tty(4))."""

    def tell(self, text: str) -> None:
        """Write to stderr: a message needs no terminal."""
        for line in text.splitlines():
            say(line, to=sys.stderr)

    def secret(self, prompt: str) -> str:
        """Ask without an echo."""
        from getpass import getpass  # noqa: PLC0415 (rarely needed)

        self._require(prompt)
        return getpass(f"{printable(prompt)}: ")

    def line(self, prompt: str) -> str:
        """Ask with an echo."""
        self._require(prompt)
        with open("/dev/tty", "r+b", buffering=0) as terminal:  # noqa: PTH123 (a device, read a line at a time)
            terminal.write(f"{printable(prompt)}: ".encode())
            answer = terminal.readline()
        return answer.decode(errors="replace").rstrip("\r\n")

    def _require(self, prompt: str) -> None:
        try:
            os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
        except OSError as error:
            raise _nobody(prompt) from error


def _nobody(prompt: str) -> NoTerminalError:
    return NoTerminalError(
        f"there is no terminal to ask for: {printable(prompt)}",
        hint="run it on a terminal, or name a key that needs no passphrase: SAFE_AGENT_AUDIT_IDENTITY=FILE",
    )
