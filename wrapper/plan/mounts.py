"""What of the host's file system stands inside, and how: an ordered list of mounts, made from facts alone.

Outside the workspace everything is an allow-list. A later mount lies over an earlier one, so the order is: system,
empty folders, then what is bound back, shallow before deep.
"""

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from wrapper.plan.facts import HostFacts

Kind = Literal["read-only", "read-write", "empty", "proc", "dev", "link", "seal"]

# the entries of /etc that programs need to find users, hosts, time, certificates, libraries and terminals; the rest
# (shadow, sudoers, ssh host keys, machine-id, mail and database configuration) stays outside
ETC = (
    "alternatives", "bash.bashrc", "crypto-policies", "debian_version", "fonts", "group", "inputrc", "java-11-openjdk",
    "java-17-openjdk", "java-21-openjdk", "ld.so.cache", "locale.alias", "locale.conf", "localtime", "lsb-release",
    "magic", "mime.types", "nanorc", "nsswitch.conf", "os-release", "passwd", "pip.conf", "pki/ca-trust",
    "pki/tls/certs", "profile", "profile.d", "protocols", "python3", "python3.11", "python3.12", "python3.13",
    "services", "shells", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone", "vim", "xdg", "zsh",
)  # fmt: skip

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt")
_EMPTY = ("/tmp", "/var/tmp", "/run", "/var/cache", "/var/lib", "/var/log")  # noqa: S108 (fresh ones, inside)


@dataclass(frozen=True, slots=True)
class Mount:
    """One thing that stands inside: `target` is the path inside, `source` the host's path or the link's text."""

    kind: Kind
    target: str
    source: str = ""
    reason: str = ""


def plan_mounts(  # noqa: PLR0913 (what is shown, each for a reason of its own)
    facts: HostFacts,
    *,
    state: Iterable[str],
    apart: Iterable[str] = (),
    fixed: Mapping[str, str] | None = None,
    roots: Iterable[str],
    read_only: Iterable[str] = (),
    read_write: Iterable[str] = (),
    cache: str | None = None,
    hosts_file: str | None = None,
    certificates: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    own: Mapping[str, str] | None = None,
    written: Mapping[str, str] | None = None,
) -> tuple[Mount, ...]:
    """List the mounts of one session; all paths are absolute and exist on the host.

    `state` are the client's own folders and files (read-write), of which `apart` are empty and `fixed` read-only, with
    what is shown in their place, `roots` what the client's program needs to run (read-only), `read_only` and
    `read_write` what policy adds, `cache` the project's cache folder outside, `certificates` files that a variable
    names, with the copies that are shown, `settings` likewise the files of /etc that the client reads, `own` and
    `written` the session's own files and folders by where they stand inside, the latter read-write.
    """
    trusted = tuple(_shown(certificates, "certificates that a variable names"))
    # what the workspace itself has in PATH (a virtual environment) is the workspace's, and as writable as the rest
    toolchains = (path for path in facts.toolchains if not _below(path, (facts.workspace,)))
    bound = [
        *(Mount("read-only", path, path, "toolchain in PATH") for path in toolchains),
        *(Mount("empty", path, reason="keys and logins of a toolchain's user") for path in facts.private),
        *(Mount("read-only", path, path, "the client's program") for path in roots),
        *(Mount("read-only", path, path, "policy `home.read_only`") for path in read_only),
        *(Mount("read-write", path, path, "policy `home.read_write`") for path in read_write),
        *(Mount("read-write", path, path, "the client's state") for path in state),
        *(Mount("empty", path, reason="private to the session: the client runs what stands there") for path in apart),
        *_shown(fixed, "the client acts on what stands there"),
        *((Mount("read-write", posixpath.join(facts.home, ".cache"), cache, "the project's cache"),) if cache else ()),
        *(Mount("read-write", path, path, "git's folder of this worktree") for path in facts.git_folders),
        *(mount for mount in trusted if not _below(mount.target, ("/etc",))),
        Mount("read-write", facts.workspace, facts.workspace, "the workspace"),
    ]
    outside_system = (
        mount for mount in bound if mount.kind == "read-write" or not _below(mount.target, facts.system_folders)
    )
    of_etc = (
        *(mount for mount in trusted if _below(mount.target, ("/etc",))),
        *_shown(settings, "settings for all of this machine"),
    )
    why = "safe-agent's own, for this session"
    host = (*_system(facts, hosts_file, of_etc), *sorted(outside_system, key=_depth))
    return (
        *host,
        *_without_sockets(host, facts),
        *_shown(own, why),
        *_shown(written, why, "read-write"),
    )


def _shown(files: Mapping[str, str] | None, reason: str, kind: Kind = "read-only") -> Iterable[Mount]:
    """Give a mount for each path inside of what is shown there."""
    return (Mount(kind, path, source, reason) for path, source in (files or {}).items())


def _without_sockets(mounts: Iterable[Mount], facts: HostFacts) -> Iterable[Mount]:
    """Cover the sockets of the machine that would stand inside; one that policy names by itself stands.

    The view answers for those of the workspace and of git's folders.
    """
    shown = tuple(mount for mount in mounts if mount.kind != "seal")
    views = (facts.workspace, *facts.git_folders)
    for path in facts.sockets:
        over = next((mount for mount in reversed(shown) if _below(path, (mount.target,))), None)
        if over is not None and over.kind in ("read-only", "read-write") and over.target not in (path, *views):
            yield Mount("read-only", path, "/dev/null", "a socket of this machine")


def _system(facts: HostFacts, hosts_file: str | None, more: Iterable[Mount]) -> Iterable[Mount]:
    for path in SYSTEM:
        if path in facts.links:
            yield Mount("link", path, facts.links[path], "system")
        elif path in facts.system_folders:
            yield Mount("read-only", path, path, "system")
    yield Mount("empty", "/etc", reason="only what programs need is bound back")
    for name in facts.etc:
        yield Mount("read-only", f"/etc/{name}", f"/etc/{name}", "system")
    if hosts_file:
        yield Mount("read-only", "/etc/hosts", hosts_file, "localhost only")
    yield from more
    yield Mount("seal", "/etc", reason="nothing is written to /etc")
    yield Mount("proc", "/proc")
    yield Mount("dev", "/dev")
    for path in (*_EMPTY, facts.home):
        yield Mount("empty", path, reason="private to the session")
    yield Mount("link", "/var/run", "../run", "system")


def _below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


def _depth(mount: Mount) -> tuple[int, str]:
    return mount.target.count("/"), mount.target
