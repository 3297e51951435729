"""From a text to what the index holds of it: keyed rows of lines, and keyed fingerprints of what is its own.

Pure but for numpy. 1 MB takes some 60 ms of processor.
"""

import functools
import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from redactors.idioms import WORDING, Idioms
from redactors.tokens import Flags, Places, Tokens
from wrapper.provenance import reading
from wrapper.provenance.keyed import Domain, Keyed
from wrapper.provenance.linecodes import (
    Lines,
    hidden_lines,
    line_shapes,
    plain_codes,
    read_lines,
    sketches,
    trivial_lines,
)
from wrapper.provenance.model import LINE, PRINT, Codes, Flag, Prints
from wrapper.provenance.reading import Block, Grams

__all__ = ("blob_code", "line_codes", "normalised_code", "plain_codes", "printed", "trivial")


def printed(text: bytes, keyed: Keyed, *, echo: Sequence[bool] | None = None) -> Prints:
    r"""Give the keyed rows of a text: a LINE row for each line, PRINT rows of what is its own.

    `echo`: for each line, whether it is not the text's own; lines are what stands between newlines (`\n`; a last empty
    one does not count). A fingerprint is kept if most of its tokens stand on lines that are. Raises ValueError where
    `echo` has another length.
    """
    lines = read_lines(text)
    echoes = np.zeros(lines.starts.size, np.bool_) if echo is None else np.asarray(echo, np.bool_)
    if echoes.size != lines.starts.size:
        raise ValueError(f"`echo` is of {echoes.size} lines, the text has {lines.starts.size}")
    block = reading.read((text,))
    start, end, first, last = block.runs()[0].tolist()
    rows = _line_rows(text, lines, block, keyed)
    rows["flags"] |= echoes * np.uint8(Flag.ECHO)
    echoed = echoes[_lines_of(lines, block.tokens)] if echoes.size else np.zeros(block.tokens.starts.size, np.bool_)
    shapes, words = _kept(block, keyed, echoed)
    return Prints(rows, shapes, words, end - start + last - first)


def line_codes(text: bytes, keyed: Keyed) -> Codes:
    """Give the keyed code of each line, nothing else."""
    return keyed.codes(read_lines(text).hashes, Domain.LINE)


def trivial(text: bytes) -> Flags:
    """Say of each line whether it says nothing by itself: blank, `}`, `else:`, `return self.value`."""
    lines = read_lines(text)
    tokens, of = _on_lines(lines, reading.read((text,)))
    return _trivial(lines, tokens, of)


def blob_code(data: bytes, keyed: Keyed) -> int:
    """Give the keyed code of a whole content, byte for byte."""
    return int(keyed.codes(blob_hash(data), Domain.BLOB)[0])


def blob_hash(data: bytes) -> Codes:
    """Hash a whole content, unkeyed: 64 bits of its SHA-256, which the log of a session has of written files."""
    return digest_hash(hashlib.sha256(data).digest())


def digest_hash(digest: bytes) -> Codes:
    """Give the hash of a content whose SHA-256 is known."""
    return np.frombuffer(digest[:8], np.uint64)


def normalised_code(data: bytes, keyed: Keyed) -> int:
    """Give the keyed code of a content's tokens: with other indentation, line ends or quotation marks it is the same.

    0 for contents too short to have one (less than eight tokens of code).
    """
    block = reading.read((data,))
    return int(normalised_codes(block, reading.words(block, keyed), keyed)[0])


def normalised_codes(block: Block, words: Grams, keyed: Keyed) -> Codes:
    """Do the same with all texts of a block: from the sum of keyed fingerprints, which is their multiset's hash.

    (Sums of a pseudorandom function modulo 2^64: "AdHash", Bellare and Micciancio, Eurocrypt 1997.)
    """
    runs = block.runs()
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(words.codes)))
    total = np.zeros(len(runs), np.uint64)
    for start, end in ((runs[:, 0], runs[:, 1]), (runs[:, 2], runs[:, 3])):
        behind = np.maximum(end - words.size + 1, start)
        inside = behind > start
        total[inside] += sums[behind[inside]] - sums[start[inside]]
    counted = runs[:, 1] - runs[:, 0] + ((runs[:, 3] - runs[:, 2]) << 32)
    codes = keyed.codes(total + counted.astype(np.uint64), Domain.NORMALISED)
    codes[runs[:, 1] - runs[:, 0] < words.size] = 0
    return codes


def _line_rows(text: bytes, lines: Lines, block: Block, keyed: Keyed) -> npt.NDArray[np.void]:
    tokens, of = _on_lines(lines, block)
    count = lines.starts.size
    rows = np.zeros(count, LINE)
    rows["code"] = keyed.codes(lines.hashes, Domain.LINE)
    rows["shape"] = keyed.codes(line_shapes(tokens, of, count), Domain.LINE_SHAPE)
    rows["sketch"] = sketches(tokens, of, text, keyed, count)
    rows["number"] = np.arange(count)
    rows["flags"] = _trivial(lines, tokens, of) * np.uint8(Flag.TRIVIAL)
    rows["flags"][hidden_lines(text, lines.starts)] |= Flag.HIDDEN
    return rows


def _on_lines(lines: Lines, block: Block) -> tuple[Tokens, Places]:
    """Give the tokens in the order of the text, and the line of each."""
    rows = np.flatnonzero(block.owners == 0)
    rows = rows[np.argsort(block.tokens.starts[rows], kind="stable")]
    tokens = block.tokens
    ordered = Tokens(tokens.starts[rows], tokens.ends[rows], tokens.exact[rows], rows.size)
    return ordered, _lines_of(lines, ordered)


def _lines_of(lines: Lines, tokens: Tokens) -> Places:
    return np.searchsorted(lines.starts, tokens.starts, "right") - 1


def _trivial(lines: Lines, tokens: Tokens, of: Places) -> Flags:
    wordings = idioms().own_wordings(tokens)
    own = np.zeros(of.size, np.bool_)
    own[: wordings.size] = (wordings != 0) & (of[: wordings.size] == of[WORDING - 1 :])
    return trivial_lines(tokens, of, lines.foreign, own)


def _kept(block: Block, keyed: Keyed, echoed: Flags) -> tuple[npt.NDArray[np.void], npt.NDArray[np.void]]:
    """Winnow both kinds of fingerprints; what mostly stands on echoed lines, or reaches out of the text, is worth 0."""
    echoes = np.concatenate(([0], np.cumsum(echoed)))
    inside = np.concatenate(([0], np.cumsum(block.owners < 0)))
    known = idioms()
    words = reading.words(block, keyed)
    notices = np.concatenate(([0], np.cumsum(_of_notices(words, block.owners.size))))
    kept = []
    for grams, worths, choose in (
        (reading.shapes(block, keyed), reading.worth_of_shapes, reading.kept_shapes),
        (words, reading.worth_of_words, reading.kept_words),
    ):
        size, count = grams.size, grams.codes.size
        worth = worths(block.tokens.rows(0, count + size - 1) if count else block.tokens.rows(0, 0), known)
        worth[2 * (echoes[size : size + count] - echoes[:count]) >= size] = 0
        worth[inside[size : size + count] > inside[:count]] = 0
        if size == reading.SHAPE:  # prose has none worth keeping
            worth[block.tokens.code :] = 0
            worth[2 * (notices[size : size + count] - notices[:count]) >= size] = 0
        else:
            worth[reading.are_notices(grams.hashes)] = 0
        rows = choose(grams.codes, worth)
        made = np.zeros(rows.size, PRINT)
        made["code"], made["place"] = grams.codes[rows], rows - inside[rows]
        kept.append(made)
    return kept[0], kept[1]


def _of_notices(words: Grams, count: int) -> Flags:
    """Say which tokens stand in licence notices, as in a docstring, where a notice is no comment."""
    found = reading.are_notices(words.hashes)
    borders = np.zeros(count + 1, np.int64)
    np.add.at(borders, found, 1)
    np.add.at(borders, np.minimum(found + words.size, count), -1)
    of_notices: Flags = np.cumsum(borders)[:-1] > 0
    return of_notices


@functools.cache
def idioms() -> Idioms:
    """Give the bundled idioms; read once a process (20 ms)."""
    return Idioms.bundled()
