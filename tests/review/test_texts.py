import json

from hypothesis import given
from hypothesis import strategies as st

from wrapper.review.texts import Earlier, texts

_JSON = st.recursive(
    st.text() | st.integers() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "text", "b_2"]), inner, max_size=3)
    ),
    max_leaves=10,
)


def _leaves(value: object) -> list[str]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value] if isinstance(value, str) and value[:1] not in ("{", "[") else []


def _sse(*events: object) -> bytes:
    return b"".join(b"event: e\ndata: " + json.dumps(event).encode() + b"\n\n" for event in events)


@given(st.lists(_JSON) | st.dictionaries(st.sampled_from(["a", "messages"]), _JSON), st.booleans())
def test_every_text_of_json_comes_as_it_was_before_it_was_escaped(value: object, ascii_only: bool) -> None:  # noqa: FBT001
    found = [text for _, text in texts(json.dumps(value, ensure_ascii=ascii_only).encode(errors="surrogatepass"))]
    for leaf in _leaves(value):
        assert leaf in found


@given(st.binary())
def test_nothing_breaks_it(body: bytes) -> None:
    for place, text in texts(body):
        assert isinstance(place, str)
        assert isinstance(text, str)


def test_a_place_says_where_a_text_stands() -> None:
    body = json.dumps({"messages": [{"role": "user", "content": [{"type": "text", "text": 'say "hi"'}]}]}).encode()
    assert ("messages[0].content[0].text", 'say "hi"') in list(texts(body))


def test_json_in_a_text_is_taken_apart_too() -> None:
    body = json.dumps({"arguments": json.dumps({"cmd": 'echo "a\tb"'})}).encode()
    assert ("arguments.cmd", 'echo "a\tb"') in list(texts(body))


def test_names_of_fields_are_left_out_unless_they_are_somebodys_text() -> None:
    assert [text for _, text in texts(b'{"content": {"a name of someone\'s": 1}}')] == ["a name of someone's"]


def test_pieces_of_a_stream_are_put_together() -> None:
    body = _sse(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hel"}},
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": '{"cmd": "l'},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": 's -l"}'}},
        {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "delta": "wor"},
        {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "delta": "ld"},
        {"choices": [{"index": 0, "delta": {"content": "of "}}]},
        {"choices": [{"index": 0, "delta": {"content": "mine"}}]},
    )
    found = list(texts(body))
    assert ("delta.text", "hello") in found
    assert ("delta.partial_json.cmd", "ls -l") in found
    assert ("delta", "world") in found
    assert ("delta.content", "of mine") in found


def test_messages_of_a_websocket_are_lines_of_json() -> None:
    assert list(texts(b'{"type": "x", "a": "one"}\n{"type": "y", "a": "two"}')) == [("a", "one"), ("a", "two")]


def test_what_is_no_json_is_one_text() -> None:
    assert list(texts(b"a=1&b=\xff")) == [("", "a=1&b=\ufffd")]
    assert list(texts(b"")) == []


def test_json_too_deep_is_one_text() -> None:
    assert len(list(texts(b"[" * 100_000))) == 1


_BODY = st.dictionaries(st.sampled_from(["a", "messages", "{x", "a name of someone's"]), _JSON)


@given(st.lists(_BODY | st.binary(), max_size=6), st.data())
def test_what_came_before_is_left_out_and_nothing_else(bodies: list[object], data: st.DataObject) -> None:
    """Over any bodies, also such as share parts, or cannot be read, the same texts come with and without."""
    sent = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in bodies]
    sent += [data.draw(st.sampled_from(sent)) + data.draw(st.sampled_from([b"", b" ", b"x"])) for _ in sent]
    earlier: Earlier = {}
    given_now = [text for body in sent for _, text in texts(body, earlier)]
    assert set(given_now) == {text for body in sent for _, text in texts(body)}
    for body in sent:
        assert [found for found in texts(body, {}) if found[0]] == [found for found in texts(body) if found[0]]


def test_a_conversation_that_is_sent_again_gives_what_is_new_with_its_place() -> None:
    said = [{"role": "user", "content": f"say {number}"} for number in range(4)]
    earlier: Earlier = {}
    first = list(texts(json.dumps({"model": "m", "messages": said[:3]}).encode(), earlier))
    assert ("messages[2].content", "say 2") in first
    again = list(texts(json.dumps({"model": "m", "messages": said}).encode(), earlier))
    assert again == [("messages[3].role", "user"), ("messages[3].content", "say 3")]


def test_a_part_of_a_body_that_could_not_be_read_does_not_count_as_given() -> None:
    r"""Of a body with a fault in it the text comes as it was sent; what stood in it escaped comes later, as it was."""
    part = b'{"content": "a\\tb"}'
    earlier: Earlier = {}
    broken = b'{"messages": [' + part + b', {"content": "\\ud800\\x"}]}'
    assert [text for _, text in texts(broken, earlier)] == [broken.decode()]
    assert ("messages[0].content", "a\tb") in list(texts(b'{"messages": [' + part + b"]}", earlier))
