"""A baseline out of what is older than any agent: whole corpora, or what git repositories had at some time."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wrapper.corpus.documents import pieces
from wrapper.corpus.listing import history
from wrapper.corpus.policy import CorpusPolicy
from wrapper.corpus.reading import rows
from wrapper.corpus.storage import Storage
from wrapper.errors import ProvenanceError

if TYPE_CHECKING:
    from wrapper.provenance.key import Key
    from wrapper.provenance.pack import Pack


class When(NamedTuple):
    """Which part of a repository's history counts: before a date, or up to a revision; neither: all that is named."""

    before: float | None = None
    revision: str = ""


class Made(NamedTuple):
    """What a baseline was made of. `unreadable`: what could not be read, and so is not subtracted."""

    documents: int
    size: int
    unreadable: int
    codes: int


class _Texts:
    """All texts, counted as they pass."""

    def __init__(self, sources: Sequence[str], when: When, policy: CorpusPolicy, storage: Storage) -> None:
        if when.before is None and not when.revision:
            self._pieces = pieces(sources, policy, storage)
        else:
            listed = (history(source, before=when.before, revision=when.revision) for source in sources)
            self._pieces = chain.from_iterable(listed)
        self._policy = policy
        self._storage = storage
        self.documents = self.size = self.unreadable = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            for row in rows(piece, self._policy, self._storage):
                self.documents += not row.more
                if row.text is None:
                    self.unreadable += 1
                elif not row.binary:
                    self.size += len(row.text) - row.overlap
                    yield row.text


def make(
    sources: Sequence[str],
    when: When,
    out: Path,
    *,
    key: "Key",
    policy: CorpusPolicy,
    storage: Storage,
    within: "Pack | None",
) -> Made:
    """Write the baseline file.

    Raises ProvenanceError where a source cannot be read at all, where there are no documents, and where `out` cannot be
    written.
    """
    from wrapper.provenance.baselines import Baseline  # noqa: PLC0415 (loads numpy)

    texts = _Texts(sources, when, policy, storage)
    found = Baseline.of(texts, key.coder(), within=within)
    if not texts.documents:
        raise ProvenanceError("there is nothing that a baseline could be made of", hint="is the date too early?")
    found.save(out, key)
    return Made(texts.documents, texts.size, texts.unreadable, len(found))
