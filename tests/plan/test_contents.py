"""A pipe is never opened, by no way of reading files: whoever waits there to write would take us for the reader."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from wrapper.plan.contents import read_regular
from wrapper.view.beneath import open_regular


@pytest.mark.parametrize(
    "opened",
    [lambda path: read_regular(str(path), 100), lambda path: open_regular([str(path.parent)], str(path), os.O_RDONLY)],
    ids=["read_regular", "open_regular"],
)
def test_who_waits_to_write_into_a_pipe_goes_on_waiting(tmp_path: Path, opened: Callable[[Path], object]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=lambda: pipe.write_bytes(b"for another\n"), daemon=True)
    writing.start()
    for _ in range(50):
        with pytest.raises(OSError, match="not a regular file"):
            opened(pipe)
    writing.join(0.1)
    assert writing.is_alive()
    assert pipe.read_bytes() == b"for another\n"
    writing.join(5)
    assert not writing.is_alive()
