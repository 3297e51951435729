"""The engine of many machines: the same worker as an actor of Ray Data, one for each core of a cluster.

What flows through Ray are tasks, and how many documents each held: an actor reads its piece from where it is stored,
and writes its part to where the results go. So there is one operator, no shuffle, and a cost that grows with the corpus
only. The folder of results must be one that all machines write to: a store, or a shared file system.
"""

import importlib.util
import logging
import os
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wrapper.corpus.judging import Judging
from wrapper.corpus.resuming import PARTS, PATIENCE, Done, Task, deadly
from wrapper.corpus.sending import Sent, arrived, sent
from wrapper.corpus.storage import Folder, shown
from wrapper.errors import ProvenanceError

if TYPE_CHECKING:
    import pyarrow as pa
    from ray.data import Dataset

_LOOPBACK: Final = "127.0.0.1"
_SHORT: Final = "/tmp"  # noqa: S108 (a socket's path has 107 bytes at most, and Ray's own part of it has 80)
_STORE: Final = 100 << 20  # bytes: only tasks and counts go through it
_MOST_BLOCKS: Final = 1 << 14


def judge_all(
    todo: Sequence[Task],
    judging: Judging,
    folder: Folder,
    workers: int,
    address: str,
    done: Callable[[Task, Done], None],
) -> None:
    """Judge pieces on a Ray cluster; `address` `local`: one of this machine, for this run only.

    `workers` 0: one for each core of the cluster. Where this process is connected to Ray already, that is used. Raises
    ProvenanceError where Ray is missing or cannot be reached, where a worker does, and where a piece kills workers.
    """
    _check_packages()
    if not todo:
        return
    with connected(address, workers):
        import ray  # noqa: PLC0415 (an extra, and it takes a second)

        try:
            for row in planned(todo, judging, folder, workers).iter_rows():
                if row["what"]:
                    raise ProvenanceError(row["what"], hint=row["hint"])
                done(todo[row["place"]], Done(row["documents"], row["refused"]))
        except ray.exceptions.RayError as error:
            hint = "see Ray's logs; go on with `--resume`"
            raise ProvenanceError(f"the Ray cluster failed: {_first_line(error)}", hint=hint) from error
    _check_shared(todo, folder)


def planned(todo: Sequence[Task], judging: Judging, folder: Folder, workers: int) -> "Dataset":
    """Plan the work as a data set of Ray, not yet begun: a row for each task."""
    import ray  # noqa: PLC0415 (as above)
    import ray.data  # noqa: PLC0415

    cores = int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
    put = ray.put if len(ray.nodes()) > 1 else None  # type: ignore[no-untyped-call]
    files = sent(judging.pack, put), sent(judging.baseline, put) if judging.baseline else None
    tries = ray.remote(num_cpus=0)(Tries).remote()
    rows = [{"place": place, "task": _encoded(task)} for place, task in enumerate(todo)]
    return ray.data.from_items(rows, override_num_blocks=min(len(rows), _MOST_BLOCKS)).map_batches(
        Actor,
        batch_size=1,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=max(1, min(workers or cores, cores, len(rows)))),
        fn_constructor_args=(judging, folder, tries, *files),
        num_cpus=1,
    )


class Tries:
    """An actor of its own that counts how often a piece was begun: what kills one worker after another must end."""

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()

    def begin(self, place: int) -> int:
        """Count a beginning; give how many there were before."""
        self._begun[place] += 1
        return self._begun[place] - 1


class Actor:
    """A worker on some machine of the cluster; opens pack, key and baseline once."""

    def __init__(self, judging: Judging, folder: Folder, tries: Any, pack: Sent, baseline: Sent | None) -> None:
        import ray  # noqa: PLC0415 (as above)

        from wrapper.corpus.worker import Worker  # noqa: PLC0415 (heavy, and here only the actor's)

        cache = Path(tempfile.gettempdir(), f"safe-agent-packs-{os.getuid()}")
        self._tries = tries
        self._failure: ProvenanceError | None = None
        try:
            there = {"pack": arrived(pack, ray.get, cache)}
            if baseline:
                there["baseline"] = arrived(baseline, ray.get, cache)
            self._worker = Worker(msgspec.structs.replace(judging, **there), folder)
        except ProvenanceError as error:
            self._failure = error  # an actor that fails to start is started again and again: say it with the first task

    def __call__(self, batch: "pa.Table") -> "pa.Table":
        """Judge the pieces of a batch; a row for each."""
        import pyarrow as pa  # noqa: PLC0415 (as above)

        return pa.Table.from_pylist([self._do(row["place"], row["task"]) for row in batch.to_pylist()])

    def _do(self, place: int, task: bytes) -> dict[str, Any]:
        import ray  # noqa: PLC0415 (as above)

        try:
            if self._failure:
                raise self._failure
            piece = msgspec.msgpack.decode(task, type=Task)
            if ray.get(self._tries.begin.remote(place)) >= PATIENCE:
                raise deadly(piece, "see Ray's logs")
            documents, refused = self._worker.do(piece)
        except ProvenanceError as error:
            return {"place": place, "documents": 0, "refused": 0, "what": error.what, "hint": error.hint}
        return {"place": place, "documents": documents, "refused": refused, "what": "", "hint": ""}


@contextmanager
def connected(address: str, workers: int) -> Iterator[None]:
    """Be connected to a cluster; what was started for it has ended when the block has."""
    _settle(address)
    import ray  # noqa: PLC0415 (as above)

    _be_quiet()
    if ray.is_initialized():
        yield
        return
    with ExitStack() as stack:
        options = stack.enter_context(_own(workers)) if address == "local" else {"address": address}
        stack.callback(ray.shutdown)
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            where = "start Ray on this machine" if address == "local" else f"reach Ray at `{shown(address)}`"
            raise ProvenanceError(f"cannot {where}: {_first_line(error)}", hint="see `ray status`") from error
        yield


@contextmanager
def _own(workers: int) -> Iterator[dict[str, Any]]:
    """Give the options of a cluster of this machine: loopback only, no dashboard, its own folder."""
    folder = tempfile.mkdtemp(prefix="sa-", dir=_SHORT)
    try:
        yield {
            "num_cpus": workers or len(os.sched_getaffinity(0)),
            "include_dashboard": False,
            "object_store_memory": _STORE,
            "_node_ip_address": _LOOPBACK,
            "_temp_dir": folder,
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settle(address: str) -> None:
    """Set what Ray reads from the environment when it is imported, and never again: so it stays set.

    No statistics are sent. A cluster of our own gets a token of its own, which else Ray writes into HOME.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_DATA_DISABLE_PROGRESS_BARS"] = "1"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else it warns of settings that Ray Data itself makes
    if address == "local" and "RAY_AUTH_TOKEN" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _be_quiet() -> None:
    """Have Ray Data say nothing of its own: progress is told by us."""
    from ray.data import DataContext  # noqa: PLC0415 (as above)

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _check_packages() -> None:
    """Make sure that Ray can start.

    Its agent tolerates that the API of OpenTelemetry is missing, but not that only a package below its name is there
    (`opentelemetry-proto` alone): then its raylet dies, and `ray.init` waits for 30 seconds.
    """
    if importlib.util.find_spec("ray") is None:
        raise ProvenanceError("the engine `ray` needs Ray", hint="`./install.sh --corpus` brings it")
    if importlib.util.find_spec("opentelemetry") and not importlib.util.find_spec("opentelemetry.metrics"):
        hint = "pip install opentelemetry-exporter-prometheus"
        raise ProvenanceError("Ray cannot start: only a part of OpenTelemetry is installed", hint=hint)


def _check_shared(todo: Sequence[Task], folder: Folder) -> None:
    """Make sure that all parts lie where we see them. Raises ProvenanceError."""
    missing = {task.part for task in todo} - folder.below(PARTS).names()
    if missing:
        hint = "results must go to a store or a file system that all machines of the cluster share"
        raise ProvenanceError(f"{len(missing)} parts did not come to `{shown(folder.address)}`", hint=hint)


def _encoded(task: Task) -> bytes:
    return msgspec.msgpack.encode(task)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
