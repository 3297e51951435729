"""How the workspace is shown: by the daemon of a FUSE view where that can be had, else by covers.

Files outside of the workspace (the client's own, git's) and those in folders that are shown natively are covered in
either case. All of it stands before anything runs.
"""

import contextlib
import errno
import importlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from redactors.documents import mask_known
from wrapper.audit.events import FileChange, Redacted, Warned
from wrapper.audit.keys import Keys
from wrapper.crew import Recorder
from wrapper.errors import ProtectionError
from wrapper.look import Looked
from wrapper.messages import printable, say
from wrapper.ports import AuditSink
from wrapper.prepare import Prepared
from wrapper.processes import Forked, fork
from wrapper.view.beneath import FOLDER
from wrapper.view.binds import BindsView
from wrapper.view.covers import Covers, Disguise
from wrapper.view.recovery import FOLDER as RECOVERY

_NATIVE: Final = ("objects", "lfs")  # git's own: named by content, never removed or renamed as a whole
_DAEMON: Final = "wrapper.view.fuse"
_MOST_WARMED: Final = 5000  # folders
_MOST_REPOSITORIES: Final = 200


def stand(looked: Looked, view: BindsView) -> str:
    """Wait for the mounter; give how the workspace will be shown: `fuse`, or `binds` with the reason.

    Raises ProtectionError `view` where the namespaces are refused, or where policy wants FUSE and it cannot be had.
    """
    if looked.served:
        importlib.import_module(_DAEMON)  # while the mounter works: the daemon is forked with it
    view.ready()
    if view.devices:
        return "fuse"
    if looked.policy.files_commits == "review":
        raise ProtectionError(
            "review",
            f"commits cannot be kept back for a review: {view.refusal if looked.served else 'policy `files.view`'}",
            hint='`files.commits = "review"` needs the view by FUSE; `safe-agent doctor` says how to allow it',
        )
    if not looked.served:
        return "binds: policy `files.view`"
    if looked.policy.files_view == "fuse":
        raise ProtectionError(
            "view",
            f"the workspace cannot be served by FUSE: {view.refusal}",
            hint='policy `files.view = "fuse"` asks for it; `safe-agent doctor` says how to allow it',
        )
    say(f"the workspace is shown by bind mounts, since FUSE cannot be had ({view.refusal}); see `safe-agent doctor`")
    return f"binds: {view.refusal}"


class Showing:
    """Everything that stands between the inside and the real files; `close` when the session has ended."""

    def __init__(self, prepared: Prepared, view: BindsView, log: AuditSink, recorder: Recorder, folder: Path) -> None:
        self._prepared = prepared
        self._looked = prepared.looked
        self._plan = prepared.plan
        self._view = view
        self._log = log
        self._recorder = recorder
        self._folder = folder
        self._workspace = Path(self._plan.workspace)
        self._is_served = bool(view.devices)
        self._native: tuple[tuple[Path, str], ...] = ()
        self._late: Sequence[tuple[Path, str]] = ()
        self._daemon: Forked | None = None
        self.connection: socket.socket | None = None
        """The guard's end of the daemon's socket."""
        roots = [str(root) for root in self._looked.roots]
        self.covers = Covers(view, self._judged, self._prepared.restored, roots=roots)

    @property
    def watched(self) -> Mapping[str, int]:
        """The processes without which the session must end: name to pidfd."""
        daemon = {} if self._daemon is None else {"view": self._daemon.pidfd}
        return {"mounter": self._view.pidfd, **daemon}

    @property
    def repositories(self) -> tuple[Path, ...]:
        """The working trees whose commits are looked at."""
        if not self._is_served:
            return ()
        inventory = self._prepared.inventory
        found = [path.rstrip("/") for path in (*inventory.folders, *inventory.protected)]
        trees = {path[: -len("/.git")] for path in found if f"/{path}".endswith("/.git")}
        if len(trees) > _MOST_REPOSITORIES and self._looked.policy.files_commits == "review":
            raise ProtectionError(
                "review",
                f"commits cannot be kept back for a review in more than {_MOST_REPOSITORIES} repositories",
                hint="start in one of them",
            )
        return tuple(self._workspace / path for path in sorted(trees)[:_MOST_REPOSITORIES])

    def begin(self) -> None:
        """Show all but what `complete` shows. Raises ProtectionError for what cannot be covered (promise 5)."""
        early = self._prepared.early
        if self._is_served:
            self._native = tuple(self._native_folders())
            self._fork_daemon()
            over = (*early, *self._prepared.closed_folders, *self._plan.held, *self._plan.protected)
            self._late = [one for one in self._native if not any(map(_is_beneath(*one), over))]
            self._show_natively([one for one in self._native if one not in self._late])
        else:
            self._recorder.view.close()
        self._cover(early)

    def complete(self) -> None:
        """Show natively the folders in which nothing is covered, as git's objects. ProtectionError as above.

        This waits until the daemon answers, which has imports of its own to do: other work comes before it.
        """
        if self._is_served:
            self._show_natively(self._late)
            self._view.warm(self._workspace, self._warmed())

    def _show_natively(self, folders: Sequence[tuple[Path, str]]) -> None:
        for root, path in folders:
            with self._degradable("cover", f"`{path}` could not be shown"):
                self._view.show_natively(root, path)

    def rescan(self) -> Iterator[str]:
        """Yield every absolute path that needs a look: none where the daemon looks at each."""
        return iter(()) if self._is_served else self._prepared.rescan()

    def relative(self, path: str) -> str:
        """Give a path as the log has it."""
        return path.removeprefix(f"{self._plan.workspace}/")

    def hand_over(self) -> None:
        """Close what the guard has now."""
        if self.connection is not None:
            self.connection.close()

    def close(self) -> None:
        """End the daemon: what it had to say is said, and nothing runs inside any more."""
        if self._daemon is not None:
            signal.pidfd_send_signal(self._daemon.pidfd, signal.SIGKILL)
            self._daemon.wait()

    def _judged(self, path: str) -> Disguise | None:
        return None if self._is_daemons(path) else self._prepared.judged(path)

    def _is_daemons(self, path: str) -> bool:
        """Tell whether the daemon answers for an absolute path."""
        if not self._is_served or not path.startswith(tuple(f"{root}/" for root in self._looked.served)):
            return False
        return not any(f"{path}/".startswith(f"{root}/{native}/") for root, native in self._native)

    def _native_folders(self) -> Iterator[tuple[Path, str]]:
        """Give the folders that are shown as they are, and the root of each: git's objects, and what policy names."""
        workspace, *repositories = self._looked.served
        if str(workspace) in self._plan.frozen:
            return
        for root, above in ((workspace, ".git/"), *((one, "") for one in repositories)):
            for name in _NATIVE:
                place = root / above / name
                if place.is_dir() and not any(part.is_symlink() for part in (place, place.parent)):
                    yield root, f"{above}{name}"
        named: list[str] = []
        for path in sorted(self._prepared.inventory.folders):
            if path and self._looked.policy.is_native(f"{path}/") and not path.startswith(tuple(named)):
                named.append(f"{path}/")
                yield workspace, path

    def _warmed(self) -> Iterator[str]:
        """Give the folders that the client will look at first, those at the top first; then git's index."""
        inventory = self._prepared.inventory
        scanned = (path for path in inventory.folders if self._looked.policy.is_scanned(f"{path}/") or not path)
        git = (".git", ".git/refs", ".git/refs/heads", ".git/refs/tags", ".git/refs/remotes", ".git/info")
        yield from sorted((*git, *scanned), key=lambda path: path.count("/"))[:_MOST_WARMED]
        yield ".git/index"

    def _fork_daemon(self) -> None:
        self.connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        roots = [os.open(root, FOLDER) for root in self._looked.served]
        work = partial(self._be_daemon, roots, theirs)
        try:
            keep = [*self._view.devices, *roots, theirs.fileno(), self._recorder.view.fileno()]
            self._daemon = fork("safe-view", work, keep=keep)
        finally:
            for root in roots:
                os.close(root)
            theirs.close()
            self._recorder.view.close()
            self._view.hand_over_devices()

    def _be_daemon(self, roots: Sequence[int], guard: socket.socket) -> int:
        from wrapper.view.fuse import Served, ViewDuties, serve  # noqa: PLC0415 (see `stand`)

        served = []
        for device, root, path in zip(self._view.devices, roots, self._looked.served, strict=True):
            within = [
                one for one in self._plan.protected if path != self._workspace and f"{one}/".startswith(f"{path}/")
            ]
            names = tuple(one.removeprefix(str(path)).removeprefix("/") for one in within)
            served.append(Served(device, root, path, names))
        duties = ViewDuties(
            served=served,
            audit=self._recorder.view,
            guard=guard,
            inventory=self._prepared.inventory,
            vault=self._looked.vault,
            is_strict=self._looked.policy.files_damaged == "refuse",
            recovery=self._folder / RECOVERY,
            key=Keys(self._looked.places.config).masking_key,
        )
        return serve(duties)

    def _cover(self, early: Mapping[str, Disguise]) -> None:
        """Cover everything that must not be seen as it is and that the daemon does not answer for."""
        for path, disguise in early.items():
            if self._is_daemons(path):
                continue
            with self._degradable("cover", f"`{path}` could not be covered"):
                self.covers.add(path, disguise, early=True)
                name = mask_known(os.fsencode(self.relative(path)), self._prepared.engine).data
                self._log.append(FileChange(at=time.time(), path=printable(os.fsdecode(name)), action="masked"))
        mounts = (
            (self._prepared.closed_folders, self._view.cover_folder, "covered"),
            (self._plan.held, self._view.hold, "kept in its place"),
            (self._plan.protected, self._view.protect, "made read-only"),
        )
        for paths, mount, what in mounts:
            for path in paths:
                if not self._is_daemons(path):
                    with self._degradable("cover", f"`{path}` could not be {what}"):
                        mount(path)
        for row in self._plan.environment.rows:
            for kind in row.kinds:
                event = Redacted(
                    at=time.time(), kind=kind, placeholder=row.value_inside or "", place="environment", where=row.name
                )
                self._log.append(event)

    @contextlib.contextmanager
    def _degradable(self, protection: str, what: str) -> Iterator[None]:
        """Turn a failure of the system into a stop, or into a record where the user allowed to go on (promise 5)."""
        try:
            yield
        except OSError as error:
            if protection in self._plan.degraded:
                self._log.append_durable(Warned(at=time.time(), text=f"degraded: {what}: {error.strerror}"))
                return
            raise ProtectionError(protection, f"{what}: {error.strerror}", hint=_remedy(error, protection)) from error


def _remedy(error: OSError, protection: str) -> str:
    """Say what helps: where a cover finds no room the log finds none either, and without it the file would be shown."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free space where the state of sessions lies (XDG_STATE_HOME, by default `~/.local/state`)"
    return f"`--allow-degraded {protection}` goes on without"


def _is_beneath(root: Path, folder: str) -> Callable[[str], bool]:
    start = f"{root}/{folder}/"
    return lambda path: path.startswith(start)
