"""Whose lines are, in the format of `git blame --porcelain`, for what reads that already; pure.

As git does (git-blame(1), "The porcelain format"): a header `<40 hex> <line there> <line here> [<lines of the group>]`,
what is known of a commit when it comes for the first time, then a tab and the line. What is ours stands before each
line as more headers, which readers skip: `safe-agent-state`, `-coverage` and `-because`; of lines that an emission
explains `-session`, `-model`, `-prompt`; of lines that a person judged `-approved`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from wrapper.messages import printable

if TYPE_CHECKING:
    from wrapper.provenance.blaming import Blamed
    from wrapper.provenance.judgements import Said
    from wrapper.provenance.lineage import Committed

_ID: Final = 40  # hex digits; in a repository of SHA-256 they are more


def porcelain(
    blamed: "Blamed", chosen: Sequence[int], said: Mapping[int, "Said"], now: float, encoding: str = "utf-8"
) -> Iterator[bytes]:
    """Yield the bytes of the output; `chosen` are line numbers from 0, `said` what was judged of lines."""
    known: set[str] = set()
    left = 0
    lines = blamed.lines
    nowhere = "0" * next((len(one.id) for one in blamed.commits if one), _ID)
    for at, line in enumerate(chosen):
        commit = blamed.commits[line]
        id_, number = (commit.id, commit.number) if commit else (nowhere, line + 1)
        count = ""
        if not left:
            left = _group(blamed, chosen, at)
            count = f" {left}"
        left -= 1
        headers = [f"{id_} {number} {line + 1}{count}"]
        if id_ not in known:
            known.add(id_)
            headers += commit.headers if commit else _not_committed(blamed, now)
        headers += _ours(blamed, line, said.get(line))
        yield "\n".join(headers).encode(encoding, "surrogateescape") + b"\n\t" + lines[line] + b"\n"


def _group(blamed: "Blamed", chosen: Sequence[int], at: int) -> int:
    """Count the lines from `chosen[at]` on that stand together here and in their commit."""
    end = at + 1
    while end < len(chosen) and chosen[end] == chosen[end - 1] + 1 and _follows(blamed, chosen[end]):
        end += 1
    return end - at


def _follows(blamed: "Blamed", line: int) -> bool:
    before: Committed | None = blamed.commits[line - 1]
    commit = blamed.commits[line]
    if before is None or commit is None:
        return before is commit
    return (before.id, before.path, before.number + 1) == (commit.id, commit.path, commit.number)


def _not_committed(blamed: "Blamed", now: float) -> list[str]:
    who = ("Not Committed Yet", "<not.committed.yet>", f"{now:.0f}", "+0000")
    told = [
        f"{role}{field} {value}"
        for role in ("author", "committer")
        for field, value in zip(("", "-mail", "-time", "-tz"), who, strict=True)
    ]
    path = printable(blamed.path)
    return [*told, f"summary Version of {path} from {path}", f"filename {path}"]


def _ours(blamed: "Blamed", line: int, said: "Said") -> Iterator[str]:
    origin = blamed.origins[line]
    yield f"safe-agent-state {origin.state}"
    yield f"safe-agent-coverage {origin.coverage:g}"
    yield f"safe-agent-because {origin.because}"
    emission = blamed.emissions.get(origin.emission)
    if emission is not None:
        yield f"safe-agent-session {printable(emission.session)}"
        if emission.model:
            yield f"safe-agent-model {printable(emission.model)}"
        if emission.prompt:
            yield f"safe-agent-prompt {emission.prompt}"
    if said is not None:
        yield f"safe-agent-approved {'yes' if said.verdict == 'approved' else 'no'} {printable(said.user)}"
