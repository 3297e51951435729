"""All that the guard works with, made by the session before it forks the guard."""

import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from redactors.vault import Vault
from wrapper.gateway.outward import DIRECT, Outward
from wrapper.guard.loginroom import LoginRoom
from wrapper.guard.watcher import Message, Watched
from wrapper.plan.trust import Trust
from wrapper.policy.model import Policy
from wrapper.policy.wire import Place
from wrapper.view.covers import Covers

if TYPE_CHECKING:  # aiohttp costs 200 ms: it is imported after the fork, while the client itself boots
    from redactors.engine import Engine
    from wrapper.binding import Bound
    from wrapper.gateway.databases.account import ServiceLogin
    from wrapper.gateway.intercept.bindings import Binding
    from wrapper.gateway.intercept.pipeline import Capture
    from wrapper.gateway.server import GatewayConfig


@dataclass(frozen=True, slots=True)
class GuardDuties:
    """`covers` holds the covers that stand already.

    `changes` is where the watcher of `folders` speaks, `seen` what it has said already. `rescan` yields every absolute
    path of the workspace that needs a look; `gateways` make the configuration of one gateway per kind of API;
    `state_files` are covered files outside the workspace, `protected` the workspace's paths that are read-only
    already; `staging` is the view's own folder; `may_miss_changes`: the user allowed a run without the watch;
    `cache` is the user's cache folder, None to keep nothing there; `credentials` yields path and visible content of
    each masked credential file. `view` is where the daemon of a FUSE view speaks, None without one; `repositories` are
    the work trees whose new commits are looked at then. `place` is who works where; `interactive`: the user sits at a
    terminal and can be asked; `answers` is where answers are kept, None to keep none. `outward` is how this machine
    reaches others. `bound` are the secrets that work at hosts, `trust` whom the inside trusts where hosts are
    intercepted (None: none is), `room` where the inside keeps its login, `captures` make what keeps a login outside,
    `changes_of_login` says in the end what became of who the client is,
    `services` who logs in at the ports of `[[loopback]]`. `unneeded` are
    patterns of hosts that the client calls by itself and does well without: they are refused at once, never waited for;
    `early` while the client starts.
    `environ` is the user's, for what runs outside.
    """

    control: socket.socket
    updates: socket.socket
    audit: socket.socket
    changes: socket.socket
    seen: Sequence[Message]
    folders: Sequence[Watched]
    workspace: Path
    staging: Path
    policy: Policy
    engine: "Engine"
    vault: Vault
    covers: Covers
    rescan: Callable[[], Iterator[str]]
    gateways: Mapping[str, Callable[[], "GatewayConfig"]]
    place: Place
    state_files: tuple[Path, ...] = ()
    protected: frozenset[str] = frozenset()
    may_miss_changes: bool = False
    cache: Path | None = None
    credentials: Callable[[], Iterable[tuple[str, bytes]]] = tuple
    view: socket.socket | None = None
    repositories: tuple[Path, ...] = ()
    interactive: bool = False
    answers: Path | None = None
    outward: Outward = DIRECT
    bound: "tuple[Bound, ...]" = ()
    trust: Trust | None = None
    room: LoginRoom | None = None
    captures: "Callable[[Callable[[Binding], None]], Sequence[Capture]]" = lambda _bind: ()
    changes_of_login: Callable[[], Iterable[str]] = tuple
    services: "Mapping[int, ServiceLogin]" = field(default_factory=dict)
    unneeded: tuple[str, ...] = ()
    early: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
