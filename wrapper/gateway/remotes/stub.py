"""Makes the file that is `ssh` inside."""

import shlex
from pathlib import Path
from typing import Final

from wrapper.gateway.remotes.inside import PORT

_SOURCE: Final = Path(__file__).with_name("inside.py")


def stub(python: str, port: int = PORT) -> bytes:
    """Give the file's bytes, to be executable. `python` is the path, inside, of a Python from 3.11 on.

    It begins as a script of sh(1): a `#!` line takes no path with spaces in it, nor a long one.
    """
    source = _SOURCE.read_text().replace(f"\nPORT = {PORT}\n", f"\nPORT = {port}\n", 1)
    return f"#!/bin/sh\n'''exec' {shlex.quote(python)} -I -S -- \"$0\" \"$@\"\n' '''\n{source}".encode()
