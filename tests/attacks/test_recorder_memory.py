"""Attacks promise 4's log: who takes the memory of a recorder at a moment opens, and forges, nothing written before.

The memory is that of a real recorder process, all of it that can be written; what is searched for are the very keys.
"""

import hmac
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.audit.recording import Home, frames_of, home, start_event, warned
from wrapper.audit import format as layout
from wrapper.audit import seal
from wrapper.audit.age import header as age
from wrapper.audit.client import RecorderClient

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (rw..) .*?(\S*)\n")
_ROOT = Path(__file__).parents[2]
_RECORDER = """
import pathlib, socket, sys
from wrapper.audit import recorder
_, connection, directory, *recipients = sys.argv
sys.exit(recorder.serve([socket.socket(fileno=int(connection))], pathlib.Path(directory), recipients))
"""
_ALIGNED = 16  # malloc(3) on 64 bits


def _memory(pid: int) -> Iterator[bytes]:
    """Yield all writable mappings of a process."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for begin, end, _, _ in _MAPPING.findall(Path(f"/proc/{pid}/maps").read_text()):
            memory.seek(int(begin, 16))
            yield memory.read(int(end, 16) - int(begin, 16))


def _used_up(log_key: bytes, frames: list[bytes]) -> dict[bytes, str]:
    """Return every key that opens a record of `frames`, by what it is, and last the ones that open later records only."""
    found, chain, epoch = {log_key: "the log key"}, log_key, 0

    def step(key: bytes, text: str) -> bytes:
        return hmac.digest(key, f"safe-agent alog {text}".encode(), "sha256")

    secret = step(chain, "v2 epoch secret")
    for frame in frames:
        found[secret] = f"the secret of epoch {epoch}"
        if frame[4] == layout.DATA:
            found[step(secret, "v2 record key")] = f"the key of a record in epoch {epoch}"
            secret = step(secret, "v2 next record")
        else:
            found[chain] = f"the chain at epoch {epoch}"
            chain, epoch = step(chain, "v1 next epoch"), epoch + 1
            secret = step(chain, "v2 epoch secret")
    return found


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, list[bytes]]:
    """Give a user and the memory of a recorder that has written 300 records for him."""
    user = home(tmp_path_factory.mktemp("memory"))
    ours, theirs = socket.socketpair()
    # an interpreter of its own: what is searched is its memory, and not that of all these tests
    command = [
        sys.executable,
        "-c",
        _RECORDER,
        str(theirs.fileno()),
        str(user.directory()),
        *user.keys.load_recipients(),
    ]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()], env={"PATH": os.defpath}, cwd=_ROOT) as recorder:
        theirs.close()
        client = RecorderClient(ours)
        client.append_durable(start_event())
        for number in range(300):
            client.append(warned(f"record {number}"))
        client.append_durable(warned("the last"))
        memory = list(_memory(recorder.pid))
        client.close()
        assert recorder.wait() == 0
    return user, memory


def test_no_key_of_an_earlier_record_stands_in_the_recorders_memory(taken: tuple[Home, list[bytes]]) -> None:
    user, memory = taken
    key_file = (user.directory() / layout.KEY_FILE).read_bytes()
    log_key = seal.decrypt(key_file, [user.keys.load_identity()])
    _, frames = frames_of(user.directory())
    written = next(place for place, frame in reversed([*enumerate(frames)]) if frame[4] == layout.CHECKPOINT) + 1
    forbidden = _used_up(log_key, frames[:written])
    assert len(forbidden) > 600
    forbidden[_file_key(key_file, user)] = "the file key of the age file"
    assert [what for key, what in forbidden.items() if any(key in piece for piece in memory)] == []


def test_the_keys_that_the_recorder_needs_are_found_by_this_search(taken: tuple[Home, list[bytes]]) -> None:
    # without this the test above could search in the wrong place
    user, memory = taken
    log_key = seal.decrypt((user.directory() / layout.KEY_FILE).read_bytes(), [user.keys.load_identity()])
    _, frames = frames_of(user.directory())
    chain = log_key
    for frame in frames[:-1]:
        if frame[4] == layout.CHECKPOINT:
            chain = hmac.digest(chain, b"safe-agent alog v1 next epoch", "sha256")
    secret = hmac.digest(chain, b"safe-agent alog v2 epoch secret", "sha256")
    assert any(secret in piece for piece in memory)


def test_no_private_key_of_an_earlier_signature_stands_in_the_recorders_memory(
    taken: tuple[Home, list[bytes]],
) -> None:
    user, memory = taken
    header, frames = frames_of(user.directory())
    first = layout.decode_header(header[layout.PREFIX_SIZE :], layout.VERSION).verification_key
    named = [frame[48:80].hex() for frame in frames if frame[4] == layout.CHECKPOINT]
    public = {key: place for place, key in enumerate([first, *named])}
    found = {public[key] for key in _public_keys(memory) if key in public}
    assert found == {len(named)}  # the one that the next signature is made with, and no other


def _public_keys(memory: list[bytes]) -> Iterator[str]:
    """Yield the public halves of all that may be the seed of an Ed25519 key: any aligned 32 bytes that look random."""
    seen = set()
    for piece in memory:
        for start in range(0, len(piece) - 31, _ALIGNED):
            seed = piece[start : start + 32]
            if len(set(seed)) >= 22 and seed not in seen:
                seen.add(seed)
                yield Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()


def _file_key(key_file: bytes, user: Home) -> bytes:
    key = user.keys.load_identity().unwrap(age.parse(key_file).stanzas)
    assert key is not None
    return key
