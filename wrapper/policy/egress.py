"""What policy says about the way out: secrets that work for hosts, what hosts may be asked, remotes, services; pure.

- A `[[secrets]]` lets one value of the user's work at some hosts, in some places of a request, though the inside has
  only its placeholder. It also lets the inside reach these hosts, where no rule denies them.
- Each `[[hosts]]` that covers a host must allow a request: more tables only tighten.
- `[[remotes]]` are repositories that git may fetch from, and branches it may push to.
- `[[loopback]]` are services of the user's machine, with the password put in outside.
"""

import fnmatch
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final, TypeVar

import msgspec

from wrapper.policy.globs import Pattern
from wrapper.policy.hosts import HostMatcher
from wrapper.policy.model import Rule

_Number = TypeVar("_Number", int, float)

PLACES: Final = ("header", "basic", "query", "body")
SOURCES: Final = ("env", "file", "cmd", "keyring")
PROTOCOLS: Final = ("tcp", "postgresql", "mysql", "redis")
# From the loosest to the strictest.
INSPECT: Final = ("no", "flag", "yes")
ON_FOUND: Final = ("record", "redact", "stop")
UNKNOWN: Final = ("ask", "wait", "deny")


class Where(msgspec.Struct, frozen=True):
    """One place of a request in which a placeholder is swapped: `header` and `query` have a name, in lower case."""

    place: str
    name: str = ""

    def __str__(self) -> str:
        """Read as `header:authorization`, or `body`."""
        return f"{self.place}:{self.name}" if self.name else self.place


class Source(msgspec.Struct, frozen=True):
    """Where a value comes from: `env` (a variable), `file` (a path), `cmd` (a command's first line), `keyring`."""

    kind: str
    text: str

    def __str__(self) -> str:
        """Read as `env:GITHUB_TOKEN`."""
        return f"{self.kind}:{self.text}"


class _Hosts(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """What is about some hosts, by patterns as in `network.allow`; no port means the web's two."""

    hosts: tuple[str, ...]
    rule: Rule

    @cached_property
    def _matcher(self) -> HostMatcher:
        return HostMatcher([Pattern(text, 0, at) for at, text in enumerate(self.hosts)], 1)

    def covers(self, host: str, port: int) -> bool:
        """Whether this is about a host's port."""
        return self._matcher.best(f"{host}:{port}") is not None


class SecretRule(_Hosts, frozen=True, dict=True, kw_only=True):
    """One `[[secrets]]`. `variables` are set inside to the placeholder; `username` goes with it in basic auth.

    `prefix` is what clients want to see at the value's beginning; None: what its issuer is known for.
    """

    name: str
    source: Source
    where: tuple[Where, ...]
    variables: tuple[str, ...]
    prefix: str | None
    username: str


class Request(msgspec.Struct, frozen=True):
    """One entry of `allow`: a method (`*`: any) and a pattern over the path; `*` within a segment, `**` over them."""

    method: str
    pattern: str

    def __str__(self) -> str:
        """Read as `GET /repos/**`."""
        return f"{self.method} {self.pattern}"

    def covers(self, method: str, path: str) -> bool:
        """Whether a request is this one; `path` is decoded, normalised, without its query."""
        return self.method in ("*", method) and re.fullmatch(_path(self.pattern), path) is not None


class HostRule(_Hosts, frozen=True, dict=True, kw_only=True):
    """One `[[hosts]]`. None: nothing said. `allow`: only these requests. Bytes are per session, 0: any number."""

    inspect: str | None = None
    allow: tuple[Request, ...] | None = None
    found: str | None = None
    send_bytes: int | None = None
    receive_bytes: int | None = None
    connections: int | None = None
    idle_seconds: float | None = None


class RemoteRule(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[remotes]]`: a repository. `url` as the user wrote it, `name` as `policy.wire.remote_name` gives it.

    `ssh` is what the broker starts ssh with (`user@host`, port 0: ssh's own), empty for https. `push` are patterns over
    branch names (`agent/*`); none: fetch only.
    """

    url: str
    name: str
    host: str
    port: int
    path: str
    ssh: str
    push: tuple[str, ...]
    rule: Rule

    def may_push(self, ref: str) -> bool:
        """Whether `ref` (`refs/heads/agent/x`) may be written."""
        branch = ref.removeprefix("refs/heads/")
        return branch != ref and any(fnmatch.fnmatchcase(branch, pattern) for pattern in self.push)


class LoopbackRule(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[loopback]]`: a service of the user's machine. `source` is its password's, or a URL's that has one."""

    port: int
    protocol: str
    source: Source | None
    rule: Rule


class Terms(msgspec.Struct, frozen=True):
    """All that policy says of one host's port. `rules` are those that say it."""

    inspect: str
    found: str
    allow: tuple[tuple[Request, ...], ...]
    send_bytes: int
    receive_bytes: int
    connections: int
    idle_seconds: float
    secrets: tuple[SecretRule, ...]
    remotes: tuple[RemoteRule, ...]
    rules: tuple[Rule, ...]

    @property
    def intercepts(self) -> bool:
        """Whether TLS ends at the egress proxy."""
        return bool(self.secrets or self.allow or self.remotes) or self.inspect == "yes"

    def allows(self, method: str, path: str) -> bool:
        """Whether every list that there is has this request; see `Request.covers`."""
        return all(any(one.covers(method, path) for one in requests) for requests in self.allow)


class Egress(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `unknown` (see UNKNOWN) is what becomes of a host that no rule names, for `wait_seconds` at most."""

    secrets: tuple[SecretRule, ...] = ()
    hosts: tuple[HostRule, ...] = ()
    remotes: tuple[RemoteRule, ...] = ()
    loopback: tuple[LoopbackRule, ...] = ()
    unknown: str = "deny"
    wait_seconds: float = 60.0

    @property
    def intercepts(self) -> bool:
        """Whether any host may be intercepted, so that the inside needs our certificate."""
        by_https = any(not one.ssh for one in self.remotes)
        return (
            bool(self.secrets) or by_https or any(one.allow is not None or one.inspect == "yes" for one in self.hosts)
        )

    def bound_to(self, host: str, port: int) -> SecretRule | None:
        """Give a secret that is for this host: it may be reached then."""
        return next((one for one in self.secrets if one.covers(host, port)), None)

    def terms(self, host: str, port: int) -> Terms:
        """Add up what holds for a host's port."""
        secrets = tuple(one for one in self.secrets if one.covers(host, port))
        rules = tuple(one for one in self.hosts if one.covers(host, port))
        remotes = tuple(one for one in self.remotes if not one.ssh and (one.host, one.port or 443) == (host, port))
        return Terms(
            inspect=_strictest(INSPECT, (one.inspect for one in rules), "no"),
            found=_strictest(ON_FOUND, (one.found for one in rules), "stop"),
            allow=tuple(one.allow for one in rules if one.allow is not None),
            send_bytes=_least(one.send_bytes for one in rules),
            receive_bytes=_least(one.receive_bytes for one in rules),
            connections=_least(one.connections for one in rules) or MOST_CONNECTIONS,
            idle_seconds=_least(one.idle_seconds for one in rules) or IDLE_SECONDS,
            secrets=secrets,
            remotes=remotes,
            rules=(*(one.rule for one in secrets), *(one.rule for one in rules), *(one.rule for one in remotes)),
        )


MOST_CONNECTIONS: Final = 128
"""To one host at the same time, where nothing is said: a package manager opens some 50."""
IDLE_SECONDS: Final = 600.0
"""Without a byte either way, where nothing is said."""


def _strictest(order: tuple[str, ...], said: Iterable[str | None], default: str) -> str:
    return max((one for one in said if one is not None), key=order.index, default=default)


def _least(said: Iterable[_Number | None]) -> _Number | int:
    return min((one for one in said if one), default=0)


def _path(pattern: str) -> str:
    return "".join(_piece(piece) for piece in re.split(r"(\*\*|\*)", pattern))


def _piece(piece: str) -> str:
    return {"**": ".*", "*": "[^/]*"}.get(piece, re.escape(piece))


def hosts_of(rules: Iterable[_Hosts]) -> Iterator[str]:
    """Give all host patterns of some rules."""
    for rule in rules:
        yield from rule.hosts
