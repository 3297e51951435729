"""What a session started here would know of secrets, for commands that run outside of one: `redact`, `scan --known`.

Known are the values of the environment, of the credential files of HOME, of dotenv and credential files of the
workspace, and of the files that are named besides. Nothing of it is printed or stored.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from redactors.documents import mask_document
from redactors.engine import Engine
from wrapper.errors import StateError, WorkspaceError
from wrapper.plan.contents import MOST_BYTES, read_regular
from wrapper.plan.credentials import learn_home
from wrapper.plan.environment import plan_environment
from wrapper.plan.facts import find_workspace
from wrapper.plan.inventory import Inventory, take_inventory
from wrapper.plan.learning import learner
from wrapper.plan.places import Places
from wrapper.policy.model import Policy

_MOST_BYTES: Final = 1 << 20  # of a dotenv file that was named; it may be a pipe


def workspace_here(places: Places) -> Path | None:
    """Give the workspace around the current folder; None where a session would refuse to start."""
    try:
        return find_workspace(None, places)[1]
    except WorkspaceError:
        return None


def learn(
    engine: Engine,
    policy: Policy,
    workspace: Path | None,
    files: Iterable[Path] = (),
    *,
    environ: Mapping[str, str],
    places: Places,
) -> Mapping[str, str]:
    """Make them known to `engine`; without a `workspace`, those of the environment, HOME and `files` alone.

    Gives the names in `files` whose values are too short or too common to be searched for, each with the reason.
    Raises StateError for one of `files` that cannot be read.
    """
    quiet = learner(engine)
    for file in files:
        mask_document(".env", _read(file), quiet, whole=True)
    skipped = {} if engine.known is None else dict(engine.known.unmatched)
    plan_environment(environ, policy, {}, engine, engine.vault)
    if workspace is None:
        learn_home(places.home, quiet)
    else:
        taken = take_inventory(workspace, policy=policy, engine=engine, cache=places.cache, home=places.home)
        _issue_shown(taken)
    return skipped


def _issue_shown(inventory: Inventory) -> None:
    """Issue every placeholder that the inside sees in masked files: it may stand for more than the value alone."""
    for verdict in inventory.files:
        if verdict.mode == "mask":
            with suppress(OSError):  # it is as little to be read inside
                inventory.judge.mask_file(verdict, read_regular(inventory.judge.absolute(verdict.path), MOST_BYTES))


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise StateError(f"cannot read `{file}`: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise StateError(f"`{file}` is larger than a dotenv file ever is", hint="name a file of lines `NAME=value`")
    return data
