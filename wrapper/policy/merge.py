"""From the layers' files to the one effective policy; pure.

What a layer may do, from the lowest to the highest:
- bundled: the profile; `default` first, then the chosen profile on top of it.
- organisation: anything; what it tightens stands (a floor), and the lists that only loosen (`CEILINGS`) end where
  it says, if it says anything.
- user: anything within that floor.
- project: comes with a clone, so whoever wrote the repository wrote it. It may only tighten, and what else it asks
  for becomes a notice. Trusted by its exact content, it may do what the user's layer may, but never move `upstream`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from wrapper.errors import PolicyError
from wrapper.policy.model import ContextTable, Kind, Layer, Notice, Policy, RedactionRule, Rule, Ruleset, Setting
from wrapper.policy.parse import ON_COMMITS, ON_DAMAGE, VIEWS, Source, lists, printable

_TRUST: Final = "read the file, then take it as it is with `safe-agent policy trust`"
_FLOOR: Final = "the organisation's policy is a floor: ask whoever keeps it"

_VARIABLES: Final = ("pass", "mask", "drop")
_FILES: Final = ("pass", "", "mask", "deny", "store", "hide")

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
    "files.commits": _later(*ON_COMMITS),
    "files.scan.enabled": lambda new, old: new and not old,
    "files.scan.max_bytes": lambda new, old: new > old,
    "home.cache": lambda new, old: old and not new,
    "upstream.anthropic": _never,
    "upstream.openai": _never,
    "audit.keystrokes": _never,
    "terminal.status_line": lambda new, old: new and not old,
    "limits.body_bytes": lambda new, old: new < old,
}

PLAIN_LISTS: Final = (
    "home.read_only",
    "home.read_write",
    "network.loopback",
    "redaction.disable",
    "redaction.allow",
    "audit.recipients",
    "run.allow_degraded",
)
# Lists that only open something and have no strict counterpart an organisation could forbid with. Who may read the
# user's own log beside the organisation is the user's to say.
CEILINGS: Final = (*(key for key in PLAIN_LISTS if key != "audit.recipients"), "files.scan.skip", "files.native")


class Layered(msgspec.Struct, frozen=True):
    """One policy file and the layer it stands for; `trusted` is false only for a project nobody has trusted."""

    layer: Layer
    source: Source
    trusted: bool = True

    def rule(self, key: str, pattern: str, *place: str | int) -> Rule:
        """Make the rule for one entry under the dotted `key`."""
        path = (*key.split("."), *place)
        return Rule(pattern, key.rpartition(".")[2], self.layer, self.source.file, self.source.line(*path))

    def value(self, key: str) -> Any:
        """Give what the file says under the dotted `key`; None where it says nothing."""
        table: Any = self.source.document
        for part in key.split("."):
            table = getattr(table, part)
        return table


def merge(profile: str, layers: Sequence[Layered]) -> Policy:
    """Merge the layers, lowest first. Raises PolicyError where a project names an upstream."""
    return _Merge(profile, layers).policy()


class _Merge:
    """The parts of one merge; `rows` and `notices` grow in the order of the keys."""

    def __init__(self, profile: str, layers: Sequence[Layered]) -> None:
        self.profile = profile
        self.layers = layers
        self.rows: list[Setting] = []
        self.notices: list[Notice] = []

    def policy(self) -> Policy:
        environment = self.ruleset(Kind.NAME, "environment", _VARIABLES, "drop", loose=("pass",))
        variables = self.variables(environment)
        files = self.ruleset(Kind.PATH, "files", _FILES, "", loose=("pass",))
        protection = self.ruleset(Kind.PATH, "files", ("", "protect"), "")
        skipping = self.ruleset(Kind.PATH, "files.scan", ("scan", "skip"), "scan", loose=("skip",))
        natives = self.ruleset(Kind.PATH, "files", ("", "native"), "", loose=("native",))
        hosts = self.ruleset(Kind.HOST, "network", ("allow", "deny"), "deny", loose=("allow",))
        plain = {key: self.plain_list(key) for key in PLAIN_LISTS}
        self.refuse_upstream()
        scalars = {key: self.scalar(key, tighter) for key, tighter in SCALARS.items()}
        rules = self.redaction_rules()
        context = self.contexts(plain["redaction.disable"])
        most = self.most("run.allow_degraded")
        return Policy(
            profile=self.profile,
            environment=environment,
            files=files,
            protection=protection,
            skipping=skipping,
            natives=natives,
            hosts=hosts,
            variables_set=variables,
            scan_enabled=scalars["files.scan.enabled"],
            scan_max_bytes=scalars["files.scan.max_bytes"],
            files_view=scalars["files.view"],
            files_damaged=scalars["files.damaged"],
            files_commits=scalars["files.commits"],
            home_read_only=tuple(folder.removeprefix("~/").strip("/") for folder in plain["home.read_only"]),
            home_read_write=tuple(folder.removeprefix("~/").strip("/") for folder in plain["home.read_write"]),
            keep_cache=scalars["home.cache"],
            loopback=plain["network.loopback"],
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
            status_line=scalars["terminal.status_line"],
            body_limit=scalars["limits.body_bytes"],
            degraded=plain["run.allow_degraded"],
            degradable=None if most is None else tuple(sorted(most)),
            rows=tuple(sorted(self.rows, key=lambda row: row.key)),
            notices=tuple(self.notices),
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
                opening = action in loose
                if not layered.trusted:
                    found = self.taken(key, found, [r for r in found if r.pattern.startswith("!") == opening])
                elif opening:
                    found = self.below_ceiling(layered, key, found)
                self.rows += [Setting(key, rule.pattern, rule) for rule in found]
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
            self.notice(refused[0], key, _TRUST, "would loosen the policy, and the project's file is not trusted")
        return tight

    def notice(self, rule: Rule, key: str, hint: str, why: str) -> None:
        self.notices.append(Notice(rule.file, rule.line, printable(key), why, hint))

    def below_ceiling(self, layered: Layered, key: str, found: list[Rule]) -> list[Rule]:
        """Drop what goes beyond the organisation's list, where it has one under `key` and `key` is a ceiling."""
        most = self.most(key)
        if most is None or layered.layer in (Layer.BUNDLED, Layer.ORGANISATION):
            return found
        refused = [rule for rule in found if rule.pattern not in most and not rule.pattern.startswith("!")]
        if refused:
            self.notice(refused[0], key, _FLOOR, "goes beyond the organisation's list")
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
        self.rows += [Setting(key, rule.pattern, rule) for rule in united.values()]
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
            bound = chosen if not layered.trusted else floor
            if (bound is not None or not layered.trusted) and value != bound and not tighter(value, bound):
                why = "goes beyond the organisation's" if layered.trusted else "would loosen or move what is set"
                self.notice(mine, key, _FLOOR if layered.trusted else _TRUST, why)
                continue
            chosen, rule = value, mine
            if layered.layer is Layer.ORGANISATION:
                floor = value
        if rule is not None:
            self.rows.append(Setting(key, rule.pattern, rule))
        elif not key.startswith("upstream."):
            raise PolicyError(f"the bundled profile says nothing about `{key}`", hint="reinstall safe-agent")
        return chosen

    def variables(self, environment: Ruleset) -> Mapping[str, str]:
        """Unite `environment.set`; names the organisation sets or drops are not the user's to set."""
        united: dict[str, tuple[str, Rule]] = {}
        for layered in self.layers:
            for name, value in (layered.source.document.environment.set or {}).items():
                rule = layered.rule("environment.set", name, name)
                if not layered.trusted:
                    self.notice(rule, f"environment.set.{name}", _TRUST, "is not an untrusted project's to say")
                elif layered.layer in (Layer.USER, Layer.PROJECT) and self.is_fixed(name, united, environment):
                    self.notice(rule, f"environment.set.{name}", _FLOOR, "goes against the organisation's")
                else:
                    united[name] = (value, rule)
        self.rows += [Setting("environment.set", name, rule) for name, (_, rule) in united.items()]
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
                    self.notice(rule, key, _TRUST, "would replace a rule of the same id")
                elif earlier and earlier[1].layer is Layer.ORGANISATION:
                    self.notice(rule, key, _FLOOR, "would replace the organisation's rule of the same id")
                else:
                    united[redaction.id] = (redaction, rule)
        self.rows += [Setting(key, rule.pattern, rule) for _, rule in united.values()]
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
                    self.notice(rule, f"redaction.disable {table.id}", _FLOOR, "would turn off the organisation's rule")
                if table.id not in disabled or layered.layer is Layer.ORGANISATION:
                    united.append((table, rule))
        self.rows += [Setting("context", rule.pattern, rule) for _, rule in united]
        return tuple(table for table, _ in united)

    def refuse_upstream(self) -> None:
        """Stop where a project says where the provider is: it would be sent the real key and every body."""
        for layered in self.layers:
            upstream = layered.source.document.upstream
            if layered.layer is Layer.PROJECT and (upstream.anthropic is not None or upstream.openai is not None):
                raise layered.source.error(
                    ("upstream",),
                    "a project may not say where the provider is",
                    "set `[upstream]` in your own policy, or give it with `--policy FILE`",
                )


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
