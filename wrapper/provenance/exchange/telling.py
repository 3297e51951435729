"""What our own index knows of the lines of changes, ready to be told to others in any format.

Rules of this file:
- Told are lines that a change adds and of which somebody is known to have written them: `unknown` is left out.
- A claim is somebody else's to tell: lines that only a claim speaks of are left out, whatever policy makes of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from wrapper.provenance.attribution import NOBODY, State
from wrapper.provenance.blaming import Blamed, Blaming
from wrapper.provenance.changes import Change
from wrapper.provenance.exchange.ranges import Range, joined
from wrapper.provenance.model import Emission, Kind


class Author(NamedTuple):
    """Who wrote lines: an agent in a session, or a person, with no session."""

    state: State
    agent: str = ""
    model: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a change with its text, and who wrote which of the added lines.

    `prompts`: the records of the session's log that hold what the user had asked for.
    """

    path: str
    text: bytes
    lines: Mapping[Author, tuple[Range, ...]]
    prompts: Mapping[Author, tuple[int, ...]] = field(default_factory=dict)


def told(changes: Iterable[Change], blaming: Blaming, top: Path) -> Iterator[File]:
    """Yield the files of changes in which somebody is known to have written a line. Raises as `Blaming.blamed`."""
    for change in changes:
        blamed = blaming.blamed(top / change.path, change.revision, change.content)
        file = _file(change, blamed)
        if file.lines:
            yield file


def _file(change: Change, blamed: Blamed) -> File:
    lines: defaultdict[Author, list[int]] = defaultdict(list)
    prompts: defaultdict[Author, set[int]] = defaultdict(set)
    for number, origin in enumerate(blamed.origins):
        if change.added is not None and number not in change.added:
            continue
        emission = None if origin.emission == NOBODY else blamed.emission(origin.emission)
        author = _author(origin.state, emission)
        if author is not None:
            lines[author].append(number + 1)
            if emission is not None and author.session and emission.prompt:
                prompts[author].add(emission.prompt)
    return File(
        change.path,
        blamed.text,
        {author: joined(numbers) for author, numbers in lines.items()},
        {author: tuple(sorted(records)) for author, records in prompts.items()},
    )


def _author(state: State, emission: Emission | None) -> Author | None:
    if state is State.HUMAN:
        return Author(state)
    if state is State.UNKNOWN or emission is None or emission.kind is Kind.CLAIM:
        return None
    return Author(state, emission.agent, emission.model, emission.session)
