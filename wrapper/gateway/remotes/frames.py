"""The broker's end of the talk with the stub (see `inside`): frames read within bounds, and what they say; pure."""

import re
from typing import Final

from wrapper.gateway.remotes.addresses import Asked
from wrapper.gateway.remotes.inside import HELLO, INPUT, INPUT_END, MOST

_HEAD: Final = 5  # kind and length
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_USER: Final = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63})?")
_PORT: Final = re.compile(r"(?:[1-9][0-9]{0,4})?")
_PROTOCOL: Final = re.compile(r"(?:version=[0-9])?")
_LONGEST_COMMAND: Final = 4096


class FrameError(ValueError):
    """Something that our stub does not say."""


class FrameReader:
    """Cuts bytes into frames, as they come."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._held += data

    def frame(self) -> tuple[int, bytes] | None:
        """Take the next frame; None until it is there whole. Raises FrameError."""
        if len(self._held) < _HEAD:
            return None
        kind, length = self._held[0], int.from_bytes(self._held[1:_HEAD], "big")
        if kind not in (HELLO, INPUT, INPUT_END) or length > MOST:
            raise FrameError("a frame of no kind, or too long a one")
        if len(self._held) < _HEAD + length:
            return None
        data = bytes(self._held[_HEAD : _HEAD + length])
        del self._held[: _HEAD + length]
        return kind, data


def greeting(data: bytes) -> tuple[Asked, str]:
    """Read what HELLO says: what is asked for, and git's protocol (`version=2`). Raises FrameError.

    Host, user and port are of letters that no ssh takes for options.
    """
    try:
        fields = data.decode("utf-8").split("\0")
    except UnicodeDecodeError:
        raise FrameError("words that are no UTF-8") from None
    if len(fields) != 6 or fields.pop():
        raise FrameError("not the five words")
    host, port, user, command, protocol = fields
    if not _HOST.fullmatch(host):
        raise FrameError("a host that is no name" if host else "no host")
    if not (_USER.fullmatch(user) and _PORT.fullmatch(port)):
        raise FrameError("a user or a port that is none")
    if len(command) > _LONGEST_COMMAND or not command.isprintable():
        raise FrameError("a command too long, or with control characters in it")
    return Asked(host, int(port or 0), user, command), protocol if _PROTOCOL.fullmatch(protocol) else ""
