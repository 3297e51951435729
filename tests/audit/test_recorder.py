import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.audit.recording import Home, ended, frames_of, home, recording, start_event, warned
from wrapper.audit import events, reader, wire
from wrapper.audit import format as layout
from wrapper.audit.client import RecorderClient
from wrapper.errors import AuditError

_ROOT = Path(__file__).parents[2]


def _texts(user: Home, session: str = "s-1") -> list[str]:
    read = reader.open_session(user.directory(session), user.keys.load_identity())
    return [event.text for event in read if isinstance(event, events.Warned)]


def test_the_end_of_all_connections_seals_the_log(user: Home) -> None:
    with recording(user, clients=2) as running:
        for connection in running.connections:
            client = RecorderClient(connection)
            client.append(warned("x"))
            client.close()
        assert running.wait() == 0
    assert reader.verify(running.directory, user.keys.load_identity()).state is reader.State.SEALED
    assert _texts(user) == ["x", "x"]


def test_a_durable_event_is_on_disk_when_the_call_returns(user: Home) -> None:
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        for number in range(20):
            client.append_durable(warned(str(number)))
            assert _texts(user) == [str(n) for n in range(number + 1)]
            proven = reader.verify(running.directory)
            assert (proven.state, proven.signed) == (reader.State.RUNNING, proven.frames)


def test_an_event_that_nobody_waits_for_is_on_disk_within_200_ms(user: Home) -> None:
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        client.append_durable(start_event())
        client.append(warned("soon"))
        begun = time.monotonic()
        while not _texts(user):
            assert time.monotonic() - begun < 5
            time.sleep(0.005)
        assert time.monotonic() - begun < 0.5  # 200 ms, and what a busy machine adds to it


@pytest.mark.parametrize("size", [0, 1, 3_500_000, 64 << 20])
def test_big_events_come_through(user: Home, size: int) -> None:
    body = os.urandom(1 << 16) * (size >> 16) + os.urandom(size & 0xFFFF)
    asked = events.Request(at=1.0, number=1, method="POST", url="https://api.invalid/", headers={"a": "b"}, body=body)
    with recording(user) as running:
        RecorderClient(running.connections[0]).append_durable(asked)
    assert list(reader.open_session(running.directory, user.keys.load_identity())) == [asked]


def test_an_event_larger_than_a_record_is_refused_and_harms_no_other(user: Home) -> None:
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        with pytest.raises(AuditError, match="larger than the log takes"):
            client.append(events.Output(at=1.0, stream="tty", data=bytes(67 << 20)))
        client.append_durable(warned("still there"))
    assert _texts(user) == ["still there"]


def test_output_that_comes_in_small_pieces_is_joined_and_loses_nothing(user: Home) -> None:
    pieces = [os.urandom(37) for _ in range(20_000)]
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        for piece in pieces:
            client.append(events.Output(at=1.0, stream="tty", data=piece))
        client.append(events.Output(at=1.0, stream="stderr", data=b"other"))
        client.append(ended())
    read = list(reader.open_session(running.directory, user.keys.load_identity()))
    assert b"".join(e.data for e in read if isinstance(e, events.Output) and e.stream == "tty") == b"".join(pieces)
    assert isinstance(read[-2], events.Output)
    assert (read[-2].stream, read[-2].data) == ("stderr", b"other")
    assert len(read) < 5_000


def test_output_keeps_its_place_among_other_events(user: Home) -> None:
    shown = [
        events.Output(at=1.0, stream="tty", data=b"a"),
        warned("x"),
        events.Output(at=1.0, stream="tty", data=b"b"),
    ]
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        for event in shown:
            client.append(event)
    assert list(reader.open_session(running.directory, user.keys.load_identity())) == shown


def test_output_that_is_seconds_apart_keeps_its_times(user: Home) -> None:
    shown = [events.Output(at=float(second), stream="tty", data=b"x") for second in range(5)]
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        for event in shown:
            client.append(event)
    assert list(reader.open_session(running.directory, user.keys.load_identity())) == shown


def test_several_clients_at_once_each_keep_their_order(user: Home) -> None:
    with recording(user, clients=4) as running:

        def send(name: int) -> None:
            client = RecorderClient(running.connections[name])
            for number in range(100):
                (client.append_durable if number % 10 == 0 else client.append)(warned(f"{name} {number}"))

        threads = [threading.Thread(target=send, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    texts = _texts(user)
    assert all([t for t in texts if t[0] == str(name)] == [f"{name} {n}" for n in range(100)] for name in range(4))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTSTP, signal.SIGQUIT, signal.SIGTERM])
def test_signals_of_a_terminal_and_a_shutdown_do_not_end_it(user: Home, number: signal.Signals) -> None:
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        client.append_durable(start_event())
        os.kill(running.pid, number)
        client.append_durable(warned("after"))
        client.close()
        assert running.wait() == 0
    assert _texts(user) == ["after"]


def test_a_killed_recorder_loses_nothing_that_it_acknowledged(user: Home) -> None:
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        threading.Timer(0.15, os.kill, (running.pid, signal.SIGKILL)).start()
        acknowledged = 0
        with pytest.raises(AuditError, match="recorder of the audit log ended"):
            while True:
                client.append(events.Output(at=1.0, stream="tty", data=bytes(100_000)))
                client.append_durable(warned(str(acknowledged)))
                acknowledged += 1
        with pytest.raises(AuditError):
            client.append(warned("later"))
        assert running.wait() == -signal.SIGKILL
    texts = []
    try:
        for event in reader.open_session(running.directory, user.keys.load_identity()):
            texts += [event.text] if isinstance(event, events.Warned) else []
    except layout.TruncatedError:
        pass  # killed in the middle of a write: what came before has been read
    else:
        assert reader.verify(running.directory).state is reader.State.OPEN
    assert acknowledged > 3
    assert texts[:acknowledged] == [str(number) for number in range(acknowledged)]


def test_a_client_killed_in_the_middle_of_an_event_is_told_in_the_log(user: Home) -> None:
    with recording(user) as running:
        head, payload = wire.pack(warned("never whole"))
        running.connections[0].sendall(head + payload[:7])
        running.connections[0].close()
        assert running.wait() == 0
    assert _texts(user) == ["a process of the session ended in the middle of an event; 12 bytes of it are lost"]
    assert reader.verify(running.directory).state is reader.State.SEALED


def test_a_killed_client_leaves_whole_events_only(user: Home) -> None:
    with recording(user) as running:
        pid = os.fork()
        if pid == 0:
            client = RecorderClient(running.connections[0])
            while True:
                client.append(events.Request(at=1.0, number=1, method="P", url="u", headers={}, body=bytes(3_000_000)))
        running.connections[0].close()
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert running.wait() == 0
    read = list(reader.open_session(running.directory, user.keys.load_identity()))
    assert all(len(event.body) == 3_000_000 for event in read if isinstance(event, events.Request))
    assert any(isinstance(event, events.Request) for event in read)


def test_a_stream_that_is_not_ours_ends_the_recorder(user: Home) -> None:
    with recording(user, clients=2) as running:
        running.connections[0].sendall(b"\xff" * 64)
        assert running.wait() == 1
        with pytest.raises(AuditError, match="malformed"):
            RecorderClient(running.connections[1]).append(warned("x"))


def test_a_file_that_cannot_grow_is_told_to_every_client_and_ends_the_recorder(user: Home) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    with recording(user, clients=2, before=limit) as running:
        clients = [RecorderClient(connection) for connection in running.connections]
        clients[1].append_durable(start_event())
        with pytest.raises(AuditError, match="File too large"):
            for _ in range(100):
                clients[0].append_durable(events.Output(at=1.0, stream="tty", data=os.urandom(50_000)))
        assert running.wait() == 1
        for client in clients * 2:
            with pytest.raises(AuditError, match="File too large"):
                client.append(warned("more"))


def test_a_folder_that_cannot_be_written_is_told_to_every_client(user: Home) -> None:
    user.state.write_text("not a folder")
    with recording(user, clients=2) as running:
        assert running.wait() == 1
        for connection in running.connections:
            with pytest.raises(AuditError, match="cannot start the log"):
                RecorderClient(connection).append_durable(start_event())


_FULL_DISK = """
import os
import sys
from pathlib import Path
from tests.audit.recording import home, recording, start_event, warned
from wrapper import linux
from wrapper.audit import events, reader
from wrapper.audit.client import RecorderClient
from wrapper.errors import AuditError

disk = Path(sys.argv[1])
linux.mount(None, "/", linux.MS_REC | linux.MS_PRIVATE)
linux.mount("tmpfs", str(disk), 0, kind="tmpfs", data="size=3m")
user = home(disk)
with recording(user) as running:
    client = RecorderClient(running.connections[0])
    client.append_durable(start_event())
    durable = 0
    try:
        while True:
            client.append_durable(warned(f"{durable} {os.urandom(50_000).hex()}"))
            durable += 1
    except AuditError as error:
        print(error.what)
    print(running.wait())
read = []
try:
    for event in reader.open_session(running.directory, user.keys.load_identity()):
        read.append(event)
except AuditError as error:
    print(type(error).__name__)
else:
    print(reader.verify(running.directory).state.name)
print(durable > 10, [e.text.split()[0] for e in read[1:durable + 1]] == [str(n) for n in range(durable)])
"""


def test_a_full_disk_ends_the_session_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", _FULL_DISK, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=_ROOT,
        env={"PATH": os.defpath},
    )
    assert done.returncode == 0, done.stderr
    what, code, state, kept = done.stdout.splitlines()
    assert what.startswith("the audit log failed: cannot write the log: No space left on device: free space")
    assert (code, kept) == ("1", "True True")
    assert state in ("TruncatedError", "OPEN")


def test_a_full_socket_holds_the_sender_and_not_the_memory(user: Home) -> None:
    with recording(user) as running:
        os.kill(running.pid, signal.SIGSTOP)
        connection = running.connections[0]
        connection.setblocking(False)
        head, payload = wire.pack(events.Output(at=1.0, stream="tty", data=bytes(1 << 16)))
        taken = 0
        with pytest.raises(BlockingIOError):
            while True:
                taken += connection.send((head + payload)[taken % len(head + payload) :])
        assert taken < 4 << 20
        os.kill(running.pid, signal.SIGCONT)
        select.select([], [connection], [], 10)
        connection.setblocking(True)
        connection.sendall((head + payload)[taken % len(head + payload) :])
    proven = reader.verify(running.directory)
    assert proven.state is reader.State.SEALED


def test_an_idle_recorder_writes_nothing(user: Home) -> None:
    with recording(user) as running:
        RecorderClient(running.connections[0]).append_durable(start_event())
        before = frames_of(running.directory)
        time.sleep(0.5)
        assert frames_of(running.directory) == before


def test_two_recorders_for_one_session_do_not_mix(user: Home) -> None:
    with recording(user) as first:
        RecorderClient(first.connections[0]).append_durable(warned("first"))
        with recording(user) as second, pytest.raises(AuditError, match="exists already"):
            RecorderClient(second.connections[0]).append_durable(warned("second"))
        RecorderClient(first.connections[0]).append_durable(warned("again"))
    assert _texts(user) == ["first", "again"]


def test_a_home_can_be_made_anywhere(tmp_path: Path) -> None:
    assert home(tmp_path / "a" / "b").keys.load_recipients()
