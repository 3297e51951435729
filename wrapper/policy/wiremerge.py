"""From the layers' `[[tasks]]`, `[approved]` and `[upstreams]` to what is in effect; pure.

The organisation's stand: no later layer takes its tasks off, names its upstreams anew, or allows what it denies or
routes. An untrusted project may add tasks and denials, and nothing else.
"""

import re
from collections.abc import Mapping, Sequence

from wrapper.policy.layered import FLOOR, TRUST, Layered, Report, shown
from wrapper.policy.model import Layer, Rule
from wrapper.policy.schema import ApprovalTable, TaskTable, UpstreamTable
from wrapper.policy.wire import AGENTS, APIS, Approval, ApprovalRule, Approvals, TaskRule, UpstreamRule
from wrapper.policy.wirechecks import OFF, nearest

_REACH = ("agents", "workspaces", "remotes", "models")


def tasks(layers: Sequence[Layered], report: Report, home: str) -> tuple[TaskRule, ...]:
    """Unite the kinds of work; a higher layer's replaces its namesake, or takes it off."""
    united: dict[str, tuple[TaskTable, Rule]] = {}
    for layered in layers:
        for number, table in enumerate(layered.source.document.tasks or ()):
            rule = layered.rule("tasks", table.name, number, action="task")
            earlier = united.get(table.name)
            if earlier is not None and earlier[0].action == OFF:
                earlier = None  # a task that is off may be set anew by anybody: that tightens
            if not layered.trusted and (earlier or table.action == OFF):
                report.notice(rule, f"tasks {table.name}", TRUST, "would replace or take off a task")
            elif earlier and earlier[1].layer is Layer.ORGANISATION and layered.layer is not Layer.ORGANISATION:
                report.notice(rule, f"tasks {table.name}", FLOOR, "would replace the organisation's task")
            else:
                united[table.name] = (table, rule)
    kept = [(table, rule) for table, rule in united.values() if table.action != OFF]
    for table, rule in kept:
        report.show_as("tasks", shown(table, f"{table.name}: {table.action}", ("patterns", *_REACH, "message")), rule)
    return tuple(_task(table, rule, home) for table, rule in kept)


def _task(table: TaskTable, rule: Rule, home: str) -> TaskRule:
    return TaskRule(
        name=table.name,
        patterns=table.patterns or (),
        action=table.action,
        message=table.message,
        rule=rule,
        **_reach(table, home),
    )


def approvals(
    layers: Sequence[Layered], report: Report, home: str, servers: Mapping[str, UpstreamRule], default: Rule
) -> Approvals:
    """Put all rules of `[approved]` in the order of their layers; `default` is what is in effect where none matches.

    Raises PolicyError for a rule that routes to what is not there, or to what its agent cannot speak to.
    """
    rules: list[ApprovalRule] = []
    added: list[ApprovalRule] = []
    for layered in layers:
        for number, table in enumerate(layered.source.document.approved.rules or ()):
            reach = shown(table, "", _REACH) or "everything"
            rule = layered.rule("approved.rules", reach, number, action=table.action)
            if not layered.trusted and table.action != "deny":
                why = "would loosen the policy, and the project's file is not trusted"
                report.notice(rule, "approved.rules", TRUST, why)
                continue
            _check_route(layered, number, table, servers)
            made = ApprovalRule(
                action=table.action, upstream=table.upstream, reason=table.reason, rule=rule, **_reach(table, home)
            )
            (rules if layered.trusted else added).append(made)
            line = shown(table, table.action, ("upstream", *_REACH, "reason"))
            report.show_as("approved.rules", line, rule)
    floor = next((one for one in map(_own_default, layers) if one is not None), None)
    return Approvals(
        tuple(rules),
        tuple(added),
        _where_none_matches(default),
        None if floor is None else _where_none_matches(floor),
        {name: one.kind for name, one in servers.items()},
    )


def _own_default(layered: Layered) -> Rule | None:
    said = layered.source.document.approved.default
    ours = layered.layer is Layer.ORGANISATION and said is not None
    return layered.rule("approved.default", str(said)) if ours else None


def _where_none_matches(default: Rule) -> Approval:
    reason = "" if default.pattern == "allow" else f"no rule of `[approved]` allows it, and {default}"
    return Approval(default.pattern, "", reason, None)


def _check_route(layered: Layered, number: int, table: ApprovalTable, servers: Mapping[str, UpstreamRule]) -> None:
    if table.action != "route":
        return
    place = ("approved", "rules", number, "upstream")
    known = tuple(name for name, one in servers.items() if one.url and _stands_below(one.rule.layer, layered.layer))
    if table.upstream in APIS:
        what = f"`{table.upstream}` is the client's own: nothing is routed there"
        raise layered.source.error(place, what, 'use the action "allow"')
    if table.upstream not in known:
        what = f'there is no upstream "{table.upstream}" in this layer or below it'
        raise layered.source.error(place, what, nearest(table.upstream, known))
    api = servers[table.upstream].kind
    for agent in table.agents or ():
        if AGENTS.get(agent, "") not in ("", api):
            what = f'{agent} does not speak the API of "{table.upstream}", which is of kind "{api}"'
            raise layered.source.error(place, what, f'an upstream for {agent} has `kind = "{AGENTS[agent]}"`')


def _stands_below(layer: Layer, of: Layer) -> bool:
    order = list(Layer)
    return order.index(layer) <= order.index(of)


def upstreams(layers: Sequence[Layered], report: Report) -> Mapping[str, UpstreamRule]:
    """Give the upstreams by name; a higher layer's replaces its namesake, but not the organisation's."""
    united: dict[str, UpstreamRule] = {}
    for layered in layers:
        for name, table in (layered.source.document.upstreams or {}).items():
            key = f"upstreams.{name}"
            rule = layered.rule(key, name, action="upstream")
            if name in united and united[name].rule.layer is Layer.ORGANISATION:
                report.notice(rule, key, FLOOR, "would name the organisation's upstream anew")
            else:
                united[name] = _upstream(name, table, rule)
    for name, one in united.items():
        line = shown(one, one.kind, ("url", "requires", "key"))
        report.show_as(f"upstreams.{name}", line, one.rule)
    return united


def _upstream(name: str, table: UpstreamTable, rule: Rule) -> UpstreamRule:
    return UpstreamRule(name, table.kind or name, table.url.rstrip("/"), table.requires, table.key, rule)


def _reach(table: TaskTable | ApprovalTable, home: str) -> dict[str, tuple[str, ...]]:
    found = {key: getattr(table, key) or () for key in _REACH}
    found["workspaces"] = tuple(_absolute(text, home) for text in found["workspaces"])
    return found


def _absolute(text: str, home: str) -> str:
    """Put the home folder in place of `~/`; in a pattern its own name must not be one."""
    mark = "!" if text.startswith("!") else ""
    bare = text.removeprefix("!")
    escaped = re.sub(r"([*?\[\]\\])", r"\\\1", home.rstrip("/"))
    return f"{mark}{escaped}{bare[1:]}" if home and bare.startswith("~/") else text
