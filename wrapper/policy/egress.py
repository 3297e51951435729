"""What policy says about the way out: secrets that work for hosts, what hosts may be asked, remotes, services; pure.

- A `[[secrets]]` lets one value of the user's work at some hosts, in some places of a request, though the inside has
  only its placeholder. It also lets the inside reach these hosts, where no rule denies them.
- Each `[[hosts]]` that covers a host must allow a request: more tables only tighten.
- A path is allowed only if it is in every way that a server may read it: `%2F` and `//` are read differently.
- `[[remotes]]` are repositories that git may fetch from, and branches it may push to.
- `[[loopback]]` are services of the user's machine, with the password put in outside.
"""

import fnmatch
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import Any, Final, TypeVar

import msgspec

from wrapper.policy.globs import Pattern
from wrapper.policy.hosts import HostMatcher
from wrapper.policy.model import Rule

_Number = TypeVar("_Number", bound=float)

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

    @property
    def by_git(self) -> bool:
        """Whether git may log in with it over https."""
        return any(one.place == "basic" for one in self.where)


class Request(msgspec.Struct, frozen=True, dict=True):
    """One entry of `allow`: a method (`*`: any) and a pattern over the path.

    `*` is any text within a segment, `**` any number of whole segments; nothing else is special, and case counts.
    """

    method: str
    pattern: str

    def __str__(self) -> str:
        """Read as `GET /repos/**`."""
        return f"{self.method} {self.pattern}"

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile(_path(self.pattern), re.DOTALL)

    def covers(self, method: str, path: str) -> bool:
        """Whether a request is this one; `path` is one of `readings`."""
        return self.method in ("*", method) and self._regex.fullmatch(path) is not None


def readings(target: str) -> tuple[str, ...]:
    """Give the paths as which servers may read a request's target (origin form, RFC 9112, 3.2.1), without its query.

    Percent signs undone once; an encoded slash as it stands, and as a slash; runs of slashes as they are, and as one;
    parameters of segments (`;x=1`, RFC 3986, 3.3), and dots and blanks at their ends, as part of them and cut off. None
    at all where a path is written to be misread: `.` and `..`, backslashes, control characters, not UTF-8.
    """
    raw = target.partition("?")[0].partition("#")[0]
    try:
        kept = "/".join(_unquoted(segment) for segment in raw.split("/"))
    except UnicodeDecodeError:
        return ()
    if not kept.startswith("/"):
        return ()
    found = {kept: None}
    for pattern, put in _READ_AS:
        found |= {re.sub(pattern, put, path): None for path in found}
    return () if any(re.search(_MISREAD, path) for path in found) else tuple(found)


# Patterns as texts: only hosts with a list of requests need them, and start-up should not pay for compiling them.
_READ_AS: Final = (("%2[fF]", "/"), ("//+", "/"), (";[^/]*", ""), (r"(?<![. ])[. ]++(?=/|$)", ""))
# Escapes that are left were written twice, for whoever undoes them twice.
_MISREAD: Final = r"[\x00-\x1f\x7f\\]|(?:^|/)\.\.?(?:/|$)|%(?:2[eE]|5[cC]|00)"
_ESCAPE: Final = r"(?:%(?!2[fF])[0-9a-fA-F]{2})+"


def is_among(requests: Iterable[Request], method: str, target: str) -> bool:
    """Whether one of `requests` is this one, however a server reads its target (origin form, as it came)."""
    allowed, paths = tuple(requests), readings(target)
    return bool(paths) and all(any(one.covers(method, path) for one in allowed) for path in paths)


def _unquoted(segment: str) -> str:
    """Undo percent signs, but those of slashes. Raises UnicodeDecodeError."""
    return re.sub(_ESCAPE, lambda found: bytes.fromhex(found[0].replace("%", "")).decode(), segment)


class HostRule(_Hosts, frozen=True, dict=True, kw_only=True):
    """One `[[hosts]]`. None: nothing said. `allow`: only these requests. Bytes are per session, 0: any number.

    `added`: by a project that nobody trusts, or by what else may only tighten what holds without it. `reached`: the
    hosts are reached by this, where no rule denies them; only what is built in says so.
    """

    added: bool = False
    reached: bool = False
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
        return branch not in ("", ref) and any(fnmatch.fnmatchcase(branch, pattern) for pattern in self.push)


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

    def allows(self, method: str, target: str) -> bool:
        """Whether every list that there is has this request; `target` is in origin form, as it came."""
        return all(is_among(requests, method, target) for requests in self.allow)


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

    @property
    def intercepted(self) -> tuple[str, ...]:
        """Patterns of all hosts that may be intercepted, as rules have them."""
        ended = (one.hosts for one in self.hosts if one.allow is not None or one.inspect == "yes")
        by_https = (one.host for one in self.remotes if not one.ssh)
        found = (*(one.hosts for one in self.secrets), *ended, tuple(by_https))
        return tuple(dict.fromkeys(host for hosts in found for host in hosts))

    @property
    def by_ssh(self) -> bool:
        """Whether any repository is reached by ssh."""
        return any(one.ssh for one in self.remotes)

    @property
    def ports(self) -> tuple[int, ...]:
        """Those of the services; each is one whatever `network.loopback` says of it."""
        return tuple(one.port for one in self.loopback)

    def opens(self, host: str, port: int) -> Rule | None:
        """Give the rule of what is for this host, so that it may be reached where no rule denies it.

        That is a secret, a remote or a client's login; never over plain http: none of them is used there.
        """
        if port == _PLAIN_PORT:
            return None
        secrets = (one.rule for one in self.secrets if one.covers(host, port))
        logins = (one.rule for one in self.hosts if one.reached and one.covers(host, port))
        return next(chain(secrets, (one.rule for one in self._remotes_at(host, port)), logins), None)

    def _remotes_at(self, host: str, port: int) -> Iterator[RemoteRule]:
        where = host.lower().removesuffix("."), port
        return (one for one in self.remotes if not one.ssh and (one.host, one.port or _TLS_PORT) == where)

    def terms(self, host: str, port: int) -> Terms:
        """Add up what holds for a host's port."""
        secrets = tuple(one for one in self.secrets if one.covers(host, port))
        rules = tuple(one for one in self.hosts if one.covers(host, port))
        remotes = tuple(self._remotes_at(host, port))
        return Terms(
            inspect=_strictest(INSPECT, "inspect", rules, "no"),
            found=_strictest(ON_FOUND, "found", rules, "stop"),
            allow=tuple(one.allow for one in rules if one.allow is not None),
            send_bytes=_least("send_bytes", rules, 0),
            receive_bytes=_least("receive_bytes", rules, 0),
            connections=_least("connections", rules, MOST_CONNECTIONS),
            idle_seconds=_least("idle_seconds", rules, IDLE_SECONDS),
            secrets=secrets,
            remotes=remotes,
            rules=(*(one.rule for one in secrets), *(one.rule for one in rules), *(one.rule for one in remotes)),
        )


MOST_CONNECTIONS: Final = 128
"""To one host at the same time, where nothing is said: a package manager opens some 50."""
IDLE_SECONDS: Final = 600.0
"""Without a byte either way, where nothing is said."""
_TLS_PORT: Final = 443
_PLAIN_PORT: Final = 80


def _strictest(order: tuple[str, ...], key: str, rules: Iterable[HostRule], default: str) -> str:
    """Choose the strictest that is said; what is `added` cannot take the place of the default, only go beyond it."""
    trusted, added = _said(key, rules)
    said: str = max((max(trusted, key=order.index, default=default), *added), key=order.index)
    return said


def _least(key: str, rules: Iterable[HostRule], default: _Number) -> _Number:
    """Choose the smallest number that is said; 0, as a default too, is any number. For `added` see `_strictest`."""
    trusted, tightening = _said(key, rules)
    base: _Number = min(filter(None, trusted), default=default)
    return min(filter(None, (base, *tightening)), default=default)


def _said(key: str, rules: Iterable[HostRule]) -> tuple[list[Any], list[Any]]:
    """Give what rules say under a key: those of the user and above, and those that may only tighten."""
    said = [(rule.added, getattr(rule, key)) for rule in rules]
    trusted = [value for added, value in said if value is not None and not added]
    tightening = [value for added, value in said if value is not None and added]
    return trusted, tightening


def _path(pattern: str) -> str:
    """Translate a pattern to a regex for `fullmatch` that takes at most length times length steps.

    Between two `**` stands a run of so many segments: the first place where it fits is as good as any (an atomic
    group), since what follows only wants segments behind it. So it is for what stands between two `*` of a segment.
    """
    runs: list[list[str]] = [[]]
    for segment in pattern.removeprefix("/").split("/"):
        if segment == "**":
            runs.append([])
        else:
            runs[-1].append(f"/{_segment(segment)}")
    first, *middle = ["".join(run) + ("(?![^/])" if run else "") for run in runs]
    if not middle:
        return first
    last = middle.pop()
    return f"{first}{''.join(f'(?>(?:/[^/]*)*?{run})' for run in middle)}(?:/[^/]*){'*' if last else '+'}{last}"


def _segment(text: str) -> str:
    first, *middle = map(re.escape, text.split("*"))
    last = f"[^/]*{middle.pop()}" if middle else ""
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle) + last
