"""Which characters of a private key's text differ from key to key: by these alone a part of it may be recognised.

All keys of a format have the same headers, object identifiers and lengths (PKCS#1 and PKCS#8: RFC 8017, 5958; SEC 1:
RFC 5915; OpenSSH: PROTOCOL.key; OpenPGP: RFC 9580), those of one user the same comment or user id, JSON objects in
base64 the same names. Only what stands for random bytes counts: integers and byte strings of some size.
"""

import base64
import re
from collections.abc import Iterator

Span = tuple[int, int]

_LEAST = 16  # bytes of a field that is no version, length or identifier
_OPENSSH = b"openssh-key-v1\0"
_LINE_END = re.compile(rb"\\+[nrt]|\s+")
_GAP = rb"(?:\\+[nrt]|\s)*"
_KEY = re.compile(
    rb"(?:-----BEGIN[A-Z0-9 ]{0,64}-----)?"
    + _GAP
    + rb"(?P<encrypted>Proc-Type:"
    + _GAP
    + rb"4,ENCRYPTED"
    + _GAP
    + rb"DEK-Info:"
    + _GAP
    + rb"[A-Z0-9-]+,)?"
    rb"(?:(?:Version|Comment|Charset|Hash|MessageID):[^\n]{0,80}?(?:\n\s*|(?=[lx][A-Za-f])))*"
    rb"(?P<text>(?:[A-Za-z0-9+/]|\\+[nrt]|\s){48,})={0,2}"
    + _GAP
    + rb"(?:=[A-Za-z0-9+/]{4})?"
    + _GAP
    + rb"(?:-----END[A-Z0-9 ]{0,64}-----"
    + _GAP
    + rb")?"
)
# An OpenSSH key up to its first random byte, or only the magic of what is none.
_BEGINNING = re.compile(rb"openssh-key-v1\0(?:\0.{46}(?=.{32}))?", re.DOTALL)
# A sequence that begins with a version or another sequence: stricter than DER, for a random value is none by chance.
_DER = re.compile(rb"\x30(?:[\0-\x7f]|\x81.|\x82..|\x83...)(?:\x02\x01[\0\1]|\x30)", re.DOTALL)
_JSON_VALUE = re.compile(rb'"(?=[^"]*[0-9])([^"\\\s]{%d,})"' % _LEAST)  # a key, not a name or a sentence
_BYTES, _CONSTRUCTED, _LONG_FORM = 0x04, 0x20, 0x80  # tags of DER, and what a length begins with beyond 127 bytes
_DEEPEST = 8  # fields within fields; an encrypted key has five
_PADDED = 2  # bytes that `=` stands for
_SECRET_KEY, _SECRET_SUBKEY = 5, 7
_VERSIONS = b"\3\4\5\6"
_EXCHANGE, _CURVES = 18, (18, 19, 22)  # OpenPGP's algorithms that name a curve; ECDH has more parameters


def own_parts(value: bytes) -> list[Span] | None:
    """Give the spans of `value` that differ between keys of its format; None if it is no key of a known format."""
    shape = _KEY.fullmatch(value)
    if not shape:
        return None
    start, end = shape.span("text")
    if shape["encrypted"]:
        return [(start, end)]
    places = _places(value, start, end)
    data = base64.b64decode(bytes(value[place] for place in places[: len(places) // 4 * 4]))
    try:
        parts = list(_parts(data))
    except (ValueError, IndexError):
        parts = _behind_beginning(data)
        if not parts:
            return None
    return [(places[first], places[last - 1] + 1) for first, last in map(_characters, parts) if first < last]


def _places(value: bytes, start: int, end: int) -> list[int]:
    """Where the characters of the base64 stand, without line ends."""
    places: list[int] = []
    for gap in _LINE_END.finditer(value, start, end):
        places += range(start, gap.start())
        start = gap.end()
    return [*places, *range(start, end)]


def _characters(part: Span) -> Span:
    """Characters of base64 that depend on no other byte than these."""
    return -(-part[0] * 4 // 3), part[1] * 4 // 3


def _behind_beginning(data: bytes) -> list[Span]:
    """Give all behind what keys begin with, for a key that is cut off; nothing if it does not begin as keys do."""
    beginning = _BEGINNING.match(data)
    return [(beginning.end(), len(data))] if beginning else []


def _parts(data: bytes) -> Iterator[Span]:
    if data.startswith(_OPENSSH):
        return _of_openssh(data)
    if data.startswith(b'{"'):
        return (found.span(1) for found in _JSON_VALUE.finditer(data))
    if _DER.match(data) and _der_content(data, 1)[1] >= len(data):
        return _of_der(data, 0, len(data))
    return _of_openpgp(data)


def _of_der(data: bytes, at: int, end: int, depth: int = _DEEPEST) -> Iterator[Span]:
    """Walk over fields; an octet string that is one field again, as in PKCS#8, is walked over too.

    The last bytes may be missing, which the padding of base64 stood for; of a long key also the rest.
    """
    while at < end - 1:
        tag, (at, behind) = data[at], _der_content(data, at + 1)
        if not depth or (behind > end and data[1] < _LONG_FORM and behind - len(data) > _PADDED):
            raise ValueError("no DER")
        nested = tag == _BYTES and data[at] in (_BYTES, 0x30) and _der_content(data, at + 1)[1] == behind
        if nested or tag & _CONSTRUCTED:
            yield from _of_der(data, at, min(behind, end), depth - 1)
        elif behind - at >= _LEAST:
            yield at, min(behind, end)
        at = behind


def _der_content(data: bytes, at: int) -> Span:
    """Where the content of a field stands whose length is at `at`."""
    size = data[at]
    if size < _LONG_FORM:
        return at + 1, at + 1 + size
    octets = size & 0x7F
    return at + 1 + octets, at + 1 + octets + int.from_bytes(data[at + 1 : at + 1 + octets])


def _of_openssh(data: bytes) -> Iterator[Span]:
    """Walk over cipher, key derivation and its options, then over the public and the private part."""
    (cipher, *_, options), at = _strings(data, len(_OPENSSH), 3)
    yield from _random(data, [options])
    (public, *private), _ = _strings(data, at + 4, 2)
    yield from _random(data, _strings(data, public[0], within=public[1])[0])
    for start, end in private:
        if data[slice(*cipher)] != b"none":
            yield start, end
        else:
            yield from _random(data, _strings(data, start + 8, within=end)[0])


def _strings(data: bytes, at: int, number: int = -1, *, within: int = -1) -> tuple[list[Span], int]:
    """Give `number` strings behind their lengths, the last perhaps cut off, or those up to `within`; and their end."""
    found: list[Span] = []
    end = len(data) if within < 0 else within
    while len(found) != number and at + 4 <= end:
        following = at + 4 + int.from_bytes(data[at : at + 4])
        if following > end and within >= 0:
            break  # padding
        found.append((at + 4, min(following, end)))
        at = following
    return found, at


def _random(data: bytes, parts: list[Span]) -> Iterator[Span]:
    """Leave out names and comments."""
    return (part for part in parts if part[1] - part[0] >= _LEAST and not data[slice(*part)].isascii())


def _of_openpgp(data: bytes) -> Iterator[Span]:
    """Walk over packets; user ids and signatures are public and alike for all keys of a user."""
    at = 0
    while at < len(data):
        tag, start, end = _packet(data, at)
        if end > len(data) + 2 or (at == 0 and (tag != _SECRET_KEY or data[start] not in _VERSIONS)):
            raise ValueError("no secret key of OpenPGP")
        if tag in (_SECRET_KEY, _SECRET_SUBKEY):
            yield from _of_secret_key(data, start, min(end, len(data)))
        at = end


def _packet(data: bytes, at: int) -> tuple[int, int, int]:
    head, size = data[at], data[at + 1]
    if head & 0xC0 == 0x80:
        octets = 1 << (head & 3)
        start = at + 1 + octets
        return head >> 2 & 15, start, start + int.from_bytes(data[at + 1 : start])
    if head & 0xC0 != 0xC0 or 224 <= size < 255:
        raise ValueError("no packet of OpenPGP")
    if size < 192:
        return head & 63, at + 2, at + 2 + size
    if size < 255:
        return head & 63, at + 3, at + 3 + ((size - 192) << 8) + data[at + 2] + 192
    return head & 63, at + 6, at + 6 + int.from_bytes(data[at + 2 : at + 6])


def _of_secret_key(data: bytes, at: int, end: int) -> Iterator[Span]:
    """Skip version, time, algorithm and curve; of a key on a curve, yield the point and what stands behind it."""
    algorithm = data[at + 5]
    at += 6
    if algorithm not in _CURVES:
        yield at + 2, end
        return
    at += 1 + data[at]
    point = at + 2, at + 2 + (int.from_bytes(data[at : at + 2]) + 7) // 8
    behind = point[1] + (1 + data[point[1]] if algorithm == _EXCHANGE else 0)
    yield point
    yield behind + (4 if data[behind] else 3), end  # how it is protected, or the length of the number
