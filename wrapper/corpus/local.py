"""The engine of one machine: a process for each core, each given a piece at a time.

Rules of this file:
1. A worker that dies takes nothing with it but the piece under way, which another one is given; one that kills two
   workers ends the run.
2. Workers end with us, however we end: by a message, by a signal from us, or by the kernel if we were killed.
3. Only we listen to Ctrl-C; workers ignore it.
"""

import multiprocessing
import multiprocessing.connection
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Final, NamedTuple

from wrapper.corpus.judging import Judging
from wrapper.corpus.resuming import PATIENCE, Done, Task, deadly
from wrapper.corpus.storage import Folder
from wrapper.errors import ProvenanceError
from wrapper.linux import set_parent_death_signal

_FAREWELL: Final = 5.0  # seconds that a worker has to end by itself


class Refusal(NamedTuple):
    """A worker's ProvenanceError, on its way to us."""

    what: str
    hint: str


class _Hand(NamedTuple):
    """A worker process, as we hold it."""

    process: SpawnProcess
    pipe: Connection


def judge_all(
    todo: Sequence[Task],
    judging: Judging,
    folder: Folder,
    workers: int,
    done: Callable[[Task, Done], None],
) -> None:
    """Judge pieces in processes of this machine; `workers` 0: one for each core. `done` is called after each.

    Raises ProvenanceError where a worker does, and where one piece killed two of them.
    """
    count = min(workers or len(os.sched_getaffinity(0)), len(todo))
    waiting = deque(todo)
    deaths: Counter[str] = Counter()
    with _hands(judging, folder) as hire:
        busy: dict[Connection, tuple[_Hand, Task]] = {}
        idle = [hire() for _ in range(count)]
        while waiting or busy:
            while waiting and idle:
                hand, task = idle.pop(), waiting.popleft()
                with suppress(OSError):  # it is dead: found out below
                    hand.pipe.send(task)
                busy[hand.pipe] = hand, task
            for pipe in multiprocessing.connection.wait(list(busy)):
                hand, task = busy.pop(pipe)  # type: ignore[call-overload]
                answer = _answer(hand)
                if isinstance(answer, Refusal):
                    raise ProvenanceError(answer.what, hint=answer.hint)
                if answer is None:
                    deaths[task.part] += 1
                    _bury(hand, task, deaths[task.part])
                    waiting.appendleft(task)
                    idle.append(hire())
                else:
                    idle.append(hand)
                    done(task, answer)


def _answer(hand: _Hand) -> Done | Refusal | None:
    """Receive what a worker says of its piece; None: it died."""
    try:
        answer: Done | Refusal = hand.pipe.recv()
    except (EOFError, OSError):
        return None
    return answer


def _bury(hand: _Hand, task: Task, deaths: int) -> None:
    hand.process.join()
    if deaths >= PATIENCE:
        raise deadly(task, _cause(hand.process.exitcode))


def _cause(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


@contextmanager
def _hands(judging: Judging, folder: Folder) -> Iterator[Callable[[], _Hand]]:
    """Give what starts workers; all of them have ended when the block has."""
    context = multiprocessing.get_context("spawn")  # a fork would copy threads of Arrow and of fsspec
    hands: list[_Hand] = []

    def hire() -> _Hand:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, judging, folder, os.getpid()), daemon=True)
        process.start()
        theirs.close()
        hands.append(_Hand(process, ours))
        return hands[-1]

    try:
        yield hire
    except BaseException:
        for hand in hands:
            hand.process.terminate()
        raise
    finally:
        for hand in hands:
            hand.pipe.close()  # tells a worker to end
        for hand in hands:
            hand.process.join(_FAREWELL)
            hand.process.kill()
            hand.process.join()


def _serve(pipe: Connection, judging: Judging, folder: Folder, parent: int) -> None:
    """Be a worker: judge pieces until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_parent_death_signal(signal.SIGKILL)
    if os.getppid() != parent:  # died before we asked to be told
        return
    from wrapper.corpus.worker import Worker  # noqa: PLC0415 (heavy, and here only the worker's)

    try:
        worker = Worker(judging, folder)
        while (task := _next(pipe)) is not None:
            _tell(pipe, worker.do(task))
    except ProvenanceError as error:
        _tell(pipe, Refusal(error.what, error.hint))


# Where we were killed, the kernel closes our end before it ends the workers: none of them complains in between.


def _next(pipe: Connection) -> Task | None:
    """Receive a piece to judge; None: who gave them is gone."""
    try:
        task: Task = pipe.recv()
    except (EOFError, OSError):
        return None
    return task


def _tell(pipe: Connection, said: Done | Refusal) -> None:
    with suppress(OSError):
        pipe.send(said)
