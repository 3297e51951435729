"""How the real ssh is started."""

import subprocess
from pathlib import Path

import pytest

from tests.gateway.remotes.forge import by_ssh
from wrapper.gateway.remotes.addresses import Granted
from wrapper.gateway.remotes.program import users_ssh


def test_the_words_are_the_rules_and_ours_come_before_the_users_own() -> None:
    ssh = users_ssh("/usr/bin/ssh", {"GIT_SSH_COMMAND": "ssh -F 'my config' -o ForwardAgent=yes"}, "/usr/bin")
    words = ssh.words(Granted(by_ssh("/srv/it's!.git", port=2222, user="git"), "git-upload-pack"))
    assert words[0] == "/usr/bin/ssh"
    assert words[-3:] == ["--", "git@forge.test", "git-upload-pack '/srv/it'\\''s'\\!'.git'"]
    assert words[-9:-3] == ["-p", "2222", "-F", "my config", "-o", "ForwardAgent=yes"]
    assert words.index("ForwardAgent=no") < words.index("ForwardAgent=yes")


def test_what_holds_for_ssh_is_ours_whatever_the_users_settings_say() -> None:
    hostile = "-o ForwardAgent=yes -o BatchMode=no -o StrictHostKeyChecking=no -o PermitLocalCommand=yes -L 1:x:1 -A -X"
    ssh = users_ssh("/usr/bin/ssh", {"GIT_SSH_COMMAND": f"ssh -F /dev/null {hostile}"}, "/usr/bin")
    words = ssh.words(Granted(by_ssh(), "git-upload-pack"))
    effective = subprocess.run([words[0], "-G", *words[1:-1]], capture_output=True, text=True, check=True).stdout
    for line in (
        "forwardagent no", "batchmode yes", "stricthostkeychecking true", "permitlocalcommand no", "tunnel false",
        "clearallforwardings yes", "requesttty false", "controlmaster false", "sendenv GIT_PROTOCOL", "forwardx11 no",
    ):  # fmt: skip
        assert f"\n{line}\n" in effective
    assert "localforward" not in effective


@pytest.mark.parametrize("text", ["plink -batch", "ssh 'unclosed", "", "/opt/bin/my-ssh -i x"])
def test_another_program_of_the_users_is_not_taken_for_ssh(text: str) -> None:
    assert users_ssh("/usr/bin/ssh", {"GIT_SSH_COMMAND": text}, "/usr/bin").options == ()


def test_ssh_sees_no_more_of_the_environment_than_it_needs() -> None:
    environ = {
        "HOME": "/home/u",
        "SSH_AUTH_SOCK": "/run/agent",
        "DATABASE_URL": "x",
        "LD_PRELOAD": "x",
        "PATH": "/evil",
    }
    ssh = users_ssh("/usr/bin/ssh", environ, "/usr/bin")
    assert ssh.around("") == {"HOME": "/home/u", "SSH_AUTH_SOCK": "/run/agent", "PATH": "/usr/bin"}
    assert ssh.around("version=2")["GIT_PROTOCOL"] == "version=2"


def test_a_home_that_is_not_the_one_of_passwd_is_told_to_ssh(tmp_path: Path) -> None:
    folder = tmp_path / ".ssh"

    def options() -> tuple[str, ...]:
        return users_ssh("/usr/bin/ssh", {"HOME": str(tmp_path)}, "/usr/bin").options

    assert options() == ()
    folder.mkdir()
    (folder / "id_ed25519").write_text("a key")
    bare = ("-o", f"UserKnownHostsFile={folder}/known_hosts", "-o", f"IdentityFile={folder}/id_ed25519")
    assert options() == bare
    (folder / "config").write_text("Host x\n  IdentityFile /y\n")
    assert options() == ("-F", f"{folder}/config", *bare[:2])
    own = {"HOME": str(tmp_path), "GIT_SSH_COMMAND": "ssh -F /z"}
    assert users_ssh("/usr/bin/ssh", own, "/usr/bin").options == ("-F", "/z")
