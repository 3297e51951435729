"""What of the way out stands inside: variables, files and listeners for secrets, repositories and services."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from redactors.engine import Engine
from redactors.vault import Origin, Vault
from wrapper.errors import PolicyError
from wrapper.look import Looked
from wrapper.plan.facts import HostFacts
from wrapper.plan.launch import SSH_PORT, Usable
from wrapper.plan.trust import INSIDE, SYSTEM
from wrapper.policy.egress import Egress, LoopbackRule

if TYPE_CHECKING:  # 5 ms with what they import: for policies that ask for it only
    from wrapper.binding import Bound
    from wrapper.gateway.databases.account import ServiceLogin
    from wrapper.sources import Sources

_STUB = f"{INSIDE}/ssh"


@dataclass(frozen=True, slots=True)
class Reaching:
    """What policy's rules of the way out come to: `services` log in at these ports of the user's machine."""

    egress: Egress
    bound: "tuple[Bound, ...]"
    services: "Mapping[int, ServiceLogin]"
    python: Path
    ssh: str

    def variables(self, set_already: Mapping[str, str]) -> dict[str, str]:
        """Give the variables to set inside: placeholders, and where git finds them and the broker for ssh."""
        by_ssh = {"GIT_SSH_COMMAND": _STUB, "GIT_SSH_VARIANT": "ssh"} if self.egress.by_ssh else {}
        placeholders = {name: one.placeholder for one in self.bound if one.placeholder for name in one.rule.variables}
        return {**placeholders, **self._for_git(set_already), **by_ssh}

    @property
    def rules(self) -> dict[str, str]:
        """Give the rule of each variable that is a secret's."""
        return {name: str(one.rule.rule) for one in self.bound if one.placeholder for name in one.rule.variables}

    @property
    def passed(self) -> tuple[str, ...]:
        """Variables of the user's that hold a service's address: programs need it, with the placeholder in it."""
        sources = (rule.source for rule in self.egress.loopback)
        return tuple(source.text for source in sources if source is not None and source.kind == "env")

    @property
    def listeners(self) -> dict[int, str]:
        """What listens inside, by port."""
        ports = {port: str(port) for port in self.egress.ports}
        return {SSH_PORT: "ssh", **ports} if self.egress.by_ssh else ports

    @property
    def notices(self) -> Iterator[str]:
        """Say what does not work as policy wants it."""
        yield from (one.notice for one in self.bound if one.notice)
        yield from (one.why for one in self.services.values() if one.why)
        if self.egress.by_ssh and not self.ssh:
            yield "policy names a repository that is reached by ssh, and there is no `ssh` here: install openssh-client"

    def shown(self, folder: str, facts: HostFacts) -> dict[str, str]:
        """Give the session's own files of `folder` by where they stand inside."""
        if not self.egress.by_ssh:
            return {INSIDE: folder} if self.egress.intercepts else {}
        found = {INSIDE: folder}
        if not any(str(self.python).startswith(f"{one}/") for one in (*facts.system_folders, *facts.toolchains)):
            found[sys.base_prefix] = sys.base_prefix
        return {**found, self.ssh: f"{folder}/ssh"} if self.ssh else found

    def make(self, folder: Path) -> None:
        """Make them; the guard adds certificates."""
        if not self.egress.intercepts and not self.egress.by_ssh:
            return
        folder.mkdir(mode=0o755)
        (folder / SYSTEM).touch()  # something must be there to be mounted
        if self.egress.by_ssh:
            from wrapper.gateway.remotes.stub import stub  # noqa: PLC0415 (for policies that ask for it only)

            file = folder / "ssh"
            file.write_bytes(stub(str(self.python), SSH_PORT))
            file.chmod(0o755)

    @property
    def usable(self) -> tuple[Usable, ...]:
        """The secrets as the plan has them."""
        return tuple(
            Usable(
                one.rule.name,
                str(one.rule.source),
                one.rule.hosts,
                tuple(map(str, one.rule.where)),
                one.rule.variables,
                one.placeholder,
                one.why,
                str(one.rule.rule),
            )
            for one in self.bound
        )

    def _for_git(self, set_already: Mapping[str, str]) -> dict[str, str]:
        """Give git's settings, behind those that are set already; git-config(1), "ENVIRONMENT"."""
        if not self.egress.remotes and not any(one.rule.by_git for one in self.bound):
            return {}
        from wrapper.gateway.remotes.settings import ENVIRONMENT, git_settings  # noqa: PLC0415 (as above)

        placeholders = {one.rule.name: one.placeholder for one in self.bound if one.placeholder}
        count = set_already.get("GIT_CONFIG_COUNT", "")
        first = int(count) if re.fullmatch("[0-9]{1,4}", count) else 0
        pairs = git_settings(self.egress.secrets, placeholders, self.egress.remotes)
        found = {"GIT_CONFIG_COUNT": str(first + len(pairs))} if pairs else {}
        for number, (key, value) in enumerate(pairs, first):
            found |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        # Cargo's own reading of git's settings knows nothing of these variables
        return {**ENVIRONMENT, **found, "CARGO_NET_GIT_FETCH_WITH_CLI": "true"}


def reach(egress: Egress, looked: Looked, engine: Engine) -> Reaching:
    """Read all sources, and make their values known."""
    facts = looked.facts
    ssh = shutil.which("ssh", path=":".join(facts.path)) if egress.by_ssh else None
    bound: tuple[Bound, ...] = ()
    services: dict[int, ServiceLogin] = {}
    found = [rule for rule in egress.loopback if rule.source is not None]
    if egress.secrets or found:
        from wrapper.binding import bind  # noqa: PLC0415 (as above)

        sources = looked.sources()
        bound = bind(egress, sources, engine, looked.vault)
        services = {rule.port: _login(rule, sources, engine, looked.vault) for rule in found}
    return Reaching(egress, bound, services, Path(sys.executable).resolve(), os.path.realpath(ssh) if ssh else "")


def _login(rule: LoopbackRule, sources: "Sources", engine: Engine, vault: Vault) -> "ServiceLogin":
    from wrapper.gateway.databases.account import ServiceLogin, account, statement  # noqa: PLC0415 (as above)

    read = None if rule.source is None else sources.read(rule.source)
    if read is None or not read.value or rule.protocol == "tcp":
        why = "" if read is None else read.why and f"127.0.0.1:{rule.port} ({rule.source}): {read.why}"
        return ServiceLogin(rule.protocol, None, (), why or statement(rule.protocol, rule.port, has_value=True))
    try:
        who = account(rule.protocol, os.fsdecode(read.value))
    except PolicyError as error:
        where = f"{rule.rule.file}:{rule.rule.line}: what {rule.source} gives for 127.0.0.1:{rule.port}"
        raise PolicyError(f"{where}: {error.what}", hint=error.hint) from None
    if engine.known is not None:
        engine.known.add("PASSWORD", who.password, Origin.OUTSIDE, name=str(rule.source))
    placeholder = vault.issue("PASSWORD", who.password, Origin.OUTSIDE)
    return ServiceLogin(rule.protocol, who, (placeholder.encode(),), "")
