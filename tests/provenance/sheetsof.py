"""Sheets and packs of texts, for tests."""

import random
from collections.abc import Sequence
from typing import Final

import numpy as np

from wrapper.provenance.key import Key
from wrapper.provenance.model import PRINT, Emission, Kind, Sheet
from wrapper.provenance.pack import Pack
from wrapper.provenance.prints import blob_code, normalised_code, printed

KEY: Final = Key(bytes(range(32)))


def sheet_of(texts: Sequence[bytes], session: str = "s", key: Key = KEY) -> Sheet:
    """Make a sheet in which each text is an emission, and a written content."""
    coder = key.coder()
    prints = [printed(text, coder) for text in texts]
    columns = []
    for name in ("lines", "shapes", "words"):
        for number, one in enumerate(prints):
            getattr(one, name)["emission"] = number
        columns.append(np.concatenate([getattr(one, name) for one in prints]))
    blobs = np.zeros(2 * len(texts), PRINT)
    blobs["code"] = [code(text, coder) for text in texts for code in (blob_code, normalised_code)]
    blobs["emission"] = np.arange(blobs.size) // 2
    emissions = [Emission(kind=Kind.WRITE, session=session, at=float(n), path=f"{n}.py") for n in range(len(texts))]
    lines, shapes, words = columns
    return Sheet(session, 0, emissions, lines, shapes, words, blobs[blobs["code"] != 0], [])


def pack_of(*texts: bytes) -> Pack:
    """Make a pack of one sheet in memory."""
    return Pack.of([sheet_of(texts)])


def code(seed: int, lines: int = 30) -> bytes:
    """Make code that stands nowhere else, in its words and in its shape."""
    chance = random.Random(seed)  # noqa: S311 (a sample)
    forms = (
        "{0} = {1}",
        "if {0} > {1}:",
        "    return {0}",
        "{0}({1})",
        "for {0} in {1}:",
        "    assert {0}",
        "del {0}[{1}]",
    )
    made = [chance.choice(forms).format(_name(chance), _expression(chance, 3)) for _ in range(lines)]
    return "\n".join(made).encode() + b"\n"


def _expression(chance: random.Random, depth: int) -> str:
    if not depth or chance.random() < 0.2:
        return chance.choice((_name(chance), _name(chance), f"'{_name(chance)}'", str(chance.randrange(2, 99))))
    one, other = (_expression(chance, depth - 1) for _ in range(2))
    forms = ("{} + {}", "({} * {})", "{}[{}]", "{}.get({})", "({}, {})", "{} if {} else None", "{{{}: {}}}", "-{} % {}")
    return chance.choice((*forms, "{} not in {}", "lambda: ({} and {})", "[{} / {}]", "{} << {}")).format(one, other)


def _name(chance: random.Random) -> str:
    return "".join(chance.choices("bcdfgaeioulmnrst", k=7))
