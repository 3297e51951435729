r"""Source text read as tokens of no particular language, many megabytes a second, whatever wraps it.

What `tokenise` promises:
1. Plain text, and the same text inside a JSON string at any depth of escapes, give the same tokens: backslashes count
   for nothing, `\n` is a line end, `\"` a quotation mark, `\u003c` the character. What is not ASCII is a blank.
2. Blanks, indentation, the kind of quotation marks, a diff's `+` and `-`, line numbers before a tab or an arrow, and
   the marks of comments (`//`, `# `, `-- `, `/*`) give no tokens.
3. What stands in comments comes behind all other tokens, in its order. So code is contiguous without its comments, and
   code that somebody commented out is contiguous too: neither adding nor removing comment marks hides it.
4. Each token has its place in the data; of an escaped character the place is the escape's last byte.
What would break it: ASCII letters written as `\u0061`, which no JSON encoder does.

Tokens are rows of arrays: an object for each would cost ten times the rest (plain Python: 20 MB/s, this: 70).
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Places: TypeAlias = npt.NDArray[np.int64]
Codes: TypeAlias = npt.NDArray[np.uint32]
Small: TypeAlias = npt.NDArray[np.uint8]
Flags: TypeAlias = npt.NDArray[np.bool_]
Wide: TypeAlias = npt.NDArray[np.uint64]

_WORD, _MARK, _LINE, _COMMENT = 1, 2, 4, 8
_TEXT = _WORD | _MARK | _COMMENT
_CLASS, _NAME, _NUMBER = np.uint32(3), np.uint32(2), np.uint32(3)  # of a hash; 0 is a mark, 1 a keyword
_FAR = 6  # names back that a name is compared with: more cost time, and lose more at the start of a piece

# Reserved words of the usual languages that nobody can rename: `self`, `int` or `map` are names somewhere.
_KEYWORDS = """
if else elif for while do switch case default break continue return goto try catch except finally raise throw throws
def class struct enum union interface trait impl fn func function lambda var let const static final public private
protected abstract virtual extends implements import from package use mod pub crate as in is not and or new delete this
null nil None true false True False async await yield with pass global nonlocal assert del typeof instanceof void
typedef extern volatile go defer fallthrough mut unsafe export namespace define ifdef ifndef endif undef
SELECT FROM WHERE INSERT INTO UPDATE DELETE CREATE TABLE INDEX JOIN LEFT INNER OUTER ON AS AND OR NOT NULL PRIMARY KEY
REFERENCES VALUES SET ORDER BY GROUP HAVING LIMIT UNION ALL DISTINCT CASE WHEN THEN ELSE END BEGIN COMMIT RETURNS RETURN
FUNCTION DEFAULT INTEGER TEXT VARCHAR IS IN EXISTS
"""

_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Knuth, TAOCP 3, 6.4
_MIX_TOO = np.uint64(0xC2B2AE3D27D4EB4F)  # xxHash's second prime
_HIGH = np.uint64(32)


class Tokens(NamedTuple):
    """Rows of tokens: code first, an empty row between, then what stood in comments.

    `starts`, `ends`: byte offsets in the data. `exact`: hashes, words as they are; their two lowest bits tell what the
    token is (a mark, a keyword, a name, a number). `code`: how many rows are code.
    """

    starts: Places
    ends: Places
    exact: Codes
    code: int

    def rows(self, start: int, end: int) -> "Tokens":
        """Cut a run out."""
        return Tokens(self.starts[start:end], self.ends[start:end], self.exact[start:end], end - start)

    @property
    def names(self) -> Flags:
        """Which tokens are words that somebody chose."""
        names: Flags = (self.exact & _CLASS) == _NAME
        return names

    @property
    def worded(self) -> Flags:
        """Which tokens are no marks: words and numbers."""
        worded: Flags = (self.exact & _CLASS) != 0
        return worded


class Shape(NamedTuple):
    """Tokens without their names. `codes`: hashes. `digest`: the same in a byte, names as 0 to `_FAR`."""

    codes: Codes
    digest: Small


def tokenise(data: bytes) -> Tokens:
    """Read `data` as tokens. Takes about 20 bytes of memory for each byte: cut what is large before."""
    raw, kinds = _read(data)
    _mark_comments(data, raw, kinds)
    starts, word_ends = _borders(kinds)
    kind = kinds.take(starts)
    words = (kind == _WORD).nonzero()[0]
    at = starts.take(words)
    hashes = _hash_words(raw, at, word_ends)
    keyword = _KEYWORD_TABLE.take((hashes >> _KEYWORD_SHIFT).view(np.int64)) == hashes
    sort = _NAME + (raw.take(at) - np.uint8(0x30) < 10) - keyword.astype(np.uint32)
    exact = _MARK_CODES.take(raw.take(starts))
    exact[words] = ((hashes >> _HIGH).astype(np.uint32) & ~_CLASS) | sort
    ends = starts + 1
    ends[words] = word_ends
    noise = kind >= _LINE
    _drop_gutter(raw, kind, starts, ends, noise)
    return _arranged(data, Tokens(starts, ends, exact, 0), kind, noise)


def shape(tokens: Tokens, within: Places | None = None) -> Shape:
    """Abstract from names: each becomes how many names ago the same one stood, 0 if it is not among the last ones.

    So renaming changes nothing, and `a = a + b` still differs from `a = b + c` (Baker's parameterised matching, 1993,
    with a bounded memory). `within`: of each token the number of its line, to forget what stood on other lines.
    """
    rows = tokens.names.nonzero()[0]
    named = tokens.exact.take(rows)
    back = np.zeros(rows.size, np.uint8)
    for far in range(_FAR, 0, -1):
        back[far:][named[far:] == named[:-far]] = far
    if within is not None and rows.size:
        line = within[rows]
        back[line[np.arange(rows.size) - back] != line] = 0
    codes = tokens.exact.copy()
    codes[rows] = _NAME_CODES.take(back)
    digest = np.maximum((codes * np.uint32(0x9E3779B1)) >> np.uint32(24), _FAR + 1).astype(np.uint8)
    digest[rows] = back
    return Shape(codes, digest)


def outline(tokens: Tokens) -> Codes:
    """Give codes in which all names are alike, and all numbers: `1, 2, 3` is everybody's."""
    sort = tokens.exact & _CLASS
    return np.where(sort >= _NAME, sort, tokens.exact)


def wording(tokens: Tokens) -> Codes:
    """Give exact codes in which all numbers and all single letters are alike: `a, b, c` is everybody's, too."""
    sort = tokens.exact & _CLASS
    dull = (sort == _NUMBER) | ((sort == _NAME) & (tokens.ends - tokens.starts == 1))
    return np.where(dull, _NUMBER, tokens.exact)


def grams(codes: Codes, size: int) -> Codes:
    """Hash every `size` neighbouring codes, `size` a power of two; row i is of those from i on."""
    width = 1
    for factor in _FACTORS:
        if width == size:
            break
        codes = codes[:-width] * factor + codes[width:] if codes.size > width else codes[:0]
        width *= 2
    return codes ^ (codes >> np.uint32(15))


def wide_grams(codes: Codes, size: int) -> Wide:
    """Hash every `size` neighbouring codes like `grams`, to 64 bits: for tables of millions, searched in terabytes."""
    wide = codes.astype(np.uint64)
    width = 1
    for factor in _WIDE_FACTORS:
        if width == size:
            break
        wide = wide[:-width] * factor + wide[width:] if wide.size > width else wide[:0]
        width *= 2
    return wide


def nameless(digest: Small) -> Small:
    """Give a shape's digest with all names alike: for the start of a piece, whose earlier names are unknown."""
    return np.where(digest <= _FAR, np.uint8(0), digest)


def _read(data: bytes) -> tuple[Small, Small]:
    """Give the bytes, padded, and the kind of each."""
    padded = data + bytes(16 + -len(data) % 8)
    raw = np.frombuffer(padded, np.uint8)
    kinds = np.frombuffer(bytearray(padded.translate(_KINDS)), np.uint8)
    return (_unescape(raw, kinds) if b"\\" in data else raw), kinds


def _unescape(raw: Small, kinds: Small) -> Small:
    r"""Settle the kind of what follows backslashes, however many; give the bytes, `\u003c` resolved at its last."""
    at = (raw == 0x5C).nonzero()[0]
    at = at[raw.take(at + 1) != 0x5C] + 1
    act = _ESCAPES.take(raw.take(at))
    kinds[at[act == 1]] = 0
    kinds[at[act == 2]] = _LINE
    at = at[act == 3]
    if not at.size:
        return raw
    digits = [_HEX[raw[at + place]] for place in range(1, 5)]
    valid = (digits[0] | digits[1] | digits[2] | digits[3]) < 16
    at = at[valid]
    value = ((digits[0] << 12) | (digits[1] << 8) | (digits[2] << 4) | digits[3])[valid]
    for place in range(5):
        kinds[at + place] = 0
    ascii_only = value < 0x80
    last, character = at[ascii_only] + 4, value[ascii_only].astype(np.uint8)
    raw = raw.copy()
    raw[last] = character
    kinds[last] = np.frombuffer(_KINDS, np.uint8)[character]
    return raw


def _mark_comments(data: bytes, raw: Small, kinds: Small) -> None:
    """Mark where comments to the line's end begin; a mark's other characters become blanks."""
    size = len(data)
    if b"//" in data:
        at = ((raw[:size] == 0x2F) & (raw[1 : size + 1] == 0x2F)).nonzero()[0]
        at = at[raw.take(at - 1) != 0x3A]  # not of an address
        kinds[at + 1] = 0
        kinds[at] = _COMMENT
    if b"#" in data:
        at = (raw[:size] == 0x23).nonzero()[0]
        behind = _past_backslashes(raw, at + 1)
        blank = (kinds.take(behind) & _TEXT) == 0  # else `#include`, `#[derive]`, `#fff`
        kinds[at[blank | (raw[behind] == 0x23) | (raw[behind] == 0x21)]] = _COMMENT
    if b"--" in data:
        at = ((raw[:size] == 0x2D) & (raw[1 : size + 1] == 0x2D)).nonzero()[0]
        behind = _past_backslashes(raw, at + 2)
        at = at[((kinds[at - 1] | kinds[behind]) & _TEXT) == 0]  # else `n--`, `--flag`, `---`
        kinds[at + 1] = 0
        kinds[at] = _COMMENT


def _past_backslashes(raw: Small, at: Places) -> Places:
    """Where the character stands that is written at `at`, however deep it is escaped (up to 64 backslashes)."""
    for _ in range(64):
        escaped = raw.take(at) == 0x5C
        if not escaped.any():
            break
        at = at + escaped
    return at


def _borders(kinds: Small) -> tuple[Places, Places]:
    """Where tokens start, and where words end."""
    both = kinds[1:] & kinds[:-1] & _WORD
    first = np.empty(kinds.size, np.bool_)
    first[0] = kinds[0] != 0
    np.greater(kinds[1:], both, out=first[1:])
    return first.nonzero()[0], ((kinds[:-1] & _WORD) > both).nonzero()[0] + 1


def _hash_words(raw: Small, starts: Places, ends: Places) -> Wide:
    """Hash words by their first eight bytes, their last eight and their length."""
    blocks = raw.view(np.uint64)
    length = ends - starts
    hashes = (eight_bytes(blocks, starts) & LOW_BYTES.take(np.minimum(length, 8))) * _MIX
    long = (length > 8).nonzero()[0]
    if long.size:
        hashes[long] ^= (eight_bytes(blocks, ends.take(long) - 8) + length.take(long).view(np.uint64)) * _MIX_TOO
    mixed: Wide = (hashes ^ (hashes >> np.uint64(29))) * _MIX_TOO
    return mixed


def eight_bytes(blocks: Wide, at: Places) -> Wide:
    """Read eight bytes at any place, as this machine does: each row of the view begins a byte after the one before."""
    shifted: Wide = np.ndarray((8 * blocks.size - 7,), np.uint64, blocks, strides=(1,))
    return shifted[at]


def _drop_gutter(raw: Small, kind: Small, starts: Places, ends: Places, noise: Flags) -> None:
    """Drop what tools put before a line: a diff's sign, a number and what divides it from the text."""
    first = (kind[:-1] == _LINE).nonzero()[0] + 1
    if kind.size and kind[0] != _LINE:
        first = np.concatenate((_EMPTY, first))
    head = raw.take(starts.take(first))
    noise[first[(head == 0x2B) | (head == 0x2D) | (head == 0x3E)]] = True
    first = first[head - 0x30 < 10]
    if not first.size:
        return
    end = ends[first]
    place = _past_backslashes(raw, end)
    escaped, behind = place > end, raw[place]
    tab = np.where(escaped, (behind == 0x74) | (behind == 0x75), (behind == 0x09) | (behind >= 0x80))  # `\t`, an arrow
    divided = ~escaped & ((behind == 0x3A) | (behind == 0x7C))
    noise[first[tab | divided]] = True
    noise[first[divided] + 1] = True


def _arranged(data: bytes, tokens: Tokens, kind: Small, noise: Flags) -> Tokens:
    """Put code before comments, and drop noise."""
    commented = _commented(data, tokens.starts, kind)
    if commented is None:
        rows = (~noise).nonzero()[0]
        return Tokens(tokens.starts.take(rows), tokens.ends.take(rows), tokens.exact.take(rows), rows.size)
    code = (~(commented | noise)).nonzero()[0]
    rows = np.concatenate((code, _EMPTY, (commented & ~noise).nonzero()[0]))
    arranged = Tokens(tokens.starts.take(rows), tokens.ends.take(rows), tokens.exact.take(rows), code.size)
    arranged.exact[code.size] = 0
    return arranged


def _commented(data: bytes, starts: Places, kind: Small) -> Flags | None:
    opened = (kind == _COMMENT).nonzero()[0]
    blocks = np.array(tuple(_block_comments(data)), np.int64)
    if not (opened.size or blocks.size):
        return None
    commented = np.zeros(kind.size, np.bool_)
    if opened.size:
        lines = np.concatenate(((kind == _LINE).nonzero()[0], (kind.size,)))
        commented |= _within(opened, lines.take(lines.searchsorted(opened)), kind.size)
    if blocks.size:
        borders = starts.searchsorted(blocks)
        commented |= _within(borders[::2], borders[1::2], kind.size)
    return commented


def _within(first: Places, last: Places, size: int) -> Flags:
    """Mark rows from each `first` to before its `last`; both sorted. Of those that end alike the first one counts."""
    held = first < last
    held[1:] &= last[1:] != last[:-1]
    steps = np.zeros(size + 1, np.int8)
    steps[first[held]] = 1
    steps[last[held]] -= 1  # where the next one begins at once, it goes on
    within: Flags = np.add.accumulate(steps[:-1], dtype=np.int8).view(np.bool_)
    return within


def _block_comments(data: bytes) -> Iterator[int]:
    """Where comments in `/* */` begin and end, by turns; `/*` within a pattern of file names opens none."""
    at = data.find(b"/*")
    while at >= 0:
        end = data.find(b"*/", at + 2)
        if end < 0:
            return
        if not at or data[at - 1] in _BEFORE_BLOCK or data[at - 2 : at] in _LINE_BEFORE_BLOCK:
            yield at
            yield end + 2
            at = end
        at = data.find(b"/*", at + 2)


def _kinds() -> bytes:
    kinds = bytearray(256)
    for byte in range(0x21, 0x7F):
        kinds[byte] = _WORD if chr(byte).isalnum() or chr(byte) in "_$" else _MARK
    kinds[0x5C] = 0
    kinds[0x0A] = _LINE
    return bytes(kinds)


def _table(size: int, values: dict[bytes, int], other: int = 0) -> npt.NDArray[np.int64]:
    table = np.full(size, other, np.int64)
    for keys, value in values.items():
        table[list(keys)] = value
    return table


def _keyword_table() -> Wide:
    text = _KEYWORDS.encode()
    raw, kinds = _read(text)
    starts, ends = _borders(np.where(kinds == _WORD, kinds, 0).astype(np.uint8))
    hashes = _hash_words(raw, starts, ends)
    table = np.zeros(1 << 14, np.uint64)
    table[(hashes >> _KEYWORD_SHIFT).astype(np.int64)] = hashes
    return table


def _codes(count: int, first: int) -> Codes:
    return ((np.arange(first, first + count, dtype=np.uint64) * _MIX) >> _HIGH).astype(np.uint32)


_KINDS = _kinds()
_BEFORE_BLOCK = frozenset(b" \n\t(),;{}")
_LINE_BEFORE_BLOCK = (rb"\n", rb"\t", rb"\r")
_ESCAPES = _table(256, {b"btf": 1, b"nr": 2, b"u": 3})
_HEX = _table(256, {bytes((code,)): int(chr(code), 16) for code in b"0123456789abcdefABCDEF"}, 255)
LOW_BYTES = np.array([(1 << (8 * count)) - 1 for count in range(9)], np.uint64)
_MARK_CODES = _codes(256, 1) & ~_CLASS
_MARK_CODES[[0x27, 0x60]] = _MARK_CODES[0x22]  # formatters change one quotation mark for another
_NAME_CODES = _codes(_FAR + 1, 1000)
_FACTORS = tuple(np.uint32(factor) for factor in (0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F, 0x165667B1, 0x9E3779B1))
_WIDE_FACTORS = tuple(  # xxHash's primes
    np.uint64(factor)
    for factor in (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
)
_EMPTY = np.zeros(1, np.int64)
_KEYWORD_SHIFT = np.uint64(50)
_KEYWORD_TABLE = _keyword_table()
