"""One text is searched whatever its size and encoding, with the remarks that allow a line."""

import io
import os
from pathlib import Path

import pytest

from redactors.engine import Engine
from redactors.vault import Origin
from tests.machine import private_key
from tests.scan.project import Engines, certain, likely
from wrapper.plan.scancache import Code
from wrapper.scan.content import Located, examine, opened
from wrapper.scan.windows import STEP


@pytest.fixture
def engine(engines: Engines) -> Engine:
    return engines()


def located(engine: Engine, data: bytes) -> list[Located]:
    return list(examine(engine, io.BytesIO(data).read).findings)


def code(engine: Engine, data: bytes) -> int:
    return examine(engine, io.BytesIO(data).read).code()


def test_what_is_found_is_what_the_engine_finds_in_the_whole(engine: Engine) -> None:
    data = f"a\n{likely()}b = '{certain()}'\n{private_key()}".encode()
    found = [one.finding for one in located(engine, data)]
    assert found == list(engine.find(data))
    assert len(found) == 3


def test_a_secret_a_hundred_megabytes_down_a_single_line_has_its_column(engine: Engine) -> None:
    key = certain()
    parts = [b"word " * (STEP // 5)] * 100 + [f" '{key}' ".encode(), b"x " * STEP]
    column = sum(map(len, parts[:100])) + 3

    def read(size: int) -> bytes:
        part = parts[0][:size] if parts else b""
        if parts:
            parts[0] = parts[0][size:]
            if not parts[0]:
                parts.pop(0)
        return part

    (found,) = examine(engine, read).findings
    assert found.finding.value == key.encode()
    assert (found.place.line, found.place.column) == (1, column)


def test_a_key_on_the_border_of_two_windows_is_found_once(engine: Engine) -> None:
    for shift in (-40, -20, -1, 0, 1):
        key = certain().encode()
        data = b"w " * (STEP // 2) + b"\n"
        data = data[: STEP + shift] + b" '" + key + b"' " + b"w " * STEP
        assert [one.finding.value for one in located(engine, data)] == [key]


@pytest.mark.parametrize("remark", ["# pragma: allowlist secret", "// gitleaks:allow", "# Pragma: whitelist secret"])
def test_a_remark_on_the_line_allows_what_stands_on_it_alone(engine: Engine, remark: str) -> None:
    first, second = certain(), certain()
    found = located(engine, f"a = '{first}'  {remark}\nb = '{second}'\n".encode())
    assert [one.finding.value for one in found] == [second.encode()]


def test_a_remark_does_not_allow_a_value_that_is_known(engine: Engine) -> None:
    key = certain()
    assert engine.known is not None
    engine.known.add("KEY", key.encode(), Origin.OUTSIDE)
    (found,) = located(engine, f"a = '{key}'  # pragma: allowlist secret\n".encode())
    assert found.finding.rule == "known:raw"


def test_rules_find_nothing_in_a_binary_but_a_private_key_block(engine: Engine) -> None:
    token = f"'{certain()}'".encode()
    content = examine(engine, io.BytesIO(b"\x7fELF\0\0" + token + private_key().encode()).read)
    assert content.is_binary
    assert [one.finding.kind for one in content.findings] == ["PRIVATE-KEY"]
    assert code(engine, b"\x7fELF\0\0" + token) == Code.BINARY


def test_a_known_value_is_found_in_a_binary(engine: Engine) -> None:
    assert engine.known is not None
    engine.known.add("KEY", b"q7Zk2vB8xTmN4", Origin.OUTSIDE)
    assert code(engine, b"\0\0q7Zk2vB8xTmN4\0") == Code.BINARY | Code.CERTAIN


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_text_in_utf16_is_text(engine: Engine, encoding: str) -> None:
    mark = {"utf-16": b"", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}[encoding]
    key = certain()
    (found,) = located(engine, mark + f"first\nkey = '{key}'\n".encode(encoding))
    assert (found.finding.value, found.place.line) == (key.encode(), 2)


def test_the_bits_say_the_surest_of_what_is_there(engine: Engine) -> None:
    assert code(engine, b"nothing\n") == 0
    assert code(engine, likely().encode()) == Code.LIKELY
    assert code(engine, (likely() + f"k = '{certain()}'\n").encode()) & Code.CERTAIN


def test_only_regular_files_are_opened_and_none_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    for name in ("pipe", "link", ".", "missing"):
        with pytest.raises(OSError), opened(str(tmp_path / name)):  # noqa: PT011 (any refusal will do)
            pass
    with opened(str(tmp_path / "file")) as read:
        assert read(10) == b"x"
