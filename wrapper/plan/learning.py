"""Read files for the secrets in them: what is masked or closed here must be known on the wire.

Learning runs at every start, so it uses the rules and the document's structure alone: a search for known values would
first compile all of them, which the processes that need it do while the client boots.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from redactors.baseline import Baseline
from redactors.documents import mask_document
from redactors.engine import Engine
from redactors.finding import Confidence, Finding
from redactors.known import KnownValues
from redactors.vault import Origin
from wrapper.plan.contents import MOST_BYTES, read_regular


class Learned(NamedTuple):
    """The kinds of the secrets in a file, and whether it is one that can be shown masked."""

    kinds: tuple[str, ...]
    is_maskable: bool


class _OnlyAdds(KnownValues):
    """Takes values for another, finds none."""

    def __init__(self, known: KnownValues) -> None:
        self._known = known

    @property
    def generation(self) -> int:
        return self._known.generation

    @property
    def unmatched(self) -> Mapping[str, str]:
        return self._known.unmatched

    def add(self, kind: str, value: bytes, origin: Origin, *, name: str = "") -> bool:
        return self._known.add(kind, value, origin, name=name)

    def find(self, data: bytes) -> list[Finding]:  # noqa: ARG002 (the face of its parent)
        return []


def learner(engine: Engine) -> Engine:
    """Give an engine that finds by rules only; what it is told to know, `engine` knows.

    Raises ValueError for an engine without known values.
    """
    if engine.known is None:
        raise ValueError("an engine without known values cannot learn any")
    quiet = copy.copy(engine)
    quiet.known = _OnlyAdds(engine.known)
    return quiet


def learn_file(place: str, engine: Engine, *, path: str, whole: bool, baseline: Baseline | None = None) -> Learned:
    """Make the secrets of the file at `place` known to `engine`; `path` tells its format.

    `whole`: a file of credentials, of which every value counts; else certain findings only, but those that `baseline`
    or a remark in the file allows.
    """
    try:
        data = read_regular(place, MOST_BYTES + 1)
    except OSError:
        return Learned((), is_maskable=True)  # whoever cannot read it outside cannot inside
    if len(data) > MOST_BYTES:
        return Learned((), is_maskable=False)
    if b"\0" not in data:
        masked = mask_document(path, data, engine, whole=whole, baseline=baseline)
        return Learned(_kinds(masked.findings), is_maskable=True)
    certain = [found for found in engine.find(data) if found.confidence is Confidence.CERTAIN]
    for found in certain:
        if engine.known is not None:
            engine.known.add(found.kind, found.value, Origin.OUTSIDE)
    return Learned(_kinds(certain), is_maskable=False)


def _kinds(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found.kind for found in findings))
