"""How well denied code is recognised: `python bench/fingerprint.py DENIED UNRELATED…`. Folders of source text.

Recall: from files beneath DENIED, pieces of 40, 50 and 60 tokens are cut out at random, changed, put into a JSON body
between sentences, and searched for; a piece counts as found when findings cover half of it. `own renamed` changes the
names that few others use, as who must keep the code working does; `half renamed` every second name everywhere;
`renamed` all, also those of libraries and of the language. What is missed then is told by the bits that pieces hold:
those with fewer than 20 are alike everywhere, as far as anybody has learned.

False runs: findings in the files beneath the UNRELATED folders, file by file. What both sides really have copied from
one another is told apart without any score of ours: half of a copy's tokens stand, names and all, in stretches of
twelve that the known file has too, comments aside. Look at the rest with `--show`. Two halves of the folders are told
apart: what a threshold was chosen on says nothing of how it does. Speed: process time of the same pass, and of
`bytes.count` over it.

`--amounts`: the same with parts of DENIED, the mean of up to four each: the more is known, the more runs resemble some
of it by chance, and the more bits a run must hold. `--curve`: recall and false runs by the bits that a run must hold.

`python bench/fingerprint.py --learn FILE FOLDER…` writes the set of idioms that `redactors` bundles (`idioms.bits`),
`--learn-surprisal FILE` how surprising tokens are (`surprisal.bits`; 10 bytes of memory for each byte of code).
Judge them only by text that was not learned: `--half` learns every second folder, and measures on the others.
"""

import argparse
import collections
import functools
import hashlib
import itertools
import json
import random
import re
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from redactors.alignment import evidence, repeated
from redactors.finding import Finding
from redactors.fingerprint import DRIFT, SHORTEST, Fingerprints
from redactors.idioms import OUTLINE, WORDING, Idioms, neighbours
from redactors.surprisal import (
    LEVELS,
    NAME_ORDERS,
    NAMELESS_ORDERS,
    ORDERS,
    UNIT,
    UNKNOWN,
    Contexts,
    Surprisal,
    contexts,
    familiar,
    learn,
    name_contexts,
    name_hashes,
    nameless_contexts,
)
from redactors.tokens import Codes, Places, Small, Tokens, Wide, outline, shape, tokenise, wording

_SUFFIXES = frozenset("py pyi js mjs cjs jsx ts mts cts tsx go rs c cc cpp h hpp java sql yaml yml".split(" "))  # noqa: SIM905 (reads best)
_LARGEST = 1_000_000
_SIZES = (40, 50, 60)
_PIECES = 2  # of each size from a file
_HASH_COMMENTS = frozenset((".py", ".pyi", ".yaml", ".yml"))
_OUTLINE_FILES, _WORDING_FILES = 20, 48  # an idiom stands in so many
_LOST = np.uint32(6)  # bits of a hash that counting does without
_TOGETHER_FILES, _APART_FILES = 24, 10  # a context that is kept stands in so many
_COUNTED = np.uint64(64 - 27)  # bits of its hash that counting does without
_SMALL = (1000, 2000, 5000, 10000, 20000)  # bytes
_STRETCH = 12  # tokens that are no chance, names and all
_CURVE = (20, 26, 32, 38, 44, 48, 52, 56)
_BITS = (10, 20, 30, 40, 52, 65)
_AMOUNTS, _SAMPLES = (1, 4, 16, 64), 4  # parts of what is known
_RENAMED = ("own renamed", "half renamed", "renamed")
_COLUMNS = (
    "".join(f"{change + ' ' + str(size):>18}" for change in _RENAMED for size in (40, 60)) + "   false runs/100 MB"
)
_NAME_FILES = 8  # a name that everybody uses stands in so many
_LINE_COMMENT = {
    "#": re.compile(r"(?m)(?:^|(?<=\s))# .*$"),
    "--": re.compile(r"(?m)--.*$"),
    "//": re.compile(r"(?m)(?<!:)//.*$|/\*.*?\*/"),
}
_EVERYBODYS = b"""
    'Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec', 'Jan', 'January', 'February',
    'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December', 'January', 'Mon',
    'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed', 'Monday', 'Tuesday', 'Wednesday', 'Thursday',
    'Friday', 'Saturday', 'Sunday', 'Monday', 'Tuesday', 'Wednesday'
"""  # in fewer files than counts, but no secret of anybody


def sources(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give name and content of every text of code beneath a folder, links and very large files left out."""
    for path in sorted(folder.rglob("*")):
        if path.suffix[1:] in _SUFFIXES and path.is_file() and not path.is_symlink() and ".min." not in path.name:
            text = path.read_bytes()
            if len(text) <= _LARGEST and b"\0" not in text:
                yield str(path), text


def renamed(text: bytes, _mark: str, chance: random.Random) -> bytes:
    """Give every name another one."""
    return with_names(text, chance, 1)


def half_renamed(text: bytes, _mark: str, chance: random.Random) -> bytes:
    """Give every second name another one."""
    return with_names(text, chance, 0.5)


def with_names(text: bytes, chance: random.Random, share: float, but: Surprisal | None = None) -> bytes:
    """Give a share of the names another one each, wherever they stand. `but`: not to those that it knows."""
    tokens = tokenise(text)
    parts, done, names = [], 0, dict[bytes, bytes]()
    renamable = tokens.names if but is None else but.rare(tokens)
    columns = (column[: tokens.code].tolist() for column in (tokens.starts, tokens.ends, renamable))
    for start, end, is_name in zip(*columns, strict=True):
        if is_name:
            name = text[start:end]
            other = f"{chance.choice('qxzw')}{len(names)}{chance.choice('_abcd')}".encode()
            other = names.setdefault(name, other if chance.random() <= share else name)
            parts += [text[done:start], other]
            done = end
    return b"".join((*parts, text[done:]))


def own_renamed(text: bytes, _mark: str, chance: random.Random) -> bytes:
    """Give every name that few others use another one."""
    return with_names(text, chance, 1, _learned())


_learned = functools.cache(Surprisal.bundled)


def indented(text: bytes, _mark: str, chance: random.Random) -> bytes:
    """Change every line's indentation."""
    return b"\n".join(chance.choice((b"\t", b"  ", b"        ")) + line.lstrip() for line in text.split(b"\n"))


def uncommented(text: bytes, mark: str, _chance: random.Random) -> bytes:
    """Take comments to the line's end out."""
    return _LINE_COMMENT.get(mark, _LINE_COMMENT["//"]).sub("", text.decode("utf-8", "replace")).encode()


def commented(text: bytes, mark: str, chance: random.Random) -> bytes:
    """Put a comment of some words behind every third line."""
    note = f"  {mark} see the note above, it matters {chance.random()}".encode()
    return b"\n".join(line + note * (chance.random() < 1 / 3) for line in text.split(b"\n"))


def minified(text: bytes, mark: str, chance: random.Random) -> bytes:
    """Make every run of blanks one blank, and lines one line where the language allows it."""
    text = uncommented(text, mark, chance) if mark != "#" else text
    return re.sub(rb"[ \t]+" if mark == "#" else rb"\s+", b" ", text)


def unchanged(text: bytes, _mark: str, _chance: random.Random) -> bytes:
    """Leave it as it is."""
    return text


def everything(text: bytes, mark: str, chance: random.Random) -> bytes:
    """Rename, change comments and indentation."""
    return commented(indented(renamed(uncommented(text, mark, chance), mark, chance), mark, chance), mark, chance)


_CHANGES: dict[str, tuple[Callable[[bytes, str, random.Random], bytes], int]] = {
    "as it is, plain": (unchanged, 0),
    "in JSON": (unchanged, 1),
    "in JSON twice": (unchanged, 2),
    "indented": (indented, 1),
    "comments out": (uncommented, 1),
    "comments in": (commented, 1),
    "blanks minified": (minified, 1),
    "own renamed": (own_renamed, 1),
    "half renamed": (half_renamed, 1),
    "renamed": (renamed, 1),
    "all of it, twice": (everything, 2),
}


def wrapped(piece: bytes, depth: int) -> tuple[bytes, int, int]:
    """Put a piece between sentences, in a body; where it stands there."""
    text = piece.decode("utf-8", "replace")
    before, behind = "Have a look at this, please:\n\n", "\n\nWhat do you think of it? I am not sure.\n"
    for level in range(depth):
        text, before, behind = (json.dumps(part)[1:-1] for part in (text, before, behind))
        before, behind = '{"content": "' + before, behind + f'", "depth": {level}' + "}"
    return (before + text + behind).encode(), len(before.encode()), len((before + text).encode())


def recall(files: list[tuple[str, bytes]], known: Fingerprints) -> None:
    """Print what share of pieces is found, by change and size."""
    found: dict[tuple[str, int], list[bool]] = collections.defaultdict(list)
    for change, size, body, start, end in changed(files, tuple(_CHANGES)):
        found[change, size].append(is_found(known, body, start, end))
    print(f"{'recall of pieces':20}" + "".join(f"{size:>8} tokens" for size in _SIZES))
    for change in _CHANGES:
        print(f"  {change:18}" + "".join(f"{statistics.mean(found[change, size]):>14.1%} " for size in _SIZES))


def changed(files: list[tuple[str, bytes]], changes: tuple[str, ...]) -> Iterator[tuple[str, int, bytes, int, int]]:
    """Cut pieces out at random; give change, size, a body, and where in it the changed piece stands."""
    chance = random.Random(1)  # noqa: S311 (a sample)
    for name, text in files:
        mark = "#" if Path(name).suffix in _HASH_COMMENTS else "--" if name.endswith(".sql") else "//"
        tokens = tokenise(text)
        for size in _SIZES * _PIECES:
            if tokens.code < 2 * size:
                continue
            row = chance.randrange(tokens.code - size)
            piece = text[int(tokens.starts[row]) : int(tokens.ends[row + size - 1])]
            for change in changes:
                alter, depth = _CHANGES[change]
                yield change, size, *wrapped(alter(piece, mark, chance), depth)


def is_found(known: Fingerprints, body: bytes, start: int, end: int) -> bool:
    """Whether findings cover half of a stretch."""
    covered = sum(max(0, min(one.end, end) - max(one.start, start)) for one in known.find(body))
    return covered * 2 >= end - start


def false_runs(files: list[tuple[str, bytes]], known: Fingerprints, stretches: dict[str, Codes], show: int) -> None:
    """Print findings in text that has nothing to do with what is known, and how fast that goes."""
    size = sum(len(text) for _, text in files)
    start = time.process_time()
    bare = sum(text.count(b"\xff\xfe") for _, text in files)
    between = time.process_time()
    runs = [(name, found) for name, text in files for found in known.find(text)]
    spent = time.process_time() - between
    chance = [(name, found) for name, found in runs if not is_copy(found, stretches)]
    print(
        f"{size / 1e6:.0f} MB unrelated: {len(chance)} runs, {rates(files, [name for name, _ in chance])} per 100 MB, "
        f"besides {len(runs) - len(chance)} copies; "
        f"{size / spent / 1e6:.0f} MB/s, {spent / (between - start + bare):.0f} `bytes.count`"
    )
    for name, found in chance[:: max(len(chance) // show, 1)] if show else ():
        print(f"--- {name}\n    {found.rule}\n{found.value[:400].decode('utf-8', 'replace')}")


def rates(files: list[tuple[str, bytes]], found: list[str], passes: int = 1) -> str:
    """Say how many of `found`, names of files, there are in 100 MB of `files`: in all, and in either half."""
    cells = []
    for half in (None, True, False):
        size = sum(len(text) for name, text in files if half in (None, is_first_half(name)))
        cells.append(sum(half in (None, is_first_half(name)) for name in found) / max(size * passes, 1) * 1e8)
    return "{:.1f} ({:.1f} and {:.1f} in either half)".format(*cells)


def stretches_of(text: bytes) -> Codes:
    """Hash every so many neighbouring tokens of a text's code, as they are."""
    return neighbours(_code(text).exact, _STRETCH)


def is_copy(found: Finding, stretches: dict[str, Codes]) -> bool:
    """Whether half of a run's tokens stand in stretches that the file that it resembles has, too."""
    same = np.isin(stretches_of(found.value), stretches[found.rule.partition(":")[2]])
    within = np.convolve(same, np.ones(_STRETCH)) > 0 if same.size else same
    return bool(within.size) and float(within.mean()) >= 0.5


def missed(files: list[tuple[str, bytes]], known: Fingerprints, surprisal: Surprisal) -> None:
    """Print how many bits pieces hold whose names are all changed, and what share of those is found."""
    pieces: dict[tuple[int, int], list[bool]] = collections.defaultdict(list)
    for name, text in files:
        tokens = _code(text)
        surprise = surprisal.of(tokens, shape(tokens))
        chance = random.Random(name)  # noqa: S311 (a sample)
        for size in _SIZES * _PIECES if tokens.code >= 2 * max(_SIZES) else ():
            row = chance.randrange(tokens.code - size)
            run = tokens.rows(row, row + size)
            bits = evidence(surprise[row : row + size], repeated(run), SHORTEST, DRIFT) // UNIT
            piece = renamed(text[int(run.starts[0]) : int(run.ends[-1])], "", chance)
            pieces[size, int(np.searchsorted(_BITS, bits, side="right"))].append(is_found(known, *wrapped(piece, 1)))
    print(f"{'bits of a piece':20}" + "".join(f"{size:>14} tokens" for size in _SIZES))
    for level, (low, high) in enumerate(itertools.pairwise((0, *_BITS, 999))):
        cells = []
        for size in _SIZES:
            held, total = pieces[size, level], sum(len(pieces[size, each]) for each in range(len(_BITS) + 1))
            cells.append(f"{len(held) / max(total, 1):>7.0%}, {statistics.mean(held or [False]):>5.0%} found")
        print(f"  {low:>4} to {high:<4}      " + "  ".join(f"{cell:>19}" for cell in cells))


def curve(
    denied: list[tuple[str, bytes]],
    unrelated: list[tuple[str, bytes]],
    learned_sets: tuple[Idioms | None, Surprisal | None],
) -> None:
    """Print recall of renamed pieces, and false runs, by the bits that a run must hold."""
    stretches = {name: stretches_of(text) for name, text in denied}
    print("  bits" + _COLUMNS)
    for enough in _CURVE:
        known = Fingerprints(*learned_sets, enough)
        for name, text in denied:
            known.add(name, text)
        wrong = rates(unrelated, list(false_names(unrelated, known, stretches)))
        print(f"{enough:>6}" + row(found_renamed(denied, known), wrong))


def amounts(
    denied: list[tuple[str, bytes]],
    unrelated: list[tuple[str, bytes]],
    learned_sets: tuple[Idioms | None, Surprisal | None],
) -> None:
    """Print the same by how much is known."""
    stretches = {name: stretches_of(text) for name, text in denied}
    print("  MB known, bits" + _COLUMNS)
    for parts in _AMOUNTS:
        found, wrong = collections.defaultdict[tuple[str, int], list[bool]](list), list[str]()
        size = bits = 0
        for number in range(samples := min(parts, _SAMPLES)):
            part = [file for file in denied if hashlib.sha256(file[0].encode()).digest()[1] % parts == number]
            known = Fingerprints(*learned_sets)
            for name, text in part:
                known.add(name, text)
            size += sum(len(text) for _, text in part)
            bits += known.needed
            for one, each in found_renamed(part, known).items():
                found[one] += each
            wrong += false_names(unrelated, known, stretches)
        print(f"{size / samples / 1e6:>10.2f} {bits / samples:>5.0f}" + row(found, rates(unrelated, wrong, samples)))


def found_renamed(denied: list[tuple[str, bytes]], known: Fingerprints) -> dict[tuple[str, int], list[bool]]:
    """Tell of pieces of each kind and size, with names changed, which are found."""
    found = collections.defaultdict(list)
    for change, size, body, start, end in changed(denied, _RENAMED):
        found[change, size].append(is_found(known, body, start, end))
    return found


def false_names(unrelated: list[tuple[str, bytes]], known: Fingerprints, stretches: dict[str, Codes]) -> Iterator[str]:
    """Give the file's name for each run that is no copy."""
    return (name for name, text in unrelated for one in known.find(text) if not is_copy(one, stretches))


def row(found: dict[tuple[str, int], list[bool]], wrong: str) -> str:
    """Give the cells of a row of a table."""
    cells = [
        f"{statistics.mean(found.get((change, size)) or [False]):>18.1%}" for change in _RENAMED for size in (40, 60)
    ]
    return "".join(cells) + "   " + wrong


def learned(files: Iterator[tuple[str, bytes]]) -> Idioms:
    """Count in how many files each outline and each wording stands; give those that are common."""
    outlines, wordings = np.zeros(1 << 26, np.uint16), np.zeros(1 << 26, np.uint16)
    for _, text in files:
        tokens = tokenise(text)
        code = tokens.rows(0, tokens.code)
        outlines[np.unique(neighbours(outline(code), OUTLINE) >> _LOST)] += 1
        wordings[np.unique(neighbours(wording(code), WORDING) >> _LOST)] += 1
    dates = tokenise(_EVERYBODYS)
    return Idioms.of(
        np.append(_common(outlines, _OUTLINE_FILES), neighbours(outline(dates), OUTLINE)),
        np.append(_common(wordings, _WORDING_FILES), neighbours(wording(dates), WORDING)),
    )


def learned_surprisal(files: Iterator[tuple[str, bytes]]) -> Surprisal:
    """Count in how many files each context stands, and how often in those the same without its token."""
    texts = [code for _, text in files if (code := _code(text)).exact.size]
    surprisal = Surprisal.empty()
    for ask, orders, slots, files_needed in (
        (_together, len(ORDERS), surprisal.together, _TOGETHER_FILES),
        (_nameless, len(NAMELESS_ORDERS), surprisal.apart, _APART_FILES),
        (_names, len(NAME_ORDERS), surprisal.apart, _APART_FILES),
    ):
        levels = [np.full(text.exact.size, UNKNOWN, np.uint8) for text in texts]
        for order in range(orders):
            counts, totals = _counted(_context(ask(text), order) for text in texts)
            for text, least in zip(texts, levels, strict=True):
                rows, hashes, before = _context(ask(text), order)
                known, level = _levels(counts[_place(hashes)], totals[_place(before)], files_needed)
                tells = level < least[rows[known]]  # more than another context does
                least[rows[known[tells]]] = level[tells]
                learn(slots, hashes[known[tells]], level[tells])
    names = name_hashes(_common_names(texts))
    learn(surprisal.apart, names, np.zeros(names.size, np.uint8))
    return surprisal


def _common_names(texts: list[Tokens]) -> Codes:
    counts = collections.Counter[int]()
    for text in texts:
        counts.update(set(text.exact[text.names].tolist()))
    return np.array([name for name, count in counts.items() if count >= _NAME_FILES], np.uint32)


def _code(text: bytes) -> Tokens:
    tokens = tokenise(text)
    return tokens.rows(0, tokens.code)


def _together(code: Tokens) -> Iterator[Contexts]:
    return contexts(familiar(code, shape(code)))


def _nameless(code: Tokens) -> Iterator[Contexts]:
    return nameless_contexts(outline(code))


def _names(code: Tokens) -> Iterator[Contexts]:
    return name_contexts(outline(code), shape(code))


def _context(contexts: Iterator[Contexts], order: int) -> Contexts:
    nothing = np.zeros(0, np.uint64)
    return next(itertools.islice(contexts, order, None), Contexts(np.zeros(0, np.int64), nothing, nothing))


def _counted(contexts: Iterator[Contexts]) -> tuple[npt.NDArray[np.uint16], Codes]:
    counts = np.zeros(1 << (64 - int(_COUNTED)), np.uint16)
    totals = np.zeros(counts.size, np.uint32)
    for _, hashes, before in contexts:
        _, once = np.unique(hashes, return_index=True)
        np.add.at(counts, _place(hashes[once]), 1)
        np.add.at(totals, _place(before[once]), 1)
    return counts, totals


def _place(hashes: Wide) -> Places:
    return (hashes >> _COUNTED).view(np.int64)


def _levels(counts: npt.NDArray[np.uint16], totals: Codes, files: int) -> tuple[Places, Small]:
    """Give the rows of contexts that so many files hold, and their levels, rounded down."""
    rows = np.flatnonzero(counts >= files)
    bits = -np.log2((counts[rows] - 0.5) / (totals[rows] + 1))
    return rows, np.minimum(np.searchsorted(LEVELS, bits * UNIT - 1), UNKNOWN).astype(np.uint8)


def _common(counts: npt.NDArray[np.uint16], least: int) -> Codes:
    return np.flatnonzero(counts >= least).astype(np.uint32) << _LOST


def is_first_half(name: str) -> bool:
    """Whether a file belongs to the half that `--half` learns, and thresholds are chosen on: whole folders do."""
    return hashlib.sha256(str(Path(name).parent).encode()).digest()[0] % 2 == 0


def fixed_cost(files: list[tuple[str, bytes]], known: Fingerprints) -> None:
    """Print the time of small texts."""
    for size in _SMALL:
        pieces = [text[:size] for _, text in files if len(text) > size][:500]
        start = time.process_time()
        for piece in pieces:
            known.find(piece)
        each = (time.process_time() - start) / max(len(pieces), 1)
        print(f"{size / 1e3:.0f} KB: {each * 1e3:.3f} ms, {size / max(each, 1e-9) / 1e6:.0f} MB/s")


def main() -> None:
    """Print the table, or learn."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--learn", type=Path, metavar="FILE")
    parser.add_argument("--learn-surprisal", type=Path, metavar="FILE")
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--curve", action="store_true")
    parser.add_argument("--amounts", action="store_true")
    parser.add_argument("--show", type=int, default=0, metavar="COUNT")
    options = parser.parse_args()
    if options.learn or options.learn_surprisal:
        files = [file for folder in options.folders for file in sources(folder)]
        if options.learn:
            options.learn.write_bytes(learned(iter(files)).pack())
        if options.learn_surprisal:
            options.learn_surprisal.write_bytes(learned_surprisal(iter(files)).pack())
        return
    denied = list(sources(options.folders[0]))
    unrelated = [file for folder in options.folders[1:] for file in sources(folder)]
    sets: tuple[Idioms | None, Surprisal | None] = (None, None)
    if options.half:
        half = [file for file in unrelated if is_first_half(file[0])]
        sets = (learned(iter(half)), learned_surprisal(iter(half)))
        unrelated = [file for file in unrelated if not is_first_half(file[0])]
    known = Fingerprints(*sets)
    start = time.process_time()
    for name, text in denied:
        known.add(name, text)
    size = sum(len(text) for _, text in denied)
    kept = sum(len(known.dump(name)) for name, _ in denied)
    print(
        f"{size / 1e6:.1f} MB denied: {len(known)} fingerprints, {kept / size * 1000:.0f} bytes for each KB, "
        f"read at {size / (time.process_time() - start) / 1e6:.0f} MB/s; {known.needed} bits needed"
    )
    recall(denied, known)
    missed(denied, known, sets[1] or Surprisal.bundled())
    fixed_cost(unrelated or denied, known)
    if unrelated:
        false_runs(unrelated, known, {name: stretches_of(text) for name, text in denied}, options.show)
        if options.amounts:
            amounts(denied, unrelated, sets)
        if options.curve:
            curve(denied, unrelated, sets)


if __name__ == "__main__":
    main()
