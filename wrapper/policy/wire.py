"""What policy says about requests: kinds of work, which model may be asked where, and by which upstream; pure.

A rule names agents, workspaces, remotes and models; each list is patterns of which the last that matches decides, `!`
takes back. A list that is not set, or empty, stands for everything; all four must match.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final

import msgspec

from wrapper.policy.globs import Matcher, NameMatcher, PathMatcher, Pattern
from wrapper.policy.model import Layer, Rule

AGENTS: Final[Mapping[str, str]] = {"claude": "anthropic", "codex": "openai", "command": ""}
"""Each agent and the API it speaks; empty: either."""
APIS: Final = ("anthropic", "openai")
UNKNOWN_MODEL: Final = "?"
"""The model of a request that names it in a way two readers could read differently: whatever is strict covers it."""

_LOOSEST_FIRST: Final = ("allow", "route", "deny")
# Patterns as texts: only workspaces with a remote need them, and start-up should not pay for compiling them.
_URL: Final = r"(?is)(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*).*"
_SCP: Final = r"(?s)(?P<authority>(?:[^/:\[]*@)?(?:\[[^\]/]+\]|[^/:@\[]+)):(?P<path>.*)"
_HELPER: Final = r"[A-Za-z0-9]+::"  # gitremote-helpers(7): `<transport>::<address>`
# Hosts under which forges answer as well: for ssh over port 443, and with the web's prefix.
_ALIASES: Final[Mapping[str, str]] = {
    "ssh.github.com": "github.com",
    "www.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "www.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
    "www.bitbucket.org": "bitbucket.org",
}


class Place(msgspec.Struct, frozen=True):
    """Where an agent works: its name, the workspace's absolute path, and its remotes as `remote_name` gives them."""

    agent: str
    workspace: str
    remotes: tuple[str, ...]


class Reach(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """What a rule is about; `workspaces` are absolute, `~/` is undone."""

    agents: tuple[str, ...] = ()
    workspaces: tuple[str, ...] = ()
    remotes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    @cached_property
    def _lists(self) -> "tuple[_List, ...]":
        return (
            _List(self.agents, NameMatcher, _one_name),
            _List(self.workspaces, PathMatcher, _whole_folder),
            _List(self.remotes, PathMatcher, _whole_remote),
            _List(self.models, NameMatcher, _one_name),
        )

    def covers(self, place: Place, model: str, *, unknown: bool) -> bool:
        """Whether the rule is about this request; `unknown` says it where the model is `UNKNOWN_MODEL`.

        An empty `model` (the request asks none) is matched by no pattern but `*`.
        """
        agents, workspaces, remotes, models = self._lists
        return (
            agents.takes((_one_name(place.agent),))
            and workspaces.takes((place.workspace.strip("/") + "/",))
            and remotes.takes(place.remotes)
            and (unknown if model == UNKNOWN_MODEL and self.models else models.takes((_one_name(model),)))
        )


class _List:
    """One list of patterns over names or paths."""

    def __init__(
        self, texts: Sequence[str], matcher: Callable[[Sequence[Pattern], int], Matcher], read: Callable[[str], str]
    ) -> None:
        self._taking_back = [text.startswith("!") for text in texts]
        self._matcher = matcher([Pattern(read(text.removeprefix("!")), 0, at) for at, text in enumerate(texts)], 1)

    def takes(self, subjects: Iterable[str]) -> bool:
        """Whether any of `subjects` is meant."""
        return not self._taking_back or any(map(self._is_meant, subjects))

    def _is_meant(self, subject: str) -> bool:
        best = self._matcher.best(subject)
        return best is not None and not self._taking_back[best[0]]


def _one_name(text: str) -> str:
    """Read a name or its pattern without regard to case; `*` goes over the `/` that names of models have."""
    return text.lower().replace("/", "\x1f")


def _whole_folder(text: str) -> str:
    """Let `/a/**` mean `/a` too: whoever starts at the folder itself has all of it."""
    return text.removesuffix("/**")


def _whole_remote(text: str) -> str:
    anchored = text if text.startswith(("/", "**/")) else f"/{text}"
    return _whole_folder(anchored).lower()


class TaskRule(Reach, frozen=True, dict=True, kw_only=True):
    """One kind of work. `patterns` are regexes of Python's `re`, to be searched for; `action`: warn, reason or deny."""

    name: str
    patterns: tuple[str, ...]
    action: str
    message: str
    rule: Rule


class ApprovalRule(Reach, frozen=True, dict=True, kw_only=True):
    """One rule of `[approved]`; `action` is allow, route (to `upstream`) or deny."""

    action: str
    upstream: str
    reason: str
    rule: Rule


class Approval(msgspec.Struct, frozen=True):
    """Whether a request may be sent, and where to; `rule` None: none matched, and `reason` says which default holds."""

    action: str
    upstream: str
    reason: str
    rule: Rule | None


class UpstreamRule(msgspec.Struct, frozen=True):
    """A server that requests are sent to. The clients' own (`anthropic`, `openai`) have no url here.

    `requires` is stated at the start and recorded; `key` names the variable outside that holds its key.
    """

    name: str
    kind: str
    url: str
    requires: tuple[str, ...]
    key: str
    rule: Rule


class Approvals(msgspec.Struct, frozen=True):
    """All of `[approved]`. `rules` stand in the order of their layers; `added` are an untrusted project's.

    `default` decides where no rule matches, `floor` (empty: nothing) is what the organisation's own says there; each
    with its rule. `apis` says what each upstream speaks.
    """

    rules: tuple[ApprovalRule, ...]
    added: tuple[ApprovalRule, ...]
    default: Approval
    floor: Approval | None
    apis: Mapping[str, str]

    def decide(self, place: Place, model: str) -> Approval:
        """Give the last rule that matches; but what the organisation and an untrusted project deny or route stands."""
        said = _last(self.rules, place, model) or self.default
        own = [one for one in self.rules if one.rule.layer is Layer.ORGANISATION]
        for stands in (_last(self.added, place, model), _last(own, place, model) or self.floor):
            if stands is not None and stands.action != "allow" and _rank(stands) >= _rank(said):
                said = stands
        return self._spoken(said, place)

    def _spoken(self, said: Approval, place: Place) -> Approval:
        """Deny what is routed to a server that does not speak the agent's API: the body would go there for nothing."""
        api, wanted = self.apis.get(said.upstream, ""), AGENTS.get(place.agent, "")
        if said.action != "route" or not wanted or api == wanted:
            return said
        why = f"policy routes it to `{said.upstream}`, which speaks the API of {api}: {place.agent} does not"
        return Approval("deny", "", why, said.rule)


def _rank(approval: Approval) -> int:
    return _LOOSEST_FIRST.index(approval.action)


def _last(rules: Sequence[ApprovalRule], place: Place, model: str) -> Approval | None:
    for one in reversed(rules):
        if one.covers(place, model, unknown=one.action != "allow"):
            return Approval(one.action, one.upstream, one.reason, one.rule)
    return None


def remote_name(url: str) -> str:
    """Give `host/owner/name` of a git remote's URL, lower case, without scheme, user, port and `.git`.

    The forms are those of git-fetch(1), "GIT URLS". Empty for what names no host: a path, a bundle, `file://`.
    """
    from urllib.parse import unquote  # noqa: PLC0415 (as above)

    address = re.sub(rf"\A{_HELPER}", "", url.strip(), count=1)
    found = re.fullmatch(_URL if "://" in address else _SCP, address)
    if found is None or address.startswith(("/", ".", "~")) or found.groupdict().get("scheme", "").lower() == "file":
        return ""
    host = _host(found["authority"])
    path = posixpath.normpath("/" + unquote(found["path"]).strip("/")).strip("/").lower()
    path = path.removesuffix(".git").rstrip("/")
    return f"{host}/{path}" if host and path else ""


def _host(authority: str) -> str:
    host = authority.rpartition("@")[2].lower()
    if host.startswith("["):  # `[::1]:22`, or `[host:22]` before a path as scp writes it
        inner = host[1:].partition("]")[0]
        host = f"[{inner}]" if inner.count(":") > 1 else inner
    if not host.startswith("["):
        host = host.partition(":")[0].rstrip(".")
    return _ALIASES.get(host, host)
