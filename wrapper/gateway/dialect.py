"""What differs between the providers' interfaces, as plain values; `anthropic` and `openai` fill it in. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from wrapper.gateway.quoting import Quoting

Key = tuple[object, ...]
"""Names one piece of text that a stream delivers in parts; a shorter key names all pieces that begin with it."""
Path = tuple[str | int, ...]
"""Leads through an event's objects and lists to one string."""


class Delta(NamedTuple):
    """Where the next part of a piece of text stands in an event, and what the text is."""

    key: Key
    path: Path
    quoting: Quoting


class Reading(Protocol):
    """What is known of one answer up to the event at hand. Events are given in order, each to `deltas` first."""

    def deltas(self, event: Mapping[str, Any]) -> tuple[Delta, ...]:
        """Find streamed text."""

    def closes(self, event: Mapping[str, Any]) -> tuple[Key, ...]:
        """Name the pieces that end with this event; their last part may stand in it."""

    def rest(self, event: Mapping[str, Any], delta: Delta, text: str) -> Mapping[str, Any]:
        """Make one more event that delivers `text`, in the shape of an `event` that delivered a part."""

    def quoting(self, part: Mapping[str, Any], name: str) -> Quoting:
        """Say what the text in the member `name` of an object is."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One provider's interface.

    `error(status, message)` is the JSON body of an error; `reading()` begins an answer; `opaque(object)` says which
    JSON objects the provider wrote for itself (reasoning, signatures) and must come back untouched, `opaque_keys`
    which members; `ends` are the types of the events with which an answer ends.
    """

    name: str
    provider: str
    error: Callable[[int, str], bytes]
    reading: Callable[[], Reading]
    opaque: Callable[[Mapping[str, Any]], bool]
    opaque_keys: frozenset[str]
    ends: frozenset[str]


def with_text(value: Any, path: Path, text: str) -> Any:
    """Copy a JSON value with another string at `path`."""
    if not path:
        return text
    place, rest = path[0], path[1:]
    copy: Any = dict(value) if isinstance(place, str) else list(value)
    copy[place] = with_text(value[place], rest, text)
    return copy
