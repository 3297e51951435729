"""What the host is like, read once at the start; everything after works on this value."""

import os
import pwd
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wrapper.errors import SessionError, WorkspaceError
from wrapper.plan.gitinfo import first_line, layout_at, leads_astray, read_small
from wrapper.plan.places import Places, is_text
from wrapper.plan.sockets import is_socket, standing

NESTED = "SAFE_AGENT_SESSION"  # set inside, so that a session is never started in another

# folders of HOME whose parent is a whole toolchain (`~/.nvm/versions/node/v22/bin` needs its `lib`); anything else
# in PATH is shown by itself only, since its parent may be somebody's project
_TOOLCHAIN_FOLDERS = ("go", "sdk", "miniconda3", "anaconda3", "mambaforge", "miniforge3", "n", "google-cloud-sdk")
_NEVER = (".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config", ".password-store", ".netrc", ".mozilla")
_CLIENTS = (".claude", ".codex")  # their logins lie beside their programs; their adapters show what they need
# shared by all programs: keyrings and logins of others lie there (pnpm puts ~/.local/share/pnpm into PATH)
_MANY_PROGRAMS = (".local", ".local/share", ".local/state", ".cache", ".var", ".var/app")
_USERS_OWN = (
    "Desktop",
    "Documents",
    "Downloads",
    "Music",
    "Pictures",
    "Public",
    "Templates",
    "Videos",
)  # xdg-user-dirs
# what runs containers has its socket beside its programs, sooner or later: Rancher Desktop, OrbStack, Colima, Lima
_SERVING = (".rd", ".orbstack", ".colima", ".lima")
_COMPANIONS = {".cargo": (".rustup",), ".local": (".local/lib",)}
# of toolchains, deeper than their credential files: keys and logins of their users (.NET's certificate store, Foundry's
# wallets, Julia's package servers); no program there needs them to build anything
_PRIVATE = (".dotnet/corefx", ".foundry/keystores", ".julia/servers")
# never a workspace: these alone (whoever keeps projects beneath them is right), and these with all beneath
_SHARED = ("/home", "/root", "/tmp", "/var", "/var/tmp", "/usr", "/usr/local", "/opt", "/srv", "/mnt", "/media", "/lib")  # noqa: S108 (the host's)
_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/proc", "/run", "/sbin", "/sys", "/usr/bin", "/usr/lib", "/usr/sbin")
_MOST_LINKS = 400  # of one PATH folder that are followed to the program behind them


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The user, the folders and the system of this start; paths are absolute and resolved.

    `links` maps a system path that is a symbolic link to its text (`/bin` → `usr/bin`). `etc` are the entries of
    `mounts.ETC` that exist. `toolchains` are folders under HOME that PATH needs, `private` those in them that nobody is
    shown. `git_folders` are folders of git outside the workspace that a worktree or submodule needs. `sockets` are
    those of this machine's processes.
    """

    uid: int
    gid: int
    user: str
    host: str
    home: str
    environ: Mapping[str, str]
    workspace: str
    folder: str
    owner: int
    links: Mapping[str, str]
    system_folders: tuple[str, ...]
    etc: tuple[str, ...]
    path: tuple[str, ...]
    toolchains: tuple[str, ...]
    git_folders: tuple[str, ...]
    private: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()


def gather(
    environ: Mapping[str, str],
    places: Places,
    *,
    system: Iterable[str],
    etc: Iterable[str],
    folder: Path | None = None,
) -> HostFacts:
    """Read the facts. Raises WorkspaceError for a folder that must not be one, SessionError inside a session."""
    if environ.get(NESTED):
        raise SessionError(
            "this shell is already inside a safe-agent session",
            hint="start the client itself here; it is protected by the session around it",
        )
    here, workspace = find_workspace(folder, places)
    if leads_astray(workspace):
        raise WorkspaceError(
            f"`{workspace}/.git/commondir` names another repository, as git itself does in no such folder",
            hint="it came with what was unpacked here: remove that file, and look at the rest before you go on",
        )
    path = tuple(entry for entry in environ.get("PATH", os.defpath).split(":") if entry.startswith("/"))
    links, folders = _system(system)
    uid = os.getuid()
    sockets = standing((str(places.home), *folders))
    toolchains = tuple(dict.fromkeys(_toolchains(path, places.home, sockets)))
    return HostFacts(
        uid=uid,
        gid=os.getgid(),
        user=_user(uid, environ),
        host=socket.gethostname(),
        home=str(places.home),
        environ=dict(environ),
        workspace=str(workspace),
        folder=str(here),
        owner=workspace.stat().st_uid,
        links=links,
        system_folders=folders,
        etc=tuple(name for name in etc if os.path.exists(f"/etc/{name}")),  # noqa: PTH110 (see `_system`)
        path=path,
        toolchains=toolchains,
        git_folders=tuple(_git_folders(workspace)),
        private=tuple(_private(toolchains, places.home)),
        sockets=sockets,
    )


def find_workspace(folder: Path | None, places: Places) -> tuple[Path, Path]:
    """Return the current folder and the workspace: the top of its git work tree, else the folder itself."""
    try:
        here = (folder or Path.cwd()).resolve(strict=True)
    except OSError as error:
        raise WorkspaceError("the current folder does not exist any more", hint="`cd` to a project") from error
    if not is_text(here):
        raise WorkspaceError("the name of the current folder is not UTF-8", hint="rename it, or one above it")
    home = places.home
    workspace = next((at for at in (here, *here.parents) if at != home and os.path.exists(at / ".git")), here)  # noqa: PTH110
    if here == home or home.is_relative_to(workspace):
        workspace = here
    for refused, reason in ((Path("/"), "is the whole file system"), (home, "is your home folder")):
        if workspace == refused:
            raise WorkspaceError(f"the workspace `{workspace}` {reason}", hint="`cd` to a project folder first")
    if home.is_relative_to(workspace):
        raise WorkspaceError(
            f"the workspace `{workspace}` holds your home folder", hint="`cd` to a project folder first"
        )
    _refuse_system(workspace)
    for own in (places.config, places.state, places.cache):
        if own.resolve().is_relative_to(workspace) or workspace.is_relative_to(own.resolve()):
            raise WorkspaceError(
                f"the workspace `{workspace}` holds safe-agent's own folder `{own}`",
                hint="work in another folder, or point the XDG variables elsewhere",
            )
    return here, workspace


def _refuse_system(folder: Path) -> None:
    """Refuse what belongs to the system or to everybody: it would stand inside as it is, sockets and keys included."""
    place = str(folder)
    if place in _SHARED or any(place == top or place.startswith(f"{top}/") for top in _SYSTEM):
        raise WorkspaceError(
            f"the workspace `{folder}` is a folder of the system", hint="`cd` to a project folder first"
        )
    if folder.parent == Path("/home"):
        raise WorkspaceError(f"the workspace `{folder}` is a home folder", hint="`cd` to a project folder first")


def _user(uid: int, environ: Mapping[str, str]) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container often runs with an id that nobody has named
        return environ.get("USER", str(uid))


def _system(paths: Iterable[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    links: dict[str, str] = {}
    folders: list[str] = []
    for path in paths:  # by os.path: the methods of Path raise where a folder above may not be searched
        if os.path.islink(path):  # noqa: PTH114
            links[path] = os.readlink(path)  # noqa: PTH115
        elif os.path.isdir(path):  # noqa: PTH112
            folders.append(path)
    return links, tuple(folders)


def _toolchains(path: Iterable[str], home: Path, sockets: Iterable[str]) -> Iterator[str]:
    for entry in path:
        at = Path(os.path.realpath(entry))
        if not at.is_relative_to(home) or at == home or not os.path.isdir(at):  # noqa: PTH112
            continue
        first = at.relative_to(home).parts[0]
        if first in _NEVER:
            continue
        yield str(at)
        whole = (first.startswith(".") and first not in _CLIENTS) or first in _TOOLCHAIN_FOLDERS
        alone = at.parent in (home, *(home / name for name in _MANY_PROGRAMS)) or first in _SERVING
        if whole and not alone and not _serves(str(at.parent), sockets):
            yield str(at.parent)
        for companion in _COMPANIONS.get(first, ()):
            if (home / companion).is_dir():
                yield str(home / companion)
        yield from _behind_links(at, home)


def _serves(folder: str, sockets: Iterable[str]) -> bool:
    """Whether a process of this machine listens in a folder, or has left its socket at the top of it."""
    if any(one.startswith(f"{folder}/") for one in sockets):
        return True
    try:
        with os.scandir(folder) as entries:
            return any(is_socket(entry.path) for entry in entries)
    except OSError:  # it may be searched, but not listed
        return False


def _private(toolchains: Iterable[str], home: Path) -> Iterator[str]:
    shown = [Path(folder) for folder in toolchains]
    for name in _PRIVATE:
        folder = home / name
        if any(folder.is_relative_to(one) for one in shown) and folder.resolve() == folder and os.path.isdir(folder):  # noqa: PTH112
            yield str(folder)


def _behind_links(folder: Path, home: Path) -> Iterator[str]:
    """Yield the folders of programs that a PATH folder only links to (`~/.local/bin/claude`)."""
    try:
        with os.scandir(folder) as entries:
            links = [entry.path for entry in entries if entry.is_symlink()][:_MOST_LINKS]
    except OSError:  # it may be searched, but not listed
        return
    for link in links:
        target = Path(os.path.realpath(link))
        if target.is_relative_to(home) and os.path.isfile(target):  # noqa: PTH113
            yield from program_roots(target, home)


def program_roots(program: Path, home: Path) -> Iterator[str]:
    """Yield the folder that holds a program under HOME with all it needs, never one that holds more than that."""
    parts = program.relative_to(home).parts
    if parts[0] in _NEVER:
        return
    if "node_modules" in parts:
        yield str(home.joinpath(*parts[: parts.index("node_modules") + 1]))
    elif parts[:2] == (".local", "share") and len(parts) > 3:
        yield str(home.joinpath(*parts[:3]))
    else:
        yield str(program if holds_more(program.parent, home) else program.parent)


def holds_more(folder: Path, home: Path) -> bool:
    """Whether a folder with a program in it holds the user's own things beside: then the program is shown alone."""
    if home.is_relative_to(folder):
        return True
    if not folder.is_relative_to(home):
        return False
    parts = folder.relative_to(home).parts
    return parts[0] in _NEVER or "/".join(parts) in (*_MANY_PROGRAMS, *_USERS_OWN)


def _git_folders(workspace: Path) -> Iterator[str]:
    """Yield the folders that the workspace's `.git` file names (gitrepository-layout(5)), if they lie outside.

    The file belongs to the workspace and so cannot be trusted: it could name `~/.ssh`, or a folder of the workspace
    whose `commondir` names another project's repository. A folder counts only if it lies where git itself puts it,
    beneath the repository that it belongs to, and names this workspace.
    """
    layout = layout_at(workspace)
    if layout is None or (workspace / ".git").is_dir():
        return
    own, common = layout.git_dir, layout.common_dir
    is_git = (common / "HEAD").is_file() and (common / "objects").is_dir()
    is_its_own = own in (common, common / "worktrees" / own.name)
    if is_git and is_its_own and _names_back(own, workspace) and not common.is_relative_to(workspace):
        yield str(common)


def _names_back(own: Path, workspace: Path) -> bool:
    worktree = first_line(own / "gitdir").strip()
    if worktree:
        return Path(worktree).resolve() == workspace / ".git"
    lines = (line.strip() for line in os.fsdecode(read_small(own / "config")).splitlines())
    submodule = next((line.partition("=")[2].strip() for line in lines if line.startswith("worktree")), "")
    return bool(submodule) and (own / submodule).resolve() == workspace
