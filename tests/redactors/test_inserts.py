"""Values of rows that a statement of SQL inserts, found by the names of their columns."""

# ruff: noqa: S608 (no statement is given to a database)

import json

import pytest

from redactors import Vault
from redactors.engine import Engine
from redactors.rules.catalogue import expand
from tests.compiled import load

NAME = "pass" + "word"
FIRST, SECOND = (expand(f"{{base62:12}}{number}!") for number in (7, 8))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load(Vault(bytes(32)))


FOUND = {
    "two rows": f"INSERT INTO users (id, {NAME}) VALUES (1, '{FIRST}'), (2, '{SECOND}');",
    "on lines": f"insert into users\n  (id, {NAME})\nvalues\n  (1, '{FIRST}'),\n  (2, '{SECOND}');",
    "quoted names": f"INSERT INTO `app`.`users` (`id`,`{NAME}`) VALUES (1,'{FIRST}'),(2,'{SECOND}')",
    "in double quotes": f'REPLACE INTO users (id, {NAME}) VALUES (1, "{FIRST}"), (2, "{SECOND}")',
    "brackets": f"INSERT INTO [dbo].[users] ([id], [{NAME}]) VALUES (1, N'{FIRST}'), (2, N'{SECOND}')",
    "in a call": f"INSERT INTO u (id, {NAME}) VALUES (1, crypt('{FIRST}', gen_salt('bf'))), (2, MD5('{SECOND}'))",
    "quotes in other texts": rf"INSERT INTO u (n, {NAME}) VALUES ('it''s, (a) \' b', '{FIRST}'), ('\\', '{SECOND}')",
    "two columns": f"INSERT OR REPLACE INTO u (api_key, x, {NAME}) VALUES ('{FIRST}', NULL, '{SECOND}')",
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND)
@pytest.mark.parametrize("depth", range(3))
def test_texts_in_columns_that_are_secret_are_found(engine: Engine, text: str, depth: int) -> None:
    for _ in range(depth):
        text = json.dumps({"sql": text})
    redacted = engine.redact(text.encode()).data.decode()
    assert FIRST not in redacted
    assert SECOND not in redacted
    if depth:
        json.loads(redacted)


UNTOUCHED = (
    f"INSERT INTO users (id, {NAME}) VALUES (?, ?)",
    f"INSERT INTO users (id, {NAME}) VALUES (%s, '%s'), ('a', :{NAME})",
    f"INSERT INTO users (id, {NAME}) VALUES (1, '{NAME}'), (2, 'changeme')",
    f"INSERT INTO users (id, email) VALUES (1, '{FIRST}')",
    f"INSERT INTO users (id, {NAME}_changed_at) VALUES (1, '2024-11-21 10:00:00')",
    f"INSERT INTO users (id, {NAME}) SELECT id, other FROM old; x('{FIRST}')",
    f"insert into the ({NAME}) of it ({FIRST})",
)


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_is_no_text_of_such_a_column_stays(engine: Engine, text: str) -> None:
    assert not engine.find(text.encode())


@pytest.mark.parametrize("end", ["", "'", '"', "((", "', '"])
def test_statements_that_nobody_closed_are_not_read_again_for_each(engine: Engine, end: str) -> None:
    statement = f"insert into a ({NAME}) values ({end}"
    text = f"{statement * 3_000}\ninsert into a ({NAME}) values ('{FIRST}')"
    assert FIRST not in engine.redact(text.encode()).data.decode()
