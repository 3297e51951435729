"""Attacks on a log of several segments, by one who may write its files but holds no key, nor may write the ledger.

The promise attacked is the fourth: nothing leaves without a durable record. Whatever is done to the files, the log is
never called sealed, and with the ledger never even open: it is told that something was there.
"""

import shutil
from pathlib import Path

import pytest

from tests.audit.recording import Home, ended, frames_of, home, recording, start_event, warned
from wrapper.audit import format as layout
from wrapper.audit import ledger, reader, verdicts
from wrapper.audit.client import RecorderClient
from wrapper.audit.reader import State
from wrapper.audit.segments import segment_numbers
from wrapper.audit.writer import Limits
from wrapper.errors import AuditError

_BROKEN = {"truncated": 11, "tampered": 12, "forked": 14, "unreadable": 125}
_STEP = 3  # bytes; `test_audit_tampering` takes each of a log of one segment


def _record(user: Home, session: str) -> Path:
    with recording(user, session, limits=Limits(size=700)) as running:
        client = RecorderClient(running.connections[0])
        for event in (start_event(session), *map(warned, "abcdef"), ended()):
            client.append_durable(event)
        client.close()
        assert running.wait() == 0
    assert len(segment_numbers(user.directory(session))) > 2
    return user.directory(session)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Home:
    user = home(tmp_path_factory.mktemp("segments"))
    for session in ("s-1", "s-2"):
        _record(user, session)
    return user


class Scene:
    """A copy of a good session to be tampered with, under the eyes of the ledger."""

    def __init__(self, user: Home, folder: Path) -> None:
        self.user = user
        self.good = user.directory("s-1")
        self.directory = folder / "s-1"
        self.told = verdicts.by_session(ledger.read(user.state / "ledger").entries)
        self.restore()

    def restore(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.copytree(self.good, self.directory)

    def logs(self) -> list[Path]:
        return [self.directory / layout.segment_names(n)[1] for n in segment_numbers(self.good)]

    def must_be_noticed(self, what: object) -> None:
        """Check the log without a key, with the key, and with the ledger."""
        for identity in (None, self.user.keys.load_identity()):
            try:
                assert reader.verify(self.directory, identity).state is State.OPEN, what
            except AuditError:
                continue
        verdict = verdicts.judge(reader.find_session(self.user.state, f"{self.directory}/"), None, self.told)
        assert verdict.verdict in _BROKEN, (what, verdict)
        assert verdict.exit_code == _BROKEN[verdict.verdict]


@pytest.fixture
def scene(written: Home, tmp_path: Path) -> Scene:
    made = Scene(written, tmp_path)
    found = verdicts.judge(reader.find_session(written.state, f"{made.directory}/"), None, made.told)
    assert found.verdict == "sealed"
    return made


def test_no_changed_byte_of_any_segment_passes(scene: Scene) -> None:
    for log in scene.logs():
        good = log.read_bytes()
        for place in range(0, len(good), _STEP):
            changed = bytearray(good)
            changed[place] ^= 1 << place % 8
            log.write_bytes(changed)
            scene.must_be_noticed((log.name, place))
        log.write_bytes(good)


def test_no_cut_of_any_segment_passes(scene: Scene) -> None:
    for log in scene.logs():
        good = log.read_bytes()
        for length in range(0, len(good), _STEP):
            log.write_bytes(good[:length])
            scene.must_be_noticed((log.name, length))
        log.write_bytes(good)


def test_no_missing_segment_and_no_missing_end_passes(scene: Scene) -> None:
    numbers = segment_numbers(scene.good)
    for number in numbers:
        for gone in ([number], numbers[number - 1 :]):
            for one in gone:
                for name in layout.segment_names(one):
                    (scene.directory / name).unlink()
            scene.must_be_noticed(gone)
            scene.restore()


def test_no_segment_in_another_place_passes(scene: Scene, written: Home) -> None:
    numbers = segment_numbers(scene.good)
    for source in (scene.good, written.directory("s-2")):
        for number in segment_numbers(source):
            for place in [*numbers, numbers[-1] + 1]:
                if source == scene.good and number == place:
                    continue
                for name, target in zip(layout.segment_names(number), layout.segment_names(place), strict=True):
                    shutil.copy(source / name, scene.directory / target)
                scene.must_be_noticed((source.name, number, place))
                scene.restore()


def test_no_frame_dropped_repeated_swapped_or_replayed_passes(scene: Scene) -> None:
    everything = [frame for log in scene.logs() for frame in frames_of(scene.directory, log.name)[1]]
    for log in scene.logs():
        header, frames = frames_of(scene.directory, log.name)
        for place, frame in enumerate(frames):
            before, after = frames[:place], frames[place + 1 :]
            changes = [[*before, *after], [*before, frame, frame, *after]]
            changes += [[*before, other, *after] for other in everything if other != frame]  # old checkpoints, too
            changes += [[*before, after[at], *after[:at], frame, *after[at + 1 :]] for at in range(len(after))]
            for number, changed in enumerate(changes):
                log.write_bytes(header + b"".join(changed))
                scene.must_be_noticed((log.name, place, number))
        log.write_bytes(header + b"".join(frames))


def test_no_session_put_under_the_name_of_another_passes(scene: Scene, written: Home) -> None:
    shutil.rmtree(scene.directory)
    shutil.copytree(written.directory("s-2"), scene.directory)
    scene.must_be_noticed("renamed")
