"""Lines of a text as numbers: hashes of what stands in them, of their shape, sketches. Pure but for numpy.

A line is what stands between newlines; what follows the last newline is one if it is not empty. Blanks at both ends,
line ends of other systems, and tabs in place of single blanks make no difference.
"""

import re
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from redactors.tokens import LOW_BYTES, Flags, Places, Tokens, Wide, eight_bytes, shape, tokenise
from redactors.vault import MARK, PLACEHOLDER
from wrapper.provenance.keyed import Domain, Keyed
from wrapper.provenance.model import Codes

_GUTTER: Final = re.compile(
    rb"(?m)^(?:[^\s:]{1,200}[:-])?[ ]*[0-9]{1,7}(?:\t|\xe2\x86\x92|[:|-])"  # `12<tab>`, `  12→`, `12:`, `file.py:12:`
)
_SIGN: Final = re.compile(rb"(?m)^[+\->] ?(?=[^\n])")
_BLANKS: Final = bytes.maketrans(b"\t\r\f\v", b"    ")
_CLASS: Final = np.uint32(3)  # of a token: a mark, a keyword, a name, a number (`redactors.tokens`)
_NAME, _NUMBER, _MARK = np.uint32(2), np.uint32(3), np.uint32(0)
_SHORTEST_NAME: Final = 3  # characters; what is shorter is everybody's
_FEW_WORDS: Final = 6
_EVERYBODYS: Final = b"""
self this cls args kwargs argv argc data value values name names key keys item items list dict set map str string int
integer float double bool boolean char byte bytes object obj array index idx size len length count num number result res
ret rv out output input file path line lines text type types node next prev first last start end begin left right top
bottom width height error err exception errors msg message print println printf log console debug info warn warning
test main init new get put add pop push append remove delete update insert find open close read write run call callback
fn func method class module exports require os sys re json time math datetime logging typing Any Optional List Dict Set
Tuple Union std io fmt i32 i64 u8 u32 u64 usize f32 f64 Vec String Option Some None Ok Err Result Box impl auto size_t
uint8_t uint32_t uint64_t int32_t int64_t stdio stdlib unsigned signed long short NULL nullptr ptr buf buffer src dst
tmp temp flag flags ctx context config options opts params param arg val var expected actual assert assertEqual equal
property staticmethod classmethod override default default_ Override Object undefined then foreach forEach filter reduce
join split strip trim replace format range enumerate zip isinstance hasattr getattr setattr super wait sleep lock
unlock done todo pre div span href html body head title style script link meta src alt id className const_cast
100 200 201 204 400 401 403 404 500 255 256 1000 1024
"""


class Lines(NamedTuple):
    """Lines of a text. starts: where each begins. hashes: of their text."""

    starts: Places
    hashes: Wide
    foreign: Flags  # holds characters that are not ASCII


def read_lines(text: bytes) -> Lines:
    """Hash every line: by pieces of eight bytes from its first character that is no blank."""
    starts = _line_starts(text)
    if not starts.size:
        return Lines(starts, np.zeros(0, np.uint64), np.zeros(0, np.bool_))
    padded = text.translate(_BLANKS) + b"\n" + bytes(16 + -(len(text) + 1) % 8)
    raw = np.frombuffer(padded, np.uint8)
    ends = np.append(starts[1:], len(text))
    first, last = _without_blanks(raw[: len(text)], starts, ends)
    high = np.flatnonzero(raw[: len(text)] >= 0x80)
    foreign = np.searchsorted(high, ends) > np.searchsorted(high, starts)
    return Lines(starts, _hashed(raw.view(np.uint64), first, last - first), foreign)


def plain_codes(text: bytes) -> Codes:
    """Give an unkeyed code of each line, without the line numbers, file names and signs that tools put before it.

    For sets of lines that were seen. Never to be stored: who guesses a line can confirm the guess.
    """
    ended = text if text.endswith(b"\n") or not text else text + b"\n"  # a line that is nothing else stays one
    return read_lines(_SIGN.sub(b"", _GUTTER.sub(b"", ended))).hashes


def line_shapes(tokens: Tokens, of: Places, count: int) -> Wide:
    """Hash the tokens of every line, names abstracted within it; 0 where there are none. `of`: each token's line."""
    order = np.argsort(of, kind="stable")
    line = of[order]
    codes = shape(Tokens(tokens.starts[order], tokens.ends[order], tokens.exact[order], order.size), line).codes
    at = np.flatnonzero(np.diff(line, prepend=-1))
    place = np.arange(line.size) - np.repeat(at, np.diff(at, append=line.size))
    return _summed(_mixed(codes + (place.astype(np.uint64) << np.uint64(32))), line, at, count)


def sketches(tokens: Tokens, of: Places, text: bytes, keyed: Keyed, count: int) -> Codes:
    """Sketch every line: eight bytes, of eight keyed hashes of its words the low byte of the smallest.

    What share of bytes two sketches have in common is about the share of words that the lines have (Broder, "On the
    resemblance and containment of documents", 1997; a byte of each: Li and König, "b-Bit Minwise Hashing", WWW 2010).
    Characters that are not ASCII are words; marks count in lines that have nothing else.
    """
    at, foreign = _foreign_characters(text)
    lines = _line_starts(text)
    hashes = np.concatenate((tokens.exact.astype(np.uint64), foreign))
    line = np.concatenate((of, np.searchsorted(lines, at, "right") - 1))
    is_word = (hashes > np.uint64(0xFFFFFFFF)) | (hashes & np.uint64(3) != 0)
    worded = np.zeros(count, np.bool_)
    worded[line[is_word]] = True
    rows = np.flatnonzero(is_word | ~worded[line])
    rows = rows[np.argsort(line[rows], kind="stable")]
    return _smallest(keyed.blocks(hashes[rows], Domain.SKETCH), line[rows], count)


def trivial_lines(tokens: Tokens, of: Places, foreign: Flags, own: Flags) -> Flags:
    """Say of each line whether it says nothing by itself: no word but keywords and everybody's names, and few of them.

    `foreign`: of each line, whether it holds characters that are not ASCII. `own`: of each token, whether the wording
    that it begins is no idiom and ends on its line.
    """
    count = foreign.size
    sort = tokens.exact & _CLASS
    rare = (sort >= _NAME) & (tokens.ends - tokens.starts >= _SHORTEST_NAME)
    rare &= ~_EVERYBODYS_NAMES[tokens.exact >> np.uint32(12)]
    has_rare = np.bincount(of[rare], minlength=count) > 0
    many = np.bincount(of[sort != _MARK], minlength=count) > _FEW_WORDS
    has_own = np.bincount(of[own], minlength=count) > 0
    return ~(foreign | has_rare | (many & has_own))


def hidden_lines(text: bytes, starts: Places) -> Places:
    """Give the lines in which a placeholder stands."""
    if MARK not in text:
        return np.zeros(0, np.int64)
    found = [match.start() for match in _PLACEHOLDER.finditer(text)]
    return np.unique(np.searchsorted(starts, np.array(found, np.int64), "right") - 1)


def likeness(one: Codes, other: Codes) -> npt.NDArray[np.float64]:
    """Give the share of equal bytes of sketches: about the share of words that two lines have in common."""
    equal = one[..., None].view(np.uint8) == other[..., None].view(np.uint8)
    share: npt.NDArray[np.float64] = equal.mean(axis=-1)
    return share


def _line_starts(text: bytes) -> Places:
    raw = np.frombuffer(text, np.uint8)
    starts = np.concatenate((np.zeros(1, np.int64), np.flatnonzero(raw == 0x0A) + 1))
    return starts[starts < len(text)]


def _without_blanks(raw: npt.NDArray[np.uint8], starts: Places, ends: Places) -> tuple[Places, Places]:
    """Where each line's text begins and ends; both are its start where there is none."""
    solid = np.append(np.flatnonzero((raw != 0x20) & (raw != 0x0A)), raw.size)
    first = solid[np.searchsorted(solid, starts)]
    last = solid[np.searchsorted(solid, ends) - 1] + 1
    empty = first >= ends
    return np.where(empty, starts, first), np.where(empty, starts, last)


def _hashed(blocks: Wide, first: Places, size: Places) -> Wide:
    pieces = (size + 7) >> 3
    line = np.repeat(np.arange(size.size), pieces)
    at = np.cumsum(pieces) - pieces
    number = np.arange(line.size) - at[line]
    left = np.minimum(size[line] - (number << 3), 8)
    values = eight_bytes(blocks, first[line] + (number << 3)) & LOW_BYTES[left]
    mixed = _mixed(values + number.astype(np.uint64) * _STEP)
    return _mixed(_summed(mixed, line, at[pieces > 0], size.size) ^ size.astype(np.uint64))


def _summed(values: Wide, line: Places, at: Places, count: int) -> Wide:
    """Sum the values of each line; `at`: where each line's begin, lines without any left out."""
    sums = np.zeros(count, np.uint64)
    if at.size:
        sums[line[at]] = np.add.reduceat(values, at)
    return sums


def _smallest(blocks: Codes, line: Places, count: int) -> Codes:
    sketch = np.zeros((count, 8), np.uint8)
    if line.size:
        at = np.flatnonzero(np.diff(line, prepend=-1))
        least = np.minimum.reduceat(blocks.view(np.uint16), at, axis=0)
        sketch[line[at]] = least.astype(np.uint8)
    return sketch.view(np.uint64).reshape(-1)


def _foreign_characters(text: bytes) -> tuple[Places, Wide]:
    """Where characters stand that are not ASCII, and a number for each: its bytes, above all hashes of tokens."""
    if text.isascii():
        return np.zeros(0, np.int64), np.zeros(0, np.uint64)
    raw = np.frombuffer(text + bytes(3), np.uint8)
    at = np.flatnonzero(raw[: len(text)] >= 0xC0)
    value = np.full(at.size, 1 << 32, np.uint64)
    for place in range(4):
        byte = raw[at + place].astype(np.uint64)
        value += np.where((byte & 0xC0 == 0x80) | (place == 0), byte, 0).astype(np.uint64) << np.uint64(8 * place + 33)
    return at, value


def _mixed(values: Wide) -> Wide:
    """Mix like MurmurHash3's last step (Appleby, public domain)."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    mixed: Wide = values ^ (values >> np.uint64(33))
    return mixed


def _everybodys_names() -> Flags:
    table = np.zeros(1 << 20, np.bool_)
    table[tokenise(_EVERYBODYS).exact >> np.uint32(12)] = True
    return table


_PLACEHOLDER: Final = re.compile(PLACEHOLDER)
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_EVERYBODYS_NAMES: Final = _everybodys_names()
