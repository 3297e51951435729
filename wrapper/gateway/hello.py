"""The host that a client names when it begins TLS: the server name of its ClientHello (RFC 8446, RFC 6066). Pure.

Rules of this file:
1. A tunnel was opened to one host. TLS in it that names another ("domain fronting") is cut before that name leaves.
2. Bytes are held until the name is known: any split, any fragmentation over records, 16 KiB at most. A hello with
   post-quantum key shares has about 2 KiB.
3. A second ClientHello (after a HelloRetryRequest) must name the same: it is looked for among the first 64 KiB, behind
   change_cipher_spec, early data, and alerts, of which OpenSSL passes over those that are no more than warnings.
4. Where ECH is used, the name seen is the outer one. Most clients send GREASE, and the outer name is the host; one that
   has a server's keys (the server itself tells them to whoever used old ones) can name another in the inner part.
"""

from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 16 * 2**10
_WATCHED: Final = 64 * 2**10
_HANDSHAKE: Final = 22  # RFC 8446 section 5.1
_BETWEEN: Final = frozenset({20, 21, 23})  # change_cipher_spec, alert, application_data
_CLIENT_HELLO: Final = 1
_LONGEST_RECORD: Final = 2**14 + 256  # RFC 8446 section 5.2
_MOST_RECORDS: Final = (
    32  # each makes a slow reader begin again; a hello is one, or a few where it is cut up on purpose
)
_SERVER_NAME: Final = 0  # RFC 6066 section 3
_NO_NAME: Final = "names no server"


class FrontedError(Exception):
    """TLS that is not for the host of its tunnel; `named` is the host it named, where it did."""

    def __init__(self, what: str, named: str = "") -> None:
        super().__init__(what)
        self.named = named


class BrokenHelloError(ValueError):
    """Bytes that are no ClientHello."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What was read: the server's name in lower case, None where there is none, and how many bytes that took."""

    name: str | None
    size: int


def read_hello(data: bytes) -> Hello | int:
    """Read the records of a ClientHello at the beginning of `data`; an int: so many bytes are needed to go on.

    Raises BrokenHelloError, also for one of more than 16 KiB.
    """
    message, at = b"", 0
    for _ in range(_MOST_RECORDS):
        if len(data) < at + 5:
            return _bounded(at + 5)
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        if data[at] != _HANDSHAKE or data[at + 1] != 3 or not 0 < length <= 2**14:
            raise BrokenHelloError("a record is no part of a handshake")
        if len(data) < at + 5 + length:
            return _bounded(at + 5 + length)
        message += data[at + 5 : at + 5 + length]
        at += 5 + length
        if message[0] != _CLIENT_HELLO:
            raise BrokenHelloError("the handshake does not begin with a ClientHello")
        if len(message) >= 4 and len(message) >= 4 + (size := int.from_bytes(message[1:4], "big")):
            if len(message) > 4 + size:
                raise BrokenHelloError("something follows the ClientHello in its record")
            return Hello(_name(message[4:]), at)
    raise BrokenHelloError(f"it is in more than {_MOST_RECORDS} records")


def _bounded(needed: int) -> int:
    if needed > _LONGEST:
        raise BrokenHelloError(f"it is longer than {_LONGEST} bytes")
    return needed


class _Fields:
    """Reads vectors of RFC 8446's presentation language."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) < size:
            raise BrokenHelloError("it ends too early")
        self._at += size
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def vector(self, width: int) -> bytes:
        return self.take(self.number(width))


def _name(body: bytes) -> str | None:
    fields = _Fields(body)
    fields.take(2 + 32)  # version, random
    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        fields.vector(width)
    if not fields:
        return None
    extensions = _Fields(fields.vector(2))
    if fields:
        raise BrokenHelloError("something follows the extensions")
    found: dict[int, bytes] = {}
    while extensions:
        kind, content = extensions.number(2), extensions.vector(2)
        if found.setdefault(kind, content) is not content:
            raise BrokenHelloError("an extension comes twice")
    return _server(found[_SERVER_NAME]) if _SERVER_NAME in found else None


def _server(extension: bytes) -> str:
    """Give the one name of the list: a client must not name two (RFC 6066 section 3)."""
    outer = _Fields(extension)
    names = _Fields(outer.vector(2))
    kind, name = names.number(1), names.vector(2)
    if outer or names or kind or not name:
        raise BrokenHelloError("the server's name is not one host name")
    return name.decode("ascii", "backslashreplace").lower().removesuffix(".")


class Beginning:
    """What goes from the inside into a tunnel to `host`, until it is known to be for that host.

    `must`: it has to be TLS that names the host; else anything but TLS for another host passes.
    """

    def __init__(self, host: str, *, must: bool) -> None:
        self._host = host
        self._must = must
        self._held = bytearray()
        self._needed = self._skipped = self._seen = 0
        self._greeted = self.is_over = False

    def feed(self, data: bytes) -> bytes:
        """Give what may leave by now. Raises FrontedError; nothing more may leave then."""
        if self.is_over:
            return data
        self._held += data
        passed = bytearray()
        while not self.is_over and len(self._held) >= max(1, self._needed) and (size := self._judged()):
            passed += self._held[:size]
            del self._held[:size]
            self._seen += size
            self.is_over = self.is_over or self._seen > _WATCHED
        if self.is_over:
            passed += self._held
            self._held.clear()
        return bytes(passed)

    def end(self) -> bytes:
        """Give the rest: the inside says no more. Raises FrontedError where that was needed."""
        if self._must and not self._greeted and self._held:
            raise FrontedError("TLS was begun and not gone on with")
        self.is_over = True
        rest = bytes(self._held)
        self._held.clear()
        return rest

    def _judged(self) -> int:
        """Judge the next bytes; how many of them may pass, 0 where more must be seen."""
        self._needed = 0
        if self._skipped:
            size = min(self._skipped, len(self._held))
            self._skipped -= size
            return size
        if self._greeted:
            return self._next_record()
        return self._hello() if self._held[0] == _HANDSHAKE else self._other()

    def _next_record(self) -> int:
        kind, length = self._held[0], int.from_bytes(self._held[3:5], "big")
        self._needed = 6 if kind == _HANDSHAKE and length else 5
        if len(self._held) < self._needed:
            return 0
        if kind == _HANDSHAKE and length:
            if self._held[5] == _CLIENT_HELLO:
                return self._hello()
            self.is_over = True  # the server has answered the first one with its own
            return 0
        if kind not in _BETWEEN | {_HANDSHAKE} or length > _LONGEST_RECORD:
            self.is_over = True
            return 0
        self._skipped = length
        return 5

    def _other(self) -> int:
        if self._must:
            raise FrontedError("what was sent is not TLS")
        self.is_over = True
        return 0

    def _hello(self) -> int:
        try:
            found = read_hello(bytes(self._held))
        except BrokenHelloError as error:
            if self._must or self._greeted:
                raise FrontedError(f"its TLS cannot be read: {error}") from error
            return self._other()
        if isinstance(found, int):
            self._needed = found
            return 0
        if found.name != self._host and (self._must or found.name is not None):
            named = found.name or ""
            raise FrontedError(f"TLS in it names `{named}`" if named else f"TLS in it {_NO_NAME}", named)
        self._greeted = True
        return found.size
