"""What clients say of themselves: each field passed, masked or dropped, and nothing else changed.

The bodies have the shapes that the real clients send; `tests/clients/test_identity.py` tries the clients themselves.
"""

import json
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import Engine, KnownValues, Origin, Vault
from wrapper.gateway.identity import FIELDS, Folders, Identity, Rewritten
from wrapper.gateway.outgoing import Masked

HOME, WORK = "/home/planted-jane", "/home/planted-jane/work"
FOLDERS = Folders((HOME,), (WORK,))
SESSION, DEVICE, ACCOUNT = (
    "59e6d9a9-60df-4c14-bb2e-fd658389de77",
    "64af8b69" * 8,
    "0c9b8a7f-1111-4222-8333-944455566677",
)
TURN, INSTALLATION = "01a1ff8d-4a14-7bf0-b816-aeacb27a17da", "fca127bc-3f4a-418b-abe0-c524c61b9d8e"
COMMIT, REMOTE = "9a7d529d79d355a81e3e526ab5b4fa8a65e35972", "https://github.com/planted-org/planted-repo.git"
TIME = 1795288812.1435611

CLAUDE_HEADERS = {
    "content-type": "application/json",
    "user-agent": "claude-cli/2.1.197 (external, sdk-cli)",
    "x-claude-code-session-id": SESSION,
    "x-stainless-os": "PlantedOS",
    "x-stainless-retry-count": "0",
    "x-app": "planted-cli",
    "x-api-key": "fake-of-nobody",
}
SYSTEM = f"""
You help users. Your memory lies in `{HOME}/.claude/projects/-home-planted-jane-work/memory/`.

# Environment
You have been invoked in the following environment:\x20
 - Primary working directory: {WORK}
 - Is a git repository: true
 - Platform: planted-platform
 - Shell: planted-zsh
 - OS Version: Planted 6.18 "of" C:\\nowhere
 - You are powered by a model.

gitStatus: This is the git status at the start of the conversation.

Current branch: planted-branch

Main branch (you will usually use this for PRs): planted-main

Git user: Planted Jane

Status:
?? planted-dirty.txt
 M "planted dirty.txt"

Recent commits:
25942a0 planted subject
6e0869f planted start"""
REMINDER = f"""<system-reminder>
As you answer, you can use the following context:
# claudeMd
Instructions are shown below.

Contents of {HOME}/.claude/CLAUDE.md (user's private global instructions for all projects):

Planted global.
# currentDate
Today's date is not this one.

Contents of {WORK}/CLAUDE.md (project instructions, checked into the codebase):

# Planted memory
See "{WORK}/x".
# userEmail
The user's email address is planted@example.com.
# currentDate
Today's date is 2026-11-21.

      IMPORTANT: this context may or may not be relevant to your tasks.
</system-reminder>

"""
NESTED = f"""<system-reminder>
Contents of {WORK}/sub/CLAUDE.md:

Planted nested.
</system-reminder>"""
TOOL_RESULT = f"""{WORK}/app.py
Git user: Somebody
Platform: amiga
Recent commits:
1234567 fix it"""


THERE = {"host": "planted-forge.example", "remote": "planted-org/planted-repo", "visibility": "unknown"}
GIT_STATE = {
    "cwd": WORK,
    "branch": "planted-branch",
    "default_branch": "planted-main",
    "status": {"clean": False, "porcelain": '?? planted-dirty.txt\n M "planted dirty.txt"', "truncated": False},
    "visibility": {"origin": THERE, "push_remote": "origin", "remotes": [{"name": "origin", **THERE}]},
}
CHECKED = {
    "permission_mode": "auto",
    "platform": "planted-platform",
    "home_dir": HOME,
    "rules": {"allow": ['Bash(echo "}")'], "deny": []},
    "user_identity": "planted-login",
    "git_state": GIT_STATE,
    "prior_turn_context": [{"tool_use_ids": ["t"], "context": {"git_state": GIT_STATE}}],
}


def claude_body(*more: Mapping[str, Any]) -> bytes:
    user_id = json.dumps({"device_id": DEVICE, "account_uuid": ACCOUNT, "session_id": SESSION}, separators=(",", ":"))
    document = {
        "model": "m",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": REMINDER}, {"type": "text", "text": "hello"}]},
            {"role": "system", "content": "Today's agents:\n - Shell: planted-zsh"},
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": f"cat {WORK}/app.py"}}
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": TOOL_RESULT}]},
            {"role": "user", "content": [{"type": "text", "text": NESTED}]},
            *more,
        ],
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197.planted; cc_entrypoint=sdk-cli;"},
            {"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": SYSTEM},
        ],
        "tools": [{"name": "Bash", "description": "Git user: ..."}],
        "metadata": {"user_id": user_id},
        "safeguards": [{"type": "dangerous_tool_use", "classifier_context": CHECKED}],
        "stream": True,
    }
    return compact(document)


def compact(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


TURN_METADATA = {
    "installation_id": INSTALLATION,
    "session_id": SESSION,
    "turn_id": TURN,
    "window_id": f"{SESSION}:0",
    "sandbox": "none",
    "workspaces": {
        WORK: {
            "associated_remote_urls": {"origin": REMOTE, "fork": f"{REMOTE}2"},
            "latest_git_commit_hash": COMMIT,
            "has_changes": True,
        }
    },
}
CODEX_HEADERS = {
    "version": "0.169.0-planted",
    "x-codex-window-id": f"{SESSION}:0",
    "x-codex-turn-metadata": compact(TURN_METADATA).decode(),
    "x-client-request-id": SESSION,
    "session-id": SESSION,
    "thread-id": SESSION,
    "originator": "codex_planted",
    "user-agent": "codex_exec/0.169.0 (Planted 12.0.0; x86_64)",
    "authorization": "Bearer fake-of-nobody",
}
AGENTS = f"""# AGENTS.md instructions for {WORK}

<INSTRUCTIONS>
Planted memory
</INSTRUCTIONS> is quoted here

--- project-doc ---

# Planted
</INSTRUCTIONS>"""
ENVIRONMENT = f"""<environment_context>
  <cwd>{WORK}</cwd>
  <shell>planted-zsh</shell>
  <current_date>2026-11-21</current_date>
  <timezone>Planted/City</timezone>
  <filesystem><workspace_roots><root>{WORK}</root></workspace_roots></filesystem>
</environment_context>"""


def codex_item(kind: str, **members: object) -> dict[str, object]:
    passed = {"turn_id": TURN, "create_time": TIME, "content_item_kinds": ["unknown"]}
    return {"type": kind, "id": "i", **members, "internal_chat_message_metadata_passthrough": passed}


def codex_body(*more: Mapping[str, Any]) -> bytes:
    texts = [{"type": "input_text", "text": text} for text in (AGENTS, ENVIRONMENT)]
    call = {"type": "custom_tool_call", "name": "exec", "input": f'await tools.exec_command({{cmd: "ls {WORK}"}})'}
    document = {
        "model": "m",
        "input": [
            codex_item("message", role="user", content=texts),
            codex_item("message", role="user", content=[{"type": "input_text", "text": "hello"}]),
            call,
            codex_item("function_call", name="exec_command", arguments=json.dumps({"cmd": f'ls "{HOME}"'})),
            *more,
        ],
        "prompt_cache_key": SESSION,
        "client_metadata": {
            "x-codex-turn-metadata": compact(TURN_METADATA).decode(),
            "session_id": SESSION,
            "x-codex-window-id": f"{SESSION}:0",
            "x-codex-installation-id": INSTALLATION,
            "turn_id": TURN,
            "mcp_attribution": '{"status":"none"}',
        },
    }
    return compact(document)


Body = Callable[..., bytes]
CLIENTS: Mapping[str, tuple[str, Mapping[str, str], Body]] = {
    "claude": ("anthropic", CLAUDE_HEADERS, claude_body),
    "codex": ("openai", CODEX_HEADERS, codex_body),
}


def raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def identity(client: str, known: Vault | None = None, /, **actions: str) -> Identity:
    """Make one; `actions` by field with `_` for `-`, `everything` for the rest."""
    rest = actions.get("everything", "pass")
    vault = Vault(bytes(32)) if known is None else known
    return Identity(CLIENTS[client][0], lambda field: actions.get(field.replace("-", "_"), rest), FOLDERS, vault)


class Nothing:
    """A scanner without rules."""

    def scan(self, data: bytes) -> list[tuple[int, int]]:
        del data
        return []


def through(
    one: Identity, headers: Sequence[tuple[bytes, bytes]], body: bytes, vault: Vault | None = None
) -> Rewritten:
    """Rewrite a request, then search it with the engine that has its sources, as the gateway does."""
    known = Vault(bytes(32)) if vault is None else vault
    engine = Engine((), Nothing(), known).with_sources(*one.sources)
    done = one.rewrite(headers, body)
    searched = engine.redact_json(done.body)
    notes = [
        Masked(found.kind, mark, found.rule, "", 1)
        for found, mark in zip(searched.findings, searched.placeholders, strict=True)
    ]
    clean = [(name, engine.redact(value).data) for name, value in done.headers]
    return Rewritten(clean, searched.data, (*done.notes, *notes))


def rewritten(client: str, vault: Vault | None = None, /, **actions: str) -> Rewritten:
    _, headers, body = CLIENTS[client]
    known = Vault(bytes(32)) if vault is None else vault
    return through(identity(client, known, **actions), raw(headers), body(), known)


def told(request: Rewritten) -> str:
    """Give all that the provider reads, JSON within JSON undone."""
    headers = "\n".join(f"{name.decode()}: {value.decode()}" for name, value in request.headers)
    return "\n".join((headers, json.dumps(json.loads(request.body), ensure_ascii=False)))


PLANTED = {
    "claude": {
        "account": [ACCOUNT],
        "application": ["planted-cli"],
        "attribution": ["2.1.197.planted"],
        "branch": ["planted-branch", "planted-main"],
        "commits": ["planted subject", "planted start"],
        "date": ["2026-11-21"],
        "device-id": [DEVICE],
        "email": ["planted@example.com"],
        "git-remote": ["planted-forge.example", "planted-org", "planted-repo"],
        "git-status": ["planted-dirty.txt", "planted dirty.txt"],
        "git-user": ["Planted Jane", "planted-login"],
        "home": ["/home/planted-jane", "-home-planted-jane"],
        "library": ["PlantedOS"],
        "memory": ["Planted global", "not this one", "Planted memory", "Planted nested"],
        "platform": ["planted-platform", "Planted 6.18", "nowhere"],
        "session": [SESSION],
        "shell": ["planted-zsh"],
        "user-agent": ["claude-cli/2.1.197"],
        "workspace": [WORK, "-home-planted-jane-work"],
    },
    "codex": {
        "application": ["0.169.0-planted", "codex_planted"],
        "cache-key": ['"prompt_cache_key": "59e6'],
        "commits": [COMMIT],
        "date": ["2026-11-21"],
        "device-id": [INSTALLATION],
        "git-remote": ["planted-org", "planted-repo"],
        "home": ["/home/planted-jane"],
        "memory": ["Planted memory", "quoted here", "# Planted"],
        "session": [TURN, f"{SESSION}:0", f"session-id: {SESSION}", f'"session_id": "{SESSION}"', f'\\"{SESSION}\\"'],
        "shell": ["planted-zsh"],
        "times": [str(TIME)],
        "timezone": ["Planted/City"],
        "turn-metadata": ["sandbox", "has_changes"],
        "user-agent": ["Planted 12.0.0"],
        "workspace": [WORK],
    },
}
DOCUMENT = Path(__file__).parents[2] / "docs/identity.md"
EACH = [(client, field) for client, fields in PLANTED.items() for field in fields]


def test_every_field_that_policy_can_name_is_tried() -> None:
    assert {client: tuple(fields) for client, fields in PLANTED.items()} == dict(FIELDS)


def test_the_document_lists_every_field_of_each_client() -> None:
    _, claude, codex = re.split(r"\n## (?:Claude Code|Codex)\n", DOCUMENT.read_text())
    named = {
        name: tuple(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE))
        for name, text in (("claude", claude), ("codex", codex))
    }
    assert named == dict(FIELDS)


@pytest.mark.parametrize(("client", "field"), EACH)
@pytest.mark.parametrize("action", ["mask", "drop"])
def test_a_field_is_gone_and_the_others_are_not(client: str, field: str, action: str) -> None:
    _, headers, body = CLIENTS[client]
    done = through(identity(client, **{field.replace("-", "_"): action}), raw(headers), body())
    assert [one for one in PLANTED[client][field] if one in told(done)] == []
    beside = told(rewritten(client))
    for other, planted in PLANTED[client].items():
        if other not in (field, "home", "workspace") and (field, other) != ("turn-metadata", "git-remote"):
            kept = [one for one in planted if one in beside and not _within(client, field, one)]
            assert [one for one in kept if one not in told(done)] == [], other
    assert {(note.kind, note.rule) for note in done.notes} == {(field.upper(), f"identity:{field}")}


def _within(client: str, field: str, text: str) -> bool:
    """Whether a field's own value holds a text of another one."""
    return (client, field) == ("codex", "turn-metadata") and text in (COMMIT, f'\\"{SESSION}\\"')


@pytest.mark.parametrize("client", CLIENTS)
def test_where_all_passes_nothing_is_touched(client: str) -> None:
    _, headers, body = CLIENTS[client]
    pairs, data = raw(headers), body()
    done = identity(client).rewrite(pairs, data)
    assert done.headers is pairs
    assert done.body is data
    assert done.notes == ()
    assert identity(client).sources == ()


def test_a_masked_folder_alone_leaves_the_request_to_the_search() -> None:
    one = identity("claude", home="mask", workspace="mask")
    assert one.passes
    assert len(one.sources) == 1


def test_a_secret_that_holds_the_folder_stays_a_secret_of_the_outside() -> None:
    """If the folder were replaced before, the secret would not be known again, and half of it would leave."""
    vault = Vault(bytes(32))
    secret = f"{HOME}/".encode() + secrets.token_urlsafe(24).encode()
    known = KnownValues(vault)
    assert known.add("TOKEN", secret, Origin.OUTSIDE)
    engine = Engine((), Nothing(), vault, known).with_sources(*identity("claude", vault, home="mask").sources)
    sent = engine.redact_json(compact({"a": secret.decode(), "b": f"{HOME}/x"})).data
    assert vault.restore(sent, to=Origin.INSIDE) == compact({"a": vault.placeholder_of(secret), "b": f"{HOME}/x"})


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_masked_is_what_the_inside_gets_back(client: str) -> None:
    vault = Vault(bytes(32))
    done = rewritten(client, vault, everything="mask", times="pass")
    restored = restore(json.loads(done.body), vault)
    assert restored == json.loads(CLIENTS[client][2]())


def restore(value: Any, vault: Vault) -> Any:
    if isinstance(value, str):
        return vault.restore(value.encode(), to=Origin.INSIDE).decode()
    if isinstance(value, list):
        return [restore(one, vault) for one in value]
    if isinstance(value, dict):
        return {restore(name, vault): restore(one, vault) for name, one in value.items()}
    return value


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("action", ["mask", "drop"])
def test_a_tool_call_on_a_masked_path_leads_where_it_did(client: str, action: str) -> None:
    vault = Vault(bytes(32))
    sent = rewritten(client, vault, home=action).body
    start = sent.index(b"MASKED-HOME-")
    path = sent[start : start + len(b"MASKED-HOME-00000000")] + b"/work/app.py"
    assert vault.restore(path, to=Origin.INSIDE) == f"{WORK}/app.py".encode()


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("action", ["mask", "drop"])
def test_a_later_turn_begins_with_the_same_bytes(client: str, action: str) -> None:
    """Else the provider's cache of the conversation so far is of no use."""
    one = identity(client, everything=action)
    early = through(one, (), CLIENTS[client][2]()).body
    more = {"role": "user", "type": "message", "content": f"go on in {HOME}"}
    late = through(one, (), CLIENTS[client][2](more)).body
    fresh = through(identity(client, everything=action), (), CLIENTS[client][2](more)).body
    behind = early.index(b'],"system"' if client == "claude" else b'],"prompt_cache_key"')
    assert late[:behind] == early[:behind]
    assert late == fresh


def test_of_the_text_of_others_only_folders_change() -> None:
    done = json.loads(rewritten("claude", everything="drop").body)
    first, *rest = done["messages"][3]["content"][0]["content"].splitlines()
    assert first.startswith("MASKED-WORKSPACE-")
    assert rest == TOOL_RESULT.splitlines()[1:]
    assert done["tools"] == [{"name": "Bash", "description": "Git user: ..."}]


def test_a_dropped_attribution_takes_its_block_along() -> None:
    """A block without text would be refused by the provider."""
    system = json.loads(rewritten("claude", attribution="drop").body)["system"]
    assert [block["text"][:17] for block in system] == ["You are an agent.", SYSTEM[:17]]
    assert list(rewritten("claude", attribution="drop").headers) == raw(CLAUDE_HEADERS)


@pytest.mark.parametrize("place", ["only", "last"])
def test_an_attribution_leaves_valid_json_wherever_it_stands(place: str) -> None:
    block = {"type": "text", "text": "x-anthropic-billing-header: a=b;", "cache_control": {"type": "ephemeral"}}
    blocks = [block] if place == "only" else [{"type": "text", "text": "a"}, block]
    sent = identity("claude", attribution="drop").rewrite((), compact({"system": blocks, "a": 1})).body
    assert json.loads(sent) == {"system": blocks[:-1], "a": 1}


def test_ids_of_older_clients_are_known_too() -> None:
    body = compact({"metadata": {"user_id": f"user_{DEVICE}_account_{ACCOUNT}_session_{SESSION}"}})
    sent = identity("claude", account="drop", device_id="mask").rewrite((), body).body
    assert f"_account__session_{SESSION}".encode() in sent
    assert b"user_MASKED-DEVICE-ID-" in sent


def test_prompts_that_are_one_string_are_known_too() -> None:
    body = compact({"system": "You are.\nWorking directory: /x\nPlatform: planted\nToday's date: 2026-11-21\n"})
    sent = identity("claude", platform="drop", date="mask").rewrite((), body).body
    assert b"planted" not in sent
    assert b"2026" not in sent


@pytest.mark.parametrize("client", CLIENTS)
def test_what_the_provider_signed_is_not_touched(client: str) -> None:
    own = (
        {"role": "assistant", "content": [{"type": "thinking", "thinking": f"{HOME} <system-reminder>\nShell: x", "signature": "a/home/planted-jane/b"}]},
        {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "a/home/planted-jane/b"}]},
    )  # fmt: skip
    theirs = ({"type": "reasoning", "id": "r", "encrypted_content": "a/home/planted-jane/b"},)
    more = own if client == "claude" else theirs
    for action in ("mask", "drop"):
        sent = through(identity(client, everything=action), (), CLIENTS[client][2](*more)).body
        for one in more:
            assert compact(one) in sent


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/planted-jane", True),
        ("/home/planted-jane/x", True),
        ("a=/home/planted-jane:b", True),
        ("/home/planted-janet/x", False),
        ("/home/planted-jane2", False),
        ("%2Fhome%2Fplanted-jane%2Fx", True),
        ("/tmp/claude-0/-home-planted-jane-work/tasks", True),
        ("/-home-planted-janet", False),
        ("a-home-planted-jane", False),
        ("{/home/planted-jane}", True),
    ],
)
def test_a_home_is_found_however_it_is_spelled_and_no_other_one(text: str, expected: bool) -> None:  # noqa: FBT001
    vault = Vault(bytes(32))
    for depth in (compact({"a": text}), compact({"a": compact({"b": text}).decode()})):
        sent = through(identity("claude", vault, home="mask"), (), depth, vault).body
        assert (b"MASKED-HOME-" in sent) is expected
        assert vault.restore(sent, to=Origin.INSIDE) == depth


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_home_with_letters_that_json_escapes_is_found(ascii_only: bool) -> None:  # noqa: FBT001
    one = Identity("openai", lambda _: "mask", Folders(('/home/jö"rg',), ()), Vault(bytes(32)))
    text = '/home/jö"rg/x'
    for _ in range(2):
        text = json.dumps({"a": text}, ensure_ascii=ascii_only)
        sent = through(one, (), text.encode()).body
        assert b"rg" not in sent
        json.loads(sent)


@pytest.mark.parametrize("home", ["/root", "/", "", "/srv/"])
def test_a_home_that_names_nobody_is_left_alone(home: str) -> None:
    """`/root` is the name of Codex's first agent, too, and ends every `</root>`."""
    body = compact({"a": "</root> /root/x /srv/x /"})
    one = Identity("openai", lambda _: "mask", Folders((home,), ()), Vault(bytes(32)))
    assert one.sources == ()
    assert one.rewrite((), body).body == body


def test_a_credential_is_no_field() -> None:
    for client in CLIENTS:
        headers = dict(rewritten(client, everything="drop").headers)
        assert b"fake-of-nobody" in b"".join(headers.values())


def test_a_header_is_dropped_or_masked_whatever_case_its_name_has() -> None:
    headers = ((b"X-Stainless-OS", b"PlantedOS"), (b"Host", b"x"))
    assert identity("claude", library="drop").rewrite(headers, b"").headers == ((b"Host", b"x"),)
    [(name, value), _] = identity("claude", library="mask").rewrite(headers, b"").headers
    assert name == b"X-Stainless-OS"
    assert value.startswith(b"MASKED-LIBRARY-")


def test_a_websocket_message_is_rewritten_like_a_body() -> None:
    message = b'{"type":"response.create",' + codex_body()[1:]
    sent = identity("codex", everything="mask").rewrite((), message)
    assert json.loads(sent.body)["type"] == "response.create"
    assert SESSION.encode() not in sent.body


def test_notes_say_what_happened_where_and_how_often() -> None:
    body = claude_body()
    told = rewritten("claude", device_id="drop", home="mask", library="mask").notes
    [device] = [note for note in told if note.kind == "DEVICE-ID"]
    assert device[1:] == ("", "identity:device-id", f"@{body.index(DEVICE.encode())}", 1, "dropped")
    [library] = [note for note in told if note.kind == "LIBRARY"]
    assert (library.where, library.action) == (" header x-stainless-os", "")
    homes = [note.rule for note in told if note.kind == "HOME"]
    assert homes == ["identity:home"] * (body.count(HOME.encode()) + body.count(b"-home-planted-jane"))


texts = st.text(st.sampled_from('ab"\\{}[],:\n/') | st.characters(codec="utf-8"), max_size=30)
pieces = st.one_of(
    texts,
    st.sampled_from(
        (
            HOME,
            WORK,
            REMINDER,
            SYSTEM,
            AGENTS,
            ENVIRONMENT,
            "<system-reminder>\n",
            "\n\nStatus:\n",
            '},{"role":"',
            "\\n",
        )
    ),
)
documents = st.recursive(
    st.lists(pieces, max_size=4).map("".join) | st.integers() | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ("system", "role", "content", "type", "text", "metadata", "user_id", "client_metadata", "thinking", "data",
                 "session_id", "prompt_cache_key", "signature", "encrypted_content", "a", "create_time", "turn_id",
                 "internal_chat_message_metadata_passthrough", "x-codex-turn-metadata", "arguments", HOME)
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)  # fmt: skip


@given(documents, st.sampled_from(tuple(CLIENTS)), st.dictionaries(st.sampled_from(FIELDS["claude"] + FIELDS["codex"]), st.sampled_from(("mask", "drop"))))  # fmt: skip
def test_any_document_stays_valid_and_comes_back(document: object, client: str, actions: dict[str, str]) -> None:
    vault = Vault(bytes(32))
    body = compact(document)
    one = Identity(CLIENTS[client][0], lambda field: actions.get(field, "pass"), FOLDERS, vault)
    sent = through(one, (), body, vault).body
    decoded = json.loads(sent)
    assert through(one, (), body, vault).body == sent
    if "drop" not in actions.values() and "times" not in actions:
        assert restore(decoded, vault) == json.loads(body)


@given(documents, documents, st.sampled_from(tuple(CLIENTS)))
def test_what_was_seen_before_changes_no_answer(first: object, second: object, client: str) -> None:
    used = identity(client, everything="mask")
    for document in (first, [first, second], [{"role": "user", "content": first}, {"role": "user", "content": second}]):
        body = compact(document)
        assert used.rewrite((), body).body == identity(client, everything="mask").rewrite((), body).body


def test_a_warm_turn_of_560_kilobytes_costs_little() -> None:
    """Loosely: less than decoding the body would; bench/ has the figures."""
    result = {"role": "user", "content": [{"type": "tool_result", "content": TOOL_RESULT * 40}]}
    body = claude_body(*[result] * (560_000 // len(compact(result))))
    one = identity("claude", everything="mask")
    one.rewrite((), body)
    mine, decoding = [], []
    for _ in range(15):
        begin = time.process_time_ns()
        one.rewrite((), body)
        middle = time.process_time_ns()
        json.loads(body)
        mine.append(middle - begin)
        decoding.append(time.process_time_ns() - middle)
    assert median(mine) < 1.5 * median(decoding)
