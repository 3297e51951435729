"""What the user had asked for, beside a hunk that came of it."""

from pathlib import Path

import pytest

from tests.audit.recording import Home, home
from tests.review.app.scenes import STORY
from wrapper.audit.entries import Opened, Reading
from wrapper.audit.ledger import Ledger, read
from wrapper.cli.prompts import Prompts
from wrapper.errors import AuditError
from wrapper.plan.places import Places
from wrapper.provenance.model import Emission, Kind


@pytest.fixture
def user(tmp_path: Path) -> Home:
    made = home(tmp_path)
    made.write("s-1", STORY)
    Ledger(made.state / "ledger").append(Opened(1.0, "s-1", 1, "0" * 64))
    return made


def places(of: Home) -> Places:
    return Places(of.state.parent, of.keys.folder.parent, of.state, of.state.parent / "cache")


def emission(session: str = "s-1", prompt: int = 5) -> Emission:
    return Emission(kind=Kind.INPUT, session=session, at=1.0, prompt=prompt)


def test_a_prompt_is_read_from_the_log_once_and_the_reading_is_in_the_ledger(user: Home) -> None:
    prompts = Prompts.of(places(user))
    numbers = [number for number in range(1, 12) if prompts.text(emission(prompt=number))]
    assert [prompts.text(emission(prompt=number)) for number in numbers] == ["fix the bug"]
    entries = [entry for _, entry in read(user.state / "ledger").entries if isinstance(entry, Reading)]
    assert [(entry.session, entry.verb) for entry in entries] == [("s-1", "review")]


def test_without_a_prompt_or_a_key_nothing_is_read(user: Home) -> None:
    assert Prompts.of(places(user)).text(emission(prompt=0)) == ""
    assert Prompts(places(user), None).text(emission()) == ""


def test_a_log_that_is_gone_says_so(user: Home) -> None:
    with pytest.raises(AuditError):
        Prompts.of(places(user)).text(emission("s-9"))
