"""What serves requests, as one value: each part of a view knows of the others by it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wrapper.view.attributes import Attributes
from wrapper.view.changes import Changes
from wrapper.view.contents import Contents
from wrapper.view.history import History
from wrapper.view.indexes import Indexes
from wrapper.view.lower import Lower
from wrapper.view.nodes import Node, Nodes, below
from wrapper.view.owners import Owners
from wrapper.view.resting import Resting
from wrapper.view.verdicts import Verdicts
from wrapper.view.writing import Writing

Handler = Callable[[int, int, memoryview, int], bytes | memoryview | None]
"""Takes unique, node number, the message and its length; gives the answer, None for none."""
Note = tuple[Callable[..., None], *tuple[Any, ...]]
"""What is called with what."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one view; `tell` takes what the kernel must be told, from whatever thread that may be.

    `after` is what is done when the request that is being served has its answer, before the next one is read: who
    asked goes on meanwhile. It cannot refuse any more, and looks at no file: what it finds may be the host's by then.
    """

    nodes: Nodes
    lower: Lower
    verdicts: Verdicts
    contents: Contents
    writing: Writing
    history: History
    resting: Resting
    indexes: Indexes
    changes: Changes
    attributes: Attributes
    owners: Owners
    tell: Callable[[bytes], None]
    after: deque[Note] = field(default_factory=deque)

    def refs_moved(self, node: Node) -> None:
        """Tell of each name of a file by which git finds commits."""
        for parent, name in node.names():
            path = below(parent, name)
            if self.indexes.moves_commits(path):
                self.history.put(self.history.witness.refs_moved, path)
