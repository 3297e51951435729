"""`safe-agent audit`: list, read, prove and pass on the logs of sessions."""

import sys
from types import MappingProxyType

import click

from wrapper.cli.lazily import LazyGroup


class _Verbs(LazyGroup):
    table = MappingProxyType(
        {
            verb: (f"wrapper.cli.auditing.{module}", name, what)
            for verb, module, name, what in (
                ("ls", "ls", "command", "List the sessions."),
                ("show", "show", "command", "Show what happened in a session."),
                ("redactions", "redactions", "command", "Count what was found and masked."),
                ("verify", "verify", "command", "Prove that logs are as they were written."),
                ("why", "why", "command", "Say which session wrote a line, and who asked for it."),
                ("disclose", "disclose", "command", "Show one record to somebody who shall see no other."),
                ("anchor", "anchor", "command", "Put the ledger's checkpoint elsewhere, and compare."),
                ("prune", "prune", "command", "Make old sessions unreadable, for ever."),
                ("keys", "keys", "command", "Say who can read the logs, and try it."),
                ("play", "play", "command", "Play what a session showed."),
                ("search", "search", "command", "Find a text in what was recorded."),
                ("export", "export", "command", "Write a session for other programs, or as a page."),
                ("follow", "follow", "command", "Follow a running session."),
            )
        }
        | {"left": ("wrapper.cli.left", "command", "The same as `safe-agent left`.")}
    )


@click.group(
    "audit",
    cls=_Verbs,
    invoke_without_command=True,
    epilog="\b\nExit codes: 0 done; 2 wrong usage; 125 cannot be read; each verb has more.",
    help="""List, read, prove and pass on the logs of sessions.

    Without a verb, on a terminal: a screen over all of it (`?` there says its keys).

    \b
    Examples:
      safe-agent audit
      safe-agent audit ls
      safe-agent audit show last
      safe-agent audit verify --all
    """,
)
@click.pass_context
def group(ctx: click.Context) -> None:
    """Hold the verbs; show the screen where there is none and somebody sits before it."""
    if ctx.invoked_subcommand is not None:
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)
    from wrapper.cli.auditing.browse import browse  # noqa: PLC0415 (the verbs do not need it)

    browse()
