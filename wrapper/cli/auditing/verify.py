"""`safe-agent audit verify`: prove that logs are as they were written."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import click
import msgspec

from wrapper.audit import reader, verdicts
from wrapper.audit.bookkeeping import LEDGER
from wrapper.audit.format import TruncatedError
from wrapper.audit.ledger import View, read
from wrapper.audit.seal import Opener
from wrapper.audit.verdicts import Told, Verdict
from wrapper.cli.auditing.opening import identity_here
from wrapper.errors import AuditError
from wrapper.messages import say
from wrapper.plan.places import Places
from wrapper.review import render

_LEDGER = "(ledger)"


@click.command(
    epilog="\b\nExit codes: 0 sealed (with `--require anchored`: anchored); 9 sealed, but not anchored as required;"
    "\n10 open: running, or its recorder was killed; 11 truncated or gone; 12 tampered with;"
    "\n13 encrypted to other keys only (with --decrypt); 14 forked: another history than was seen at the time;"
    "\n1 an anchor cannot be reached; 125 cannot be read. With --all: the highest of them.",
    help="""Prove that the log of SESSION is as it was written: its id, its beginning, `last` (the default), or a path.

    Needs no key: order, completeness and signatures are checked, and the ledger of this machine says how far the log
    came at the time. Where the private key is on this machine and opens the log, each record is also decrypted.
    `--require anchored` asks the anchors of the policy (or `--anchor`), too: only they show that the ledger itself
    was not written anew. With --all, sessions that the ledger knows and that are gone are named.

    \b
    Examples:
      safe-agent audit verify
      safe-agent audit verify --all --json
      safe-agent audit verify --all --require anchored
      safe-agent audit verify ./20260101T120000Z-a1b2c3/
    """,
)
@click.argument("session", default="last")
@click.option("--all", "every", is_flag=True, help="Verify all sessions, and the ledger.")
@click.option("--require", type=click.Choice(["sealed", "anchored"]), default="sealed", help="What exit code 0 means.")
@click.option("--anchor", "anchors", multiple=True, metavar="ANCHOR", help="Ask this anchor in place of the policy's.")
@click.option("--decrypt", is_flag=True, help="Fail where the content cannot be decrypted and checked, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per session and line.")
@click.pass_context
def command(
    ctx: click.Context,
    session: str,
    *,
    every: bool,
    require: str,
    anchors: tuple[str, ...],
    decrypt: bool,
    as_json: bool,
) -> None:
    """Print a verdict per session."""
    places = Places.from_environment()
    chosen = reader.list_sessions(places.state) if every else (reader.find_session(places.state, session),)
    if every and not chosen and not (places.state / LEDGER).is_dir():
        raise reader.nothing_yet(places.state)  # a folder that was mistyped proves nothing
    ledger = _ledger(places, anchors, must_be_anchored=require == "anchored")
    opener = _required_key(places) if decrypt else identity_here(places)
    code, counts = 0, Counter[str]()
    for verdict in _verdicts(chosen, opener, ledger, decrypt=decrypt, every=every):
        found = _anchored(verdict, ledger) if require == "anchored" else verdict
        if found.session != _LEDGER:
            counts[found.verdict] += 1
        click.echo(json.dumps(msgspec.to_builtins(found)) if as_json else _sentence(found))
        if found.hint and not as_json:
            click.echo(f"hint: {render.printable(found.hint)}", err=True)
        code = max(code, found.exit_code)
    if every and not as_json:
        say(_summary(counts, ledger))
    ctx.exit(code)


@dataclass(frozen=True, slots=True)
class _Ledger:
    """What the ledger says; `covered` is how many of its frames an anchor has, `fault` what is wrong with it."""

    told: Mapping[str, Told] | None
    covered: int
    fault: AuditError | None


def _ledger(places: Places, anchors: tuple[str, ...], *, must_be_anchored: bool) -> _Ledger:
    folder = places.state / LEDGER
    if not folder.is_dir():
        say("there is no ledger here: a log that was cut between two frames, or replaced as a whole, is not noticed")
        return _Ledger(None, 0, None)
    try:
        view = read(folder)
    except AuditError as error:
        return _Ledger(None, 0, error)
    for warning in view.warnings:
        say(f"warning: the ledger: {warning}")
    told = verdicts.by_session(view.entries)
    if view.missing:  # stated for ever, but no crash can have done it
        what = f"{view.missing} frames that were acknowledged once are not in it"
        return _Ledger(told, 0, TruncatedError(what, hint="it was cut, or put back to an older copy"))
    asked = anchors or (_of_policy(places) if must_be_anchored else ())
    try:
        covered = _covered(view, asked, places) if asked else 0
    except AuditError as error:
        return _Ledger(told, 0, error)
    return _Ledger(told, covered, None)


def _of_policy(places: Places) -> tuple[str, ...]:
    from wrapper.cli.auditing.policies import policy_here  # noqa: PLC0415 (where anchors are asked for only)

    anchors = policy_here(places, None, None).audit_anchors
    if not anchors:
        raise AuditError("the policy names no anchor", hint="set `[audit] anchors`, or give `--anchor`")
    return anchors


def _covered(view: View, anchors: tuple[str, ...], places: Places) -> int:
    """Return how many frames of the ledger, counted through its segments, the best of `anchors` has."""
    from wrapper.anchors.choosing import parse_anchor  # noqa: PLC0415 (as above)
    from wrapper.audit.anchored import check  # noqa: PLC0415

    found = [check(view, parse_anchor(anchor, places.state)) for anchor in anchors]
    return max(sum(one.size for one in view.segments if one.number < at.segment) + at.size for at in found)


def _required_key(places: Places) -> Opener:
    from wrapper.audit.keys import Keys  # noqa: PLC0415 (with --decrypt only)

    return Keys(places.config).load_identity()


def _verdicts(
    chosen: tuple[reader.Session, ...], opener: Opener | None, ledger: _Ledger, *, decrypt: bool, every: bool
) -> Iterator[Verdict]:
    if ledger.fault is not None:
        yield verdicts.of_error(_LEDGER, ledger.fault)
    for session in chosen:
        yield verdicts.judge(session, opener, ledger.told, decrypt=decrypt)
    if every and ledger.told is not None:
        yield from verdicts.gone(ledger.told, chosen)


def _anchored(verdict: Verdict, ledger: _Ledger) -> Verdict:
    """Say of a sealed session whether an anchor covers what the ledger says of its end."""
    if verdict.verdict != reader.State.SEALED.value:
        return verdict
    if verdict.told is not None and verdict.told <= ledger.covered:
        return msgspec.structs.replace(verdict, verdict=verdicts.ANCHORED)
    reason = "; ".join(filter(None, (verdict.reason, "no anchor covers its end")))
    hint = verdict.hint or "run `safe-agent audit anchor`"
    return msgspec.structs.replace(verdict, exit_code=verdicts.UNANCHORED_CODE, reason=reason, hint=hint)


def _summary(counts: Counter[str], ledger: _Ledger) -> str:
    """Sum up what was found of all sessions; those that are gone are among them, for the ledger knows them."""
    total = counts.total()
    kinds = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())) or "none"
    known = "" if ledger.told is None else "; the ledger knows no other"
    return f"{total} session{'' if total == 1 else 's'}: {kinds}{known}"


def _sentence(verdict: Verdict) -> str:
    line = f"{render.printable(verdict.session)}  {verdict.verdict.upper()}"
    if verdict.frames is not None:
        content = "decrypted and checked" if verdict.decrypted else "not decrypted"
        line += f"  {verdict.records} records in {verdict.frames} frames, {content}"
    return f"{line}  {render.printable(verdict.reason)}".rstrip()
