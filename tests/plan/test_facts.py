"""What is read of the host: which folder becomes the workspace, and what else of HOME and git is shown."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from wrapper.errors import SessionError, WorkspaceError
from wrapper.plan.facts import NESTED, HostFacts, find_workspace, gather, program_roots
from wrapper.plan.mounts import ETC, SYSTEM
from wrapper.plan.places import Places


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def places(home: Path) -> Places:
    return Places.from_environment({"HOME": str(home)})


def gathered(home: Path, places: Places, folder: Path, *path: str | Path) -> HostFacts:
    environ = {"HOME": str(home), "PATH": ":".join(map(str, path or ("/usr/bin",))), "USER": "somebody"}
    return gather(environ, places, system=SYSTEM, etc=ETC, folder=folder)


def made(*folders: Path) -> Path:
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return folders[0]


def git(folder: Path, *arguments: str) -> None:
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *who, *arguments], cwd=folder, env=environ, check=True, capture_output=True)


# which folder is the workspace


def test_the_workspace_is_the_top_of_the_work_tree_around_the_folder(home: Path, places: Places) -> None:
    made(home / "p/.git", home / "p/src/deep")
    assert find_workspace(home / "p/src/deep", places) == (home / "p/src/deep", home / "p")


def test_a_folder_in_no_work_tree_is_its_own_workspace(home: Path, places: Places) -> None:
    made(home / "p/src")
    assert find_workspace(home / "p/src", places) == (home / "p/src", home / "p/src")


def test_a_repository_of_home_itself_is_not_the_workspace_of_what_lies_in_it(home: Path, places: Places) -> None:
    """Dotfiles in git: else every project would show the whole of HOME."""
    made(home / ".git", home / "p")
    assert find_workspace(home / "p", places)[1] == home / "p"


def test_a_repository_around_home_is_not_the_workspace_either(home: Path, places: Places) -> None:
    made(home.parent / ".git", home / "p")
    assert find_workspace(home / "p", places)[1] == home / "p"


def test_links_to_the_folder_are_resolved(home: Path, places: Places) -> None:
    made(home / "real/.git")
    (home / "link").symlink_to("real")
    assert find_workspace(home / "link", places)[1] == home / "real"


@pytest.mark.parametrize("folder", ["/", "/etc", "/usr", "/usr/lib", "/proc/self", "/tmp", "/home", "/var"])
def test_a_folder_of_the_system_is_no_workspace(places: Places, folder: str) -> None:
    if Path(folder).is_dir():
        with pytest.raises(WorkspaceError) as caught:
            find_workspace(Path(folder), places)
        assert caught.value.hint


def test_home_and_what_holds_it_are_no_workspaces(home: Path, places: Places) -> None:
    for folder, reason in ((home, "is your home folder"), (home.parent, "holds your home folder")):
        with pytest.raises(WorkspaceError, match=reason):
            find_workspace(folder, places)


@pytest.mark.parametrize("own", ["config", "state", "cache"])
def test_a_workspace_never_holds_or_lies_in_safe_agents_own_folders(home: Path, places: Places, own: str) -> None:
    folder: Path = made(getattr(places, own) / "inner")
    for at in (folder, folder.parent, folder.parent.parent):
        with pytest.raises(WorkspaceError, match="own folder"):
            find_workspace(at, places)


def test_a_folder_that_is_gone_is_refused(places: Places, home: Path) -> None:
    with pytest.raises(WorkspaceError, match="does not exist any more"):
        find_workspace(home / "gone", places)


def test_no_session_starts_in_a_session(home: Path, places: Places) -> None:
    with pytest.raises(SessionError, match="already inside"):
        gather({"HOME": str(home), NESTED: "1"}, places, system=(), etc=(), folder=made(home / "p"))


# what PATH needs of HOME


def test_a_toolchain_in_path_is_shown_with_what_it_needs(home: Path, places: Places) -> None:
    node = made(home / ".nvm/versions/node/v22/bin")
    cargo = made(home / ".cargo/bin", home / ".rustup")
    facts = gathered(home, places, made(home / "p"), node, cargo)
    assert set(facts.toolchains) == {str(node), str(node.parent), str(cargo), str(cargo.parent), str(home / ".rustup")}


def test_of_a_toolchain_the_folders_of_keys_and_logins_are_private(home: Path, places: Places) -> None:
    made(home / ".dotnet/corefx/cryptography", home / ".julia/servers", home / ".foundry/bin")
    (home / ".foundry/keystores").write_text("a file")
    facts = gathered(home, places, made(home / "p"), made(home / ".dotnet/tools"), home / ".foundry/bin")
    assert facts.private == (str(home / ".dotnet/corefx"),)  # Julia is not shown at all


@pytest.mark.parametrize("name", [".rd", ".orbstack"])
def test_beside_what_runs_containers_nothing_is_shown_though_it_does_not_run_yet(
    home: Path, places: Places, name: str
) -> None:
    folder = made(home / name / "bin")
    assert gathered(home, places, made(home / "p"), folder).toolchains == (str(folder),)


def test_a_toolchain_with_a_socket_in_it_is_shown_by_that_folder_alone(home: Path, places: Places) -> None:
    folder, run = made(home / ".tool/bin"), made(home / ".tool/run")
    with socket.socket(socket.AF_UNIX) as deep, socket.socket(socket.AF_UNIX) as left:
        deep.bind(str(run / "s"))
        facts = gathered(home, places, made(home / "p"), folder)
        assert facts.toolchains == (str(folder),)
        assert str(run / "s") in facts.sockets
        (run / "s").unlink()
        left.bind(str(home / ".tool/s"))
    assert gathered(home, places, home / "p", folder).toolchains == (str(folder),)  # though nobody listens any more
    (home / ".tool/s").unlink()
    assert str(home / ".tool") in gathered(home, places, home / "p", folder).toolchains


def test_a_project_in_path_is_shown_by_that_folder_alone(home: Path, places: Places) -> None:
    """Its parent may hold another project's secrets."""
    other = made(home / "other/bin")
    assert gathered(home, places, made(home / "p"), other).toolchains == (str(other),)


@pytest.mark.parametrize("name", [".local/share/pnpm", ".local/share/bin", ".local/state/x", ".cache/x", ".var/x"])
def test_a_folder_beside_those_of_all_programs_is_shown_alone(home: Path, places: Places, name: str) -> None:
    """Promise 2: `~/.local/share` has keyrings, and logins of other programs."""
    made(home / ".local/share/keyrings")
    folder = made(home / name)
    assert gathered(home, places, made(home / "p"), folder).toolchains == (str(folder),)


@pytest.mark.parametrize("name", [".ssh", ".aws", ".config/x", ".gnupg"])
def test_a_folder_of_keys_in_path_is_not_shown(home: Path, places: Places, name: str) -> None:
    assert gathered(home, places, made(home / "p"), made(home / name / "bin")).toolchains == ()


def test_path_outside_home_relative_missing_or_home_itself_adds_nothing(home: Path, places: Places) -> None:
    facts = gathered(home, places, made(home / "p"), "/usr/bin", "bin", "", home, home / "missing")
    assert facts.toolchains == ()
    assert "bin" not in facts.path


def test_a_link_out_of_home_adds_nothing(home: Path, places: Places) -> None:
    (home / "bin").symlink_to("/usr/bin")
    assert gathered(home, places, made(home / "p"), home / "bin").toolchains == ()


def test_a_program_behind_a_link_in_path_is_shown_with_its_package(home: Path, places: Places) -> None:
    local = made(home / ".local/bin")
    program = made(home / "lib/node_modules/tool/bin") / "tool.js"
    program.write_text("")
    (local / "tool").symlink_to(program)
    (local / "dangling").symlink_to("nowhere")
    facts = gathered(home, places, made(home / "p"), local)
    assert str(home / "lib/node_modules") in facts.toolchains
    assert str(home / ".local") not in facts.toolchains


@pytest.mark.parametrize(
    ("program", "root"),
    [
        ("lib/node_modules/a/bin/x", ["lib/node_modules"]),
        (".local/share/claude/versions/1/claude", [".local/share/claude"]),
        ("tools/x", ["tools"]),
        ("Downloads/x", ["Downloads/x"]),
        ("Documents/tools/x", ["Documents/tools"]),
        ("x", ["x"]),
        (".ssh/x", []),
        (".local/share/x", [".local/share/x"]),
        (".local/x", [".local/x"]),
    ],
)
def test_a_programs_root_holds_the_program_and_no_more(program: str, root: list[str]) -> None:
    assert list(program_roots(Path("/h") / program, Path("/h"))) == [f"/h/{one}" for one in root]


def test_folders_that_may_not_be_looked_into_are_no_errors(
    home: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PATH may name folders of another user's (`su` keeps it)."""
    closed = made(home / "tools/bin")
    real = os.stat

    def stat(path: object, **more: object) -> os.stat_result:
        if str(path).startswith("/root-only"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **more)  # type: ignore[arg-type]

    def scandir(path: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(os, "scandir", scandir)
    facts = gathered(home, places, made(home / "p"), "/root-only/bin", closed)
    assert facts.toolchains == (str(closed),)


# the system


def test_merged_folders_of_the_system_are_links_and_not_bound_twice(home: Path, places: Places) -> None:
    facts = gathered(home, places, made(home / "p"))
    assert "/usr" in facts.system_folders
    assert not facts.links.keys() & set(facts.system_folders)
    for path, text in facts.links.items():
        assert os.readlink(path) == text  # noqa: PTH115


def test_only_entries_of_etc_that_are_there_are_listed(home: Path, places: Places) -> None:
    facts = gather({"HOME": str(home)}, places, system=(), etc=("passwd", "nothing-of-it"), folder=made(home / "p"))
    assert facts.etc == ("passwd",)


# git's folders outside the workspace


@pytest.fixture
def repository(home: Path) -> Path:
    made(home / "main")
    git(home / "main", "init", "-q")
    (home / "main/file").write_text("x")
    git(home / "main", "add", "file")
    git(home / "main", "commit", "-qm", "start")
    return home / "main"


def test_a_plain_repository_needs_nothing_outside(home: Path, places: Places, repository: Path) -> None:
    assert gathered(home, places, repository).git_folders == ()


def test_a_worktree_needs_its_repositorys_folder(home: Path, places: Places, repository: Path) -> None:
    git(repository, "worktree", "add", "-q", str(home / "tree"))
    assert gathered(home, places, home / "tree").git_folders == (str(repository / ".git"),)


def test_a_submodule_needs_its_own_folder_only(home: Path, places: Places, repository: Path) -> None:
    made(home / "outer")
    git(home / "outer", "init", "-q")
    git(home / "outer", "submodule", "add", "-q", str(repository), "sub")
    facts = gathered(home, places, home / "outer/sub")
    assert facts.git_folders == (str(home / "outer/.git/modules/sub"),)


def worktree(home: Path, pointer: str) -> Path:
    """A workspace of a stranger's, whose `.git` file says what it likes."""
    workspace = made(home / "evil")
    (workspace / ".git").write_text(f"gitdir: {pointer}\n")
    return workspace


def test_a_git_file_that_names_a_folder_of_keys_shows_nothing(home: Path, places: Places) -> None:
    """Promise 2: the workspace is the work of strangers."""
    made(home / ".ssh")
    assert gathered(home, places, worktree(home, "../.ssh")).git_folders == ()


def test_a_git_file_that_names_another_projects_repository_shows_nothing(
    home: Path, places: Places, repository: Path
) -> None:
    assert gathered(home, places, worktree(home, str(repository / ".git"))).git_folders == ()


def test_a_folder_in_the_workspace_that_names_another_projects_repository_shows_nothing(
    home: Path, places: Places, repository: Path
) -> None:
    workspace = worktree(home, "own")
    made(workspace / "own")
    (workspace / "own/HEAD").write_text("ref: refs/heads/main\n")
    (workspace / "own/commondir").write_text(str(repository / ".git"))
    (workspace / "own/gitdir").write_text(str(workspace / ".git"))
    assert gathered(home, places, workspace).git_folders == ()


@pytest.mark.parametrize("name", ["HEAD", "commondir", "gitdir", "config"])
def test_a_pipe_in_gits_files_does_not_hold_the_start_up(home: Path, places: Places, name: str) -> None:
    workspace = worktree(home, "own")
    made(workspace / "own/objects")
    (workspace / "own/HEAD").write_text("ref: x\n")
    (workspace / "own" / name).unlink(missing_ok=True)
    os.mkfifo(workspace / "own" / name)
    assert gathered(home, places, workspace).git_folders == ()
