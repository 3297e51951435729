import base64
import contextlib
import gzip
import http.client
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.fakes.provider import Call, Edit, Fault, FaultyProvider, Read, Script, Turn, Write, forms
from wrapper.demo import messages, responses
from wrapper.demo.exchange import Request
from wrapper.demo.patch import patch_of
from wrapper.demo.provider import FakeProvider
from wrapper.demo.script import parse

SCRIPT = Script(
    turns=(
        Turn(text="I look", thinking="let me see", calls=(Call(run="env"), Call(read=Read(path="a b.txt")))),
        Turn(calls=(Call(edit=Edit(path="f", old="x", new="is {{seen:K=(\\w+)}}")),)),
        Turn(text="finished"),
    ),
)
BASH = [{"name": "Bash"}]
EXEC_COMMAND = [{"type": "function", "name": "exec_command"}]


def connect(provider: FakeProvider) -> contextlib.closing[http.client.HTTPConnection]:
    return contextlib.closing(http.client.HTTPConnection(provider.url.removeprefix("http://"), timeout=10))


def ask(provider: FakeProvider, path: str, body: object, method: str = "POST", **headers: str) -> tuple[int, bytes]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with connect(provider) as connection:
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def events(raw: bytes) -> list[dict[str, Any]]:
    blocks = raw.decode().strip().split("\n\n")
    found = [json.loads(block.split("data: ", 1)[1]) for block in blocks]
    assert [block.split("\n")[0] for block in blocks] == [f"event: {one['type']}" for one in found]
    return found


def anthropic(provider: FakeProvider, conversation: list[dict[str, Any]], **more: object) -> list[dict[str, Any]]:
    body = {"model": "m", "stream": True, "tools": BASH, "messages": conversation} | more
    return events(ask(provider, "/v1/messages?beta=true", body)[1])


def openai(provider: FakeProvider, conversation: list[dict[str, Any]], **more: object) -> list[dict[str, Any]]:
    body = {"model": "m", "stream": True, "tools": EXEC_COMMAND, "input": conversation} | more
    return events(ask(provider, "/v1/responses", body)[1])


USER = {"role": "user", "content": "hello"}


def test_a_messages_stream_puts_together_to_the_scripted_blocks() -> None:
    with FakeProvider(SCRIPT) as provider:
        got = anthropic(provider, [USER])
    assert got[0]["type"] == "message_start"
    assert got[-1]["type"] == "message_stop"
    blocks = [one["content_block"]["type"] for one in got if one["type"] == "content_block_start"]
    assert blocks == ["thinking", "text", "tool_use", "tool_use"]
    pieces = [one["delta"].get("partial_json", "") for one in got if one.get("index") == 2 and "delta" in one]
    assert json.loads("".join(pieces))["command"] == "env"
    assert next(one for one in got if one["type"] == "message_delta")["delta"]["stop_reason"] == "tool_use"


def test_a_request_without_stream_gets_the_whole_message() -> None:
    with FakeProvider(SCRIPT) as provider:
        whole = json.loads(ask(provider, "/v1/messages", {"model": "m", "tools": BASH, "messages": [USER]})[1])
    assert whole["content"][1] == {"type": "text", "text": "I look"}


def test_the_turn_follows_the_conversation_and_not_the_number_of_requests() -> None:
    later = [USER, {"role": "assistant", "content": "I look"}, {"role": "user", "content": "K=seen1"}]
    with FakeProvider(SCRIPT) as provider:
        first, repeated = anthropic(provider, [USER]), anthropic(provider, [USER])
        side = anthropic(provider, [USER], tools=[])
        second = anthropic(provider, later)
    assert first == repeated
    assert "scripted" in json.dumps(side)
    written = "".join(one["delta"].get("partial_json", "") for one in second if "delta" in one)
    assert json.loads(written)["new_string"] == "is seen1"


def test_past_the_end_of_the_script_the_model_stops() -> None:
    said = [USER, *[{"role": "assistant", "content": "x"}] * 3]
    with FakeProvider(SCRIPT) as provider:
        got = anthropic(provider, said)
    assert next(one for one in got if one["type"] == "message_delta")["delta"]["stop_reason"] == "end_turn"


def test_a_placeholder_is_cut_over_several_deltas() -> None:
    placeholder = "MASKED-DOTENV-0123ABCD"
    with FakeProvider(Script(turns=(Turn(text=placeholder),))) as provider:
        for got in (anthropic(provider, [USER]), openai(provider, [USER])):
            assert not any(placeholder in json.dumps(one) for one in got if "delta" in one["type"])


def test_a_responses_stream_puts_together_to_the_scripted_items() -> None:
    with FakeProvider(SCRIPT) as provider:
        got = openai(provider, [USER])
    assert [one["sequence_number"] for one in got] == list(range(len(got)))
    done = [one["item"] for one in got if one["type"] == "response.output_item.done"]
    assert [item["type"] for item in done] == ["reasoning", "message", "function_call", "function_call"]
    assert json.loads(done[2]["arguments"]) == {"cmd": "env"}
    assert json.loads(done[3]["arguments"]) == {"cmd": "cat 'a b.txt'"}
    deltas = "".join(one["delta"] for one in got if one["type"] == "response.function_call_arguments.delta")
    assert deltas == done[2]["arguments"] + done[3]["arguments"]
    assert got[-1]["response"]["output"] == done


@pytest.mark.parametrize("interleaved", [False, True])
def test_the_turn_of_a_responses_request_counts_answers_and_not_items(*, interleaved: bool) -> None:
    items = responses.output(SCRIPT.turn(0), 0, {"exec_command": "function"})
    results = [{"type": "function_call_output", "call_id": one["call_id"], "output": "K=v"} for one in items[2:]]
    calls = [items[2], results[0], items[3], results[1]] if interleaved else [*items[2:], *results]
    conversation = [USER, *items[:2], *calls]
    assert responses.turn_number({"tools": EXEC_COMMAND, "input": conversation}) == 1
    spoken = [*conversation, {"type": "message", "role": "assistant", "content": []}]
    assert responses.turn_number({"tools": EXEC_COMMAND, "input": spoken}) == 2
    assert responses.turn_number({"tools": EXEC_COMMAND, "input": [*spoken, USER]}) == 2
    assert responses.turn_number({"input": spoken}) is None


def test_a_title_wanted_as_json_is_a_side_request() -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}}}
    request = {"tools": EXEC_COMMAND, "input": [USER], "text": {"format": {"type": "json_schema", "schema": schema}}}
    assert responses.turn_number(request) is None
    assert json.loads(responses.answer(SCRIPT, request).text) == {"title": "scripted"}


def test_codex_gets_the_tool_shape_that_it_offers() -> None:
    write = Call(write=Write(path="f", content="one\ntwo\n"))
    patch = "*** Begin Patch\n*** Add File: f\n+one\n+two\n*** End Patch"
    assert patch_of(write) == patch
    assert responses.tool(write, {"apply_patch": "custom", "shell_command": "function"})["input"] == patch
    as_function = responses.tool(write, {"apply_patch": "function"})
    assert json.loads(as_function["arguments"]) == {"input": patch}
    as_command = responses.tool(write, {"shell_command": "function"})
    assert patch in json.loads(as_command["arguments"])["command"]
    in_code = responses.tool(write, {"exec": "custom"})
    assert (in_code["type"], in_code["name"]) == ("custom_tool_call", "exec")
    assert "tools.apply_patch(" in in_code["input"]
    own = responses.tool(Call(tool="write_stdin", input={"a": 1}), {"write_stdin": "function"})
    assert (own["name"], own["arguments"]) == ("write_stdin", '{"a": 1}')


def test_tools_of_code_mode_are_found_in_their_namespace() -> None:
    inner = [{"type": "custom", "name": "exec"}, {"type": "function", "name": "wait"}]
    item = {"type": "additional_tools", "tools": [{"type": "namespace", "name": "functions", "tools": inner}]}
    assert responses.tools({"input": [item]}) == {"functions": "namespace", "exec": "custom", "wait": "function"}


def test_claude_gets_its_own_tools() -> None:
    assert messages.tool(Call(read=Read(path="/f"))) == ("Read", {"file_path": "/f"})
    assert messages.tool(Call(write=Write(path="/f", content="c"))) == ("Write", {"file_path": "/f", "content": "c"})
    assert messages.tool(Call(tool="Glob", input={"pattern": "*"})) == ("Glob", {"pattern": "*"})


def test_a_script_is_read_from_json_and_a_misspelt_one_is_refused() -> None:
    script = parse(b'{"turns":[{"text":"a","calls":[{"run":"env"}]}]}')
    assert script.turn(0).calls == (Call(run="env"),)
    for wrong in (b'{"turn":[]}', b'{"turns":[{"calls":[{}]}]}', b'{"turns":[{"calls":[{"run":"a","tool":"b"}]}]}'):
        with pytest.raises(ValueError, match=r"."):
            parse(wrong)


def test_what_was_never_seen_is_said_so() -> None:
    script = Script(turns=(Turn(text="{{seen:NEVER=\\w+}}"),))
    assert messages.answer(script, {"tools": BASH, "messages": [USER]}).text == "UNSEEN"


def test_other_endpoints_answer_as_the_clients_expect() -> None:
    with FakeProvider(SCRIPT, websocket=False) as provider:
        assert ask(provider, "/", b"", "HEAD") == (200, b"")
        assert ask(provider, "/v1/models?client_version=1", b"", "GET")[0] == 200
        assert ask(provider, "/v1/responses", b"", "GET", Upgrade="websocket", Connection="Upgrade")[0] == 426
        assert ask(provider, "/elsewhere", b"", "GET")[0] == 404
        counted = json.loads(ask(provider, "/v1/messages/count_tokens", {"messages": []})[1])
    assert counted["input_tokens"] > 0


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress(b'{"a": 1}')), ("zstd", zstandard.ZstdCompressor().compress(b'{"a": 1}'))],
)
def test_compressed_bodies_are_recorded_as_sent_and_readable(encoding: str, packed: bytes) -> None:
    with FakeProvider() as provider:
        ask(provider, "/v1/messages/count_tokens", packed, **{"Content-Encoding": encoding})
    assert provider.requests[0].body == packed
    assert provider.requests[0].json == {"a": 1}
    assert packed in provider.wire[0]


def test_a_chunked_request_is_put_together() -> None:
    with FakeProvider() as provider, connect(provider) as connection:
        connection.request("POST", "/v1/messages/count_tokens", iter([b'{"a"', b": 1}"]), encode_chunked=True)
        connection.getresponse().read()
        connection.request("HEAD", "/")  # the connection lives on
        assert connection.getresponse().status == 200
    assert [one.json for one in provider.requests] == [{"a": 1}, {}]


def test_a_record_line_brings_the_same_request_back() -> None:
    request = Request(b"POST /x?y HTTP/1.1\r\nA: b\r\n\r\n", b"\xff\x00", b"wire")
    assert Request.of_record(request.record()) == request
    assert (request.method, request.target, request.path) == ("POST", "/x?y", "/x")


def test_as_a_process_it_prints_its_url_and_records(tmp_path: Path) -> None:
    script, record = tmp_path / "script.json", tmp_path / "record"
    script.write_text('{"turns":[{"text":"from the process"}]}')
    command = [sys.executable, "-m", "wrapper.demo.provider", "--script", str(script), "--record", str(record)]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=Path(__file__).parents[2]) as process:
        try:
            assert process.stdout is not None
            host = process.stdout.readline().decode().strip().removeprefix("http://")
            with contextlib.closing(http.client.HTTPConnection(host, timeout=10)) as connection:
                connection.request("POST", "/v1/messages", json.dumps({"tools": BASH, "messages": [USER]}))
                assert b"from the process" in connection.getresponse().read()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert Request.of_record(record.read_bytes()).json["messages"] == [USER]


def test_stop_ends_idle_connections_and_threads() -> None:
    provider = FakeProvider().start()
    with connect(provider) as connection:
        connection.request("HEAD", "/")
        connection.getresponse().read()
        provider.stop()
    assert not any(thread.is_alive() for thread in provider._threads)


def test_faults_come_in_order_and_then_it_goes_well() -> None:
    faults = [Fault(status=500), Fault(status=529), Fault(reset_after=200), Fault(split=1), Fault(encoding="gzip")]
    body = {"stream": True, "tools": BASH, "messages": [USER]}
    with FaultyProvider(SCRIPT, faults) as provider:
        for status, kind in ((500, "api_error"), (529, "overloaded_error")):
            got, raw = ask(provider, "/v1/messages", body)
            assert (got, json.loads(raw)["error"]["type"]) == (status, kind)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(provider, "/v1/messages", body)
        cut, packed, well = (ask(provider, "/v1/messages", body)[1] for _ in range(3))
    assert cut == gzip.decompress(packed) == well


SECRET = b"Zx9/Qk+41mVb7TtNw0Rj5Lc8"


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        SECRET[::-1],
        SECRET[7:],
        SECRET[:-7],
        SECRET.hex().encode(),
        base64.b64encode(b"x" + SECRET + b"yz"),
        base64.urlsafe_b64encode(b"xy" + SECRET),
        base64.b64encode(b"xyz" + SECRET + b"y"),
        b"Zx9%2FQk%2B41mVb7TtNw0Rj5Lc8",
    ],
)
def test_a_leak_is_found_in_any_readable_form(shown: bytes) -> None:
    with FaultyProvider() as provider:
        ask(provider, "/v1/messages/count_tokens", {"messages": [{"content": shown.decode()}]})
    with pytest.raises(AssertionError, match="secret 0 is in"):
        provider.assert_nowhere([SECRET])


def test_a_leak_is_found_in_headers_paths_and_compressed_bodies() -> None:
    for path, body, headers in (
        ("/v1/messages/count_tokens", b"{}", {"x-note": SECRET.decode()}),
        ("/" + SECRET.decode(), b"{}", {}),
        ("/v1/messages/count_tokens", gzip.compress(b"a " + SECRET), {"Content-Encoding": "gzip"}),
        ("/v1/messages/count_tokens", json.dumps({"a": SECRET.decode()}).replace("/", "\\/").encode(), {}),
    ):
        with FaultyProvider() as provider:
            ask(provider, path, body, "POST", **headers)
        with pytest.raises(AssertionError, match="secret 0 is in"):
            provider.assert_nowhere([SECRET])


def test_no_leak_is_no_failure() -> None:
    with FaultyProvider(SCRIPT) as provider:
        anthropic(provider, [USER, {"role": "user", "content": "MASKED-DOTENV-0123ABCD"}])
    provider.assert_nowhere([SECRET])
    assert "MASKED-DOTENV-0123ABCD" in provider.said()
    assert len(provider.model_requests()) == 1
    assert "raw" in forms(SECRET)
