from pathlib import Path

import pytest

from tests.audit.recording import Home, ended, start_event, warned
from wrapper.audit import format as layout
from wrapper.audit import seal
from wrapper.audit.age.hybrid import HybridIdentity
from wrapper.audit.drill import Drilled, Outcome, drill, is_lost_without, readers_of
from wrapper.audit.keyfiles import Reader
from wrapper.audit.readers import Standing, is_mixed, reads_new, standings


def _drill(user: Home, session: str = "s-1") -> Drilled:
    return drill(user.directory(session), user.keys.load_identity())


def test_a_log_that_only_our_key_opens_would_be_lost_without_it(user: Home) -> None:
    user.write(written=[start_event(), ended()])
    tried = _drill(user)
    assert (tried.outcome, tried.readers, tried.problem) == (Outcome.OPENED, user.keys.load_recipients(), "")
    assert is_lost_without(tried, user.keys.load_identity().recipients())


def test_a_log_with_another_reader_would_not_be_lost(user: Home) -> None:
    user.keys.add([Reader(HybridIdentity.generate().recipient())])
    user.write(written=[warned("x")], seal=False)
    tried = _drill(user)
    assert tried.outcome is Outcome.OPENED
    assert not is_lost_without(tried, user.keys.load_identity().recipients())


def test_a_log_from_before_a_rotation_is_opened(user: Home) -> None:
    user.write("s-1", [warned("x")])
    user.keys.rotate()
    user.write("s-2", [warned("x")])
    assert [_drill(user, session).outcome for session in ("s-1", "s-2")] == [Outcome.OPENED] * 2


def test_a_log_for_other_readers_is_closed_and_says_why(user: Home) -> None:
    user.write(written=[warned("x")])
    user.keys.identity_path.write_text(seal.Identity.generate().text())
    tried = _drill(user)
    assert (tried.outcome, tried.problem) == (
        Outcome.CLOSED,
        "the log is not encrypted to the key on this machine",
    )
    assert not is_lost_without(tried, user.keys.load_recipients())


def test_a_log_whose_key_file_is_gone_is_erased(user: Home) -> None:
    directory = user.write(written=[warned("x")])
    (directory / layout.KEY_FILE).unlink()
    assert _drill(user).outcome is Outcome.ERASED


def test_a_log_with_another_key_file_is_damaged(user: Home) -> None:
    directory = user.write(written=[warned("x")])
    (directory / layout.KEY_FILE).write_bytes(seal.encrypt(user.keys.load_recipients(), bytes(32)))
    tried = _drill(user)
    assert (tried.outcome, "not the one that the log was begun with" in tried.problem) == (Outcome.DAMAGED, True)


def test_a_folder_without_a_log_is_damaged_and_not_a_crash(user: Home) -> None:
    user.directory().mkdir(parents=True)
    assert _drill(user).outcome is Outcome.DAMAGED


@pytest.mark.parametrize("drop", ["x25519", "hybrid"])
def test_a_key_file_for_fewer_readers_than_the_log_names_is_damaged(
    user: Home, monkeypatch: pytest.MonkeyPatch, drop: str
) -> None:
    own = user.keys.load_recipients()[0]
    other = HybridIdentity.generate().recipient() if drop == "hybrid" else seal.Identity.generate().recipient()
    encrypt = seal.encrypt
    monkeypatch.setattr(seal, "encrypt", lambda recipients, key: encrypt(list(recipients)[:1], key))
    user.keys.add([Reader(other)])
    user.write(written=[warned("x")])
    assert readers_of(user.directory()) == (own, other)
    tried = _drill(user)
    assert (tried.outcome, tried.problem) == (
        Outcome.DAMAGED,
        "`000001.key.age` is for other readers than the log names",
    )


def test_drilling_changes_nothing_on_disk(user: Home) -> None:
    directory = user.write(written=[warned("x")])
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in _files(user.config, directory)}
    _drill(user)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in _files(user.config, directory)} == before


def _files(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]


def test_readers_to_come_stand_first_then_our_own_keys_then_those_of_old_logs() -> None:
    now, own, old = (seal.Identity.generate() for _ in range(3))
    sessions = {"s-1": (old.recipient(), own.recipient()), "s-2": (now.recipient(),)}
    rows = standings([Reader(now.recipient())], [Reader(now.recipient(), "team")], seal.Identities((own,)), sessions)
    assert list(rows) == [
        Standing(Reader(now.recipient()), "x25519", new=True, here=False, sessions=("s-2",)),
        Standing(Reader(own.recipient()), "x25519", new=False, here=True, sessions=("s-1",)),
        Standing(Reader(old.recipient()), "x25519", new=False, here=False, sessions=("s-1",)),
    ]


def test_a_reader_of_an_unknown_kind_in_a_log_is_listed_and_no_crash() -> None:
    (row,) = standings([], [], seal.Identities(()), {"s-1": ("age1nonsense",)})
    assert (row.kind, row.here) == ("unknown", False)


def test_whose_private_half_is_here_is_not_claimed_where_nobody_looked() -> None:
    (row,) = standings([Reader(seal.Identity.generate().recipient())], [], None, {})
    assert row.here is None


def test_post_quantum_readers_beside_others_are_a_mixture() -> None:
    classical, hybrid = seal.Identity.generate().recipient(), HybridIdentity.generate().recipient()
    assert [is_mixed(one) for one in ([classical], [hybrid], [hybrid, classical], [])] == [False, False, True, False]


def test_a_key_reads_new_logs_where_its_public_half_is_among_their_readers() -> None:
    own, other = seal.Identity.generate(), seal.Identity.generate()
    assert reads_new(seal.Identities((own,)), [other.recipient(), own.recipient()])
    assert not reads_new(seal.Identities((own,)), [other.recipient()])
