"""What may stand in a corpus, as frozen values (`policyfile` reads them), and the decision on one document; pure."""

from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property
from typing import Final, Literal, NamedTuple

import msgspec

from wrapper.policy import globs
from wrapper.provenance.model import Emission, Kind

VERSION: Final = 1
ANY_TEXT: Final = "*"
"""As a column of text: every text that stands in the row, at any depth, but its own name."""


class Decision(StrEnum):
    """What becomes of a document."""

    ACCEPT = "accept"
    QUARANTINE = "quarantine"
    REFUSE = "refuse"


class Stage(StrEnum):
    """By what a document was judged, the surest first."""

    BLOB = "blob"  # the whole content is an emission's
    NORMALISED = "normalised"  # as above, but for blanks and line ends
    SPANS = "spans"  # it holds pieces of emissions
    BINARY = "binary"  # it is no text, and nothing of the index was found in it
    CLEAN = "clean"  # nothing of the index was found in it
    UNREADABLE = "unreadable"  # it could not be compared


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """From where on a document is refused, or put into quarantine.

    It is, if one span has at least `least_lines` lines or at least `least_tokens` tokens, or if all its spans together
    hold at least the share `coverage` of its tokens. Only spans of emissions that `counts` lets through count: of one
    of `kinds`, and of a model and a session that one of the globs names (none named: of any).
    """

    coverage: float
    least_lines: int
    least_tokens: int
    kinds: tuple[Kind, ...]
    models: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()

    def counts(self, emission: Emission) -> bool:
        """Say whether spans of this emission count at all."""
        return (
            emission.kind in self.kinds
            and _named(self._models, emission.model)
            and _named(self._sessions, emission.session)
        )

    def reached(self, measure: "Measure") -> bool:
        """Say whether a document with these spans is over the bounds."""
        if measure.coverage >= self.coverage > 0:
            return True
        return any(one.lines >= self.least_lines or one.tokens >= self.least_tokens for one in measure.spans)

    @cached_property
    def _models(self) -> globs.NameMatcher | None:
        return _matcher(self.models)

    @cached_property
    def _sessions(self) -> globs.NameMatcher | None:
        return _matcher(self.sessions)


class SpanMeasure(NamedTuple):
    """One span: how many tokens, and how many lines that hold enough of them."""

    tokens: int
    lines: int


class Measure(NamedTuple):
    """What was found in a document, of emissions that count only. `coverage`: share of its tokens, 0 to 1."""

    stage: str
    coverage: float = 0.0
    spans: Sequence[SpanMeasure] = ()


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[columns]`: of a row of JSONL or Parquet, where its name and its texts stand; dots lead into tables and lists.

    All texts that are there make one document, joined by a line feed; a row with none of them cannot be judged.
    """

    id: str = "id"
    text: tuple[str, ...] = (ANY_TEXT,)


class Paths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[paths]`: which files of a folder are read, by patterns like those of .gitignore, counted from that folder."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class Git(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[git]`: what of a repository is read.

    `history`: every version of every file that refs lead to; `objects`: also what no ref leads to any more; `files`:
    the files of its folder only. The first two read the files of the folder, too.
    """

    read: Literal["history", "objects", "files"] = "history"


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[limits]`: against inputs made to exhaust. `ratio`: how far something packed may unpack; the others in bytes.

    Documents over `part_bytes` are compared in parts of that size, binary ones over `binary_bytes` not at all.
    """

    ratio: int = 250
    part_bytes: int = 8 << 20
    binary_bytes: int = 64 << 20


class CorpusPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole policy.

    `unreadable`, `binary`, `incomplete_index`: what becomes of documents that cannot be compared, of binary ones in
    which nothing was found, and of all those in which an index with faults finds nothing.
    """

    version: int
    refuse: Bounds
    quarantine: Bounds
    unreadable: Decision = Decision.QUARANTINE
    binary: Decision = Decision.ACCEPT
    incomplete_index: Decision = Decision.QUARANTINE
    columns: Columns = Columns()
    paths: Paths = Paths()
    git: Git = Git()
    limits: Limits = Limits()

    def counts(self, emission: Emission) -> bool:
        """Say whether spans of this emission can decide anything."""
        return self.refuse.counts(emission) or self.quarantine.counts(emission)

    def without(self, *, is_incomplete: bool) -> Decision:
        """Decide on a document in which nothing was found; `is_incomplete`: the index has faults."""
        return self.incomplete_index if is_incomplete else Decision.ACCEPT


def decide(policy: CorpusPolicy, refusing: Measure, suspected: Measure, *, is_incomplete: bool = False) -> Decision:
    """Decide on one document.

    `refusing` measures the spans that `policy.refuse` counts, `suspected` those that `policy.quarantine` counts; where
    both count the same emissions, they are the same.
    """
    if suspected.stage == Stage.UNREADABLE:
        return policy.unreadable
    if policy.refuse.reached(refusing):
        return Decision.REFUSE
    # What an agent wrote whole may be a person's file but for one line: the spans say, and without any a person must.
    is_whole = suspected.stage in {Stage.BLOB, Stage.NORMALISED}
    if policy.quarantine.reached(suspected) or (is_whole and not suspected.spans):
        return Decision.QUARANTINE
    if suspected.stage == Stage.BINARY and policy.binary is not Decision.ACCEPT:
        return policy.binary
    return policy.without(is_incomplete=is_incomplete)


def _matcher(patterns: Sequence[str]) -> globs.NameMatcher | None:
    if not patterns:
        return None
    return globs.NameMatcher([globs.Pattern(text, 0, place) for place, text in enumerate(patterns)], 1)


def _named(matcher: globs.NameMatcher | None, name: str) -> bool:
    return matcher is None or matcher.best(name) is not None
