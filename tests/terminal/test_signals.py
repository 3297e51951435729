"""Signals that come before anybody takes them wait, and are not lost."""

import os
import signal
import subprocess
import sys

_WAITING = """
import os, signal
from wrapper.terminal.signals import Signals, hold
hold()
os.kill(os.getpid(), signal.SIGTERM)
with Signals() as signals:
    print(list(signals.received()) == [signal.SIGTERM])
"""


def test_a_signal_that_was_held_arrives_when_somebody_takes_it() -> None:
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-c", _WAITING], env=environment, capture_output=True, text=True, check=False, timeout=20
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_a_signal_that_nobody_holds_ends_the_process() -> None:
    code = _WAITING.replace("hold()\n", "\n", 1)
    done = subprocess.run([sys.executable, "-c", code], env={"PATH": os.defpath}, check=False, timeout=20)
    assert done.returncode == -signal.SIGTERM
