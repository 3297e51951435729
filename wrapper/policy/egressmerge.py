"""From the layers' `[[secrets]]`, `[[hosts]]`, `[[remotes]]` and `[[loopback]]` to what is in effect; pure.

- What is the user's own (secrets, remotes, services) is taken from the organisation and the user, never from a
  project's file, trusted or not. What the organisation has named no user names anew.
- `[[hosts]]` of all layers add up; those of a project that nobody trusts only go beyond what holds without them.
- A host that only its remotes open is open for their paths, and for nothing else.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from wrapper.policy import egressforms
from wrapper.policy.egress import Egress, HostRule, LoopbackRule, RemoteRule, Request, SecretRule, Where
from wrapper.policy.layered import FLOOR, OWN, TRUST, Layered, Report, shown
from wrapper.policy.model import Layer, Rule, Ruleset
from wrapper.policy.schema import HostTable, RemoteTable, SecretTable

_WHERE = (Where("header", "authorization"), Where("basic"))
_SSH_PORT = 22
_TLS_PORT = 443
_NOT_A_PROJECTS = "is about the user's own secrets and services, hence not a project's to say"
_SECRET = ("from_", "hosts", "where", "variables", "prefix", "username")
_HOST = ("inspect", "allow", "found", "send_bytes", "receive_bytes", "connections", "idle_seconds")
_NONE = (None,)


def egress(
    layers: Sequence[Layered],
    report: Report,
    reach: tuple[tuple[Ruleset, str], ...],
    ports: frozenset[str] | None,
    unknown: str,
    wait_seconds: float,
) -> Egress:
    """Unite all tables. `reach` are the rules over hosts, with the action of each that lets one be reached.

    `ports` are those of the user's machine that the organisation's list has, None where it has none.
    """
    secrets = _secrets(layers, report)
    remotes = _remotes(layers, report, reach[0][0])
    hosts = _hosts(layers, report)
    return Egress(
        secrets=secrets,
        hosts=(*hosts, *_only_remotes(remotes, secrets, reach)),
        remotes=remotes,
        loopback=_loopback(layers, report, ports),
        unknown=unknown,
        wait_seconds=wait_seconds,
    )


def _own(layers: Sequence[Layered], key: str, report: Report) -> Iterator[tuple[Layered, int, Any]]:
    """Give the tables of a list that is not a project's to say, and notice of a project's."""
    for layered in layers:
        for number, table in enumerate(getattr(layered.source.document, key) or ()):
            if layered.layer is Layer.PROJECT:
                report.notice(layered.rule(key, "", number), key, OWN, _NOT_A_PROJECTS)
                break
            yield layered, number, table


def _is_floor(layered: Layered, earlier: Rule | None) -> bool:
    """Whether a rule stands that a layer may not replace."""
    return earlier is not None and earlier.layer is Layer.ORGANISATION and layered.layer is not Layer.ORGANISATION


def _secrets(layers: Sequence[Layered], report: Report) -> tuple[SecretRule, ...]:
    united: dict[str, tuple[SecretRule, str]] = {}
    for layered, number, table in _own(layers, "secrets", report):
        rule = layered.rule("secrets", table.name, number, action="secret")
        made = _secret(table, rule)
        taken = [one.rule for one, _ in united.values() if set(one.variables) & set(made.variables)]
        earlier = united[table.name][0].rule if table.name in united else None
        if _is_floor(layered, earlier):
            report.notice(rule, f"secrets {table.name}", FLOOR, "would replace the organisation's secret")
        elif any(_is_floor(layered, one) for one in taken):
            why = "would set a variable that the organisation's secret sets"
            report.notice(rule, f"secrets {table.name}", FLOOR, why)
        else:
            united[table.name] = made, shown(table, f"{table.name}: ", _SECRET, _NONE).replace(": , ", ": ", 1)
    for made, line in united.values():
        report.show_as("secrets", line, made.rule)
    return tuple(made for made, _ in united.values())


def _secret(table: SecretTable, rule: Rule) -> SecretRule:
    return SecretRule(
        name=table.name,
        source=egressforms.source(table.from_),
        hosts=table.hosts,
        where=_WHERE if table.where is None else tuple(map(egressforms.where, table.where)),
        variables=egressforms.variables(table),
        prefix=table.prefix,
        username=table.username or "",
        rule=rule,
    )


def _hosts(layers: Sequence[Layered], report: Report) -> tuple[HostRule, ...]:
    found: list[HostRule] = []
    for layered in layers:
        for number, table in enumerate(layered.source.document.hosts or ()):
            rule = layered.rule("hosts", ", ".join(table.hosts), number, action="hosts")
            taken = table
            if not layered.trusted and table.found not in (None, "stop"):
                why = "would loosen the policy, and the project's file is not trusted"
                report.notice(rule, "hosts.found", TRUST, why)
                taken = msgspec.structs.replace(table, found=None)
            if all(getattr(taken, key) is None for key in _HOST):
                continue
            report.show_as("hosts", shown(taken, ", ".join(table.hosts), _HOST, _NONE), rule)
            found.append(_host(taken, rule, added=not layered.trusted))
    return tuple(found)


def _host(table: HostTable, rule: Rule, *, added: bool) -> HostRule:
    said = {key: getattr(table, key) for key in _HOST if key != "allow"}
    allow = None if table.allow is None else tuple(map(egressforms.request, table.allow))
    return HostRule(hosts=table.hosts, rule=rule, added=added, allow=allow, **said)


def _remotes(layers: Sequence[Layered], report: Report, hosts: Ruleset) -> tuple[RemoteRule, ...]:
    united: dict[tuple[str, bool], tuple[RemoteRule, str]] = {}
    for layered, number, table in _own(layers, "remotes", report):
        rule = layered.rule("remotes", table.url, number, action="remote")
        made = _remote(table, rule)
        denied = _ssh_denied(made, hosts)
        same = [one.rule for one, _ in united.values() if one.name == made.name]
        if any(_is_floor(layered, one) for one in same):
            report.notice(rule, f"remotes {made.name}", FLOOR, "is a repository that the organisation's policy names")
        elif denied is not None:
            report.notice(rule, f"remotes {made.name}", f"see `safe-agent explain {made.host}`", f"is denied: {denied}")
        else:
            united[made.name, bool(made.ssh)] = made, shown(table, table.url, ("push",), _NONE)
    for made, line in united.values():
        report.show_as("remotes", line, made.rule)
    return tuple(made for made, _ in united.values())


def _ssh_denied(one: RemoteRule, hosts: Ruleset) -> Rule | None:
    """Give the rule that denies what ssh would be started for; of https the egress proxy asks by itself."""
    decision = hosts.decide(f"{one.host}:{one.port or _SSH_PORT}")
    return decision.rule if one.ssh and decision.action == "deny" else None


def _remote(table: RemoteTable, rule: Rule) -> RemoteRule:
    read = egressforms.remote(table.url)
    return RemoteRule(
        url=table.url,
        name=read.name,
        host=read.host,
        port=read.port,
        path=read.path,
        ssh=read.ssh,
        push=table.push or (),
        rule=rule,
    )


def _only_remotes(
    remotes: Sequence[RemoteRule], secrets: Sequence[SecretRule], reach: tuple[tuple[Ruleset, str], ...]
) -> Iterator[HostRule]:
    """Keep hosts that nothing but remotes opens to the paths of these: one may hold the repositories of everybody."""
    by_host: dict[tuple[str, int], list[RemoteRule]] = {}
    for one in remotes:
        if not one.ssh:
            by_host.setdefault((one.host, one.port or _TLS_PORT), []).append(one)
    for (host, port), there in by_host.items():
        allowed = any(rules.decide(f"{host}:{port}").action == action for rules, action in reach)
        if allowed or any(one.covers(host, port) for one in secrets):
            continue
        paths = [one.path.removesuffix(".git") for one in there]
        requests = tuple(Request("*", f"{path}{end}/**") for path in paths for end in ("", ".git"))
        yield HostRule(hosts=(f"{host}:{port}",), allow=requests, added=True, rule=there[0].rule)


def _loopback(layers: Sequence[Layered], report: Report, ports: frozenset[str] | None) -> tuple[LoopbackRule, ...]:
    united: dict[int, tuple[LoopbackRule, str]] = {}
    for layered, number, table in _own(layers, "loopback", report):
        rule = layered.rule("loopback", str(table.port), number, action="loopback")
        earlier = united[table.port][0].rule if table.port in united else None
        if _is_floor(layered, earlier):
            report.notice(rule, f"loopback {table.port}", FLOOR, "is a service that the organisation's policy names")
        elif ports is not None and layered.layer is Layer.USER and str(table.port) not in ports:
            report.notice(rule, f"loopback {table.port}", FLOOR, "goes beyond the organisation's list")
        else:
            line = shown(table, f"{table.port}", ("protocol", "from_"), _NONE)
            united[table.port] = (
                LoopbackRule(
                    port=table.port,
                    protocol=table.protocol,
                    source=None if table.from_ is None else egressforms.source(table.from_),
                    rule=rule,
                ),
                line,
            )
    for made, line in united.values():
        report.show_as("loopback", line, made.rule)
    return tuple(made for made, _ in united.values())
