"""`[provenance]`: what is kept of what agents write, and what counts as theirs; pure."""

from collections.abc import Iterator
from typing import Final

import msgspec

from wrapper.policy.schema import Document

UNWATCHED: Final = ("human", "unknown")
"""What lines are that came into being while nothing watched, from the loosest to the strictest."""
CLAIMS: Final = ("show", "count")
"""Whether what others say of a line is only shown, or makes it the agent's."""

_Place = tuple[str, str]


class Provenance(msgspec.Struct, frozen=True):
    """The effective section.

    `capture`: sessions write an index of what agents write and read. `sticky`: the share of a line's tokens, 0 to 1,
    that must still be the agent's for the line to count as agent-edited. `unwatched` is one of `UNWATCHED`,
    `claims` of `CLAIMS`. `require_review`: agent-written lines must have been approved by a person before they are
    committed; `require_reason`: who approves must say why.
    """

    capture: bool
    sticky: float
    unwatched: str
    claims: str
    require_review: bool
    require_reason: bool


def problems(document: Document) -> Iterator[tuple[_Place, str, str]]:
    """Yield what no value of this section may be: where, what is wrong, what to do."""
    said = document.provenance
    for key, value, known in (("unwatched", said.unwatched, UNWATCHED), ("claims", said.claims, CLAIMS)):
        if value is not None and value not in known:
            names = " or ".join(f'"{name}"' for name in known)
            yield ("provenance", key), f'`provenance.{key}` is {names}, not "{value}"', ""
    if said.sticky is not None and not 0 <= said.sticky <= 1:  # also where it is no number (`nan`)
        yield ("provenance", "sticky"), f"`provenance.sticky` is a share from 0 to 1, not {said.sticky:g}", ""
