"""`safe-agent keys`: make and show the keys of this machine."""

from collections.abc import Sequence

import click
import msgspec

from wrapper.audit.keys import Keys
from wrapper.messages import say
from wrapper.plan.places import Places


@click.group(
    "keys",
    epilog="\b\nExit codes: 0 done; 2 wrong usage; 125 the keys cannot be made or used.",
    help="""Make and show the keys of this machine.

    \b
    Example:
      safe-agent keys make
    """,
)
def group() -> None:
    """Hold the verbs."""


@group.command(
    epilog="\b\nExit codes: 0 all keys are there; 125 a key cannot be made or used.",
    short_help="Make the keys that are missing.",
    help="""Make the keys that are missing: the pair that the log is encrypted to, and the masking key.

    Existing keys stay as they are. Keep a copy of `audit.key` elsewhere: without it no log can be read. It may also
    be moved away from this machine; sessions are recorded without it.

    \b
    Example:
      safe-agent keys make
    """,
)
def make() -> None:
    """Make what is missing."""
    keys = Keys(Places.from_environment().config)
    say_made(keys, keys.make())


@group.command(
    epilog="\b\nExit codes: 0 shown; 125 the keys are missing or not usable.",
    short_help="Show the public keys, and where the files are.",
    help="""Show the public keys that logs are encrypted to, and where the files are; never a private key.

    \b
    Examples:
      safe-agent keys show
      safe-agent keys show --json | jq -r '.recipients[]'
    """,
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(*, as_json: bool) -> None:
    """Print recipients and paths."""
    keys = Keys(Places.from_environment().config)
    recipients = keys.load_recipients()
    private = keys.has_identity()
    if private:
        keys.check_identity()
    keys.masking_key()
    if as_json:
        row = {"version": 1, "folder": str(keys.folder), "recipients": recipients, "private_key_here": private}
        click.echo(msgspec.json.encode(row))
        return
    for recipient in recipients:
        click.echo(recipient)
    say(f"the private key is in `{keys.reading_path}`" if private else "the private key is not on this machine")


def say_made(keys: Keys, made: Sequence[str]) -> None:
    """Say which files were made, and that one of them cannot be had again."""
    say(f"made {', '.join(made)} in `{keys.folder}`" if made else f"all keys are in `{keys.folder}` already")
    if keys.reading_path.name in made:
        say(f"keep a copy of `{keys.reading_path.name}` elsewhere: without it no log can be read")
