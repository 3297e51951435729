"""Checks of `[[context]]` tables; pure. `redactors.context` and `redactors.shapes` find what they name."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from wrapper.policy.model import ContextTable

BORDERS: Final = ("word", "part", "none")
FORMS: Final = ("email", "private-ip", "internal-host", "phone", "iban", "card")
OF_THIS_MACHINE: Final = ("username", "git-remote")
BUILTINS: Final = FORMS + OF_THIS_MACHINE

MOST_TERMS: Final = 20_000
_LEAST: Final = 2  # characters of a term
_MOST: Final = 200
# What each request is made of: a placeholder in its place and the provider refuses it.
_PROTOCOL: Final = frozenset({
    "assistant", "content", "data", "developer", "function", "image", "input", "max_tokens", "messages",
    "metadata", "model", "name", "output", "reasoning", "role", "schema", "stream", "string", "system", "text",
    "thinking", "tool", "tools", "type", "user",
})  # fmt: skip

Problem = tuple[tuple[str | int, ...], str, str]
"""Where in the table, what is wrong, what would be right."""


def problems(table: ContextTable, regex_problem: Callable[[str], tuple[str, str]]) -> Iterator[Problem]:
    """Give what is wrong with one table; `regex_problem` says it of an expression (and what would be right)."""
    means = [key for key in ("terms", "terms_file", "regex", "builtin") if getattr(table, key) is not None]
    if len(means) != 1:
        yield (), "`context` takes one of `terms`, `terms_file`, `regex`, `builtin`", "write one `[[context]]` for each"
        return
    yield from _kind(table)
    yield from _fitting(table, means[0])
    if table.builtin is not None and table.builtin not in BUILTINS:
        import difflib  # noqa: PLC0415 - only a mistake needs it

        close = difflib.get_close_matches(table.builtin, BUILTINS, n=1)
        hint = f'did you mean "{close[0]}"?' if close else f"these are: {', '.join(BUILTINS)}"
        yield ("builtin",), f'"{table.builtin}" is no builtin', hint
    if table.regex is not None and (wrong := regex_problem(table.regex))[0]:
        yield ("regex",), *wrong
    for number, text in enumerate(table.terms or ()):
        if wrong_term := term_problem(text):
            yield ("terms", number), wrong_term, ""


def expression_problem(regex: str) -> tuple[str, str]:
    """Say why an expression is none, or is found everywhere, and what to do; empty if nothing is wrong."""
    try:
        empty = re.compile(regex).fullmatch("")
    except (re.error, OverflowError, RecursionError) as error:
        return f"not a valid regex: {error}", ""
    return ("this regex matches nothing at all, hence everywhere", "let it ask for a character") if empty else ("", "")


def term_problem(text: str) -> str:
    """Say what is wrong with one term; empty if nothing."""
    if not _LEAST <= len(text.strip()) <= _MOST or not text.isprintable():
        return f"a term has {_LEAST} to {_MOST} characters on one line"
    if text.strip().lower() in _PROTOCOL:
        return f'"{text}" is a word of every request to a provider: without it none would be understood'
    return ""


def _kind(table: ContextTable) -> Iterator[Problem]:
    if not table.kind and table.builtin is None:
        yield (), "this `context` has no `kind`", "it becomes part of `MASKED-KIND-…`: A-Z, 0-9 and `-`"
    elif table.kind and not re.fullmatch(r"[A-Z0-9]+(?:-[A-Z0-9]+)*", table.kind):
        yield ("kind",), f'"{table.kind}" is not a kind', "it becomes part of `MASKED-KIND-…`: A-Z, 0-9 and `-`"
    if table.confidence not in ("certain", "likely"):
        yield ("confidence",), f'"{table.confidence}" is not a confidence', 'use "certain" or "likely"'


def _fitting(table: ContextTable, means: str) -> Iterator[Problem]:
    """Refuse what would be silently without effect."""
    literal = means in ("terms", "terms_file")
    if table.borders is not None and table.borders not in BORDERS:
        yield ("borders",), f'"{table.borders}" is not a border', f"these are: {', '.join(BORDERS)}"
    for key, value in (("borders", table.borders), ("ignore_case", table.ignore_case)):
        if value is not None and not literal:
            yield (key,), f"`{key}` is about terms only", "an expression says it itself, as in `(?i)\\bword\\b`"
    if table.hosts and table.builtin != "internal-host":
        yield ("hosts",), "`hosts` belongs to the builtin `internal-host`", ""
    for number, host in enumerate(table.hosts):
        if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?", host):
            yield ("hosts", number), f'"{host}" is not a host name', "name a host or a domain; no patterns"
    for number, text in enumerate(table.allow):
        if not text.replace("*", "").strip() or not text.isprintable():
            yield ("allow", number), "this would allow everything", "name the texts that may stay"
