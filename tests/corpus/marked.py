"""A matcher that knows by marks what it finds: a line `@3 some words` is of emission 3. For what stands above matching.

Emissions: 0 and 1 inputs of an agent, 2 what it said, 3 written by a person while a session watched.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from wrapper.corpus.found import Judge
from wrapper.corpus.policy import CorpusPolicy
from wrapper.corpus.policyfile import built_in
from wrapper.provenance.matching import Found, Span
from wrapper.provenance.model import Emission, Kind

_KINDS = (Kind.INPUT, Kind.INPUT, Kind.TEXT, Kind.HOST)
_LINE = re.compile(rb"(?:@(\d) )?[^\n]*\n?")


def emission(number: int) -> Emission:
    return Emission(
        kind=_KINDS[number], session=f"session-{number}", at=1e9 + number, model=f"model-{number}", request=7
    )


class Marked:
    """Stands where `matching.Matcher` does."""

    def __init__(self) -> None:
        self.pack: Any = SimpleNamespace(emission=emission)

    def spans(self, texts: Sequence[bytes]) -> list[list[Span]]:
        return [list(_spans(text)) for text in texts]

    def tokens(self, texts: Sequence[bytes]) -> list[int]:
        return [len(text.split()) for text in texts]

    def find(self, texts: Sequence[bytes], digests: Sequence[bytes] = ()) -> list[Found]:
        return [_found(text) for text in texts]


def judge(policy: CorpusPolicy | None = None, *, is_incomplete: bool = False) -> Judge:
    matcher: Any = Marked()
    return Judge(matcher, policy or built_in(), is_incomplete=is_incomplete)


def table(texts: Sequence[bytes | None], **columns: Sequence[object]) -> pa.Table:
    """A table of documents."""
    rows = range(len(texts))
    plain = {
        "id": pa.array([f"d{row}" for row in rows], pa.string()),
        "text": pa.array(texts, pa.large_binary()),
        "source": pa.array(["here"] * len(texts), pa.string()),
        "row": pa.array(list(rows), pa.int64()),
    }
    return pa.table(plain | {name: pa.array(values) for name, values in columns.items()})


def _found(text: bytes) -> Found:
    if text == b"left by a session":
        return Found(0, "blob", [Span(0, len(text), 0, True, 4)], 4)
    spans = list(_spans(text))
    return Found(-1, "spans" if spans else "clean", spans, len(text.split()))


def _spans(text: bytes) -> Iterator[Span]:
    lines = [found for found in _LINE.finditer(text) if found[0]]
    for mark, run in groupby(lines, lambda found: found[1]):
        if mark is not None:
            run_lines = list(run)
            start, end = run_lines[0].start(), run_lines[-1].end()
            yield Span(start, end, int(mark), True, len(text[start:end].split()))
