"""From the layers' files to the one effective policy; pure.

What a layer may do, from the lowest to the highest:
- bundled: the profile; `default` first, then the chosen profile on top of it.
- organisation: anything; what it tightens stands (a floor), and the lists that only loosen (`CEILINGS`) end where
  it says, if it says anything.
- user: anything within that floor.
- project: comes with a clone, so whoever wrote the repository wrote it. It may only tighten, and what else it asks
  for becomes a notice. Trusted by its exact content, it may do what the user's layer may, but never say where requests
  go: `upstream` and `upstreams`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from wrapper.errors import PolicyError
from wrapper.policy import egressmerge, wiremerge
from wrapper.policy.egress import UNKNOWN
from wrapper.policy.layered import FLOOR, OWN, TRUST, Layered, Report
from wrapper.policy.model import ContextTable, Kind, Layer, Policy, RedactionRule, Rule, Ruleset
from wrapper.policy.parse import ON_COMMITS, ON_DAMAGE, RESTORED, VIEWS, lists
from wrapper.policy.provenance import CLAIMS, UNWATCHED, Provenance
from wrapper.policy.wirechecks import DEFAULTS

_VARIABLES: Final = ("pass", "mask", "drop")
_FILES: Final = ("pass", "", "mask", "deny", "store", "hide")
_WIRE: Final = ("monitor", "redact", "block")
_IDENTITY: Final = ("pass", "mask", "drop")
_SENDING: Final = ("always", "ask", "never")

_Tighter = Callable[[Any, Any], bool]


def _never(_new: Any, _old: Any) -> bool:
    """Where no value is tighter than another, the organisation's stays and an untrusted project has no say."""
    return False


def _later(*order: str) -> _Tighter:
    """Of named values in their order from the loosest to the strictest, a later one is tighter."""
    return lambda new, old: order.index(new) > order.index(old)


SCALARS: Final[Mapping[str, _Tighter]] = {
    "files.view": _later(*VIEWS),
    "files.damaged": _later(*ON_DAMAGE),
    "files.restore": _later(*RESTORED),
    "files.commits": _later(*ON_COMMITS),
    "files.scan.enabled": lambda new, old: new and not old,
    "files.scan.max_bytes": lambda new, old: new > old,
    "home.cache": lambda new, old: old and not new,
    "upstream.anthropic": _never,
    "upstream.openai": _never,
    "audit.keystrokes": _never,
    "audit.keep_days": _never,
    "audit.segment_bytes": _never,
    "audit.segment_hours": _never,
    "provenance.capture": lambda new, old: new and not old,
    "provenance.sticky": lambda new, old: new < old,
    "provenance.unwatched": _later(*UNWATCHED),
    "provenance.claims": _later(*CLAIMS),
    "provenance.require_review": lambda new, old: new and not old,
    "provenance.require_reason": lambda new, old: new and not old,
    "terminal.status_line": lambda new, old: new and not old,
    "limits.body_bytes": lambda new, old: new < old,
    "network.unknown": _later(*UNKNOWN),
    "network.wait_seconds": lambda new, old: new < old,
    "wire.budget": lambda new, old: new > 0 and (old == 0 or new < old),
    "approved.default": _later(*DEFAULTS),
}

PLAIN_LISTS: Final = (
    "home.read_only",
    "home.read_write",
    "network.loopback",
    "redaction.disable",
    "redaction.allow",
    "audit.recipients",
    "audit.anchors",
    "run.allow_degraded",
)
# Lists that only open something and have no strict counterpart an organisation could forbid with. Who may read the
# user's own log beside the organisation is the user's to say, and so is who else keeps its checkpoints.
_OPEN: Final = ("audit.recipients", "audit.anchors")
CEILINGS: Final = (
    *(key for key in PLAIN_LISTS if key not in _OPEN),
    "files.scan.skip",
    "files.native",
    "network.internal",
)
# What holds for the sessions of all projects: one of them, trusted or not, must not make the others unreadable.
# And what lies in the user's own network no project can know.
_NOT_A_PROJECTS: Final[Mapping[str, str]] = {
    "audit.keep_days": "is about all sessions, hence not a project's to say",
    "network.internal": "is about the user's own network, hence not a project's to say",
}


def merge(profile: str, layers: Sequence[Layered], *, home: str = "") -> Policy:
    """Merge the layers, lowest first; `home` is what `~/` of a workspace's pattern stands for (empty: nothing).

    Raises PolicyError where a project names an upstream, and where a rule names one that is not there.
    """
    return _Merge(profile, layers, home).policy()


class _Merge:
    """The parts of one merge; `report` grows in the order of the keys."""

    def __init__(self, profile: str, layers: Sequence[Layered], home: str) -> None:
        self.profile = profile
        self.layers = layers
        self.home = home
        self.report = Report()

    def policy(self) -> Policy:
        environment = self.ruleset(Kind.NAME, "environment", _VARIABLES, "drop", loose=("pass",))
        variables = self.variables(environment)
        files = self.ruleset(Kind.PATH, "files", _FILES, "", loose=("pass",))
        protection = self.ruleset(Kind.PATH, "files", ("", "protect"), "")
        freezing = self.ruleset(Kind.PATH, "files", ("", "frozen"), "")
        frozen_mounts = self.ruleset(Kind.NAME, "files", ("", "frozen_mounts"), "")
        refused_containers = self.ruleset(Kind.NAME, "run", ("", "refuse_containers"), "")
        skipping = self.ruleset(Kind.PATH, "files.scan", ("scan", "skip"), "scan", loose=("skip",))
        natives = self.ruleset(Kind.PATH, "files", ("", "native"), "", loose=("native",))
        sending = self.ruleset(Kind.PATH, "files.send", _SENDING, "always", loose=("always",))
        hosts = self.ruleset(Kind.HOST, "network", ("allow", "deny"), "deny", loose=("allow",))
        internals = self.ruleset(Kind.HOST, "network", ("internal", ""), "", loose=("internal",))
        wire = self.ruleset(Kind.NAME, "wire", _WIRE, "redact", loose=("monitor",))
        identity = self.ruleset(Kind.NAME, "identity", _IDENTITY, "pass", loose=("pass",))
        plain = {key: self.plain_list(key) for key in PLAIN_LISTS}
        self.refuse_upstream()
        scalars = {key: self.scalar(key, tighter) for key, tighter in SCALARS.items()}
        upstreams = wiremerge.upstreams(self.layers, self.report)
        rules = self.redaction_rules()
        context = self.contexts(plain["redaction.disable"])
        most = self.most("run.allow_degraded")
        egress = egressmerge.egress(
            self.layers,
            self.report,
            ((hosts, "allow"), (internals, "internal")),
            self.most("network.loopback"),
            scalars["network.unknown"],
            scalars["network.wait_seconds"],
        )
        return Policy(
            profile=self.profile,
            environment=environment,
            files=files,
            protection=protection,
            freezing=freezing,
            frozen_mounts=frozen_mounts,
            refused_containers=refused_containers,
            skipping=skipping,
            natives=natives,
            hosts=hosts,
            internals=internals,
            variables_set=variables,
            scan_enabled=scalars["files.scan.enabled"],
            scan_max_bytes=scalars["files.scan.max_bytes"],
            files_view=scalars["files.view"],
            files_damaged=scalars["files.damaged"],
            files_restore=scalars["files.restore"],
            files_commits=scalars["files.commits"],
            home_read_only=tuple(folder.removeprefix("~/").strip("/") for folder in plain["home.read_only"]),
            home_read_write=tuple(folder.removeprefix("~/").strip("/") for folder in plain["home.read_write"]),
            keep_cache=scalars["home.cache"],
            loopback=tuple(port for port in plain["network.loopback"] if port not in egress.ports),
            egress=egress,
            upstream={
                name: scalars[f"upstream.{name}"].rstrip("/")
                for name in ("anthropic", "openai")
                if scalars[f"upstream.{name}"]
            },
            redaction_disable=plain["redaction.disable"],
            redaction_allow=plain["redaction.allow"],
            redaction_rules=rules,
            context=context,
            audit_recipients=plain["audit.recipients"],
            audit_keystrokes=scalars["audit.keystrokes"],
            audit_anchors=plain["audit.anchors"],
            audit_keep_days=scalars["audit.keep_days"],
            audit_segment_bytes=scalars["audit.segment_bytes"],
            audit_segment_hours=scalars["audit.segment_hours"],
            provenance=Provenance(
                **{key: scalars[f"provenance.{key}"] for key in Provenance.__struct_fields__},
            ),
            status_line=scalars["terminal.status_line"],
            body_limit=scalars["limits.body_bytes"],
            degraded=plain["run.allow_degraded"],
            degradable=None if most is None else tuple(sorted(most)),
            wire=wire,
            redaction_budget=scalars["wire.budget"],
            identity=identity,
            sending=sending,
            tasks=wiremerge.tasks(self.layers, self.report, self.home),
            approvals=wiremerge.approvals(
                self.layers, self.report, self.home, upstreams, self.rule_of("approved.default")
            ),
            upstreams=upstreams,
            rows=tuple(sorted(self.report.rows, key=lambda row: row.key)),
            notices=tuple(self.report.notices),
        )

    def ruleset(
        self, kind: Kind, table: str, order: tuple[str, ...], default: str, *, loose: tuple[str, ...] = ()
    ) -> Ruleset:
        """Collect the lists of `table` whose keys are in `order`; `loose` are the keys whose entries open something."""
        rules: list[Rule] = []
        floor: list[Rule] = []
        tightening: list[Rule] = []
        for layered in self.layers:
            for path, texts in lists(layered.source.document):
                key, action = ".".join(map(str, path)), str(path[-1])
                if key != f"{table}.{action}" or action not in order:
                    continue
                found = [layered.rule(key, text, number) for number, text in enumerate(texts)]
                if layered.layer is Layer.PROJECT and key in _NOT_A_PROJECTS:
                    for rule in found[:1]:
                        self.report.notice(rule, key, OWN, _NOT_A_PROJECTS[key])
                    continue
                opening = action in loose
                if not layered.trusted:
                    found = self.taken(key, found, [r for r in found if r.pattern.startswith("!") == opening])
                elif opening:
                    found = self.below_ceiling(layered, key, found)
                self.report.show(key, found)
                if not layered.trusted and not opening:
                    tightening += found
                    continue
                rules += found
                if layered.layer is Layer.ORGANISATION and not opening:
                    floor += found
        return Ruleset(kind, order, default, tuple(rules), tuple(floor), tuple(tightening))

    def taken(self, key: str, found: list[Rule], tight: list[Rule]) -> list[Rule]:
        """Keep what an untrusted project may ask for, and give notice of the rest."""
        refused = [rule for rule in found if rule not in tight]
        if refused:
            self.report.notice(refused[0], key, TRUST, "would loosen the policy, and the project's file is not trusted")
        return tight

    def below_ceiling(self, layered: Layered, key: str, found: list[Rule]) -> list[Rule]:
        """Drop what goes beyond the organisation's list, where it has one under `key` and `key` is a ceiling."""
        most = self.most(key)
        if most is None or layered.layer in (Layer.BUNDLED, Layer.ORGANISATION):
            return found
        refused = [rule for rule in found if rule.pattern not in most and not rule.pattern.startswith("!")]
        if refused:
            self.report.notice(refused[0], key, FLOOR, "goes beyond the organisation's list")
        return [rule for rule in found if rule not in refused]

    def most(self, key: str) -> frozenset[str] | None:
        """Give all that the organisation's list under `key` allows (with what is bundled); None: it has none."""
        if key not in CEILINGS:
            return None
        said = [(layered.layer, layered.value(key)) for layered in self.layers]
        if not any(layer is Layer.ORGANISATION and value is not None for layer, value in said):
            return None
        kept = [value for layer, value in said if layer in (Layer.BUNDLED, Layer.ORGANISATION) and value is not None]
        return frozenset(str(entry) for value in kept for entry in value)

    def plain_list(self, key: str) -> tuple[Any, ...]:
        """Unite a list that only opens something, without doubles, in the order of the layers."""
        united: dict[Any, Rule] = {}
        for layered in self.layers:
            entries = layered.value(key) or ()
            found = [layered.rule(key, str(entry), number) for number, entry in enumerate(entries)]
            known = {rule.pattern for rule in united.values()}
            if not layered.trusted:
                found = self.taken(key, found, [rule for rule in found if rule.pattern in known])
            else:
                found = self.below_ceiling(layered, key, found)
            patterns = {rule.pattern: rule for rule in found}
            for entry in entries:
                if str(entry) in patterns:
                    united.setdefault(entry, patterns[str(entry)])
        self.report.show(key, united.values())
        return tuple(united)

    def scalar(self, key: str, tighter: _Tighter) -> Any:
        """Choose the value of a single setting; the organisation's is a floor, an untrusted project only tightens."""
        chosen: Any = None
        floor: Any = None
        rule: Rule | None = None
        for layered in self.layers:
            value = layered.value(key)
            if value is None:
                continue
            mine = layered.rule(key, _shown(value))
            if layered.layer is Layer.PROJECT and key in _NOT_A_PROJECTS:
                self.report.notice(mine, key, OWN, _NOT_A_PROJECTS[key])
                continue
            bound = chosen if not layered.trusted else floor
            if (bound is not None or not layered.trusted) and value != bound and not tighter(value, bound):
                why = "goes beyond the organisation's" if layered.trusted else "would loosen or move what is set"
                self.report.notice(mine, key, FLOOR if layered.trusted else TRUST, why)
                continue
            chosen, rule = value, mine
            if layered.layer is Layer.ORGANISATION:
                floor = value
        if rule is not None:
            self.report.show(key, [rule])
        elif not key.startswith("upstream."):
            raise PolicyError(f"the bundled profile says nothing about `{key}`", hint="reinstall safe-agent")
        return chosen

    def rule_of(self, key: str) -> Rule:
        """Give the rule of a single setting that has been chosen."""
        return next(row.rule for row in self.report.rows if row.key == key)

    def variables(self, environment: Ruleset) -> Mapping[str, str]:
        """Unite `environment.set`; names the organisation sets or drops are not the user's to set."""
        united: dict[str, tuple[str, Rule]] = {}
        for layered in self.layers:
            for name, value in (layered.source.document.environment.set or {}).items():
                rule = layered.rule("environment.set", name, name)
                if not layered.trusted:
                    self.report.notice(rule, f"environment.set.{name}", TRUST, "is not an untrusted project's to say")
                elif layered.layer in (Layer.USER, Layer.PROJECT) and self.is_fixed(name, united, environment):
                    self.report.notice(rule, f"environment.set.{name}", FLOOR, "goes against the organisation's")
                else:
                    united[name] = (value, rule)
        self.report.show("environment.set", [rule for _, rule in united.values()])
        return {name: value for name, (value, _) in united.items()}

    @staticmethod
    def is_fixed(name: str, united: Mapping[str, tuple[str, Rule]], environment: Ruleset) -> bool:
        said = environment.decide(name).rule
        dropped = said is not None and said.layer is Layer.ORGANISATION and said.action == "drop"
        return dropped or (name in united and united[name][1].layer is Layer.ORGANISATION)

    def redaction_rules(self) -> tuple[RedactionRule, ...]:
        """Unite the policy's own redaction rules; a higher layer's replaces its namesake, but not the organisation's.

        More rules redact more, so an untrusted project may add some; it may not replace any.
        """
        united: dict[str, tuple[RedactionRule, Rule]] = {}
        key = "redaction.rules"
        for layered in self.layers:
            for number, redaction in enumerate(layered.source.document.redaction.rules or ()):
                rule = layered.rule(key, redaction.id, number)
                earlier = united.get(redaction.id)
                if earlier and not layered.trusted:
                    self.report.notice(rule, key, TRUST, "would replace a rule of the same id")
                elif earlier and earlier[1].layer is Layer.ORGANISATION:
                    self.report.notice(rule, key, FLOOR, "would replace the organisation's rule of the same id")
                else:
                    united[redaction.id] = (redaction, rule)
        self.report.show(key, [rule for _, rule in united.values()])
        return tuple(redaction for redaction, _ in united.values())

    def contexts(self, disabled: tuple[str, ...]) -> tuple[ContextTable, ...]:
        """Unite the context rules of all layers: more of them redact more. What is disabled is left out.

        But for the organisation's: its own are a floor.
        """
        united: list[tuple[ContextTable, Rule]] = []
        for layered in self.layers:
            for number, table in enumerate(layered.source.document.context or ()):
                rule = layered.rule("context", str(table), number)
                if table.id in disabled and layered.layer is Layer.ORGANISATION:
                    self.report.notice(
                        rule, f"redaction.disable {table.id}", FLOOR, "would turn off the organisation's rule"
                    )
                if table.id not in disabled or layered.layer is Layer.ORGANISATION:
                    united.append((table, rule))
        self.report.show("context", [rule for _, rule in united])
        return tuple(table for table, _ in united)

    def refuse_upstream(self) -> None:
        """Stop where a project says where the provider is: it would be sent the real key and every body."""
        for layered in self.layers:
            upstream = layered.source.document.upstream
            named = upstream.anthropic is not None or upstream.openai is not None
            table = "upstream" if named else "upstreams" if layered.source.document.upstreams else ""
            if layered.layer is Layer.PROJECT and table:
                raise layered.source.error(
                    (table,),
                    "a project may not say where the provider is",
                    f"set `[{table}]` in your own policy, or give it with `--policy FILE`",
                )


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if isinstance(value, bool) else str(value)
