"""`safe-agent provenance import`: what others claim of commits, taken over as claims."""

import json
import os
import stat
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from wrapper.errors import ProvenanceError
from wrapper.messages import say
from wrapper.plan.places import Places

if TYPE_CHECKING:
    from wrapper.provenance.exchange.claiming import Remark
    from wrapper.provenance.exchange.claims import Claim
    from wrapper.provenance.exchange.repository import Repository
    from wrapper.provenance.exchange.taking import Taken
    from wrapper.provenance.key import Key
    from wrapper.provenance.store import Store

_LEFT_OUT: Final = 1
_TRACES: Final = Path(".agent-trace/traces.jsonl")  # where Agent Trace's reference implementation keeps them
_MOST_NAMED: Final = 20  # remarks that are printed


@click.command(
    "import",
    epilog="\b\nExit codes: 0 all taken over; 1 some of it was not, and why; 2 wrong usage; 125 nothing could be read.",
    help="""Take over what others say that agents wrote, as claims, into the index of this repository.

    \b
      git-ai       notes of git-ai under refs/notes/ai (authorship 3.0.0)
      agent-trace  records of Agent Trace 0.1.0, in FILES of JSON or JSON lines (.agent-trace/traces.jsonl)
      trailers     commit messages: Co-authored-by of known agents, Assisted-by, Generated-by, Claude-Session, ...

    Of all commits, or of those that REVISIONS names. What is kept is codes of the claimed lines, so that they are found
    again after moves and rewrites. A claim stays a claim: `blame` shows whose word it is, and a policy says whether it
    counts (`provenance.claims`). That a person wrote lines, or approved them, is taken over from nobody. A commit
    message claims the lines that its commit added. Importing twice changes nothing; `--forget` takes it back.

    \b
    Examples:
      git fetch origin refs/notes/ai:refs/notes/ai && safe-agent provenance import --from git-ai
      safe-agent provenance import --from trailers main..topic
      safe-agent provenance import --from agent-trace traces/*.json --dry-run
    """,
)
@click.argument("what", nargs=-1, metavar="[REVISIONS | FILES]...")
@click.option("--from", "source", required=True, type=click.Choice(("git-ai", "agent-trace", "trailers")))
@click.option("--at", metavar="REV", default="", help="The commit that records of Agent Trace without one speak of.")
@click.option("--forget", is_flag=True, help="Forget all that was taken over from there.")
@click.option("--dry-run", "dry", is_flag=True, help="Only say what would be taken over, or forgotten.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(
    ctx: click.Context, *, what: tuple[str, ...], source: str, at: str, forget: bool, dry: bool, as_json: bool
) -> None:
    """Read the claims and write them into the index."""
    if source != "agent-trace" and (len(what) > 1 or at):
        raise click.UsageError("name commits as one word, `main..topic`; `--at` goes with `--from agent-trace`")
    if forget and (what or at):
        raise click.UsageError("`--forget` takes back all of it: name no commits and no files")
    from wrapper.provenance.exchange.repository import Repository  # noqa: PLC0415 (starts git)
    from wrapper.provenance.exchange.taking import take  # noqa: PLC0415 (numpy)
    from wrapper.provenance.store import Store  # noqa: PLC0415
    from wrapper.provenance.workspaces import FOLDER, workspace_id  # noqa: PLC0415

    places = Places.from_environment()
    repository = Repository.around(Path.cwd())
    key = _key(places, dry=dry)
    store = Store(places.state / FOLDER / workspace_id(key, repository.layout.toplevel), key)
    if forget:
        _forget(store, source, dry=dry, as_json=as_json)
        return
    taken = take(_claims(repository, source, what, at), repository, store, key.coder(), dry=dry)
    if as_json:
        click.echo(json.dumps(_document(taken, source, dry=dry)))
    else:
        _tell(taken, dry=dry)
    ctx.exit(_LEFT_OUT if any(remark.is_fault for remark in taken.remarks) else 0)


def _forget(store: "Store", source: str, *, dry: bool, as_json: bool) -> None:
    from wrapper.provenance.exchange.claiming import ORIGINS  # noqa: PLC0415
    from wrapper.provenance.exchange.taking import forget  # noqa: PLC0415 (numpy)

    count = forget(store, ORIGINS[source], dry=dry)
    if as_json:
        click.echo(json.dumps({"from": source, "dry_run": dry, "forgotten": count}))
    else:
        click.echo(f"{_counted(count, 'claim')} {'would be ' if dry else ''}forgotten")


def _claims(repository: "Repository", source: str, what: Sequence[str], at: str) -> "Iterator[Claim | Remark]":
    from wrapper.provenance.exchange import claiming  # noqa: PLC0415

    if source == "git-ai":
        return claiming.from_notes(repository, "".join(what))
    if source == "trailers":
        return claiming.from_trailers(repository, "".join(what))
    files = [Path(name) for name in what] or [repository.layout.toplevel / _TRACES]
    return chain.from_iterable(claiming.from_records(repository, _content(file), str(file), at) for file in files)


def _key(places: Places, *, dry: bool) -> "Key":
    """Give this user's key, made at the first import; one for this moment where nothing is to be written."""
    from wrapper.provenance import key  # noqa: PLC0415 (cryptography)

    path = places.config / key.FILE
    if dry and not path.exists():
        return key.Key(os.urandom(32))
    places.private(places.config, places.state)
    return key.load_or_make(path)


def _content(file: Path) -> bytes:
    """Read a file that a stranger may have put there. Raises ProvenanceError."""
    from wrapper.provenance.exchange.agenttrace import LARGEST  # noqa: PLC0415

    try:
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
                raise ProvenanceError(f"`{file}` is no file of records: not a regular file, or too large")
            return stream.read(LARGEST)
    except OSError as error:
        raise ProvenanceError(f"cannot read `{file}`: {error.strerror}", hint="name files of records") from error


def _tell(taken: "Taken", *, dry: bool) -> None:
    for remark in taken.remarks[:_MOST_NAMED]:
        say(f"not taken over: {remark.where}: {remark.why}")
    if len(taken.remarks) > _MOST_NAMED:
        say(f"not taken over: {len(taken.remarks) - _MOST_NAMED} more (`--json` names them)")
    would = "would be taken over" if dry else "taken over"
    found = f"{_counted(taken.claims, 'claim')} about {_counted(taken.lines, 'line')}"
    click.echo(f"{found} {would}" + (f"; {_counted(taken.known, 'claim')} already there" if taken.known else ""))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _document(taken: "Taken", source: str, *, dry: bool) -> dict[str, object]:
    return {
        "from": source,
        "dry_run": dry,
        "claims": taken.claims,
        "lines": taken.lines,
        "known": taken.known,
        "commits": sorted(taken.commits),
        "not_taken_over": [remark._asdict() for remark in taken.remarks],
    }
