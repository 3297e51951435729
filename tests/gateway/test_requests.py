"""What a request asks of which model, in the shapes of the real clients and in odd ones."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.gateway.requests import Asked, asked

REMINDER = (
    "<system-reminder>\nAs you answer, you can use this:\n# claudeMd\nNever say benchmark.\n</system-reminder>\n\n"
)
QUEUED = (
    "The user sent a new message while you were working:\nand the docs\n\n"
    "IMPORTANT: After completing your current task, you MUST address the user's message above. Do not ignore it."
)
ENVIRONMENT = "<environment_context>\n  <cwd>/work</cwd>\n</environment_context>"
AGENTS = "# AGENTS.md instructions for /work\n\n<INSTRUCTIONS>\nBe nice.\n\n</INSTRUCTIONS>"
TOOL = {"name": "Bash", "input_schema": {"type": "object", "properties": {"model": {"type": "string"}}}}


def text(value: str, **more: object) -> dict[str, object]:
    return {"type": "text", "text": value, **more}


def claude(*messages: dict[str, Any], **more: object) -> bytes:
    document = {"model": "claude-x", "messages": messages, "system": [text("You are Claude.")], "tools": [TOOL]}
    return json.dumps(document | {"max_tokens": 9, "stream": True} | more, separators=(",", ":")).encode()


def of_claude(*messages: dict[str, Any], **more: object) -> Asked:
    found = asked("anthropic", "/v1/messages?beta=true", claude(*messages, **more))
    assert found is not None
    return found


def codex(*items: object, **more: object) -> bytes:
    tools = {"type": "additional_tools", "role": "developer", "tools": [{"name": "exec", "type": "custom"}]}
    return json.dumps({"model": "gpt-x", "stream": True, "input": [tools, *items]} | more).encode()


def of_codex(*items: object, **more: object) -> Asked:
    found = asked("openai", "/v1/responses", codex(*items, **more))
    assert found is not None
    return found


def user(*blocks: str) -> dict[str, object]:
    content = [{"type": "input_text", "text": one} for one in blocks]
    return {"type": "message", "role": "user", "id": "msg_1", "content": content}


def spoken(role: str, *blocks: object) -> dict[str, object]:
    return {"role": role, "content": list(blocks)}


def turns(count: int) -> list[dict[str, object]]:
    """A loop of tools, as Claude Code sends it."""
    return [
        one
        for number in range(count)
        for one in (
            spoken("assistant", {"type": "tool_use", "id": f"t{number}", "name": "Bash", "input": {"role": "user"}}),
            spoken("user", {"type": "tool_result", "tool_use_id": f"t{number}", "content": [text("a benchmark")]}),
        )
    ]


# Anthropic Messages.


def test_the_prompt_is_what_the_user_wrote_without_the_clients_reminders() -> None:
    found = of_claude(spoken("user", text(REMINDER), text("tidy up")), {"role": "system", "content": "Agents: …"})
    assert found == Asked("claude-x", "tidy up", stream=True)


def test_the_prompt_is_found_far_behind_the_results_of_tools() -> None:
    found = of_claude(
        spoken("user", text("first")), spoken("assistant", text("ok")), spoken("user", text("tidy up")), *turns(200)
    )
    assert (found.prompt, found.earlier) == ("tidy up", ("first",))


def test_what_is_typed_while_tools_run_is_the_prompt() -> None:
    found = of_claude(spoken("user", text("tidy up")), *turns(1), {"role": "system", "content": QUEUED})
    assert (found.prompt, found.earlier) == ("and the docs", ("tidy up",))
    wrapped = f"<system-reminder>\n{QUEUED}\n</system-reminder>"
    assert of_claude(spoken("user", text("tidy up")), *turns(1), spoken("user", text(wrapped))).prompt == "and the docs"


def test_what_is_typed_on_refusing_a_tool_is_seen() -> None:
    result = "The user doesn't want to proceed. To tell you how to proceed, the user said:\nwrite a benchmark"
    refusal = spoken("user", {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": result})
    before = (spoken("user", text("tidy up")), refusal)
    assert of_claude(*before).prompt == "write a benchmark"
    after = of_claude(*before, spoken("assistant", text("ok")), spoken("user", text("thanks")))
    assert (after.prompt, after.earlier) == ("thanks", ("tidy up", "write a benchmark"))


@pytest.mark.parametrize(
    "block",
    [
        "<bash-stdout>benchmark</bash-stdout><bash-stderr></bash-stderr>",
        "<local-command-caveat>Caveat: x</local-command-caveat>\n",
        "<local-command-stdout>\x1b[2mCompacted\x1b[22m</local-command-stdout>\n",
        "<ide_opened_file>The user opened the file /work/benchmark.py in the IDE.</ide_opened_file>",
        '<ide_selection path="a.py">benchmark</ide_selection>',
        "[Request interrupted by user for tool use]",
        "This session is being continued from a previous conversation that ran out of context. The summary: benchmark",
    ],
)
def test_what_the_client_says_in_the_users_name_is_left_out(block: str) -> None:
    assert of_claude(spoken("user", text(block), text("tidy up"))).prompt == "tidy up"
    assert (
        of_claude(spoken("user", text("tidy up")), spoken("assistant", text("ok")), spoken("user", text(block))).prompt
        == "tidy up"
    )


def test_what_the_user_typed_for_the_shell_or_a_command_counts() -> None:
    assert "make bench" in of_claude(spoken("user", text("<bash-input>make bench</bash-input>"))).prompt
    command = "<command-name>/do</command-name>\n<command-args>a benchmark</command-args>"
    assert "a benchmark" in of_claude(spoken("user", text(command))).prompt


@pytest.mark.parametrize("around", ["{}write a benchmark", "write a benchmark{}", "{}write a benchmark{}"])
def test_words_beside_a_reminder_in_one_block_are_not_hidden_by_it(around: str) -> None:
    block = text(around.replace("{}", REMINDER))
    found = of_claude(spoken("user", text("tidy up")), spoken("assistant", text("ok")), spoken("user", block))
    assert "write a benchmark" in found.prompt
    assert found.earlier == ("tidy up",)


def test_where_all_looks_like_the_clients_own_all_of_it_is_the_prompt() -> None:
    wrapped = "<system-reminder>write a benchmark</system-reminder>"
    assert of_claude(spoken("user", text(wrapped))).prompt == wrapped


def test_content_may_be_a_plain_string() -> None:
    assert of_claude({"role": "user", "content": "tidy up"}).prompt == "tidy up"


def test_jobs_of_the_clients_own_are_told_apart() -> None:
    title = of_claude(spoken("user", text("<session>\ntidy\nup\n</session>\n\nWrite the title in English.")), tools=[])
    assert (title.prompt, title.repeats) == ("tidy\nup", True)
    assert "Write the title" in title.earlier[-1]
    assert not title.summary
    compaction = of_claude(
        spoken("user", text("Your task is to create a detailed summary of the conversation so far."))
    )
    assert compaction.repeats
    assert compaction.summary
    assert not of_claude(spoken("user", text("tidy up"))).repeats


def test_jobs_of_codexs_own_are_told_apart() -> None:
    title = of_codex(
        user("Generate a concise, single-line task title of at most 36 characters.\n\nUser prompt:\ntidy up")
    )
    assert (title.prompt, title.repeats) == ("tidy up", True)
    assert not title.summary
    compaction = of_codex(user("tidy up"), {"type": "compaction_trigger"})
    assert (compaction.prompt, compaction.repeats, compaction.summary) == ("tidy up", True, True)
    assert not of_codex(user('tidy up "compaction_trigger"')).summary


def test_counting_sends_the_conversation_to_a_model_as_well() -> None:
    body = claude(spoken("user", text("tidy up")), stream=False)
    assert asked("anthropic", "/v1/messages/count_tokens?beta=true", body) == Asked(
        "claude-x", "tidy up", stream=False, repeats=True
    )


def test_a_batch_asks_every_model_for_every_prompt() -> None:
    def one(model: str, prompt: str) -> dict[str, object]:
        return {"custom_id": prompt, "params": {"model": model, "messages": [{"role": "user", "content": prompt}]}}

    body = json.dumps({"requests": [one("a", "first"), one("b", "second"), one("a", "third")]}).encode()
    found = asked("anthropic", "/v1/messages/batches", body)
    assert found is not None
    assert (found.model, found.others) == ("a", ("b",))
    assert {"first", "second", "third"} <= set(found.earlier)
    assert "second" in found.prompt


# OpenAI.


def test_codex_asks_what_its_user_typed() -> None:
    first = of_codex(user(AGENTS, ENVIRONMENT), user("tidy up"))
    assert first == Asked("gpt-x", "tidy up", stream=True)
    call = {"type": "custom_tool_call", "name": "exec", "input": "a benchmark", "call_id": "c"}
    output = {
        "type": "custom_tool_call_output",
        "call_id": "c",
        "output": [{"type": "input_text", "text": "a benchmark"}],
    }
    reasoning = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "a benchmark"}], "summary": []}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a benchmark"}]}
    developer = {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "a benchmark"}]}
    assert of_codex(user(AGENTS, ENVIRONMENT), user("tidy up"), developer, reasoning, call, output, said) == first


def test_the_editors_state_is_left_out() -> None:
    state = "# Context from my IDE setup:\n\n## Active file: benchmark.py\n\n## My request for Codex:\ntidy up"
    assert of_codex(user(state)).prompt == "tidy up"


@pytest.mark.parametrize("base", ["/v1", "/backend-api/codex", "/corp/openai/v1", ""])
@pytest.mark.parametrize("path", ["/responses", "/responses/compact", "/chat/completions", "/completions"])
def test_any_base_path_is_understood(base: str, path: str) -> None:
    found = asked("openai", base + path, codex(user("tidy up")))
    assert found is not None
    assert found.prompt == "tidy up"


def test_a_websocket_message_is_read_like_a_body() -> None:
    message = codex(user("tidy up"), type="response.create", previous_response_id="resp_1")
    found = asked("openai", "/v1/responses", message)
    assert found is not None
    assert (found.model, found.prompt, found.repeats) == ("gpt-x", "tidy up", False)


def test_a_delta_of_results_only_asks_nothing_new() -> None:
    output = {"type": "function_call_output", "call_id": "c", "output": "a benchmark"}
    message = json.dumps({"type": "response.create", "model": "m", "previous_response_id": "r", "input": [output]})
    assert asked("openai", "/v1/responses", message.encode()) == Asked("m", "", stream=False)


def test_warming_up_asks_for_nothing() -> None:
    found = asked("openai", "/v1/responses", codex(type="response.create", generate=False))
    assert found is not None
    assert (found.model, found.prompt) == ("gpt-x", "")


def test_other_websocket_messages_ask_no_model() -> None:
    for message in ({"type": "response.processed", "response_id": "r"}, {"type": "response.cancel"}):
        assert asked("openai", "/v1/responses", json.dumps(message).encode()) is None


def test_a_realtime_response_is_looked_into() -> None:
    message = {"type": "response.create", "response": {"model": "m", "input": [user("tidy up")]}}
    found = asked("openai", "/v1/realtime", json.dumps(message).encode())
    assert found is not None
    assert (found.model, found.prompt) == ("m", "tidy up")


def test_a_connection_to_a_model_asks_it_with_every_message() -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "tidy up"}]}
    for message, prompt in (({"type": "conversation.item.create", "item": item}, "tidy up"), ({"type": "x"}, "")):
        found = asked("openai", "/v1/realtime?model=m", json.dumps(message).encode())
        assert found is not None
        assert (found.model, found.prompt) == ("m", prompt)


@pytest.mark.parametrize(
    ("document", "prompt"),
    [
        ({"messages": [{"role": "user", "content": "tidy up"}]}, "tidy up"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "tidy up"}]}]}, "tidy up"),
        (
            {"messages": [{"role": "assistant", "content": None, "tool_calls": []}, {"role": "USER", "content": "x"}]},
            "x",
        ),
        ({"messages": [{"role": "tool", "content": "benchmark"}, {"role": "user", "content": "x"}]}, "x"),
        ({"prompt": "tidy up", "stream": False}, "tidy up"),
        ({"prompt": ["tidy", "up"]}, "up"),
        ({"input": "tidy up"}, "tidy up"),
        ({"input": ["tidy up"]}, "tidy up"),
        ({"input": [{"type": "input_text", "text": "tidy up"}]}, "tidy up"),
        ({"inputs": "tidy up", "parameters": {}}, "tidy up"),
        ({"prompt": [1, 2, 3]}, ""),
    ],
)
def test_shapes_of_self_hosted_servers_are_read(document: dict[str, object], prompt: str) -> None:
    found = asked("openai", "/v1/completions", json.dumps({"model": "local"} | document).encode())
    assert found is not None
    assert (found.model, found.prompt) == ("local", prompt)


@pytest.mark.parametrize(
    "target", ["/openai/deployments/gpt-9/chat/completions?api-version=1", "/v1/engines/gpt-9/completions"]
)
def test_a_model_named_in_the_path_is_read_there(target: str) -> None:
    found = asked("openai", target, b'{"messages":[{"role":"user","content":"x"}]}')
    assert found is not None
    assert found.model == "gpt-9"


@pytest.mark.parametrize(
    ("more", "others"),
    [
        ({"tools": [TOOL, {"type": "image_generation", "model": "painter"}]}, ("painter",)),
        ({"tools": [{"type": "advisor", "model": " sage "}, {"model": "sage"}]}, ("sage",)),
        ({"tools": [{"type": "advisor", "model": ["sage"]}]}, ("?",)),
        ({"tools": {"model": "sage"}}, ("?",)),
        ({"tools": [7]}, ()),
        ({"models": ["second", "third"]}, ("second", "third")),
        ({"models": "second"}, ("second",)),
        ({"models": [3]}, ("?",)),
        ({"fallbacks": [{"model": "second"}, {"model": "third", "max_tokens": 9}]}, ("second", "third")),
        ({"fallbacks": ["second"]}, ("second",)),
        ({"fallbacks": "default"}, ("?",)),
        ({"fallbacks": [{"max_tokens": 9}]}, ("?",)),
        ({"fallbacks": []}, ()),
    ],
)
def test_further_models_of_a_request_are_read(more: dict[str, object], others: tuple[str, ...]) -> None:
    assert of_claude(spoken("user", text("x")), **more).others == others


@pytest.mark.parametrize(
    ("target", "document"),
    [
        ("/v1/responses", {"model": "m", "prompt": {"id": "pmpt_1", "variables": {"what": "a benchmark"}}}),
        ("/v1/responses", {"model": "m", "prompt": {"id": "pmpt_1", "variables": {"what": {"text": "a benchmark"}}}}),
        ("/v1/x", {"model": "m", "contents": [{"role": "user", "parts": [{"text": "a benchmark"}]}]}),
        ("/v1/conversations", {"items": [user("a benchmark")]}),
        ("/v1/conversations/conv_1/items", {"items": [user("a benchmark")]}),
    ],
)
def test_what_the_user_says_is_read_under_whatever_name(target: str, document: object) -> None:
    found = asked("openai", target, json.dumps(document).encode())
    assert found is not None
    assert "a benchmark" in found.prompt


def test_the_variables_of_a_prompt_that_is_stored_name_no_model() -> None:
    found = asked("openai", "/v1/responses", b'{"prompt":{"id":"pmpt_1"}}')
    assert found is not None
    assert found.model == "?"


# What asks nothing.


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/v1/models", b""),
        ("/v1/files", b"--x\r\nContent-Disposition: form-data\r\n\r\ndata\r\n--x--"),
        ("/api/event_logging/batch", b'{"events":[{"model":"m","prompt":"p"}]}'),
        ("/v1/responses/resp_1/cancel", b"{}"),
        ("/v1/responses/resp_1/cancel", b" \n"),
        ("/v1/organizations", b'{"name":"x"}'),
    ],
)
def test_other_requests_ask_no_model(target: str, body: bytes) -> None:
    assert asked("anthropic", target, body) is None
    assert asked("openai", target, body) is None


# What is odd, or made so.

MESSAGES = '[{"role":"user","content":"write a benchmark"}]'
HARMLESS = '[{"role":"user","content":"tidy up"}]'


@pytest.mark.parametrize(
    "body",
    [
        '{"model":"cheap","model":"dear","messages":%s}',
        '{"model":"dear","messages":%s,"model":"cheap"}',
        '{"model":"same","messages":%s,"model":"same"}',
        '{"model":"cheap","messages":%s,"\\u006dodel":"dear"}',
        '{"model":"cheap","messages":%s,"MODEL":"dear"}',
        '{ "model" : "cheap" , "messages" : %s ,\n"model" : "dear" }',
        '{"model":["dear"],"messages":%s}',
        '{"model":" ","messages":%s}',
        '{"model":null,"messages":%s}',
        '{"messages":%s}',
        '{"a":{"b":1,"model":2},"model":"cheap","messages":%s,"model":"dear","a":1}',
    ],
)
def test_a_model_that_is_not_named_once_is_not_guessed(body: str) -> None:
    found = asked("anthropic", "/v1/messages", (body % MESSAGES).encode())
    assert found is not None
    assert found.model == "?"
    assert found.prompt == "write a benchmark"


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/v1/messages", '{"requests":[],"model":"dear","messages":%s}'),
        ("/v1/messages", '{"requests":[{}],"model":"dear","messages":%s}'),
        ("/v1/messages/batches", '{"requests":[{"params":{"model":"cheap"},"model":"dear","messages":%s}]}'),
        ("/v1/messages/batches", '{"requests":[{"params":{"model":"cheap"},"body":{"model":"dear","messages":%s}}]}'),
        ("/v1/responses", '{"model":"cheap","generate":false,"models":["dear"],"input":%s}'),
        ("/openai/deployments/dear/chat/completions", '{"model":"cheap","messages":%s}'),
        ("/v1/chat/completions?model=dear", '{"model":"cheap","messages":%s}'),
    ],
)
def test_nothing_is_hidden_behind_another_shape(target: str, body: str) -> None:
    found = asked("openai", target, (body % MESSAGES).encode())
    assert found is not None
    assert "dear" in (found.model, *found.others)
    assert "write a benchmark" in (*found.earlier, found.prompt)


@pytest.mark.parametrize("inner", ["response", "session"])
def test_what_stands_on_two_levels_is_not_guessed(inner: str) -> None:
    body = f'{{"model":"cheap","input":{HARMLESS},"{inner}":{{"model":"dear","input":{MESSAGES}}}}}'
    found = asked("openai", "/v1/realtime", body.encode())
    assert found is not None
    assert found.model == "?"
    assert "write a benchmark" in found.prompt


@pytest.mark.parametrize("order", [(MESSAGES, HARMLESS), (HARMLESS, MESSAGES)])
@pytest.mark.parametrize("name", ["messages", "input", "prompt"])
def test_of_two_conversations_every_text_is_the_prompt(name: str, order: tuple[str, str]) -> None:
    body = f'{{"model":"m","{name}":{order[0]},"x":[],"{name}":{order[1]}}}'
    found = asked("openai", "/v1/responses", body.encode())
    assert found is not None
    assert "write a benchmark" in found.prompt
    assert "tidy up" in found.prompt


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","messages":[{"role":"user","content":"write a benchmark"}],}',
        b'{"model":"m","messages":[{"role":"user","content":"\\ud800 write a benchmark"}]}',
        b'{"model":"m","temperature":NaN,"messages":[{"role":"user","content":"write a benchmark"}]}',
        b"\xef\xbb\xbf" + b'{"model":"m","messages":[{"role":"user","content":"write a benchmark"}]}',
        b'[{"model":"m","messages":[{"role":"user","content":"write a benchmark"}]}]',
        b'{"model":"m","messages":[{"role":"user","content":"write a benchmark"}]} {"model":"n"}',
        b"model=m&prompt=write a benchmark",
        b"\xff write a benchmark",
        b'{"requests":{"model":"m","prompt":"write a benchmark"}}',
        b"[" * 100_000 + b'"write a benchmark"',
    ],
)
@pytest.mark.parametrize("target", ["/v1/messages", "/v1/m%65ssages", "//v1/MESSAGES/", "/v1/messages;x?y"])
def test_what_cannot_be_read_asks_an_unknown_model_for_all_that_it_says(body: bytes, target: str) -> None:
    found = asked("anthropic", target, body)
    assert found is not None
    assert found.model == "?"
    assert "write a benchmark" in found.prompt


@pytest.mark.parametrize(
    "content",
    [
        {"text": "write a benchmark"},
        [["write a benchmark"]],
        [{"type": 7, "text": "write a benchmark"}],
        [{"type": "text", "text": {"value": "write a benchmark"}}],
        [3, "write a benchmark"],
    ],
)
def test_content_of_no_known_shape_is_the_prompt_with_all_its_strings(content: object) -> None:
    found = of_claude(spoken("assistant", text("ok")), {"role": "user", "content": content}, *turns(1))
    assert "write a benchmark" in found.prompt


@pytest.mark.parametrize("role", [None, "human", "User", "root", ""])
def test_an_unknown_role_is_taken_for_the_user(role: str | None) -> None:
    assert of_claude({"role": role, "content": "write a benchmark"}).prompt == "write a benchmark"


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "model",
                    "messages",
                    "input",
                    "role",
                    "content",
                    "type",
                    "text",
                    "requests",
                    "params",
                    "stream",
                    "response",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from(["/v1/messages", "/v1/responses", "/v1/messages/batches", "/x", "/v1/%zz?model=%"]))
def test_nothing_raises_on_any_json(document: Any, target: str) -> None:
    found = asked("anthropic", target, msgspec.json.encode(document))
    assert found is None or isinstance(found.prompt, str)


@given(st.binary(max_size=60), st.integers(1, 400))
def test_nothing_raises_on_any_bytes_and_what_is_cut_is_not_believed(noise: bytes, at: int) -> None:
    body = claude(spoken("user", text(REMINDER), text("tidy up" * 50)))
    for odd in (noise, body[:at] + noise + body[at:]):
        found = asked("anthropic", "/v1/messages", odd)
        assert found is None or isinstance(found.prompt, str)
    cut = asked("anthropic", "/v1/messages", body[:at])
    assert cut is not None
    assert cut.model == "?"


VALUES = st.sampled_from(
    ['"a"', '"b"', "1", "12", "-1.5e3", "[]", '[1,"]"]', "{}", '{"a":{"model":"x"}}', "true", "null", '"\\"}"']
)
SPACE = st.sampled_from(["", " ", "\n\t"])
NAMES = st.sampled_from(["model", "messages", "a", "b", "mod\\u0065l", 'x\\"y', ""])


@given(st.lists(st.tuples(NAMES, VALUES, SPACE), max_size=6))
def test_a_model_is_believed_exactly_if_it_is_the_only_one(members: list[tuple[str, str, str]]) -> None:
    members = [*members, ("input", '"x"', "")]
    body = "{" + ",".join(f'{gap}"{name}"{gap}:{gap}{value}{gap}' for name, value, gap in members) + "}"
    models = [json.loads(value) for name, value, _ in members if json.loads(f'"{name}"') == "model"]
    found = asked("openai", "/v1/responses", body.encode())
    assert found is not None
    assert found.model == (models[0] if len(models) == 1 and isinstance(models[0], str) else "?")


@given(st.lists(st.sampled_from(["user", "tool", "reminder", "assistant"]), max_size=12), st.randoms())
def test_every_text_of_the_user_is_found_in_order(kinds: list[str], chance: Any) -> None:
    made: dict[str, Callable[[int], dict[str, object]]] = {
        "user": lambda number: spoken("user", text(REMINDER), text(f"ask {number}")),
        "tool": lambda number: spoken("user", {"type": "tool_result", "content": f"result {number}"}),
        "reminder": lambda number: spoken("user", text(REMINDER)),
        "assistant": lambda number: spoken("assistant", text(f"say {number}")),
    }
    messages = [made[kind](number) for number, kind in enumerate(kinds)]
    written = [f"ask {number}" for number, kind in enumerate(kinds) if kind == "user"]
    found = of_claude(*messages)
    if written:
        assert [*found.earlier, found.prompt] == written
    else:
        assert "ask" not in found.prompt
