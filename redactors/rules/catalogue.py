"""The bundled rules: one TOML file per family beside this module, and the form in which they are cached.

A rule in TOML has the fields of `Rule`, plus `match` and `miss`, its examples. Examples are stored so that secret
scanners do not take a checkout for a leak: a list of parts is joined, and `{base62:36}` stands for 36 characters of
that alphabet, always the same ones. A text is an example as it stands.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from redactors.finding import Confidence
from redactors.rules.model import Rule

FORMAT = 2
"""Version of the cached form: part of the cache's key."""

_FIELDS = ("id", "kind", "regex", "issuer", "names", "entropy", "check", "trigger", "reader")
_LISTS = ("keywords", "allow")
_KNOWN = frozenset((*_FIELDS, *_LISTS, "confidence", "match", "miss"))
_ALPHABETS = {
    "base62": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    "base64": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "base64url": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    "base32": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "lower": "abcdefghijklmnopqrstuvwxyz",
    "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "lower36": "abcdefghijklmnopqrstuvwxyz0123456789",
    "upper36": "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "digits": "0123456789",
}
_RANDOM = re.compile(r"\{(" + "|".join(_ALPHABETS) + r"):(\d+)\}")
_CRC32 = re.compile(r"\{crc32\}")


class Examples(NamedTuple):
    """Texts that a rule must match, and texts that it must not."""

    rule: str
    match: tuple[str, ...]
    miss: tuple[str, ...]


def parse(family: str) -> tuple[Rule, ...]:
    """Read the rules of one family's TOML text; `ValueError` names the rule and what is wrong with it."""
    return tuple(_rule(row) for row in _rows(family))


def examples(family: str) -> tuple[Examples, ...]:
    """Read the examples of one family's TOML text."""
    return tuple(
        Examples(row["id"], tuple(map(expand, row.get("match", ()))), tuple(map(expand, row.get("miss", ()))))
        for row in _rows(family)
    )


def expand(example: str | Sequence[str]) -> str:
    """Join the parts of an example and fill in what stands for random characters; the same text each time.

    `{crc32}` is the CRC-32, in six base62 digits, of what stands between the last `_` and it.
    """
    text = example if isinstance(example, str) else "".join(example)
    text = _RANDOM.sub(lambda found: _random(_ALPHABETS[found[1]], int(found[2]), text + str(found.start())), text)
    while found := _CRC32.search(text):
        body = text[: found.start()].rpartition("_")[2]
        text = text[: found.start()] + _crc32_digits(body.encode()) + text[found.end() :]
    return text


def pack(rules: Iterable[Rule]) -> bytes:
    """Serialise rules for the cache."""
    return json.dumps(
        [
            [
                *(getattr(rule, name) for name in _FIELDS),
                *(list(getattr(rule, name)) for name in _LISTS),
                rule.confidence.value,
            ]
            for rule in rules
        ]
    ).encode()


def unpack(packed: bytes) -> tuple[Rule, ...]:
    """Read what `pack` wrote; `ValueError` if it is damaged."""
    try:
        return tuple(
            Rule(
                id_, kind, regex, Confidence(sure), issuer, names, tuple(words), bits, check, tuple(allow), trigger, by
            )
            for id_, kind, regex, issuer, names, bits, check, trigger, by, words, allow, sure in json.loads(packed)
        )
    except TypeError as error:
        raise ValueError(f"cached rules are damaged: {error}") from error


def digest(families: Iterable[bytes]) -> str:
    """Hash of the rule files: names the cached form of exactly these rules."""
    total = hashlib.sha256(b"%d" % FORMAT)
    for family in families:
        total.update(hashlib.sha256(family).digest())
    return total.hexdigest()[:32]


def _rows(family: str) -> list[dict[str, Any]]:
    import tomllib  # noqa: PLC0415 (5 ms that a warm start does not need)

    rows: list[dict[str, Any]] = tomllib.loads(family).get("rule", [])
    return rows


def _rule(row: Mapping[str, Any]) -> Rule:
    name = row.get("id", "?")
    unknown = sorted(set(row) - _KNOWN)
    if unknown:
        raise ValueError(f"rule `{name}`: unknown field `{unknown[0]}`")
    try:
        fields: dict[str, Any] = {field: row[field] for field in _FIELDS if field in row}
        fields |= {field: tuple(row[field]) for field in _LISTS if field in row}
        return Rule(**fields, confidence=Confidence[row.get("confidence", "likely").upper()])
    except (KeyError, TypeError) as error:
        raise ValueError(f"rule `{name}`: {error}") from error


def _random(alphabet: str, size: int, seed: str) -> str:
    """Draw without long repeats: hash output, so that entropy bounds hold in examples as in life."""
    drawn = ""
    block = 0
    while len(drawn) < size:
        noise = hashlib.sha256(f"{seed}/{block}".encode()).digest()
        drawn += "".join(alphabet[byte % len(alphabet)] for byte in noise)
        block += 1
    return drawn[:size]


def _crc32_digits(body: bytes) -> str:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    crc = zlib.crc32(body)
    text = ""
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        text = digits[digit] + text
    return text
