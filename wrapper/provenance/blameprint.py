"""Whose lines are, as people read it in a terminal of any width, and as JSON; pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from wrapper.messages import printable
from wrapper.provenance.attribution import LineOrigin, State
from wrapper.provenance.model import Kind
from wrapper.review.times import moment

if TYPE_CHECKING:
    from wrapper.provenance.blaming import Blamed
    from wrapper.provenance.judgements import Said
    from wrapper.provenance.model import Emission

VERSION: Final = 1
"""Of the JSON."""

_WIDE: Final = 110  # columns, from which the model stands beside the session …
_WIDER: Final = 140  # … and the day
_SESSION: Final = 16  # characters: a session's second, which `audit show` finds it by
_MODEL: Final = 22
_COLOURS: Final = {State.AGENT: "36", State.EDITED: "33", State.HUMAN: "32", State.UNKNOWN: "2"}
_NAMES: Final = {
    State.AGENT: "agent",
    State.EDITED: "agent-edited",
    State.HUMAN: "human",
    State.UNKNOWN: "unknown",
}
Prompts = Mapping[tuple[str, int], str]


def rows(
    blamed: "Blamed",
    chosen: Sequence[int],
    said: Mapping[int, "Said"],
    *,
    width: int | None,
    colours: bool = False,
    verbose: bool = False,
    prompts: Prompts | None = None,
) -> Iterator[str]:
    """Yield a line for each of the lines in `chosen` (from 0), cut to `width` columns if there is one.

    With `prompts` (of a session's record) each run of lines is headed by the words that led to it.
    """
    digits = len(str(max(chosen, default=0) + 1))
    lines, last = blamed.lines, None
    for line in chosen:
        origin = blamed.origins[line]
        emission = blamed.emissions.get(origin.emission)
        asked = (prompts or {}).get((emission.session, emission.prompt)) if emission else None
        if asked is not None and asked != last:
            yield _cut(f"# {printable(' '.join(asked.split()))}", width)
        last = asked
        mark = _mark(said.get(line))
        head = f"{_NAMES[origin.state]:<12}{mark}{_source(emission, width or _WIDER + 1)} {line + 1:>{digits}} "
        why = f"({_why(origin, emission)}) " if verbose else ""
        text = printable(lines[line].decode(errors="replace").expandtabs(4))
        row = _cut(f"{head}{why}{text}", width)
        yield f"\x1b[{_COLOURS[origin.state]}m{row[: len(head)]}\x1b[0m{row[len(head) :]}" if colours else row


def summary(origins: Sequence[LineOrigin]) -> str:
    """Say how many lines of each state there are."""
    counts = Counter(origin.state for origin in origins)
    told = ", ".join(f"{counts[state]} {_NAMES[state]}" for state in State if counts[state])
    return f"{len(origins)} line{'' if len(origins) == 1 else 's'}" + (f": {told}" if told else "")


def share(origins: Sequence[LineOrigin]) -> float:
    """Give the share of lines that are the agent's, edited or not, 0 to 1."""
    theirs = sum(origin.state in (State.AGENT, State.EDITED) for origin in origins)
    return theirs / len(origins) if origins else 0.0


def stat_rows(files: Sequence[tuple[str, Sequence[LineOrigin]]], width: int | None) -> Iterator[str]:
    """Yield a table: a row for each file, the agent's share first, and one for all."""
    head = f"{'agent':>6} {'lines':>7} {'agent':>7} {'edited':>7} {'human':>7} {'unknown':>7}  "
    yield f"{head}file"
    for name, origins in files:
        yield _cut(f"{_counts(origins)}{printable(name)}", width)
    if len(files) > 1:
        every = [origin for _, origins in files for origin in origins]
        yield f"{_counts(every)}in all {len(files)} files"


def document(
    blamed: "Blamed", chosen: Sequence[int], said: Mapping[int, "Said"], prompts: Prompts | None = None
) -> dict[str, object]:
    """Give one file as the JSON that `--json` prints."""
    origins, lines = [blamed.origins[line] for line in chosen], blamed.lines
    return {
        "version": VERSION,
        "file": blamed.path,
        "revision": blamed.revision,
        "lines": [_line(blamed, line, lines[line], said.get(line), prompts or {}) for line in chosen],
        "counts": counts(origins),
        "share": round(share(origins), 4),
        "faults": [fault._asdict() for fault in blamed.faults],
    }


def counts(origins: Sequence[LineOrigin]) -> dict[str, int]:
    """Count the lines of each state; all states are there."""
    found = Counter(origin.state for origin in origins)
    return {state.value: found[state] for state in State}


def _line(blamed: "Blamed", line: int, text: bytes, said: "Said", prompts: Prompts) -> dict[str, object]:
    origin, commit = blamed.origins[line], blamed.commits[line]
    emission = blamed.emissions.get(origin.emission)
    told: dict[str, object] = {
        "line": line + 1,
        "state": origin.state.value,
        "coverage": origin.coverage,
        "because": origin.because,
        "commit": commit.id if commit else None,
        "source": None if emission is None else msgspec.to_builtins(emission),
        "approval": None
        if said is None
        else {"verdict": said.verdict.value, "user": said.user, "at": said.at, "reason": said.reason},
        "text": text.decode(errors="replace"),
    }
    if emission is not None and (emission.session, emission.prompt) in prompts:
        told["prompt"] = prompts[emission.session, emission.prompt]
    return told


def _source(emission: "Emission | None", width: int) -> str:
    session = "" if emission is None else "claimed" if emission.kind is Kind.CLAIM else printable(emission.session)
    session = session[:_SESSION]
    told = f" {session:<{_SESSION}}"
    if width >= _WIDE:
        told += f" {'' if emission is None else printable(emission.model or emission.process)[:_MODEL]:<{_MODEL}}"
    if width >= _WIDER:
        told += f" {'' if emission is None else moment(emission.at)[:10]:<10}"
    return told


def _why(origin: LineOrigin, emission: "Emission | None") -> str:
    if emission is not None and emission.kind is Kind.CLAIM:
        return f"{origin.because}: {printable(emission.origin)}"
    return f"{origin.because}, {origin.coverage:.0%}" if emission is not None else origin.because


def _mark(said: "Said") -> str:
    return " " if said is None else "+" if said.verdict == "approved" else "!"


def _counts(origins: Sequence[LineOrigin]) -> str:
    found = Counter(origin.state for origin in origins)
    numbers = " ".join(f"{found[state]:>7}" for state in (State.AGENT, State.EDITED, State.HUMAN, State.UNKNOWN))
    return f"{share(origins):>6.1%} {len(origins):>7} {numbers}  "


def _cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else f"{text[: width - 1]}…"
