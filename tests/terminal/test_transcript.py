"""wrapper.terminal.transcript: what the log gets of a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.engine import Engine
from redactors.known import KnownValues
from redactors.rules.catalogue import expand
from redactors.stream import StreamRedactor
from redactors.vault import Vault
from tests.compiled import load
from wrapper.audit.events import Event, Output, Typed
from wrapper.terminal.transcript import Transcript

TOKEN = expand(["gh", "p_{base62:30}{crc32}"]).encode()


class Log:
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, event: Event) -> None:
        self.events.append(event)

    append_durable = append

    def output(self, stream: str) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, Output) and event.stream == stream)

    @property
    def typed(self) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, Typed))


@pytest.fixture(scope="module")
def engine() -> Engine:
    vault = Vault(bytes(32))
    return load(vault, KnownValues(vault))


def transcript(engine: Engine, log: Log) -> Transcript:
    assert engine.known is not None
    known = engine.known
    return Transcript(log, lambda: StreamRedactor(known, engine.vault, engine=engine), clock=lambda: 1.0)


@given(st.lists(st.integers(1, len(TOKEN) + 20), max_size=4))
def test_a_token_cut_by_the_borders_of_reads_is_in_no_record(engine: Engine, sizes: list[int]) -> None:
    log = Log()
    written = transcript(engine, log)
    text = b"the key: " + TOKEN + b" is new\r\n$ "
    at = 0
    for size in [*sizes, len(text)]:
        if text[at : at + size]:
            written.shown("tty", text[at : at + size])
        at += size
    written.close()
    assert TOKEN not in log.output("tty")
    assert log.output("tty").startswith(b"the key: MASKED-GITHUB")
    assert log.output("tty").endswith(b" is new\r\n$ ")


def test_a_prompt_without_a_line_end_is_recorded_once_all_is_quiet(engine: Engine) -> None:
    log = Log()
    written = transcript(engine, log)
    written.shown("tty", b"hello\r\nPassword:")
    assert log.output("tty") == b"hello\r\n"
    written.shown("tty", b"")
    assert log.output("tty") == b"hello\r\nPassword:"
    written.shown("tty", b"")
    assert len(log.events) == 2


def test_a_client_that_paints_without_line_ends_is_recorded_picture_by_picture(engine: Engine) -> None:
    log = Log()
    written = transcript(engine, log)
    pictures = [b"\x1b[?2026h\x1b[1;1Hworking %d " % number + TOKEN + b" \x1b[?2026l" for number in range(3)]
    for picture in pictures:
        written.shown("tty", picture[:40])
        written.shown("tty", picture[40:])
        assert log.output("tty").endswith(b"\x1b[?2026l")
    assert log.output("tty").count(b"working") == 3
    assert TOKEN[8:] not in log.output("tty")
    written.close()


def test_the_streams_are_kept_apart(engine: Engine) -> None:
    log = Log()
    written = transcript(engine, log)
    written.shown("stdout", TOKEN[:20])
    written.shown("stderr", b"warning\n")
    written.shown("stdout", TOKEN[20:] + b"\n")
    assert [event.stream for event in log.events if isinstance(event, Output)] == ["stderr", "stdout"]
    assert TOKEN[20:] not in log.output("stdout")


def test_the_end_records_what_was_held_back(engine: Engine) -> None:
    log = Log()
    written = transcript(engine, log)
    written.shown("stdout", b"no line end")
    written.shown("stderr", TOKEN)
    written.typed(b"ls")
    written.close()
    assert log.output("stdout") == b"no line end"
    assert log.output("stderr").startswith(b"MASKED-GITHUB")
    assert log.typed == b"ls"


def test_a_token_typed_key_by_key_is_masked(engine: Engine) -> None:
    log = Log()
    written = transcript(engine, log)
    for byte in b"export KEY=" + TOKEN + b"\r\n":
        written.typed(bytes((byte,)))
    written.close()
    assert TOKEN[:20] not in log.typed
    assert b"MASKED-" in log.typed
