"""Options that several commands about corpora have, and what follows from them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from wrapper.corpus.against import Against
    from wrapper.corpus.storage import Storage

_MOST_TOLD: Final = 3  # faults of the index; the report has all of them


def index_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--index` and `--key`; the command gets `index` (a tuple of paths) and `key` (a path or None)."""
    for option in (
        click.option(
            "--key", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
            help="Key of the index; the one of this machine if not given.",
        ),
        click.option(
            "--index", multiple=True, type=click.Path(path_type=Path), metavar="PACK|STATE",
            help="Pack or state folder to compare with; may be given again. All of this machine if not given.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def policy_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--policy`; the command gets `policy` (a path or None)."""
    return click.option(
        "--policy", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
        help="What is refused; `safe-agent corpus policy` prints the built-in one.",
    )(command)  # fmt: skip


def storage_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--endpoint` and `--anonymous`; the command gets both."""
    for option in (
        click.option("--anonymous", is_flag=True, help="Read from stores without credentials."),
        click.option("--endpoint", default="", metavar="URL", help="Of an S3-compatible server, for s3:// addresses."),
    ):
        command = option(command)
    return command


def storage(endpoint: str, *, anonymous: bool) -> "Storage":
    """Say how stores are reached."""
    from wrapper.corpus.storage import Storage  # noqa: PLC0415 (msgspec, and more)

    return Storage(endpoint=endpoint, anonymous=anonymous)


def compared_with(index: tuple[Path, ...], key: Path | None) -> "Against":
    """Open what is compared with, and say what it lacks."""
    from wrapper.corpus.against import prepared  # noqa: PLC0415 (after `--help`)
    from wrapper.messages import say  # noqa: PLC0415 (as above)
    from wrapper.plan.places import Places  # noqa: PLC0415 (as above)

    against = prepared(index, key, Places.from_environment())
    for fault in against.faults[:_MOST_TOLD]:
        say(f"the index does not tell everything: {f'session {fault.session}: ' if fault.session else ''}{fault.why}")
        if fault.hint:
            say(f"hint: {fault.hint}")
    if len(against.faults) > _MOST_TOLD:
        say(f"the index does not tell everything: {len(against.faults) - _MOST_TOLD} more faults")
    if against.anew:
        say(f"the index of {against.anew} sessions was made after their end: only their logs prove it")
        say("hint: `safe-agent provenance verify --logs` compares")
    return against
