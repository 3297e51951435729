"""`safe-agent explain`: the plan before anything runs."""

import os
from pathlib import Path

import click
import msgspec

from wrapper.cli.options import policy_options
from wrapper.look import look
from wrapper.messages import printable
from wrapper.plan.launch import LaunchPlan
from wrapper.prepare import Prepared, prepare
from wrapper.review.explain import Answer, HostAnswer, answer, of_model, page
from wrapper.review.reach import details
from wrapper.wishes import Wishes


@click.command(
    epilog="\b\nExit codes: 0; 125 when safe-agent refuses or fails; 127 when the client is not found; 2 wrong usage.",
    help="""Show what a session would see, or what happens to each PATH, VARIABLE or HOST, and which rule says so.

    Of a HOST or HOST:PORT: whether it is reached, intercepted or tunnelled; which secrets work there; what may be
    asked; how much. Of 127.0.0.1:PORT: whether a service of this machine is.

    With --model: whether this client may ask that model in this workspace, and which kinds of work are not for it.

    \b
    Example:
      safe-agent explain                      # the whole plan
      safe-agent explain .env DATABASE_URL api.github.com
      safe-agent explain staging.example.org:8443 127.0.0.1:5432
      safe-agent explain --client claude --json
      safe-agent explain --text "falcon on db-01.corp"
      safe-agent explain --client claude --model claude-opus-4-1
      safe-agent explain --seatbelt           # what macOS could enforce of the plan; no session runs there yet
    """,
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON with a stable schema.")
@click.option(
    "--client",
    type=click.Choice(["claude", "codex", "command"]),
    default="command",
    help="Plan for this client instead of any command.",
)
@policy_options
@click.option("--text", metavar="TEXT", help="Show what of TEXT would leave, and which rule replaces what.")
@click.option("--model", metavar="NAME", help="Say whether policy approves of this model here.")
@click.option("--seatbelt", is_flag=True, help="Print the plan as a macOS sandbox profile (not verified on a Mac).")
@click.argument("things", nargs=-1, metavar="[PATH|VARIABLE|HOST]...")
def explain(  # noqa: PLR0913 (an option each)
    *,
    as_json: bool,
    client: str,
    policy: Path | None,
    profile: str | None,
    text: str | None,
    model: str | None,
    seatbelt: bool,
    things: tuple[str, ...],
) -> None:
    """Print the plan or the answers."""
    command = ("true",) if client == "command" else ()
    looked = look(Wishes(client, command, policy=policy, profile=profile), os.environ)
    prepared = prepare(looked)
    plan = prepared.plan
    if seatbelt:
        click.echo(_profile(plan), nl=False)
        return
    if text is not None:
        click.echo(_leaving(os.fsencode(text), prepared, as_json=as_json))
        return
    if not things and model is None:
        click.echo(plan.to_json() if as_json else "\n".join(map(printable, page(plan))))
        return
    answers = [answer(thing, plan, prepared.policy, looked.facts) for thing in things]
    if model is not None:
        answers += of_model(model, prepared.place, prepared.policy)
    if as_json:
        click.echo(msgspec.json.encode({"version": 1, "answers": answers}).decode())
        return
    for one in answers:
        click.echo(printable(_line(one)))
        for line in details(one.there) if isinstance(one, HostAnswer) else ():
            click.echo(f"  {printable(line)}")


def _profile(plan: LaunchPlan) -> str:
    from wrapper.sandbox import seatbelt  # noqa: PLC0415 (for this option only)

    lacking = "".join(f"; not to be had on macOS: {one.name}: {one.what}\n" for one in seatbelt.LACKING)
    return lacking + seatbelt.profile(plan)


def _line(one: Answer) -> str:
    inside = f"  ({one.inside})" if one.inside else ""
    return f"{one.what:<8}  {one.thing}: {one.action}{inside}  [{one.rule}]"


def _leaving(text: bytes, prepared: Prepared, *, as_json: bool) -> str:
    """Say what would leave of a text; what is replaced is not repeated."""
    redaction = prepared.on_the_wire().redact(text)
    leaves = os.fsdecode(redaction.data)
    found = list(zip(redaction.placeholders, redaction.findings, strict=True))
    if as_json:
        rows = [
            {"placeholder": name, "kind": one.kind, "rule": one.rule, "start": one.start, "end": one.end}
            for name, one in found
        ]
        return msgspec.json.encode(
            {"version": 1, "leaves": leaves.encode("utf-8", "replace").decode(), "replaced": rows}
        ).decode()
    rules = [f"          {name}  [{one.rule}]" for name, one in found]
    return "\n".join([f"leaves    {printable(leaves)}", *rules])
