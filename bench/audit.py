"""What the log costs: events through a real recorder process, against appending the same bytes to a plain file.

    python bench/audit.py [FOLDER]      # FOLDER: where to write, default a temporary one; the disk matters

Both are on disk (fdatasync) when their time ends. The plain file is written by the sender itself, without framing,
encryption or signatures. Last come the delay of a durable event, and verifying what was written.
"""

import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wrapper.audit import events, reader, recorder
from wrapper.audit.client import RecorderClient
from wrapper.audit.keys import Keys

_ROUNDS = 3


@contextmanager
def _recording(directory: Path, recipients: tuple[str, ...]) -> Iterator[RecorderClient]:
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        os._exit(recorder.serve([theirs], directory, recipients))
    theirs.close()
    client = RecorderClient(ours)
    client.append_durable(events.Warned(at=0.0, text="ready"))
    yield client
    client.close()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _logged(client: RecorderClient, sent: Iterable[events.Event]) -> float:
    begun = time.perf_counter()
    for event in sent:
        client.append(event)
    client.append_durable(events.Warned(at=0.0, text="done"))
    return time.perf_counter() - begun


def _appended(path: Path, data: bytes, count: int) -> float:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    begun = time.perf_counter()
    for _ in range(count):
        os.write(descriptor, data)
    os.fdatasync(descriptor)
    taken = time.perf_counter() - begun
    os.close(descriptor)
    path.unlink()
    return taken


def _compare(folder: Path, keys: Keys, name: str, count: int, make: Callable[[bytes], events.Event], size: int) -> None:
    data = os.urandom(size // 2).hex().encode()
    logged, plain = [], []
    for turn in range(_ROUNDS):
        with _recording(folder / "sessions" / f"{name}-{turn}", keys.load_recipients()) as client:
            logged.append(_logged(client, (make(data) for _ in range(count))))
        plain.append(_appended(folder / "plain", data, count))
    log, file = min(logged), min(plain)
    rate, volume = count / log, count * size / log / 1e6
    print(f"{name:<28} {rate:>10,.0f}/s {volume:>8,.0f} MB/s   plain {count * size / file / 1e6:>8,.0f} MB/s", end="")
    print(f"   {log / file:>5.1f} times the plain file")


def _durable(folder: Path, keys: Keys) -> None:
    body = os.urandom(280_000).hex().encode()  # the median request, 0.56 MB
    times = []
    with _recording(folder / "sessions" / "durable", keys.load_recipients()) as client:
        for number in range(100):
            begun = time.perf_counter()
            client.append_durable(
                events.Request(at=0.0, number=number, method="POST", url="/v1/messages", headers={}, body=body)
            )
            times.append(time.perf_counter() - begun)
    plain = [_appended(folder / "plain", body, 1) for _ in range(100)]
    log, file = statistics.median(times) * 1e3, statistics.median(plain) * 1e3
    print(f"durable request of 0.56 MB: median {log:.2f} ms, worst {max(times) * 1e3:.1f} ms", end="")
    print(f"; write and fsync of a plain file {file:.2f} ms   {log / file:.1f} times")


def _verified(folder: Path, keys: Keys) -> None:
    for session in (f"records-of-1-KiB-{_ROUNDS - 1}", f"output-of-64-KiB-{_ROUNDS - 1}"):
        directory = folder / "sessions" / session
        size = sum(path.stat().st_size for path in directory.iterdir())
        for how, identity in (("without key", None), ("decrypting", keys.load_identity())):
            begun = time.perf_counter()
            reader.verify(directory, identity)
            print(f"verify {session} {how}: {size / (time.perf_counter() - begun) / 1e6:,.0f} MB/s")


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as made:
        folder = Path(made)
        keys = Keys(folder)
        keys.make()
        _compare(folder, keys, "records-of-1-KiB", 50_000, lambda d: events.Warned(at=1.0, text=d.decode()), 1024)
        now = iter(range(1, 1 << 40))
        _compare(
            folder,
            keys,
            "output-of-4-KiB",
            50_000,
            lambda d: events.Output(at=next(now) / 1e6, stream="tty", data=d),
            4096,
        )
        _compare(
            folder,
            keys,
            "output-of-64-KiB",
            5_000,
            lambda d: events.Output(at=next(now) / 1e3, stream="tty", data=d),
            65536,
        )
        _durable(folder, keys)
        _verified(folder, keys)


if __name__ == "__main__":
    main()
