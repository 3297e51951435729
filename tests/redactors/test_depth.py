"""The second opinion finds what a key's name gives away, and stays off large and binary files."""

from redactors.depth import LARGEST, second_opinion
from redactors.finding import Confidence


def test_it_sees_a_password_by_its_key() -> None:
    data = b"# settings\r\nport = 80\r\ndb_password = 'Gr33n-tree-77'\r\n"
    (found,) = second_opinion(data)
    assert data[found.start : found.end] == found.value == b"Gr33n-tree-77"
    assert found.confidence is Confidence.LIKELY


def test_it_leaves_stock_values_and_templates_alone() -> None:
    assert second_opinion(b"password = 'password'\ntoken = '${TOKEN}'\n") == []


def test_it_does_not_read_large_or_binary_files() -> None:
    line = b"password = 'Gr33n-tree-77'\n"
    assert second_opinion(line + b"#" * LARGEST) == []
    assert second_opinion(line + b"\0") == []
