import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.gateway.wire import MemorySink, in_loop
from tests.policy.writing import policy
from wrapper.audit.events import Judged
from wrapper.gateway.unnamed import Said, Terms, Waiting
from wrapper.guard.allowing import (
    SOCKET,
    Allow,
    Desk,
    Done,
    Refusing,
    Reply,
    Request,
    Show,
    Shown,
    TakeBack,
    ask,
    frame,
    refused,
)

_OWN = '[network]\nallow = ["mine.example"]\ndeny = ["denied.example", "*.never.example"]'


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[tuple[Waiting, MemorySink]]:
    said, sink = policy(user=_OWN), MemorySink()
    waiting = Waiting(Terms("wait", 30, lambda host, port: said.host(host, port).rule is None, lambda *_: False), sink)
    made = Desk(folder, waiting, said, "claude", "/work/place")
    await made.open()
    try:
        yield waiting, sink
    finally:
        await made.close()


async def asked(folder: Path, request: Request) -> Reply:
    return await asyncio.to_thread(ask, folder, request)


@in_loop
async def test_another_terminal_sees_what_waits_and_lets_it_go_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as (waiting, sink):
        hearing = asyncio.create_task(waiting.heard("new.example", 443))
        await asyncio.sleep(0)
        shown = await asked(tmp_path, Show())
        assert isinstance(shown, Shown)
        assert [(one.host, one.port, one.clients) for one in shown.held] == [("new.example", 443, 1)]
        assert (shown.client, shown.workspace) == ("claude", "/work/place")
        assert await asked(tmp_path, Allow("new.example", "once")) == Done(("new.example:443",))
        said = await hearing
        assert isinstance(said, Said)
        (judged,) = sink.of(Judged)
        assert (judged.about, judged.number, judged.rule, judged.action, judged.by) == (
            "host", 0, "new.example", "allowed", "user",
        )  # fmt: skip
        assert judged.reason.endswith(f"at another terminal (pid {os.getpid()}), once")
        assert judged.reason in said.text
        assert await asked(tmp_path, TakeBack("new.example")) == Done(("new.example",))
        assert await asked(tmp_path, TakeBack("new.example")) == Done()


@in_loop
async def test_what_a_rule_denies_is_refused_with_the_rule(tmp_path: Path) -> None:
    async with desk(tmp_path) as (_, sink):
        for pattern in ("denied.example", "denied.example:8443", "x.never.example", "*.never.example"):
            reply = await asked(tmp_path, Allow(pattern, "once"))
            assert isinstance(reply, Refusing)
            assert "denied by deny" in reply.why
        for pattern in ("*", "https://x.example/", "a b", "x.example:0", "*.*.example", "10.0.0.1", "[::1]", ""):
            assert isinstance(await asked(tmp_path, Allow(pattern, "once")), Refusing)
        assert sink.of(Judged) == []
        assert await asked(tmp_path, Allow("free.example", "once")) == Done()


@in_loop
async def test_without_a_log_nothing_is_allowed(tmp_path: Path) -> None:
    async with desk(tmp_path) as (waiting, sink):
        sink.fails = True
        reply = await asked(tmp_path, Allow("new.example", "once"))
        assert isinstance(reply, Refusing)
        assert "the log cannot be written" in reply.why
        assert waiting._granted.verdict("new.example", 443) is None


@in_loop
async def test_the_socket_is_the_users_alone_and_gone_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40) / ("path" * 40)
    folder.mkdir(parents=True, mode=0o700)
    async with desk(folder):
        assert stat.S_IMODE((folder / SOCKET).stat().st_mode) == 0o600
        assert isinstance(await asked(folder, Show()), Shown)
    assert not (folder / SOCKET).exists()
    with pytest.raises(OSError, match="No such file"):
        ask(folder, Show())


@in_loop
async def test_nonsense_is_not_answered_and_does_no_harm(tmp_path: Path) -> None:
    async with desk(tmp_path):
        for said in (b"", b"\xff" * 8, b"\0\0\0\x01\xc1", b"\0\0\0\x05hello", b"\0\0\0\0", b"\0\x20\0\0" + bytes(100)):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / SOCKET))
            writer.write(said)
            writer.write_eof()
            assert await reader.read(-1) == b""
            writer.close()
        assert isinstance(await asked(tmp_path, Show()), Shown)


def test_another_user_is_not_heard_even_where_the_folder_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 4: who said so is the session's own user. The kernel says who calls, so here the session is another's."""
    question = frame(Show())

    @in_loop
    async def scenario() -> None:
        async with desk(tmp_path):
            answers = []
            for user in (os.geteuid(), os.geteuid() + 1):
                monkeypatch.setattr(os, "geteuid", lambda user=user: user)
                reader, writer = await asyncio.open_unix_connection(str(tmp_path / SOCKET))
                writer.write(question)
                with contextlib.suppress(ConnectionResetError):
                    answers.append(await reader.read(-1))
                writer.close()
            assert b"Shown" in answers[0]
            assert answers[1:] in ([], [b""])

    scenario()


def test_a_server_of_another_user_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / SOCKET))
        listening.listen()
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
        with pytest.raises(PermissionError, match="another user"):
            ask(tmp_path, Show())


def test_what_is_allowed_already_may_be_allowed_again() -> None:
    assert refused(policy(user=_OWN), "mine.example") == ""
    assert refused(policy(user=_OWN), "free.example:8443") == ""
