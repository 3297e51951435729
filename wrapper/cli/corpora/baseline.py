"""`safe-agent corpus baseline`: a file of what is older than any agent, and so is no evidence."""

import time
from pathlib import Path

import click

from wrapper.cli.corpora.options import compared_with, index_options, policy_option, storage, storage_options


@click.command(
    epilog="\b\nExit codes: 0 done; 2 wrong usage; 125 when safe-agent refuses or fails.",
    help="""Make a file of pre-agent text, for --baseline of `safe-agent corpus check`.

    What stands in it is no evidence, whoever wrote it again: agents repeat licences, boilerplate and known code. All
    of PATHS counts: data sets, folders, repositories, as `check` reads them. With --before or --rev, only what git
    repositories had at that time, by the committer's clock; a commit that stands on a later one does not count.

    The file holds keyed codes, about twice as large as the text. With --only-index it keeps those that the index of now
    has: small, made in little memory, and to be made anew when the index grows.

    \b
    Examples:
      safe-agent corpus baseline ~/src/project --before 2023-01-01 --out old.baseline
      safe-agent corpus baseline . --rev v1.0 --out old.baseline
      safe-agent corpus baseline pile-2020.jsonl.zst --only-index --out old.baseline
    """,
)
@click.argument("paths", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Written.")
@click.option("--before", metavar="DATE", help="Of repositories: what was committed before; ISO 8601, UTC.")
@click.option("--rev", default="", metavar="REV", help="Of repositories: this revision and its past.")
@click.option("--only-index", is_flag=True, help="Keep only what the index has.")
@policy_option
@index_options
@storage_options
def baseline(  # noqa: PLR0913 (click hands over an option each)
    *,
    paths: tuple[str, ...],
    out: Path,
    before: str | None,
    rev: str,
    only_index: bool,
    policy: Path | None,
    index: tuple[Path, ...],
    key: Path | None,
    endpoint: str,
    anonymous: bool,
) -> None:
    """Make it."""
    if before is not None and rev:
        raise click.UsageError("give one of --before and --rev")
    if index and not only_index:
        raise click.UsageError("--index goes with --only-index")
    from wrapper.corpus.against import key_path  # noqa: PLC0415 (after `--help`)
    from wrapper.corpus.checking import load_policy  # noqa: PLC0415 (as above)
    from wrapper.corpus.prior import When, make  # noqa: PLC0415 (as above)
    from wrapper.messages import say  # noqa: PLC0415 (as above)
    from wrapper.plan.places import Places  # noqa: PLC0415 (as above)
    from wrapper.provenance.key import load  # noqa: PLC0415 (loads cryptography)
    from wrapper.provenance.pack import Pack  # noqa: PLC0415 (loads numpy)

    when = When(_date(before), rev)
    opened = load(key_path(key, Places.from_environment()))
    within = Pack.open(compared_with(index, key).pack, opened) if only_index else None
    made = make(
        paths, when, out, key=opened, policy=load_policy(policy),
        storage=storage(endpoint, anonymous=anonymous), within=within,
    )  # fmt: skip
    say(f"`{out}`: {made.codes:,} codes of {made.documents:,} documents ({made.size / 1e6:,.1f} MB)")
    if made.unreadable:
        say(f"{made.unreadable:,} documents could not be read, and are not subtracted")


def _date(text: str | None) -> float | None:
    if text is None:
        return None
    from wrapper.review.times import when  # noqa: PLC0415 (after `--help`)

    try:
        return when(text, time.time())
    except ValueError as error:
        raise click.UsageError(f"--before: `{text}` is no date; write 2024-01-31") from error
