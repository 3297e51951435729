"""Links, moved folders and pointers: a name inside the workspace that leads to a file outside of it."""

from pathlib import Path

import pytest

from tests.machine import Machine, fake


def test_a_link_to_a_secret_outside_leads_nowhere(anyones: Machine) -> None:
    """Promise 2: a symbolic link in the workspace is followed inside, where its target does not stand."""
    (anyones.workspace / "key").symlink_to(anyones.home / ".ssh" / "id_ed25519")
    (anyones.workspace / "credentials").symlink_to("../home/.aws/credentials")
    (anyones.workspace / "folder").symlink_to(anyones.home)
    seen = anyones.seen("cat key credentials folder/.ssh/id_ed25519 folder/.aws/credentials")
    assert not anyones.leaks(seen)
    assert seen.count("No such file") == 4


def test_a_hard_link_to_a_masked_file_shows_the_mask_too(anyones_shown: Machine) -> None:
    """Promise 2: the cover lies over a name, the secret is in the inode: all names must be covered."""
    (anyones_shown.workspace / "notes").hardlink_to(anyones_shown.workspace / ".env")
    seen = anyones_shown.seen(
        "cat notes; ln .env again; cat again; mv .env moved; cat moved; cp -l .env more; cat more"
    )
    assert not anyones_shown.leaks(seen)
    assert "STRIPE_KEY=MASKED-" in seen


def test_a_link_to_a_masked_file_shows_the_mask(machine: Machine) -> None:
    """Promise 2."""
    (machine.workspace / "settings").symlink_to(".env")
    assert "STRIPE_KEY=MASKED-" in machine.seen("cat settings; ln -s .env other; cat other")


@pytest.mark.parametrize("name", [".env", "notes.txt"], ids=["covered at the start", "covered later"])
def test_a_folder_swapped_for_a_link_does_not_lead_a_write_outside(shown: Machine, name: str) -> None:
    """Promise 3: what is written back after an edit inside must never reach a file outside the workspace.

    The inside moves the folder of a covered file away and puts a link to the user's home in its place: whoever opens
    the file by its old path from outside writes to the home.
    """
    victim = shown.home / name
    victim.write_text("precious=1\n")
    folder = shown.workspace / "config"
    folder.mkdir()
    token = fake("sk" + "_live_", 24)
    if name == ".env":
        (folder / name).write_text(f"TOKEN={token}\n")
    half = len(token) // 2
    make = f"[ -e config/{name} ] || echo TOKEN={token[:half]}''{token[half:]} > config/{name}"
    swap = f"mv config other; ln -s {shown.home} config"
    done = shown.inside(f"{make}; sleep 1; {swap}; echo EVIL=1 >> other/{name}; echo more >> other/{name}; sleep 1")
    assert done.returncode == 0, done.stderr
    assert "2 masked" not in done.stderr or f'"path": "config/{name}", "action": "masked"' in shown.log()
    assert victim.read_text() == "precious=1\n"
    assert (shown.workspace / "other" / name).read_text() == f"TOKEN={token}\nEVIL=1\nmore\n"


def test_a_folder_swapped_for_a_link_does_not_show_a_file_outside(shown: Machine) -> None:
    """Promise 2: nor must the cover be filled with what lies behind such a link."""
    folder = shown.workspace / "settings"
    folder.mkdir()
    (folder / "credentials").write_text(f"[default]\naws_secret_access_key = {fake('', 40)}\n")
    script = f"mv settings other; ln -s {shown.home}/.aws settings; touch settings; sleep 1; cat other/credentials"
    seen = shown.seen(script)
    assert not shown.leaks(seen)


def test_a_moved_folder_takes_its_covers_along(anyones_shown: Machine) -> None:
    """Promises 2 and 3: masked after the move, and an edit there reaches the real file."""
    folder = anyones_shown.workspace / "config"
    folder.mkdir()
    (folder / ".env").write_text(f"PASSWORD={anyones_shown.planted['odd']}\n")
    anyones_shown.give()
    seen = anyones_shown.seen("mv config settings; sleep 0.3; echo PORT=1 >> settings/.env; cat settings/.env")
    assert not anyones_shown.leaks(seen)
    assert (
        anyones_shown.workspace / "settings/.env"
    ).read_text() == f"PASSWORD={anyones_shown.planted['odd']}\nPORT=1\n"


def test_a_git_file_that_names_the_users_keys_binds_nothing(machine: Machine) -> None:
    """Promise 2: `.git` as a file names the folder of a worktree's repository; it is the project's, so not trusted."""
    ssh = machine.home / ".ssh"
    machine.host("rm", "-rf", ".git", check=True)
    (machine.workspace / ".git").write_text(f"gitdir: {ssh}\n")
    assert not machine.leaks(machine.seen(f"cat {ssh}/id_ed25519; ls -la {ssh}"))
    (ssh / "HEAD").write_text("ref: refs/heads/main\n")
    (ssh / "objects").mkdir()
    assert not machine.leaks(machine.seen(f"cat {ssh}/id_ed25519; ls -la {ssh}"))


def test_a_made_up_worktree_does_not_bind_another_repository(machine: Machine) -> None:
    """Promise 2: a folder in the workspace that looks like a worktree's names another project as its repository."""
    other = machine.home / "other"
    other.mkdir()
    machine.host("git", "init", "-q", cwd=other, check=True)
    (other / ".git" / "description").write_text(machine.planted["odd"])
    machine.host("rm", "-rf", ".git", check=True)
    own = machine.workspace / "own"
    own.mkdir()
    (own / "gitdir").write_text(f"{machine.workspace}/.git\n")
    (own / "commondir").write_text(f"{other}/.git\n")
    (own / "HEAD").write_text("ref: refs/heads/main\n")
    (machine.workspace / ".git").write_text("gitdir: own\n")
    seen = machine.seen(f"cat {other}/.git/description; echo evil > {other}/.git/hooks/post-checkout")
    assert not machine.leaks(seen)
    assert not Path(other, ".git/hooks/post-checkout").exists()
