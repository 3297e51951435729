"""git by https, through the interception, to git's own server."""

import os
import re
import secrets
from pathlib import Path

from tests.gateway.intercept.scene import HOST
from tests.gateway.remotes.forge import Forge
from tests.gateway.remotes.httping import RULES, SECRET, URL, inside
from tests.gateway.wire import in_loop
from tests.repository import git
from wrapper.audit.events import Judged


@in_loop
async def test_a_clone_and_a_push_go_through_with_a_placeholder_for_the_token(home: Path, forge: Forge) -> None:
    """Promises 1 and 2."""
    async with inside(home, forge) as here:
        await here.cloned()
        await here.well("push", "-q", "origin", "HEAD:agent/first")
        assert forge.refs()["refs/heads/agent/first"] == (await here.well("rev-parse", "HEAD")).stdout.strip()
        settings = (await here.well("config", "--list")).stdout
        assert here.placeholder in settings
        assert here.token not in settings + repr(here.sink.events)
        (judged,) = here.sink.of(Judged)
        assert (judged.about, judged.action) == ("push", "allowed")
        assert judged.rule.startswith(f"{URL}: refs/heads/agent/first ")


@in_loop
async def test_a_push_with_one_ref_that_may_not_be_is_refused_whole_and_git_says_why(home: Path, forge: Forge) -> None:
    before = forge.refs()
    async with inside(home, forge) as here:
        await here.cloned()
        for more in ((), ("-c", "http.postBuffer=65536")):
            await here.commit(f"large{len(more)}", os.urandom(2**20))
            done = await here.git(*more, "push", "origin", "HEAD:main", "HEAD:agent/with-main")
            assert done.returncode == 1, done.stderr
            lines = [line.rstrip() for line in done.stderr.splitlines()]
            assert (
                f"remote: safe-agent: this push to {URL} is refused, nothing was sent: policy lets only agent/* be pushed"
                in lines
            )
            assert " ! [remote rejected] HEAD -> main (policy lets only agent/* be pushed)" in lines
            assert " ! [remote rejected] HEAD -> agent/with-main (another ref of this push is refused)" in lines
        assert forge.refs() == before
        assert [one for one in here.asked("/git-receive-pack") if one.body != b"0000"] == []
        await here.well("-c", "http.postBuffer=65536", "push", "-q", "origin", "HEAD:agent/with-main")  # the control
        assert here.asked("/git-receive-pack")[-1].headers.get("transfer-encoding") == "chunked"
    assert set(forge.refs()) - set(before) == {"refs/heads/agent/with-main"}


@in_loop
async def test_force_and_deletion_work_tags_and_push_options_do_not(home: Path, forge: Forge) -> None:
    async with inside(home, forge) as here:
        await here.cloned()
        await here.well("tag", "v1")
        await here.well("push", "-q", "--atomic", "origin", "HEAD:agent/one", "HEAD:agent/two")
        await here.well("commit", "-q", "--amend", "-m", "otherwise")
        await here.well("push", "-q", "--force", "origin", "HEAD:agent/one", ":agent/two")
        assert "refs/heads/agent/two" not in forge.refs()
        for refused in (("v1",), (":main",), ("-o", "ci.variable=A=1", "HEAD:agent/three")):
            done = await here.git("push", "origin", *refused)
            assert "[remote rejected]" in done.stderr, (refused, done.stderr)
        assert "refs/heads/main" in forge.refs()
        assert {"refs/tags/v1", "refs/heads/agent/three"}.isdisjoint(forge.refs())


@in_loop
async def test_shallow_clones_protocols_and_long_negotiations_work(home: Path, forge: Forge) -> None:
    async with inside(home, forge) as here:
        await here.well("clone", "-q", "--depth=1", URL, "clone", cwd=home)
        await here.commit("shallow")
        await here.well("push", "-q", "origin", "HEAD:agent/shallow")
        for version in "012":
            await here.well("-c", f"protocol.version={version}", "ls-remote", "origin")
        assert {one.headers.get("git-protocol") for one in here.asked("/info/refs")} == {None, "version=1", "version=2"}
        for number in range(40):  # enough to say for git to compress it
            await here.well("commit", "-q", "--allow-empty", "-m", str(number))
        git(
            forge.bare,
            "update-ref",
            "refs/heads/new",
            git(forge.bare, "commit-tree", "-m", "x", "main^{tree}").decode().strip(),
        )
        await here.well("fetch", "-q", "origin", "new")
        assert any(one.body.count(b"have ") > 10 for one in here.asked("/git-upload-pack"))
    git(forge.bare, "update-ref", "-d", "refs/heads/new")


@in_loop
async def test_another_repository_and_a_push_where_none_may_be_are_refused_in_gits_words(
    home: Path, forge: Forge
) -> None:
    read_only = RULES.replace('push = ["agent/*"]', "")
    async with inside(home, forge, rules=read_only + SECRET) as here:
        await here.cloned()
        done = await here.git("push", "origin", "HEAD:agent/x")
        assert f"remote: safe-agent: policy lets {URL} be fetched from only" in done.stderr
        other = await here.git("clone", f"https://{HOST}/org/other.git", "other", cwd=home)
        assert other.returncode == 128
        assert "remote: safe-agent: no `[[remotes]]` of the policy is about this repository" in other.stderr
        assert {one.path.split("/")[2] for one in here.service.asked} == {"repo.git"}
        assert not here.asked("/git-receive-pack")


@in_loop
async def test_settings_of_the_users_do_not_come_in_the_way_of_the_placeholder(home: Path, forge: Forge) -> None:
    """Helpers that print something else or hang, a header of a CI job's checkout, a prompt."""
    async with inside(home, forge) as here:
        asked = home / "asked"
        helper = home / "helper"
        helper.write_text(f"#!/bin/sh\ntouch {asked}\necho username=other\necho password=other\n")
        helper.chmod(0o755)
        (home / ".gitconfig").write_text(
            f"[credential]\n\thelper = {helper}\n\thelper = store\n\tuseHttpPath = true\n[core]\n\taskPass = {helper}\n"
            f'[credential "https://{HOST}"]\n\thelper = {helper}\n\tusername = someone\n'
            f'[http "https://{HOST}/"]\n\textraheader = Authorization: basic b3RoZXI6b3RoZXI=\n'
        )
        await here.cloned()
        await here.well("config", f"http.https://{HOST}/.extraheader", "Authorization: basic b3RoZXI6b3RoZXI=")
        await here.well("push", "-q", "origin", "HEAD:agent/settings")
        assert not asked.exists()
        assert not (home / ".git-credentials").exists()
        count = str(int(here.environment["GIT_CONFIG_COUNT"]) - 3)
        without = await here.git("ls-remote", "origin", GIT_CONFIG_COUNT=count)  # the control
        assert without.returncode == 128
        assert asked.exists()


@in_loop
async def test_where_the_placeholder_is_refused_git_ends_and_asks_nobody(home: Path, forge: Forge) -> None:
    async with inside(home, forge) as here:
        here.token = "another"
        settings = {
            key: value.replace(here.placeholder, "MASKED-OTHER-00000000") for key, value in here.environment.items()
        }
        done = await here.git("ls-remote", URL, cwd=home, **settings)
        assert done.returncode == 128
        assert re.search("Authentication failed|terminal prompts disabled", done.stderr)


@in_loop
async def test_a_push_is_searched_for_known_values_and_not_by_rules(home: Path, forge: Forge) -> None:
    """What rules find in packed bytes is chance; a value that is known has no business there, however it came."""
    async with inside(home, forge) as here:
        await here.cloned()
        await here.well("config", "core.compression", "0")
        certain = "AKIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))
        await here.commit("certain", f"aws_access_key_id = {certain}\n".encode())
        await here.well("push", "-q", "origin", "HEAD:agent/certain")
        await here.commit("known", f"deploy with {here.token}\n".encode())
        done = await here.git("push", "origin", "HEAD:agent/known")
        assert done.returncode == 1
        assert {"refs/heads/agent/certain", "refs/heads/agent/known"} & set(forge.refs()) == {
            "refs/heads/agent/certain"
        }
        assert (await here.git("ls-remote", "origin")).returncode == 0
