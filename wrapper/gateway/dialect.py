"""What differs between the providers' interfaces, as plain values; `anthropic` and `openai` fill it in. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Key = tuple[object, ...]
"""Names one piece of text that a stream delivers in parts; a shorter key names all pieces that begin with it."""


class Delta(NamedTuple):
    """Where the next part of a piece of text stands in an event.

    `path` leads through the event's objects to the string. `nested`: the text is itself JSON text, so a value put
    into it is escaped as a JSON string's content once more.
    """

    key: Key
    path: tuple[str, ...]
    nested: bool


@dataclass(frozen=True, slots=True)
class Dialect:
    """One provider's interface.

    `error(status, message)` is the JSON body of an error; `delta(event)` finds streamed text; `closes(event)` names
    the pieces that end with this event; `opaque(object)` says which JSON objects the provider wrote for itself
    (reasoning, signatures) and must come back untouched, `opaque_keys` which members; `nested_keys` are members
    whose string is JSON text.
    """

    name: str
    provider: str
    error: Callable[[int, str], bytes]
    delta: Callable[[Mapping[str, Any]], Delta | None]
    closes: Callable[[Mapping[str, Any]], tuple[Key, ...]]
    opaque: Callable[[Mapping[str, Any]], bool]
    opaque_keys: frozenset[str]
    nested_keys: frozenset[str]
