"""`safe-agent provenance export`: what the index knows, for git-ai, for Agent Trace, or for a commit message."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from wrapper.cli.options import policy_options
from wrapper.errors import StateError
from wrapper.messages import printable, say
from wrapper.plan.chosen import load_chosen
from wrapper.plan.places import Places

if TYPE_CHECKING:
    from wrapper.provenance.blaming import Blaming
    from wrapper.provenance.changes import Change, Changes
    from wrapper.provenance.exchange.giving import Prompts
    from wrapper.provenance.exchange.noting import Noted
    from wrapper.provenance.exchange.repository import Repository
    from wrapper.provenance.exchange.telling import File

_LEFT_OUT: Final = 1
_MODE: Final = 0o600
_SHORT: Final = 12


@dataclass(frozen=True, slots=True)
class Known:
    """What an export is made of: the repository, its changes, and the index."""

    places: Places
    repository: "Repository"
    changes: "Changes"
    blaming: "Blaming"

    def commits(self, revisions: str) -> list[str]:
        """Give the ids of the commits that are meant, the oldest first."""
        return self.repository.commits(revisions)[::-1]

    def of(self, commit: str) -> "list[File]":
        """Give what is known of the lines that a commit adds."""
        return self._told(self.changes.of(commit))

    def uncommitted(self, *, staged: bool) -> "list[File]":
        """Give what is known of what is staged, or of all that is not committed."""
        return self._told(self.changes.staged() if staged else self.changes.working())

    def parts(self, revisions: str) -> "Iterator[tuple[str, float, list[File]]]":
        """Yield id, time and what is known of each commit; without an id of what is not committed, if none is named."""
        for one in self.repository.about(self.commits(revisions)) if revisions else ():
            yield one.id, one.at, self.of(one.id)
        if not revisions:
            yield "", time.time(), self.uncommitted(staged=False)

    def _told(self, changes: "Sequence[Change]") -> "list[File]":
        from wrapper.provenance.exchange.telling import told  # noqa: PLC0415 (numpy)

        return list(told(changes, self.blaming, self.changes.top))


@click.command(
    "export",
    epilog="\b\nExit codes: 0 exported; 1 a note that is not ours was left as it is; 2 wrong usage; 125 refused.",
    help="""Write what is known of lines, which agent wrote them or that a person did, for other programs.

    \b
      git-ai       a note under refs/notes/ai for each commit of REVISIONS, or of HEAD (authorship 3.0.0)
      agent-trace  a record of Agent Trace 0.1.0 for each commit of REVISIONS, or of what is not committed yet
      trailers     lines for a commit message: of REVISIONS, or of what is staged

    Told are lines that a commit adds. Lines of which nobody knows the author are left out, and so are lines that only
    others claim. A note of git-ai's own stays as it is without `--force`; one of ours is brought up to date. An agent's
    line that a person edited is the agent's in a note and `mixed` in a record. Session ids, clients and models go out.
    What you asked for goes out with `--prompts` only, as the log holds it: redacted.

    \b
    Examples:
      safe-agent provenance export --format git-ai main..topic && git push origin refs/notes/ai
      safe-agent provenance export --format agent-trace HEAD --out traces
      safe-agent provenance export --format trailers

    \b
    As .git/hooks/prepare-commit-msg:
      safe-agent provenance export --format trailers | while IFS= read -r line; do
        git interpret-trailers --in-place --if-exists addIfDifferent --trailer "$line" "$1"; done
    """,
)
@click.argument("revisions", default="", metavar="[REVISIONS]")
@click.option("--format", "form", required=True, type=click.Choice(("git-ai", "agent-trace", "trailers")))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for a file per record.")
@click.option("--force", is_flag=True, help="Write over notes that are not ours.")
@click.option("--prompts", "with_prompts", is_flag=True, help="Put what you asked into records of Agent Trace.")
@click.option("--dry-run", "dry", is_flag=True, help="Write nothing; say what would be.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; with agent-trace, of files written.")
@policy_options
@click.pass_context
def command(  # noqa: PLR0913 (click hands over an option each)
    ctx: click.Context,
    *,
    revisions: str,
    form: str,
    out: Path | None,
    force: bool,
    with_prompts: bool,
    dry: bool,
    as_json: bool,
    policy: Path | None,
    profile: str | None,
) -> None:
    """Attribute the lines and write them."""
    if (out or with_prompts) and form != "agent-trace":
        raise click.UsageError("`--out` and `--prompts` go with `--format agent-trace`")
    if force and form != "git-ai":
        raise click.UsageError("`--force` goes with `--format git-ai`")
    known = _known(policy, profile)
    if form == "git-ai":
        done = _noted(known, revisions or "HEAD", force=force, dry=dry)
        _tell_notes(done, dry=dry, as_json=as_json)
        ctx.exit(_LEFT_OUT if any(one.is_left for one in done) else 0)
    if form == "trailers":
        _tell_trailers(known, revisions, as_json=as_json)
    else:
        _write_records(_records(known, revisions, with_prompts=with_prompts), out, dry=dry, as_json=as_json)


def _known(policy: Path | None, profile: str | None) -> Known:
    """Open the repository around the current folder, and the index; says what the index may lack."""
    from wrapper.provenance.blaming import Blaming  # noqa: PLC0415 (numpy)
    from wrapper.provenance.changes import Changes  # noqa: PLC0415
    from wrapper.provenance.exchange.repository import Repository  # noqa: PLC0415

    places = Places.from_environment()
    repository = Repository.around(Path.cwd())
    top = repository.layout.toplevel
    chosen = load_chosen(profile, policy, environ=os.environ, workspace=top, places=places)
    blaming = Blaming.open(places, top, chosen)
    for fault in blaming.faults:
        say(f"not all is known: {fault.session or 'the index'}: {fault.why}")
    return Known(places, repository, Changes(top, os.environ), blaming)


def _noted(known: Known, revisions: str, *, force: bool, dry: bool) -> "list[Noted]":
    from wrapper.provenance.exchange.noting import Noting  # noqa: PLC0415 (msgspec)

    return Noting(known.repository, known.of, force).note(known.commits(revisions), dry=dry)


def _tell_notes(done: "Sequence[Noted]", *, dry: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"format": "git-ai", "dry_run": dry, "notes": [one._asdict() for one in done]}))
        return
    for one in done:
        would = "would be " if dry and one.is_written else ""
        click.echo(
            f"{one.commit[:_SHORT]}  {would}{one.outcome}"
            + (f"  {one.lines} line{'' if one.lines == 1 else 's'}" if one.lines else "")
        )
        if one.is_left:
            say(f"{one.commit[:_SHORT]} has a note that is not ours; `--force` writes over it")


def _tell_trailers(known: Known, revisions: str, *, as_json: bool) -> None:
    from wrapper.provenance.exchange.giving import lines  # noqa: PLC0415 (msgspec)

    commits = known.commits(revisions) if revisions else []
    files = [file for one in commits for file in known.of(one)] if revisions else known.uncommitted(staged=True)
    trailers = lines(files)
    if as_json:
        click.echo(json.dumps({"format": "trailers", "trailers": trailers}))
        return
    for line in trailers:
        click.echo(line)


def _records(known: Known, revisions: str, *, with_prompts: bool) -> Iterator[tuple[str, bytes]]:
    """Yield the records of commits, or of what is not committed, each with a name for its file."""
    from wrapper.provenance.exchange import agenttrace, giving  # noqa: PLC0415 (msgspec)

    for commit, at, files in known.parts(revisions):
        prompts = _prompts(known.places, files) if with_prompts else {}
        if files:
            yield commit or "uncommitted", agenttrace.write(giving.record(files, commit=commit, at=at, prompts=prompts))


def _prompts(places: Places, files: "Sequence[File]") -> "Prompts":
    """Read what the user had asked for, as the logs have it: redacted."""
    from wrapper.cli.prompts import Prompts  # noqa: PLC0415 (opens the logs)
    from wrapper.provenance.model import Emission, Kind  # noqa: PLC0415

    prompts = Prompts.of(places)
    if prompts.identity is None:
        raise StateError("no prompt can be read: the private key is not here", hint="export where `audit.key` is")
    wanted = sorted({(who.session, one) for file in files for who, records in file.prompts.items() for one in records})
    found = {
        (session, one): prompts.text(Emission(kind=Kind.INPUT, session=session, at=0, prompt=one))
        for session, one in wanted
    }
    return {place: text for place, text in found.items() if text}


def _write_records(records: Iterator[tuple[str, bytes]], out: Path | None, *, dry: bool, as_json: bool) -> None:
    names = []
    for name, record in records:
        if out is None:
            click.echo(record.decode())
        elif not dry:
            _write(out, f"{name}.json", record + b"\n")
        names.append(f"{name}.json")
    if out is not None and as_json:
        click.echo(json.dumps({"format": "agent-trace", "dry_run": dry, "out": str(out), "files": names}))
    elif out is not None:
        count = f"{len(names)} record{'' if len(names) == 1 else 's'}"
        click.echo(f"{count} {'would be written' if dry else 'written'} to {printable(str(out))}")


def _write(folder: Path, name: str, data: bytes) -> None:
    """Write a file that only its owner reads; over a link that stands there, never through it. Raises StateError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{name}.{os.urandom(4).hex()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        draft.replace(folder / name)
    except OSError as error:
        raise StateError(f"cannot write `{folder / name}`: {error.strerror}") from error
