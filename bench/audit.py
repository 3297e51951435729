"""What the log costs: events through a real recorder process, against appending the same bytes to a plain file.

    python bench/audit.py [FOLDER]      # FOLDER: where to write, default a temporary one; the disk matters

Both are on disk (fdatasync) when their time ends. The plain file is written by the sender itself, without framing,
encryption or signatures; every record has another content, hexadecimal digits. Then come the delay of a durable event,
and verifying what was written; what a conversation of 200 turns costs on disk that grows to 3.5 MB, of which the client
sends all in every turn; and how much output a terminal takes that is recorded, by the relay with the log and by
asciinema (`rec`), where it is installed.
"""

import json
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from wrapper.audit import events, reader, recorder
from wrapper.audit.client import RecorderClient
from wrapper.audit.deltas import Deltas
from wrapper.audit.keys import Keys

_ROUNDS = 3
_TURNS = 200
_ANSWER = 4_000  # bytes
_PRINTED = 50_000_000  # bytes


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


def _appended(path: Path, data: Sequence[bytes], count: int) -> float:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    begun = time.perf_counter()
    for number in range(count):
        os.write(descriptor, data[number % len(data)])
    os.fdatasync(descriptor)
    taken = time.perf_counter() - begun
    os.close(descriptor)
    path.unlink()
    return taken


def _compare(folder: Path, keys: Keys, name: str, count: int, make: Callable[[bytes], events.Event], size: int) -> None:
    data = [os.urandom(size // 2).hex().encode() for _ in range(256)]
    logged, plain = [], []
    for turn in range(_ROUNDS):
        with _recording(folder / "sessions" / f"{name}-{turn}", keys.load_recipients()) as client:
            logged.append(_logged(client, (make(data[number % 256]) for number in range(count))))
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
    plain = [_appended(folder / "plain", [body], 1) for _ in range(100)]
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


def _conversation(texts: Sequence[str], *, markers: int) -> Iterator[bytes]:
    """Give the body of each turn in the shape of Claude Code's, which marks the last message for the provider's cache.

    With two markers as other clients of the same interface do.
    """
    messages: list[dict[str, object]] = []
    last = {"system": [{"type": "text", "text": "s" * 12_000}], "tools": [{"name": "t" * 57_000}], "stream": True}
    for turn, text in enumerate(texts):
        messages.append({"role": "user", "content": [{"type": "tool_result", "content": text}]})
        marked = [{**one, "cache_control": {"type": "ephemeral"}} for one in messages[-markers:]]
        shown = [*messages[: -len(marked)], *marked]
        yield json.dumps({"model": "m", "messages": shown, **last}, separators=(",", ":")).encode()
        messages.append({"role": "assistant", "content": f"turn {turn}"})


def _grown(folder: Path, keys: Keys, *, markers: int) -> None:
    texts = [os.urandom(8_650).hex() for _ in range(_TURNS)]
    writer, sent, last, shortening = Deltas(), 0, b"", []
    directory = folder / "sessions" / f"conversation-{markers}"
    with _recording(directory, keys.load_recipients()) as client:
        for number, body in enumerate(_conversation(texts, markers=markers), 1):
            begun = time.process_time()
            cut = writer.shorten(number, body)
            shortening.append(time.process_time() - begun)
            client.append_durable(
                events.Request(at=0.0, number=number, method="POST", url="/v1/messages", headers={}, **cut._asdict())
            )
            client.append(events.Response(at=0.0, number=number, status=200, headers={}, body=os.urandom(_ANSWER)))
            sent, last = sent + len(body), body
    answers = _TURNS * _ANSWER
    size = sum(path.stat().st_size for path in directory.iterdir())
    read = [e for e in reader.open_session(directory, keys.load_identity()) if isinstance(e, events.Request)]
    assert read[-1].body == last
    named = "a marker moves" if markers == 1 else f"{markers} markers move"
    print(f"{_TURNS} turns to {len(last) / 1e6:.1f} MB, {named}: log {size / 1e6:.2f} MB", end="")
    print(f" = {size / (len(last) + answers):.2f} times the last body and the answers,", end="")
    print(f" 1/{(sent + answers) / size:.0f} of all bodies in full", end="")
    print(
        f"; to find it out, median {statistics.median(shortening) * 1e3:.2f} ms, worst {max(shortening) * 1e3:.2f} ms"
    )


def _relay(folder: Path, argv: list[str]) -> int:
    """Run `argv` on this terminal under our relay, its output recorded; nothing is masked (see `bench/terminal.py`)."""
    from bench.terminal import Null  # noqa: PLC0415 (the other half of this bench needs no terminal)
    from wrapper.terminal.pty import Stdio, spawn  # noqa: PLC0415
    from wrapper.terminal.relay import Relay  # noqa: PLC0415

    keys = Keys(folder / "keys")
    keys.make()
    with _recording(folder / "state/sessions" / f"s-{os.getpid()}", keys.load_recipients()) as client:
        env = {"PATH": os.environ["PATH"], "TERM": "xterm"}
        child = spawn(argv, env, cwd="/", before_exec=lambda: None, interactive=Stdio.of_process())

        def shown(stream: str, data: bytes) -> None:
            client.append(events.Output(at=time.time(), stream=stream, data=data))

        return Relay(child, redactor_for=Null, on_output=shown).run()


def _terminals(folder: Path) -> None:
    from bench.terminal import BLOCK, throughput  # noqa: PLC0415 (as above)

    text = folder / "text"
    text.write_bytes(BLOCK * (_PRINTED // len(BLOCK)))
    script = f"stty raw -echo; echo READY; head -c 1 >/dev/null; cat {text}; sleep 1"
    ways = {
        "bare": ["sh", "-c", script],
        "relay and log": [sys.executable, __file__, "--relay", str(folder), "sh", "-c", script],
    }
    if shutil.which("asciinema"):
        ways["asciinema rec"] = [
            "env",
            f"HOME={folder}",
            "asciinema",
            "rec",
            "-q",
            "--overwrite",
            "-c",
            script,
            str(folder / "text.cast"),
        ]
    rates = {name: [throughput(argv, text.stat().st_size) for _ in range(_ROUNDS)] for name, argv in ways.items()}
    for name, rate in rates.items():
        print(f"terminal, {name:<18} {statistics.median(rate):>8.0f} MB/s")


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--relay"]:
        sys.exit(_relay(Path(sys.argv[2]), sys.argv[3:]))
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
        _grown(folder, keys, markers=1)
        _grown(folder, keys, markers=2)
        _terminals(folder)


if __name__ == "__main__":
    main()
