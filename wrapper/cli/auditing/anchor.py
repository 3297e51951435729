"""`safe-agent audit anchor`: put the ledger's checkpoint where this machine cannot take it back, and compare."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from wrapper.anchors.anchoring import Outcome, anchor_all, put
from wrapper.anchors.choosing import parse_anchor
from wrapper.audit.anchored import Anchored, compare
from wrapper.audit.ledger import NOTE_KEY, Ledger, View, read
from wrapper.cli.auditing.policies import policy_here
from wrapper.cli.options import policy_options
from wrapper.errors import AuditError
from wrapper.messages import report, say
from wrapper.plan.places import Places
from wrapper.policy.anchors import label
from wrapper.review import render
from wrapper.review.times import moment

_GRAVEST: Final = (14, 12, 11, 125, 1)  # of several exit codes the first of these


@click.command(
    epilog="\b\nExit codes: 0 done; 1 an anchor cannot be reached; 2 wrong usage; 11 the ledger was cut back;"
    "\n12 an anchor or the ledger was tampered with; 14 forked: the ledger was written anew; 125 no ledger, no anchor."
    "\nWith several anchors: the gravest of them.",
    help="""Put the ledger's signed checkpoint of now to the anchors of the policy (`audit.anchors`), or to those given.

    Who takes over this machine can cut the ledger back or write it anew, but not take back what lies elsewhere. With
    --check the ledger is compared with every checkpoint that the anchors hold; a witness is asked to sign that of now,
    which it does only for a ledger that goes on from what it signed before. docs/anchors.md says which is worth what.

    \b
    Examples:
      safe-agent audit anchor
      safe-agent audit anchor --to file:/media/stick/laptop.notes
      safe-agent audit anchor --check
      safe-agent audit anchor --key         # what the operator of a witness has to know
    """,
)
@click.option("--to", "chosen", multiple=True, metavar="ANCHOR", help="This anchor; may be repeated.")
@click.option("--check", "checks", is_flag=True, help="Compare the ledger with what the anchors hold.")
@click.option("--key", "shows_key", is_flag=True, help="Print the ledger's origin and public key, and do nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per anchor and line.")
@policy_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    chosen: tuple[str, ...],
    checks: bool,
    shows_key: bool,
    as_json: bool,
    profile: str | None,
    policy: Path | None,
) -> None:
    """Print a line per anchor."""
    places = Places.from_environment()
    if shows_key:
        _show_key(read(places.state / "ledger"))
        return
    texts = tuple(dict.fromkeys(chosen)) or policy_here(places, profile, policy).audit_anchors
    if not texts:
        raise AuditError("no anchor is named", hint="set `audit.anchors` in your policy, or give one with `--to`")
    rows = list(_checked(texts, places.state) if checks else map(_put, anchor_all(texts, places.state)))
    for row in rows:
        if as_json:
            click.echo(json.dumps(row.fields))
        elif row.error is None:
            click.echo(f"{render.printable(label(row.where))}  {row.sentence}")
        if row.error is not None:
            report(row.error)
    ctx.exit(_gravest(row.error.exit_code for row in rows if row.error is not None))


@dataclass(frozen=True, slots=True)
class _Row:
    where: str
    sentence: str
    fields: dict[str, object]
    error: AuditError | None = None


def _put(outcome: Outcome) -> _Row:
    if outcome.receipt is None:
        return _failed(outcome.where, outcome.error or AuditError("nothing came of it"))
    size, detail = outcome.receipt.size, outcome.receipt.detail
    fields = {"size": size, "root": outcome.receipt.root.hex(), "detail": detail}
    return _Row(outcome.where, f"holds {size} frames: {detail}", _fields(outcome.where, 0, **fields))


def _checked(texts: Iterable[str], state: Path) -> Iterator[_Row]:
    for text in texts:
        try:
            anchored, view = _compared(text, state)
        except AuditError as error:
            yield _failed(text, error)
        else:
            yield _covered(text, anchored, view)


def _compared(text: str, state: Path) -> tuple[Anchored, View]:
    """Compare with one anchor. What it holds is got first: a session may add to both in between."""
    folder = state / "ledger"
    anchor = parse_anchor(text, state)
    if anchor.asks and (folder / NOTE_KEY).exists():  # a copy of the ledger, elsewhere, cannot sign what it would ask
        ledger = Ledger(folder)
        put(anchor, ledger, folder, ledger.note())
    held = anchor.get()
    view = read(folder)
    return compare(view, held, anchor.where, is_whole=not anchor.asks), view


def _covered(where: str, anchored: Anchored, view: View) -> _Row:
    later = sum(one.size for one in view.segments if one.number >= anchored.segment) - anchored.size
    fields = _fields(where, 0, segment=anchored.segment, size=anchored.size, at=anchored.at, later=later)
    if not anchored.size:
        return _Row(where, f"holds nothing yet: {later} frames are not covered", fields)
    until = f"covers segment {anchored.segment} up to {anchored.size} frames, until {moment(anchored.at)}"
    return _Row(where, f"{until}; {later} frames since" if later else f"{until}; all there is", fields)


def _failed(where: str, error: AuditError) -> _Row:
    return _Row(where, "", _fields(where, error.exit_code, reason=error.what, hint=error.hint), error)


def _fields(where: str, exit_code: int, **more: object) -> dict[str, object]:
    return {"anchor": where, "exit_code": exit_code, **more}


def _gravest(codes: Iterable[int]) -> int:
    found = set(codes)
    return next((code for code in _GRAVEST if code in found), max(found, default=0))


def _show_key(view: View) -> None:
    for segment in view.segments:
        click.echo(segment.origin)
    click.echo(view.vkey)
    if not view.vkey:
        say("the public key is not at hand: `note.pub` of the ledger is missing, or is that of another")
