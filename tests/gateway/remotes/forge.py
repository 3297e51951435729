"""A forge on this machine: bare repositories, served by a real sshd and by git's own http-backend behind TLS."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.machine import until
from tests.repository import git, repository, said
from wrapper.policy.egress import RemoteRule
from wrapper.policy.model import Layer, Rule

HOST = "forge.test"
USER = getpass.getuser()
RULE = Rule(pattern="remotes", action="remote", layer=Layer.USER, file="policy.toml", line=7)


def by_ssh(path: str = "org/repo.git", *push: str, port: int = 0, host: str = HOST, user: str = USER) -> RemoteRule:
    """Give the rule of a repository by ssh."""
    ssh = f"{user}@{host}" if user else host
    url = f"ssh://{ssh}:{port}/{path.removeprefix('/')}" if port or path.startswith("/") else f"{ssh}:{path}"
    return RemoteRule(url=url, name=f"{host}/{path}", host=host, port=port, path=path, ssh=ssh, push=push, rule=RULE)


def by_https(path: str = "/org/repo.git", *push: str, port: int = 0, host: str = HOST) -> RemoteRule:
    """Give the rule of a repository by https."""
    url = f"https://{host}{f':{port}' if port else ''}{path}"
    return RemoteRule(url=url, name=f"{host}{path}", host=host, port=port, path=path, ssh="", push=push, rule=RULE)


@dataclass(frozen=True)
class Forge:
    """Bare repositories below `root`: `org/repo.git` and `org/other.git`, each with a commit on `main`."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> Self:
        forge = cls(root)
        work = repository(root / "work")
        (work / "README").write_text("hello\n")
        git(work, "add", ".")
        git(work, "commit", "-qm", "first")
        for name in ("repo", "other"):
            bare = repository(root / "org" / f"{name}.git", "--bare")
            git(work, "push", "-q", str(bare), "main")
            for setting in ("receive.advertisePushOptions", "http.receivepack", "uploadpack.allowFilter"):
                git(bare, "config", setting, "true")
            git(bare, "config", "core.compression", "0")  # tests' large files are of random bytes
        return forge

    @property
    def bare(self) -> Path:
        return self.root / "org/repo.git"

    def refs(self, name: str = "repo") -> dict[str, str]:
        """Give all refs of a repository and what they are."""
        lines = said(self.root / "org" / f"{name}.git", "for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split(" ") for line in lines.splitlines())


@dataclass(frozen=True)
class SshServer:
    """A real sshd that serves a forge; `config` is the user's ssh_config, `heard` the commands that came."""

    folder: Path
    port: int

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def heard(self) -> list[str]:
        log = self.folder / "heard"
        return log.read_text().splitlines() if log.exists() else []

    def forget(self) -> None:
        (self.folder / "heard").unlink(missing_ok=True)


@contextlib.contextmanager
def ssh_server(folder: Path, forge: Forge) -> Iterator[SshServer]:
    """Start it, with keys of its own; whoever has the user's key may run what git-shell runs."""
    folder.mkdir()
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    forced = folder / "forced"
    forced.write_text(
        f'#!/bin/sh\nprintf "%s|%s\\n" "$SSH_ORIGINAL_COMMAND" "$GIT_PROTOCOL" >>{folder}/heard\n'
        f'cd {forge.root} && export HOME={forge.root} && exec git-shell -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    forced.chmod(0o755)
    public = (folder / "user_key.pub").read_text()
    (folder / "authorized_keys").write_text(f'command="{forced}" {public}')
    (folder / "known_hosts").write_text(f"{HOST} {(folder / 'host_key.pub').read_text()}")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nAuthorizedKeysFile {folder}/authorized_keys\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nAcceptEnv GIT_PROTOCOL\n"
        "PidFile none\nMaxStartups 100\nUseDNS no\nKexAlgorithms curve25519-sha256\n"
        "SetEnv SHLVL=2\n"  # else bash reads the settings of whoever runs the tests (bash(1), "INVOCATION")
    )
    (folder / "ssh_config").write_text(
        f"Host {HOST} twin.test\n  HostName 127.0.0.1\n  HostKeyAlias {HOST}\n  Port {port}\n"
        f"  IdentityFile {folder}/user_key\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
        f"Host agent.test\n  HostName 127.0.0.1\n  HostKeyAlias {HOST}\n  Port {port}\n  IdentityFile none\n"
        f"  UserKnownHostsFile {folder}/known_hosts\n"
        f"Host stranger.test\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile none\n"
        "  UserKnownHostsFile /dev/null\n"
    )
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin")
    assert sshd is not None, "sshd is needed: apt install openssh-server"
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it goes before a login (sshd(8), "FILES")
    with subprocess.Popen([sshd, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.PIPE) as process:
        try:
            _listens(port, process)
            yield SshServer(folder, port)
        finally:
            process.terminate()


@contextlib.contextmanager
def ssh_agent(sock: Path, key: Path) -> Iterator[Path]:
    """Start an agent of the user's, with one key in it; gives its socket."""
    with subprocess.Popen(["ssh-agent", "-D", "-a", sock], stdout=subprocess.DEVNULL) as agent:
        try:
            until(sock.exists)
            environment = {"PATH": "/usr/bin:/bin", "SSH_AUTH_SOCK": str(sock)}
            subprocess.run(["ssh-add", "-q", key], env=environment, check=True)
            yield sock
        finally:
            agent.terminate()


def _listens(port: int, process: subprocess.Popen[bytes]) -> None:
    def is_there() -> bool:
        assert process.poll() is None, process.communicate()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    until(is_there)
