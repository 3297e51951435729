"""What `safe-agent explain` says: the plan as a readable page, or one thing and the rule that decides over it."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from wrapper.plan.facts import HostFacts
from wrapper.plan.launch import LaunchPlan, Usable
from wrapper.plan.mounts import Mount
from wrapper.policy.model import Policy
from wrapper.policy.wire import Place
from wrapper.review.reach import There, reach

_HOST = re.compile(r"(?=.*[.:])[a-z0-9*-]+(?:\.[a-z0-9-]+)*\.?(?::\d{1,5})?\Z", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Answer:
    """What happens to one thing: `what` is `path`, `variable`, `host`, `model` or `task`, `rule` says why.

    `inside` is what the inside gets of it, or how a host is reached.
    """

    thing: str
    what: str
    action: str
    rule: str
    inside: str = ""


@dataclass(frozen=True, slots=True)
class HostAnswer(Answer):
    """The same of a host, with all that holds there."""

    there: There = field(kw_only=True)


def page(plan: LaunchPlan) -> Iterator[str]:
    """Give the whole plan, line by line."""
    yield f"client      {plan.client}: {' '.join(plan.command)}"
    yield f"workspace   {plan.workspace}"
    yield f"profile     {plan.profile}, policy {plan.policy[:16]}"
    for upstream in plan.upstreams:
        yield f"upstream    {upstream.kind}: {upstream} ({upstream.reason})"
    for name in plan.degraded:
        yield f"degraded    {name}"
    yield ""
    yield "environment"
    for row in plan.environment.rows:
        shown = "" if row.value_inside is None else f" = {row.value_inside}"
        yield f"  {row.action:<5} {row.name}{shown if row.action in ('mask', 'set') else ''}  [{row.rule}]"
    yield from _usable(plan.secrets)
    yield ""
    yield "files of the workspace that are not shown as they are"
    for one in plan.covered:
        kinds = f" ({', '.join(one.kinds)})" if one.kinds else ""
        yield f"  {one.mode:<5} {posixpath.relpath(one.path, plan.workspace)}{kinds}  [{one.reason}]"
    for path in plan.protected:
        yield f"  read-only {posixpath.relpath(path, plan.workspace)}"
    yield ""
    yield "outside the workspace"
    for mount in plan.mounts:
        yield f"  {_mounted(mount)}"
    yield ""
    yield "network: no way out but these, served from outside"
    for port, use in plan.listeners.items():
        yield f"  127.0.0.1:{port}  {use}"
    if plan.unmatched:
        yield ""
        yield "too short or too common to be found on the wire"
        for name, reason in plan.unmatched.items():
            yield f"  {name}: {reason}"


def _usable(secrets: Sequence[Usable]) -> Iterator[str]:
    if secrets:
        yield ""
        yield "secrets that work at their hosts, and are placeholders inside"
    for one in secrets:
        names = f"; inside: {', '.join(one.variables)}" if one.variables else ""
        missing = f"; does not work: {one.missing}" if one.missing else ""
        used = f"{one.name}: {one.source} for {', '.join(one.hosts)} in {', '.join(one.where)}"
        yield f"  {used}{names}{missing}  [{one.rule}]"


def _mounted(mount: Mount) -> str:
    source = f" ← {mount.source}" if mount.source not in ("", mount.target) else ""
    return f"{mount.kind:<10} {mount.target}{source}" + (f"  [{mount.reason}]" if mount.reason else "")


def answer(thing: str, plan: LaunchPlan, policy: Policy, facts: HostFacts) -> Answer:
    """Say what happens to a variable, a host or a path (tried in this order, so write `./NAME` for a path)."""
    for row in plan.environment.rows:
        if row.name == thing:
            return Answer(thing, "variable", row.action, row.rule, row.value_inside or "")
    if _VARIABLE.match(thing):
        decision = policy.variable(thing)
        return Answer(thing, "variable", decision.action, str(decision.rule or "default: not on the allow-list"))
    path = posixpath.realpath(posixpath.join(facts.folder, _home(thing, facts)))  # a link shows what it leads to
    known = posixpath.exists(path) or any(path == one.path for one in plan.covered)
    if _HOST.match(thing) and not known:
        name, _, port = thing.partition(":")
        said = reach(name, int(port or 443), policy, plan.secrets)
        return HostAnswer(thing, "host", said.action, said.rule, said.said, there=said.there)
    return _path(thing, path, plan, policy)


def of_model(model: str, place: Place, policy: Policy) -> Iterator[Answer]:
    """Say whether a model is approved here, where it is asked, and which kinds of work count for it."""
    said = policy.approved(place, model)
    rule = str(said.rule) if said.rule is not None else said.reason or "default: what no rule names is allowed"
    to = policy.upstreams[said.upstream].url if said.upstream else ""
    reason = said.reason if said.rule is not None else ""
    yield Answer(model, "model", said.action, rule, ": ".join(filter(None, (said.upstream, to))) or reason)
    for task in policy.tasks_for(place, model):
        yield Answer(task.name, "task", task.action, str(task.rule), task.message)


def _home(thing: str, facts: HostFacts) -> str:
    return facts.home + thing[1:] if thing == "~" or thing.startswith("~/") else thing


def _path(thing: str, path: str, plan: LaunchPlan, policy: Policy) -> Answer:
    for one in plan.covered:
        if path == one.path or path.startswith(one.path + "/"):
            return Answer(thing, "path", one.mode, one.reason, ", ".join(one.kinds))
    if path.startswith(f"{plan.workspace}/"):
        name, is_there = path.removeprefix(f"{plan.workspace}/"), posixpath.lexists(path)
        shown, said = policy.file(name), policy.is_protected(name)
        if not is_there and shown.action not in ("", "pass"):
            return Answer(thing, "path", shown.action, str(shown.rule), "as soon as it is there")
        if said.rule is not None and (not is_there or policy.is_frozen(name)):
            return Answer(thing, "path", "read-only", str(said.rule))
    protecting = next((one for one in plan.protected if path == one or path.startswith(f"{one}/")), None)
    if protecting is not None:
        frozen = next((rule for one, rule in plan.frozen.items() if f"{path}/".startswith(f"{one}/")), "")
        return Answer(thing, "path", "read-only", frozen or "protected: what stands there runs outside later")
    above = (mount for mount in plan.mounts if f"{path}/".startswith(mount.target.rstrip("/") + "/"))
    deepest = max(reversed(list(above)), key=lambda mount: len(mount.target), default=None)  # the later lies on top
    if deepest is None or deepest.kind in ("empty", "seal"):
        return Answer(thing, "path", "hidden", "outside the workspace only what the plan lists is there")
    return Answer(thing, "path", deepest.kind, deepest.reason)
