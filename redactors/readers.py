"""Readers of values that stand apart from the name that says what they are; what a rule may name as its `reader`.

A reader is told where the name ends, with what shows that values may follow. Whether they are secrets the rule's check
says. So that text full of names is not read again for each, nothing that ends up to `behind` is to be read from.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from redactors import inserts, lists, tables
from redactors.reading import Read

Reader = Callable[[bytes, int], Read]

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "passwords-of-table": tables.passwords,
        "secrets-of-table": tables.secrets,
        "accounts-of-table": tables.accounts,
        "copied-rows": tables.copied,
        "inserted-rows": inserts.rows,
        "list": lists.items,
    }
)
"""The readers that a rule may name."""

OF_LINES = frozenset({"passwords-of-table", "secrets-of-table", "accounts-of-table", "copied-rows"})
"""Those that must have seen all lines: what a line is, or whether it is one of a table, later ones may say too."""
