"""What the host makes is seen inside, however close together asking and making are."""

import os
import threading
from pathlib import Path

from tests.machine import until
from tests.view.served import served


def test_a_file_that_is_asked_for_while_it_is_made_is_seen_in_the_end(tmp_path: Path) -> None:
    """An answer that is on its way must not outlive what the kernel is told meanwhile."""
    real = tmp_path / "work"
    real.mkdir()
    with served(real) as inside:
        done = threading.Event()
        wanted: list[Path] = []

        def ask() -> None:
            while not done.is_set():
                for path in wanted[-2:]:
                    os.path.exists(path) and path.read_bytes()  # noqa: PTH110 (quick, as what it races with)

        asking = [threading.Thread(target=ask) for _ in range(2)]
        for thread in asking:
            thread.start()
        try:
            for number in range(300):
                name = f"file{number}"
                wanted.append(inside / name)
                (real / name).write_text("whole\n")
        finally:
            done.set()
            for thread in asking:
                thread.join()
        until(lambda: all(path.exists() and path.read_text() == "whole\n" for path in wanted), within=3)
