import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import KnownValues, Origin, Vault
from tests.gateway.wire import MASKING_KEY, engine, forge_token
from wrapper.gateway.unfold import unfold

TOKEN = forge_token("Zk3vQ8sLw0pXr5Ty7Nb2Mc9Dd4Ff6G").decode()
VALUE = "Tr0ub4dor&3 correct horse"
VAULT = Vault(MASKING_KEY)
KNOWN = KnownValues(VAULT)
assert KNOWN.add("PASSWORD", VALUE.encode(), Origin.OUTSIDE)
ENGINE = engine(VAULT, KNOWN)
PLACES = st.sets(st.integers(0, 39), min_size=1)


def folded(text: str, places: set[int], pattern: str) -> str:
    return "".join(pattern % ord(one) if place in places else one for place, one in enumerate(text))


@pytest.mark.parametrize("secret", [TOKEN, VALUE])
@pytest.mark.parametrize("pattern", ["\\u%04x", "\\u%04X", "%%%02x", "%%%02X", "\\\\u%04x"])
@given(places=PLACES, before=st.text(max_size=5), after=st.text(max_size=5))
def test_a_secret_hidden_by_escapes_is_replaced_and_the_document_stays_valid(
    secret: str, pattern: str, places: set[int], before: str, after: str
) -> None:
    def quoted(text: str) -> str:
        return json.dumps(text)[1:-1]

    body = f'{{"a": "{quoted(before)} {folded(secret, places, pattern)} {quoted(after)}", "b": [1.0]}}'.encode()
    out = ENGINE.redact_json(unfold(body, ENGINE)).data
    document: Any = json.loads(out)
    assert document["b"] == [1.0]
    assert "MASKED-" in document["a"]
    assert secret[8:-8] not in document["a"]
    assert document["a"].startswith(before)


@given(st.text(alphabet='ab%u0041\\"25 \n<&', max_size=60))
def test_a_text_that_hides_nothing_keeps_its_bytes(text: str) -> None:
    body = json.dumps(text).encode()
    assert unfold(body, ENGINE) is body


def test_only_the_surroundings_of_a_hidden_secret_change() -> None:
    far = "\\u003cp\\u003e%41 " + "x" * 5000
    hidden = folded(TOKEN, {5}, "\\u%04x")
    body = f'["{far} {hidden} {far}"]'.encode()
    out = unfold(body, ENGINE)
    assert out.startswith(f'["{far}'.encode())
    assert out.endswith(far.encode()[30:] + b'"]')
    assert TOKEN.encode() in out
