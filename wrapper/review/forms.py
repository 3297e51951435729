"""The forms in which clients write a file's text into a request, undone: escapes, line numbers, base64; pure.

Each form is undone over the whole text, and the result is searched beside the others: what is no such form comes out as
nonsense, in which nothing is found.
"""

import base64
import binascii
import itertools
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

_DEEPEST: Final = 4  # JSON in JSON in a tool's arguments in JSON; each level doubles the backslashes
_FEW: Final = 2  # numbered lines that make a listing

_escape: Final = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL
)
_LETTERS: Final = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f"}
# as `cat -n`, `grep -n` and clients write them
_number: Final = re.compile(rb"^(?:[ \t]*\d+(?:\t|\xe2\x86\x92|:|-| ?\| ?)|L\d+: )", re.MULTILINE)
_number_of_one: Final = re.compile(rb"^[^\s:]{1,256}?(?::(?:\d+:)?|-\d+-)", re.MULTILINE)  # grep with names, -n or not
_sign: Final = re.compile(rb"^[+\- >]", re.MULTILINE)
_signed: Final = re.compile(rb"^[+>]", re.MULTILINE)
_quoted: Final = re.compile(rb"^[<>] ", re.MULTILINE)  # diff without -u; an answer to a mail
_base64: Final = re.compile(
    rb"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{44,}(?:\r?\n[A-Za-z0-9+/_-]+)*"
)  # 44 characters hold 32 bytes
_hex: Final = re.compile(rb"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}){32,}(?:\n(?:[0-9a-fA-F]{2})+)*")
_form: Final = re.compile(rb"[^\s\"'<>\\]{32,}")  # within which a blank may be written as `+`
_alternative: Final = bytes.maketrans(b"-_", b"+/")


def forms(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield `text` and what it may stand for, each with the name of the form (empty: as it is, or as JSON says it)."""
    level = text
    for depth in range(_DEEPEST + 1):
        name = "" if depth < 2 else f"escaped {depth} times"  # 1: the body itself is JSON
        yield name, level
        for plainer, result in itertools.chain(_listed(level), _encoded(level)):
            yield ", ".join(part for part in (name, plainer) if part), result
        if b"\\" not in level:
            return
        level = unescaped(level)


def unescaped(text: bytes) -> bytes:
    """Undo the escapes of JSON (RFC 8259, section 7), wherever they stand."""
    return _escape.sub(_letter, text)


def _letter(escape: re.Match[bytes]) -> bytes:
    high, low, code, letter = escape.groups()
    if letter is not None:
        return _LETTERS.get(letter, letter)
    if high is not None:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00).encode()
    return chr(int(code, 16)).encode(errors="surrogatepass")


def _listed(text: bytes) -> Iterator[tuple[str, bytes]]:
    if len(list(itertools.islice(_number.finditer(text), _FEW))) == _FEW:
        yield "with line numbers", _number.sub(b"", text)
    if len(list(itertools.islice(_number_of_one.finditer(text), _FEW))) == _FEW:
        yield "with file names", _number_of_one.sub(b"", text)
    if _quoted.search(text):
        yield "as a patch", _quoted.sub(b"", text)
    if b"\r\n" in text:
        yield "with other line ends", text.replace(b"\r\n", b"\n")
    if _signed.search(text):
        yield "as a patch", _sign.sub(b"", text)


def _encoded(text: bytes) -> Iterator[tuple[str, bytes]]:
    for run in _base64.finditer(text):
        letters = b"".join(run[0].split()).translate(_alternative)
        for shift in range(4):  # where it begins within a group of four cannot be told
            cut = letters[shift:]
            yield "in base64", base64.b64decode(cut[: len(cut) & ~3])
    for run in _hex.finditer(text):
        letters = b"".join(run[0].split())
        yield "in hexadecimal", binascii.unhexlify(letters[: len(letters) & ~1])
    if b"%" in text:
        yield "percent-encoded", unquote_to_bytes(text)
    for run in _form.finditer(text):
        if b"+" in run[0]:
            yield "percent-encoded", unquote_to_bytes(run[0].replace(b"+", b" ")).replace(b"\r\n", b"\n")
