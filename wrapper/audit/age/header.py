"""The header of an age v1 file: recipient stanzas and a MAC (https://c2sp.org/age, "Header"); pure.

A header has one spelling only: base64 is canonical and without padding, lines break at 64 columns. Plugins talk in
stanzas of the same form.
"""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from wrapper.audit.age.faults import HeaderError

INTRO: Final = b"age-encryption.org/v1"

_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]*")
_ARGUMENT: Final = re.compile(rb"[\x21-\x7e]+")
_COLUMNS: Final = 64
_MAC: Final = 32


class Stanza(NamedTuple):
    """Arguments, the first of which is the type, and a body."""

    arguments: tuple[bytes, ...]
    body: bytes = b""

    @property
    def type(self) -> bytes:
        """Who can read it."""
        return self.arguments[0]


class Header(NamedTuple):
    """The stanzas, the bytes under the MAC, the MAC, and where the payload begins."""

    stanzas: tuple[Stanza, ...]
    authenticated: bytes
    mac: bytes
    end: int


def parse(data: bytes) -> Header:
    """Split an age file. Raises HeaderError."""
    lines = _Lines(data)
    if lines.next() != INTRO:
        raise HeaderError("it is not an age v1 file")
    stanzas: list[Stanza] = []
    while not (line := lines.next()).startswith(b"---"):
        stanzas.append(read_stanza(line, lines.next))
    if not stanzas:
        raise HeaderError("it has no recipient")
    mac = decode64(line[4:])
    if not line.startswith(b"--- ") or len(mac) != _MAC:
        raise HeaderError("its header has no MAC")
    return Header(tuple(stanzas), data[: lines.start + 3], mac, lines.position)


def write(stanzas: Sequence[Stanza]) -> bytes:
    """Return the bytes that come under the MAC."""
    return INTRO + b"\n" + b"".join(map(write_stanza, stanzas)) + b"---"


def write_stanza(stanza: Stanza) -> bytes:
    """Return a stanza as it stands in a file or goes to a plugin."""
    text = encode64(stanza.body)
    lines = [text[start : start + _COLUMNS] for start in range(0, len(text) + 1, _COLUMNS)]
    return b"-> " + b" ".join(stanza.arguments) + b"\n" + b"\n".join(lines) + b"\n"


def read_stanza(first: bytes, next_line: Callable[[], bytes]) -> Stanza:
    """Read a stanza whose first line is known; lines are without their line feed. Raises HeaderError."""
    arguments = tuple(first[3:].split(b" "))
    if not first.startswith(b"-> ") or not all(map(_ARGUMENT.fullmatch, arguments)):
        raise HeaderError("a recipient cannot be read")
    body = []
    while True:
        line = next_line()
        if len(line) > _COLUMNS:
            raise HeaderError("a line of its header is too long")
        body.append(line)
        if len(line) < _COLUMNS:  # a full line is always followed by a shorter one, if need be an empty one
            return Stanza(arguments, decode64(b"".join(body)))


def encode64(data: bytes) -> bytes:
    """Write base64 without padding."""
    return base64.b64encode(data).rstrip(b"=")


def decode64(text: bytes) -> bytes:
    """Decode base64 without padding; only the canonical form. Raises HeaderError."""
    if not _BASE64.fullmatch(text):
        raise HeaderError("its header holds what is not base64")
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise HeaderError("its header holds what is not base64") from error
    if encode64(data) != text:
        raise HeaderError("its header holds base64 that is not canonical")
    return data


class _Lines:
    """Goes through the lines of `data`; `start` is where the last one began, `position` where the next one does."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.start = self.position = 0

    def next(self) -> bytes:
        end = self._data.find(b"\n", self.position)
        if end < 0:
            raise HeaderError("it ends inside its header")
        self.start, self.position = self.position, end + 1
        return self._data[self.start : end]
