"""Indexes for tests of attribution: what an agent wrote, as it stands in a sheet, and the matcher that finds it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from wrapper.provenance.attribution import lines_of
from wrapper.provenance.key import Key
from wrapper.provenance.keyed import Keyed
from wrapper.provenance.matching import Matcher
from wrapper.provenance.model import PRINT, Emission, Kind, Sheet
from wrapper.provenance.pack import Pack
from wrapper.provenance.prints import printed


class Written(NamedTuple):
    """One emission: its text, which of its lines are echoes (numbers from 0), and where it comes from."""

    text: bytes
    at: float = 1000.0
    kind: Kind = Kind.INPUT
    session: str = "20260101T000000Z-aaaaaa"
    echoes: frozenset[int] = frozenset()
    model: str = "model-1"
    origin: str = ""
    path: str = ""
    prompt: int = 3
    is_cut: bool = False
    process: str = ""


def new_key() -> Key:
    """Make a key, always the same one: what is likely only (sketches) shall not change from run to run."""
    return Key(bytes(range(32)))


def sheet(keyed: Keyed, *written: Written) -> Sheet:
    """Put emissions into a sheet, as sessions do."""
    made = [printed(one.text, keyed, echo=_echo(one)) for one in written]
    for number, prints in enumerate(made):
        for rows in (prints.lines, prints.shapes, prints.words):
            rows["emission"] = number
    emissions = [
        Emission(
            kind=one.kind, session=one.session, at=one.at, model=one.model, origin=one.origin, path=one.path,
            prompt=one.prompt, sequence=5, is_cut=one.is_cut, process=one.process,
        )
        for one in written
    ]  # fmt: skip
    session = written[0].session if written else "20260101T000000Z-aaaaaa"
    return Sheet(
        session,
        1,
        emissions,
        np.concatenate([prints.lines for prints in made]),
        np.concatenate([prints.shapes for prints in made]),
        np.concatenate([prints.words for prints in made]),
        np.zeros(0, PRINT),
        (),
    )


def matcher(*written: Written, key: Key | None = None) -> Matcher:
    """Make a matcher of an index that holds this."""
    keyed = (key or new_key()).coder()
    return Matcher(Pack.of([sheet(keyed, *written)] if written else []), keyed)


def _echo(one: Written) -> Sequence[bool]:
    return [number in one.echoes for number in range(len(lines_of(one.text)))]
