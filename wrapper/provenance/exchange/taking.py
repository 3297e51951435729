"""Takes claims over into the index of a workspace: reads the lines that they speak of, and writes sheets.

Idempotent: what stands there already, the same words about the same content, is not written again.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from wrapper.provenance.exchange import agenttrace
from wrapper.provenance.exchange.claiming import Remark
from wrapper.provenance.exchange.claims import Claim, Claimed, Stated, identities, sheets, stated, weight
from wrapper.provenance.exchange.ranges import within
from wrapper.provenance.exchange.repository import Repository
from wrapper.provenance.keyed import Keyed
from wrapper.provenance.model import Flag
from wrapper.provenance.store import CLAIM, Store

_AT_ONCE: Final = 2000  # claims
_MOST_TIMES: Final = 100  # that each line of a file is claimed in one import: by turns of a conversation, by tools


@dataclass(slots=True)
class Taken:
    """What an import did: claims and lines that are new, and that were there; what was not taken over."""

    claims: int = 0
    lines: int = 0
    known: int = 0
    commits: set[str] = field(default_factory=set)
    remarks: list[Remark] = field(default_factory=list)
    _heard: Counter[tuple[str, str]] = field(default_factory=Counter)  # lines, by commit and path

    def has_enough(self, claim: Claim, content: Claimed) -> bool:
        """Say whether a file's lines were claimed so often that it can only be meant to take time; remarked once."""
        place, most = (claim.commit, claim.path), _MOST_TIMES * content.count
        before = self._heard[place]
        if before <= most:
            self._heard[place] += weight(claim, content)
        if before <= most < self._heard[place]:
            self.remarks.append(Remark(f"{claim.origin}, {claim.path}", "its lines are claimed too often to be read"))
        return self._heard[place] > most


def take(found: Iterable[Claim | Remark], repository: Repository, store: Store, keyed: Keyed, *, dry: bool) -> Taken:
    """Take claims over; with `dry`, only say what would be. Raises ProvenanceError, WorkspaceError."""
    known = {identity for sheet in store.sheets(CLAIM) for identity in identities(sheet)}
    taken = Taken()
    found = iter(found)
    while some := list(itertools.islice(found, _AT_ONCE)):
        taken.remarks += [one for one in some if isinstance(one, Remark)]
        claims = [one for one in some if isinstance(one, Claim)]
        for sheet in sheets(_new(_stated(claims, repository, keyed, taken), known, taken), CLAIM):
            if not dry:
                if store.has(sheet.session, sheet.number):  # and yet not known: it is damaged
                    store.remove(sheet.session)
                store.write(sheet, ends=True)
    return taken


def forget(store: Store, origin: str, *, dry: bool) -> int:
    """Take claims whose origin begins so out of the index, and count them. Raises ProvenanceError."""
    count = 0
    for sheet in store.sheets(CLAIM):  # a sheet holds what one import took from one source
        if any(emission.origin.startswith(origin) for emission in sheet.emissions):
            count += len(sheet.emissions)
            if not dry:
                store.remove(sheet.session)
    return count


def _new(claims: Iterable[Stated], known: set[bytes], taken: Taken) -> Iterator[Stated]:
    for one in claims:
        if one.identity in known:
            taken.known += 1
            continue
        known.add(one.identity)
        taken.claims += 1
        taken.lines += int((one.prints.lines["flags"] & Flag.ECHO == 0).sum())
        yield one


def _stated(claims: Sequence[Claim], repository: Repository, keyed: Keyed, taken: Taken) -> Iterator[Stated]:
    by_place: defaultdict[tuple[str, str], list[Claim]] = defaultdict(list)
    for claim in claims:
        by_place[claim.commit, claim.path].append(claim)
    missing = set(by_place)
    for place, text in repository.texts(list(by_place)):
        missing.discard(place)
        content = Claimed(text)
        for claim in by_place[place]:
            if taken.has_enough(claim, content):
                continue
            if claim.content_hash and _differs(claim, content):
                taken.remarks.append(Remark(f"{claim.origin}, {claim.path}", "the lines are others than its hash says"))
                continue
            parts = list(stated(claim, content, keyed))
            if not parts:
                taken.remarks.append(Remark(f"{claim.origin}, {claim.path}", "the file has none of the lines"))
            taken.commits |= {claim.commit} if parts else set()
            yield from parts
    for commit, path in sorted(missing):
        origin = by_place[commit, path][0].origin
        taken.remarks.append(Remark(f"{origin}, {path}", "no such file in the commit, or too large"))


def _differs(claim: Claim, content: Claimed) -> bool:
    return agenttrace.differs(claim.content_hash, content.lines(within(claim.ranges, content.count)))
