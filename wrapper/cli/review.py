"""`safe-agent review`: what agents wrote and no person has approved; approve, reject, demand and pass on approvals."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from wrapper.cli.options import policy_options
from wrapper.cli.reviewed import UNKNOWN, Here, Wanted, tell_some
from wrapper.errors import ProvenanceError, SafeAgentError
from wrapper.messages import say

if TYPE_CHECKING:
    from wrapper.provenance.reviewing import Review

_LEFT: Final = 1
_KEY: Final = re.compile(r"[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+")  # C2SP signed-note: NAME+ID+KEY
_LIGHT: Final = frozenset({"7", "15"})  # the background's colour as rxvt names it in COLORFGBG
_DO: Final = "look at them: `safe-agent review{0}`; or by flags: `safe-agent review{0} --approve ID`"


@click.command(
    epilog="\b\nExit codes: 0 done, or nothing is left; 1 with --require-review: agent-written hunks are left that no\n"
    "person has approved; 2 wrong usage; 125 it cannot be known, or cannot be signed.",
    help="""List what agents wrote and no person has approved; approve or reject it, hunk by hunk.

    Without TARGETS: what the working tree changes against the last commit. TARGETS are files and folders, which are
    looked at whole, or one range REV..REV, of which what it adds counts. On a terminal: a screen (`?` there says its
    keys), where nothing is signed until you say so.

    An approval is about what lines say, not where they stand: it survives moves, rebases and squashes. It is signed
    into the ledger of this machine with your name, the time and the reason, and can be taken back by rejecting what was
    approved. Approving asks on the terminal, by flags too: a hook or a Makefile cannot answer for you.

    \b
    Examples:
      safe-agent review
      safe-agent review --list main..HEAD
      safe-agent review --approve 3f9c1a20 --reason "read, tests added" src/
      safe-agent review --reject all --reason "copied from elsewhere" --staged
      safe-agent review --require-review --staged                 # in .git/hooks/pre-commit
      safe-agent review --publish main..HEAD                      # notes that a server can verify
      safe-agent review --require-review --trust ~/note.pub origin/main..HEAD    # on that server
    """,
)
@click.argument("targets", nargs=-1, metavar="[PATH]...|[REV..REV]")
@click.option("--staged", is_flag=True, help="What the next commit adds, as it is in git's index.")
@click.option("--list", "as_list", is_flag=True, help="Print a list, also on a terminal.")
@click.option("--all", "every", is_flag=True, help="In lists also hunks that are approved.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with a stable schema.")
@click.option("--approve", multiple=True, metavar="ID|all", help="Approve a hunk; may be given again.")
@click.option("--reject", multiple=True, metavar="ID|all", help="Reject a hunk; may be given again.")
@click.option("--reason", default="", metavar="TEXT", help="Why; a rejection needs it, an approval if policy says so.")
@click.option("--require-review", "require", is_flag=True, help="Exit 1 where hunks are left.")
@click.option("--allow-unknown", is_flag=True, help="Go on where the index cannot tell everything.")
@click.option("--publish", is_flag=True, help="Write what is known of the range's commits as signed git notes.")
@click.option("--trust", multiple=True, metavar="KEY|FILE", help="Judge by notes that the ledger of this key signed.")
@policy_options
@click.pass_context
def review(  # noqa: PLR0913 (click hands over an option each)
    ctx: click.Context,
    *,
    targets: tuple[str, ...],
    staged: bool,
    as_list: bool,
    every: bool,
    as_json: bool,
    approve: tuple[str, ...],
    reject: tuple[str, ...],
    reason: str,
    require: bool,
    allow_unknown: bool,
    publish: bool,
    trust: tuple[str, ...],
    policy: Path | None,
    profile: str | None,
) -> None:
    """Find the hunks, and do with them what was asked."""
    base, tip = _range(targets)
    wanted = Wanted(targets, base, tip, staged=staged)
    _must_fit(wanted, publish=publish, trust=bool(trust), judging=bool(approve or reject), require=require)
    if reject and not reason.strip():
        raise click.UsageError("a rejection needs a reason: --reason TEXT")
    if trust:
        ctx.exit(_server(wanted, trust, allow_unknown=allow_unknown, as_json=as_json))
    only_looks = not (publish or approve or reject)
    here = Here.open(wanted, policy, profile, allow_unknown=allow_unknown and only_looks)
    if here is None:
        return
    if publish:
        here.publish(allow_unknown=allow_unknown)
        return
    found = here.review()
    if approve or reject:
        here.by_flags(found, approve, reject, reason.strip())
        return
    by_policy = here.policy.provenance.require_review and not (as_list or as_json)
    if found.left and not (as_list or as_json or require) and sys.stdin.isatty() and sys.stdout.isatty():
        _screen(here, found)
        return
    here.show(found, every=every, as_json=as_json)
    is_gate = require or by_policy
    if is_gate and here.faults(found) and not allow_unknown:
        raise ProvenanceError("it cannot be known whether all agent-written hunks are here", hint=UNKNOWN)
    if is_gate or not found.left:
        _say_left(len(found.left), wanted)
    ctx.exit(_LEFT if is_gate and found.left else 0)


def _range(targets: Sequence[str]) -> tuple[str, str]:
    """Return both ends of a range, empty where none was given. `A...B` is `A..B`: what B adds since it left A."""
    if len(targets) == 1 and _is_range(targets[0]):
        base, _, tip = targets[0].replace("...", "..").partition("..")
        return base or "HEAD", tip or "HEAD"
    for target in targets:
        if not os.path.lexists(target):
            raise click.UsageError(f"`{target}` is neither a file nor a range REV..REV")
    return "", ""


def _is_range(target: str) -> bool:
    """Say whether a range is meant. A file of that name, which a project can have, must not be looked at instead."""
    if ".." not in target or target.startswith(("/", "./")) or ".." in target.split("/"):
        return False
    if os.path.lexists(target):
        raise click.UsageError(f"`{target}` is a file's name and a range's: `./{target}` names the file")
    return True


def _must_fit(wanted: Wanted, *, publish: bool, trust: bool, judging: bool, require: bool) -> None:
    if wanted.staged and wanted.targets:
        raise click.UsageError("give --staged, or files, or a range")
    if (publish or trust) and not wanted.tip:
        raise click.UsageError("--publish and --trust need a range: REV..REV")
    if (publish and (trust or judging or require)) or (trust and (judging or not require)):
        raise click.UsageError("--publish goes alone, --trust with --require-review only")
    if judging and require:
        raise click.UsageError("--approve and --reject go without --require-review")


def _screen(here: Here, found: "Review") -> None:
    try:
        from wrapper.provenance.screen import Desk, HunksApp  # noqa: PLC0415 (loads textual)
    except ModuleNotFoundError as error:
        raise SafeAgentError(
            f"the screen needs the package `{error.name}`",
            hint="install safe-agent with its extra `review`; `--list`, `--approve` and `--reject` work without",
        ) from error
    from wrapper.cli.prompts import Prompts  # noqa: PLC0415
    from wrapper.provenance.approvals import reviewer  # noqa: PLC0415

    desk = Desk(
        user=reviewer(),
        sign=here.sign,
        prompt=Prompts.of(here.places).text,
        reason=here.policy.provenance.require_reason,
        told=here.told(found),
    )
    screen = HunksApp(desk, found.left, light=os.environ.get("COLORFGBG", "").rpartition(";")[2] in _LIGHT)
    screen.run()
    if screen.return_code:
        raise SafeAgentError("the screen ended by a mistake in safe-agent itself")


def _say_left(left: int, wanted: Wanted) -> None:
    if left:
        say(f"{left} agent-written hunk{'s' * (left > 1)} that no person has approved")
        click.echo(f"hint: {_DO.format(wanted.words())}", err=True)
    else:
        say("every agent-written hunk here is approved, or there is none")


def _server(wanted: Wanted, trust: Sequence[str], *, allow_unknown: bool, as_json: bool) -> int:
    """Judge a range by its notes alone; return the exit code."""
    from wrapper.provenance import reviewlist  # noqa: PLC0415
    from wrapper.provenance.changes import Changes  # noqa: PLC0415
    from wrapper.provenance.publishing import gate  # noqa: PLC0415

    keys = [_key(one) for one in trust]
    judged = gate(Changes(wanted.folder, os.environ), wanted.base, wanted.tip, keys)
    if as_json:
        click.echo(reviewlist.gated(judged))
    tell_some([fault.why for fault in judged.faults])
    if not as_json:
        for one in judged.left:
            click.echo(reviewlist.unapproved(one))
    if judged.faults and not allow_unknown:
        hint = next((fault.hint for fault in judged.faults if fault.hint), "`--allow-unknown` goes on without knowing")
        raise ProvenanceError("it cannot be known whether a person approved what agents wrote here", hint=hint)
    if judged.left:
        say(f"{len(judged.left)} agent-written places that no person has approved")
        click.echo("hint: the reviewer runs `safe-agent review` on the range, then `--publish`, and pushes", err=True)
        return _LEFT
    say(f"{judged.spans} agent-written places, each approved by a person" if judged.spans else "nothing of agents here")
    return 0


def _key(given: str) -> str:
    """Read a verifier key, or the file that holds it. What is a key is no file: a project can have one of that name."""
    from wrapper.provenance.statements import parsed_key  # noqa: PLC0415

    path = Path(given)
    try:
        return parsed_key(given if _KEY.fullmatch(given) or not path.is_file() else path.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise ProvenanceError(f"cannot read the key `{given}`: {error}") from error
