"""Counts what was found in a session, by kind, value, place and rule; never a value, only its placeholder; pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, NamedTuple

from wrapper.audit.events import AnyEvent, FileChange, Redacted

FILE: Final = "FILE"
"""The kind of a file that the inside was shown with placeholders; which values it held stands in the plan."""

_FEW: Final = 6  # places named in a line


class Found(NamedTuple):
    """A value at one place, and what became of it: `action` is `replaced`, `monitored`, `blocked`, `dropped`, `masked`.

    `where` names the variable, the path, or the request's number.
    """

    kind: str
    placeholder: str
    action: str
    rule: str
    place: str
    where: str


@dataclass
class Tally:
    """How often each was found, in the order in which it was found first."""

    counts: dict[Found, int] = field(default_factory=dict)

    def take(self, event: AnyEvent) -> None:
        """Count what an event tells."""
        match event:
            case Redacted():
                where = (
                    event.where.partition("@")[0] if event.place in ("request", "egress", "response") else event.where
                )
                found = Found(event.kind, event.placeholder, event.action or "replaced", event.rule, event.place, where)
                self.counts[found] = self.counts.get(found, 0) + event.count
            case FileChange(action="masked"):
                found = Found(FILE, "", "masked", "", "file", event.path)
                self.counts[found] = self.counts.get(found, 0) + 1
            case _:
                pass

    def lines(self, kinds: Iterable[str] = ()) -> Iterator[str]:
        """Yield the kinds with their totals, and below each its values: how often, what became of them, where."""
        wanted = frozenset(kinds)
        chosen = [(found, count) for found, count in self.counts.items() if not wanted or found.kind in wanted]
        chosen.sort(key=lambda one: (one[0].kind == FILE, one[0].kind, one[0].placeholder, one[0].action, one[0].rule))
        for kind, of_kind in groupby(chosen, key=lambda one: one[0].kind):
            yield from _of_kind(kind, list(of_kind))
        values = {found.placeholder for found, _ in chosen if found.placeholder}
        times = sum(count for found, count in chosen if found.placeholder)
        if values or not chosen:
            yield f"in all {_counted(len(values), 'value')}, {_counted(times, 'time')}: {_by_action(chosen)}"


def _of_kind(kind: str, rows: list[tuple[Found, int]]) -> Iterator[str]:
    values = {found.placeholder for found, _ in rows if found.placeholder}
    if kind == FILE:
        yield f"{_counted(len(rows), 'file')} shown with placeholders"
    else:
        times = sum(count for _, count in rows)
        yield f"{kind}  {_counted(len(values), 'value')}, {_counted(times, 'time')}: {_by_action(rows)}"
    same = groupby(rows, key=lambda one: one[0][:4])
    for (_, placeholder, action, rule), group in same:
        places = list(group)
        often = _counted(sum(count for _, count in places), "time")
        by = f"  ({rule})" if rule else ""
        head = f"{placeholder}  {action} {often}{by}: " if placeholder else ""
        yield f"  {head}{_where([found for found, _ in places])}"


def _by_action(rows: Iterable[tuple[Found, int]]) -> str:
    actions: dict[str, int] = {}
    for found, count in rows:
        if found.placeholder:
            actions[found.action] = actions.get(found.action, 0) + count
    return ", ".join(f"{count:,} {action}" for action, count in actions.items()) or "none"


def _where(found: list[Found]) -> str:
    """Name the places, each kind of place once: `environment A, request #2 #3 and 5 more`."""
    told: list[str] = []
    for place, group in groupby(sorted(found, key=lambda one: one.place), key=lambda one: one.place):
        names = list(dict.fromkeys(one.where for one in group))
        more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
        told.append(f"{place} {' '.join(names[:_FEW])}{more}".strip())
    return ", ".join(told)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
