"""What issuers put before every token of theirs, as clients look for it; pure.

A placeholder may stand behind such a prefix (`ghp_MASKED-…`). The prefix is no secret, so it is neither a finding nor
the left-over of one. Only what a rule spells out counts as one: any text before a mark would hide a trimmed secret.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property

from redactors.finding import Confidence
from redactors.issued import heads
from redactors.rules.model import Rule
from redactors.vault import LONGEST_PREFIX

_JOINTS = "_-."
_FITTING = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")
_SET = "?"  # in a head: one character of a set, as in `gh[pousr]_`
_MOST_OF_SETS = 1  # a set that stands before a joint names a kind of token; more of them may be the token itself


def issuer_prefix(rules: Iterable[Rule], value: bytes) -> str:
    """Give what an issuer puts before a token like `value`: `ghp_`, `sk-ant-`; empty if no certain rule knows it.

    It ends with `_`, `-` or `.`: where none of them stands, as in `AKIA…`, a prefix cannot be told from what follows.
    """
    text = value.decode("ascii", "replace")
    fitting = (rule for rule in rules if _spells_out(rule) and _is_of(rule, value))
    found = [_common(prefix, text) for rule in fitting for prefix in _prefixes(rule)]
    return max(found, key=len, default="")


class IssuerPrefixes:
    """The prefixes of all rules; looked at once one is asked for."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)

    def before(self, data: bytes, mark: int) -> int:
        """Give how many bytes before `mark` are an issuer's prefix."""
        if data[mark - 1 : mark] not in (b"_", b"-", b"."):
            return 0
        found = self._pattern.search(data, max(0, mark - LONGEST_PREFIX), mark)
        return 0 if found is None else mark - found.start()

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        prefixes = {prefix for rule in self._rules if _spells_out(rule) for prefix in _prefixes(rule)}
        spelled = (re.escape(one).replace(re.escape(_SET), "[A-Za-z0-9]") for one in sorted(prefixes, key=len)[::-1])
        return re.compile(f"(?<![A-Za-z0-9])(?:{'|'.join(spelled) or '(?!)'})\\Z".encode())


def _spells_out(rule: Rule) -> bool:
    """Tell a rule by which a token is its own evidence."""
    return rule.confidence is Confidence.CERTAIN and bool(rule.issuer) and not (rule.names or rule.keywords)


def _is_of(rule: Rule, value: bytes) -> bool:
    return not rule.has_context() and re.fullmatch(rule.regex.encode("ascii"), value) is not None


def _prefixes(rule: Rule) -> Iterator[str]:
    """Give what the rule's tokens may begin with, up to the last joint."""
    if rule.has_context():
        return
    for head in heads(rule.regex):
        end = next((at for at, one in enumerate(head) if one not in _FITTING and one != _SET), len(head))
        prefix = head[: 1 + max(head.rfind(joint, 0, end) for joint in _JOINTS)]
        if prefix and prefix[0] != _SET and prefix.count(_SET) <= _MOST_OF_SETS and len(prefix) <= LONGEST_PREFIX:
            yield prefix


def _common(prefix: str, text: str) -> str:
    """Give the prefix as it stands in `text`, which begins with it, else nothing."""
    fits = len(prefix) <= len(text) and all(one in (_SET, other) for one, other in zip(prefix, text, strict=False))
    return text[: len(prefix)] if fits else ""
