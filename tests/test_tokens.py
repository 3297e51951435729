"""What of a token may be read inside."""

import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from wrapper.tokens import parted

SIGNATURE = "s" * 20


def jwt(header: object, claims: object, signature: str = SIGNATURE) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims))
    return ".".join((*parts, signature))


def test_of_a_jwt_only_the_signature_is_secret() -> None:
    token = jwt({"alg": "RS256"}, {"email": "dev@example.com", "https://x/auth": {"plan": ["plus"]}})
    assert parted(token) == (token.removesuffix(SIGNATURE), SIGNATURE)


def test_a_claim_that_is_a_secret_makes_all_of_it_one() -> None:
    token = jwt({"alg": "RS256"}, {"inner": [{"client_secret": "x"}]})
    assert parted(token) == ("", token)


def test_what_only_looks_like_a_jwt_is_secret_as_a_whole() -> None:
    for token in ("a.b.c", f"aaaa.bbbb.{SIGNATURE}", jwt([], {}), jwt({}, 1), jwt({}, {}, ""), jwt({}, {}) + ".more"):
        assert parted(token) == ("", token)


@given(
    token=st.text(alphabet='aé0._-{}"', max_size=30)
    | st.builds(jwt, st.just({}), st.dictionaries(st.text(), st.text()))
)
def test_the_parts_are_the_token(token: str) -> None:
    assert "".join(parted(token)) == token
