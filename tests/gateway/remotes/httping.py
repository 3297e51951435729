"""git by https through an interception with the judge and git's inspection, to a real git server."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from redactors import KnownValues, Origin, Vault
from tests.fakes.service import Asked, Service
from tests.gateway.intercept.scene import HOST, Scene, scene
from tests.gateway.remotes.backend import backend
from tests.gateway.remotes.forge import Forge
from tests.gateway.remotes.sshing import Ran, ran
from tests.gateway.wire import MASKING_KEY, MemorySink, engine
from tests.machine import fake
from tests.policy.writing import DEFAULT, policy
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.bindings import Binding, Bindings
from wrapper.gateway.intercept.judging import Judge
from wrapper.gateway.remotes.settings import ENVIRONMENT, git_settings
from wrapper.gateway.remotes.smarthttp import GitRequests

URL = f"https://{HOST}/org/repo.git"
RULES = f'[[remotes]]\nurl = "{URL}"\npush = ["agent/*"]\n'
SECRET = f'[[secrets]]\nname = "forge"\nfrom = "env:FORGE_TOKEN"\nhosts = ["{HOST}"]\nusername = "bot"\n'


@dataclass
class Inside:
    """What a client inside has: a folder, git with our settings, and a placeholder."""

    folder: Path
    forge: Forge
    service: Service
    scene: Scene
    sink: MemorySink
    token: str
    placeholder: str
    environment: dict[str, str]

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    async def git(self, *arguments: str, cwd: Path | None = None, **more: str) -> Ran:
        """Run git in the clone."""
        return await ran(("git", *arguments), cwd or self.clone, {**self.environment, **more})

    async def well(self, *arguments: str, cwd: Path | None = None, **more: str) -> Ran:
        """Do the same; it must go well."""
        done = await self.git(*arguments, cwd=cwd, **more)
        assert done.returncode == 0, done.stderr
        return done

    async def cloned(self) -> None:
        """Make the clone, and one commit in it that the server has not."""
        await self.well("clone", "-q", URL, "clone", cwd=self.folder)
        await self.commit("more")

    async def commit(self, name: str, content: bytes = b"more\n") -> None:
        (self.clone / name).write_bytes(content)
        await self.well("add", ".")
        await self.well("commit", "-qm", name)

    def asked(self, ending: str) -> list[Asked]:
        """Give the requests with paths of this ending that the server got."""
        return [one for one in self.service.asked if one.path.endswith(ending)]


@contextlib.asynccontextmanager
async def inside(folder: Path, forge: Forge, *, rules: str = RULES + SECRET) -> AsyncIterator[Inside]:
    """Start it all with these tables of a policy."""
    merged = policy(bundle=DEFAULT, user=rules)
    vault, sink, token = Vault(MASKING_KEY), MemorySink(), fake("", 32)
    known = KnownValues(vault)
    known.add("FORGE-TOKEN", token.encode(), Origin.OUTSIDE)
    placeholder = vault.issue("FORGE-TOKEN", token.encode(), Origin.OUTSIDE)
    wire = engine(vault, known)
    egress = merged.egress
    judge = Judge(
        merged, wire, sink, numbers=itertools.count(1),
        bindings=Bindings(Binding.of(one, token.encode(), placeholder) for one in egress.secrets),
        inspections=(GitRequests(egress.remotes, sink, redact=lambda data: wire.redact(data).data),),
    )  # fmt: skip
    with Service(backend(forge, token)) as service:

        async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _relayed(reader, writer, service.port)

        async with scene(host, handle=judge.handler(Destination(HOST, 443))) as made:
            tasks: set[asyncio.Task[None]] = set()

            def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.create_task(_connected(reader, writer, made.port))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

            front = await asyncio.start_server(accepted, "127.0.0.1", 0)
            folder.mkdir(exist_ok=True)  # noqa: ASYNC240 (a test's own)
            settings = (
                ("http.proxy", f"http://127.0.0.1:{front.sockets[0].getsockname()[1]}"),
                *git_settings(egress.secrets, {one.name: placeholder for one in egress.secrets}, egress.remotes),
            )
            environment = {
                "PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_SSL_CAINFO": str(made.authority.file), **ENVIRONMENT,
                "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org",
                "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org",
                "GIT_CONFIG_COUNT": str(len(settings)),
                **{f"GIT_CONFIG_KEY_{at}": key for at, (key, _) in enumerate(settings)},
                **{f"GIT_CONFIG_VALUE_{at}": value for at, (_, value) in enumerate(settings)},
            }  # fmt: skip
            try:
                yield Inside(folder, forge, service, made, sink, token, placeholder, environment)
            finally:
                front.close()
                for task in tuple(tasks):
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                judge.close()


async def _connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _relayed(reader, writer, port)


async def _relayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)

    async def copied(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(2**16):
                sink.write(data)
                await sink.drain()
        sink.close()

    try:
        await asyncio.gather(copied(reader, far_writer), copied(far_reader, writer))
    finally:
        far_writer.close()
        writer.close()
        await asyncio.sleep(0)  # transports close their sockets in the loop's next round
