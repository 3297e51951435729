import secrets

from hypothesis import given
from hypothesis import strategies as st

from redactors.vault import Origin, Vault
from wrapper.disguises import ClientState, Denied, Document, Fixed, OwnDocument

VAULT = Vault(bytes(32))
KEY = f"sk-{secrets.token_hex(20)}".encode()
SHOWN = VAULT.issue("API-KEY", KEY, Origin.OUTSIDE).encode()
END, SHOWN_END = KEY[-20:], SHOWN[-20:]
DOCUMENT = Document(lambda data: data.replace(KEY, SHOWN), VAULT, lambda: b"")
OWN = OwnDocument(DOCUMENT.masked, VAULT, lambda: b"", set())
STATE = ClientState(OWN, ((END, SHOWN_END),))


def test_a_closed_file_shows_nothing_and_takes_nothing() -> None:
    assert Denied().mask(b"real") is None
    assert Denied().restore(b"from inside") is None


def test_a_document_shows_placeholders_and_gives_every_value_back() -> None:
    assert DOCUMENT.mask(b"key: " + KEY) == b"key: " + SHOWN
    assert DOCUMENT.restore(b"other: " + SHOWN) == b"other: " + KEY


def test_a_withheld_value_gets_into_no_document_that_does_not_hold_it() -> None:
    """Promise 2: the next job on this machine reads the client's state, and has not this job's secrets."""
    vault, real = Vault(bytes(32)), [b"{}"]
    shown = vault.issue("DEPLOY", b"of-a-job", Origin.OUTSIDE).encode()
    document = Document(lambda data: data.replace(b"of-a-job", shown), vault, lambda: real[-1])
    vault.withhold([b"of-a-job"])
    assert document.restore(b'{"left":"%b"}' % shown) == b'{"left":"%b"}' % shown
    real.append(b'{"own":"of-a-job"}')
    assert document.restore(b'{"own":"%b"}' % shown) == b'{"own":"of-a-job"}'
    assert vault.restore_in_file(shown) == shown, "that HOME holds it lets it into no file of the workspace"


def test_a_login_shows_what_the_adapter_says_and_takes_nothing() -> None:
    contents = iter([b"one", None])
    fixed = Fixed(lambda: next(contents))
    assert fixed.mask(b"real") == b"one"
    assert fixed.mask(b"real") is None
    assert fixed.restore(b"from inside") is None


def test_the_part_of_a_key_that_a_client_keeps_is_the_placeholders_part_inside() -> None:
    real = b'{"approved":["' + END + b'"],"key":"' + KEY + b'"}'
    shown = STATE.mask(real)
    assert shown is not None
    assert END not in shown
    assert KEY not in shown
    assert shown.count(SHOWN_END) == 2
    assert STATE.restore(shown) == real


@given(pieces=st.lists(st.sampled_from([KEY, END, b'"', b"\n", b"a", KEY[:7], b"\xff"]), max_size=12))
def test_a_clients_state_comes_back_as_it_was(pieces: list[bytes]) -> None:
    """Promise 3."""
    real = b",".join(pieces)
    shown = STATE.mask(real)
    assert shown is not None
    assert END not in shown
    assert STATE.restore(shown) == real
