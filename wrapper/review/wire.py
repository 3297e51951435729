"""Says in a line what a request, its answer, what was found in them and what was decided about them were; pure.

The texts are raw: they may hold anything that the agent or a server sent. `render` makes them safe to print.
"""

from typing import Final

import msgspec

from wrapper.audit.events import Answered, Judged, Redacted, Request, Response, Sent
from wrapper.review.sizes import size

_PROMPT: Final = 160  # characters of a prompt that a row shows
_SWITCHING: Final = 101  # RFC 9110 section 15.2.2: the status of what comes over a WebSocket
_NOT_REPLACED: Final = {
    "monitored": ", monitored: it left as it is",
    "blocked": ", blocked: the request was not sent",
    "dropped": ", dropped",
}
_ABOUT: Final = {
    "budget": "budget of redactions",
    "send": "closed file",
    "kind": "kind of value",
    "route": "method and path",
}
_HTTPS: Final = 443
_BEGINNING: Final = 2_000  # bytes of a body to another host that a row shows
_DECIDED: Final = {
    "policy": "",
    "user": " by the user",
    "remembered": " by an earlier answer of the user",
    "nobody": ": nobody answered",
}


def redaction(event: Redacted) -> str:
    """Say what was found where; of what was not simply replaced also the rule, which a reviewer may want to change."""
    times = "" if event.count == 1 else f" ({event.count} times)"
    found = f"{event.placeholder} in {f'{event.place} {event.where}'.strip()}{times}"
    if not event.action:
        return found
    return f"{found}{_NOT_REPLACED.get(event.action, f', {event.action}')}{_rule(event.rule)}"


def judgement(event: Judged) -> str:
    """Say what was decided about which request, by whom and by which rule."""
    by = _DECIDED.get(event.by, f" by {event.by}" if event.by else "")
    about = f"#{event.number} " if event.number else ""  # a commit is no request
    return f"{about}{_ABOUT.get(event.about, event.about)} {event.action}{by}{_rule(event.rule)}"


def request(event: Request) -> str:
    """Say how long a request was, how much of it no earlier one held, and where it went."""
    routed = f"  routed to {event.upstream}" if event.upstream else ""
    return f"#{event.number} {_extent(event)}  {event.method} {event.url}{routed}"


def response(event: Response) -> str:
    """Say what came back."""
    broken = "" if event.complete else "  broken off"
    return f"#{event.number} {_answer(event)}{broken}"


def address(event: Sent) -> str:
    """Give the URL that was asked for."""
    port = "" if event.port == _HTTPS else f":{event.port}"
    return f"https://{event.host}{port}{event.target}"


def sent(event: Sent) -> str:
    """Say how much went where, and with which secrets put in."""
    part = f" from byte {event.offset:,}" if event.offset else ""
    goes_on = "" if event.ended else ", goes on"
    used = f"  with {', '.join(event.used)}" if event.used else ""
    return f"#{event.number} {size(event.size)}{part}{goes_on}  {event.method} {address(event)}{used}"


def answered(event: Answered) -> str:
    """Say what another host answered, what was masked in it, and which login was kept outside."""
    masked = f"  masked {', '.join(event.masked)}" if event.masked else ""
    captured = f"  login kept outside: {', '.join(event.captured)}" if event.captured else ""
    broken = "" if event.complete else "  broken off"
    return f"#{event.number} {event.status}  {size(event.size)}{masked}{captured}{broken}"


def readable(body: bytes) -> list[str]:
    """Give the beginning of a body as lines; what is no text has none."""
    try:
        text = body[:_BEGINNING].decode()
    except UnicodeDecodeError as error:
        if len(body) <= _BEGINNING or error.start < _BEGINNING - 4:
            return []
        text = body[: error.start].decode()
    if "\0" in text:
        return []
    more = "…" if len(body) > _BEGINNING else ""
    return [line[:_PROMPT] for line in f"{text}{more}".splitlines() if line.strip()]


def as_request(event: Sent) -> Request:
    """Give it in the form that requests to providers have; its body is what the log keeps."""
    return Request(
        at=event.at,
        number=event.number,
        method=event.method,
        url=address(event),
        headers=event.headers,
        body=event.body,
    )


def glimpse(event: Request) -> tuple[str, ...]:
    """Say which model was asked and what the user said last, where the body is one of the two APIs'."""
    asked = _read(event.body)
    items = [_Message("user", asked.input)] if isinstance(asked.input, str) else asked.input
    messages = asked.messages or items
    said = next((text for message in reversed(messages) if message.role == "user" for text in _said(message)), "")
    prompt = (f"{said[:_PROMPT]}…" if len(said) > _PROMPT else said).strip()
    model = event.model or asked.model
    return tuple(line for line in (model and f"model {model}", prompt and f"“{prompt}”") if line)


def _rule(rule: str) -> str:
    return f"  ({rule})" if rule else ""


def _extent(event: Request) -> str:
    if event.base:  # what it builds on is not in the log
        whole = event.prefix + len(event.body) + event.suffix
        return f"{size(len(event.body))} of {size(whole)}; the rest, from #{event.base}, cannot be put together"
    known = event.prefix + event.suffix
    return size(len(event.body)) + (f", {size(len(event.body) - known)} new" if known else "")


def _answer(event: Response) -> str:
    if event.status != _SWITCHING:
        return f"{event.status}  {size(len(event.body))}"
    messages = sum(line.startswith(b"{") for line in event.body.split(b"\n"))
    return f"WebSocket  {size(len(event.body))} in {messages} message{'' if messages == 1 else 's'}"


class _Message(msgspec.Struct):
    role: str = ""
    content: str | list[dict[str, object]] | None = None


class _Body(msgspec.Struct):
    model: str = ""
    messages: list[_Message] = []  # Anthropic Messages
    input: str | list[_Message] = []  # OpenAI Responses


def _read(body: bytes) -> _Body:
    try:
        return msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Body()


def _said(message: _Message) -> list[str]:
    if isinstance(message.content, str):
        return [message.content] if message.content else []
    parts = (part.get("text") for part in reversed(message.content or []) if part.get("type") in ("text", "input_text"))
    # what stands in tags was added by the client, not typed by the user
    return [part for part in parts if isinstance(part, str) and part and not part.lstrip().startswith("<")]
