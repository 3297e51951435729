"""`safe-agent corpus verify`: recompute the root of a manifest."""

import click

from wrapper.cli.corpora.options import storage, storage_options


@click.command(
    epilog="\b\nExit codes: 0 the manifest is what was made; 125 it is not, or cannot be read; 2 wrong usage.",
    help="""Recompute the root of the manifest that a check left in FOLDER, and compare it.

    Verdicts in `parts/` and counts in `summary.json` must be those of the manifest.

    Without --root it is compared with the one that stands beside it, which proves that nothing was lost by accident.
    Against somebody who wrote the folder anew, compare with the root that was printed and kept elsewhere.

    \b
    Examples:
      safe-agent corpus verify verdicts
      safe-agent corpus verify verdicts --root 9f2c…
    """,
)
@click.argument("folder", metavar="FOLDER")
@click.option("--root", default="", metavar="HASH", help="The root that it must have.")
@storage_options
def verify(*, folder: str, root: str, endpoint: str, anonymous: bool) -> None:
    """Verify."""
    from wrapper.corpus.verdicts import verified  # noqa: PLC0415 (after `--help`)
    from wrapper.messages import say  # noqa: PLC0415 (as above)

    documents, found = verified(folder, storage(endpoint, anonymous=anonymous), root)
    click.echo(found)
    say(f"{documents:,} documents, as they were judged")
