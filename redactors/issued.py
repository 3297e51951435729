"""How issuers' tokens begin, so that a value that only pretends to be one is told from a token.

A generic rule finds `exoscale_api_key = "EXOabc123"` by its key. The issuer's own rule did not match: the value begins
as a token of that issuer does and is too short to be one, as values of documentation and of tests are. A value as long
as the issuer's, or longer, is left to the generic rule: formats change. So is one whose beginning many issuers share.

The same holds where the key names the issuer: 32 hexadecimal digits behind `wandb_api_key` are none of its 40.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

from redactors import labels
from redactors.rules.model import Rule
from redactors.rules.widths import widths

_REPEAT = re.compile(r"\{(?:\d+,)?(\d+)\}")
_LOOK_AROUND = re.compile(r"\(\?<?[!=](?:[^()\\]|\\.)*\)")
_OUTER = re.compile(r"\(\?:(.*)\)")
_REPEATED = re.compile(r"(?:\[(?:[^\]\\]|\\.)+\]|\([^()]*\)|\\?[^\\\[\]()])(?:[{?]|$)")
_LITERAL = re.compile(r"(?:(?:[A-Za-z0-9_/:@ -]|\\[.-])(?![{?*+]))+")
_GROUP = re.compile(r"\((?:\?:)?([^()]*)\)")
_ONE = re.compile(r"\[(?:[^\]\\]|\\.)+\]|\\(.)")
_SHARED = re.compile(r"(?i)(?:sk|pk|key|api|sdk|live|test|token)[-_]?$")  # many issuers begin their tokens so
_NO_LETTERS = re.compile(r"[^a-z0-9]")
_PLAIN_NAME = re.compile(r"[a-z0-9]{4,}")
# Issuers whose name is a word of any key, and platforms whose services issue more kinds than there are rules for.
_NO_ONES_NAME = frozenset(
    """access alchemy alpaca axiom beamer brave captcha chromatic clerk cognition cognitive crates cursor cypress drone
    fireworks ghost harness here hunter intercom kong kraken lambda lark line linear maps mercury meta modal neon notify
    pass persona polar polygon prefect proof railway ramp rancher render replicate resend sanity search secret segment
    shortcut speech square steam together token travis voyage amazon oracle facebook github gitlab salesforce
    mongodb ethereum docker hashicorp atlassian confluence jira adobe paypal twitter instagram linkedin jenkins
    elastic snowflake redhat cisco alibaba alicloud aliyun""".split()  # noqa: SIM905 (words)
)
_HEX = re.compile(rb"[0-9a-fA-F]+")
_REMEMBERED = 256
_LEAST = 4
_LEAST_CAPITALS = 3  # `EXO`, `SCW`: no word and no identifier goes on as their tokens do


class _Shape(NamedTuple):
    """The first two bytes of a token; how it begins; the token with all its repeats made shorter; its least length."""

    first: bytes
    begin: re.Pattern[bytes]
    cut: re.Pattern[bytes]
    least: int


class _Cut(NamedTuple):
    """A token of an issuer with all its repeats made shorter; the least length of all that this issuer makes."""

    cut: re.Pattern[bytes]
    least: int

    def is_like(self, value: bytes) -> bool:
        """Tell whether `value` may be cut from such a token: hexadecimal digits are, if it has no other letters."""
        if not self.cut.fullmatch(value):
            return False
        return not (_HEX.fullmatch(value) and self.cut.fullmatch(b"z" * len(value)))


class IssuedShapes:
    """The tokens of issuers; built at the first question."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._named = lru_cache(_REMEMBERED)(self._named_in)
        self._cuts = lru_cache(_REMEMBERED)(self._cuts_of)

    def is_cut(self, value: bytes) -> bool:
        """Tell whether `value` begins as an issuer's token does and ends too early to be one."""
        fitting = [shape for shape in self._shapes.get(value[:2], ()) if shape.begin.match(value)]
        if not fitting:
            return False
        return len(value) < min(shape.least for shape in fitting) or any(one.cut.fullmatch(value) for one in fitting)

    def is_short(self, key: bytes, value: bytes) -> bool:
        """Tell whether `key` names an issuer, and `value` is what its tokens are, but shorter than any of them."""
        cuts = (one for name in self._named(key) for one in self._cuts(name))
        return any(len(value) < one.least and one.is_like(value) for one in cuts)

    def _named_in(self, key: bytes) -> list[bytes]:
        words = labels.words(key)
        pairs = (first + second for first, second in pairwise(words))
        return [name for name in (*words, *pairs) if name in self._of_issuers]

    def _cuts_of(self, name: bytes) -> tuple[_Cut, ...]:
        """Give what the tokens of an issuer look like; nothing if one stands in a context: its length is not known."""
        rules = self._of_issuers[name]
        if any("(?P<" in rule.regex for rule in rules):
            return ()
        least = min(widths(rule.regex)[0] for rule in rules)
        return tuple(_Cut(re.compile(_REPEAT.sub(r"{0,\1}", rule.regex).encode()), least) for rule in rules)

    @cached_property
    def _of_issuers(self) -> Mapping[bytes, tuple[Rule, ...]]:
        """Rules by the name of their issuer, in small letters and as it stands in keys."""
        named: dict[bytes, list[Rule]] = {}
        for rule in self._rules:
            for name in _names_of(rule):
                named.setdefault(name.encode(), []).append(rule)
        return {name: tuple(rules) for name, rules in named.items()}

    @cached_property
    def _shapes(self) -> Mapping[bytes, tuple[_Shape, ...]]:
        """Tokens that begin with letters of their issuer, by their first two bytes."""
        shapes: dict[bytes, list[_Shape]] = {}
        for rule in self._rules:
            if rule.issuer and not rule.names and "(?P<" not in rule.regex:
                for shape in _shapes_of(rule.regex):
                    shapes.setdefault(shape.first, []).append(shape)
        return {first: tuple(found) for first, found in shapes.items()}


def heads(regex: str) -> tuple[str, ...]:
    """Give the texts that `regex` may begin with, up to its first repeat; `?` stands for a set of characters."""
    regex = _LOOK_AROUND.sub("", regex)
    outer = _OUTER.fullmatch(regex)
    if outer and _is_one_group(regex):
        return tuple(head for one in _alternatives(outer[1]) for head in heads(one))
    repeated = _REPEATED.search(regex)
    texts = [regex[: repeated.start()] if repeated else regex]
    while any(_GROUP.search(text) for text in texts):
        texts = [wide for text in texts for wide in _expanded(text)]
    return tuple(_ONE.sub(lambda found: found[1] or "?", text) for text in texts)


def literal(regex: str) -> bytes:
    """Give the bytes that every match of `regex` begins with, as far as they stand there unquoted; `b""` for none."""
    found = _LITERAL.match(regex)
    if found is None or len(_alternatives(regex)) > 1:
        return b""
    return found[0].replace("\\", "").encode("ascii")


def telling(regex: str) -> int:
    """Give how many characters at the beginning of a token tell its issuer; 0 if many issuers begin theirs so."""
    return min(len(text) if _is_telling(text) else 0 for text in heads(regex))


def _shapes_of(regex: str) -> Iterator[_Shape]:
    cut = re.compile(_REPEAT.sub(r"{0,\1}", regex).encode())
    for text in heads(regex):
        if _is_telling(text) and "?" not in text[:2]:
            begin = re.compile(re.escape(text).replace(r"\?", ".").encode())
            yield _Shape(text[:2].encode(), begin, cut, widths(regex)[0])


def _names_of(rule: Rule) -> Iterator[str]:
    if rule.issuer and rule.issuer != "any":
        names = (_NO_LETTERS.sub("", rule.issuer.partition(" and ")[0].lower()), *rule.names.split("|"))
        yield from (name for name in names if _PLAIN_NAME.fullmatch(name) and name not in _NO_ONES_NAME)


def _expanded(text: str) -> list[str]:
    group = _GROUP.search(text)
    if group is None:
        return [text]
    return [text[: group.start()] + one + text[group.end() :] for one in group[1].split("|")]


def _is_one_group(regex: str) -> bool:
    return len(_alternatives(regex)) == 1 and len(_alternatives(regex[3:-1])) > 1


def _alternatives(regex: str) -> list[str]:
    """Split at the `|` outside groups and sets."""
    parts, depth, within, escaped = [""], 0, False, False
    for letter in regex:
        if letter == "|" and not (depth or within or escaped):
            parts.append("")
            continue
        parts[-1] += letter
        if not escaped:
            within = (within or letter == "[") and letter != "]"
            depth += 0 if within else {"(": 1, ")": -1}.get(letter, 0)
        escaped = letter == "\\" and not escaped
    return parts


def _is_telling(head: str) -> bool:
    if _SHARED.match(head):
        return False
    return len(head) >= _LEAST or (len(head) >= _LEAST_CAPITALS and head.isupper())
