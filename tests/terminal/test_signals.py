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


_IGNORED = """
import os, signal
from wrapper.terminal.signals import Signals, hold, ignore
hold()
with Signals() as signals:
    pass
os.kill(os.getpid(), signal.SIGTERM)  # waits again, as it did before
os.kill(os.getpid(), signal.SIGINT)
heed = ignore()
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTSTP):
    os.kill(os.getpid(), number)
print("alive", flush=True)
heed()
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_from_the_relays_end_to_the_sessions_end_no_signal_cuts_in() -> None:
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-c", _IGNORED], env=environment, capture_output=True, text=True, check=False, timeout=20
    )
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "alive\n"), done.stderr
