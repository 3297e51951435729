"""What several commands have in common: options, and whether to print in colours."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

import click


def policy_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--policy FILE` and `--profile NAME`; the command gets them as `policy` and `profile`, None if not given."""
    for option in (
        click.option("--profile", metavar="NAME", help="Bundled profile: default, strict, ci or lab."),
        click.option(
            "--policy",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Policy file that takes the place of the user's own.",
        ),
    ):
        command = option(command)
    return command


def wants_colours(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Say whether to print in colours: on a terminal that has them, unless NO_COLOR is set to anything."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"
