"""A conversation as a log has it, built turn by turn; and what a capture says of its lines."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.audit.touched import touched
from wrapper.provenance.capture import Capture, Emitted
from wrapper.provenance.keyed import KEY_SIZE, Keyed
from wrapper.provenance.model import Flag, Kind
from wrapper.provenance.prints import line_codes

URL = "https://api.invalid/v1/messages"


def line(word: str = "") -> str:
    """Make a line of code that nobody has written before."""
    return f"    {word or 'value'}_{secrets.token_hex(4)} = compute_{secrets.token_hex(4)}(offset, {secrets.randbelow(99)})"


class Talk:
    """One session in Anthropic's form. Each method gives the records that it adds; `events` are all of them."""

    def __init__(self, agent: str = "claude", view: str = "fuse") -> None:
        self.events: list[events.Event] = []
        self.messages: list[dict[str, Any]] = []
        self.numbers = 0
        self._calls = 0
        self.begun = self.add(
            events.SessionStart(
                at=1_000.0,
                session="s-1",
                user="ada",
                host="box",
                workspace="/work/project",
                agent=agent,
                agent_version="2",
                version="0",
                argv=(agent,),
                policy="ab" * 32,
                plan="{}",
                view=view,
            )
        )

    def add(self, event: events.Event) -> Record:
        self.events.append(event)
        return Record(len(self.events), event)  # type: ignore[arg-type]

    def asks(self, text: str, **more: object) -> Record:
        """Let the user ask."""
        self.messages.append({"role": "user", "content": [{"type": "text", "text": text}]})
        return self.sends(**more)

    def sends(self, **more: object) -> Record:
        """Send the conversation as it is."""
        self.numbers += 1
        body = {"model": "m-1", "tools": [{"name": "Edit"}], "messages": self.messages, **more}
        return self.add(
            events.Request(
                at=1_001.0 + self.numbers,
                number=self.numbers,
                method="POST",
                url=URL,
                headers={},
                body=json.dumps(body).encode(),
                model="m-1",
            )
        )

    def answers(self, text: str = "", *calls: dict[str, Any], tool: str = "Edit", complete: bool = True) -> Record:
        """Let the model say a text and call tools with these inputs."""
        content: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
        for given in calls:
            self._calls += 1
            content.append({"type": "tool_use", "id": f"c-{self._calls}", "name": tool, "input": given})
        self.messages.append({"role": "assistant", "content": content})
        body = {"type": "message", "model": "m-1-big", "content": content, "usage": {"input_tokens": 1}}
        return self.add(
            events.Response(
                at=1_001.5 + self.numbers,
                number=self.numbers,
                status=200,
                headers={},
                body=json.dumps(body).encode(),
                complete=complete,
            )
        )

    def results(self, text: str, *, is_error: bool = False) -> Record:
        """Send the result of the last call."""
        block = {"type": "tool_result", "tool_use_id": f"c-{self._calls}", "content": text, "is_error": is_error}
        self.messages.append({"role": "user", "content": [block]})
        return self.sends()

    def changes(
        self, path: str, old: str, new: str, *, by: str = "agent", action: str = "modified", known: bool = True
    ) -> Record:
        """Change a file; `known`: with what was changed, and hashes."""
        return self.add(
            events.FileChange(
                at=1_002.0 + self.numbers,
                path=path,
                action=action,
                by=by,
                process="sed[7]" if by == "agent" else "",
                before=_sha(old) if known and old else "",
                after=_sha(new) if known else "",
                diff=touched(old.encode(), new.encode()).decode() if known else "",
            )
        )

    def moves(self, path: str, target: str) -> Record:
        return self.add(events.FileChange(at=1_002.0, path=path, target=target, action="moved", by="agent"))


class Listening:
    """A capture that remembers what it gave."""

    def __init__(self, **bounds: int) -> None:
        self.keyed = Keyed(secrets.token_bytes(KEY_SIZE))
        self.capture = Capture("s-1", self.keyed, **bounds)
        self.emitted: list[Emitted] = []

    def hear(self, *records: Record) -> list[Emitted]:
        """Feed records and return what came of them."""
        new = [one for record in records for one in self.capture.feed(record).emissions]
        new += self.capture.rest().emissions
        self.emitted += new
        return new

    def own(self, lines: Iterable[str], emitted: Sequence[Emitted] | None = None) -> list[str]:
        """Return those of the lines that some emission of an agent's has as its own."""
        codes = {
            int(row["code"])
            for one in (self.emitted if emitted is None else emitted)
            if one.emission.kind is not Kind.HOST
            for row in one.prints.lines
            if not row["flags"] & (Flag.ECHO | Flag.TRIVIAL)
        }
        return [text for text in lines if int(line_codes(text.encode(), self.keyed)[0]) in codes]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
