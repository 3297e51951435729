"""`safe-agent provenance key`: show, take over or give away the key of the index."""

import contextlib
import os
from pathlib import Path

import click

from wrapper.cli.indexing.opening import key_path
from wrapper.errors import ProvenanceError
from wrapper.messages import say
from wrapper.plan.caching import replace_file
from wrapper.plan.places import Places
from wrapper.provenance.key import load, load_or_make, parse

_LONGEST = 4096


@click.group(
    "key",
    epilog="\b\nExit codes: 0 done; 2 wrong usage; 125 the key cannot be read or written.",
    help="""Show, take over or give away the key of the index.

    Codes of the same text are the same under one key only: machines whose indexes are to be joined need the same one.

    \b
    Example:
      safe-agent provenance key show
    """,
)
def group() -> None:
    """Hold the verbs."""


@group.command(
    epilog="\b\nExit codes: 0 shown; 125 there is none, or it cannot be read.",
    help="""Print the id of the key and its label; never the key.

    \b
    Example:
      safe-agent provenance key show
    """,
)
def show() -> None:
    """Print the id."""
    path = key_path(Places.from_environment())
    key = load(path)
    click.echo(f"{key.id}  {key.label}".rstrip())
    say(f"the key is in `{path}`")


@group.command(
    "import",
    epilog="\b\nExit codes: 0 done; 125 another key is here already, or FILE is no key.",
    short_help="Take over a key, so that indexes can be joined.",
    help="""Take over the key in FILE, so that this machine's index can be joined with others.

    What was indexed under another key cannot be read by the new one: with --replace that key is kept beside it, and
    `safe-agent provenance rebuild --all` makes the index anew.

    \b
    Example:
      safe-agent provenance key import /mnt/provenance.key
    """,
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Although there is another one; that one is kept under its id.")
def import_(file: Path, *, replace: bool) -> None:
    """Copy a key file into its place."""
    path = key_path(Places.from_environment())
    try:
        with file.open("rb") as stream:
            content = stream.read(_LONGEST + 1)
        key = parse(content)
        if path.exists() and (old := load(path)) != key:
            if not replace:
                hint = "with --replace it takes its place; then run `safe-agent provenance rebuild --all`"
                raise ProvenanceError(f"there is the key {old.id} already", hint=hint)
            with contextlib.suppress(FileExistsError):
                os.link(path, path.with_name(f"{path.name}.{old.id}"))
        replace_file(path, content, durable=True)
    except OSError as error:
        raise ProvenanceError(f"cannot take over `{file}`: {error.strerror}") from error
    say(f"the key of the index is {key.id} now")


@group.command(
    epilog="\b\nExit codes: 0 written; 125 there is a file already, or it cannot be written.",
    help="""Write the key to FILE, which only its owner can read.

    Whoever has it and an index can tell of any text that they have whether an agent wrote it, can read which session
    wrote what file when, and can write sheets that look like yours. Nobody gets text out of an index with it.

    \b
    Example:
      safe-agent provenance key export ./provenance.key
    """,
)
@click.argument("file", type=click.Path(path_type=Path))
def export(file: Path) -> None:
    """Copy the key file."""
    path = key_path(Places.from_environment())
    key = load_or_make(path)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(path.read_bytes())
    except OSError as error:
        raise ProvenanceError(f"cannot write `{file}`: {error.strerror}") from error
    say(f"wrote the key {key.id} to `{file}`: whoever has it can test texts against the index, and read who wrote when")
