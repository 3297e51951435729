"""Promise 3: masking a file and writing it back unchanged gives the same bytes, however its secrets are written."""

import base64
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redactors.documents import mask_document
from redactors.known import KnownValues
from redactors.vault import Origin, Vault
from tests.compiled import load
from tests.machine import fake, private_key

_VAULT = Vault(b"k" * 32)
_KNOWN = KnownValues(_VAULT)
_ENGINE = load(_VAULT, _KNOWN)
_SECRET = fake("gh" + "p_", 36)
_ODD = fake("", 20) + '"\\/ &' + fake("", 6)
for _value in (_SECRET, _ODD):
    _KNOWN.add("TOKEN", _value.encode(), Origin.OUTSIDE)


def _forms(value: str) -> list[str]:
    raw = value.encode()
    return [
        value,
        base64.b64encode(raw).decode(),
        base64.b64encode(base64.b64encode(raw)).decode(),
        base64.b64encode(b"user:" + raw).decode(),
        raw.hex(),
        raw.hex().upper(),
        value[::-1],
        value[7:],
        value[:-7],
        urllib.parse.quote(value, safe=""),
        f"{value[:9]}\n{value[9:]}",
        f"\x1b[31m{value[:9]}\x1b[0m{value[9:]}",
        private_key(),
    ]


_PIECES = st.one_of(
    st.sampled_from([form for value in (_SECRET, _ODD) for form in _forms(value)]),
    st.sampled_from(
        ["KEY=", 'password: "', '"', "'", "\n", " ", "=", "{", "}", '": "', "export ", "#", "://u:", "@h/"]
    ),
    st.text(max_size=12),
)


@pytest.mark.parametrize(
    "name", [".env", "a.json", "b.yaml", "c.toml", ".npmrc", ".netrc", "credentials", "x.py", "d.ini"]
)
@pytest.mark.parametrize("whole", [True, False])
@settings(max_examples=40, deadline=None)
@given(pieces=st.lists(_PIECES, max_size=14))
def test_what_is_written_back_unchanged_is_the_same_file(name: str, whole: bool, pieces: list[str]) -> None:  # noqa: FBT001
    data = "".join(pieces).encode()
    shown = mask_document(name, data, _ENGINE, whole=whole).data
    assert _VAULT.restore(shown, to=Origin.OUTSIDE) == data
