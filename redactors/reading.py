"""What a reader of values gives that stand apart from their name."""

from typing import NamedTuple


class Read(NamedTuple):
    """The values, as spans in rising order, and up to where other names say nothing new."""

    values: list[tuple[int, int]]
    behind: int
