"""`safe-agent audit disclose`: one record with all that proves it, and the proof."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from wrapper.audit.bookkeeping import LEDGER
from wrapper.cli.auditing.opening import opened
from wrapper.errors import AuditError
from wrapper.messages import say
from wrapper.review import render
from wrapper.review.timeline import row, since
from wrapper.review.times import moment

if TYPE_CHECKING:  # loads `cryptography`
    from wrapper.audit.disclosure import Proven

_MOST: Final = 1 << 30


@click.command(
    epilog="\b\nExit codes: 0 written, or proven; 11 truncated; 12 the log, or the disclosure, was tampered with;"
    "\n13 no key here opens the log; 125 cannot be read, or no such record.",
    help="""Show one record of SESSION to somebody who shall see no other: print or write a file that proves it alone.

    SEQ is the record's number, as `audit show --json` has it under `frame`; SESSION is an id, the beginning of it, or
    `last` (the default). The file holds the encrypted record, its own key, its place in the tree that was signed, and
    the signatures that lead to it from the log's first key; where this machine's ledger knows the session, that too.
    Whoever has the file reads this record, and no other.

    With --check FILE such a file is proven and its record shown: anywhere, without a log, a key or a ledger. That does
    not prove who wrote the log: compare the ledger's key with what you know of that machine. A request's record holds
    of its body what no earlier request had. `docs/disclosure.md` has the format.

    \b
    Examples:
      safe-agent audit disclose 41 --out record.json
      safe-agent audit disclose 41 20260102T101112Z-a1b2c3 > record.json
      safe-agent audit disclose --check record.json
      safe-agent audit disclose --check record.json --json | jq -r .record.body
    """,
)
@click.argument("sequence", metavar="[SEQ]", type=click.IntRange(min=0), required=False)
@click.argument("session", default="last")
@click.option("--out", type=click.Path(path_type=Path), help="Write the disclosure to this file, which must be new.")
@click.option(
    "--check", type=click.Path(path_type=Path), help="Prove the disclosure in this file, and show the record."
)
@click.option("--json", "as_json", is_flag=True, help="With --check: print one JSON object.")
def command(sequence: int | None, session: str, *, out: Path | None, check: Path | None, as_json: bool) -> None:
    """Disclose a record, or check a disclosure."""
    if (sequence is None) == (check is None):
        raise click.UsageError("name the record's number, or --check FILE")
    if check is not None:
        _show(check, as_json=as_json)
    elif sequence is not None:
        _write(_made(sequence, session), out)


def _made(sequence: int, session: str) -> bytes:
    from wrapper.audit.disclosure import disclose, encode  # noqa: PLC0415 (loads `cryptography`)
    from wrapper.audit.evidence import evidence  # noqa: PLC0415 (the same)
    from wrapper.audit.material import proof_material  # noqa: PLC0415 (the same)

    log = opened(session, "disclose")
    material = proof_material(log.session.directory, log.identity, sequence)
    known = None
    try:
        known = evidence(log.places.state / LEDGER, material.header)
    except AuditError as error:
        say(f"without the ledger's word that the session was known to it: {error.what}")
    return encode(disclose(material, known))


def _write(data: bytes, out: Path | None) -> None:
    if out is None:
        click.echo(data, nl=False)
        return
    try:
        with out.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise AuditError(f"`{out}` exists already", hint="name a new file") from error
    except OSError as error:
        raise AuditError(f"cannot write `{out}`: {error.strerror}") from error


def _show(file: Path, *, as_json: bool) -> None:
    from wrapper.audit.disclosure import prove  # noqa: PLC0415 (loads `cryptography`)

    try:
        with file.open("rb") as stream:
            data = stream.read(_MOST + 1)
    except OSError as error:
        raise AuditError(f"cannot read `{file}`: {error.strerror}") from error
    proven = prove(data)
    if as_json:
        click.echo(_json(proven))
        return
    for line in _page(proven):
        click.echo(line)


def _page(proven: "Proven") -> list[str]:
    begun = moment(proven.created)
    signatures = f"{proven.checkpoints} signature{'' if proven.checkpoints == 1 else 's'}"
    lines = [
        f"PROVEN  frame {proven.sequence} of session {render.printable(proven.session)}",
        f"signed: {signatures} lead here from the first key of segment {proven.segment}, begun {begun}:",
        f"        {proven.verification_key}",
    ]
    if proven.ledger is None:
        lines.append("ledger: not in the file; who wrote the log, and when, is not proven")
    else:
        known = f"knew the log at {moment(proven.ledger.at)}, says the ledger's key; compare it with"
        lines.append(f"ledger: {render.printable(proven.ledger.origin)} {known}")
        lines.append(f"        the one that you know of that machine: {render.printable(proven.ledger.key)}")
    shown = since(proven.created, row(proven.event))
    return [
        *lines,
        f"record: of {moment(proven.event.at)}, after the log was begun (--json has it whole):",
        *render.lines(shown),
    ]


def _json(proven: "Proven") -> str:
    ledger = proven.ledger
    return json.dumps(
        {
            "session": proven.session,
            "segment": proven.segment,
            "created": proven.created,
            "frame": proven.sequence,
            "verification_key": proven.verification_key,
            "signatures": proven.checkpoints,
            "ledger": ledger and {"at": ledger.at, "origin": ledger.origin, "size": ledger.size, "key": ledger.key},
            "record": json.loads(render.json_line(proven.sequence, proven.event)),
        }
    )
