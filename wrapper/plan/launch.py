"""The launch plan: one value that says everything about a session before anything runs.

`safe-agent explain` prints it and the log begins with it, so it holds names, rules and placeholders, never a secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from wrapper.plan.environment import EnvironmentPlan
from wrapper.plan.mounts import Mount

# 127.0.0.1 inside; unassigned by IANA and above the usual ports of development servers
GATEWAY_PORT = 41197
EGRESS_PORT = 41198
SSH_PORT = 41199


@dataclass(frozen=True, slots=True)
class Covered:
    """A file that is not shown as it is: `mode` is `mask`, `deny` or `hide`; `path` is absolute."""

    path: str
    mode: str
    reason: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a gateway sends what it redacted, who said so, and what is required of whoever is there.

    `name` is that of a server of `[upstreams]` that rules route to; empty for the client's own.
    """

    kind: str
    url: str
    reason: str
    requires: tuple[str, ...] = ()
    name: str = ""

    def __str__(self) -> str:
        """Read as `internal https://llm.example.org, requires zero-data-retention`."""
        required = f", requires {', '.join(self.requires)}" if self.requires else ""
        return f"{self.name} {self.url}{required}".lstrip()


@dataclass(frozen=True, slots=True)
class Usable:
    """A secret that works at some hosts although the inside has only `placeholder`; `missing` says why it does not."""

    name: str
    source: str
    hosts: tuple[str, ...]
    where: tuple[str, ...]
    variables: tuple[str, ...]
    placeholder: str
    missing: str
    rule: str


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """What will stand inside. `listeners` maps a port inside to its use (`anthropic`, `openai`, `egress`, a port).

    `frozen` are those of the protected paths that lie on mounts which policy names, each with the rule.
    """

    client: str
    command: tuple[str, ...]
    folder: str
    workspace: str
    profile: str
    policy: str
    environment: EnvironmentPlan
    mounts: tuple[Mount, ...]
    covered: tuple[Covered, ...]
    protected: tuple[str, ...]
    upstreams: tuple[Upstream, ...]
    listeners: Mapping[int, str]
    unmatched: Mapping[str, str]
    degraded: tuple[str, ...]
    notices: tuple[str, ...]
    secrets: tuple[Usable, ...] = ()
    frozen: Mapping[str, str] = field(default_factory=dict)

    @property
    def own(self) -> tuple[Upstream, ...]:
        """The client's own upstreams: what policy does not route goes there."""
        return tuple(upstream for upstream in self.upstreams if not upstream.name)

    @property
    def held(self) -> tuple[str, ...]:
        """The folders, like `.git`, that must not be moved away inside for another to take their place.

        Of each protected path, the first folder whose name begins with a dot: those are nobody's to move.
        """
        return tuple(dict.fromkeys(held for path in self.protected if (held := _held(path, self.workspace))))

    def count(self, *modes: str) -> int:
        """Count the covered files with one of `modes`."""
        return sum(one.mode in modes for one in self.covered)

    def to_json(self) -> bytes:
        """Give the plan as JSON with a stable schema; masked values are the placeholders."""
        rows = msgspec.to_builtins(
            {
                "version": 1,
                "client": self.client,
                "command": self.command,
                "folder": self.folder,
                "workspace": self.workspace,
                "profile": self.profile,
                "policy": self.policy,
                "environment": [
                    {
                        "name": row.name,
                        "action": row.action,
                        "value": row.value_inside,
                        "rule": row.rule,
                        "kinds": row.kinds,
                        "why": row.why,
                    }
                    for row in self.environment.rows
                ],
                "mounts": self.mounts,
                "covered": self.covered,
                "protected": self.protected,
                "frozen": dict(self.frozen),
                "upstreams": self.upstreams,
                "listeners": {str(port): use for port, use in self.listeners.items()},
                "unmatched": dict(self.unmatched),
                "degraded": self.degraded,
                "notices": self.notices,
                "secrets": self.secrets,
            }
        )
        return msgspec.json.encode(_utf8(rows))


def _utf8(value: object) -> object:
    """Give the same with texts that JSON can hold: a file's name and an argument may be no UTF-8 (PEP 383)."""
    match value:
        case str():
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        case dict():
            return {key: _utf8(one) for key, one in value.items()}
        case list() | tuple():
            return [_utf8(one) for one in value]
    return value


def _held(path: str, workspace: str) -> str:
    folders = path.removeprefix(f"{workspace}/").split("/")[:-1]
    dotted = next((at for at, name in enumerate(folders) if name.startswith(".")), None)
    if dotted is None or not path.startswith(f"{workspace}/"):
        return ""
    return "/".join((workspace, *folders[: dotted + 1]))
