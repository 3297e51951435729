"""The environment inside, made from nothing: what passes, what passes masked, what stays outside; pure.

Rules of this file:
1. Only what policy, the client's adapter or `[environment.set]` names gets in; the adapter has the last word.
2. All variables are read for secrets first, those that stay outside too: the agent may find the same value in a file,
   so it must be known on the wire. Only then are the values for the inside made, with all of them known.
3. A secret value is replaced whole, unless it has a shape that programs parse: of a URL or connection string only the
   password is replaced, of JSON only the secrets in it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final, Literal, Self

from redactors.documents import mask_document
from redactors.engine import Engine
from redactors.finding import Confidence, Finding
from redactors.known import KnownValues
from redactors.vault import Origin, Vault
from wrapper.plan.variables import is_needed, is_open_address, is_plain, is_secret_name, kind_of, passwords
from wrapper.policy.model import Decision, Policy

Action = Literal["pass", "mask", "drop", "set"]

_PERCENT: Final = re.compile(r"%([0-7][0-9A-Fa-f])")
_LONG_PART: Final = 16  # of a list of tokens, each this long is also a secret by itself


@dataclass(frozen=True, slots=True)
class Variable:
    """What happens to one variable. `value_inside` is None where it is dropped.

    `rule` says which rule decided, `why` what made the value secret (empty where nothing did). `kinds` are those of
    the secrets in it; a dropped variable has them too if its value is known on the wire.
    """

    name: str
    action: Action
    value_inside: str | None
    rule: str
    kinds: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class EnvironmentPlan:
    """All variables by name: those outside, and those set for the inside."""

    rows: tuple[Variable, ...]

    @property
    def inside(self) -> Mapping[str, str]:
        """The environment to start the sandbox with."""
        return MappingProxyType({row.name: row.value_inside for row in self.rows if row.value_inside is not None})

    def with_set(self, values: Mapping[str, str], rule: str) -> Self:
        """Give the same with these variables set."""
        kept = [row for row in self.rows if row.name not in values]
        added = [Variable(name, "set", value, rule) for name, value in values.items()]
        return replace(self, rows=tuple(sorted((*kept, *added), key=lambda row: row.name)))

    def with_rules(self, rules: Mapping[str, str]) -> Self:
        """Give the same with these variables' rules, where they are set."""
        ruled = (replace(row, rule=rules.get(row.name, row.rule)) if row.action == "set" else row for row in self.rows)
        return replace(self, rows=tuple(ruled))

    def count(self, action: Action) -> int:
        """Count the variables with this action."""
        return sum(row.action == action for row in self.rows)


@dataclass(frozen=True, slots=True)
class _Masked:
    value: str
    kinds: tuple[str, ...]
    why: str


def plan_environment(
    environ: Mapping[str, str],
    policy: Policy,
    client_set: Mapping[str, str],
    engine: Engine,
    vault: Vault,
    *,
    passed: Sequence[str] = (),
) -> EnvironmentPlan:
    """Decide over every variable, and make the secrets among their values known to `engine` (Origin.OUTSIDE).

    `passed` are names (`*` is a wildcard) that the client's adapter needs: they pass where no rule says otherwise.
    """
    decisions = {name: _decide(name, policy, passed) for name in sorted(environ)}
    if engine.known is None:
        raise ValueError("an engine without known values cannot learn any")
    reader = _Reader(engine, engine.known, vault)
    first = {name: reader.mask(name, environ[name], decision) for name, decision in decisions.items()}
    rows = []
    for name in sorted({*environ, *client_set, *policy.variables_set}):
        seen = first.get(name)
        kinds = seen.kinds if seen else ()
        if name in client_set:
            rows.append(Variable(name, "set", client_set[name], "the client's adapter", kinds))
        elif name in policy.variables_set:
            rows.append(Variable(name, "set", policy.variables_set[name], "policy `environment.set`", kinds))
        else:
            rows.append(_row(name, environ[name], decisions[name], reader))
    return EnvironmentPlan(tuple(rows))


def _decide(name: str, policy: Policy, passed: Sequence[str]) -> Decision:
    decision = policy.variable(name)
    if decision.rule is None and any(fnmatchcase(name, pattern) for pattern in passed):
        return Decision("pass", None)
    return decision


def _row(name: str, value: str, decision: Decision, reader: "_Reader") -> Variable:
    passed = "the client's adapter" if decision.action == "pass" else "default"
    rule = str(decision.rule) if decision.rule else passed
    masked = reader.mask(name, value, decision)
    if decision.action not in {"pass", "mask"}:
        return Variable(name, "drop", None, rule, masked.kinds, masked.why)
    action: Action = "pass" if masked.value == value else "mask"
    return Variable(name, action, masked.value, rule, masked.kinds, masked.why)


class _Reader:
    """Masks values, and makes what it masks known."""

    def __init__(self, engine: Engine, known: KnownValues, vault: Vault) -> None:
        self._engine = engine
        self._known = known
        self._vault = vault

    def mask(self, name: str, value: str, decision: Decision) -> _Masked:
        """Give the value as the inside would see it. Values that need no masking come back as they are."""
        forced = decision.action == "mask"
        if not value.strip() or (is_needed(name) and not forced):
            return _Masked(value, (), "")
        shaped = self._by_shape(name, value)
        if shaped is not None:
            return shaped
        named = is_secret_name(name) and not is_plain(name, value)
        stays = decision.action != "drop"
        if named or (forced and not is_open_address(value)):
            return self._whole(name, value, learn=named, why="its name" if named else "policy")
        return self._by_content(value, stays=stays)

    def _by_shape(self, name: str, value: str) -> _Masked | None:
        """Mask what is secret in JSON, in URLs and connection strings, and in a private key block."""
        if value.lstrip()[:1] in {"{", "["}:
            found = mask_document("variable.json", _bytes(value), self._engine, whole=True)
            if found.findings:
                return _Masked(_text(found.data), _kinds(found.findings), "JSON with secrets in it")
        spans = passwords(value)
        for span in reversed(spans):
            secret = self._issue(name, span.kind, value[span.start : span.end])
            value = value[: span.start] + secret + value[span.end :]
        if spans or "-----BEGIN " in value:
            rest = self._by_content(value, stays=False)
            kinds = tuple(dict.fromkeys([*(span.kind for span in spans), *rest.kinds]))
            return _Masked(rest.value, kinds, "a password in it" if spans else rest.why) if kinds else None
        return None

    def _whole(self, name: str, value: str, *, learn: bool, why: str) -> _Masked:
        """Mask all of a value. What only a policy's wide pattern masks (`AWS_REGION`) is no secret elsewhere."""
        secret = value.strip()
        sure = [found for found in self._engine.find(_bytes(secret)) if found.confidence is Confidence.CERTAIN]
        alone = len(sure) == 1 and _covers(sure[0], secret)
        kind = sure[0].kind if alone else kind_of(name)
        if learn or sure:
            for part in secret.replace(",", " ").split():
                if part != secret and len(part) >= _LONG_PART:
                    self._learn(name, kind, part)
            return _Masked(value.replace(secret, self._issue(name, kind, secret)), (kind,), why)
        placeholder = self._vault.issue(kind, _bytes(secret), Origin.OUTSIDE)
        return _Masked(value.replace(secret, placeholder), (kind,), why)

    def _by_content(self, value: str, *, stays: bool) -> _Masked:
        """Mask certain findings; of a value that gets in also a likely one, if it is all there is of the value."""
        data = _bytes(value)
        findings = self._engine.find(data)
        if not findings:
            return _Masked(value, (), "")
        alone = stays and len(findings) == 1 and _covers(findings[0], value.strip())
        least = Confidence.LIKELY if alone else Confidence.CERTAIN
        done = self._engine.redact(data, origin=Origin.OUTSIDE, minimum=least)
        for found in done.findings:
            self._known.add(found.kind, found.value, Origin.OUTSIDE)
        return _Masked(_text(done.data), _kinds(done.findings), "its value" if done.findings else "")

    def _issue(self, name: str, kind: str, secret: str) -> str:
        self._learn(name, kind, secret)
        plain = _PERCENT.sub(lambda escape: chr(int(escape[1], 16)), secret)
        if plain != secret:  # a URL's password is percent-encoded there, and raw where the program logs it
            self._learn(name, kind, plain)
        return self._vault.issue(kind, _bytes(secret), Origin.OUTSIDE)

    def _learn(self, name: str, kind: str, secret: str) -> None:
        self._known.add(kind, _bytes(secret), Origin.OUTSIDE, name=name)


def _covers(found: Finding, secret: str) -> bool:
    return found.start == 0 and found.end == len(_bytes(secret))


def _kinds(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found.kind for found in findings))


def _bytes(value: str) -> bytes:
    """Encode as the kernel has it (PEP 383)."""
    return value.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
