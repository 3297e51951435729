"""One policy file and the layer it stands for, and what merging such files adds up to besides the policy; pure."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from wrapper.policy.model import Layer, Notice, Rule, Setting
from wrapper.policy.parse import Source, printable

TRUST: Final = "read the file, then take it as it is with `safe-agent policy trust`"
OWN: Final = "set it in your own policy: `~/.config/safe-agent/policy.toml`"
FLOOR: Final = "the organisation's policy is a floor: ask whoever keeps it"


class Layered(msgspec.Struct, frozen=True):
    """One policy file and the layer it stands for; `trusted` is false only for a project nobody has trusted."""

    layer: Layer
    source: Source
    trusted: bool = True

    def rule(self, key: str, pattern: str, *place: str | int, action: str = "") -> Rule:
        """Make the rule for one entry under the dotted `key`, whose last part is the action if none is given."""
        path = (*key.split("."), *place)
        return Rule(pattern, action or key.rpartition(".")[2], self.layer, self.source.file, self.source.line(*path))

    def value(self, key: str) -> Any:
        """Give what the file says under the dotted `key`; None where it says nothing."""
        table: Any = self.source.document
        for part in key.split("."):
            table = getattr(table, part)
        return table


class Report:
    """The rows of `policy show`, and notices of what was not taken; both grow in the order of the keys."""

    def __init__(self) -> None:
        self.rows: list[Setting] = []
        self.notices: list[Notice] = []

    def show(self, key: str, rules: Iterable[Rule]) -> None:
        """Add a row for each of `rules`, with its pattern as the value."""
        self.rows += [Setting(key, rule.pattern, rule) for rule in rules]

    def show_as(self, key: str, value: str, rule: Rule) -> None:
        """Add a row with a value of its own."""
        self.rows.append(Setting(key, value, rule))

    def notice(self, rule: Rule, key: str, hint: str, why: str) -> None:
        """Say that what `rule` asks for under `key` was not taken."""
        self.notices.append(Notice(rule.file, rule.line, printable(key), why, hint))


_SILENT: Final = (None, "", ())


def shown(table: msgspec.Struct, first: str, keys: Sequence[str], silent: tuple[Any, ...] = _SILENT) -> str:
    """Say a table in one line, complete: `policy show` prints it and the digest follows it.

    `silent` are the values that say nothing.
    """
    found = [(key, getattr(table, key)) for key in keys]
    said = [f"{key.rstrip('_')} = {msgspec.json.encode(value).decode()}" for key, value in found if value not in silent]
    return ", ".join(filter(None, (first, *said)))
