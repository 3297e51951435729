"""What the index of provenance is made of: emissions, their lines and their fingerprints; pure but for numpy.

An *emission* is one piece of text that came into being at one moment: a part of a model's answer, the input of a tool
that a model called, what a process inside wrote, what somebody outside wrote while a session ran, or what somebody else
claims of a text. Of its text the index holds keyed codes only (`keyed`); who and when stand sealed beside them.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint64]


class Kind(StrEnum):
    """How a text came into being."""

    TEXT = "text"  # what a model said
    INPUT = "input"  # what a model gave to a tool: commands, file contents, patches
    WRITE = "write"  # what a process inside put into a file of the workspace
    HOST = "host"  # what was written from outside while a session watched: a person, or a program of theirs
    CLAIM = "claim"  # imported: somebody says that a model wrote it


BY_AGENT: Final = frozenset({Kind.TEXT, Kind.INPUT, Kind.WRITE, Kind.CLAIM})


class Emission(msgspec.Struct, frozen=True, kw_only=True):
    """Where one text comes from. `at`: seconds since the epoch, UTC.

    `sequence` is the log's record that holds it, `request` the request that a model answered with it, `prompt` the
    record that holds the user's words that led to it; 0: none, or not known. `path` is the file as the tool or the view
    named it, `tool` the tool's name, `process` who wrote it (`node[1234]`), `host` whom the request went to. `origin`
    says of a claim where it was found. `is_cut`: not all of it is known.
    """

    kind: Kind
    session: str
    at: float
    sequence: int = 0
    request: int = 0
    prompt: int = 0
    model: str = ""
    agent: str = ""
    host: str = ""
    path: str = ""
    tool: str = ""
    process: str = ""
    origin: str = ""
    is_cut: bool = False


class Flag:
    """Bits of a line's flags."""

    ECHO: Final = 1  # stood in what the model had been given, or in the file before: not the emission's own
    TRIVIAL: Final = 2  # says nothing by itself: `}`, `else:`, a blank line
    HIDDEN: Final = 4  # holds a placeholder, so that the real line in the real file has another code


LINE: Final = np.dtype([
    ("code", "<u8"),  # keyed, of the line's text without blanks at its ends
    ("shape", "<u8"),  # keyed, of its tokens with names abstracted
    ("sketch", "<u8"),  # eight bytes, each the smallest keyed hash of its tokens under one of eight functions (MinHash)
    ("emission", "<u4"),
    ("number", "<u4"),  # of the line in its emission, from 0
    ("flags", "u1"),
])  # fmt: skip
"""A row for each line of an emission."""

PRINT: Final = np.dtype([
    ("code", "<u8"),  # keyed, of neighbouring tokens; shapes and exact words have domains of their own
    ("emission", "<u4"),
    ("place", "<u4"),  # of its first token in the emission, counted in tokens
])  # fmt: skip
"""A row for each fingerprint that was kept of an emission."""


class Prints(NamedTuple):
    """Codes of one text, not yet keyed or keyed, in the order of the text.

    lines: LINE rows, `emission` 0. shapes, words: PRINT rows, `emission` 0. tokens: how many the text has.
    """

    lines: npt.NDArray[np.void]
    shapes: npt.NDArray[np.void]
    words: npt.NDArray[np.void]
    tokens: int


class Read(msgspec.Struct, frozen=True):
    """A file that the inside read: path, when first, how many bytes."""

    path: str
    at: float
    size: int


class Sheet(NamedTuple):
    """What is written in one go: some emissions of one session, `emission` of the rows counting from 0 in it."""

    session: str
    number: int
    emissions: Sequence[Emission]
    lines: npt.NDArray[np.void]
    shapes: npt.NDArray[np.void]
    words: npt.NDArray[np.void]
    blobs: npt.NDArray[np.void]  # PRINT rows: keyed codes of whole contents after a write, `place` is 0
    reads: Sequence[Read]


class Fault(NamedTuple):
    """Why an index does not tell everything: of which session ("" : of all), and what to do."""

    session: str
    why: str
    hint: str = ""
