"""Promises 1 and 2 after the session: what an agent made a log say neither runs nor reaches out of the page it is shown in.

The reader of a page sits outside, with keys and files. Each text in the log is one that would be markup, end a script,
draw itself in another direction or open a dialog; the same session with harmless words has to make the same elements.
"""

import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.browser import browser
from tests.review.conversing import answer, gives, says, streamed
from tests.review.export.session import happened, numbered
from wrapper.audit import events
from wrapper.review.export import html

_HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "<!--<script>",
    "]]></style><iframe src=http://127.0.0.1:9/></iframe>",
    "javascript:alert(1)",
    "&lt;img src=x onerror=alert(1)&gt;",
    "${alert(1)}{{alert(1)}}<%= alert(1) %>",
    "a\u2028b\u2029c",
    "\u202etxt.exe\u2066\u200b\u061c\ufeff",
    "\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07\x9b31m\x00\x07",
    "<template><a href=javascript:alert(1)>x</a></template>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
)
_COUNTS = "(() => { const n = {}; for (const e of document.querySelectorAll('body *:not(#player *)')) n[e.tagName] = (n[e.tagName] || 0) + 1; return n; })()"
_HIDDEN = r"/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/"


def spoiled(text: str) -> list[events.AnyEvent]:
    """Give the session with `text` in every field that is one, in every prompt, answer, input, result and output."""
    return [_spoiled(event, text) for event in happened()]


def _spoiled(event: events.AnyEvent, text: str) -> events.AnyEvent:
    changes: dict[str, Any] = {}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if isinstance(value, str) and name not in ("plan", "stream", "url"):
            changes[name] = text
        elif isinstance(value, tuple) and value and isinstance(value[0], str):
            changes[name] = (text, text)
    match event:
        case events.FilesRead():
            changes["files"] = tuple(
                (text + str(number), at, count) for number, (_, at, count) in enumerate(event.files)
            )
        case events.Output() | events.Typed():
            changes["data"] = event.data + text.encode() + b"\r\n"
        case events.Request() if event.body.startswith(b"{"):
            changes |= {"url": event.url + "?" + text, "body": _body(event, text)}
        case events.Response() if event.status == 200:
            call = (
                ("t-1", text, {"command": text}),
                ("t-2", text, {"file_path": text, "old_string": "a", "new_string": text}),
            )
            changes["body"] = streamed(answer(says(text, *call[event.number - 1 : event.number])))
        case events.Response():
            changes["body"] = text.encode()
    return msgspec.structs.replace(event, **changes)


def _body(event: events.Request, text: str) -> bytes:
    said: list[Any] = [{"role": "user", "content": text}]
    if event.number == 2:
        said += [says(text, ("t-1", text, {"command": text})), gives("t-1", text)]
    return json.dumps({"model": text, "messages": said, "tools": [{"name": "Bash"}]}).encode()


def page_of(path: Path, text: str) -> Path:
    out = io.BytesIO()
    html.export(numbered(spoiled(text)), out, state="sealed")
    path.write_bytes(out.getvalue())
    return path


@pytest.mark.timeout(170)
def test_promise_1_no_text_of_a_log_becomes_markup_runs_or_asks_the_network(tmp_path: Path) -> None:
    with browser(tmp_path) as page:
        page.open(page_of(tmp_path / "plain.html", "harmless"))
        page.wait("document.querySelector('.ap-term')")
        wanted = page.ask(_COUNTS)
        assert wanted["LI"] > 30
        for number, text in enumerate(_HOSTILE):
            path = page_of(tmp_path / f"{number}.html", text)
            page.open(path)
            page.wait("document.querySelector('.ap-term')")
            page.ask("document.querySelectorAll('details').forEach(d => { d.open = true; })")
            page.ask("[...document.querySelectorAll('.row')].at(-1).querySelector('.jump').click()")
            page.press("/", "a", "Escape", "p")
            page.ask("new Promise(done => setTimeout(done, 100))")
            assert page.ask(_COUNTS) == wanted, text
            assert (page.dialogs, page.console, page.stopped()) == ([], [], []), text
            assert page.requests == [path.as_uri()], text
            assert not page.ask(
                "document.querySelector('a[href]:not([href^=\"#\"]), img, iframe, object, embed, base, form')"
            )
            assert "alert(1)" not in text or "alert(1)" in page.ask("document.querySelector('.rows').innerText"), text
            assert not page.ask(f"{_HIDDEN}.test(document.body.innerText + document.title)"), text


def test_promise_1_the_browser_would_have_shown_it(tmp_path: Path) -> None:
    """The control: written as it is, the same text opens a dialog and asks the network, and both are noticed."""
    path = tmp_path / "bare.html"
    path.write_text("<!doctype html><p><img src=http://127.0.0.1:9/x onerror=alert(1)>")
    with browser(tmp_path) as page:
        page.open(path)
        page.until(lambda: page.ask("1") and page.dialogs, lambda: None)
        assert page.dialogs == ["1"]
        assert page.requests == [path.as_uri(), "http://127.0.0.1:9/x"]
