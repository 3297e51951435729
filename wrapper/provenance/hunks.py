"""From whose each line of a file is to hunks: the pieces of agent-written text that a person looks at one by one; pure.

- A hunk is a run of lines that are the agent's, or the agent's as somebody edited them. A person's lines that say
  nothing by themselves (blank, `}`, `else:`) do not split it.
- What an agent wrote counts as soon as it has a letter or a digit: `return True` does not say who wrote it, but where
  it is the agent's, a person has to see it. Lines without one count for nothing, and make no hunk.
- In a change only the lines that it adds count; one that stood there before splits a hunk like a person's line does.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from wrapper.provenance.attribution import NOBODY, LineOrigin, State

BY_AGENT: Final = (State.AGENT, State.EDITED)
_WORD: Final = re.compile(rb"[0-9A-Za-z_\x80-\xff]")


class Hunk(NamedTuple):
    """Lines `first` to `last` of a file, from 0, both in it.

    `lines` are those in it that count, `edited` those of them that somebody edited. `state`: `agent` where there is
    none of these. `emissions`: what they come from, that with the most lines first. `coverage`: which share of their
    tokens is the agent's, 0 to 1, by mean. `before` and `after` are the nearest lines around with a word in them.
    `tells`: one of its lines says something.
    """

    first: int
    last: int
    lines: tuple[int, ...]
    state: State
    emissions: tuple[int, ...]
    coverage: float
    before: int | None = None
    after: int | None = None
    tells: bool = True
    edited: frozenset[int] = frozenset()


def hunks(
    lines: Sequence[bytes],
    origins: Sequence[LineOrigin],
    trivial: Sequence[bool],
    added: Sequence[bool] | None = None,
) -> list[Hunk]:
    """Return the hunks of a file in their order; all arguments say something of each line, `added` None: of all."""
    ours = [origin.state in BY_AGENT and (added is None or added[at]) for at, origin in enumerate(origins)]
    worded = [at for at, line in enumerate(lines) if _WORD.search(line)]
    return [_hunk(run, origins, ours, worded, trivial) for run in _runs(worded, ours, trivial)]


def _runs(worded: Sequence[int], ours: Sequence[bool], trivial: Sequence[bool]) -> Iterator[list[int]]:
    """Yield the places in `worded` of lines that are ours, those together that nothing splits."""
    run: list[int] = []
    for place, line in enumerate(worded):
        if ours[line]:
            run.append(place)
        elif run and not trivial[line]:
            yield run
            run = []
    if run:
        yield run


def _hunk(
    run: Sequence[int],
    origins: Sequence[LineOrigin],
    ours: Sequence[bool],
    worded: Sequence[int],
    trivial: Sequence[bool],
) -> Hunk:
    lines = tuple(worded[place] for place in run)
    before = worded[run[0] - 1] if run[0] else None
    after = worded[run[-1] + 1] if run[-1] + 1 < len(worded) else None
    first, last = lines[0], lines[-1]
    while first > 0 and first - 1 != before and ours[first - 1]:
        first -= 1
    while last + 1 < len(ours) and last + 1 != after and ours[last + 1]:
        last += 1
    of_lines = [origins[line] for line in lines]
    edited = frozenset(line for line in lines if origins[line].state is State.EDITED)
    sources = Counter(origin.emission for origin in of_lines if origin.emission != NOBODY)
    return Hunk(
        first=first,
        last=last,
        lines=lines,
        state=State.EDITED if edited else State.AGENT,
        emissions=tuple(emission for emission, _ in sources.most_common()),
        coverage=sum(origin.coverage for origin in of_lines) / len(of_lines),
        before=before,
        after=after,
        tells=not all(trivial[line] for line in lines),
        edited=edited,
    )
