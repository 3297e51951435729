"""From what the user typed to the launch plan: facts, policy, client, environment, inventory, in this order.

Nothing is started here and nothing is written but caches, so `safe-agent explain` does exactly this and prints it.
"""

import os.path
import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from redactors.documents import mask_document
from redactors.engine import Engine
from redactors.vault import Origin, Vault
from wrapper.agents import clouds
from wrapper.agents.client import ClientLaunch, Credential
from wrapper.clientlogin import ClientLogin
from wrapper.disguises import ClientState, Denied, Document, Fixed, OwnDocument, WorkspaceFile
from wrapper.errors import ProtectionError, SessionError, StateError
from wrapper.gateway.outward import Outward
from wrapper.gateway.proxies import refuse_forwarded
from wrapper.look import Looked, read_file
from wrapper.plan import facts as host
from wrapper.plan.caching import copied
from wrapper.plan.certificates import choose, shown_already
from wrapper.plan.dotfiles import beside_programs, hosts_file, settings, settings_with_secrets
from wrapper.plan.environment import plan_environment
from wrapper.plan.gitinfo import programs
from wrapper.plan.identity import remote_urls, unmatched
from wrapper.plan.inventory import Inventory, take_inventory
from wrapper.plan.judge import FileVerdict
from wrapper.plan.launch import EGRESS_PORT, GATEWAY_PORT, Covered, LaunchPlan, Upstream
from wrapper.plan.mounts import Mount, plan_mounts
from wrapper.plan.places import Places
from wrapper.plan.trust import Trust, plan_trust
from wrapper.policy.model import Policy
from wrapper.policy.wire import Place, remote_name
from wrapper.reaching import Reaching, reach
from wrapper.recognition import know_keys, know_logins, know_proxies, make_engine, withhold
from wrapper.view.covers import Disguise

if TYPE_CHECKING:  # aiohttp: 200 ms, and only the guard needs it
    from wrapper.gateway.server import GatewayConfig, Route


_MOUNTS = Path("/proc/self/mountinfo")
_BASE_URLS = {"anthropic": ("ANTHROPIC_BASE_URL", *clouds.BASES.values()), "openai": ("OPENAI_BASE_URL",)}
_LOGINS = ("auth.json", ".credentials.json")  # the clients' files of nothing but logins, MCP servers' too


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that a session needs to know before its first process starts."""

    looked: Looked
    engine: Engine
    inventory: Inventory
    plan: LaunchPlan
    policy: Policy
    reaching: Reaching
    login: ClientLogin
    trust: Trust | None
    _held: dict[Path, set[bytes]] = field(
        default_factory=dict, repr=False
    )  # what the client's own files were seen to hold

    @property
    def state_files(self) -> tuple[Path, ...]:
        """The client's own files in which secrets may stand; they may change, or be made, during the session."""
        return tuple(dict.fromkeys(self.looked.launch.masked))

    @property
    def closed_folders(self) -> tuple[str, ...]:
        """Folders of the workspace that are empty inside."""
        return tuple(
            posixpath.join(self.looked.facts.workspace, one.path) for one in self.inventory.files if one.folder
        )

    @property
    def early(self) -> Mapping[str, Disguise]:
        """Every file that is covered before the client starts: absolute path to how it is shown."""
        workspace = {
            posixpath.join(self.looked.facts.workspace, one.path): self._disguise(one)
            for one in self.inventory.files
            if not one.folder
        }
        return {**workspace, **self._client_files(), **self._settings()}

    @property
    def gateways(self) -> Mapping[str, Callable[[], "GatewayConfig"]]:
        """What makes the configuration of each gateway, by kind of API."""
        return {upstream.kind: self._gateway(upstream) for upstream in self.plan.own}

    @property
    def outward(self) -> Outward:
        """How this machine reaches others, as the user's environment and the user's settings of the client say it."""
        return _outward(self.looked)

    @property
    def place(self) -> Place:
        """Who works where, as rules about requests have it."""
        workspace = self.looked.facts.workspace
        names = dict.fromkeys(filter(None, map(remote_name, remote_urls(Path(workspace)))))
        return Place(self.looked.wishes.client, workspace, tuple(names))

    def judged(self, path: str) -> Disguise | None:
        """Judge an absolute path anew, one of the workspace or one of the client's own."""
        if Path(path) in self.looked.launch.masked:
            return self._client_file(Path(path), self.login.identity())
        verdict = self.inventory.judge.judge(posixpath.relpath(path, self.looked.facts.workspace))
        return None if verdict is None or verdict.folder else self._disguise(verdict)

    def restored(self, path: str, content: bytes) -> bytes:
        """Give what is real for what stands at an absolute path since the inside made that file."""
        if Path(path) in self.looked.launch.masked:
            return self._own_document(Path(path)).restore(content) or b""
        return self.looked.vault.restore_in_file(content)

    def on_the_wire(self) -> Engine:
        """Make the engine that requests are redacted with, but for the fingerprints of closed files."""
        policy, facts = self.looked.policy, self.looked.facts
        if not policy.context:
            return self.engine
        from wrapper.plan.context import wire_engine  # noqa: PLC0415 (for policies that ask for it only)

        return wire_engine(self.engine, policy.context, user=facts.user, workspace=Path(facts.workspace))

    def credentials(self) -> Iterator[tuple[str, bytes]]:
        """Give path and visible content of each credential file of the workspace that is masked."""
        judge = self.inventory.judge
        for verdict in self.inventory.files:
            data = read_file(Path(judge.absolute(verdict.path))) if verdict.mode == "mask" and verdict.whole else None
            if data is not None:
                yield verdict.path, judge.mask_file(verdict, data)

    def rescan(self) -> Iterator[str]:
        """Take the inventory again; yield every absolute path that changed or must be covered."""
        again = _inventory(self.looked, self.engine)
        paths = {*again.changed, *(one.path for one in again.files if not one.folder)}
        yield from (posixpath.join(self.looked.facts.workspace, path) for path in sorted(paths))

    def _disguise(self, verdict: FileVerdict) -> Disguise:
        if verdict.mode != "mask":
            return Denied()
        return WorkspaceFile(lambda data: self.inventory.judge.mask_file(verdict, data), self.looked.vault)

    def _client_files(self) -> Mapping[str, Disguise]:
        covers: dict[str, Disguise] = {}
        credential = self.looked.launch.credential
        for path in self.looked.launch.masked:
            shown, data = self._client_file(path, credential), read_file(path)
            # a covered file cannot be replaced inside, and clients save that way: only where it is needed
            if data is not None and (path in self._always_covered or shown.mask(data) != data):
                covers[str(path)] = shown
        return covers

    @property
    def _always_covered(self) -> tuple[Path, ...]:
        """What a client writes by itself, and the login: one may come to stand there any time."""
        return (*self.looked.launch.files, *self.looked.launch.made)

    def _client_file(self, path: Path, credential: Credential | None) -> Disguise:
        """Say how one of the client's own files is shown, for who the client is now."""
        if credential is not None and credential.login is not None and credential.login.path == path:
            return Fixed(self.login.shown)
        secrets = () if credential is None else credential.secrets
        values = {one.value: self.login.issue(one.kind, one.value) for one in secrets}
        return ClientState(self._own_document(path), tuple(self.looked.client.stand_ins(values).items()))

    def _own_document(self, path: Path) -> OwnDocument:
        launch, whole = self.looked.launch, path.name in _LOGINS
        return OwnDocument(
            lambda data: mask_document(str(path), data, self.engine, whole=whole).data,
            self.looked.vault,
            lambda: read_file(path),
            self._held.setdefault(path, set()),
            launch.login_kind,
            launch.login_places.get(path),
        )

    def _settings(self) -> Mapping[str, Disguise]:
        """Show settings from outside the workspace, of git and package managers: there may be tokens in them."""
        shown: dict[str, Disguise] = {}
        for name, action in _masked_of_home(self.looked):
            shown[name] = self._whole(name) if action == "mask" else Denied()
        for folder in self.looked.facts.git_folders:  # a worktree's repository; an address there may hold a token
            path = Path(folder, "config")
            document, data = self._certain_only(path), read_file(path)
            if data is not None and document.mask(data) != data:
                shown[str(path)] = document
        return shown

    def _whole(self, path: str) -> Document:
        return self._document(path, whole=True)

    def _certain_only(self, path: Path) -> Document:
        return self._document(str(path), whole=False)

    def _document(self, path: str, *, whole: bool) -> Document:
        return Document(
            lambda data: mask_document(path, data, self.engine, whole=whole).data,
            self.looked.vault,
            lambda: read_file(Path(path)),
        )

    def _gateway(self, upstream: Upstream) -> Callable[[], "GatewayConfig"]:
        def config() -> "GatewayConfig":
            from wrapper.gateway.server import GatewayConfig, Route  # noqa: PLC0415 (in the guard only)

            return GatewayConfig(
                kind="openai" if upstream.kind == "openai" else "anthropic",
                own=Route(
                    upstream.url,
                    self.login.live(self.outward),
                    upstream.url.startswith("http://"),
                    self.looked.launch.beside,
                    self.looked.launch.asks,
                ),
                routes=self._routes(upstream.kind),
                body_limit=self.looked.policy.body_limit,
            )

        return config

    def _routes(self, kind: str) -> "dict[str, Route]":
        """Give the upstreams that policy may choose for requests of this kind of API."""
        from wrapper.gateway.credential import OwnKey  # noqa: PLC0415 (as above)
        from wrapper.gateway.server import Route  # noqa: PLC0415

        environ, rules = self.looked.facts.environ, self.looked.policy.upstreams.values()
        return {
            rule.name: Route(
                rule.url, OwnKey(rule.key, environ.get(rule.key, ""), kind), rule.url.startswith("http://")
            )
            for rule in rules
            if rule.url and rule.kind == kind
        }


def prepare(looked: Looked, same: Callable[[], Collection[str]] = tuple, *, own: Path | None = None) -> Prepared:
    """Work out the whole session; `same` as for `take_inventory`. Raises the SafeAgentError of whatever refuses it.

    `own` is the folder of the session's own files that stand inside; None where none will start.
    """
    places, facts, launch, vault = looked.places, looked.facts, looked.launch, looked.vault
    policy = looked.policy.with_login_hosts(launch.login_hosts, looked.wishes.client)
    engine = make_engine(policy, vault, places)
    refuse_forwarded(_outward(looked).proxies, policy.loopback)
    know_keys(engine, policy, facts.environ)
    know_proxies(engine, {**facts.environ, **launch.outward})
    know_logins(engine, settings_with_secrets(places.home))
    reaching = reach(policy.egress, looked, engine)
    folder = own or places.sessions / "inside"
    login = ClientLogin.of(looked, engine, folder.with_name("login"))
    set_already = {**policy.variables_set, **launch.environment}
    given = {**_set_inside(launch, vault, engine), **login.variables, **reaching.variables(set_already)}
    passed = (*launch.passed, *reaching.passed)
    environment = plan_environment(facts.environ, policy, given, engine, vault, passed=passed).with_rules(
        reaching.rules
    )
    theirs = [one.value for one in vault.issued()]  # of the environment and of the client: no file was read yet
    inventory = _inventory(looked, engine, same)
    if policy.files_restore == "files":
        withhold(theirs, vault, inventory)
    named = {**environment.inside, **launch.outward}
    trusted = choose(named, shown_already(facts), settings(places.home))
    trust = None
    if policy.egress.intercepts:
        # for a client's login alone Java need not be told, which says aloud that it was, at each start
        path = facts.path if looked.policy.egress.intercepts else ()
        everyone = choose(named, (), settings(places.home))  # also those that are shown already
        trust = plan_trust(str(folder), policy.egress.intercepted, named, everyone, path)
        certified = trust.variables(environment.inside)
        given |= certified
        environment = environment.with_set(certified, "certificates of this session")
    upstreams = tuple(_upstreams(looked)) if launch.kind else ()
    mounts = plan_mounts(
        facts,
        state=map(str, (*launch.folders, *launch.files)),
        apart=map(str, launch.apart),
        fixed=copied({str(path): b"{}" for path in launch.fixed}, places.cache / "settings"),
        roots=(*map(str, looked.program.roots), *settings(places.home)),
        read_only=_existing(policy.home_read_only, places.home),
        read_write=_existing(policy.home_read_write, places.home),
        cache=_cache(policy, facts, places),
        hosts_file=hosts_file(places),
        certificates=copied(trusted.files, places.cache / "certificates"),
        settings=copied(_of_system(launch, given, engine), places.cache / "settings"),
        own={**reaching.shown(str(folder), facts), **({} if trust is None else trust.shown)},
        written=login.written,
    )
    frozen: dict[str, str] = {}
    if policy.frozen_mounts.says_something:
        mounts, frozen = _frozen(looked, mounts)
        inventory = _with_frozen(inventory, frozen, facts.workspace)
    plan = LaunchPlan(
        client=looked.wishes.client,
        command=launch.argv,
        folder=facts.folder,
        workspace=facts.workspace,
        profile=policy.profile,
        policy=policy.digest,
        environment=environment,
        mounts=mounts,
        covered=(*_covered(inventory, facts), *_covered_state(looked)),
        protected=(
            *(posixpath.join(facts.workspace, path).rstrip("/") for path in inventory.protected),
            *(path for path in frozen if not f"{path}/".startswith(f"{facts.workspace}/")),
            *(path for folder in facts.git_folders for path in programs(Path(folder))),
        ),
        upstreams=upstreams,
        listeners={
            **({GATEWAY_PORT: launch.kind} if launch.kind else {}),
            EGRESS_PORT: "egress",
            **{port: str(port) for port in policy.loopback},
            **reaching.listeners,
        },
        unmatched={**inventory.unmatched, **unmatched(policy.context, user=facts.user)},
        degraded=looked.degraded,
        notices=(
            *(f"{notice.what} ({notice.hint})" for notice in policy.notices),
            *launch.notes,
            *trusted.notices,
            *reaching.notices,
        ),
        secrets=reaching.usable,
        frozen=frozen,
    )
    _refuse_shown_places(plan, places)
    return Prepared(looked, engine, inventory, plan, policy, reaching, login, trust)


def _frozen(looked: Looked, planned: tuple[Mount, ...]) -> tuple[tuple[Mount, ...], dict[str, str]]:
    """Make read-only what lies on mounts that policy freezes; and say which paths of served folders these are."""
    from wrapper.plan.freezing import frozen_below, named_folders, with_frozen  # noqa: PLC0415 (for policies that name mounts only)
    from wrapper.plan.mounttable import Mounts, read_table  # noqa: PLC0415 (as above)

    rules, data = looked.policy.frozen_mounts, read_file(_MOUNTS)
    if data is None:
        raise ProtectionError("mounts", f"`{_MOUNTS}` cannot be read, so that frozen mounts are not known")
    table = read_table(data)
    # no link leads to what is mounted; and to look at it may take long, where its server does not answer
    written = sorted({*named_folders(rules)} - {one.place for one in table})
    mounts = Mounts(table, [(one, place) for one in written if (place := os.path.realpath(one)) != one])
    found: dict[str, str] = {}
    for folder in (looked.facts.workspace, *looked.facts.git_folders):
        found |= {path: str(rule) for path, rule in frozen_below(folder, mounts, rules).items()}
    return tuple(with_frozen(planned, mounts, rules, served=(looked.facts.workspace, *looked.facts.git_folders))), found


def _with_frozen(inventory: Inventory, frozen: Mapping[str, str], workspace: str) -> Inventory:
    within = [path for path in frozen if f"{path}/".startswith(f"{workspace}/")]
    names = tuple(f"{path.removeprefix(workspace).removeprefix('/')}/".removeprefix("/") for path in within)
    return replace(inventory, protected=(*inventory.protected, *names), frozen=names)


def _outward(looked: Looked) -> Outward:
    return Outward.of({**looked.facts.environ, **looked.launch.outward})


def _refuse_shown_places(plan: LaunchPlan, places: Places) -> None:
    """Refuse a start in which keys, logs or caches of safe-agent would stand inside (promise 2)."""
    for own in (places.config, places.state, places.cache):
        resolved = f"{own.resolve()}/"
        for mount in plan.mounts:
            if mount.source.startswith("/") and resolved.startswith(f"{mount.source.rstrip('/')}/"):
                raise StateError(
                    f"safe-agent's own folder `{own}` would be seen inside, by `{mount.source}` ({mount.reason})",
                    hint="point XDG_CONFIG_HOME, XDG_STATE_HOME and XDG_CACHE_HOME elsewhere",
                )


def _upstreams(looked: Looked) -> Iterator[Upstream]:
    """Give the client's own upstream, then those to which policy may route its requests."""
    policy, launch, proxies = looked.policy, looked.launch, _outward(looked).proxies

    def by(url: str) -> str:
        try:
            hop = proxies.toward(url)
        except SessionError as error:
            if looked.wishes.client != "command":
                raise
            return f"; not reached, for {error.what}"  # a command of the user's own may not want it at all
        return f"; through {hop.url}, the proxy in {hop.variable}" if hop else ""

    own = _upstream_reason(looked) + by(launch.upstream)
    yield Upstream(launch.kind, launch.upstream, own, policy.requires(launch.kind))
    for rule in policy.upstreams.values():
        if rule.url and rule.kind == launch.kind:
            yield Upstream(rule.kind, rule.url, f"{rule.rule}{by(rule.url)}", rule.requires, rule.name)


def _upstream_reason(looked: Looked) -> str:
    """Say who named the upstream, in the order in which the client's adapter asks."""
    kind, url = looked.launch.kind, looked.launch.upstream
    if looked.policy.upstream.get(kind, "").rstrip("/") == url:
        return f"policy `upstream.{kind}`"
    environ = looked.facts.environ
    for variable in _BASE_URLS[kind]:
        if environ.get(variable, "").rstrip("/") == url:
            return f"the environment's {variable}"
    return "the client's own configuration, or its provider"


def _inventory(looked: Looked, engine: Engine, same: Callable[[], Collection[str]] = tuple) -> Inventory:
    return take_inventory(
        Path(looked.facts.workspace),
        policy=looked.policy,
        engine=engine,
        cache=looked.places.cache,
        home=looked.places.home,
        same=same,
    )


def _set_inside(launch: ClientLaunch, vault: Vault, engine: Engine) -> dict[str, str]:
    """Give what the client is started with: its own variables, with placeholders for its credential."""
    credential = launch.credential
    variables = {} if credential is None else credential.variables
    for secret in () if credential is None else credential.secrets:
        if engine.known is not None:
            engine.known.add(secret.kind, secret.value, Origin.OUTSIDE, name=secret.name)
    placeholders = {name: vault.issue(secret.kind, secret.value, Origin.OUTSIDE) for name, secret in variables.items()}
    return {**launch.environment, **placeholders, host.NESTED: "1"}


def _of_system(launch: ClientLaunch, given: Mapping[str, str], engine: Engine) -> dict[str, bytes]:
    """Give the client's files of /etc as the inside has them, and those by which `given` counts above all settings."""
    read = ((str(path), read_file(path)) for path in launch.of_system)
    files = {path: mask_document(path, data, engine, whole=False).data for path, data in read if data is not None}
    return files if launch.above is None else {**files, **launch.above(given)}


def _existing(names: tuple[str, ...], home: Path) -> Iterator[str]:
    """Give the folders of HOME that policy names, where they are there and are not links out of it."""
    for name in names:
        path = (home / name).resolve()
        if path.exists() and path.is_relative_to(home) and path != home:
            yield str(path)


def _cache(policy: Policy, facts: host.HostFacts, places: Places) -> str | None:
    if not policy.keep_cache:
        return None
    import hashlib  # noqa: PLC0415 (2 ms)

    folder = places.cache / "projects" / hashlib.sha256(facts.workspace.encode()).hexdigest()[:16]
    places.private(folder)
    return str(folder)


def _covered(inventory: Inventory, facts: host.HostFacts) -> Iterator[Covered]:
    for one in inventory.files:
        yield Covered(posixpath.join(facts.workspace, one.path), one.mode, one.reason, one.kinds)


def _covered_state(looked: Looked) -> Iterator[Covered]:
    credential = looked.launch.credential
    login = None if credential is None or credential.login is None else credential.login.path
    for path in looked.launch.masked:
        if path == login:
            yield Covered(str(path), "mask", "the client's login: it stays outside", ("LOGIN",))
        elif path.is_file():
            yield Covered(str(path), "mask", "the client's state: only secrets in it are masked")
    for name, action in _masked_of_home(looked):
        yield Covered(name, "mask" if action == "mask" else "deny", "settings, or a credential file beside programs")


def _masked_of_home(looked: Looked) -> Iterator[tuple[str, str]]:
    """Give path and policy's word for files of HOME that are inside; one that policy itself names is as it is."""
    policy, home = looked.policy, looked.places.home
    named = {*_existing(policy.home_read_only, home), *_existing(policy.home_read_write, home)}
    yield from ((path, "mask") for path in settings_with_secrets(home) if path not in named)
    beside = beside_programs(home, looked.facts.toolchains, policy)
    yield from ((path, action) for path, action in beside if path not in named)
