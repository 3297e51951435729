"""How two versions differ is said without any value of either."""

from hypothesis import given
from hypothesis import strategies as st

from tests.machine import fake, private_key
from wrapper.review.difference import differences


def said(path: str, now: bytes, kept: bytes) -> str:
    return "\n".join(differences(path, now, kept))


def test_keys_with_other_values_are_named_and_the_rest_is_counted() -> None:
    one, two, other = (fake() for _ in range(3))
    kept = f"# settings\nDATABASE_URL={one}\nexport STRIPE='{two}'\nPORT=1\nGONE=1\n".encode()
    now = f"# settings\nDATABASE_URL=MASKED-DATABA\nexport STRIPE='{other}'\nPORT=1\nNEW=1\nNEWER=1\n".encode()
    text = said(".env", now, kept)
    assert "other values: DATABASE_URL, STRIPE\n" in text
    assert "1 name in what is kept only" in text
    assert "2 names in the file now only" in text
    assert text.endswith("3 lines in what is kept only, 4 in the file now only")
    assert not any(value in text for value in (one, two, other, "PORT", "GONE", "NEW"))


def test_json_and_yaml_keys_are_named() -> None:
    value = fake()
    kept = f'{{"auth": {{"token": "{value}", "user": "ada"}}}}'.encode()
    assert "other values: token" in said("auth.json", kept.replace(value.encode(), b"x"), kept)
    kept = f"auth:\n  - token: {value}\n".encode()
    assert "other values: token" in said("a.yaml", kept.replace(value.encode(), b"x"), kept)


def test_equal_contents_differ_in_nothing() -> None:
    assert said(".env", b"A=1", b"A=1") == ""


def test_a_line_that_ends_like_an_assignment_is_not_taken_for_a_name() -> None:
    key = private_key()
    text = said("key.pem", b"-----BEGIN X-----\n", (key + "QUJDREVGR0g=\n").encode())
    assert not any(line in text for line in [*key.splitlines(), "QUJDREVGR0g"])


def test_many_names_are_cut_short() -> None:
    kept = b"".join(b"K%02d=a\n" % number for number in range(30))
    assert "K19, and 10 more\n" in said(".env", kept.replace(b"a", b"b"), kept)


@given(now=st.binary(max_size=300), kept=st.binary(max_size=300))
def test_any_two_contents_differ_in_lines_that_say_their_sizes(now: bytes, kept: bytes) -> None:
    lines = list(differences("a", now, kept))
    assert (now == kept) == (not lines)
    if lines:
        assert lines[0] == f"{len(now)} bytes now, {len(kept)} bytes kept"


@given(value=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz234567+/", min_size=12, max_size=80))
def test_a_value_on_one_side_is_never_said(value: str) -> None:
    for layout in (f"NAME={value}\n", f"{value}=\n", f'{{"{value}": "{value}"}}', f"- {value}: 1\n"):
        for path in (".env", "a.json", "a.py"):
            assert value not in said(path, b"NAME=1\n", layout.encode())
