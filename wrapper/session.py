"""The session's story: fork the walker and the recorder, look, fork the mounter and the watcher, then all the rest.

Processes: this one (the relay), the recorder, the watcher, the walker (soon gone), the view's mounter, the guard, and
bubblewrap with the client. If one of ours dies the client is killed; if this one dies the others see their sockets end,
restore what waits, seal the log and go: nothing outlives the session.
"""

import contextlib
import gc
import os
import time
from typing import TYPE_CHECKING

from wrapper import linux
from wrapper.walker import Walker
from wrapper.wishes import Wishes

if TYPE_CHECKING:
    from wrapper.crew import Recorder


def run(wishes: Wishes) -> int:
    """Run one session and return the exit code for the caller; raises SafeAgentError where it cannot be had."""
    linux.fill_standard_descriptors()
    with contextlib.ExitStack() as ends:
        walker = Walker(os.environ)
        ends.callback(walker.close)
        from wrapper.crew import Recorder  # noqa: PLC0415 (40 ms, while the walker works)

        return _run(wishes, walker, Recorder())


def _run(wishes: Wishes, walker: Walker, recorder: "Recorder") -> int:
    from wrapper import status  # noqa: PLC0415 (imported by now)
    from wrapper.crew import Crew, Watcher, clear  # noqa: PLC0415
    from wrapper.look import look, make_state  # noqa: PLC0415
    from wrapper.view.binds import BindsView  # noqa: PLC0415

    try:
        looked = look(wishes, os.environ)
        linux.set_dumpable(dumpable=False)
        session = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.urandom(3).hex()}"
        folder = looked.places.sessions / session
        state = looked.places.state  # before what lies in it: a folder above is made as open as the umask has it
        looked.places.private(state, looked.places.sessions, folder, folder / "view")
    except BaseException:
        recorder.give_up()
        raise
    try:
        make_state(looked)
        with contextlib.ExitStack() as ends:
            view = BindsView(looked.roots, folder / "view", served=looked.served)
            ends.callback(view.close)
            watcher = Watcher(looked, folder / "view")
            ends.callback(watcher.close)
            from wrapper.running import run_recorded  # noqa: PLC0415 (20 ms, while the others work)

            code = run_recorded(session, folder, looked, Crew(recorder, watcher, view, walker))
    finally:
        recorder.give_up()
        clear(folder)
    status.tell(status.ended(session, code), wanted=looked.policy.status_line, environ=looked.facts.environ)
    gc.freeze()  # the process is about to end: looking for garbage in all of it first costs 10 ms
    return code
