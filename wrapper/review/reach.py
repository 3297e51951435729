"""What `safe-agent explain` says of a host: whether it is reached, how, what may be asked and used there; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from wrapper.plan.launch import Usable
from wrapper.policy import hosts
from wrapper.policy.egress import HostRule, LoopbackRule, Terms
from wrapper.policy.model import Decision, Policy

_HERE: Final = ("127.0.0.1", "localhost")
_PLAIN_PORT: Final = 80
_TLS_PORT: Final = 443
_WEB_PORTS: Final = (_TLS_PORT, _PLAIN_PORT)
_NO_RULE: Final = "default: no rule allows it"
_UNKNOWN: Final = {
    "wait": "at a terminal: held for {:g} s, until `safe-agent allow {}` in another one",
    "ask": "at a terminal: you are asked, and it is held for {:g} s, or until `safe-agent allow {}` in another one",
}
_FOUND: Final = {
    "stop": "a request with a secret in it is refused",
    "redact": "a secret in a request becomes a placeholder",
    "record": "a secret in a request leaves, and is recorded",
}


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that works at the host: as which variables the inside has its placeholder, and why it does not work."""

    name: str
    source: str
    where: tuple[str, ...]
    variables: tuple[str, ...]
    missing: str
    rule: str


@dataclass(frozen=True, slots=True)
class Requests:
    """One list of allowed requests, as policy has them; each list must have a request."""

    allow: tuple[str, ...]
    rule: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at the host, and the branches that may be pushed to."""

    url: str
    push: tuple[str, ...]
    rule: str


@dataclass(frozen=True, slots=True)
class There:
    """What holds at one host's port. Bytes are per session; 0: any number.

    `way` is `intercepted`, `tunnelled`, `service` (one of this machine's), `held`, `asked` or `refused`.
    """

    way: str
    inspect: str = "no"
    found: str = ""
    send_bytes: int = 0
    receive_bytes: int = 0
    connections: int = 0
    idle_seconds: float = 0
    secrets: tuple[Secret, ...] = ()
    requests: tuple[Requests, ...] = ()
    remotes: tuple[Repository, ...] = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether a host's port is reached (`allow`, `deny`), which rule says so, how it is done, and what holds there."""

    action: str
    rule: str
    said: str
    there: There


def reach(host: str, port: int, policy: Policy, usable: Sequence[Usable] = ()) -> Reach:
    """Say it; `usable` are the secrets as they were found for a session."""
    host = host.lower().removesuffix(".")
    if host in _HERE:
        return _here(port, policy)
    if wrong := hosts.problem(f"{host}:{port}"):
        return Reach("deny", f"default: it {wrong}", "", There("refused"))
    decision, terms = policy.host(host, port), policy.egress.terms(host, port)
    denied = decision.action != "allow"
    if port == _PLAIN_PORT and policy.egress.terms(host, _TLS_PORT).intercepts and not (denied and decision.rule):
        return Reach("deny", "default: no plain http to a host that is intercepted", "", There("refused"))
    if denied:
        return _denied(host, port, policy, decision)
    there = There(
        way="intercepted" if terms.intercepts else "tunnelled",
        inspect=terms.inspect,
        found=terms.found if terms.intercepts else "",
        send_bytes=terms.send_bytes,
        receive_bytes=terms.receive_bytes,
        connections=terms.connections,
        idle_seconds=terms.idle_seconds,
        secrets=_secrets(terms, usable),
        requests=tuple(_requests([one for one in policy.egress.hosts if one.covers(host, port)])),
        remotes=_remotes(host, policy),
    )
    return Reach("allow", str(decision.rule), _way(terms), there)


def _denied(host: str, port: int, policy: Policy, decision: Decision) -> Reach:
    remotes = _remotes(host, policy)
    unknown = policy.egress.unknown
    if decision.rule is not None or unknown == "deny":
        return Reach("deny", str(decision.rule or _NO_RULE), "", There("refused", remotes=remotes))
    name = host if port in _WEB_PORTS else f"{host}:{port}"
    said = _UNKNOWN[unknown].format(policy.egress.wait_seconds, name)
    return Reach("deny", _NO_RULE, said, There({"wait": "held", "ask": "asked"}[unknown], remotes=remotes))


def _remotes(host: str, policy: Policy) -> tuple[Repository, ...]:
    there = (one for one in policy.egress.remotes if one.host == host)
    return tuple(Repository(one.url, one.push, str(one.rule)) for one in there)


def _way(terms: Terms) -> str:
    if terms.intercepts:
        return "intercepted: requests are read, judged and recorded"
    return "tunnelled, flagged: its content is not read" if terms.inspect == "flag" else "tunnelled"


def _secrets(terms: Terms, usable: Sequence[Usable]) -> tuple[Secret, ...]:
    missing = {one.name: one.missing for one in usable}
    return tuple(
        Secret(
            one.name,
            str(one.source),
            tuple(map(str, one.where)),
            one.variables,
            missing.get(one.name, ""),
            str(one.rule),
        )
        for one in terms.secrets
    )


def _requests(rules: Sequence[HostRule]) -> Iterator[Requests]:
    for rule in rules:
        if rule.allow is not None:
            yield Requests(tuple(map(str, rule.allow)), str(rule.rule))


def _here(port: int, policy: Policy) -> Reach:
    """Say it of the user's own machine, of which only services that policy names are reached."""
    service = next((one for one in policy.egress.loopback if one.port == port), None)
    if service is not None:
        return Reach("allow", str(service.rule), _service(service), There("service"))
    if port in policy.loopback:
        rows = (row.rule for row in policy.settings() if (row.key, row.value) == ("network.loopback", str(port)))
        return Reach("allow", str(next(rows)), "this machine's, as it is", There("service"))
    return Reach("deny", "default: no port of this machine but those of `network.loopback`", "", There("refused"))


def _service(one: LoopbackRule) -> str:
    password = f", with the password of {one.source}" if one.source is not None else ""
    return f"this machine's, by {one.protocol}{password}"


def details(one: There) -> Iterator[str]:
    """Give what stands below the answer itself, a line each; nothing where nothing is said of the host."""
    for secret in one.secrets:
        used = f"{secret.name}: {secret.source} in {', '.join(secret.where)}"
        inside = f"; inside: {', '.join(secret.variables)}" if secret.variables else ""
        lacking = f"; does not work: {secret.missing}" if secret.missing else ""
        yield f"secret    {used}{inside}{lacking}  [{secret.rule}]"
    for requests in one.requests:
        yield f"requests  {', '.join(requests.allow) or 'none'}  [{requests.rule}]"
    if one.way == "intercepted":
        yield f"found     {_FOUND[one.found]}"
    if bounds := ", ".join(_bounds(one)):
        yield f"bounds    {bounds}"
    for repository in one.remotes:
        push = f"push to {', '.join(repository.push)}" if repository.push else "no push"
        yield f"remote    {repository.url}: fetch, {push}  [{repository.rule}]"


def _bounds(one: There) -> Iterator[str]:
    if one.send_bytes:
        yield f"{one.send_bytes} bytes sent"
    if one.receive_bytes:
        yield f"{one.receive_bytes} bytes received"
    if one.way == "intercepted" or one.send_bytes or one.receive_bytes:
        yield f"{one.connections} connections at the same time, {one.idle_seconds:g} s without a byte"
