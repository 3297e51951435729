"""The effective policy: frozen, pure, and able to say of every answer which rule of which layer gave it.

How rules decide (docs/policy.md says it for users):
- Within one list of patterns the last match wins; `!` takes back.
- Among the lists that match, the strictest action wins; but an explicit `pass` or `allow` of a layer above the
  bundled one beats what is bundled.
- What the organisation's own lists say is a floor, and what an untrusted project's lists say can only be added: both
  are decided apart, and the strictest of the three answers is the answer.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

import msgspec

from wrapper.policy.globs import Matcher, NameMatcher, PathMatcher, Pattern
from wrapper.policy.hosts import HostMatcher

if TYPE_CHECKING:  # what they decide names the rules of this module
    from wrapper.policy.egress import Egress
    from wrapper.policy.provenance import Provenance
    from wrapper.policy.wire import Approval, Approvals, Place, TaskRule, UpstreamRule

_CLOSED: Final = ("deny", "store", "hide")  # files whose content the inside may not read, so nobody may be sent it


class Layer(enum.Enum):
    """Where a rule stands, from the lowest precedence to the highest; ORGANISATION is also a floor."""

    BUNDLED = "bundled"
    ORGANISATION = "organisation"
    USER = "user"
    PROJECT = "project"


class Rule(msgspec.Struct, frozen=True):
    """One entry of one policy file; `pattern` as written (with its `!`), or the value of a single setting.

    Line 0: it is built in, and `file` says by what.
    """

    pattern: str
    action: str
    layer: Layer
    file: str
    line: int

    def __str__(self) -> str:
        """Read as `mask "*.env" (user, /path/policy.toml:12)`; of a bundled file the name: all lie in one folder."""
        file = self.file.rpartition("/")[2] if self.layer is Layer.BUNDLED else self.file
        place = f"{file}:{self.line}" if self.line else file
        return f'{self.action} "{self.pattern}" ({self.layer.value}, {place})'


class Decision(msgspec.Struct, frozen=True):
    """What happens to one thing, and the rule that says so (None: no rule matched, the default applied)."""

    action: str
    rule: Rule | None


class Setting(msgspec.Struct, frozen=True):
    """One row of `policy show`: the key as in TOML (`files.mask`), its value, and where it stands."""

    key: str
    value: str
    rule: Rule


class RedactionRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule of the policy's own: what `regex` matches is replaced by a placeholder of kind `kind`."""

    id: str
    kind: str
    regex: str
    confidence: str = "certain"


class ContextTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[context]]`: what must not leave although it is no secret. One of the first four says how it is found.

    `terms_file` is read by `load`, which then puts its lines into `terms`. None: the default, or not about this one.
    """

    terms: tuple[str, ...] | None = None
    terms_file: str | None = None
    regex: str | None = None
    builtin: str | None = None
    kind: str = ""
    hosts: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    borders: str | None = None
    ignore_case: bool | None = None
    confidence: str = "certain"

    @property
    def label(self) -> str:
        """The kind of its placeholders; a builtin's own name where the policy gives none."""
        return self.kind or (self.builtin or "").upper()

    @property
    def id(self) -> str:
        """How `redaction.disable` and findings name it."""
        return f"context:{self.label}"

    def __str__(self) -> str:
        """Read as `CUSTOMER: 12 terms`: the terms themselves are nobody's to print."""
        if self.terms is not None:
            source = f" of {self.terms_file}" if self.terms_file else ""
            return f"{self.label}: {len(self.terms)} terms{source}"
        return f"{self.label}: {self.builtin or self.regex or self.terms_file}"


class Notice(msgspec.Struct, frozen=True):
    """Something a policy file asked for that was not taken: where, under which key, why, and what to do about it."""

    file: str
    line: int
    key: str
    why: str
    hint: str

    @property
    def what(self) -> str:
        """The notice as one line."""
        return f"{self.file}:{self.line}: `{self.key}` {self.why}: ignored"


class Kind(enum.Enum):
    """What the patterns of a ruleset are held against."""

    NAME = "name"
    PATH = "path"
    HOST = "host"


_MATCHERS: Final[Mapping[Kind, Callable[[Sequence[Pattern], int], Matcher]]] = {
    Kind.NAME: NameMatcher,
    Kind.PATH: PathMatcher,
    Kind.HOST: HostMatcher,
}


class Ruleset(msgspec.Struct, frozen=True, dict=True):
    """All rules about one sort of thing; `order` are the actions from loosest to strictest, `default` is one of them.

    `rules` stand in the order of their layers; `floor` repeats the organisation's strict ones; `tightening` are the
    strict ones of an untrusted project.
    """

    kind: Kind
    order: tuple[str, ...]
    default: str
    rules: tuple[Rule, ...]
    floor: tuple[Rule, ...] = ()
    tightening: tuple[Rule, ...] = ()

    @property
    def says_something(self) -> bool:
        """Whether any layer has a rule."""
        return bool(self._all)

    @cached_property
    def _all(self) -> tuple[Rule, ...]:
        return self.rules + self.floor + self.tightening

    @cached_property
    def _matcher(self) -> Matcher:
        """List number: group (0 rules, 1 floor, 2 tightening) times the number of actions, plus the action's own."""
        width = len(self.order)
        groups = [0] * len(self.rules) + [1] * len(self.floor) + [2] * len(self.tightening)
        patterns = [
            Pattern(rule.pattern.removeprefix("!"), group * width + self.order.index(rule.action), place)
            for place, (group, rule) in enumerate(zip(groups, self._all, strict=True))
        ]
        return _MATCHERS[self.kind](patterns, 3 * width)

    @cached_property
    def _untouched(self) -> Decision:
        return Decision(self.default, None)

    def decide(self, subject: str) -> Decision:
        """Say what happens to `subject`."""
        best = self._matcher.best(subject)
        return self._untouched if best is None else self._decided(best)

    def _decided(self, best: tuple[int, ...]) -> Decision:
        width = len(self.order)
        decision = self._open(self._matched(best[:width]))
        for group in (best[width : 2 * width], best[2 * width :]):
            for rule in self._matched(group):
                stricter = self.order.index(rule.action) - self.order.index(decision.action)
                if stricter > 0 or (stricter == 0 and decision.rule is None):  # said, where else only the default does
                    decision = Decision(rule.action, rule)
        return decision

    def _matched(self, places: tuple[int, ...]) -> list[Rule]:
        """Give the deciding rules of the lists that match, loosest action first."""
        found = [self._all[place] for place in places if place >= 0]
        return [rule for rule in found if not rule.pattern.startswith("!")]

    def _open(self, matched: list[Rule]) -> Decision:
        """Decide among the rules of all layers, without the floor."""
        if matched and matched[0].action == self.order[0] and matched[0].layer is not Layer.BUNDLED:
            matched = [rule for rule in matched if rule.layer is not Layer.BUNDLED]
        return Decision(matched[-1].action, matched[-1]) if matched else self._untouched


class Policy(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """The effective policy of one session. Sizes in bytes; paths of the home relative to it, without `~/`.

    `redaction_budget`: distinct values that are replaced in one request without asking; 0: any number.
    `files_view` is `binds`, `auto` or `fuse`; `files_damaged` `keep` or `refuse`; `files_restore` `all` or `files`;
    `files_commits` `rewrite`, `refuse` or `review`.

    `audit_anchors` as `policy.anchors` reads them. Sessions are readable for `audit_keep_days` days (0: for ever); a
    log goes on in a new segment after `audit_segment_bytes` bytes or `audit_segment_hours` hours.
    """

    profile: str
    environment: Ruleset
    files: Ruleset
    protection: Ruleset
    freezing: Ruleset
    frozen_mounts: Ruleset
    refused_containers: Ruleset
    skipping: Ruleset
    natives: Ruleset
    hosts: Ruleset
    internals: Ruleset
    variables_set: Mapping[str, str]
    scan_enabled: bool
    scan_max_bytes: int
    files_view: str
    files_damaged: str
    files_restore: str
    files_commits: str
    home_read_only: tuple[str, ...]
    home_read_write: tuple[str, ...]
    keep_cache: bool
    loopback: tuple[int, ...]
    egress: "Egress"
    upstream: Mapping[str, str]
    redaction_disable: tuple[str, ...]
    redaction_allow: tuple[str, ...]
    redaction_rules: tuple[RedactionRule, ...]
    context: tuple[ContextTable, ...]
    audit_recipients: tuple[str, ...]
    audit_keystrokes: bool
    audit_anchors: tuple[str, ...]
    audit_keep_days: int
    audit_segment_bytes: int
    audit_segment_hours: float
    provenance: "Provenance"
    status_line: bool
    body_limit: int
    degraded: tuple[str, ...]
    degradable: tuple[str, ...] | None
    wire: Ruleset
    redaction_budget: int
    identity: Ruleset
    sending: Ruleset
    tasks: "tuple[TaskRule, ...]"
    approvals: "Approvals"
    upstreams: "Mapping[str, UpstreamRule]"
    rows: tuple[Setting, ...]
    notices: tuple[Notice, ...] = ()

    def variable(self, name: str) -> Decision:
        """Decide over an environment variable: `pass`, `mask` or `drop` (the default)."""
        return self.environment.decide(name)

    def file(self, path: str) -> Decision:
        """Decide over a workspace-relative posix path (a folder's ends in `/`).

        `pass`, `mask`, `deny`, `store` (a key store: deny if git tracks it, hide if not), `hide`, or `""`: no rule,
        the content decides.
        """
        return self.files.decide(path)

    @property
    def protected(self) -> tuple[Rule, ...]:
        """The rules of what is read-only inside, without those that take back; `is_protected` has the last word."""
        both = self.protection, self.freezing
        rules = tuple(rule for one in both for rule in one.rules + one.tightening)
        return tuple(rule for rule in rules if not rule.pattern.startswith("!"))

    def is_protected(self, path: str) -> Decision:
        """Decide whether a path (as for `file`) is read-only inside: `protect` or `""`."""
        if self.freezing.rules or self.freezing.tightening:  # this is asked of every file: most policies freeze none
            frozen = self.freezing.decide(path)
            if frozen.action:
                return Decision("protect", frozen.rule)
        return self.protection.decide(path)

    def is_frozen(self, path: str) -> bool:
        """Whether a path is read-only inside also in a repository that was made inside, which may bring other files."""
        return self.freezing.decide(path).action == "frozen"

    def host(self, host: str, port: int) -> Decision:
        """Decide over a connection to a host's port: `allow` or `deny` (the default).

        Where no rule over hosts says anything, an internal one is allowed, and one that a secret or a remote is for.
        """
        decision = self.hosts.decide(f"{host}:{port}")
        if decision.rule is not None:
            return decision
        if self.is_internal(host, port):
            return Decision("allow", self.internals.decide(f"{host}:{port}").rule)
        opening = self.egress.opens(host, port)
        return Decision("allow", opening) if opening is not None else decision

    def with_login_hosts(self, hosts: Mapping[str, tuple[str, ...]], client: str) -> "Policy":
        """Give the same for a session in which a client may log in: at `hosts`, by these requests and no others.

        They are written as in `[[hosts]]`. Where nobody says more, what is found there is recorded: a login is a secret
        that goes where it belongs.
        """
        if not hosts:
            return self
        from wrapper.policy.egress import HostRule  # noqa: PLC0415 (names the rules of this module)
        from wrapper.policy.egressforms import request  # noqa: PLC0415

        rules = tuple(
            HostRule(
                hosts=(host,),
                rule=Rule(host, "login", Layer.BUNDLED, client, 0),
                reached=True,
                inspect="yes",
                found="record",
                allow=tuple(map(request, requests)),
            )
            for host, requests in hosts.items()
        )
        egress = msgspec.structs.replace(self.egress, hosts=(*self.egress.hosts, *rules))
        return msgspec.structs.replace(self, egress=egress)

    def is_internal(self, host: str, port: int) -> bool:
        """Whether a host may have an address in a private network; `host` has the say over whether it is reached."""
        return self.internals.decide(f"{host}:{port}").action == "internal"

    def wire_action(self, kind: str) -> Decision:
        """Decide over a finding of this kind in a request: `monitor`, `redact` (the default) or `block`."""
        return self.wire.decide(kind)

    def identity_action(self, field: str) -> Decision:
        """Decide over what a client adds by itself (see docs/identity.md): `pass` (the default), `mask` or `drop`."""
        return self.identity.decide(field)

    def send(self, path: str) -> Decision:
        """Decide whether the content of a file (path as for `file`) may leave: `always` (the default), `ask`, `never`.

        Never that of a file which is closed to the inside.
        """
        said, shown = self.sending.decide(path), self.file(path)
        return Decision("never", shown.rule) if shown.action in _CLOSED and said.action != "never" else said

    def tasks_for(self, place: "Place", model: str) -> "tuple[TaskRule, ...]":
        """Give the kinds of work that count here; whether a request is one of them is the gateway's to find out."""
        return tuple(task for task in self.tasks if task.covers(place, model, unknown=True))

    def approved(self, place: "Place", model: str) -> "Approval":
        """Decide whether this agent may ask this model here: `allow` (the default), `route` or `deny`."""
        return self.approvals.decide(place, model)

    def requires(self, name: str) -> tuple[str, ...]:
        """Say what is required of an upstream: a name of `upstreams`, or `anthropic`, `openai`: the clients' own."""
        return self.upstreams[name].requires if name in self.upstreams else ()

    def is_scanned(self, path: str) -> bool:
        """Whether the scan reads the file, or goes into the folder (then `path` must end in `/`)."""
        return self.skipping.decide(path).action != "skip"

    def is_native(self, path: str) -> bool:
        """Whether the view binds this folder (`path` must end in `/`) as it is: nothing in it is masked or restored."""
        return self.natives.decide(path).action == "native"

    def may_degrade(self, protection: str) -> bool:
        """Whether `--allow-degraded` may name this protection: not where the organisation's list lacks it."""
        return self.degradable is None or protection in self.degradable

    def settings(self) -> tuple[Setting, ...]:
        """Give the rows of `policy show`, by key, then from the lowest layer to the highest."""
        return self.rows

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex over what is in effect: profile, keys, values and layers, not where the files lie."""
        import hashlib  # noqa: PLC0415 - 2 ms that only the log and `policy show` need

        rows = [(row.key, row.value, row.rule.layer.value) for row in self.rows]
        own = (self.variables_set, self.redaction_rules, self.context)
        return hashlib.sha256(msgspec.json.encode((self.profile, rows, own), order="sorted")).hexdigest()

    def to_json(self) -> str:
        """Give the policy as the JSON text of `policy show --json`: profile, digest, settings, notices."""
        return msgspec.json.encode(
            {
                "version": 1,
                "profile": self.profile,
                "digest": self.digest,
                "settings": [
                    {
                        "key": row.key,
                        "value": row.value,
                        "layer": row.rule.layer.value,
                        "file": row.rule.file,
                        "line": row.rule.line,
                    }
                    for row in self.rows
                ],
                "notices": self.notices,
            }
        ).decode()
