"""The secrets that policy binds to hosts: their values, read outside, and the placeholders that the inside has."""

from dataclasses import dataclass, field

from redactors.engine import Engine
from redactors.finding import Confidence
from redactors.vault import Origin, Vault
from wrapper.plan.variables import kind_of
from wrapper.policy.egress import Egress, SecretRule
from wrapper.sources import Sources


@dataclass(frozen=True, slots=True)
class Bound:
    """One secret. Where its source held nothing, `why` says so, and there is neither value nor placeholder.

    `is_searched`: its value is long and rare enough to be found wherever else it stands.
    """

    rule: SecretRule
    value: bytes = field(default=b"", repr=False)
    placeholder: str = ""
    why: str = ""
    is_searched: bool = True

    @property
    def notice(self) -> str:
        """Say what does not work as one would think: a secret that is not there, or that cannot be searched for."""
        if self.why:
            return f"the secret `{self.rule.name}` ({self.rule.source}) does not work: {self.why}"
        if not self.is_searched:
            return (
                f"the secret `{self.rule.name}` is too short or too common to be searched for: "
                "it is not masked where a host repeats it"
            )
        return ""


def bind(egress: Egress, sources: Sources, engine: Engine, vault: Vault) -> tuple[Bound, ...]:
    """Read each secret's source, and make its value known like any secret of the outside."""
    return tuple(_bound(rule, sources, engine, vault) for rule in egress.secrets)


def _bound(rule: SecretRule, sources: Sources, engine: Engine, vault: Vault) -> Bound:
    found = sources.read(rule.source)
    if not found.value:
        return Bound(rule, why=found.why)
    kind = _kind(rule, found.value, engine)
    prefix = engine.issuer_prefix(found.value) if rule.prefix is None else rule.prefix
    placeholder = vault.issue(kind, found.value, Origin.OUTSIDE, prefix=prefix)  # before anybody issues it without
    is_searched = engine.known is not None and engine.known.add(
        kind, found.value, Origin.OUTSIDE, name=str(rule.source)
    )
    return Bound(rule, found.value, placeholder, is_searched=is_searched)


def _kind(rule: SecretRule, value: bytes, engine: Engine) -> str:
    """Name it after its issuer where a rule is sure of the whole value, else after its variable or the rule's name."""
    for one in engine.find(value):
        if one.confidence is Confidence.CERTAIN and (one.start, one.end) == (0, len(value)):
            return one.kind
    return kind_of(next(iter(rule.variables), rule.name))
