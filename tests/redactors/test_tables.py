"""Values below the name of their column are found, however the table is written; what is none stays."""

import csv
import io
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redactors import Origin, Vault, tables
from redactors.documents import mask_document
from redactors.engine import Engine
from redactors.finding import Confidence
from redactors.loading import bundled_rules
from redactors.pieces import Memory
from redactors.rules.catalogue import expand
from redactors.rulestream import RuleStream
from redactors.scanner import GlancingScanner, compile_glances, compile_rules
from tests.compiled import load

NAME = "pass" + "word"
FIRST, SECOND, THIRD = (expand(f"{{base62:12}}{number}!") for number in (7, 8, 9))
KEY, OTHER_KEY = expand("{base62:24}1"), expand("{base62:24}2")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load(Vault(bytes(32)))


def within_json(text: str) -> str:
    return json.dumps({"text": text}, ensure_ascii=False)


def values(engine: Engine, text: str) -> list[str]:
    return [one.value.decode() for one in engine.find(text.encode())]


CSV = f"id,email,{NAME}\n1,bob@a.test,{FIRST}\n2,eve@a.test,{SECOND}\n"
TABLES = {
    "commas": CSV,
    "line ends of Windows": CSV.replace("\n", "\r\n"),
    "without a line end at its end": CSV.rstrip("\n"),
    "with a byte order mark": f"\ufeff{NAME},id\n{FIRST},1\n{SECOND},2\n",
    "semicolons": CSV.replace(",", ";"),
    "tabs": CSV.replace(",", "\t"),
    "quoted": f'"id","email","{NAME}"\n"1","bob","{FIRST}"\n"2","a ""b"", c\nd","{SECOND}"\n',
    "in the middle": f"id,{NAME},email\n1,{FIRST},bob@a.test\n2,{SECOND},eve@a.test\n",
    "psql": f" id |    {NAME}    \n----+----------------\n  1 | {FIRST}\n  2 | {SECOND}\n(2 rows)\n",
    "mysql": f"+----+-----+\n| id | {NAME} |\n+----+-----+\n|  1 | {FIRST} |\n|  2 | {SECOND} |\n+----+-----+\n",
    "Markdown": f"| {NAME} | name |\n|---|---|\n| {FIRST} | bob |\n| {SECOND} | eve |\n",
    "numbered by a reader of files": f"     1→{NAME},id\n     2→{FIRST},1\n     3→{SECOND},2\n",
    "numbered by `cat -n`": f"     1\tid\t{NAME}\n     2\t1\t{FIRST}\n     3\t2\t{SECOND}\n",
    "after `grep -n`": f"1:{NAME},id\n2:{FIRST},1\n7:{SECOND},2\n",
    "with a line that is none of it": f"{CSV[: CSV.index('2,')]}# the next one left\n2,eve@a.test,{SECOND}\n",
    "a dump of PostgreSQL": f"COPY public.users (id, {NAME}) FROM stdin;\n1\t{FIRST}\n2\t{SECOND}\n\\.\n",
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("depth", range(4))
def test_all_values_of_a_column_are_found_at_any_depth(engine: Engine, text: str, depth: int) -> None:
    for _ in range(depth):
        text = within_json(text)
    redacted = engine.redact(text.encode())
    assert len(redacted.findings) == 2
    assert FIRST not in redacted.data.decode()
    assert SECOND not in redacted.data.decode()
    assert engine.redact(redacted.data).data == redacted.data
    if depth:
        json.loads(redacted.data)


EXPORTS = {
    "Chrome": f"name,url,username,{NAME},note\na,https://a.test/,bob,{{}},\n",
    "Firefox": f'"url","username","{NAME}","httpRealm","guid"\n"https://a.test","bob","{{}}",,"{{{{1}}}}"\n',
    "Bitwarden": "folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_"
    + NAME
    + ',login_totp\n,,login,A,"two\nlines",,0,https://a.test,bob,{},\n',
    "KeePass": f'"Account","Login Name","{NAME.title()}","Web Site","Comments"\n"A","bob","{{}}","https://a.test",""\n',
    "1Password": f"Title,Url,Username,{NAME.title()},OTPAuth\nA,https://a.test,bob,{{}},\n",
    "RoboForm": "Name,Url,MatchUrl,Login,Pwd,Note\nA,https://a.test,https://a.test,bob,{},\n",
}


@pytest.mark.parametrize("form", EXPORTS.values(), ids=EXPORTS)
def test_what_a_password_manager_exports_is_certain(engine: Engine, form: str) -> None:
    (found,) = engine.find(form.format("plainwords").encode())
    assert (found.value, found.confidence) == (b"plainwords", Confidence.CERTAIN)


def test_a_column_alone_is_only_likely(engine: Engine) -> None:
    assert {one.confidence for one in engine.find(CSV.encode())} == {Confidence.LIKELY}


def test_in_a_file_an_export_is_masked_and_a_table_of_a_test_stays(engine: Engine) -> None:
    export = EXPORTS["Chrome"].format("plainwords").encode()
    masked = mask_document("logins.csv", export, engine, whole=False).data
    assert b"plainwords" not in masked
    assert masked.startswith(export[: export.index(b"plainwords")])
    assert mask_document("users.csv", CSV.encode(), engine, whole=False).data == CSV.encode()


def test_each_column_is_judged_as_what_it_is(engine: Engine) -> None:
    text = f"user,api_key,{NAME},client secret,secret_name\nbob,{KEY},{FIRST},{OTHER_KEY},app/database1\n"
    assert values(engine, text) == [KEY, FIRST, OTHER_KEY]


UNTOUCHED = {
    "words": f"id,{NAME}\n1,{NAME}\n2,required\n3,\n",
    "templates": f"id,{NAME}\n1,${{FIRST}}\n2,<your-{NAME}>\n3,changeme\n",
    "hashes": f"id,{NAME}\n1,$2b$12$" + expand("{base62:53}") + "\n",
    "a sentence": f"Give your name,{NAME}, and wait.\nThen comes one,{FIRST}, and two.\n",
    "a call": f"login(name,{NAME},\n      {FIRST},x)\n",
    "prose with blanks": f"the user, {NAME}\nthe other, {FIRST}\n",
    "words of a language": "word,token\nhouse,N\ngarden2,N\n2024,NUM\n",
    "another number of cells": f"id,{NAME}\nx\ny\n1,{FIRST}\n",
    "behind the end of its string": json.dumps([f"id,{NAME}\n", f"1,{FIRST}\n"]),
    "outside the strings of a document": f'["id","{NAME}"\n,"{FIRST}"\n,"x","{FIRST}"\n]',
    "of a document in lines": f'{{"a":["id","{NAME}"\n],"b":["1","{FIRST}"\n]}}',
    "one column": f"{NAME}\n{FIRST}\n",
}


@pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED)
def test_what_is_no_value_of_a_table_stays(engine: Engine, text: str) -> None:
    assert not values(engine, text)


@pytest.mark.parametrize("columns", range(40, 50))
def test_the_end_of_a_long_line_is_no_line_of_names(engine: Engine, columns: int) -> None:
    text = "a name of some letters," * 60 + f"{NAME}\n" + "1," * columns + f"{FIRST}\n"
    assert not values(engine, text)


def test_a_table_in_a_table_is_read_too(engine: Engine) -> None:
    text = f"id,{NAME},x\n1,{FIRST},a\nid,name,{NAME}\n2,eve,{SECOND}\n\nid,{NAME}\n3,{THIRD}\n"
    assert values(engine, text) == [FIRST, SECOND, THIRD]


def test_a_password_that_is_a_name_of_a_column_does_not_end_the_table(engine: Engine) -> None:
    text = f"id,name,{NAME}\nx,bob,token\nx,{NAME},secret\ny,eve,{FIRST}\n"
    assert values(engine, text) == [FIRST]


cells = st.text(st.sampled_from("ab1 ,;\"'\n|é→#"), max_size=8)
secret = st.integers(0, 10**6).map(lambda seed: expand(f"{{base62:14}}{seed}!"))
marked = secret.flatmap(lambda text: st.sampled_from((text, text[:6] + '"' + text[6:], text[:6] + "," + text[6:])))


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(cells, marked, cells), min_size=1, max_size=5),
    ends=st.sampled_from(("\n", "\r\n")),
    quoting=st.sampled_from((csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC)),
    escape=st.sampled_from((str, within_json, lambda text: within_json(within_json(text)))),
)
def test_whatever_a_writer_of_csv_writes_no_password_is_left(
    engine: Engine, rows: list[tuple[str, str, str]], ends: str, quoting: int, escape: Callable[[str], str]
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator=ends, quoting=quoting)  # type: ignore[arg-type]  # one of the stubs' own
    writer.writerows([("name", NAME, "note"), *(("x" + row[0], *row[1:]) for row in rows)])
    redacted = engine.redact(escape(file.getvalue()).encode()).data.decode()
    for _, password, _ in rows:
        assert password[7:] not in redacted


def test_a_remembered_conversation_hides_no_row(engine: Engine) -> None:
    rows = "".join(f"{number},{expand(f'{{base62:14}}{number}!')}\n" for number in range(400))
    blocks = [{"type": "text", "text": "x" * 3_000} for _ in range(3)]
    body = {"messages": [*blocks, {"type": "text", "text": f"id,{NAME}\n{rows}"}, *blocks]}
    memory = Memory(engine)
    for _ in range(2):
        data = json.dumps(body).encode()
        assert list(memory.find(data).findings) == list(engine.find(data))
        assert len(memory.find(data).findings) == 400
        body["messages"].append({"type": "text", "text": "one more"})


def test_in_a_stream_of_lines_a_table_stays_however_many_come_at_once() -> None:
    rules = [rule for rule in bundled_rules() if rule.id in ("table-password", "assigned-secret-bare")]
    engine = Engine(rules, GlancingScanner(compile_rules(rules), lambda: compile_glances(rules)), Vault(bytes(32)))
    assert len(engine.find(CSV.encode())) == 2
    text = f"{CSV}tok" + f"en = '{KEY}'\n"
    expected = engine.for_lines().redact(text.encode()).data
    assert FIRST.encode() in expected
    assert KEY.encode() not in expected
    for size in (1, 7, len(CSV), len(text)):
        stream = RuleStream(engine, engine.vault)
        parts = [stream.feed(text[at : at + size].encode()) for at in range(0, len(text), size)]
        assert b"".join([*parts, stream.flush()]) == expected


HOSTILE = {
    "names": f"a,{NAME}\n" * 2_000,
    "names that differ": f"a,{NAME},x\na,x,{NAME}\na,secret,x\n" * 700,
    "one line": f"{NAME},a," * 2_000,
    "marks that open": f'a,{NAME}\n"x\n' * 2_000,
    "escaped": f"a,{NAME}\\n" * 2_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_full_of_names_is_not_read_again_for_each(
    engine: Engine, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0
    row = tables._row

    def counting(data: bytes, at: int, cells: tables._Cells, most: int) -> tables._Row | None:
        nonlocal read
        found = row(data, at, cells, most)
        read += (found.end if found is not None else data.find(b"\n", at) + 1) - at
        return found

    monkeypatch.setattr(tables, "_row", counting)
    engine.find(text.encode())
    assert read < 8 * len(text)


@pytest.mark.parametrize("kind", ["PASSWORD", "API-KEY", "SECRET", "CLIENT-SECRET"])
@pytest.mark.parametrize("between", [",", '","', ": ", ' = "'])
def test_a_placeholder_is_no_key_of_what_stands_behind_it(engine: Engine, kind: str, between: str) -> None:
    placeholder = engine.vault.issue(kind, b"anything", Origin.OUTSIDE)
    assert values(engine, f'bob,"{placeholder}{between}{KEY}"') == []
    assert values(engine, f'x_{kind.lower().replace("-", "_")} = "{KEY}" # not {placeholder}') == [KEY]
    assert values(engine, f'{placeholder}-token = "{KEY}"') == [KEY], "behind it a name of its own"
