"""The order of mounts is what protects: a later one lies over an earlier one."""

import posixpath
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.plan.facts import HostFacts
from wrapper.plan.mounts import ETC, SYSTEM, Mount, plan_mounts

FACTS = HostFacts(
    uid=1000,
    gid=1000,
    user="somebody",
    host="machine",
    home="/home/somebody",
    environ=MappingProxyType({}),
    workspace="/home/somebody/p",
    folder="/home/somebody/p",
    owner=1000,
    links=MappingProxyType({"/bin": "usr/bin", "/lib": "usr/lib"}),
    system_folders=("/usr", "/opt"),
    etc=("passwd", "ssl/certs"),
    path=("/usr/bin",),
    toolchains=(),
    git_folders=(),
)


def planned(facts: HostFacts = FACTS, **more: Any) -> tuple[Mount, ...]:
    return plan_mounts(facts, **{"state": (), "roots": (), **more})


def seen(mounts: tuple[Mount, ...], path: str) -> Mount | None:
    """Say what stands at `path` in the end: the last mount at it or above it."""
    found = None
    for mount in mounts:
        if mount.kind != "seal" and (f"{path}/").startswith(mount.target.rstrip("/") + "/"):
            found = mount
    return found


def shown(mounts: tuple[Mount, ...], path: str) -> str:
    mount = seen(mounts, path)
    return "nothing" if mount is None else mount.kind


def test_outside_the_workspace_only_the_system_is_there() -> None:
    mounts = planned()
    assert shown(mounts, "/home/somebody/p/file") == "read-write"
    assert shown(mounts, "/usr/bin/sh") == "read-only"
    assert shown(mounts, "/opt/x") == "read-only"
    for path in ("/home/somebody/.ssh/id", "/home/somebody/q", "/tmp/x", "/run/x", "/var/tmp/x", "/var/lib/x"):
        assert shown(mounts, path) == "empty", path
    for path in ("/root/x", "/home/other", "/mnt/x", "/srv/x", "/boot/x", "/sys/x"):
        assert shown(mounts, path) == "nothing", path


def test_etc_is_empty_but_for_what_programs_need_and_closed_after() -> None:
    mounts = planned(hosts_file="/cache/hosts")
    assert shown(mounts, "/etc/passwd") == "read-only"
    assert shown(mounts, "/etc/shadow") == "empty"
    assert seen(mounts, "/etc/hosts") == Mount("read-only", "/etc/hosts", "/cache/hosts", "localhost only")
    targets = [(mount.kind, mount.target) for mount in mounts]
    sealed = targets.index(("seal", "/etc"))
    assert all(at < sealed for at, (_, target) in enumerate(targets) if target.startswith("/etc/"))


@pytest.mark.parametrize("name", ["shadow", "gshadow", "sudoers", "machine-id", "ssh", "hostname", "krb5.keytab"])
def test_the_list_of_etc_holds_no_secret(name: str) -> None:
    assert not any(entry == name or entry.startswith(f"{name}/") for entry in ETC)


def test_certificates_stand_where_they_lie_also_below_etc() -> None:
    mounts = planned(certificates={"/etc/corp/ca.pem": "/c/1.pem", "/home/somebody/ca.pem": "/c/2.pem"})
    assert shown(mounts, "/etc/corp/ca.pem") == shown(mounts, "/home/somebody/ca.pem") == "read-only"
    assert shown(mounts, "/etc/corp/key.pem") == shown(mounts, "/home/somebody/key.pem") == "empty"
    targets = [mount.target for mount in mounts]
    assert targets.index("/etc/corp/ca.pem") < [mount.kind for mount in mounts].index("seal")


def test_what_the_client_runs_of_its_state_is_not_shared() -> None:
    folder = "/home/somebody/.claude"
    mounts = planned(state=(folder,), apart=(f"{folder}/daemon",), fixed={f"{folder}/daemon.json": "/c/1"})
    assert shown(mounts, f"{folder}/settings.json") == "read-write"
    assert shown(mounts, f"{folder}/daemon/dispatch/x.json") == "empty"
    found = seen(mounts, f"{folder}/daemon.json")
    assert found is not None
    assert (found.kind, found.source) == ("read-only", "/c/1")


def test_settings_for_all_of_the_machine_stand_in_etc_which_is_closed_after() -> None:
    path = "/etc/claude-code/managed-settings.json"
    mounts = planned(settings={path: "/c/1"})
    assert seen(mounts, path) == Mount("read-only", path, "/c/1", "settings for all of this machine")
    assert [mount.target for mount in mounts].index(path) < [mount.kind for mount in mounts].index("seal")


def test_links_of_the_system_are_links_inside() -> None:
    assert Mount("link", "/bin", "usr/bin", "system") in planned()
    assert shown(planned(), "/lib32") == "nothing"
    assert set(SYSTEM) >= {"/usr", "/bin", "/lib", "/lib64", "/sbin"}


def test_the_state_of_the_client_is_writable_and_its_program_is_not() -> None:
    mounts = planned(state=("/home/somebody/.claude",), roots=("/home/somebody/.local/share/claude",))
    assert shown(mounts, "/home/somebody/.claude/x") == "read-write"
    assert shown(mounts, "/home/somebody/.local/share/claude/bin") == "read-only"
    assert shown(mounts, "/home/somebody/.local/share/keyrings") == "empty"


def test_what_is_deeper_lies_over_what_is_shallower_in_whatever_order_it_is_given() -> None:
    mounts = planned(
        state=("/home/somebody/p/.state", "/home/somebody/p/.state/a"), read_only=("/home/somebody/p/.state/a/b",)
    )
    assert shown(mounts, "/home/somebody/p/.state/a/b/c") == "read-only"
    assert shown(mounts, "/home/somebody/p/.state/a/c") == "read-write"


def test_a_folder_of_home_that_policy_names_is_as_policy_says() -> None:
    mounts = planned(read_only=("/home/somebody/ro",), read_write=("/home/somebody/rw",))
    assert shown(mounts, "/home/somebody/ro/x") == "read-only"
    assert shown(mounts, "/home/somebody/rw/x") == "read-write"


def test_the_projects_cache_stands_for_the_users() -> None:
    mount = seen(planned(cache="/state/cache/p"), "/home/somebody/.cache/pip")
    assert mount == Mount("read-write", "/home/somebody/.cache", "/state/cache/p", "the project's cache")


def test_a_worktrees_repository_is_writable() -> None:
    mounts = planned(replace(FACTS, git_folders=("/home/somebody/main/.git",)))
    assert shown(mounts, "/home/somebody/main/.git/objects") == "read-write"
    assert shown(mounts, "/home/somebody/main/file") == "empty"


def test_a_virtual_environment_of_the_workspace_is_as_writable_as_the_rest_of_it() -> None:
    facts = replace(FACTS, toolchains=("/home/somebody/p/.venv/bin", "/home/somebody/.nvm/bin"))
    assert shown(planned(facts), "/home/somebody/p/.venv/bin/pip") == "read-write"
    assert shown(planned(facts), "/home/somebody/.nvm/bin/node") == "read-only"


def test_what_the_system_shows_already_is_not_bound_again() -> None:
    facts = replace(FACTS, toolchains=("/opt/tool/bin",))
    mounts = planned(facts, roots=("/usr/lib/node_modules", "/optional/x"))
    assert not [mount for mount in mounts if mount.target in ("/opt/tool/bin", "/usr/lib/node_modules")]
    assert shown(mounts, "/optional/x") == "read-only"


def test_a_workspace_below_a_folder_of_the_system_is_writable() -> None:
    mounts = planned(replace(FACTS, workspace="/opt/project"))
    assert shown(mounts, "/opt/project/x") == "read-write"


def test_fresh_proc_and_dev_stand_for_the_hosts() -> None:
    mounts = planned()
    assert shown(mounts, "/proc/1/environ") == "proc"
    assert shown(mounts, "/dev/sda") == "dev"
    assert seen(mounts, "/var/run/docker.sock") == Mount("link", "/var/run", "../run", "system")


_PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(lambda parts: "/home/somebody/" + "/".join(parts))


@given(
    state=st.lists(_PATHS, max_size=3),
    roots=st.lists(_PATHS, max_size=3),
    read_only=st.lists(_PATHS, max_size=3),
    read_write=st.lists(_PATHS, max_size=3),
    probe=_PATHS,
)
def test_nothing_of_home_is_seen_that_is_not_listed(
    state: list[str], roots: list[str], read_only: list[str], read_write: list[str], probe: str
) -> None:
    mounts = planned(state=state, roots=roots, read_only=read_only, read_write=read_write)
    listed = [*state, *roots, *read_only, *read_write, FACTS.workspace]
    covered = any(probe == one or probe.startswith(f"{one}/") for one in listed)
    assert (shown(mounts, probe) != "empty") == covered
    depths = [mount.target.count("/") for mount in mounts[len(planned()) - 1 :]]
    assert depths == sorted(depths)
    assert all(posixpath.isabs(mount.target) for mount in mounts)


def test_a_socket_of_the_machine_is_covered_wherever_it_would_stand_inside() -> None:
    home = FACTS.home
    covered = (f"{home}/.tool/bin/a.sock", f"{home}/.claude/b.sock", "/opt/db/mysql.sock", f"{home}/data/c.sock")
    others = (f"{home}/own/d.sock", "/run/docker.sock", "/tmp/x", f"{home}/p/e.sock", f"{home}/named.sock", "/sys/x")
    facts = replace(FACTS, sockets=(*covered, *others), toolchains=(f"{home}/.tool/bin",))
    mounts = planned(
        facts, state=(f"{home}/.claude",), read_only=(f"{home}/data", f"{home}/named.sock"), roots=("/opt/db",)
    )
    assert {mount.target for mount in mounts if mount.source == "/dev/null"} == set(covered)
    for path in covered:
        assert seen(mounts, path) == Mount("read-only", path, "/dev/null", "a socket of this machine")
    assert shown(mounts, f"{home}/named.sock") == "read-only"  # policy says so
    assert shown(mounts, f"{home}/own/d.sock") == shown(mounts, "/run/docker.sock") == "empty"


def test_the_private_folders_of_a_toolchain_are_empty_but_where_policy_names_them() -> None:
    net = f"{FACTS.home}/.dotnet"
    facts = replace(FACTS, toolchains=(net,), private=(f"{net}/corefx",))
    assert shown(planned(facts), f"{net}/corefx/my/a.pfx") == "empty"
    assert shown(planned(facts), f"{net}/tools") == "read-only"
    assert shown(planned(facts, read_only=(f"{net}/corefx",)), f"{net}/corefx/my/a.pfx") == "read-only"
