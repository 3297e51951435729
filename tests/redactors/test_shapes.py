"""Shapes are believed only where a check says so: numbers of all kinds stand in every text."""

import json
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.context import Context, ContextRule
from redactors.shapes import SHAPES

NOTHING: list[str] = []


def found(name: str, text: str, *hosts: str) -> list[str]:
    """What the shape finds in a text, the same in plain text and as JSON."""
    context = Context([ContextRule("X", shape=name, hosts=hosts)])
    plain = [one.value.decode() for one in sorted(context.find(text.encode()))]
    assert [one.value.decode() for one in sorted(context.find(json.dumps(text).encode()))] == plain
    return plain


def card(prefix: str, length: int) -> str:
    """A number of an issuer with a right check digit (Luhn)."""
    digits = prefix + "".join(secrets.choice("0123456789") for _ in range(length - len(prefix) - 1))
    for check in "0123456789":
        number = digits + check
        doubled = [sum(divmod(2 * int(one), 10)) for one in number[-2::-2]]
        if (sum(map(int, number[-1::-2])) + sum(doubled)) % 10 == 0:
            return number
    raise AssertionError


def iban(country: str, account: str) -> str:
    """An account number with right check digits (ISO 7064, mod 97-10)."""
    number = int("".join(str(int(one, 36)) for one in f"{account}{country}00"))
    return f"{country}{98 - number % 97:02d}{account}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to jane.doe+x@mail.example.org.", ["jane.doe+x@mail.example.org"]),
        ("a\njane@example.org\tbob@example.org", ["jane@example.org", "bob@example.org"]),
        ("<jane@example.org>", ["jane@example.org"]),
        ("DOMAIN\\nancy@example.org", None),
        ("git@example.org:owner/name noreply@example.org", NOTHING),
        ("logo@2x.png import x@y.py", NOTHING),
        ("@decorator.name a@b @types/node@20.1", NOTHING),
    ],
)
def test_email(text: str, expected: list[str] | None) -> None:
    if expected is None:  # whether `\n` is an escape cannot be told: the address is found either way
        assert Context([ContextRule("X", shape="email")]).find(text.encode())
    else:
        assert found("email", text) == expected


@pytest.mark.parametrize(
    "text", ["10.1.2.3", "192.168.1.77", "172.16.9.1", "172.31.255.255", "100.64.3.1", "fd12:3456:789a::1"]
)
def test_private_addresses_are_found(text: str) -> None:
    assert found("private-ip", f"host {text}:8080, ({text})" if "." in text else f"host [{text}]") != NOTHING


@pytest.mark.parametrize(
    "text",
    [
        "8.8.8.8", "127.0.0.1", "172.32.0.1", "172.15.0.1", "100.128.0.1", "11.0.0.1", "192.169.1.1",
        "10.0.19041.1", "1.10.2.3.4", "10.1.2.3.4", "v10.1.2.3", "10.01.2.3", "10.0.0.0/8", "192.168.0.0/16", "10.1.2",
        "fc:12", "fdisk: x", "fd00::/8", "af:fd12:1::1 g", "2001:db8::1",
    ],
)  # fmt: skip
def test_versions_public_addresses_and_whole_networks_are_not(text: str) -> None:
    assert found("private-ip", text) == NOTHING


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ssh build.corp", ["build.corp"]),
        ("wiki.intra/page, nas.lan:8080", ["wiki.intra", "nas.lan"]),
        ("https://wiki.internal/x", ["wiki.internal"]),
        ("db-01.internal and db2.eu.internal", ["db-01.internal", "db2.eu.internal"]),
        ("host = 'db.internal'", ["db.internal"]),
        ("db.local:5432", ["db.local"]),
        ("api.default.svc.cluster.local", ["api.default.svc.cluster.local"]),
        ("threading.local() self.local x.internal", NOTHING),
        ("settings.local.json .env.local src/app.local", NOTHING),
        ("com.sun.internal.misc", NOTHING),
        ("corporate.com a.corporation", NOTHING),
        ("Build01 www.Example.ORG rebuild01", ["Build01", "www.Example.ORG"]),
    ],
)
def test_internal_hosts(text: str, expected: list[str]) -> None:
    assert found("internal-host", text, "build01", "example.org") == expected


@pytest.mark.parametrize(
    "text", ["+49 170 1234567", "+4917012345678", "+1 (212) 345-6789", "+44 20 7183 8750", "+33.1.23.45.67.89"]
)
def test_telephone_numbers_are_found(text: str) -> None:
    assert found("phone", f"call {text}, or") == [text]


@pytest.mark.parametrize(
    "text",
    [
        "+1 212 555 0123", "x = y+4917012345678", "foo(1)+4917012345678", "+1 112 345 6789", "+999 12345678", "+1234",
        "+11111111111", "diff\n+4917012345678\n", "+123456789012345678", "1e+1234567890", "+35236450.6", "2+49 170 1234567",
    ],
)  # fmt: skip
def test_sums_diffs_and_fiction_are_no_telephone_numbers(text: str) -> None:
    assert found("phone", text) == NOTHING


@pytest.mark.parametrize(
    ("country", "account"), [("DE", "370400440532013000"), ("GB", "WEST12345698765432"), ("NO", "86011117947")]
)
def test_ibans_are_found_however_they_are_grouped(country: str, account: str) -> None:
    number = iban(country, account)
    grouped = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    assert found("iban", f"to {number}, or {grouped} today") == [number, grouped]
    assert found("iban", f"ID42 {grouped} BIC") == [grouped]


def test_no_iban_has_a_wrong_check_or_length() -> None:
    number = iban("DE", "370400440532013000")
    wrong = number[:3] + str((int(number[3]) + 1) % 10) + number[4:]
    assert found("iban", f"{wrong} {number}7 {number[:-1]} X{number}") == NOTHING


@pytest.mark.parametrize(
    ("prefix", "length"), [("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("3528", 16), ("62", 16)]
)
def test_cards_of_each_issuer_are_found(prefix: str, length: int) -> None:
    number = card(prefix, length)
    assert found("card", f"card {number}, 12/26") == [number]


def test_cards_are_found_in_groups_and_beside_other_numbers() -> None:
    number = card("4", 16)
    for mark in " -":
        grouped = mark.join(number[at : at + 4] for at in range(0, 16, 4))
        assert found("card", f"12/26 {grouped} 12/26") == [grouped]
    amex = card("34", 15)
    assert found("card", f"{amex[:4]} {amex[4:10]} {amex[10:]}") == [f"{amex[:4]} {amex[4:10]} {amex[10:]}"]


def test_no_card_has_a_wrong_check_an_unknown_issuer_or_stands_in_a_longer_text() -> None:
    number = card("4", 16)
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert (
        found("card", f"{wrong} {card('9', 16)} a{number} {number}b 0.{number} {'1' * 40}{number}{'1' * 40}") == NOTHING
    )


@given(
    st.sampled_from(SHAPES),
    st.lists(
        st.sampled_from(
            ["a", "@", ".", "com", "+4", "9 1", "10.", ":", "fd00", "DE", "\\n", '"', "é", "-", "4111", " "]
        )
    ),
)
def test_no_text_breaks_a_shape_and_every_span_lies_in_it(name: str, pieces: list[str]) -> None:
    data = "".join(pieces).encode()
    for one in Context([ContextRule("X", shape=name)]).find(data):
        assert 0 <= one.start < one.end <= len(data)
