"""The broker between a client that has our stub for its ssh, and a real sshd."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from redactors import KnownValues, Vault
from redactors.knownstream import KnownStream
from tests.gateway.remotes.forge import HOST, USER, Forge, SshServer
from tests.gateway.wire import MASKING_KEY, MemorySink, listening
from wrapper.gateway.remotes.broker import Broker
from wrapper.gateway.remotes.program import users_ssh
from wrapper.gateway.remotes.stub import stub
from wrapper.policy.egress import RemoteRule

URL = f"{USER}@{HOST}:org/repo.git"


Ran = subprocess.CompletedProcess[str]


async def ran(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Ran:
    """Run a command, without standard input."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    texts = (one.decode(errors="replace") for one in (out, err))
    return subprocess.CompletedProcess(command, process.returncode, *texts)


def as_it_is(data: bytes) -> bytes:
    return data


def unmasked() -> KnownStream:
    vault = Vault(MASKING_KEY)
    return KnownStream(KnownValues(vault), vault)


@dataclass
class Inside:
    """What a client inside has: a folder, git, our stub, and no key."""

    folder: Path
    forge: Forge
    server: SshServer
    sink: MemorySink
    broker: Broker
    port: int
    ssh: Path
    environment: dict[str, str] = field(default_factory=dict)

    async def run(self, *command: str, cwd: Path | None = None, **more: str) -> Ran:
        """Run a command inside."""
        return await ran(command, cwd or self.folder, {**self.environment, **more})

    async def git(self, *arguments: str, cwd: Path | None = None, **more: str) -> Ran:
        """Run git in the clone."""
        return await self.run("git", *arguments, cwd=cwd or self.clone, **more)

    async def well(self, *arguments: str, cwd: Path | None = None, **more: str) -> Ran:
        """Do the same; it must go well."""
        done = await self.git(*arguments, cwd=cwd, **more)
        assert done.returncode == 0, done.stderr
        return done

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    async def cloned(self, url: str = URL) -> None:
        """Make the clone, and one commit in it that the server has not."""
        await self.well("clone", "-q", url, "clone", cwd=self.folder)
        await self.commit("more")

    async def commit(self, name: str, content: str = "more\n") -> None:
        (self.clone / name).write_text(content)
        await self.well("add", ".")
        await self.well("commit", "-qm", name)


@contextlib.asynccontextmanager
async def inside(  # noqa: PLR0913 (whatever a test wants otherwise)
    folder: Path,
    forge: Forge,
    server: SshServer,
    *rules: RemoteRule,
    redact: Callable[[bytes], bytes] = as_it_is,
    masking: Callable[[], KnownStream] = unmasked,
    sink: MemorySink | None = None,
    options: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Inside]:
    """Start a broker with these rules, on a socket that stands for one made inside."""
    program = shutil.which("ssh", path="/usr/bin:/usr/local/bin")
    assert program is not None
    own = {"GIT_SSH_COMMAND": " ".join(("ssh", "-F", str(server.config), *options)), **(environ or {})}
    sink = sink or MemorySink()
    broker = Broker(rules, sink, ssh=users_ssh(program, own, "/usr/bin:/bin"), redact=redact, masking=masking)
    sock = listening()
    port = int(sock.getsockname()[1])
    await broker.start(sock)
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 (a test's own)
    file = folder / "ssh"
    file.write_bytes(stub(sys.executable, port))
    file.chmod(0o755)
    environment = {
        "PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_SSH_COMMAND": str(file), "GIT_SSH_VARIANT": "ssh", "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org",
        "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org",
    }  # fmt: skip
    try:
        yield Inside(folder, forge, server, sink, broker, port, file, environment)
    finally:
        await broker.close()
        await _ends_seen()


async def _ends_seen() -> None:
    """Wait until asyncio has seen the end of each ssh that was killed: what it holds of one outlives no loop quietly."""
    for _ in range(500):
        if not any(thread.name.startswith("waitpid-") for thread in threading.enumerate()):
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)  # and has put it away
