"""Makes of what was found an answer for each file: it left, it did not, or it is not known; pure but for numpy.

"No" is said only where all sessions in question are complete, and all contents of the file were looked for.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from wrapper.review.carried import Read
from wrapper.review.left import Leaving, Part, covered
from wrapper.review.looking import Seen, Window
from wrapper.review.revisions import Version
from wrapper.review.runs import SHORTEST, VARIED, Run, merged
from wrapper.review.sharing import shared
from wrapper.review.sought import File, Sought

LEFT: Final = "left"
NOT_LEFT: Final = "not left"
UNKNOWN: Final = "unknown"
_ELSEWHERE: Final = {  # what git has instead of the file (git-lfs-spec(5); git-crypt's header)
    b"version https://git-lfs.github.com/spec/": "keeps as pointers (LFS)",
    b"\0GITCRYPT\0": "keeps encrypted (git-crypt)",
}


class Here(NamedTuple):
    """A leaving of one file: `version` is the place of its content among the file's, `same_as` names another file."""

    leaving: Leaving
    version: int
    same_as: str = ""


class Share(NamedTuple):
    """What of one version left in all requests: runs, without those that were hidden in each."""

    version: int
    runs: tuple[Run, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of one file; `missing` are reasons of the file's own, `reads` say which sessions read it."""

    file: File
    answer: str
    leavings: tuple[Here, ...]
    shares: tuple[Share, ...]
    reads: tuple[tuple[str, Read], ...]
    missing: tuple[str, ...]

    def version(self, one: Here) -> Version:
        """Give the version that a leaving is about."""
        return self.file.versions[one.version]


@dataclass(frozen=True, slots=True)
class Outcome:
    """All answers; `sessions` were looked through, `missing` says what keeps "no" from being said of any file."""

    answers: tuple[Answer, ...]
    sessions: tuple[Seen, ...]
    window: Window
    missing: tuple[tuple[str, str], ...]

    @property
    def answer(self) -> str:
        """The answer for all files together."""
        said = {one.answer for one in self.answers}
        return LEFT if LEFT in said else UNKNOWN if UNKNOWN in said else NOT_LEFT

    def is_complete(self, seen: Seen) -> bool:
        """Whether all is known of a session: what is said of no session in particular is said of each."""
        return not seen.missing and not any(not session for session, _ in self.missing)

    @property
    def requests(self) -> int:
        """How many requests were looked through."""
        return sum(one.requests for one in self.sessions)


def answered(sought: Sought, sessions: Sequence[Seen], fault: str, window: Window) -> Outcome:
    """Answer for each file; `fault` is what is wrong with the ledger, if anything is."""
    leavings = [leaving for seen in sessions for leaving in seen.leavings]
    if len(sought.files) > 1:
        leavings += shared(sought.contents, leavings)
    missing = [("", fault)] if fault else []
    missing += [(seen.session, why) for seen in sessions for why in seen.missing]
    by_file: dict[int, list[Here]] = {}
    for leaving in leavings:
        for number, version in sought.owners[leaving.part.content]:
            by_file.setdefault(number, []).append(Here(leaving, version, _beside(sought, leaving, number)))
    answers = (
        _answer(number, file, by_file.get(number, ()), sessions, is_whole=not missing)
        for number, file in enumerate(sought.files)
    )
    return Outcome(tuple(answers), tuple(sessions), window, tuple(missing))


def _beside(sought: Sought, leaving: Leaving, number: int) -> str:
    """Name the file as whose bytes these were found, if it is another than file `number`."""
    owners = sought.owners[leaving.same_as] if leaving.same_as >= 0 else ()
    return "" if not owners or any(owner == number for owner, _ in owners) else sought.files[owners[0][0]].name


def _answer(number: int, file: File, leavings: Sequence[Here], sessions: Sequence[Seen], *, is_whole: bool) -> Answer:
    missing = (*_unsought(file), *file.omitted)
    answer = LEFT if leavings else NOT_LEFT if is_whole and not missing else UNKNOWN
    reads = tuple((seen.session, seen.reads[number]) for seen in sessions if number in seen.reads)
    ordered = tuple(sorted(leavings, key=lambda one: (one.leaving.at, one.leaving.session, one.leaving.sequence)))
    return Answer(file, answer, ordered, tuple(_shares(ordered)), reads, missing)


def _unsought(file: File) -> Iterator[str]:
    """Say which contents cannot be searched for; an empty one has nothing that could leave."""
    short = sum(0 < len(one.data) < SHORTEST for one in file.versions)
    dull = sum(len(one.data) >= SHORTEST and len(set(one.data)) < VARIED for one in file.versions)
    if short:
        yield f"{_count(short)} under {SHORTEST} bytes, too short to be looked for"
    yield from _elsewhere(file)
    if dull:
        yield f"{_count(dull)} of fewer than {VARIED} different bytes, too uniform to be looked for"


def _elsewhere(file: File) -> Iterator[str]:
    """Say for which contents git has something else, unless that stands for one that is looked for."""
    there = [one.data for one in file.versions if one.data.startswith(tuple(_ELSEWHERE))]
    known = {hashlib.sha256(one.data).hexdigest().encode() for one in file.versions} if there else set()
    unknown = [data for data in there if not any(digest in data for digest in known)]
    for beginning, kept in _ELSEWHERE.items():
        number = sum(data.startswith(beginning) for data in unknown)
        if number:
            yield f"{_count(number)} that git {kept}, not as text"


def _shares(leavings: Sequence[Here]) -> Iterator[Share]:
    parts: dict[int, list[Part]] = {}
    for one in leavings:
        parts.setdefault(one.version, []).append(one.leaving.part)
    for version in sorted(parts):
        runs = merged(span.run(0) for part in parts[version] for span in part.spans)
        yield Share(version, tuple(runs), covered(parts[version]))


def _count(number: int) -> str:
    return f"{number} content{'' if number == 1 else 's'}"
