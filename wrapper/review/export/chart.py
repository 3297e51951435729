"""Draws what was masked when: a lane for each kind of value, a dot for each time and place; pure.

A lane is an SVG of its own with positions in per cent, so that it fits whatever width it gets and its text stays
readable. What the dots say also stands in a table, for those who cannot see or hover.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Final

from wrapper.audit.events import AnyEvent, FileChange, Redacted
from wrapper.review.export.clock import clock, sound
from wrapper.review.export.pace import Pace
from wrapper.review.render import printable

ACTIONS: Final = {
    "replaced": "replaced by a placeholder",
    "dropped": "taken out",
    "blocked": "the request was not sent",
    "monitored": "only noted: it left as it is",
}
_FILES: Final = "FILES"
_BINS: Final = 60  # dots side by side in a lane, at most
_MOST_LANES: Final = 14
_MOST_PLACES: Final = 3  # that a dot names
_MOST_ROWS: Final = 300  # of the table
_REST: Final = "OTHER KINDS"


@dataclass
class _Dot:
    at: float
    count: int = 0
    places: dict[str, None] = field(default_factory=dict)


@dataclass
class Masked:
    """Counts what was masked, by kind and second; memory grows with these, not with the log."""

    total: int = 0
    left: int = 0
    _found: dict[tuple[str, str, int], _Dot] = field(default_factory=dict)

    def feed(self, event: AnyEvent) -> None:
        """Take one event."""
        match event:
            case Redacted():
                action = event.action if event.action in ACTIONS else "replaced"
                self._add(event.kind, action, event.at, event.count, f"{event.place} {event.where}".strip())
            case FileChange(action="masked"):
                self._add(_FILES, "replaced", event.at, 1, event.path)
            case _:
                pass

    def _add(self, kind: str, action: str, at: float, count: int, place: str) -> None:
        count = max(count, 1)
        if kind != _FILES:
            self.total += count
            self.left += count if action == "monitored" else 0
        at = sound(at)
        dot = self._found.setdefault((kind, action, int(at)), _Dot(at))
        dot.count += count
        if len(dot.places) <= _MOST_PLACES:
            dot.places[place] = None

    def html(self, start: float, end: float, pace: Pace) -> Iterator[str]:
        """Yield the chart and its table; nothing where nothing was masked."""
        if not self._found:
            return
        span = max(end - start, 0.001)
        yield '<div class="lanes">'
        for kind, dots in _lanes(self._binned(start, span)).items():
            yield f'<div class="lane"><span class="lane-name" title="{_safe(kind)}">{_safe(kind)}</span>'
            yield '<svg class="track" height="24" aria-hidden="true"><line x1="0" y1="12" x2="100%" y2="12"/>'
            yield from (_circle(dot, action, start, span, pace) for action, dot in dots)
            yield "</svg></div>"
        ticks = "".join(f"<span>{clock(span * part / 4)}</span>" for part in range(5))
        yield f'<div class="lane axis"><span class="lane-name"></span><div class="ticks">{ticks}</div></div></div>'
        yield from self._legend()
        yield from self._table(start, pace)

    def _binned(self, start: float, span: float) -> dict[str, dict[tuple[str, int], _Dot]]:
        lanes: dict[str, dict[tuple[str, int], _Dot]] = {}
        for (kind, action, _), dot in self._found.items():
            place = min(max(int((dot.at - start) / span * _BINS), 0), _BINS)
            into = lanes.setdefault(kind, {}).setdefault((action, place), _Dot(dot.at))
            into.count += dot.count
            into.places |= dot.places
        return lanes

    def _legend(self) -> Iterator[str]:
        used = {action for _, action, _ in self._found}
        yield '<p class="legend">'
        for action, meaning in ACTIONS.items():
            if action in used:
                circle = f'<circle class="dot {action}" cx="8" cy="8" r="5"/>'
                yield f'<span><svg width="16" height="16" aria-hidden="true">{circle}</svg>{meaning}</span>'
        yield "</p>"

    def _table(self, start: float, pace: Pace) -> Iterator[str]:
        yield '<details class="table"><summary>The same as a table</summary><div class="scroll"><table>'
        yield '<thead><tr><th scope="col">When</th><th scope="col">Kind</th><th scope="col">Times</th>'
        yield '<th scope="col">What was done</th><th scope="col">Where</th></tr></thead><tbody>'
        rows = sorted(self._found.items(), key=lambda item: (item[1].at, item[0]))
        for (kind, action, _), dot in rows[:_MOST_ROWS]:
            when = f'data-at="{pace.place(dot.at):.3f}">{clock(dot.at - start)}'
            yield f'<tr><td><button type="button" class="seek" {when}</button></td>'
            yield f"<td>{_safe(kind)}</td><td>{dot.count}</td><td>{ACTIONS[action]}</td>"
            yield f"<td>{_safe(_named(dot))}</td></tr>"
        yield "</tbody></table></div>"
        if len(rows) > _MOST_ROWS:
            yield f"<p>{len(rows) - _MOST_ROWS} more rows: <code>safe-agent audit redactions</code> has them.</p>"
        yield "</details>"


def _lanes(lanes: dict[str, dict[tuple[str, int], _Dot]]) -> dict[str, list[tuple[str, _Dot]]]:
    """Return the dots of each lane, the kinds that were masked most first; the rest becomes one lane."""
    order = sorted(lanes, key=lambda kind: (kind == _FILES, -sum(dot.count for dot in lanes[kind].values()), kind))
    made: dict[str, list[tuple[str, _Dot]]] = {}
    for number, kind in enumerate(order):
        name = kind if number < _MOST_LANES - 1 or len(order) <= _MOST_LANES else _REST
        made.setdefault(name, []).extend((action, dot) for (action, _), dot in lanes[kind].items())
    return made


def _circle(dot: _Dot, action: str, start: float, span: float, pace: Pace) -> str:
    x = min(max((dot.at - start) / span * 100, 0.0), 100.0)
    radius = min(4 + dot.count.bit_length(), 10)
    said = f"{clock(dot.at - start)}: {dot.count} {ACTIONS[action]}, {_named(dot)}"
    # the ends of a lane would cut the dots there
    return (
        f'<circle class="dot {action}" cx="{1 + x * 0.98:.2f}%" cy="12" r="{radius}" '
        f'data-at="{pace.place(dot.at):.3f}"><title>{_safe(said)}</title></circle>'
    )


def _named(dot: _Dot) -> str:
    names = list(dot.places)
    return ", ".join(names[:_MOST_PLACES]) + (", …" if len(names) > _MOST_PLACES else "")


def _safe(text: str) -> str:
    return escape(printable(text))
