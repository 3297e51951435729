"""The first look: who starts what where, under which policy, with which client. Quick, and nothing is read for secrets.

What must stand early (the watch on the workspace) can begin after this, while `prepare` takes stock.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from redactors.vault import Vault
from wrapper.agents.client import Client, ClientFacts, ClientLaunch, Program
from wrapper.agents.registry import adapter_for
from wrapper.audit.keys import Keys
from wrapper.errors import PolicyError, ProtectionError, StateError, WorkspaceError
from wrapper.messages import printable
from wrapper.plan import facts as host
from wrapper.plan.chosen import load_chosen
from wrapper.plan.containers import Container, container, spellings
from wrapper.plan.gitinfo import layout_at, read_regular
from wrapper.plan.launch import EGRESS_PORT, GATEWAY_PORT
from wrapper.plan.mounts import ETC, SYSTEM
from wrapper.plan.places import Places
from wrapper.policy.model import Policy
from wrapper.programs import trusted_path
from wrapper.sandbox.bubblewrap import find_bubblewrap
from wrapper.wishes import Wishes

if TYPE_CHECKING:
    from wrapper.sources import Sources

DEGRADABLE = ("cover", "watch", "container")
"""Protections that a run can do without if the user says so.

Covering one file, noticing changes, knowing in which container it starts.
"""


_CONTAINER = "container"


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known after the first look; `relaunch` reads the client's own files again.

    `report` is where the report goes, by its real path: what the inside does to links on the way to it changes nothing.
    """

    wishes: Wishes
    places: Places
    facts: host.HostFacts
    policy: Policy
    degraded: tuple[str, ...]
    bubblewrap: str
    recipients: tuple[str, ...]
    vault: Vault
    client: Client
    program: Program
    launch: ClientLaunch
    relaunch: Callable[[], ClientLaunch]
    report: Path | None = None

    @property
    def roots(self) -> tuple[Path, ...]:
        """The host folders under which covers are made."""
        git = map(Path, self.facts.git_folders)
        return (Path(self.facts.workspace), *git, *self.launch.folders)

    @property
    def served(self) -> tuple[Path, ...]:
        """The folders among them that are served by FUSE where that can be had."""
        if self.policy.files_view == "binds":
            return ()
        return (Path(self.facts.workspace), *map(Path, self.facts.git_folders))

    def sources(self, *, quiet: bool = False) -> "Sources":
        """Say where values come from that are used outside: never where the inside can write. `quiet` as there."""
        from wrapper.sources import Sources  # noqa: PLC0415 (5 ms: for what asks for such values only)

        home, launch, facts = self.places.home, self.launch, self.facts
        ours = (home / one for one in self.policy.home_read_write)
        written = (Path(facts.workspace), *ours, *launch.folders, *launch.files, *map(Path, facts.git_folders))
        return Sources(facts.environ, home, written, quiet)


def look(wishes: Wishes, environ: Mapping[str, str]) -> Looked:
    """Look. Raises the SafeAgentError of whatever refuses a session here."""
    places = Places.from_environment(environ)
    facts = host.gather(environ, places, system=SYSTEM, etc=ETC)
    workspace = Path(facts.workspace)
    policy = wishes.given or load_chosen(
        wishes.profile, wishes.policy, environ=facts.environ, workspace=workspace, places=places
    )
    degraded = _degraded(wishes, policy)
    if policy.refused_containers.says_something:
        _refuse_container(policy, container(_told, environ, facts.host), degraded)
    _refuse_own_ports(policy)
    written = (workspace, *(places.home / one for one in policy.home_read_write))
    bubblewrap = find_bubblewrap(trusted_path(environ.get("PATH", ""), but=written))
    keys = Keys(places.config)
    recipients = policy.audit_recipients or keys.load_recipients()
    vault = Vault(keys.masking_key())
    places.private(places.cache)
    client, arguments = adapter_for(wishes.client, wishes.arguments)
    program = client.find(facts.path, places.home)
    known = ClientFacts(
        home=places.home,
        environ=facts.environ,
        gateway=f"http://127.0.0.1:{GATEWAY_PORT}",
        egress=f"http://127.0.0.1:{EGRESS_PORT}",
        read=read_file,
        names=names_in,
        upstreams=policy.upstream,
    )
    relaunch = partial(client.launch, program, arguments, known)
    looked = Looked(
        wishes, places, facts, policy, degraded, bubblewrap, recipients, vault, client, program, relaunch(), relaunch
    )
    return replace(looked, report=_reported(wishes.report, (*looked.roots, *written, *looked.launch.files)))


def make_state(looked: Looked) -> None:
    """Make what must exist to be mounted: the client's state, as the client would; git's folder for hooks.

    Raises StateError where a link stands in the place of what must not be shared: it would lead the mount elsewhere.
    """
    for path in (*looked.launch.apart, *looked.launch.fixed):
        if path.is_symlink():
            raise StateError(
                f"`{path}` is a link", hint="put what it leads to in its place; the inside must not have it"
            )
    for folder in (*looked.launch.folders, *looked.launch.apart):
        looked.places.private(folder)
    for file in (*looked.launch.files, *looked.launch.made, *looked.launch.fixed):
        if not os.path.lexists(file):  # never by a link, which the inside of another session may have put there
            with contextlib.suppress(OSError):
                file.touch(mode=0o600)
                file.write_bytes(b"{}")
    layout = layout_at(Path(looked.facts.workspace))
    if layout is not None and layout.git_dir.resolve().is_relative_to(looked.facts.workspace):
        with contextlib.suppress(OSError):  # git makes it too; what is not there cannot be made read-only
            (layout.common_dir / "hooks").mkdir()


def read_file(path: Path) -> bytes | None:
    """Give a regular file's content, None where there is none or it cannot be read."""
    try:
        return read_regular(path)
    except OSError:
        return None


def names_in(folder: Path) -> tuple[str, ...]:
    """Give the names in a folder, sorted; none where there is none or it cannot be read."""
    try:
        return tuple(sorted(path.name for path in folder.iterdir()))
    except OSError:
        return ()


def _told(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except PermissionError:  # podman's marks may be root's alone: one that is there counts
        return b""
    except OSError:
        return None


def _degraded(wishes: Wishes, policy: Policy) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys((*policy.degraded, *wishes.degraded)))
    for name in wanted:
        if name not in DEGRADABLE:
            raise PolicyError(
                f"`{name}` is no protection that a run can do without", hint=f"these are: {', '.join(DEGRADABLE)}"
            )
        if not policy.may_degrade(name):
            raise PolicyError(
                f"the organisation's policy does not let a run do without `{name}`", hint="run without the option"
            )
    return wanted


def _reported(report: Path | None, places: Iterable[Path]) -> Path | None:
    """Give the real path of a report; refuse one that cannot be a file, or that the inside could write."""
    if report is None:
        return None
    try:
        place = report.absolute().parent.resolve(strict=True) / report.name
    except OSError as error:
        raise WorkspaceError(
            f"the report `{report}` cannot be written: {error.strerror}", hint="name a file in a folder that is there"
        ) from error
    if not report.name or (os.path.lexists(place) and not stat.S_ISREG(place.lstat().st_mode)):
        raise WorkspaceError(
            f"the report `{report}` cannot be written: that is no file", hint="name a new file, or one to be replaced"
        )
    for one in places:
        if place.is_relative_to(one.resolve()):
            raise WorkspaceError(
                f"the report `{report}` would lie where the client can write", hint=f"name a file outside of `{one}`"
            )
    return place


def _refuse_container(policy: Policy, around: Container | None, degraded: tuple[str, ...]) -> None:
    """Refuse a start in a container that policy names, and in one of which nobody can tell whether it does."""
    if around is None:
        return
    for one in around.known:
        for value in spellings(one):
            decision = policy.refused_containers.decide(value)
            if decision.action:
                raise ProtectionError(
                    _CONTAINER,
                    f"this container has the {one.what} `{printable(one.value)}` ({one.where}), and policy keeps agents"
                    f" out of it: {decision.rule}",
                    hint="start elsewhere; no option goes past this",
                )
    if not around.can_be_named and _CONTAINER not in degraded:
        raise ProtectionError(
            _CONTAINER,
            "this is a container, and nothing here tells its name or its image, so that `run.refuse_containers` cannot"
            " be held against it",
            hint="start it with CONTAINER_NAME and CONTAINER_IMAGE set; `--allow-degraded container` goes on without",
        )


def _refuse_own_ports(policy: Policy) -> None:
    taken = {GATEWAY_PORT, EGRESS_PORT} & set(policy.loopback)
    if taken:
        raise PolicyError(
            f"`network.loopback` names port {taken.pop()}, which is safe-agent's own inside",
            hint="let the service listen on another port",
        )
