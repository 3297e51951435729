"""The shape of a policy file: one frozen struct per table, unknown keys forbidden; None means "not set here"."""

from collections.abc import Mapping

import msgspec

from wrapper.policy.model import ContextTable, RedactionRule

Texts = tuple[str, ...] | None


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


class Files(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"pass_": "pass"}):
    """`[files]`: globs over workspace-relative paths, and how the view serves the workspace."""

    pass_: Texts = None
    mask: Texts = None
    deny: Texts = None
    store: Texts = None
    hide: Texts = None
    protect: Texts = None
    view: str | None = None
    native: Texts = None
    damaged: str | None = None
    commits: str | None = None
    scan: Scan = Scan()


class Home(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[home]`: what of the home folder is bound back, and whether the project keeps a cache folder."""

    read_only: Texts = None
    read_write: Texts = None
    cache: bool | None = None


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[network]`: hosts through the egress proxy, and loopback ports of the user's machine."""

    allow: Texts = None
    deny: Texts = None
    loopback: tuple[int, ...] | None = None


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[upstream]`: where the gateway sends the provider's requests."""

    anthropic: str | None = None
    openai: str | None = None


class Redaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[redaction]`: catalogue rules to turn off, values to leave alone, rules of one's own."""

    disable: Texts = None
    allow: Texts = None
    rules: tuple[RedactionRule, ...] | None = None


class Audit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[audit]`: who may read the log, and whether it holds what the user types."""

    recipients: Texts = None
    keystrokes: bool | None = None


class Terminal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[terminal]`: what safe-agent itself shows."""

    status_line: bool | None = None


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[limits]`: bounds on what the gateway takes in."""

    body_bytes: int | None = None


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[run]`: protections whose lack does not stop the run."""

    allow_degraded: Texts = None


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One policy file."""

    version: int
    environment: Environment = Environment()
    files: Files = Files()
    home: Home = Home()
    network: Network = Network()
    upstream: Upstream = Upstream()
    redaction: Redaction = Redaction()
    context: tuple[ContextTable, ...] | None = None
    audit: Audit = Audit()
    terminal: Terminal = Terminal()
    limits: Limits = Limits()
    run: Run = Run()


def known_keys() -> tuple[str, ...]:
    """Give every key there is, with dots: tables such as `files.scan`, and what stands in them."""
    return tuple(_keys("", Document(version=1)))


def _keys(prefix: str, table: msgspec.Struct) -> list[str]:
    found: list[str] = []
    for field, key in zip(table.__struct_fields__, table.__struct_encode_fields__, strict=True):
        found.append(prefix + key)
        value = getattr(table, field)
        if isinstance(value, msgspec.Struct):
            found += _keys(f"{prefix}{key}.", value)
    if isinstance(table, Document):
        found += [f"context.{key}" for key in ContextTable.__struct_encode_fields__]
    if isinstance(table, Redaction):
        found += [f"{prefix}rules.{key}" for key in RedactionRule.__struct_encode_fields__]
    return found
