"""The walker: a process that looks which folders are as the scan cache has them, while this one still imports.

It is forked before anything else and knows neither policy nor rules: it compares rows, and `take_inventory` decides
what they are worth. What changes after its look is seen by the watcher, or by the guard's second look.
"""

import contextlib
import os
import signal
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

from wrapper.errors import SafeAgentError
from wrapper.plan.facts import find_workspace
from wrapper.plan.places import Places
from wrapper.plan.rows import unchanged
from wrapper.plan.scancache import load_any, place
from wrapper.processes import fork


class Walker:
    """The walker's process; `same` waits for what it found."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._read, write = os.pipe()
        self._process = fork("safe-walk", partial(_walk, write, environ), keep=[write])
        os.close(write)

    def same(self) -> Collection[str]:
        """Give the folders that are as the scan cache has them; none where the walker could not tell."""
        with open(self._read, "rb", closefd=False) as found:
            data = found.read()
        return [os.fsdecode(path) for path in data.split(b"\0")] if data else ()

    def close(self) -> None:
        """End it, whatever it does, and wait for that."""
        os.close(self._read)
        signal.pidfd_send_signal(self._process.pidfd, signal.SIGKILL)
        self._process.wait()


def _walk(write: int, environ: Mapping[str, str]) -> int:
    try:
        places = Places.from_environment(environ)
        _, workspace = find_workspace(None, places)
    except SafeAgentError:
        return 0  # the session is about to say so
    cache = load_any(place(places.cache, workspace))
    found = () if cache is None else unchanged(Path(workspace), cache)
    with contextlib.suppress(BrokenPipeError), open(write, "wb") as pipe:  # the session may have been killed meanwhile
        pipe.write(b"\0".join(os.fsencode(path) for path in found))
    return 0
