"""`safe-agent corpus policy`: print the built-in policy, or check a file."""

from pathlib import Path

import click


@click.command(
    epilog="\b\nExit codes: 0 done; 125 the file is not valid; 2 wrong usage.",
    help="""Print the built-in policy with comments, to begin one's own with; or check FILE.

    \b
    Examples:
      safe-agent corpus policy > corpus.toml
      safe-agent corpus policy corpus.toml
    """,
)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False), metavar="[FILE]")
def policy(file: Path | None) -> None:
    """Print or check."""
    from wrapper.corpus.checking import load_policy  # noqa: PLC0415 (after `--help`)
    from wrapper.corpus.policyfile import BUILT_IN  # noqa: PLC0415 (as above)
    from wrapper.messages import say  # noqa: PLC0415 (as above)

    if file is None:
        click.echo(BUILT_IN, nl=False)
        return
    load_policy(file)
    say(f"`{file}` is a valid policy of version 1")
