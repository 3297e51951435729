"""One detection rule, and the regular expressions that are made of it.

A rule is written once and used twice. Hyperscan gets the *trigger*: no groups that matter, no look-around, the last
repeat cut to its least length, so that it reports one end per secret and not one per further byte. `re` gets the
*pattern* and runs it on a small window around the reported end to fix the span. Three shapes exist:

- a token: `regex` is the secret itself, or a context whose group `secret` is the secret;
- an assigned value: `names` is the key before the value, `regex` the value alone, or all that follows the key, with
  the group `secret`;
- values that stand apart from their key, as in a table: `regex` is the key and what shows that values may follow, only
  for Hyperscan, and a `reader` reads on from its end.
"""

import re
from typing import NamedTuple

from redactors.finding import Confidence

QUOTE = r"""(?:\\{0,15}["'`])"""
"""A quote as it stands in plain text, in a JSON string, and in a JSON string within a JSON string."""

_NAME_TAIL = r"[A-Za-z0-9_.\-]{0,24}"
_SEPARATOR = (
    QUOTE
    + r"""?[\])]?(?:: ?[A-Za-z]{2,12}| [a-z]{3,8})?[ \t]{0,12}(?::?=>?|={2,3}|:|,|>| (?:is|-) |\|\|=?|\?=)"""
    + r"""\*{0,2}[ \t]{0,12}"""
    + r"""(?:(?:[A-Za-z_.]{1,16}\()?(?:[brfu]{0,2}"""
    + QUOTE
    + r""" ?)?|(?:\[\])?[A-Za-z_.]{0,16}[(\[][brfu]{0,2}"""
    + QUOTE
    + " ?)"
)
CONTEXT = _NAME_TAIL + _SEPARATOR
"""What stands between the key of an assigned value and the value."""

_BOUNDS = re.compile(r"\{(\d),\d+\}")
_LAST_REPEAT = re.compile(r"\{(\d+),\d*\}\??(\)*)$")
_OPTIONAL_END = re.compile(r"(?:=|\[[^\]]{1,60}\]|\([^()]{1,60}\))(?:\{0,\d+\}|\?)(\)*)$")
_GROUP_NAME = re.compile(r"\(\?P<\w+>")
_LOOK_AROUND = re.compile(r"\(\?<?[!=](?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*\)")
# For Hyperscan the repeats of the context are unbounded: one state each instead of one per count, a tenth of the
# time to compile. What matches too far the pattern throws out.
_LOOSE_CONTEXT = _BOUNDS.sub(lambda found: "*" if found[1] == "0" else "+", CONTEXT)
KEYWORD_REACH = 64
"""Bytes before a secret in which its keyword stands."""
_KEYWORD_GAP = r"[\s\S]{0,%d}" % KEYWORD_REACH  # noqa: UP031 (braces)
# An issuer's name begins a word: `etsy` is not meant by `SetSysctl`.
_WORD_BEGIN = "(?:(?<![A-Za-z])|(?=[A-Z][a-z]))"
# Nor does it end with the first letter of the next word: `sumo` is not meant by `sumOfExposures`, but in `DeepLkey` the
# next word says what is meant.
_WORD_END = "(?!(?<=[a-z][A-Z])(?!(?:api|auth|key|pass|secret|token))[a-z])"


class Rule(NamedTuple):
    """What to look for and how sure a match is; `regex`, `names` and `allow` are ASCII regular expressions.

    `keywords`: one of them must stand, in any case, in the 64 bytes before the match. `entropy`: least Shannon
    entropy of the secret in bits per byte. `check`: name of a function in `redactors.checks`. `allow`: a secret that
    one of these matches whole is none. `trigger`: what Hyperscan gets in the place of `regex`, where
    the derived one does not do; it begins where `regex` begins, and may end sooner. `reader`: name of a function in
    `redactors.readers`.
    """

    id: str
    kind: str
    regex: str
    confidence: Confidence = Confidence.LIKELY
    issuer: str = ""
    names: str = ""
    keywords: tuple[str, ...] = ()
    entropy: float = 0.0
    check: str = ""
    allow: tuple[str, ...] = ()
    trigger: str = ""
    reader: str = ""

    def pattern(self) -> str:
        """Give the regular expression for `re`; the secret is the group `secret` if there is one, else all."""
        if not self.names:
            return self.regex
        if self.has_context():
            return self.begin() + self.regex
        return f"{self.begin()}{CONTEXT}(?P<secret>{self.regex})"

    def has_context(self) -> bool:
        """Tell whether `regex` holds more than the secret."""
        return "(?P<secret>" in self.regex

    def begin(self) -> str:
        """Give the expression that every match of an assigned value begins with: its key; empty for other shapes."""
        if not self.names:
            return ""
        return f"{_WORD_BEGIN}(?i:{self.names}){_WORD_END}" if self.issuer else f"(?i:{self.names})"

    def hyperscan_pattern(self) -> str:
        """Give the regular expression for Hyperscan.

        What needs a keyword begins with it: a class of characters alone would match at every byte of a long run.
        """
        if not self.names:
            keywords = "" if self.has_context() else "|".join(map(re.escape, self.keywords))
            return f"(?i:{keywords}){_KEYWORD_GAP}(?:{self.value_trigger()})" if keywords else self.value_trigger()
        context = "" if self.has_context() else _LOOSE_CONTEXT
        return f"(?i:{_without_groups(self.names)}){context}(?:{self.value_trigger()})"

    def value_trigger(self) -> str:
        """Give the part of it that stands for `regex`: matches begin at the same places, and end where it is sure."""
        if self.trigger:
            return self.trigger
        return _LAST_REPEAT.sub(r"{\1}\2", _OPTIONAL_END.sub(r"\1", _without_groups(self.regex)))


def _without_groups(regex: str) -> str:
    return _LOOK_AROUND.sub("", _GROUP_NAME.sub("(?:", regex))
