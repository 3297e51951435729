"""`safe-agent provenance`: the index of what agents wrote and read."""

from types import MappingProxyType

import click

from wrapper.cli.lazily import LazyGroup


class _Verbs(LazyGroup):
    table = MappingProxyType(
        {
            "status": ("wrapper.cli.indexing.status", "command", "Say what is indexed, and what is not."),
            "verify": ("wrapper.cli.indexing.verify", "command", "Prove that the index is as it was written."),
            "rebuild": ("wrapper.cli.indexing.rebuild", "command", "Make the index of sessions anew from their logs."),
            "pack": ("wrapper.cli.indexing.pack", "command", "Write it as one file, for who checks a corpus."),
            "key": ("wrapper.cli.indexing.key", "group", "Show, take over or give away the key of the index."),
            "export": (
                "wrapper.cli.exchanging.exporting",
                "command",
                "Write what is known for git-ai, Agent Trace, or commit messages.",
            ),
            "import": ("wrapper.cli.exchanging.importing", "command", "Take over what others claim of commits."),
        }
    )


@click.group(
    "provenance",
    cls=_Verbs,
    epilog="\b\nExit codes: 0 done; 1 the index has faults (verify); 2 wrong usage; 125 refused; each verb has more.",
    help="""Look after the index of what agents wrote and read.

    While a session runs, safe-agent keeps keyed codes of all that its model said and its programs wrote: no text, no
    path, nothing that says anything without the key. `safe-agent blame`, `review` and `corpus check` read it.

    \b
    Examples:
      safe-agent provenance status
      safe-agent provenance verify
      safe-agent provenance rebuild --missing
      safe-agent provenance pack --out agents.pack
    """,
)
def group() -> None:
    """Hold the verbs."""
