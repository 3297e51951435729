"""`safe-agent audit`: list, read, prove and pass on the logs of sessions."""

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
                ("verify", "verify", "command", "Prove that logs are as they were written."),
            )
        }
    )


@click.group(
    "audit",
    cls=_Verbs,
    epilog="\b\nExit codes: 0 done; 2 wrong usage; 125 cannot be read; each verb has more.",
    help="""List, read, prove and pass on the logs of sessions.

    \b
    Examples:
      safe-agent audit ls
      safe-agent audit show last
      safe-agent audit verify --all
    """,
)
def group() -> None:
    """Hold the verbs."""
