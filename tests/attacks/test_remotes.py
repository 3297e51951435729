"""Attacks on promises 1, 2 and 5 by way of git's remotes: another repository, another branch, another command, the keys."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fakes.company import Authority, CompanyProxy
from tests.fakes.service import Service
from tests.gateway.remotes.backend import backend
from tests.gateway.remotes.forge import USER, Forge, SshServer, by_https, by_ssh, ssh_server
from tests.gateway.remotes.pushes import NEW, OLD, push
from tests.gateway.remotes.sshing import as_it_is, unmasked
from tests.gateway.wire import MemorySink, in_loop, listening
from tests.machine import Machine, fake
from wrapper.audit.events import Connection, Judged
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import RequestHead
from wrapper.gateway.intercept.pieces import Whole
from wrapper.gateway.intercept.pipeline import AnsweredError
from wrapper.gateway.intercept.wholes import Passing
from wrapper.gateway.refusal import RefusedError
from wrapper.gateway.remotes.broker import Broker
from wrapper.gateway.remotes.inside import HELLO, INPUT, INPUT_END, frame
from wrapper.gateway.remotes.pktline import packet
from wrapper.gateway.remotes.program import Ssh
from wrapper.gateway.remotes.smarthttp import GitRequests

AGENTS = by_ssh("org/repo.git", "agent/*", user="git")
AGENTS_HTTPS = by_https("/org/repo.git", "agent/*")
HOST = "forge.test"
FORGE = Destination(HOST, 443)


# By ssh: whoever speaks to the broker as the stub does, but says what it likes.


class Target:
    """A broker whose ssh writes down what it was started with, and what it was given."""

    def __init__(self, folder: Path, port: int, sink: MemorySink) -> None:
        self.port = port
        self.sink = sink
        self._started, self._given = folder / "started", folder / "given"

    @property
    def started(self) -> list[str]:
        return self._started.read_text().splitlines() if self._started.exists() else []

    @property
    def given(self) -> bytes:
        return self._given.read_bytes() if self._given.exists() else b""

    def forget(self) -> None:
        for one in (self._started, self._given):
            one.unlink(missing_ok=True)

    async def say(self, *frames: bytes) -> bytes:
        """Say these frames, and give all that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with contextlib.closing(writer), contextlib.suppress(OSError):
            for one in frames:
                writer.write(one)
                await writer.drain()
            return await reader.read()
        return b""

    async def ask(self, command: str, *rest: bytes, host: str = HOST, port: str = "", user: str = "git") -> bytes:
        words = b"".join(one.encode("utf-8", "surrogateescape") + b"\0" for one in (host, port, user, command, ""))
        return await self.say(frame(HELLO, words), *rest)


@contextlib.asynccontextmanager
async def target(folder: Path) -> AsyncIterator[Target]:
    program = folder / "ssh"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{folder}/started\ncat >{folder}/given\n')
    program.chmod(0o755)
    sink = MemorySink()
    broker = Broker(
        (AGENTS,), sink, ssh=Ssh(str(program), (), {"PATH": "/usr/bin:/bin"}), redact=as_it_is, masking=unmasked
    )
    sock = listening()
    await broker.start(sock)
    try:
        yield Target(folder, sock.getsockname()[1], sink)
    finally:
        await broker.close()


COMMANDS = [
    "git-upload-pack 'org/other.git'", "git-upload-pack '../other.git'", "git-upload-pack 'org/../org/other.git'",
    "git-upload-pack 'org/repo.git/../other.git'", "git-upload-pack 'org/repo.git' 'org/other.git'",
    "git-upload-pack 'org/repo.git';id", "git-upload-pack '$(id)'", "git-upload-pack '`id`'", "git-upload-pack ''",
    "git-upload-pack 'org/repo.git'\ngit-upload-pack 'org/other.git'", "git-upload-pack '--upload-pack=id'",
    "git-upload-pack --upload-pack=id 'org/repo.git'", "git-upload-pack -x 'org/repo.git'", "git-shell -c id",
    "git-upload-pack 'org/repo.git' #", "git-upload-pack 'org/repo.git' && id", "git-upload-pack '/'", "id", "",
    "git-upload-pack 'org/repo.git\r'", "git-upload-archive 'org/repo.git'", "git-lfs-authenticate org/repo.git upload",
    "git-upload-pack '~root/org/repo.git'", "git-upload-pack 'file:///org/repo.git'", "git-receive-pack 'org/other.git'",
    "git-upload-pack 'org/repo.git'\x85id", "git-upload-pack 'org/repo.git' | id", "GIT_TRACE=1 git-upload-pack 'org/repo.git'",
    "git-upload-pack 'org/rеpo.git'",  # noqa: RUF001 (another letter of the same look)
]  # fmt: skip


@in_loop
async def test_no_other_command_and_no_other_repository_is_run_by_ssh(tmp_path: Path) -> None:
    """Promise 2: what the user's key opens stays closed."""
    async with target(tmp_path) as there:
        for command in COMMANDS:
            said = await there.ask(command)
            assert b"safe-agent: " in said, command
            assert there.started == [], command
        assert len(there.sink.of(Connection)) == len(COMMANDS)
        assert not any(one.allowed for one in there.sink.of(Connection))
        await there.ask("git-upload-pack 'org/repo.git'", frame(INPUT_END))  # the control
        assert there.started[0].endswith("-- git@forge.test git-upload-pack 'org/repo.git'")


PLACES = [
    {"host": "-oProxyCommand=touch x"}, {"host": "-oProxyCommand=id", "user": ""}, {"host": "--"}, {"host": "evil.test"},
    {"host": "forge.test -p 1"}, {"host": "forge.test\n"}, {"host": "git@forge.test"}, {"host": "forge.test."},
    {"host": "forge.test/x"}, {"host": ""}, {"host": "127.0.0.1"}, {"host": "[::1]"}, {"host": "forge.test\x00x"},
    {"user": "root"}, {"user": "-oProxyCommand=id"}, {"user": "git@evil.test"}, {"user": "-l"}, {"user": "git root"},
    {"port": "2222"}, {"port": "-1"}, {"port": "22x"}, {"port": "0022"}, {"port": "22 -oProxyCommand=id"}, {"port": "٢٢"},
]  # fmt: skip


@in_loop
async def test_no_other_host_user_or_port_is_reached_and_none_is_an_option(tmp_path: Path) -> None:
    """Promise 2."""
    async with target(tmp_path) as there:
        for place in PLACES:
            assert b"safe-agent: " in await there.ask("git-upload-pack 'org/repo.git'", **place), place
            assert there.started == [], place
        await there.ask("git-upload-pack 'org/repo.git'", frame(INPUT_END), port="22", user="")  # the control
        assert len(there.started) == 1


MAIN = f"{OLD} {NEW} refs/heads/main".encode()
FIRST = f"{OLD} {NEW} refs/heads/agent/x\0 report-status".encode()
PUSHES = {
    "another branch": push("refs/heads/main"),
    "the second of two": push("refs/heads/agent/x", "refs/heads/main"),
    "a tag": push("refs/tags/v1"),
    "a name that climbs": push("refs/heads/agent/../main"),
    "no branch": push("refs/for/main"),
    "deletion": push("refs/heads/main", new="0" * 40),
    "two lines in one packet": packet(FIRST + b"\n" + MAIN) + b"0000",
    "a NUL in the second line": packet(FIRST) + packet(f"{OLD} {NEW} refs/heads/agent/y\0".encode() + MAIN) + b"0000",
    "a NUL before the branch": packet(f"{OLD} {NEW} refs/heads/agent/x\0\n".encode() + MAIN) + b"0000",
    "two capabilities' NULs": packet(f"{OLD} {NEW} refs/heads/agent/x\0 a\0 ".encode() + MAIN) + b"0000",
    "a certificate": packet(b"push-cert\0 report-status\n")
    + packet(MAIN + b"\n")
    + packet(b"push-cert-end\n")
    + b"0000",
    "a certificate behind a command": packet(FIRST) + packet(b"push-cert\0\n") + packet(MAIN) + b"0000",
    "a length that lies": b"00ff" + FIRST + b"0000" + packet(MAIN) + b"0000",
    "a length that is none": b"0003" + packet(MAIN) + b"0000",
    "the longest length": b"ffff" + MAIN,
    "digits of another kind": b"+05a" + MAIN + b"0000",
    "a delimiter": packet(FIRST) + b"0001" + packet(MAIN) + b"0000",
    "an empty packet": b"0004" + packet(MAIN) + b"0000",
    "another protocol": packet(b"command=push") + b"0001" + packet(MAIN) + b"0000",
    "options that do more": push(
        "refs/heads/agent/x", capabilities="push-options", options=("merge_request.auto_merge",)
    ),
    "options that are not announced as git does": push(
        "refs/heads/agent/x", capabilities="push-options=x", options=("ci.variable=A=b",)
    ),
}


@in_loop
async def test_a_server_gets_no_byte_of_a_push_that_may_not_be_however_it_is_cut(tmp_path: Path) -> None:
    """Promise 2: the user's rights are not the agent's."""
    async with target(tmp_path) as there:
        for name, data in PUSHES.items():
            for size in (7, len(data)):
                pieces = [frame(INPUT, data[at : at + size]) for at in range(0, len(data), size)]
                await there.ask("git-receive-pack 'org/repo.git'", *pieces, frame(INPUT, b"PACK"), frame(INPUT_END))
                assert there.given in (b"", b"0000"), name
                there.forget()
        assert {one.action for one in there.sink.of(Judged)} == {"denied"}
        good = push("refs/heads/agent/x") + b"PACK" + packet(MAIN) + b"0000"
        await there.ask("git-receive-pack 'org/repo.git'", frame(INPUT, good), frame(INPUT_END))  # the control
        assert there.given == good  # behind its end nothing is a command any more: a server reads a pack there


@in_loop
async def test_a_connection_is_for_one_request(tmp_path: Path) -> None:
    """Promise 2."""
    async with target(tmp_path) as there:
        again = frame(HELLO, b"forge.test\0\0git\0git-upload-pack 'org/other.git'\0\0")
        await there.ask("git-upload-pack 'org/repo.git'", again, frame(INPUT, b"x"), frame(INPUT_END))
        assert len(there.started) == 1
        assert "other" not in there.started[0]


@in_loop
async def test_frames_that_lie_about_their_length_end_the_connection(tmp_path: Path) -> None:
    """Promise 5."""
    async with target(tmp_path) as there:
        said = await there.ask("git-upload-pack 'org/repo.git'", b"I\xff\xff\xff\xff" + b"x" * 100)
        assert b"this is not what git says" in said


# By https: requests that mean git's in another spelling.


def head(target: str, method: str = "POST", *more: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(method, HOST, target, more)


def requests(sink: MemorySink | None = None) -> GitRequests:
    return GitRequests((AGENTS_HTTPS,), sink or MemorySink(), redact=as_it_is)


SPELLINGS = [
    "/org/other.git/git-receive-pack", "/org/other/git-receive-pack", "/ORG/other.git/git-receive-pack",
    "/org/repo.git/../other.git/git-receive-pack", "/org/repo.git/%2e%2e/other.git/git-receive-pack",
    "/org/repo.git/..%2fother.git/git-receive-pack", "//org/other.git/git-receive-pack", "/org//other.git//git-receive-pack",
    "/org/other.git/git%2Dreceive-pack", "/org/other.git/git%252Dreceive-pack", "/org%2Fother.git%2Fgit-receive-pack",
    "/org/other.git/git-receive-pack/", "/org/other.git/git-receive-pack;x=1", "/org/other.git;x/git-receive-pack",
    "/org/other.git/GIT-RECEIVE-PACK", "/org/other.git/git-receive-pack?x=/org/repo.git/", "/org\\other.git\\git-receive-pack",
    "/org/other.git/./git-receive-pack", "/org/other.git/git-upload-pack", "/org/other.git/git-upload-archive",
    "/org/other.git/info/lfs/objects/batch", "/org/other.git/info%2Flfs/locks", "/org/repo.gitx/git-receive-pack",
    "/xorg/repo.git/git-receive-pack", "/x/org/repo.git/git-receive-pack", "/org/repo.git.git/git-receive-pack",
    "/org/repo.git/x/git-receive-pack", "/ORG/repo.git/git-receive-pack", "/org/repo.git/git-receive-pack?x",
    "/org/repo.git//git-receive-pack", "/org/repo.git/git-receive-pack/", "/org/repo.git/info/lfs/../../git-receive-pack",
    "/org/repo.git/git-receive-pack;x", "/org/repo.git/%67it-receive-pack;", "/org/repo.git/%2567it-receive-pack",
    "/%3F/../org/repo.git/git-receive-pack", "/x%23/../org/other.git/git-receive-pack", "/x#/../org/repo.git/git-receive-pack",
    "/%253F/../org/repo.git/git-receive-pack", "/org/other/git-receive-pack%3Fx", "/org/repo/ssh-receive-pack",
    "/org/repo.git/ssh-receive-pack", "/org%2Frepo.git/git-receive-pack", "/org/other.git", "/" + "%" + "25" * 20 + "41",
    "/org/repo.git/objects/../git-receive-pack", "/org/repo%2Egit/info/../git-receive-pack", "/org/repo.git/hooks/update",
]  # fmt: skip


@pytest.mark.parametrize("target", SPELLINGS)
@in_loop
async def test_a_request_of_gits_in_another_spelling_is_still_gits_and_refused(target: str) -> None:
    """Promise 2."""
    inspection = requests()
    assert inspection.covers(head(target), FORGE)
    with pytest.raises(RefusedError):
        await inspection.inspected(head(target), Whole(push("refs/heads/agent/x")))


ELSEWHERE = [
    (b"destination", b"https://forge.test/org/repo.git/refs/heads/main"), (b"destination", b"/org/other.git/refs/heads/x"),
    (b"x-original-url", b"/org/repo.git/git-receive-pack"), (b"x-rewrite-url", b"org/other.git/git-receive-pack"),
]  # fmt: skip


@pytest.mark.parametrize("header", ELSEWHERE)
@in_loop
async def test_a_request_that_a_header_makes_one_of_gits_is_refused(header: tuple[bytes, bytes]) -> None:
    """Promise 2: WebDAV copies and moves to where `Destination` says; some frameworks take the path from a header."""
    inspection = requests()
    one = head("/x", "COPY", header)
    assert not inspection.covers(head("/x", "COPY", (b"destination", b"/y")), FORGE)  # the control
    assert inspection.covers(one, FORGE)
    with pytest.raises(RefusedError):
        await inspection.inspected(one, None)


@in_loop
async def test_methods_queries_and_headers_that_git_does_not_use_are_refused() -> None:
    """Promise 2."""
    inspection = requests()
    tries = [
        head("/org/repo.git/git-receive-pack", "PUT"),
        head("/org/repo.git/git-receive-pack", "GET"),
        head("/org/repo.git/info/refs?service=git-receive-pack&service=git-upload-archive", "GET"),
        head("/org/repo.git/info/refs?service=git-upload-archive", "GET"),
        head("/org/repo.git/info/refs?service=git%2Dreceive-pack", "GET"),
        head("/org/repo.git/info/refs", "PROPFIND"),
        head("/org/repo.git/objects/info/packs", "PUT"),
        head("/org/repo.git/refs/heads/main", "LOCK"),
        head("/org/repo.git/refs/heads/main", "GET"),
        head("/org/repo.git/config", "GET"),
        head("/org/repo.git/git-receive-pack", "POST", (b"content-encoding", b"deflate")),
        head("/org/repo.git/git-receive-pack", "POST", (b"content-encoding", b"gzip")),
        head("/org/repo.git/info/refs?service=git-upload-pack", "GET", (b"x-original-url", b"/api/v4/user")),
        head("/org/repo.git/info/lfs/objects/1234", "GET", (b"x-http-method-override", b"DELETE")),
        RequestHead("GET", HOST, "/org/repo.git/info/refs?service=git-upload-pack", (), "websocket"),
        RequestHead("GET", "other.test", "/org/repo.git/info/refs?service=git-upload-pack", ()),
    ]
    for one in tries:
        with pytest.raises(RefusedError):
            await inspection.inspected(one, Whole(push("refs/heads/agent/x")))
    for service in ("git-upload-pack", "git-receive-pack"):  # the control
        await inspection.inspected(head(f"/org/repo.git/info/refs?service={service}", "GET"), None)


@pytest.mark.parametrize("size", [1, 5, 1000])
@in_loop
async def test_a_push_by_https_that_may_not_be_is_refused_however_it_is_cut(size: int) -> None:
    """Promise 2; promise 4: what was refused is on record."""
    sink = MemorySink()
    inspection = requests(sink)
    for name, data in PUSHES.items():
        with pytest.raises(RefusedError) as caught:
            await inspection.inspected(head("/org/repo.git/git-receive-pack"), cut(data + b"PACK", size))
        if name == "another branch":
            assert isinstance(caught.value, AnsweredError)
            assert caught.value.answer.head.status == 200
    assert {one.action for one in sink.of(Judged)} == {"denied"}
    good = push("refs/heads/agent/x") + b"PACK"
    body = await inspection.inspected(head("/org/repo.git/git-receive-pack"), cut(good, size))
    assert body is not None
    assert b"".join([piece async for piece in body]) == good


def cut(data: bytes, size: int) -> Passing:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(data), size):
            yield data[at : at + size]

    return Passing(pieces(), None)


# In a whole session.


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Forge:
    return Forge.make(tmp_path_factory.mktemp("forge"))


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory, forge: Forge) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("sshd") / "s", forge) as server:
        yield server


POLICY = f"""
version = 1
[[remotes]]
url = "{USER}@forge.test:org/repo.git"
push = ["agent/*"]
[[remotes]]
url = "https://web.test/org/repo.git"
push = ["agent/*"]
[[secrets]]
name = "forge"
from = "env:FORGE_TOKEN"
hosts = ["web.test"]
username = "bot"
"""

SESSION = f"""
git config --global user.name t; git config --global user.email t@example.org
for where in ssh={USER}@forge.test: https=https://web.test/; do
    name=${{where%%=*}} url=${{where#*=}}
    git clone -q ${{url}}org/repo.git $name && cd $name && echo x >$name && git add . && git commit -qm $name || exit 9
    git push -q origin HEAD:agent/$name && echo pushed-$name
    git push origin HEAD:main HEAD:agent/not-$name || echo refused-$name
    git clone -q ${{url}}org/other.git other || echo kept-out-$name
    cd ..
done
ssh {USER}@forge.test id; echo shell-$?
/usr/bin/ssh -V
scp {USER}@forge.test:/etc/hostname x; echo copy-$?
echo "agent ${{SSH_AUTH_SOCK:-none}}"; ls -la ~/.ssh /run/user 2>&1
cat ~/.ssh/* {{KEY}} 2>&1
git config --get-regexp 'credential|http'; env
"""


def test_a_session_fetches_and_pushes_by_ssh_and_by_https_and_finds_no_key(
    machine: Machine, forge: Forge, sshd: SshServer
) -> None:
    """Promises 1, 2 and 4."""
    token = fake("", 40)
    key = (sshd.folder / "user_key").read_text()
    machine.planted |= {"forge token": token, "user key": key.splitlines()[2]}
    (machine.home / ".config/safe-agent/policy.toml").write_text(POLICY)
    certificates = machine.root / "certificates"
    certificates.mkdir()
    authority = Authority(certificates)
    before = forge.refs()
    with Service(backend(forge, token)) as service, CompanyProxy({"web.test": service.port}, authority) as proxy:
        seen = machine.seen(
            SESSION.replace("{KEY}", str(sshd.folder / "user_key")),
            FORGE_TOKEN=token, HTTPS_PROXY=proxy.url(), SSL_CERT_FILE=str(authority.file),
            SSH_AUTH_SOCK=str(machine.root / f"agent-{secrets.token_hex(4)}"),
            GIT_SSH_COMMAND=f"ssh -F {sshd.config}",
        )  # fmt: skip
    for word in ("ssh", "https"):
        assert f"pushed-{word}\n" in seen, seen
        assert f"refused-{word}\n" in seen, seen
        assert f"kept-out-{word}\n" in seen, seen
    assert seen.count("[remote rejected] HEAD -> main (policy lets only agent/* be pushed)") == 2, seen
    assert set(forge.refs()) - set(before) == {"refs/heads/agent/ssh", "refs/heads/agent/https"}
    assert forge.refs()["refs/heads/main"] == before["refs/heads/main"]
    assert "shell-255\n" in seen
    assert "ssh of safe-agent" in seen
    assert "copy-0" not in seen
    assert "agent none\n" in seen
    assert machine.leaks(seen, machine.log()) == []
    log = machine.log()
    assert log.count('"about": "push"') + log.count('"about":"push"') == 6  # one pushed and two refused, by each way
