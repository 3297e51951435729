"""`safe-agent corpus`: finds text of agents in data sets, trees of files and repositories."""

from types import MappingProxyType
from typing import Final

import click

from wrapper.cli.lazily import LazyGroup

# command → (module, name in it, what `--help` says of it)
_COMMANDS: Final = MappingProxyType(
    {
        "check": ("wrapper.cli.corpora.check", "check", "Judge every document of a corpus, and prove what was judged."),
        "baseline": ("wrapper.cli.corpora.baseline", "baseline", "Make a file of pre-agent text that is no evidence."),
        "explain": ("wrapper.cli.corpora.explain", "explain", "Show what in one document came from which session."),
        "verify": ("wrapper.cli.corpora.verify", "verify", "Verify the manifest that a check left."),
        "policy": ("wrapper.cli.corpora.policy", "policy", "Print the built-in policy, or check a file."),
    }
)


class _Commands(LazyGroup):
    table = _COMMANDS


@click.command(cls=_Commands)
def group() -> None:
    """Find text that agents wrote in corpora: JSONL, Parquet, trees of files, git repositories.

    Documents are compared with the index of provenance: what models said, what they gave to tools, and what was
    written, in every session that was captured. docs/corpus.md says what is found and what is not.

    \b
    Examples:
      safe-agent corpus check data/ --out verdicts
      safe-agent corpus check train.jsonl.zst --policy corpus.toml --baseline old.baseline --out verdicts
      safe-agent corpus baseline ~/src/project --before 2024-01-01 --out old.baseline
      safe-agent corpus explain train.jsonl.zst:4711

    \b
    Exit codes: 0 clean, or done; 1 refused text was found; 3 something could not be judged or waits for a person;
    125 safe-agent refuses or fails. Each command's own are in its --help.
    """  # noqa: D301 (click's mark for lines that stay as they are)
