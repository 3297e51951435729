"""The policy's `[[context]]` tables as detection rules, with what only this machine knows: its user, its remotes."""

from collections.abc import Sequence
from pathlib import Path

from redactors.context import Context, ContextRule
from redactors.engine import Engine
from redactors.finding import Confidence
from redactors.terms import Borders
from wrapper.plan.identity import is_telling, remotes
from wrapper.policy.contexts import FORMS
from wrapper.policy.model import ContextTable


def context_rules(tables: Sequence[ContextTable], *, user: str, workspace: Path) -> tuple[ContextRule, ...]:
    """Make the rules; a table about this machine, of which nothing is to be found, makes none."""
    rules = (_rule(table, user, workspace) for table in tables)
    return tuple(rule for rule in rules if rule is not None)


def wire_engine(engine: Engine, tables: Sequence[ContextTable], *, user: str, workspace: Path) -> Engine:
    """Give the engine for what leaves: it finds what the tables name, too. Shares all else with `engine`."""
    return engine.with_sources(Context(context_rules(tables, user=user, workspace=workspace))) if tables else engine


def _rule(table: ContextTable, user: str, workspace: Path) -> ContextRule | None:
    sure = Confidence[table.confidence.upper()]
    if table.builtin in FORMS:
        return ContextRule(table.label, sure, shape=table.builtin, hosts=table.hosts, allow=table.allow)
    if table.regex is not None:
        return ContextRule(table.label, sure, regex=table.regex, allow=table.allow)
    if table.builtin == "git-remote":
        found = tuple(dict.fromkeys(remotes(workspace)))
        return ContextRule(table.label, sure, found, Borders.WORD, allow=table.allow) if found else None
    if table.builtin == "username":
        return ContextRule(table.label, sure, (user,), allow=table.allow) if is_telling(user) else None
    borders = Borders(table.borders or "part")
    return ContextRule(
        table.label, sure, table.terms or (), borders, ignore_case=table.ignore_case is not False, allow=table.allow
    )
