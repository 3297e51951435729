"""What stays visible in a masked credential file, and detect-secrets takes for a secret, becomes known."""

from pathlib import Path

import pytest

from redactors import Finding, KnownValues, Vault
from wrapper.guard import opinion
from wrapper.guard.opinion import ask_second_opinion

LEFT = b"unusual file\nadmin_password = 'Gr33n-tree-77'\n"
CLEAN = b"port = 80\nname = 'MASKED-PASSWORD-ABCDEFGH'\npassword = 'MASKED-PASSWORD-ABCDEFGH'\n"


@pytest.fixture
def known() -> KnownValues:
    return KnownValues(Vault(bytes(32)))


def test_what_it_finds_is_masked_from_then_on(known: KnownValues) -> None:
    assert ask_second_opinion([("creds", LEFT)], known, cache=None) == 1
    assert [one.value for one in known.find(b"it is Gr33n-tree-77 now")] == [b"Gr33n-tree-77"]


def test_a_placeholder_is_no_finding(known: KnownValues) -> None:
    assert ask_second_opinion([("creds", CLEAN)], known, cache=None) == 0


def test_a_content_that_was_clean_is_not_read_again(
    known: KnownValues, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_second_opinion([("creds", CLEAN)], known, cache=tmp_path)
    asked: list[bytes] = []

    def ask(data: bytes) -> list[Finding]:
        asked.append(data)
        return []

    monkeypatch.setattr(opinion, "second_opinion", ask)
    ask_second_opinion([("creds", CLEAN), ("other", LEFT)], known, cache=tmp_path)
    assert asked == [LEFT]


def test_a_content_with_a_secret_is_read_at_each_start(known: KnownValues, tmp_path: Path) -> None:
    for _ in range(2):
        fresh = KnownValues(Vault(bytes(32)))
        assert ask_second_opinion([("creds", LEFT)], fresh, cache=tmp_path) == 1


def test_large_files_are_left_alone(known: KnownValues) -> None:
    assert ask_second_opinion([("large", LEFT + b"# nothing\n" * 12_000)], known, cache=None) == 0


def test_what_is_read_in_one_session_is_bounded(known: KnownValues, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def ask(data: bytes) -> list[Finding]:
        read.append(len(data))
        return []

    monkeypatch.setattr(opinion, "second_opinion", ask)
    ask_second_opinion([(str(number), b"%060000d" % number) for number in range(20)], known, cache=None)
    assert 400_000 < sum(read) <= 512 << 10


@pytest.mark.parametrize("damage", [b"", b"x", bytes(17)])
def test_a_damaged_cache_costs_time_only(known: KnownValues, tmp_path: Path, damage: bytes) -> None:
    ask_second_opinion([("creds", CLEAN)], known, cache=tmp_path)
    (file,) = (tmp_path / "second-opinion").iterdir()
    file.write_bytes(damage)
    assert ask_second_opinion([("creds", LEFT)], known, cache=tmp_path) == 1
