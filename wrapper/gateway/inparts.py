"""Secrets of the outside masked in one text that comes in parts. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from redactors.echoes import Echo
from redactors.finding import Finding

Note = Callable[[str, str, str], None]
"""Is told kind, placeholder and rule of each mask."""

_LONGEST_CHARACTER: Final = 4  # bytes of UTF-8 (RFC 3629)
_CONTINUES: Final = range(0x80, 0xC0)


class Masking:
    """Masks known values and the credentials of the request; an end that may begin one is held back.

    `credentials`: secret to placeholder; only as they stand. `echo` masks known values.
    """

    def __init__(self, credentials: Mapping[bytes, bytes], echo: Echo, note: Note) -> None:
        self._credentials = credentials
        self._echo = echo
        self._note = note
        self._held = b""  # may begin a credential
        self._cut = b""  # begins a character
        echo.on_mask = self._tell

    def feed(self, text: str) -> str:
        """Take the next part, give what may leave now."""
        data = text.encode("utf-8", "surrogatepass")
        return self._text(self._echo.feed(self._without_credentials(data)))

    def end(self) -> str:
        """Give what was held back."""
        rest, self._held = self._held, b""
        return self._text(self._echo.feed(rest) + self._echo.flush()) + self._cut.decode("utf-8", "replace")

    def _without_credentials(self, data: bytes) -> bytes:
        data = self._held + data
        border = len(data)
        for secret, placeholder in self._credentials.items():
            if secret in data:
                self._note("API-KEY", placeholder.decode(), "credential")
                data = data.replace(secret, placeholder)
                border = len(data)
        for secret in self._credentials:
            border = min(border, _open_end(data, secret))
        self._held = data[border:]
        return data[:border]

    def _text(self, data: bytes) -> str:
        """Decode whole characters; what begins one waits."""
        data = self._cut + data
        end = _end_of_characters(data)
        self._cut = data[end:]
        try:
            return data[:end].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # a mask has cut a character
            return data[:end].decode("utf-8", "replace")

    def _tell(self, found: Finding, placeholder: str) -> None:
        self._note(found.kind, placeholder, found.rule)


def _open_end(data: bytes, secret: bytes) -> int:
    """Offset of the end of `data` that may begin `secret`; its length where none may."""
    at = data.find(secret[:1], max(0, len(data) - len(secret) + 1))
    while at >= 0 and not secret.startswith(data[at:]):
        at = data.find(secret[:1], at + 1)
    return len(data) if at < 0 else at


def _end_of_characters(data: bytes) -> int:
    """Offset behind the last whole character of UTF-8."""
    if not data or data[-1] < 0x80:
        return len(data)
    first = len(data) - 1
    while first > len(data) - _LONGEST_CHARACTER and first > 0 and data[first] in _CONTINUES:
        first -= 1
    size = 2 if data[first] < 0xE0 else 3 if data[first] < 0xF0 else 4
    return first if data[first] >= 0xC0 and len(data) - first < size else len(data)
