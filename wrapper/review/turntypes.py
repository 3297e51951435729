"""What is said in a conversation with a model, one frozen type per kind; pure.

The texts are raw: they may hold anything that the agent or a server sent. `render` makes them safe to print.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the user asked. `sequence` and `at` are those of the record, `request` is the request's number.

    `aside` says that the model was given no tools: clients ask so by themselves, for a title or a summary.
    """

    sequence: int
    at: float
    request: int
    text: str
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said to the user; `aside` as in the prompt."""

    sequence: int
    at: float
    request: int
    text: str
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that the model wants to be used. `input` is text where the tool takes text, or it is no whole JSON."""

    sequence: int
    at: float
    request: int
    id: str
    tool: str
    input: Mapping[str, Any] | str


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool gave back for the call `id`, as the client sent it to the model."""

    sequence: int
    at: float
    request: int
    id: str
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of an answer as the provider counted them. The four numbers do not overlap.

    `cache_write_1h` of the `cache_write` tokens are kept for an hour, which is dearer.
    """

    sequence: int
    at: float
    request: int
    model: str
    input: int
    cache_read: int
    cache_write: int
    output: int
    cache_write_1h: int = 0


Turn = Prompt | Answer | Call | Result | Usage
