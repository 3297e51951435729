"""Attacks what the log promises beside promise 4: who has no private key reads no record but those that were disclosed.

The attacker has one disclosed record, the session's folder, and time: all that stands in the disclosure is tried as a
key, as a secret that keys are made of, and as the log's own key, on every other record.
"""

import hmac
from collections.abc import Iterator

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.audit.recording import Home, ended, home, start_event, warned
from wrapper.audit import events, scan
from wrapper.audit import format as layout
from wrapper.audit.disclosure import Disclosure, disclose, encode, prove
from wrapper.audit.material import proof_material
from wrapper.audit.ratchet import Ratchet
from wrapper.audit.writer import SessionWriter
from wrapper.errors import AuditError

_LABELS = ("epoch key", "epoch secret", "next epoch", "record key", "next record", "key commitment")
_SECRET = "what the other records say"


@pytest.fixture
def user(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = home(tmp_path_factory.mktemp("user"))
    writer = SessionWriter(made.directory(), made.keys.load_recipients(), clock=lambda: 1_000.0)
    for number, event in enumerate([start_event(), *(warned(f"{_SECRET} {number}") for number in range(10)), ended()]):
        writer.append(events.encode(event))
        if number in (2, 7):
            writer.sync()
    writer.close()
    return made


def _frames(user: Home) -> list[tuple[scan.Frame, bytes]]:
    """Give every record's frame as it stands on disk, and the leaf that it is bound to."""
    frames = []
    with (user.directory() / layout.LOG_FILE).open("rb") as stream:
        walk = scan.Walk(stream, scan.read_header(stream))
        for frame, _ in walk.walk():
            if frame.kind == layout.DATA:
                frames.append((frame, walk.previous))
    return frames


def _disclosed(user: Home, sequence: int) -> Disclosure:
    return disclose(proof_material(user.directory(), user.keys.load_identity(), sequence))


def _guesses(disclosure: Disclosure) -> Iterator[bytes]:
    """Give everything of 32 bytes in a disclosure, and what a writer would make of it."""
    parts = (disclosure.header, disclosure.frame, disclosure.previous, disclosure.key)
    for part in (*parts, *disclosure.path, *disclosure.previous_path, *disclosure.checkpoints):
        for start in range(len(part) - 31):
            guess = part[start : start + 32]
            yield guess
    known = (disclosure.key, disclosure.previous, *disclosure.path)
    for secret in known:
        for version in (1, 2):
            for label in _LABELS:
                yield hmac.digest(secret, f"safe-agent alog v{version} {label}".encode(), "sha256")
            ratchet = Ratchet(secret, version)
            for _ in range(4):
                ratchet.next_epoch()
                yield from (ratchet.next_key() for _ in range(12))


def _opens(frame: scan.Frame, previous: bytes, key: bytes) -> bool:
    try:
        AESGCM(key).decrypt(layout.nonce(frame.sequence), frame.body, frame.head + previous)
    except InvalidTag:
        return False
    return True


@pytest.mark.parametrize("place", [0, 1, 5, 11])
def test_nothing_in_a_disclosure_opens_another_record(user: Home, place: int) -> None:
    frames = _frames(user)
    guesses = set(_guesses(_disclosed(user, frames[place][0].sequence)))
    opened = [at for at, (frame, before) in enumerate(frames) if any(_opens(frame, before, key) for key in guesses)]
    assert opened == [place]


def test_a_disclosure_holds_the_text_of_no_record_in_plain(user: Home) -> None:
    sequence = _frames(user)[4][0].sequence
    assert _SECRET.encode() not in encode(_disclosed(user, sequence))


def test_a_record_cannot_be_shown_as_one_of_another_session(user: Home) -> None:
    disclosure = _disclosed(user, 1)
    header = disclosure.header.replace(b'"s-1"', b'"s-2"')
    assert header != disclosure.header
    changed = Disclosure(
        **{name: getattr(disclosure, name) for name in disclosure.__struct_fields__} | {"header": header}
    )
    with pytest.raises(AuditError):
        prove(encode(changed))


def test_a_key_that_was_chosen_to_fit_does_not_show_another_text(user: Home) -> None:
    """AES-GCM is not committing: with a leaf before it of the attacker's choice, a frame opens under other keys."""
    disclosure = _disclosed(user, 1)
    for previous in (bytes(32), disclosure.key, disclosure.path[-1]):
        forged = Disclosure(
            **{name: getattr(disclosure, name) for name in disclosure.__struct_fields__} | {"previous": previous}
        )
        with pytest.raises(AuditError, match="does not follow the frame that it names"):
            prove(encode(forged))
