"""How the verbs come by key, index and logs; what they say of faults."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import click

from wrapper.audit import ledgerview, reader, verdicts
from wrapper.audit.bookkeeping import LEDGER
from wrapper.messages import printable
from wrapper.plan.places import Places
from wrapper.provenance.index import Index, workspace_ids
from wrapper.provenance.key import FILE, Key, load
from wrapper.provenance.model import Fault
from wrapper.provenance.rebuilding import doubt

_MOST_TOLD: Final = 20


def key_path(places: Places) -> Path:
    """Return where the key is."""
    return places.config / FILE


only_workspaces = click.option(
    "--workspace",
    "folders",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Only the workspace that FOLDER is in; more than once.",
)
"""The option of those commands that can look at some workspaces only."""


def opened(places: Places, folders: Sequence[Path] = ()) -> tuple[Index, Key]:
    """Open the index, of the workspaces that `folders` are in, or of all. Raises ProvenanceError."""
    key = load(key_path(places))
    wanted = [one for folder in folders for one in workspace_ids(key, folder)]
    return Index.open(places.state, key, workspaces=wanted if folders else None), key


def doubts(places: Places) -> Callable[[reader.Session], str]:
    """Return what says of a session why its log does not count in full, empty where the ledger vouches for it.

    That raises ProvenanceError where a log is another one than the ledger saw. Raises AuditError where there is a
    ledger that cannot be relied on.
    """
    folder = places.state / LEDGER
    told = verdicts.by_session(ledgerview.read(folder).entries) if folder.is_dir() else None
    return lambda session: doubt(verdicts.judge(session, None, told))


def say_faults(faults: Iterable[Fault], *, most: int = _MOST_TOLD) -> None:
    """Print why the index does not tell everything, with what to do, on stderr."""
    told = list(faults)
    for fault in told[:most]:
        where = f"session {fault.session}: " if fault.session else ""
        click.echo(f"fault: {printable(where + fault.why)}", err=True)
        if fault.hint:
            click.echo(f"hint: {printable(fault.hint)}", err=True)
    if len(told) > most:
        click.echo(f"and {len(told) - most} more faults: `safe-agent provenance status --json` has them all", err=True)
