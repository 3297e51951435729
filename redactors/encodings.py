"""The forms in which one value may appear, and where a part of the value lies in each form.

Not found at all: a value that was compressed, encrypted, hashed or shifted (rot13), or written in another base.
What is not here on purpose: JSON escapes of quotes and backslashes at any depth, shell backslashes, line wraps and
UTF-16: they all come down to bytes that `redactors.squeeze` deletes, so the raw form finds them there. Base64 of
base64 has nine forms of its own; it is recognised by its alphabet instead (`redactors.hints`) and decoded once, and so
are lists of hex bytes with something between them (`redactors.hexbytes`).
"""

import json
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import NamedTuple

Span = tuple[int, int]


class Form(NamedTuple):
    """One way to write a value. `locate` tells where in `text` stands what stands at a span of the value."""

    name: str
    text: bytes
    locate: Callable[[Span], Span]


_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986, 2.3
_ONE_TO_ONE = bytes(_UNRESERVED - {0x7E})  # nothing escapes these; the shell expands a leading `~`
_FOR_URLS = bytes.maketrans(b"+/", b"-_")
_DROPPED = (0, 2, 3)  # characters of base64 that hold bits of the 0, 1 or 2 bytes before the value


def forms(value: bytes) -> Iterator[Form]:
    """Give every form of `value`, the raw one first, no text twice."""
    seen: set[bytes] = set()
    for form in _all_forms(value):
        if form.text not in seen:
            seen.add(form.text)
            yield form


def twice_encoded(value: bytes) -> Iterator[bytes]:
    """Give every base64 of base64 of `value`, as far as it depends on `value` alone."""
    for once in map(_own_base64, repeat(value), range(3)):
        for inner in dict.fromkeys((once, once.translate(_FOR_URLS))):
            yield from map(_own_base64, repeat(inner), range(3))


def _all_forms(value: bytes) -> Iterator[Form]:
    size = len(value)
    yield Form("raw", value, _same)
    if value.translate(None, _ONE_TO_ONE):
        yield from _escaped(value)
    yield Form("reversed", value[::-1], lambda span: (size - span[1], size - span[0]))
    yield Form("hex", value.hex().encode(), _doubled)
    yield Form("hex", value.hex().upper().encode(), _doubled)
    for before, locate in enumerate(_IN_BASE64):
        yield from _both_alphabets(Form("base64", _own_base64(value, before), locate))


def _same(span: Span) -> Span:
    return span


def _doubled(span: Span) -> Span:
    return 2 * span[0], 2 * span[1]


def _in_base64(before: int, span: Span) -> Span:
    dropped = _DROPPED[before]
    return -(-(span[0] + before) * 8 // 6) - dropped, (span[1] + before) * 8 // 6 - dropped


_IN_BASE64 = tuple(partial(_in_base64, before) for before in range(3))


def _own_base64(value: bytes, before: int) -> bytes:
    """Give the characters that depend on `value` alone, behind as many foreign bytes (modulo 3)."""
    encoded = b2a_base64(b"\0\0"[:before] + value, newline=False)
    return encoded[_DROPPED[before] : (len(value) + before) * 8 // 6]


def _both_alphabets(form: Form) -> Iterator[Form]:
    yield form
    if b"+" in form.text or b"/" in form.text:
        yield form._replace(text=form.text.translate(_FOR_URLS))


def _escaped(value: bytes) -> Iterator[Form]:
    """Forms that write one character as several; only for values with characters that anything escapes."""
    for name, escape in _escapes(value):
        yield Form(name, escape(value), partial(_in_escaped, value, escape))


def _in_escaped(value: bytes, escape: Callable[[bytes], bytes], span: Span) -> Span:
    return len(escape(value[: span[0]])), len(escape(value[: span[1]]))


def _escapes(value: bytes) -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    yield from (("url", escape) for escape in _url_escapes())
    if any(byte in b"&<>\"'" for byte in value):
        yield from (("html", _table(table)) for table in _HTML)
    if b"'" in value:
        yield from (("shell", _table([(b"'", escaped)])) for escaped in _SHELL_QUOTES)
    if _is_text(value):  # else its JSON would be what is left of it, which may be a word like any
        yield "json", _json(ascii_only=False)
        if not value.isascii():
            yield "json", _json(ascii_only=True)
    if any(byte in b"<>&" for byte in value):
        yield "json", _table(_JSON_FOR_HTML)


_SHELL_QUOTES = (b"'\"'\"'", b"'\\''", b"''")  # Python's shlex; most shells by hand; PowerShell, SQL, YAML


def _url_escapes() -> Iterator[Callable[[bytes], bytes]]:
    """Percent-encoding: with `/` left or not, a space as `+` or not, hex digits of either case."""
    for safe in (b"", b"/", b"/:@!$&'()*+,;="):
        keep = _UNRESERVED.union(safe)
        for pattern in ("%%%02X", "%%%02x"):
            plain = [bytes((byte,)) if byte in keep else (pattern % byte).encode() for byte in range(256)]
            yield lambda data, table=plain: b"".join([table[byte] for byte in data])  # type: ignore[misc]
            plus = [*plain[:32], b"+", *plain[33:]]
            yield lambda data, table=plus: b"".join([table[byte] for byte in data])  # type: ignore[misc]


_HTML: tuple[tuple[tuple[bytes, bytes], ...], ...] = (
    ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;")),
    ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;"), (b'"', b"&quot;"), (b"'", b"&#x27;")),  # Python
    ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;"), (b'"', b"&quot;"), (b"'", b"&#39;")),  # JavaScript, PHP
    ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;"), (b'"', b"&quot;"), (b"'", b"&apos;")),  # XML
    ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;"), (b'"', b"&#34;"), (b"'", b"&#39;")),  # Go
)
_JSON_FOR_HTML = ((b"&", b"\\u0026"), (b"<", b"\\u003c"), (b">", b"\\u003e"))  # Go's encoding/json by default


def _table(pairs: Iterable[tuple[bytes, bytes]]) -> Callable[[bytes], bytes]:
    table = [bytes((byte,)) for byte in range(256)]
    for plain, escaped in pairs:
        table[plain[0]] = escaped
    return lambda data: b"".join([table[byte] for byte in data])


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _json(*, ascii_only: bool) -> Callable[[bytes], bytes]:
    """Escape as `json.dumps` does; of a prefix cut inside a character only the length is used."""

    def escape(data: bytes) -> bytes:
        return json.dumps(data.decode("utf-8", "ignore"), ensure_ascii=ascii_only)[1:-1].encode()

    return escape
