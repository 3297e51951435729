"""`safe-agent provenance verify`: prove that the index is as it was written."""

from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from wrapper.audit import reader
from wrapper.audit.format import NoKeyError
from wrapper.audit.keys import Keys
from wrapper.audit.reader import State
from wrapper.audit.seal import Opener
from wrapper.cli.auditing.opening import record_reading
from wrapper.cli.indexing.opening import doubts, only_workspaces, opened, say_faults
from wrapper.errors import SafeAgentError
from wrapper.messages import say
from wrapper.plan.places import Places
from wrapper.provenance.index import Index
from wrapper.provenance.key import Key
from wrapper.provenance.model import Fault
from wrapper.provenance.rebuilding import differs

_DIFFERS = "it holds other things than its log gives"
_UNREAD = "its index was made after its end, and its log is not here, or cannot be read any more"


@click.command(
    epilog="\b\nExit codes: 0 all of it is whole; 1 it has faults; 2 wrong usage; 125 a key cannot be read.",
    help="""Prove that all sheets are as they were written, that each session has all of its own, and that the ledger
    of this machine knows no more: what is cut, changed, put back, missing, or of another key is a fault.

    Of a session whose index was made after its end (by `rebuild`, or by somebody with this account) the ledger cannot
    tell that it holds what the session brought. With --logs each session's index is compared with what its log gives:
    that needs the key that reads the logs, the ledger says that they were read, and it takes as long as `rebuild`.

    \b
    Examples:
      safe-agent provenance verify
      safe-agent provenance verify --logs
      safe-agent provenance verify --workspace ~/project --json
    """,
)
@only_workspaces
@click.option("--logs", is_flag=True, help="Compare the index of each session with its log.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, *, folders: tuple[Path, ...], logs: bool, as_json: bool) -> None:
    """Print a sentence, and the faults."""
    places = Places.from_environment()
    index, key = opened(places, folders)
    whole = {session: known for session, known in index.sessions.items() if known.is_whole}
    found = _compared(places, index, key) if logs else ()
    faults = (*index.faults, *found)
    count, anew = len(whole) - len({fault.session for fault in found}), len(index.anew)
    if as_json:
        row = {
            "version": 1, "key": key.id, "sessions": len(index.sessions), "whole": count, "made_anew": anew,
            "compared_with_logs": logs, "faults": [fault._asdict() for fault in faults],
        }  # fmt: skip
        click.echo(msgspec.json.encode(row).decode())
    else:
        lines = sum(known.lines for known in index.sessions.values())
        state = "whole" if not faults else f"{len(faults)} fault{'' if len(faults) == 1 else 's'}"
        click.echo(f"{state}: {count} of {len(index.sessions)} sessions are whole, {lines} lines under key {key.id}")
        if anew and not logs:
            click.echo(f"{anew} of them made after the session's end: `--logs` compares with the logs")
        say_faults(faults)
    ctx.exit(int(bool(faults)))


def _compared(places: Places, index: Index, key: Key) -> tuple[Fault, ...]:
    """Return what is wrong with sessions whose index is whole, when it is compared with their logs."""
    identity = Keys(places.config).load_identity()
    there = {one.id: one for one in reader.list_sessions(places.state) if one.state is not State.RUNNING}
    doubt = doubts(places)
    wanted = [session for session, known in index.sessions.items() if known.is_whole and (known.sheets or known.first)]
    record_reading(places, [session for session in wanted if session in there], "provenance verify")
    say(f"comparing the index of {len(wanted)} session{'' if len(wanted) == 1 else 's'} with the logs")
    found, unread = list[Fault](), 0
    for session in wanted:
        hint = f"`safe-agent provenance rebuild {session}`"
        try:
            if why := _differs(places, key, identity, there.get(session), doubt):
                found.append(Fault(session, why, hint))
        except NoKeyError:
            unread += 1
            found += [Fault(session, _UNREAD)] if session in index.anew else []
        except SafeAgentError as error:
            found.append(Fault(session, error.what, hint))
    if unread:
        say(f"{unread} of them cannot be compared: their logs are not here, or cannot be read any more")
    return tuple(found)


def _differs(
    places: Places, key: Key, identity: Opener, session: reader.Session | None, doubt: Callable[[reader.Session], str]
) -> str:
    """Return what is wrong with the index of a session, empty where it is what the log gives.

    Raises NoKeyError where there is no log that could be read, SafeAgentError as `doubt` and the reading do.
    """
    if session is None:
        raise NoKeyError("its log is not here")
    why = doubt(session)
    records = reader.read_records(session.directory, identity)
    return why or (_DIFFERS if differs(session.id, records, session.state, places.state, key) else "")
