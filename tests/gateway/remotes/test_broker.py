"""git inside, our stub, the broker, the real ssh and a real sshd."""

import asyncio
import gc
import os
import shutil
import signal
import sys
import tracemalloc
from pathlib import Path

import pytest

from redactors import KnownValues, Origin, Vault
from redactors.knownstream import KnownStream
from tests.gateway.remotes.forge import USER, Forge, SshServer, by_ssh, ssh_agent
from tests.gateway.remotes.sshing import URL, Inside, inside
from tests.gateway.wire import MASKING_KEY, MemorySink, in_loop
from tests.machine import fake, until
from tests.repository import git
from wrapper.audit.events import Connection, Event, Judged
from wrapper.gateway.remotes import carrying
from wrapper.gateway.remotes.inside import HELLO, INPUT, INPUT_END, OUTPUT, frame, hello
from wrapper.gateway.remotes.program import Ssh

AGENTS = by_ssh("org/repo.git", "agent/*")


@in_loop
async def test_a_clone_a_fetch_and_a_push_to_an_allowed_branch_go_through(
    home: Path, forge: Forge, sshd: SshServer
) -> None:
    async with inside(home, forge, sshd, AGENTS) as here:
        await here.cloned()
        sshd.forget()
        await here.well("fetch", "-q", "--prune")
        done = await here.well("push", "origin", "HEAD:agent/first")
        assert "HEAD -> agent/first" in done.stderr
        assert forge.refs()["refs/heads/agent/first"] == (await here.well("rev-parse", "HEAD")).stdout.strip()
        assert [one.partition("|")[0] for one in sshd.heard] == [
            "git-upload-pack 'org/repo.git'",
            "git-receive-pack 'org/repo.git'",
        ]


@in_loop
async def test_each_connection_and_each_ref_is_on_disk_before_the_server_hears_of_it(
    home: Path, forge: Forge, sshd: SshServer
) -> None:
    """Promise 4."""
    order: list[tuple[Event, list[str], bool]] = []

    async def before(event: Event) -> None:
        order.append((event, sshd.heard, "refs/heads/agent/recorded" in forge.refs()))

    async with inside(home, forge, sshd, AGENTS, sink=MemorySink(before=before)) as here:
        await here.cloned()
        order.clear()
        sshd.forget()
        await here.well("push", "-q", "origin", "HEAD:agent/recorded")
        commit = (await here.well("rev-parse", "HEAD")).stdout.strip()
    (connected, heard, _), (judged, _, there) = order
    assert isinstance(connected, Connection)
    assert (connected.host, connected.port, connected.allowed, heard) == ("forge.test", 22, True, [])
    assert "git-receive-pack" in connected.rule
    assert isinstance(judged, Judged)
    assert (judged.about, judged.action, there) == ("push", "allowed", False)
    assert f"{AGENTS.url}: refs/heads/agent/recorded {'0' * 40} {commit}" in judged.rule
    last = here.sink.of(Connection)[-1]
    assert last.sent > 100
    assert last.received > 50


@in_loop
async def test_a_push_with_one_ref_that_may_not_be_is_refused_whole_and_git_says_why(
    home: Path, forge: Forge, sshd: SshServer
) -> None:
    before = forge.refs()
    async with inside(home, forge, sshd, AGENTS) as here:
        await here.cloned()
        done = await here.git("push", "origin", "HEAD:main", "HEAD:agent/with-main")
        assert done.returncode == 1
        lines = [line.rstrip() for line in done.stderr.splitlines()]
        assert (
            f"remote: safe-agent: this push to {URL} is refused, nothing was sent: policy lets only agent/* be pushed"
            in lines
        )
        assert any(
            line.startswith("remote: hint: push to such a branch (`git push origin HEAD:agent/NAME`)") for line in lines
        )
        assert " ! [remote rejected] HEAD -> main (policy lets only agent/* be pushed)" in lines
        assert " ! [remote rejected] HEAD -> agent/with-main (another ref of this push is refused)" in lines
        assert forge.refs() == before
        assert [one.action for one in here.sink.of(Judged)] == ["denied", "denied"]
        await here.well("push", "-q", "origin", "HEAD:agent/with-main")  # the control
    assert set(forge.refs()) - set(before) == {"refs/heads/agent/with-main"}


@in_loop
async def test_an_allowed_branch_may_be_forced_and_deleted_and_a_tag_is_refused(
    home: Path, forge: Forge, sshd: SshServer
) -> None:
    async with inside(home, forge, sshd, AGENTS) as here:
        await here.cloned()
        await here.well("tag", "v1")
        await here.well("push", "-q", "--atomic", "origin", "HEAD:agent/one", "HEAD:agent/two")
        await here.well("commit", "-q", "--amend", "-m", "otherwise")
        assert (
            await here.git("push", "-q", "origin", "HEAD:agent/one")
        ).returncode == 1  # no fast forward: the control
        await here.well("push", "-q", "--force", "origin", "HEAD:agent/one", ":agent/two")
        assert forge.refs()["refs/heads/agent/one"] == (await here.well("rev-parse", "HEAD")).stdout.strip()
        assert "refs/heads/agent/two" not in forge.refs()
        for refused in (("v1",), ("--follow-tags", "HEAD:agent/three", "v1"), (":main",), ("--mirror",)):
            done = await here.git("push", "origin", *refused)
            assert "[remote rejected]" in done.stderr, (refused, done.stderr)
        assert {"refs/tags/v1", "refs/heads/agent/three"}.isdisjoint(forge.refs())
        assert "refs/heads/main" in forge.refs()


@in_loop
async def test_push_options_pass_where_they_only_propose_and_a_signed_push_is_refused(
    home: Path, forge: Forge, sshd: SshServer
) -> None:
    git(forge.bare, "config", "receive.certNonceSeed", "seed")
    async with inside(home, forge, sshd, AGENTS) as here:
        await here.cloned()
        await here.well("push", "-q", "-o", "merge_request.create", "origin", "HEAD:agent/option")
        done = await here.git("push", "-o", "merge_request.auto_merge", "origin", "HEAD:agent/merges")
        assert "(push option merge_request.auto_merge is not let through)" in done.stderr
        signer = home / "gpg"
        signer.write_text('#!/bin/sh\ncat >/dev/null; echo "[GNUPG:] SIG_CREATED " >&2; echo signature\n')
        signer.chmod(0o755)
        signed = await here.git("-c", f"gpg.program={signer}", "push", "--signed", "origin", "HEAD:agent/signed")
        assert signed.returncode != 0
        assert "safe-agent: this push to" in signed.stderr
        assert "it is signed" in signed.stderr
    git(forge.bare, "config", "--unset", "receive.certNonceSeed")
    assert "refs/heads/agent/option" in forge.refs()
    assert {"refs/heads/agent/merges", "refs/heads/agent/signed"}.isdisjoint(forge.refs())


@in_loop
async def test_shallow_clones_submodules_and_every_protocol_of_gits_work(
    home: Path, forge: Forge, sshd: SshServer
) -> None:
    async with inside(home, forge, sshd, AGENTS, by_ssh("org/other.git")) as here:
        await here.well("clone", "-q", "--depth=1", URL, "clone", cwd=home)
        await here.well("submodule", "--quiet", "add", f"{USER}@forge.test:org/other.git", "other")
        await here.commit("shallow")
        await here.well("push", "-q", "origin", "HEAD:agent/shallow")
        await here.well("clone", "-q", "--recurse-submodules", "-b", "agent/shallow", URL, "again", cwd=home)
        assert (home / "again/other/README").read_text() == "hello\n"
        sshd.forget()
        for version in "012":
            await here.well("-c", f"protocol.version={version}", "ls-remote", "origin")
        assert [one.partition("|")[2] for one in sshd.heard] == ["", "version=1", "version=2"]


@in_loop
async def test_fifty_megabytes_go_both_ways_and_arrive_as_they_were(home: Path, forge: Forge, sshd: SshServer) -> None:
    async with inside(home, forge, sshd, AGENTS) as here:
        await here.cloned()
        for setting in ("core.compression", "core.looseCompression", "pack.compression", "gc.auto"):
            await here.well("config", setting, "0")
        (here.clone / "large").write_bytes(os.urandom(50 * 2**20))
        await here.commit("pad")
        await here.well("push", "-q", "origin", "HEAD:agent/large")
        await here.well("clone", "-q", "--bare", "--single-branch", "-b", "agent/large", URL, "large", cwd=home)
        assert here.sink.of(Connection)[-3].sent > 50 * 2**20
        assert here.sink.of(Connection)[-1].received > 50 * 2**20
        assert (await here.well("rev-parse", "agent/large", cwd=home / "large")).stdout == (
            await here.well("rev-parse", "HEAD")
        ).stdout
        refused = await here.git(
            "push", "origin", "HEAD:refs/heads/agent/x", "HEAD:refs/heads/elsewhere"
        )  # a refusal while much is sent
        assert "[remote rejected] HEAD -> elsewhere" in refused.stderr
        assert "refs/heads/elsewhere" not in forge.refs()
    git(forge.bare, "update-ref", "-d", "refs/heads/agent/large")  # the others clone it, too


@in_loop
async def test_a_repository_that_no_rule_is_about_is_refused_with_the_rule_to_add(
    home: Path, forge: Forge, sshd: SshServer
) -> None:
    async with inside(home, forge, sshd, AGENTS) as here:
        sshd.forget()
        done = await here.git("clone", f"{USER}@forge.test:org/other.git", "other", cwd=home)
        assert done.returncode == 128
        assert "safe-agent: no `[[remotes]]` of the policy is about" in done.stderr
        assert f'[[remotes]] url = "{USER}@forge.test:org/other.git"' in done.stderr
        assert sshd.heard == []
        (denied,) = here.sink.of(Connection)
        assert (denied.host, denied.port, denied.allowed) == ("forge.test", 22, False)


@in_loop
async def test_a_shell_and_copies_of_files_are_refused_with_a_clear_word(
    home: Path, forge: Forge, sshd: SshServer
) -> None:
    async with inside(home, forge, sshd, AGENTS) as here:
        sshd.forget()
        place = f"{USER}@forge.test"
        for command in (
            (str(here.ssh), place),
            (str(here.ssh), place, "id"),
            ("scp", "-S", str(here.ssh), f"{place}:/etc/hostname", "x"),
            ("scp", "-O", "-S", str(here.ssh), f"{place}:/etc/hostname", "x"),
            ("sftp", "-S", str(here.ssh), f"{place}:/etc/hostname"),
            ("rsync", "-e", str(here.ssh), f"{place}:/etc/hostname", "x"),
        ):
            assert shutil.which(command[0]), f"{command[0]} is needed"
            done = await here.run(*command)
            assert done.returncode != 0
            assert "safe-agent: ssh " in done.stderr, command
        assert not (home / "x").exists()
        assert sshd.heard == []
        assert len([one for one in here.sink.of(Connection) if not one.allowed]) == 6


@in_loop
async def test_a_server_whose_key_is_not_known_is_not_talked_to(home: Path, forge: Forge, sshd: SshServer) -> None:
    async with inside(home, forge, sshd, by_ssh("org/repo.git", host="stranger.test")) as here:
        sshd.forget()
        done = await here.git("ls-remote", f"{USER}@stranger.test:org/repo.git", cwd=home)
        assert done.returncode == 128
        assert "Host key verification failed" in done.stderr
        assert "hint: what ssh says is about this machine outside" in done.stderr
        assert sshd.heard == []


@in_loop
async def test_a_host_of_another_name_is_what_the_users_own_settings_say(
    home: Path, forge: Forge, sshd: SshServer
) -> None:
    async with inside(home, forge, sshd, by_ssh("org/repo.git", host="twin.test")) as here:
        done = await here.well("ls-remote", f"{USER}@twin.test:org/repo.git", cwd=home)
        assert "refs/heads/main" in done.stdout


@in_loop
async def test_a_key_in_the_users_agent_works_and_its_socket_stays_outside(
    home: Path, forge: Forge, sshd: SshServer, tmp_path: Path
) -> None:
    """Promise 2."""
    rule, url = by_ssh(host="agent.test"), f"{USER}@agent.test:org/repo.git"
    with ssh_agent(tmp_path / "agent", sshd.folder / "user_key") as sock:
        async with inside(home, forge, sshd, rule, environ={"SSH_AUTH_SOCK": str(sock)}) as here:
            await here.well("ls-remote", url, cwd=home)
            assert "SSH_AUTH_SOCK" not in here.environment
        async with inside(home, forge, sshd, rule) as here:  # the control
            assert "Permission denied" in (await here.git("ls-remote", url, cwd=home)).stderr


@in_loop
async def test_a_url_with_a_port_and_a_path_from_the_root_works(home: Path, forge: Forge, sshd: SshServer) -> None:
    rule = by_ssh(f"{forge.root}/org/repo.git", port=sshd.port)
    assert rule.url.startswith("ssh://")
    async with inside(home, forge, sshd, rule) as here:
        assert "refs/heads/main" in (await here.well("ls-remote", rule.url, cwd=home)).stdout
        other = rule.url.replace(str(sshd.port), "2222")
        assert f'url = "{other}"' in (await here.git("ls-remote", other, cwd=home)).stderr


@in_loop
async def test_where_nothing_can_be_recorded_nothing_is_started(home: Path, forge: Forge, sshd: SshServer) -> None:
    """Promise 4."""
    async with inside(home, forge, sshd, AGENTS, sink=MemorySink(fails=True)) as here:
        sshd.forget()
        done = await here.git("clone", URL, "clone", cwd=home)
        assert "nothing was sent, because the log cannot be written" in done.stderr
        assert sshd.heard == []


@in_loop
async def test_a_name_with_a_secret_in_it_is_not_pushed_nor_recorded(home: Path, forge: Forge, sshd: SshServer) -> None:
    """Promise 1."""
    async with inside(
        home, forge, sshd, AGENTS, redact=lambda data: data.replace(b"hunter2", b"MASKED-PASSWORD-00000000")
    ) as here:
        await here.cloned()
        done = await here.git("push", "origin", "HEAD:agent/hunter2")
        assert "a name holds a secret" in done.stderr
        assert "refs/heads/agent/hunter2" not in forge.refs()
        await here.git("ls-remote", f"{USER}@hunter2.test:org/repo.git")
        assert b"hunter2" not in b"".join(repr(one).encode() for one in here.sink.events)
        assert "MASKED-PASSWORD-00000000.test" in here.sink.of(Connection)[-1].host


# With programs of our own in the place of ssh.


def standing_in(here: Inside, script: str) -> Path:
    """Put a shell script in the place of the real ssh; gives a file that it can write."""
    file, mark = here.folder / "standing-in", here.folder / "mark"
    file.write_text(f"#!/bin/sh\nmark={mark}\n{script}\n")
    file.chmod(0o755)
    here.broker._ssh = Ssh(str(file), (), {"PATH": "/usr/bin:/bin"})
    return mark


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def appears(path: Path) -> str:
    def is_written() -> bool:
        return path.exists() and path.read_text().endswith("\n")

    await asyncio.to_thread(until, is_written)
    return path.read_text()  # noqa: ASYNC240 (a few bytes)


@in_loop
async def test_ssh_and_its_helpers_end_with_the_connection_and_with_the_session(
    home: Path, forge: Forge, sshd: SshServer
) -> None:
    async with inside(home, forge, sshd, AGENTS) as here:
        mark = standing_in(here, 'trap "" TERM; sleep 1000 & echo $$ $! >$mark; wait')
        for ends_by_session in (False, True):
            mark.unlink(missing_ok=True)
            client = await asyncio.create_subprocess_exec(
                here.ssh, f"{USER}@forge.test", "git-upload-pack 'org/repo.git'", stdin=asyncio.subprocess.PIPE
            )
            pids = [int(one) for one in (await appears(mark)).split()]
            assert all(map(is_there, pids))
            if ends_by_session:
                await here.broker.close()
            else:
                client.kill()
            await asyncio.to_thread(until, lambda: not any(map(is_there, pids)))  # noqa: B023 (awaited at once)
            await client.wait()
            assert client.stdin is not None
            client.stdin.close()
    assert here.broker._open == set()


STARTS = """
import asyncio
from wrapper.gateway.remotes.carrying import start

async def main():
    process = await start(["/bin/sleep", "1000"], {})
    print(process.pid, flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


@in_loop
async def test_ssh_ends_when_the_process_that_started_it_is_killed() -> None:
    """Promise 5: nothing outlives the session."""
    guard = await asyncio.create_subprocess_exec(sys.executable, "-c", STARTS, stdout=asyncio.subprocess.PIPE)
    assert guard.stdout is not None
    pid = int(await guard.stdout.readline())
    assert is_there(pid)
    guard.kill()
    await asyncio.to_thread(until, lambda: not is_there(pid))
    await guard.communicate()


@in_loop
async def test_what_ssh_is_started_with_holds_no_word_and_no_variable_of_the_inside(
    home: Path, forge: Forge, sshd: SshServer
) -> None:
    async with inside(home, forge, sshd, AGENTS) as here:
        mark = standing_in(here, '{ printf "%s\\n" "$@"; env; pwd; echo end; } >$mark; echo out; echo err >&2; exit 7')
        command = ("-o", "ProxyCommand=id", "-p", "22", "-i", "/key", "FORGE.test", "git-upload-pack '/org/repo'")
        done = await here.run(str(here.ssh), *command, GIT_PROTOCOL="version=2", LD_PRELOAD_X="x")
        assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
        seen = (await appears(mark)).splitlines()
        at = seen.index("--")
        assert seen[at + 1 : at + 3] == [f"{USER}@forge.test", "git-upload-pack 'org/repo.git'"]
        assert "GIT_PROTOCOL=version=2" in seen
        assert seen[-2:] == ["/", "end"]
        assert not [one for one in seen if "ProxyCommand" in one or "/key" in one or "LD_PRELOAD" in one]


@in_loop
async def test_a_server_hears_of_a_refused_push_that_there_is_nothing_to_write(
    home: Path, forge: Forge, sshd: SshServer
) -> None:
    async with inside(home, forge, sshd, AGENTS) as here:
        mark = standing_in(here, "{ cat; echo; } >$mark")
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(hello([f"{USER}@forge.test", "git-receive-pack 'org/repo.git'"], ""))
        line = f"{'0' * 40} {'1' * 40} refs/heads/main\0report-status"
        writer.write(frame(INPUT, f"{len(line) + 4:04x}{line}0000PACK".encode()) + frame(INPUT_END))
        said = await reader.read()
        writer.close()
        assert b"ng refs/heads/main" in said
        assert said[0] == OUTPUT
        assert said[-2:] == b"\x01\x00"
        assert mark.read_text() == "0000\n"


@pytest.mark.parametrize(
    "first", [b"GET / HTTP/1.1\r\n\r\n", frame(INPUT, b"x"), frame(HELLO, b"x"), b"H\xff\xff\xff\xff"]
)
@in_loop
async def test_whoever_does_not_speak_as_our_stub_gets_nothing(
    first: bytes, home: Path, forge: Forge, sshd: SshServer
) -> None:
    async with inside(home, forge, sshd, AGENTS) as here:
        sshd.forget()
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(first)
        said = await reader.read(4096)
        writer.close()
        assert b"safe-agent: this is not what git says to ssh" in said
        assert sshd.heard == []
        assert [one.allowed for one in here.sink.of(Connection)] == [False]


@in_loop
async def test_an_ssh_that_is_not_there_is_told(home: Path, forge: Forge, sshd: SshServer) -> None:
    async with inside(home, forge, sshd, AGENTS) as here:
        here.broker._ssh = Ssh("/nowhere/ssh", (), {})
        done = await here.git("ls-remote", URL, cwd=home)
        assert "safe-agent: ssh cannot be started outside" in done.stderr


@in_loop
async def test_what_ssh_and_the_server_say_has_no_known_value_in_it(home: Path, forge: Forge, sshd: SshServer) -> None:
    """Promise 2; also where it comes in two pieces, and what only looks like its beginning is not held back for ever."""
    vault, value = Vault(MASKING_KEY), fake("", 30)
    known = KnownValues(vault)
    known.add("TOKEN", value.encode(), Origin.OUTSIDE)
    shown = vault.issue("TOKEN", value.encode(), Origin.OUTSIDE)
    async with inside(home, forge, sshd, AGENTS, masking=lambda: KnownStream(known, vault)) as here:
        mark = standing_in(
            here,
            f"printf 'deploy key {value[:9]}' >&2; touch $mark; while [ -e $mark ]; do sleep 0.01; done; "
            f"printf '%s.\\n' {value} >&2; exit 3",
        )
        process = await asyncio.create_subprocess_exec(
            here.ssh, f"{USER}@forge.test", "git-upload-pack 'org/repo.git'",
            env=here.environment, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        said = await process.stderr.readuntil(value[:9].encode())  # though more could come
        mark.unlink()
        said += await process.stderr.read()
        assert await process.wait() == 3
        assert value not in said.decode()
        assert said.decode() == f"deploy key {value[:9]}{shown}.\n"


@in_loop
async def test_what_a_server_says_behind_a_refused_push_is_not_gathered(
    home: Path, forge: Forge, sshd: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 5: a hostile server fills no memory."""
    monkeypatch.setattr(carrying, "_ENDING", 1.0)
    async with inside(home, forge, sshd, AGENTS) as here:
        standing_in(here, "exec cat /dev/zero")
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(hello([f"{USER}@forge.test", "git-receive-pack 'org/repo.git'"], ""))
        line = f"{'0' * 40} {'1' * 40} refs/heads/main\0report-status"
        writer.write(frame(INPUT, f"{len(line) + 4:04x}{line}0000PACK".encode()) + frame(INPUT_END))
        tracemalloc.start()
        try:
            while await reader.read(2**16):
                pass
            assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
        finally:
            tracemalloc.stop()
            writer.close()


@in_loop
async def test_our_stub_ends_on_an_interrupt_without_a_word(home: Path, forge: Forge, sshd: SshServer) -> None:
    async with inside(home, forge, sshd, AGENTS) as here:
        mark = standing_in(here, "touch $mark; exec cat")
        process = await asyncio.create_subprocess_exec(
            here.ssh, f"{USER}@forge.test", "git-upload-pack 'org/repo.git'",
            env=here.environment, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        await asyncio.to_thread(until, mark.exists)
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
        assert (process.returncode, said) == (130, b"")


@in_loop
async def test_an_ssh_that_ends_while_it_is_written_to_leaves_no_word_behind(
    home: Path, forge: Forge, sshd: SshServer, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    async with inside(home, forge, sshd, AGENTS) as here:
        standing_in(here, "head -c 1 >/dev/null; exit 3")
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(hello([f"{USER}@forge.test", "git-upload-pack 'org/repo.git'"], ""))
        writer.write(frame(INPUT, b"x" * 65536) * 40 + frame(INPUT_END))
        assert (await reader.read())[-1] == 3
        writer.close()
    gc.collect()
    assert (told, caplog.records) == ([], [])
