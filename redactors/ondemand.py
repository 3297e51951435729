"""Regular expressions that most runs never need: compiled at the first question, for free afterwards."""

import re
from collections.abc import Callable
from functools import cached_property

Ask = Callable[..., re.Match[bytes] | None]


class OnDemand:
    """Stands for `re.compile(source)`, as far as it is asked; threads may share it.

    What a value must not look like takes 5 ms to compile, a tenth of what a start may take, and a start that finds
    nothing asks for none of it.
    """

    def __init__(self, source: bytes) -> None:
        self._source = source

    @cached_property
    def search(self) -> Ask:
        """`re.Pattern.search`."""
        return self._pattern.search

    @cached_property
    def match(self) -> Ask:
        """`re.Pattern.match`."""
        return self._pattern.match

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        return re.compile(self._source)
