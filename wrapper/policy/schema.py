"""The shape of a policy file: one frozen struct per table, unknown keys forbidden; None means "not set here"."""

from collections.abc import Mapping
from typing import Final

import msgspec

from wrapper.policy.model import ContextTable, RedactionRule

Texts = tuple[str, ...] | None
FREE: Final = "NAME"
"""What stands for a name of the user's in `known_keys`."""


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"pass_": "pass"}):
    """`[environment]`: globs over variable names, and variables to set."""

    pass_: Texts = None
    mask: Texts = None
    drop: Texts = None
    set: Mapping[str, str] | None = None


class Scan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[files.scan]`: which files' content is looked at before the run and after changes."""

    enabled: bool | None = None
    skip: Texts = None
    max_bytes: int | None = None


class Send(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[files.send]`: whether the content of workspace files may leave; patterns as in `[files]`."""

    always: Texts = None
    ask: Texts = None
    never: Texts = None


class Files(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"pass_": "pass"}):
    """`[files]`: globs over workspace-relative paths, and how the view serves the workspace."""

    pass_: Texts = None
    mask: Texts = None
    deny: Texts = None
    store: Texts = None
    hide: Texts = None
    protect: Texts = None
    frozen: Texts = None
    frozen_mounts: Texts = None
    view: str | None = None
    native: Texts = None
    damaged: str | None = None
    restore: str | None = None
    commits: str | None = None
    scan: Scan = Scan()
    send: Send = Send()


class Home(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[home]`: what of the home folder is bound back, and whether the project keeps a cache folder."""

    read_only: Texts = None
    read_write: Texts = None
    cache: bool | None = None


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[network]`: hosts through the egress proxy, what becomes of others, and loopback ports of the user's machine."""

    allow: Texts = None
    internal: Texts = None
    deny: Texts = None
    loopback: tuple[int, ...] | None = None
    unknown: str | None = None
    wait_seconds: float | None = None


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[upstream]`: where the gateway sends the provider's requests."""

    anthropic: str | None = None
    openai: str | None = None


class Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[wire]`: what becomes of a finding in a request, by globs over its kind; distinct values without asking."""

    monitor: Texts = None
    redact: Texts = None
    block: Texts = None
    budget: int | None = None


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"pass_": "pass"}):
    """`[identity]`: globs over the names of what clients add to requests by themselves."""

    pass_: Texts = None
    mask: Texts = None
    drop: Texts = None


class TaskTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[tasks]]`: a kind of work, known by what the user asks for; where it counts, and what becomes of it."""

    name: str
    action: str
    patterns: Texts = None
    agents: Texts = None
    workspaces: Texts = None
    remotes: Texts = None
    models: Texts = None
    message: str = ""


class ApprovalTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[approved.rules]]`: who may ask which model where, and of which server."""

    action: str
    agents: Texts = None
    workspaces: Texts = None
    remotes: Texts = None
    models: Texts = None
    upstream: str = ""
    reason: str = ""


class Approved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[approved]`: agents, workspaces and models that belong together."""

    default: str | None = None
    rules: tuple[ApprovalTable, ...] | None = None


class UpstreamTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[upstreams.NAME]`: a server that rules route to, or what is required of a client's own."""

    kind: str = ""
    url: str = ""
    requires: tuple[str, ...] = ()
    key: str = ""


class SecretTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """One `[[secrets]]`: a value of the user's that works at some hosts, though the inside has its placeholder only."""

    name: str
    from_: str
    hosts: tuple[str, ...]
    where: Texts = None
    variables: Texts = None
    prefix: str | None = None
    username: str | None = None


class HostTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[hosts]]`: what hosts may be asked, and how much; whether they are reached is `[network]`'s to say."""

    hosts: tuple[str, ...]
    inspect: str | None = None
    allow: Texts = None
    found: str | None = None
    send_bytes: int | None = None
    receive_bytes: int | None = None
    connections: int | None = None
    idle_seconds: float | None = None


class RemoteTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[remotes]]`: a repository that git may fetch from, and the branches it may push to."""

    url: str
    push: Texts = None


class LoopbackTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """One `[[loopback]]`: a service of the user's machine, and where its password is."""

    port: int
    protocol: str = "tcp"
    from_: str | None = None


class Redaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[redaction]`: catalogue rules to turn off, values to leave alone, rules of one's own."""

    disable: Texts = None
    allow: Texts = None
    rules: tuple[RedactionRule, ...] | None = None


class Audit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[audit]`: who may read the log, what it holds, how long it is readable, and who keeps its checkpoints."""

    recipients: Texts = None
    keystrokes: bool | None = None
    anchors: Texts = None
    keep_days: int | None = None
    segment_bytes: int | None = None
    segment_hours: float | None = None


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[provenance]`: what is kept of what agents write, and what counts as theirs."""

    capture: bool | None = None
    sticky: float | None = None
    unwatched: str | None = None
    claims: str | None = None
    require_review: bool | None = None
    require_reason: bool | None = None


class Terminal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[terminal]`: what safe-agent itself shows."""

    status_line: bool | None = None


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[limits]`: bounds on what the gateway takes in."""

    body_bytes: int | None = None


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[run]`: protections whose lack does not stop the run, and containers in which nothing starts."""

    allow_degraded: Texts = None
    refuse_containers: Texts = None


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One policy file."""

    version: int
    environment: Environment = Environment()
    files: Files = Files()
    home: Home = Home()
    network: Network = Network()
    secrets: tuple[SecretTable, ...] | None = None
    hosts: tuple[HostTable, ...] | None = None
    remotes: tuple[RemoteTable, ...] | None = None
    loopback: tuple[LoopbackTable, ...] | None = None
    upstream: Upstream = Upstream()
    upstreams: Mapping[str, UpstreamTable] | None = None
    wire: Wire = Wire()
    identity: Identity = Identity()
    tasks: tuple[TaskTable, ...] | None = None
    approved: Approved = Approved()
    redaction: Redaction = Redaction()
    context: tuple[ContextTable, ...] | None = None
    audit: Audit = Audit()
    provenance: Provenance = Provenance()
    terminal: Terminal = Terminal()
    limits: Limits = Limits()
    run: Run = Run()


def known_keys() -> tuple[str, ...]:
    """Give every key there is, with dots: tables such as `files.scan`, and what stands in them.

    What stands in a list of tables follows its key; of a table whose names are free, the name is `NAME`.
    """
    return tuple(_keys("", Document(version=1)))


# Tables that stand in lists, or under names of the user's.
_REPEATED: Final[Mapping[str, type[msgspec.Struct]]] = {
    "context": ContextTable,
    "redaction.rules": RedactionRule,
    "secrets": SecretTable,
    "hosts": HostTable,
    "remotes": RemoteTable,
    "loopback": LoopbackTable,
    "tasks": TaskTable,
    "approved.rules": ApprovalTable,
    f"upstreams.{FREE}": UpstreamTable,
}


def _keys(prefix: str, table: msgspec.Struct) -> list[str]:
    found: list[str] = []
    for field, key in zip(table.__struct_fields__, table.__struct_encode_fields__, strict=True):
        found.append(prefix + key)
        value = getattr(table, field)
        if isinstance(value, msgspec.Struct):
            found += _keys(f"{prefix}{key}.", value)
    if not prefix:
        found += [f"{around}.{key}" for around, inner in _REPEATED.items() for key in inner.__struct_encode_fields__]
    return found
