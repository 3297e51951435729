"""Attacks on the log of a finished session, by one who may write its files but holds no key.

The promise attacked is the fourth: nothing leaves without a durable record. A record that can be changed, moved, cut
out or added afterwards without notice is none. What this version cannot notice (a cut at a frame's border, which looks
like a killed recorder; a log replaced as a whole) is in `docs/audit-format.md`, and has a test here that says so.
"""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.audit.recording import Home, ended, frames_of, home, put, start_event, warned
from wrapper.audit import format as layout
from wrapper.audit import reader, seal
from wrapper.audit.format import TamperedError, TruncatedError
from wrapper.errors import AuditError


@pytest.fixture
def user(tmp_path: Path) -> Home:
    return home(tmp_path)


@pytest.fixture
def directory(user: Home) -> Path:
    return user.write(written=[start_event(), warned("one"), warned("two"), ended()])


@pytest.mark.parametrize("bit", range(8))
def test_no_flipped_bit_leaves_a_log_sealed_and_the_key_proves_each(user: Home, bit: int) -> None:
    directory = user.write(written=[warned("one")])
    log, identity = directory / layout.LOG_FILE, user.keys.load_identity()
    good = log.read_bytes()
    unproven = []
    for place in range(len(good)):
        changed = bytearray(good)
        changed[place] ^= 1 << bit
        log.write_bytes(changed)
        with pytest.raises(AuditError):
            reader.verify(directory, identity)
        try:
            assert reader.verify(directory).state is reader.State.OPEN
        except AuditError:
            continue
        unproven.append(place)
    # without the key only the END frame can pass as something else: as a record that nobody signed yet
    end_type = len(good) - layout.FRAME_SIZE - layout.CHECKPOINT_SIZE + 4
    assert unproven == ([end_type] if layout.END ^ 1 << bit == layout.DATA else [])


def test_every_flipped_byte_of_the_key_file_is_noticed_without_a_key(directory: Path) -> None:
    key_file = directory / layout.KEY_FILE
    good = key_file.read_bytes()
    for place in range(len(good)):
        changed = bytearray(good)
        changed[place] ^= 1 << place % 8
        key_file.write_bytes(changed)
        with pytest.raises(TamperedError, match="key file"):
            reader.verify(directory)


def test_a_log_cut_at_any_byte_is_never_sealed(directory: Path) -> None:
    log = directory / layout.LOG_FILE
    good = log.read_bytes()
    header, frames = frames_of(directory)
    borders = {len(header) + sum(map(len, frames[:count])) for count in range(len(frames))}
    for length in range(len(good)):
        log.write_bytes(good[:length])
        if length in borders:
            assert reader.verify(directory).state is reader.State.OPEN
        else:
            with pytest.raises(TruncatedError):
                reader.verify(directory)


def test_every_dropped_frame_but_the_last_is_tampering(directory: Path) -> None:
    header, frames = frames_of(directory)
    for place in range(len(frames) - 1):
        put(directory, header, frames[:place] + frames[place + 1 :])
        with pytest.raises(TamperedError, match=f"frame {place}"):
            reader.verify(directory)


def test_every_pair_of_swapped_frames_is_tampering(directory: Path) -> None:
    header, frames = frames_of(directory)
    for first in range(len(frames)):
        for second in range(first + 1, len(frames)):
            moved = list(frames)
            moved[first], moved[second] = moved[second], moved[first]
            put(directory, header, moved)
            with pytest.raises(TamperedError, match=f"frame {first}"):
                reader.verify(directory)


def test_every_repeated_frame_is_tampering(directory: Path) -> None:
    header, frames = frames_of(directory)
    for place, frame in enumerate(frames):
        put(directory, header, [*frames[: place + 1], frame, *frames[place + 1 :]])
        with pytest.raises(TamperedError):
            reader.verify(directory)


def test_a_dropped_record_whose_followers_are_renumbered_is_tampering(user: Home, directory: Path) -> None:
    header, frames = frames_of(directory)
    left = [frame for frame in frames if frame is not frames[2]]
    renumbered = [f[:8] + number.to_bytes(8, "big") + f[16:] for number, f in enumerate(left)]
    put(directory, header, renumbered)
    for identity in (None, user.keys.load_identity()):
        with pytest.raises(TamperedError):
            reader.verify(directory, identity)


def test_frames_of_another_session_do_not_fit(user: Home, directory: Path) -> None:
    other = user.write("s-2", [start_event("s-2"), warned("uno"), warned("dos"), ended()])
    header, frames = frames_of(directory)
    foreign = frames_of(other)[1]
    for place in range(len(frames)):
        put(directory, header, [*frames[:place], foreign[place], *frames[place + 1 :]])
        with pytest.raises(TamperedError):
            reader.verify(directory)
        put(directory, header, [*frames[:place], *foreign[place:]])
        with pytest.raises(TamperedError):
            reader.verify(directory)


def test_the_header_of_another_session_does_not_fit(user: Home, directory: Path) -> None:
    other = user.write("s-2", [start_event("s-2")])
    put(directory, frames_of(other)[0], frames_of(directory)[1])
    with pytest.raises(TamperedError, match="holds the log of session `s-2`"):
        reader.verify(directory)


def test_a_session_renamed_to_another_is_tampering(user: Home, directory: Path) -> None:
    moved = user.directory("s-9")
    shutil.copytree(directory, moved)
    with pytest.raises(TamperedError, match="`s-9` holds the log of session `s-1`"):
        reader.verify(moved)


def test_a_checkpoint_turned_into_an_end_does_not_seal_a_cut_log(directory: Path) -> None:
    header, frames = frames_of(directory)
    for count in range(1, len(frames)):
        last = frames[count - 1]
        if last[4] != layout.CHECKPOINT:
            continue
        for named in (last[48:80], bytes(32)):
            forged = last[:4] + bytes([layout.END]) + last[5:48] + named + last[80:]
            put(directory, header, [*frames[: count - 1], forged])
            with pytest.raises(TamperedError):
                reader.verify(directory)


def test_the_end_frame_moved_forward_does_not_seal_a_cut_log(directory: Path) -> None:
    header, frames = frames_of(directory)
    for count in range(len(frames) - 1):
        put(directory, header, [*frames[:count], frames[-1]])
        with pytest.raises(TamperedError):
            reader.verify(directory)
        number, epoch = count.to_bytes(8, "big"), sum(f[4] == layout.CHECKPOINT for f in frames[:count])
        put(directory, header, [*frames[:count], frames[-1][:6] + epoch.to_bytes(2, "big") + number + frames[-1][16:]])
        with pytest.raises(TamperedError):
            reader.verify(directory)


def test_frames_added_after_the_end_are_tampering(directory: Path) -> None:
    header, frames = frames_of(directory)
    for extra in (b"\x00", frames[0], frames[-1]):
        put(directory, header, [*frames, extra])
        with pytest.raises(TamperedError, match="follow the END frame"):
            reader.verify(directory)


def test_a_checkpoint_signed_with_a_key_of_the_attackers_is_tampering(directory: Path) -> None:
    header, frames = frames_of(directory)
    tree = layout.Tree()
    for frame in frames[:2]:
        tree.add(layout.leaf_hash(frame[:16], frame[16:]))
    head = layout.encode_frame_header(layout.CHECKPOINT_SIZE, layout.END, 1, 2)
    message = layout.signed_message(layout.header_hash(header), head, tree.root(), bytes(32))
    forged = head + tree.root() + bytes(32) + Ed25519PrivateKey.generate().sign(message)
    put(directory, header, [*frames[:2], forged])
    with pytest.raises(TamperedError, match="signature is not valid"):
        reader.verify(directory)


def test_a_verification_key_put_into_the_header_does_not_fit_the_signatures(directory: Path) -> None:
    header, frames = frames_of(directory)
    fields = json.loads(header[layout.PREFIX_SIZE :])
    fields["verification_key"] = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    put(directory, layout.encode_header(layout.LogHeader(**fields)), frames)
    with pytest.raises(TamperedError, match="signature is not valid"):
        reader.verify(directory)


def test_a_key_file_exchanged_together_with_its_hash_is_tampering(user: Home, directory: Path) -> None:
    header, frames = frames_of(directory)
    forged = seal.encrypt(user.keys.load_recipients(), b"k" * 32)
    (directory / layout.KEY_FILE).write_bytes(forged)
    fields = json.loads(header[layout.PREFIX_SIZE :])
    fields["key_file"] = hashlib.sha256(forged).hexdigest()
    put(directory, layout.encode_header(layout.LogHeader(**fields)), frames)
    with pytest.raises(TamperedError, match="signature"):
        reader.verify(directory)
    with pytest.raises(TamperedError, match="another key"):
        reader.verify(directory, user.keys.load_identity())


def test_a_record_read_before_its_checkpoint_is_already_proven_by_its_place(user: Home) -> None:
    directory = user.write(written=[warned("one"), warned("two"), warned("three")], seal=False)
    header, frames = frames_of(directory)
    put(
        directory,
        header,
        [frames[0], frames[1], *(frames[4][:8] + b.to_bytes(8, "big") + frames[4][16:] for b in (2,))],
    )
    read = []
    with pytest.raises(TamperedError):
        read += list(reader.open_session(directory, user.keys.load_identity()))
    assert read == []


def test_what_this_version_cannot_notice_is_as_documented(user: Home, directory: Path) -> None:
    header, frames = frames_of(directory)
    put(directory, header, frames[:4])
    assert reader.verify(directory, user.keys.load_identity()).state is reader.State.OPEN
    shutil.rmtree(directory)
    user.write(written=[start_event(), warned("another story")])  # one who knows the public key writes a new log
    assert reader.verify(directory, user.keys.load_identity()).state is reader.State.SEALED
