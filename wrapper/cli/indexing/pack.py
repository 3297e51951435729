"""`safe-agent provenance pack`: the index as one file."""

from pathlib import Path

import click

from wrapper.cli.indexing.opening import only_workspaces, opened, say_faults
from wrapper.errors import ProvenanceError
from wrapper.messages import say
from wrapper.plan.places import Places
from wrapper.provenance.pack import Pack
from wrapper.review.sizes import size


@click.command(
    epilog="\b\nExit codes: 0 written; 1 written, but the index has faults, so it may lack something; 2 wrong usage;\n"
    "125 it cannot be read or written.",
    help="""Write the index as one file, to check a corpus elsewhere: `safe-agent corpus check --index FILE`.

    It holds the same keyed codes, sorted: whoever has it needs the key, too (`safe-agent provenance key export`), and
    learns nothing of any text without having that text already.

    \b
    Examples:
      safe-agent provenance pack --out agents.pack
      safe-agent provenance pack --workspace ~/project --out project.pack
    """,
)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where to.")
@only_workspaces
@click.pass_context
def command(ctx: click.Context, *, out: Path, folders: tuple[Path, ...]) -> None:
    """Write the file and say how large it is."""
    index, key = opened(Places.from_environment(), folders)
    try:
        Pack.build(index.sheets(), out, key, index.faults)
    except OSError as error:
        raise ProvenanceError(f"cannot write `{out}`: {error.strerror}") from error
    say(f"wrote `{out}`: {size(out.stat().st_size)}, {Pack.open(out, key).rows} lines under key {key.id}")
    say_faults(index.faults)
    ctx.exit(int(bool(index.faults)))
