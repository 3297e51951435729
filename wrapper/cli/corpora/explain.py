"""`safe-agent corpus explain`: what in one document came from which session."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wrapper.cli.corpora.options import compared_with, index_options, policy_option, storage, storage_options

if TYPE_CHECKING:
    from wrapper.corpus.explaining import Explained

_MOST_LINES = 40  # of one span
_LONGEST = 160  # characters of a line


@click.command(
    epilog="\b\nExit codes: 0 done; 2 wrong usage; 125 when safe-agent refuses or fails.",
    help="""Show where in one document text of agents stands, and which emission each piece came from.

    DOCUMENT is a file, `FILE:LINE` of JSONL, `FILE:ROW` of Parquet or `REPOSITORY:NUMBER`; with --result also an id or
    a place that a check named. The document is read and judged anew.

    \b
    Examples:
      safe-agent corpus explain src/server.py
      safe-agent corpus explain train.jsonl.zst:4711
      safe-agent corpus explain --result verdicts doc-0815
    """,
)
@click.argument("document")
@click.option("--result", default="", metavar="FOLDER", help="What `--out` of a check named.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="As for `check`.",
)
@click.option("--all", "every", is_flag=True, help="Print every line of long spans.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with a stable schema.")
@policy_option
@index_options
@storage_options
def explain(  # noqa: PLR0913 (click hands over an option each)
    *,
    document: str,
    result: str,
    baseline: Path | None,
    every: bool,
    as_json: bool,
    policy: Path | None,
    index: tuple[Path, ...],
    key: Path | None,
    endpoint: str,
    anonymous: bool,
) -> None:
    """Explain."""
    from wrapper.corpus import explaining  # noqa: PLC0415 (after `--help`)
    from wrapper.corpus.checking import load_policy  # noqa: PLC0415 (as above)
    from wrapper.corpus.engines import check_packages  # noqa: PLC0415 (as above)

    chosen = load_policy(policy)
    check_packages()
    stores = storage(endpoint, anonymous=anonymous)
    place = explaining.place_of(document, result, stores)
    against = compared_with(index, key)
    found = explaining.explained(place, against, chosen, str(baseline or ""), stores)
    if as_json:
        import msgspec  # noqa: PLC0415 (as above)

        click.echo(msgspec.json.encode(found.verdict))
    else:
        _print(found, most=0 if every else _MOST_LINES)


def _print(found: "Explained", *, most: int) -> None:
    from wrapper.messages import printable  # noqa: PLC0415 (after `--help`)
    from wrapper.review.times import moment  # noqa: PLC0415 (as above)

    verdict = found.verdict
    share = f", {verdict['coverage']:.0%} of its tokens" if verdict["spans"] else ""
    because = f" ({verdict['because']})" if verdict["because"] else ""
    place = f"{verdict['source']}:{verdict['row']}"
    click.echo(printable(f"{verdict['id']} ({place}): {verdict['decision']}, {verdict['stage']}{share}{because}"))
    lines = found.text.split(b"\n")
    for span in verdict["spans"]:
        first, last = span["first_line"], span["last_line"]
        where = f"line {first}" if first == last else f"lines {first}-{last}"
        how = "mostly word for word" if span["exact"] else "the same but for names and layout"
        request = f", request #{span['request']}" if span["request"] else ""
        click.echo(f"\n{where}: {span['tokens']} tokens, {how}")
        origin = f"{span['kind']} of {span['model'] or 'a model not named'}, session {span['session']}{request}"
        click.echo(printable(f"  {origin}, {moment(span['at'])}"))
        shown = lines[first - 1 : last]
        for number, line in enumerate(shown[:most] if most else shown, first):
            text = printable(line.decode("utf-8", "replace").replace("\t", "    "))
            click.echo(f"{number:>7} | {text[:_LONGEST]}{'…' if len(text) > _LONGEST else ''}")
        if most and len(shown) > most:
            click.echo(f"        | {len(shown) - most:,} more lines (--all prints them)")
