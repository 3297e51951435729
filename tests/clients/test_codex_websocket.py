"""The real Codex over WebSocket through `safe-codex`, against a scripted provider that records every frame."""

import re
from collections.abc import Iterator

import pytest

from tests.clients.codex import FREE, with_chatgpt, with_key
from tests.clients.scene import asking_shell, assert_dotenv_is_real, assert_nothing_got_out, prying, saying
from tests.fakes.provider import Call, Fault, FaultyProvider, Script, Turn
from tests.machine import Machine

pytestmark = pytest.mark.timeout(120)

MAKE_TOKEN = (
    "(printf 'gh''p_'; head -c 200 /dev/urandom | base64 | tr -dc A-Za-z0-9 | head -c 36) > /tmp/made; cat /tmp/made"
)
"""A shell command that makes a token which nobody outside knows, and shows it."""


@pytest.fixture
def prier(machine: Machine) -> Iterator[FaultyProvider]:
    with FaultyProvider(prying(machine)) as provider:
        provider.own_headers = ("authorization",)
        yield provider


def messages(provider: FaultyProvider) -> list[dict[str, object]]:
    """Return the model requests; all of them came over WebSocket."""
    requests = provider.model_requests()
    assert {one.method for one in requests} == {"WEBSOCKET"}
    return [one.json for one in requests]


@pytest.mark.parametrize("model", ["", "gpt-5"])  # in code mode, and with tools of its own
def test_over_frames_it_reads_everything_and_no_secret_gets_out(
    machine: Machine, prier: FaultyProvider, model: str
) -> None:
    key = with_key(machine, prier)
    choice = ("-m", model) if model else ()
    result = machine.host("safe-codex", "exec", FREE, *choice, "look around")
    assert (result.returncode, result.stdout) == (0, "All done.\n"), result.stderr
    first, *later = messages(prier)
    assert len(later) == 2
    assert all(one["previous_response_id"] for one in later)  # deltas: what was said is not said again
    assert "look around" in str(first)
    assert "look around" not in str(later)
    assert {one.headers["authorization"] for one in prier.model_requests()} == {f"Bearer {key}"}
    assert "pried" in prier.said()
    assert "MASKED-" in prier.said()
    assert_nothing_got_out(machine, prier, result.stdout, result.stderr)
    assert_dotenv_is_real(machine)


def test_a_chatgpt_login_speaks_frames_too_and_stays_outside(machine: Machine) -> None:
    with FaultyProvider(asking_shell("cat ~/.codex/auth.json; env")) as provider:
        provider.own_headers = ("authorization",)
        auth, tokens = with_chatgpt(machine, provider)
        before = auth.read_bytes()
        result = machine.host("safe-codex", "exec", FREE, "go")
    assert result.stdout == "All done.\n", result.stderr
    assert len(messages(provider)) == 2
    for request in provider.model_requests():
        assert request.path == "/backend-api/codex/responses"
        assert request.headers["authorization"] == f"Bearer {tokens['access_token']}"
        assert request.headers["chatgpt-account-id"] == tokens["account_id"]
    assert_nothing_got_out(machine, provider, result.stdout, result.stderr)
    assert auth.read_bytes() == before


@pytest.mark.parametrize("split", [None, 7])  # frames as they come, and fragments with pings in between
def test_a_placeholder_in_a_command_is_the_real_value_again(machine: Machine, split: int | None) -> None:
    seen = r"{{seen:MASKED-GITHUB[A-Z-]*-[0-9A-Z]{8}}}"
    turns = (
        Turn(calls=(Call(run=MAKE_TOKEN),)),
        Turn(text=f"It is {seen}.", calls=(Call(run=f"test {seen} = $(cat /tmp/made) && echo the-same-value"),)),
        Turn(text="All done."),
    )
    faults = [Fault(split=split + number) for number in range(4)] if split else []
    with FaultyProvider(Script(turns=turns), faults) as provider:
        with_key(machine, provider)
        result = machine.host("safe-codex", "exec", FREE, "go")
    assert result.stdout == "All done.\n", result.stderr
    assert len(messages(provider)) == 3
    assert "the-same-value" in provider.said()
    assert "UNSEEN" not in provider.said()
    assert not re.search(r"gh" + "p_[A-Za-z0-9]{30}", provider.said())


def test_every_message_stands_in_the_log(machine: Machine) -> None:
    with FaultyProvider(asking_shell("echo from-the-tool")) as provider:
        with_key(machine, provider)
        machine.host("safe-codex", "exec", FREE, "my own question", check=True)
    log = machine.log()
    assert log.count('"WEBSOCKET"') >= len(messages(provider)) == 2
    assert "my own question" in log
    assert "from-the-tool" in log
    assert "All done." in log


@pytest.mark.parametrize("deflate", [True, False])
def test_compression_is_up_to_the_provider(machine: Machine, *, deflate: bool) -> None:
    with FaultyProvider(asking_shell("echo from-the-tool"), deflate=deflate) as provider:
        with_key(machine, provider)
        result = machine.host("safe-codex", "exec", FREE, "go")
    assert result.stdout == "All done.\n", result.stderr
    assert "from-the-tool" in str(messages(provider))


@pytest.mark.parametrize("statuses", [(), (426,)])
def test_a_provider_without_websocket_is_asked_over_http(machine: Machine, statuses: tuple[int, ...]) -> None:
    script = asking_shell("cat .env; echo from-the-tool")
    with FaultyProvider(script, websocket=bool(statuses), handshakes=statuses) as provider:
        provider.own_headers = ("authorization",)
        with_key(machine, provider)
        result = machine.host("safe-codex", "exec", FREE, "go")
    assert result.stdout == "All done.\n", result.stderr
    assert {one.method for one in provider.model_requests()} == {"POST"}
    assert "from-the-tool" in provider.said()
    assert_nothing_got_out(machine, provider, result.stdout, result.stderr)


def test_a_handshake_that_is_refused_for_a_moment_is_tried_again(machine: Machine) -> None:
    with FaultyProvider(asking_shell("echo from-the-tool"), handshakes=(503,)) as provider:
        with_key(machine, provider)
        result = machine.host("safe-codex", "exec", FREE, "go")
    assert result.stdout == "All done.\n", result.stderr
    assert "from-the-tool" in str(messages(provider))


@pytest.mark.parametrize(
    "fault", [Fault(close=1011), Fault(close=1000), Fault(reset_after=300), Fault(reset_after=0)], ids=repr
)
def test_a_connection_that_ends_in_the_middle_is_made_again(machine: Machine, fault: Fault) -> None:
    with FaultyProvider(asking_shell("cat .env; echo from-the-tool"), [fault]) as provider:
        provider.own_headers = ("authorization",)
        with_key(machine, provider)
        result = machine.host("safe-codex", "exec", FREE, "go")
    assert result.stdout == "All done.\n", result.stderr
    first, again, last = messages(provider)
    assert first["input"] == again["input"]
    assert "from-the-tool" in str(last["input"])
    assert_nothing_got_out(machine, provider, result.stdout, result.stderr)


def test_an_error_that_the_provider_tells_reaches_the_user(machine: Machine) -> None:
    with FaultyProvider(saying("Hello."), [Fault(status=400)]) as provider:
        with_key(machine, provider)
        result = machine.host("safe-codex", "exec", FREE, "go")
    assert result.returncode != 0
    assert "scripted fault" in result.stdout + result.stderr
