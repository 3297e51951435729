"""`safe-agent audit verify`: prove that logs are as they were written."""

import json

import click
import msgspec

from wrapper.audit import reader
from wrapper.audit.format import NoKeyError, TamperedError, TruncatedError
from wrapper.audit.keys import Keys
from wrapper.audit.seal import Identity
from wrapper.cli.auditing.opening import identity_here
from wrapper.errors import AuditError
from wrapper.plan.places import Places
from wrapper.review import render

OPEN = 10  # TRUNCATED is 11, TAMPERED 12, NOKEY 13: the errors carry them


@click.command(
    epilog="\b\nExit codes: 0 sealed; 10 open: running, or its recorder was killed; 11 truncated; 12 tampered with;"
    "\n13 encrypted to other keys only (with --decrypt); 125 cannot be read. With --all: the highest of them.",
    help="""Prove that the log of SESSION is as it was written: its id, the beginning of it, or `last` (the default).

    Needs no key: order, completeness up to the last signature, and signatures are checked. Where the private key is
    on this machine and opens the log, each record is also decrypted. `docs/audit-format.md` says what is not proven:
    above all, a log cut off between two frames looks open, and a log replaced as a whole is not noticed.

    \b
    Examples:
      safe-agent audit verify
      safe-agent audit verify --all --json
    """,
)
@click.argument("session", default="last")
@click.option("--all", "every", is_flag=True, help="Verify all sessions.")
@click.option("--decrypt", is_flag=True, help="Fail where the content cannot be decrypted and checked, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per session and line.")
@click.pass_context
def command(ctx: click.Context, session: str, *, every: bool, decrypt: bool, as_json: bool) -> None:
    """Print a verdict per session."""
    places = Places.from_environment()
    identity = Keys(places.config).load_identity() if decrypt else identity_here(places)
    chosen = reader.list_sessions(places.state) if every else (reader.find_session(places.state, session),)
    code = 0
    for one in chosen:
        verdict = _verdict(one, identity, decrypt=decrypt)
        click.echo(_json(verdict) if as_json else _sentence(verdict))
        if verdict.hint and not as_json:
            click.echo(f"hint: {verdict.hint}", err=True)
        code = max(code, verdict.exit_code)
    ctx.exit(code)


class _Verdict(msgspec.Struct, frozen=True):
    session: str
    verdict: str
    exit_code: int
    reason: str = ""
    hint: str = ""
    frames: int | None = None
    records: int | None = None
    signed: int | None = None
    decrypted: bool = False


def _json(row: _Verdict) -> str:
    return json.dumps(msgspec.to_builtins(row))  # ASCII only: nothing in it can act on a terminal


def _verdict(session: reader.Session, identity: Identity | None, *, decrypt: bool) -> _Verdict:
    try:
        try:
            proven = reader.verify(session.directory, identity)
        except NoKeyError:
            if decrypt:
                raise
            proven = reader.verify(session.directory)
    except AuditError as error:
        return _Verdict(session.id, _name(error), error.exit_code, error.what, error.hint)
    sealed = proven.state is reader.State.SEALED
    loose = proven.frames - proven.signed
    reason = f"its last {loose} frames are not signed" if loose else ""
    hint = "its recorder was killed, or its end was cut off" if proven.state is reader.State.OPEN else ""
    return _Verdict(
        session=session.id,
        verdict=proven.state.value,
        exit_code=0 if sealed else OPEN,
        reason=reason,
        hint=hint,
        frames=proven.frames,
        records=proven.records,
        signed=proven.signed,
        decrypted=proven.decrypted,
    )


def _name(error: AuditError) -> str:
    match error:
        case TamperedError():
            return "tampered"
        case TruncatedError():
            return "truncated"
        case NoKeyError():
            return "nokey"
        case _:
            return "unreadable"


def _sentence(verdict: _Verdict) -> str:
    line = f"{render.printable(verdict.session)}  {verdict.verdict.upper()}"
    if verdict.frames is not None:
        content = "decrypted and checked" if verdict.decrypted else "not decrypted"
        line += f"  {verdict.records} records in {verdict.frames} frames, {content}"
    return f"{line}  {render.printable(verdict.reason)}".rstrip()
