"""From a session's records to its sheets, and what the ledger is told of them.

The same for a session that runs and for its log, so that an index that is made anew is the one that was lost.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from wrapper.audit.entries import Indexed
from wrapper.audit.proofs import root
from wrapper.audit.reader import Record
from wrapper.provenance.capture import Capture, Captured, Emitted
from wrapper.provenance.commits import told
from wrapper.provenance.gathering import ENOUGH, Gathering
from wrapper.provenance.key import Key
from wrapper.provenance.model import Emission, Kind
from wrapper.provenance.prints import printed
from wrapper.provenance.store import Store

_SEVERAL: Final = "; "


class Writing:
    """The index of one session while it is made. Raises ProvenanceError where a sheet cannot be written.

    `commits` are those that git knew when the session began, if anybody looked.
    """

    def __init__(self, session: str, store: Store, key: Key, commits: Sequence[str] | None = None) -> None:
        self._session = session
        self._commits = commits
        self._store = store
        self._keyed = key.coder()
        self._capture = Capture(session, self._keyed)
        self._gathering = Gathering(session)
        self._leaves: list[bytes] = []
        self._gaps: dict[str, bool] = {}

    @property
    def is_waiting(self) -> bool:
        """Say whether something waits to be written."""
        return self._gathering.size > 0

    @property
    def is_large(self) -> bool:
        """Say whether so much waits that it should be written now."""
        return self._gathering.size >= ENOUGH

    @property
    def gap(self) -> str:
        """Say what is missing of what was taken in, or not as it should be; empty where nothing is."""
        return _SEVERAL.join(self._gaps)

    def feed(self, record: Record) -> None:
        """Take the next record; bodies of requests in full."""
        self._add(self._capture.feed(record))

    def lost(self, why: str) -> None:
        """Note that something is missing, or not as it should be; each reason is told once."""
        self._gaps.setdefault(why, False)

    def flush(self, *, ends: bool = False) -> None:
        """Write what waits as a sheet, where there is anything; `ends`: there will be no more."""
        self._add(self._capture.rest())
        if self._capture.gap:
            self.lost(self._capture.gap)
        new = [why for why, is_told in self._gaps.items() if not is_told]
        if self.is_waiting or new or (ends and self._leaves):
            self._store.write(self._gathering.take(), ends=ends, gap=_SEVERAL.join(new))
            self._leaves.append(self._store.leaf(self._session))
            self._gaps.update(dict.fromkeys(new, True))

    def _add(self, captured: Captured) -> None:
        """Take in what came, the first time with the commits that there were before."""
        if captured.emissions and self._commits is not None:
            first = captured.emissions[0].emission
            there = Emission(kind=Kind.HOST, session=first.session, at=first.at, origin=told(self._commits))
            self._gathering.add(Captured((Emitted(there, printed(b"", self._keyed), np.empty(0, np.uint64)),)))
            self._commits = None
        self._gathering.add(captured)

    def indexed(self, at: float) -> Indexed:
        """Return what the ledger is to be told of the sheets so far."""
        workspace = self._store.folder.name if self._leaves else ""
        return Indexed(at, self._session, workspace, len(self._leaves), root(self._leaves).hex())
