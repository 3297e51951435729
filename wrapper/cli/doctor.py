"""`safe-agent doctor`: a table of what is there, and the fix for what is not."""

import os
from collections.abc import Iterator

import click
import msgspec

from wrapper.readiness import examine
from wrapper.review.render import printable
from wrapper.sandbox.doctor import Check


@click.command(
    epilog="\b\nExit codes: 0 a session can start; 1 something that it needs is missing; 2 wrong usage;\n"
    "125 inside a session, or without a HOME.",
    help="""Say whether bubblewrap, user namespaces, FUSE and the clients are there, and the exact fix for what is not.

    Also tried: folders, keys, policy and rules, for a session in the current folder. `ok` is there, `missing` stops a
    session, `optional` does not.

    \b
    Examples:
      safe-agent doctor
      safe-agent doctor --json | jq '.checks[] | select(.status == "missing")'
    """,
)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> None:
    """Check this machine."""
    checks = list(examine(os.environ))
    if as_json:
        click.echo(msgspec.json.encode({"version": 1, "checks": checks}).decode())
    else:
        for line in _table(checks):
            click.echo(line)
    ctx.exit(int(any(check.status == "missing" for check in checks)))


def _table(checks: list[Check]) -> Iterator[str]:
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield f"{check.status:<8}  {check.name:<{width}}  {printable(check.found)}"
        for line in check.fix.splitlines():
            yield f"{'':<8}  {'':<{width}}  fix: {printable(line)}"
