r"""Literal terms (code names, customers, people) as they stand in text, identifiers and JSON.

Rules of this file:
1. A blank in a term stands for whatever joins words: blanks and line ends; but for `Borders.WORD` also `_`, `-`, `.` or
   nothing at all, so that `blue falcon` is found in `blue_falcon`, `BlueFalcon` and `blue-falcon`.
2. Characters outside ASCII are found composed and decomposed (Unicode annex 15), and as JSON escapes (`\u00e9`) at any
   depth; quotes, `&`, `<`, `>` and `/` also as JSON escapes them.
3. One term costs one short literal in the database, its rarest word; what stands around a hit decides the rest.
"""

import enum
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

_ANCHOR = re.compile(r"[A-Za-z0-9]{3,}")
_ESCAPED = frozenset("\"\\/'<>&")
_BLANK = rb"[ \t\r\n]|\xc2\xa0|\\+[nrt]"
_WORD_JOINT = rb"(?:" + _BLANK + rb"){1,4}"
_PART_JOINT = rb"(?:" + _BLANK + rb"|[_.+-]|%20){0,4}"
_BEGINNING = 3  # characters: one more makes half as many triggers again
_DEPTHS = (1, 2, 4)  # backslashes of an escape in JSON, in JSON in JSON, and once more
_SLASHES = (1, 3)  # the same before a quote
_JOINT_BYTES = 24  # how long a joint gets at most, generously: escapes within escapes
_CHARACTER_BYTES = 16  # the same for a character: a surrogate pair with one backslash each has 12
# The tail of an escape sequence is no part of the word behind it: `\n`, `\u00e9`, `%20`, a colour's `m`.
_ESCAPE_TAIL = re.compile(
    rb"(?:\\[nrtbfv]|\\u(?P<unit>[0-9A-Fa-f]{4})|\\x[0-9A-Fa-f]{2}|%[0-9A-Fa-f]{2}|\[[0-9;]{0,12}m)\Z"
)
_ESCAPED_UNIT = re.compile(rb"\\{1,15}u([0-9A-Fa-f]{4})")
_LONGEST_TAIL = 14
_UTF8_BYTES = 4
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BLOB = 256  # no path or identifier has as many characters without a dot, `_` or `-`; base64 of an image has


class Borders(enum.Enum):
    """What must stand around a term: no word character, at least a part of an identifier, or anything."""

    WORD = "word"
    PART = "part"
    NONE = "none"


class Term:
    """One term; `triggers` are expressions for the database, `spans` looks around a hit of one."""

    def __init__(self, text: str, anchor: str, borders: Borders, *, ignore_case: bool) -> None:
        self.text = text
        self._borders = borders
        self._ignore_case = ignore_case
        self._is_anchor = anchor == text
        self._reach = _CHARACTER_BYTES * len(text) + _JOINT_BYTES * text.count(" ")
        self._pattern: re.Pattern[bytes] | None = None
        named = (b"(?i)" if ignore_case else b"") + anchor.encode()
        self.triggers = (named,) if anchor else tuple(_beginnings(text, ignore_case=ignore_case))

    def spans(self, data: bytes, end: int) -> Iterator[tuple[int, int]]:
        """Give where the term stands, around the offset `end` where a trigger ended."""
        if self._is_anchor:
            spans = [(end - len(self.text), end)]
        else:
            low = max(0, end - self._reach)
            spans = [found.span() for found in self._compiled().finditer(data, low, end + self._reach)]
        for start, stop in spans:
            if start < end <= stop and self._has_borders(data, start, stop) and not _in_blob(data, start, stop):
                yield start, stop

    def _compiled(self) -> re.Pattern[bytes]:
        if self._pattern is None:
            joint = _WORD_JOINT if self._borders is Borders.WORD else _PART_JOINT
            words = [_spelled(word, ignore_case=self._ignore_case) for word in self.text.split()]
            self._pattern = re.compile(joint.join(words), re.IGNORECASE if self._ignore_case else re.NOFLAG)
        return self._pattern

    def _has_borders(self, data: bytes, start: int, end: int) -> bool:
        if self._borders is Borders.NONE:
            return True
        before, behind = _before(data, start), _behind(data, end)
        if self._borders is Borders.WORD:
            return not (_in_word(before) and _in_word(self.text[0])) and not (
                _in_word(behind[:1]) and _in_word(self.text[-1])
            )
        found = _text(data[start:end])
        return _parts(before, found[:2] + behind[:1]) and _parts(found[-1:], behind)


def terms(texts: Iterable[str], borders: Borders, *, ignore_case: bool) -> list[Term]:
    """Make terms, each with its rarest word as anchor, so that a list of companies does not stop at every `GmbH`."""
    texts = [" ".join(text.split()) for text in texts]
    words = {text: _ANCHOR.findall(text) for text in texts}
    shared = Counter(word.lower() for text in texts for word in set(words[text]))
    return [Term(text, _rarest(words[text], shared), borders, ignore_case=ignore_case) for text in dict.fromkeys(texts)]


def phrases(texts: Sequence[str]) -> re.Pattern[bytes] | None:
    """Make one expression that matches any of `texts`, whatever the case; `*` stands for anything without a blank."""
    if not texts:
        return None
    spelled = (b"[^\\s\"'<>]*".join(_spelled(part, ignore_case=True) for part in text.split("*")) for text in texts)
    return re.compile(b"|".join(spelled), re.IGNORECASE)


def spelled(text: str) -> bytes:
    """Give the expression for `text` exactly, escapes of JSON included."""
    return _spelled(text, ignore_case=False)


def _rarest(words: Sequence[str], shared: Counter[str]) -> str:
    return min(words, key=lambda word: (shared[word.lower()], -len(word)), default="")


def _beginnings(text: str, *, ignore_case: bool) -> Iterator[bytes]:
    """Give how a term without an anchor may begin; alternatives in one expression would take a minute to compile."""
    begin = text.partition(" ")[0][:_BEGINNING]
    cases = {begin, begin.lower(), begin.upper(), begin.title()} if ignore_case else {begin}
    flags = b"(?i)" if ignore_case else b""
    for form in sorted({unicodedata.normalize(form, case) for form in ("NFC", "NFD") for case in cases}):
        yield flags + re.escape(form.encode())
        if not form.isascii() or not _ESCAPED.isdisjoint(form):
            yield from (b"(?i)" + _as_units(form, rb"\\" * depth) for depth in _DEPTHS)
        if not _ESCAPED.isdisjoint(form):
            yield from (flags + _with_slashes(form, rb"\\" * depth) for depth in _SLASHES)


def _as_units(text: str, slashes: bytes) -> bytes:
    units = (text.encode("utf-16-be")[at : at + 2] for at in range(0, len(text.encode("utf-16-be")), 2))
    plain = {b"\0" + bytes((byte,)) for byte in range(0x80) if chr(byte) not in _ESCAPED}
    return b"".join(re.escape(one[1:]) if one in plain else slashes + b"u" + one.hex().encode() for one in units)


def _with_slashes(text: str, slashes: bytes) -> bytes:
    return b"".join(slashes * (one in _ESCAPED) + re.escape(one.encode()) for one in text)


def _spelled(text: str, *, ignore_case: bool) -> bytes:
    return b"".join(_character(character, ignore_case=ignore_case) for character in text)


def _character(character: str, *, ignore_case: bool) -> bytes:
    if character in _ESCAPED:
        return rb"(?:\\{0,15}%b|\\{1,15}u(?i:%04x))" % (re.escape(character.encode()), ord(character))
    if character.isascii():
        return re.escape(character.encode())
    cases = {character, character.lower(), character.upper()} if ignore_case else {character}
    forms = {unicodedata.normalize(form, case) for form in ("NFC", "NFD") for case in cases}
    return b"(?:" + b"|".join(way for form in sorted(forms) for way in _ways(form)) + b")"


def _ways(text: str) -> tuple[bytes, bytes]:
    units = text.encode("utf-16-be", "surrogatepass")
    escapes = (
        re.escape(chr(unit).encode()) if unit < 0x80 else rb"\\{1,15}u(?i:%04x)" % unit
        for unit in (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    )
    return re.escape(text.encode("utf-8", "surrogatepass")), b"".join(escapes)


def _before(data: bytes, start: int) -> str:
    """Give the character before `start`; none where an escape sequence that is no character ends there."""
    if start and data[start - 1] < 0x80 and not _in_word(chr(data[start - 1])):
        return chr(data[start - 1])
    tail = _ESCAPE_TAIL.search(data, max(0, start - _LONGEST_TAIL), start)
    if tail:
        return chr(int(tail["unit"], 16)) if tail["unit"] else ""
    return data[max(0, start - _UTF8_BYTES) : start].decode("utf-8", "replace")[-1:]


def _behind(data: bytes, end: int) -> str:
    """Give up to two characters from `end` on; of an escape sequence, the one that it stands for."""
    escape = _ESCAPED_UNIT.match(data, end)
    if escape:
        return chr(int(escape[1], 16))
    return data[end : end + 2 * _UTF8_BYTES].decode("utf-8", "replace")[:2]


def _text(span: bytes) -> str:
    return span.decode("utf-8", "replace")


def _in_word(character: str) -> bool:
    return character == "_" or (character != "" and _is_spelled(character))


def _is_spelled(character: str) -> bool:
    """Tell a letter or digit of a script that puts something between words; Chinese and Thai do not."""
    return character.isalnum() and unicodedata.category(character) != "Lo"


def _parts(before: str, behind: str) -> bool:
    """Tell whether an identifier's next part begins between two texts: `_`, a digit, a capital (`HTTPFalcon`)."""
    one, other = before[-1:], behind[:1]
    if not (one and other and _is_spelled(one) and _is_spelled(other)):
        return True
    if one.isdigit() != other.isdigit():
        return True
    return other.isupper() and (one.islower() or behind[1:2].islower())


def _in_blob(data: bytes, start: int, end: int) -> bool:
    """Tell whether a span lies in encoded data, an image for one, that a placeholder would break."""
    before, behind = data[max(0, start - _BLOB) : start], data[end : end + _BLOB]
    return len(before) - len(before.rstrip(_BASE64)) + len(behind) - len(behind.lstrip(_BASE64)) >= _BLOB
