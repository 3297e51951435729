"""Promise 4 with a real recorder and a real disk: when the first byte of a request arrives, its record is durable.

Durable is what the recorder's fdatasync(2) covered when it returned. The provider notes that mark as the first byte of
each request comes in; afterwards the log is cut off there, as a power cut would, and read: the request must be in it.
"""

import asyncio
import contextlib
import json
import mmap
import os
import resource
import secrets
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from tests.audit.recording import Home, Recorder, home, recording
from tests.gateway import wire
from tests.gateway.wire import Provider, Received, World, in_loop, plain, wired, zipped
from wrapper import linux
from wrapper.audit import events, reader
from wrapper.audit import format as layout
from wrapper.audit.client import AsyncRecorderClient
from wrapper.ports import AsyncAuditSink

_JSON = "Content-Type: application/json"
_SLOW = 0.03  # seconds more that a sync takes: a gateway that does not wait for it is far ahead by then
_MARK = struct.Struct("Q")


class Synced:
    """How many bytes of the log are on disk for certain; shared with the recorder."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _MARK.size)

    def watch(self) -> None:
        """In the recorder: note each sync when it has returned, and take longer for it."""
        sync = os.fdatasync

        def fdatasync(descriptor: int) -> None:
            size = os.fstat(descriptor).st_size
            time.sleep(_SLOW)
            sync(descriptor)
            _MARK.pack_into(self._shared, 0, size)

        os.fdatasync = fdatasync  # type: ignore[assignment]  # the recorder gives a number, no file

    def now(self) -> int:
        size: int = _MARK.unpack_from(self._shared)[0]
        return size


class Witness(Provider):
    """A provider that knows of each request what was durable when it began to arrive; `arrived` counts bytes."""

    def __init__(self, synced: Synced) -> None:
        super().__init__(plain(b"{}"))
        self._synced = synced
        self._first: dict[asyncio.StreamReader, int] = {}
        self.arrived = 0
        self.marks: list[tuple[Received, int]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        feed = reader.feed_data

        def fed(data: bytes) -> None:
            self.arrived += len(data)
            self._first.setdefault(reader, self._synced.now())
            feed(data)

        reader.feed_data = fed  # type: ignore[assignment, method-assign]  # the one place that each byte passes at once
        await super().serve(reader, writer)

    async def _read(self, reader: asyncio.StreamReader) -> Received:
        request = await super()._read(reader)
        self.marks.append((request, self._first.pop(reader)))
        return request


@dataclass
class Recorded:
    """A recorder process that runs, for a gateway before a witness; `widen` stands between gateway and recorder."""

    user: Home
    recorder: Recorder
    synced: Synced
    folder: Path
    widen: Callable[[AsyncAuditSink], AsyncAuditSink]

    @contextlib.asynccontextmanager
    async def world(self) -> AsyncIterator[tuple[World, Witness]]:
        sink = AsyncRecorderClient(self.recorder.connections[0])
        witness = Witness(self.synced)
        with mock.patch.multiple(wire, MemorySink=lambda: self.widen(sink), Provider=lambda _: witness):
            async with wired() as world:
                yield world, witness

    def unrecorded(self, witness: Witness) -> list[Received]:
        """Return the requests of which the log, cut where it was durable as they came, has no record."""
        return [request for request, mark in witness.marks if not self._holds(mark, request)]

    def _holds(self, mark: int, request: Received) -> bool:
        if not mark:
            return False  # not even the log's header was known to be there
        cut = self.folder / f"cut-{mark}" / self.recorder.directory.name
        if not cut.exists():
            shutil.copytree(self.recorder.directory, cut)
            os.truncate(cut / layout.LOG_FILE, mark)
        written = reader.open_session(cut, self.user.keys.load_identity())
        asked = [event for event in written if isinstance(event, events.Request)]
        return any(event.body == request.body and event.url.endswith(request.target) for event in asked)


@contextlib.contextmanager
def recorded(
    folder: Path,
    before: Callable[[], object] = lambda: None,
    widen: Callable[[AsyncAuditSink], AsyncAuditSink] = lambda sink: sink,
) -> Iterator[Recorded]:
    """Start a recorder, in which `before` runs first."""
    user, synced = home(folder), Synced()

    def prepare() -> None:
        synced.watch()
        before()

    with recording(user, before=prepare) as running:
        yield Recorded(user, running, synced, folder, widen)


def _text(size: int) -> str:
    return " ".join(f"word {number}" for number in range(size // 10))


def _asking(*texts: str) -> bytes:
    messages = [{"role": "user", "content": text} for text in texts]
    return json.dumps({"model": "m-1", "messages": messages}, separators=(",", ":")).encode()


async def _ask_all(world: World, bodies: list[bytes]) -> None:
    replies = await asyncio.gather(*(world.ask(body=body, headers=[_JSON]) for body in bodies))
    assert [reply.status for reply in replies] == [200] * len(bodies)


@pytest.mark.parametrize("size", [40, 60_000, 560_000, 5_000_000])
def test_no_byte_of_a_body_of_any_size_arrives_before_its_record_is_durable(tmp_path: Path, size: int) -> None:
    with recorded(tmp_path) as session:

        @in_loop
        async def scenario() -> None:
            async with session.world() as (world, witness):
                await _ask_all(world, [_asking(_text(size))])
                assert len(witness.marks[0][0].body) > size * 0.8
                assert session.unrecorded(witness) == []

        scenario()


def test_no_turn_of_a_conversation_arrives_before_its_record_is_durable(tmp_path: Path) -> None:
    with recorded(tmp_path) as session:

        @in_loop
        async def scenario() -> None:
            async with session.world() as (world, witness):
                turns = [f"{turn} {_text(40_000)}" for turn in range(10)]
                for turn in range(10):
                    await _ask_all(world, [_asking(*turns[: turn + 1])])
                assert len(witness.marks) == 10
                assert session.unrecorded(witness) == []

        scenario()


def test_none_of_many_requests_at_once_arrives_before_its_record_is_durable(tmp_path: Path) -> None:
    with recorded(tmp_path) as session:

        @in_loop
        async def scenario() -> None:
            async with session.world() as (world, witness):
                await _ask_all(world, [_asking(f"{number} {_text(20_000 * number)}") for number in range(12)])
                assert len(witness.marks) == 12
                assert session.unrecorded(witness) == []

        scenario()


def test_what_is_recorded_first_is_what_leaves_and_holds_no_secret(tmp_path: Path) -> None:
    with recorded(tmp_path) as session:
        secret = secrets.token_urlsafe(24).encode()

        @in_loop
        async def scenario() -> None:
            async with session.world() as (world, witness):
                placeholder = world.knows(secret).encode()
                body = _asking(f"the password is {secret.decode()} and {_text(30_000)}")
                await world.ask(body=zipped(body), headers=[_JSON, "Content-Encoding: gzip"])
                await world.ask("/v1/files", secret + os.urandom(30_000), headers=["Content-Type: image/png"])
                await world.ask("/v1/models", method="GET")
                assert [placeholder in request.body for request, _ in witness.marks] == [True, True, False]
                assert secret not in witness.bytes
                assert session.unrecorded(witness) == []

        scenario()


@dataclass
class _Hasty:
    """A sink that says a record is durable when it was only handed over."""

    sink: AsyncAuditSink

    def append(self, event: events.Event) -> None:
        self.sink.append(event)

    async def append_durable(self, event: events.Event) -> None:
        self.sink.append(event)


def test_a_gateway_that_did_not_wait_would_be_caught(tmp_path: Path) -> None:
    with recorded(tmp_path, widen=_Hasty) as session:

        @in_loop
        async def scenario() -> None:
            async with session.world() as (world, witness):
                await _ask_all(world, [_asking("hello")])
                assert [request.body for request in session.unrecorded(witness)] == [_asking("hello")]

        scenario()


def test_nothing_arrives_while_the_disk_hangs(tmp_path: Path) -> None:
    with recorded(tmp_path) as session:

        @in_loop
        async def scenario() -> None:
            async with session.world() as (world, witness):
                await _ask_all(world, [_asking("warm")])
                os.kill(session.recorder.pid, signal.SIGSTOP)
                arrived = witness.arrived
                waiting = asyncio.create_task(world.ask(body=_asking(_text(300_000)), headers=[_JSON]))
                await asyncio.sleep(0.5)
                assert witness.arrived == arrived
                os.kill(session.recorder.pid, signal.SIGCONT)
                assert (await waiting).status == 200
                assert session.unrecorded(witness) == []

        scenario()


def test_a_client_that_leaves_while_the_disk_hangs_sends_nothing_unrecorded(tmp_path: Path) -> None:
    with recorded(tmp_path) as session:

        @in_loop
        async def scenario() -> None:
            async with session.world() as (world, witness):
                os.kill(session.recorder.pid, signal.SIGSTOP)
                leaving = asyncio.create_task(world.ask(body=_asking(_text(300_000)), headers=[_JSON]))
                await asyncio.sleep(0.3)
                leaving.cancel()
                await asyncio.sleep(0.1)
                assert witness.arrived == 0
                os.kill(session.recorder.pid, signal.SIGCONT)
                await _ask_all(world, [_asking("next")])
                assert session.unrecorded(witness) == []

        scenario()


async def _until_refused(world: World, witness: Witness) -> int:
    """Send until the log fails; from then on nothing may arrive. Returns how many did."""
    for number in range(40):
        body = _asking(f"{secrets.token_hex(200_000)} {number}")
        arrived = witness.arrived
        reply = await world.ask(body=body, headers=[_JSON])
        if reply.status != 200:
            break
    assert reply.status == 503
    assert "nothing was sent, because the log cannot be written" in reply.document["error"]["message"]
    for later in (_asking("short"), b""):
        assert (await world.ask(body=later, headers=[_JSON])).status == 503
    assert witness.arrived == arrived
    return len(witness.requests)


def test_nothing_arrives_when_the_log_cannot_grow(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))

    with recorded(tmp_path, limit) as session:

        @in_loop
        async def scenario() -> None:
            async with session.world() as (world, witness):
                assert 2 <= await _until_refused(world, witness) <= 11
                assert session.unrecorded(witness) == []

        scenario()


def on_a_full_disk(folder: Path) -> None:
    """Run in a mount namespace of its own: the log is on a disk of 3 MB."""
    disk = folder / "disk"
    disk.mkdir()
    linux.mount(None, "/", linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("tmpfs", str(disk), 0, kind="tmpfs", data="size=3m")
    with recorded(disk) as session:
        session.folder = folder

        @in_loop
        async def scenario() -> None:
            async with session.world() as (world, witness):
                assert 3 <= await _until_refused(world, witness) <= 15
                assert session.unrecorded(witness) == []

        scenario()


def test_nothing_arrives_when_the_disk_is_full(tmp_path: Path) -> None:
    script = "import sys, pathlib; from tests.gateway.test_recording import on_a_full_disk as run; "
    done = subprocess.run(
        [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            sys.executable,
            "-c",
            script + "run(pathlib.Path(sys.argv[1]))",
        ]
        + [tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={"PATH": os.defpath},
    )
    assert done.returncode == 0, done.stderr


def test_nothing_arrives_when_the_recorder_is_gone(tmp_path: Path) -> None:
    with recorded(tmp_path) as session:

        @in_loop
        async def scenario() -> None:
            async with session.world() as (world, witness):
                await _ask_all(world, [_asking("warm")])
                os.kill(session.recorder.pid, signal.SIGKILL)
                session.recorder.wait()
                arrived = witness.arrived
                for body in (_asking(_text(300_000)), _asking("short")):
                    assert (await world.ask(body=body, headers=[_JSON])).status == 503
                assert witness.arrived == arrived

        scenario()


def test_a_request_whose_log_fails_while_it_waits_is_not_sent(tmp_path: Path) -> None:
    with recorded(tmp_path) as session:

        @in_loop
        async def scenario() -> None:
            async with session.world() as (world, witness):
                os.kill(session.recorder.pid, signal.SIGSTOP)
                bodies = [_asking(f"{number}") for number in range(5)]
                asking = [asyncio.create_task(world.ask(body=body, headers=[_JSON])) for body in bodies]
                await asyncio.sleep(0.3)
                os.kill(session.recorder.pid, signal.SIGKILL)
                replies = await asyncio.gather(*asking)
                assert {reply.status for reply in replies} == {503}
                assert witness.arrived == 0

        scenario()
