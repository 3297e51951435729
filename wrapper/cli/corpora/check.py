"""`safe-agent corpus check`: judge every document of a corpus, and leave a proof of what was judged."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from wrapper.cli.corpora.options import compared_with, index_options, policy_option, storage, storage_options

if TYPE_CHECKING:
    from wrapper.corpus.checking import Asked
    from wrapper.corpus.engines import Engine, Progress
    from wrapper.corpus.meter import Meter
    from wrapper.corpus.verdicts import Summary

_CODES: Final = {"refused": 1, "undecided": 3, "quarantined": 3, "accepted": 0, "clean": 0}


class _EnoughError(Exception):
    """A refused document was found, and one is enough."""


@click.command(
    epilog="\b\nExit codes: 0 nothing was found; 1 refused text was found; 3 something could not be\n"
    "judged, or a person should look at it, and the policy does not accept that; 2 wrong\n"
    "usage; 125 when safe-agent refuses or fails.",
    help="""Judge every document of a corpus by what agents wrote in captured sessions.

    PATHS are files, folders, git repositories (every version of every file) and addresses (`s3://…`). Data sets are
    JSONL (`.jsonl`, `.jsonl.gz`, `.jsonl.zst`) and Parquet, wherever they lie; every other file is a document.

    \b
    OUT gets:
      parts/            a verdict for each document, with spans (Parquet)
      manifest.jsonl    hash and verdict of each document; its root is printed
      judged.json       by which index and policy
      quarantine.jsonl  what is not accepted, with the spans and sessions
      croissant.json    metadata in Croissant 1.1
      report.txt, report.html, summary.json
    Without --out, only the report is printed.

    A run that was ended goes on with --resume. Where the index has faults, or a document could not be read, nothing is
    called clean.

    \b
    Examples:
      safe-agent corpus check src/
      safe-agent corpus check data/ --policy corpus.toml --baseline old.baseline --out verdicts
      safe-agent corpus check s3://bucket/train/ --index all.pack --engine ray --address auto --out s3://bucket/verdicts
      jq -r 'select(.decision == "refuse") | .id' verdicts/quarantine.jsonl
    """,
)
@click.argument("paths", nargs=-1, required=True)
@policy_option
@index_options
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Text that is older than agents (`safe-agent corpus baseline`), and no evidence.",
)
@click.option("--out", default="", metavar="FOLDER", help="Where verdicts and manifest go; a folder or an address.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Processes of this machine, or a Ray cluster.",
)
@click.option("--address", default="local", show_default=True, metavar="ADDRESS", help="Of the Ray cluster.")
@click.option("--workers", type=click.IntRange(0), default=0, metavar="N", help="How many; one for each core if 0.")
@click.option("--resume", is_flag=True, help="Go on with the run that FOLDER holds.")
@click.option("--fail-fast", is_flag=True, help="Stop when a refused document is found; no manifest is written.")
@storage_options
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON with a stable schema.")
@click.pass_context
def check(  # noqa: PLR0913 (click hands over an option each)
    ctx: click.Context,
    *,
    paths: tuple[str, ...],
    policy: Path | None,
    index: tuple[Path, ...],
    key: Path | None,
    baseline: Path | None,
    out: str,
    engine: "Engine",
    address: str,
    workers: int,
    resume: bool,
    fail_fast: bool,
    endpoint: str,
    anonymous: bool,
    as_json: bool,
) -> None:
    """Judge, and report."""
    if resume and not out:
        raise click.UsageError("--resume goes with --out")
    from wrapper.corpus.checking import Asked, load_policy  # noqa: PLC0415 (after `--help`)
    from wrapper.corpus.engines import check_packages  # noqa: PLC0415 (as above)

    chosen = load_policy(policy)
    check_packages()
    with _folder(out) as folder:
        asked = Asked(
            sources=paths, policy=chosen, out=folder, baseline=str(baseline or ""), engine=engine, address=address,
            workers=workers, resume=resume, storage=storage(endpoint, anonymous=anonymous),
        )  # fmt: skip
        ctx.exit(_run(asked, index, key, out, fail_fast=fail_fast, as_json=as_json))


@contextmanager
def _folder(out: str) -> Iterator[str]:
    """Give the folder of results; one that goes away where none was named."""
    if out:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="safe-agent-corpus-") as folder:
        yield str(Path(folder, "out"))


def _run(
    asked: "Asked", index: tuple[Path, ...], key: Path | None, out: str, *, fail_fast: bool, as_json: bool
) -> int:  # fmt: skip
    from wrapper.corpus.checking import check as run  # noqa: PLC0415 (after `--help`)
    from wrapper.corpus.meter import Meter  # noqa: PLC0415 (as above)
    from wrapper.messages import say  # noqa: PLC0415 (as above)

    against = compared_with(index, key)
    meter = Meter(sys.stderr, is_shown=sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb")
    try:
        summary = run(asked, against, _watching(meter, fail_fast=fail_fast), _now())
    except _EnoughError:
        say("refused: a refused document was found; the rest was not judged (--fail-fast)")
        return _CODES["refused"]
    finally:
        meter.clear()
    _print(summary, out, as_json=as_json)
    return _CODES[summary.verdict]


def _watching(meter: "Meter", *, fail_fast: bool) -> "Callable[[Progress], None]":
    def watch(progress: "Progress") -> None:
        meter(progress)
        if fail_fast and progress.refused:
            raise _EnoughError

    return watch


def _print(summary: "Summary", out: str, *, as_json: bool) -> None:
    import msgspec  # noqa: PLC0415 (after `--help`)

    from wrapper.corpus import reports  # noqa: PLC0415 (as above)
    from wrapper.messages import say  # noqa: PLC0415 (as above)

    if as_json:
        click.echo(msgspec.json.encode(summary))
    else:
        for line in reports.lines(summary):
            click.echo(line)
    if out and not as_json:
        say(f"written to `{out}`: manifest.jsonl, quarantine.jsonl, croissant.json, report.html")


def _now() -> str:
    import datetime as dt  # noqa: PLC0415 (after `--help`)

    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
