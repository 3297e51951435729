"""Real packs of texts made up: each text is one emission of a session of its own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wrapper.provenance.key import Key, load_or_make
from wrapper.provenance.model import PRINT, Emission, Kind, Sheet
from wrapper.provenance.pack import Pack
from wrapper.provenance.prints import blob_code, printed

_WORDS = ("buffer", "limit", "window", "state", "frame", "ticket", "ledger", "widget", "socket", "planet", "violet")


def code(seed: int, lines: int = 24) -> bytes:
    """Some lines of code that no other seed gives."""
    chance = np.random.default_rng(seed)
    made = [f"def {_name(chance)}_{seed}({_name(chance)}, {_name(chance)}):"]
    for _ in range(lines - 1):
        one, two, three = (_name(chance) for _ in range(3))
        shapes = (
            f"    {one} = {two}.{three}[{chance.integers(99)}] + {one}({two})",
            f"    if {one} > {chance.integers(99)} and {two}.{three}:",
            f"        return {one}({two}, {three}={one}.{two}) * {chance.integers(99)}",
            f"    for {one}, {two} in {three}.{one}({two}):",
            f"    {one}.{two}({three}['{one}'], not {two})",
        )
        made.append(shapes[chance.integers(len(shapes))])
    return ("\n".join(made) + "\n").encode()


def sheet(session: str, texts: Sequence[bytes], key: Key, kind: Kind = Kind.INPUT) -> Sheet:
    """A session's sheet, each text an emission."""
    keyed = key.coder()
    prints = [printed(text, keyed) for text in texts]
    blobs = np.zeros(len(texts), PRINT)
    blobs["code"] = [blob_code(text, keyed) for text in texts]
    blobs["emission"] = np.arange(len(texts))
    tables = {name: _numbered([getattr(each, name) for each in prints]) for name in ("lines", "shapes", "words")}
    emissions = [
        Emission(kind=kind, session=session, at=1.7e9 + number, model="model-1", path=f"f{number}.py")
        for number in range(len(texts))
    ]
    return Sheet(session=session, number=0, emissions=emissions, blobs=blobs, reads=(), **tables)


def _numbered(tables: Sequence[npt.NDArray[np.void]]) -> npt.NDArray[np.void]:
    """Join the rows of all texts; `emission` says of which each is."""
    rows = np.concatenate(tables)
    rows["emission"] = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    return rows


def pack(folder: Path, texts: Sequence[bytes]) -> tuple[Path, Path]:
    """A pack and its key in files; text n is of `session-n`."""
    key_file, pack_file = folder / "provenance.key", folder / "index.pack"
    key = load_or_make(key_file)
    Pack.of(sheet(f"session-{number}", [text], key) for number, text in enumerate(texts)).save(pack_file, key)
    return pack_file, key_file


def _name(chance: np.random.Generator) -> str:
    return f"{_WORDS[chance.integers(len(_WORDS))]}{chance.integers(9)}"
