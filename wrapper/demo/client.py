"""A scripted client in one file: it speaks the Messages API to ANTHROPIC_BASE_URL and does what the model asks for.

The demonstration runs it where no real client is installed. It is copied into the sandbox, so it stands alone: the
standard library only. `client.py TRANSCRIPT PROMPT` appends each message of the conversation to TRANSCRIPT, one JSON
object a line, and prints the model's last words.
"""

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

_SECONDS: Final = 60  # for a tool or an answer
_TOOLS: Final = ("Bash", "Read", "Edit", "Write")


def main(arguments: list[str]) -> int:
    """Talk until the model has no more to ask for."""
    transcript, prompt = Path(arguments[0]), arguments[1]
    conversation: list[dict[str, Any]] = [{"role": "user", "content": prompt}]
    while True:
        blocks = _ask(conversation)
        conversation.append({"role": "assistant", "content": blocks})
        results = [_result(block) for block in blocks if block["type"] == "tool_use"]
        if results:
            conversation.append({"role": "user", "content": results})
        with transcript.open("a") as file:
            file.writelines(json.dumps(message) + "\n" for message in conversation[-2:])
        if not results:
            print("".join(block.get("text", "") for block in blocks))  # noqa: T201 - a client's answer
            return 0


def _ask(conversation: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send the conversation; return the blocks of the answer, put together from its stream."""
    address = urlsplit(os.environ["ANTHROPIC_BASE_URL"])
    tools = [{"name": name, "input_schema": {"type": "object"}} for name in _TOOLS]
    question = {"model": "demo", "max_tokens": 1024, "stream": True, "tools": tools, "messages": conversation}
    headers = {
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "x-api-key": os.environ.get("ANTHROPIC_API_KEY", ""),
    }
    connection = http.client.HTTPConnection(address.netloc, timeout=_SECONDS)
    connection.request("POST", f"{address.path}/v1/messages", json.dumps(question), headers)
    answer = connection.getresponse()
    if answer.status != http.client.OK:
        raise SystemExit(f"the provider answered {answer.status}: {answer.read(500)!r}")
    return _blocks([json.loads(line[6:]) for line in answer.read().splitlines() if line.startswith(b"data: ")])


def _blocks(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    blocks = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    arguments = [""] * len(blocks)
    for event in events:
        delta = event.get("delta", {})
        if delta.get("type") == "text_delta":
            blocks[event["index"]]["text"] += delta["text"]
        elif delta.get("type") == "input_json_delta":
            arguments[event["index"]] += delta["partial_json"]
    for block, text in zip(blocks, arguments, strict=True):
        if text:
            block["input"] = json.loads(text)
    return blocks


def _result(block: dict[str, Any]) -> dict[str, Any]:
    try:
        text, failed = _do(block["name"], block["input"])
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        text, failed = str(error), True
    return {"type": "tool_result", "tool_use_id": block["id"], "content": text, "is_error": failed}


def _do(tool: str, given: dict[str, str]) -> tuple[str, bool]:
    """Run one tool; return its output and whether it failed."""
    if tool == "Bash":
        done = subprocess.run(
            ["sh", "-c", given["command"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            check=False,
        )
        return done.stdout.decode(errors="replace"), done.returncode != 0
    path = Path(given["file_path"])
    if tool == "Read":
        return path.read_text(), False
    if tool == "Edit":
        text = path.read_text()
        if text.count(given["old_string"]) != 1:
            raise ValueError("the text to replace does not stand there exactly once")
        path.write_text(text.replace(given["old_string"], given["new_string"]))
    elif tool == "Write":
        path.write_text(given["content"])
    else:
        raise ValueError(f"no tool `{tool}`")
    return "done", False


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
