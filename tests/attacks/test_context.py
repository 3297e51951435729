"""Attacks on promise 1 where it is about context: names, people, hosts and closed code reach no provider, either.

What is attacked is the wire of a session as the guard makes it from policy. The judge is a provider that keeps every
byte. Also promise 2's other side: what came from the inside must come back to it, byte for byte.
"""

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

import redactors
from redactors import Origin
from tests.fakes.provider import FaultyProvider, Script, Turn
from tests.gateway.wire import Somebody, World, events, forge_token, in_loop, plain, wired, zipped
from tests.guard.duty import OWN_CODE, Desk
from tests.machine import Machine, fake
from tests.policy.writing import policy
from wrapper.audit.events import Redacted, Warned
from wrapper.gateway.identity import Folders
from wrapper.guard.duties import GuardDuties
from wrapper.guard.wire import Wire
from wrapper.policy.model import Policy

JSON = "Content-Type: application/json"
CONTEXT = """
[[context]]
kind = "CODE-NAME"
terms = ["falcon", "blue heron", "Börealis"]
[[context]]
kind = "TICKET"
regex = "ACME-[0-9]{4}"
[[context]]
builtin = "email"
[[context]]
builtin = "internal-host"
"""
TOLD = [
    "falcon",
    "FalconService",
    "blue_heron",
    "BlueHeron",
    "Börealis",
    "ACME-1234",
    "jane@mail.example.org",
    "db.corp",
]
NAMES = [b"falcon", b"heron", b"realis", b"acme-1", b"jane", b"db.corp"]


@pytest.fixture
def duties(tmp_path: Path) -> Iterator[GuardDuties]:
    desk = Desk.make(tmp_path)
    yield desk.duties
    desk.close()


def widened(
    duties: GuardDuties, effective: Policy, workspace: Path | None = None
) -> Callable[[redactors.Engine], redactors.Engine]:
    """Give the engine what the guard of such a session gives it."""
    place = workspace or duties.workspace
    warned: list[str] = []
    return lambda engine: Wire(
        replace(duties, engine=engine, policy=effective, workspace=place), warned.append
    ).engine()


def leaked(world: World) -> list[bytes]:
    """Name what the provider received or the log holds, however it is escaped."""
    seen = (bytes(world.provider.bytes) + world.recorded()).lower()
    seen += seen.replace(b"\\u00f6", "ö".encode())
    return [name for name in NAMES if name in seen]


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_no_name_leaves_in_a_body_however_deep_it_is_nested(duties: GuardDuties, depth: int, ascii_only: bool) -> None:  # noqa: FBT001
    widen = widened(duties, policy(user=CONTEXT))

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen) as world:
            text = " | ".join(TOLD) + ' say "falcon"\nfalcon'
            for _ in range(depth):
                text = json.dumps({"a": text}, ensure_ascii=ascii_only)
            assert (await world.ask(body=text.encode(), headers=[JSON])).status == 200
            assert leaked(world) == []
            assert world.provider.requests[0].document["a"].count("MASKED-") == len(TOLD) + 2

    scenario()


@pytest.mark.parametrize("coding", [("gzip", zipped), ("deflate", zlib.compress)], ids=["gzip", "deflate"])
def test_no_name_leaves_in_a_compressed_body_a_header_or_an_address(
    duties: GuardDuties, coding: tuple[str, Callable[[bytes], bytes]]
) -> None:
    widen = widened(duties, policy(user=CONTEXT))

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen) as world:
            body = coding[1](json.dumps(TOLD).encode())
            headers = [JSON, f"Content-Encoding: {coding[0]}", "X-Project: falcon", "X-Falcon-Id: 7"]
            await world.ask(f"/v1/falcon?q={quote('blue heron')}&r=%66alcon", body, headers=headers)
            assert len(world.provider.requests) == 1
            assert leaked(world) == []

    scenario()


@pytest.mark.parametrize("escaped", [r"\u0066alcon", r"f\u0061lcon", "%66alcon", r"blue\u0020heron"])
def test_needless_escapes_hide_no_name(duties: GuardDuties, escaped: str) -> None:
    widen = widened(duties, policy(user=CONTEXT))

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen) as world:
            await world.ask(body=b'{"a":"' + escaped.encode() + b'"}', headers=[JSON])
            assert "MASKED-CODE-NAME-" in world.provider.requests[0].document["a"]

    scenario()


def test_what_the_model_says_of_it_comes_back_as_it_was_spelled(duties: GuardDuties) -> None:
    widen = widened(duties, policy(user=CONTEXT))

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen) as world:
            await world.ask_json({"a": TOLD})
            sent = world.provider.requests[0].document["a"]
            assert all(name.startswith("MASKED-") for name in sent)
            text = " ".join(sent)
            world.provider.answer = plain(
                b"".join(
                    events(
                        *(
                            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
                            for piece in (text[:25], text[25:30], text[30:])
                        ),
                        {"type": "content_block_stop", "index": 0},
                    )
                ),
                content_type="text/event-stream",
            )
            reply = await world.ask_json({"a": "again"})
            said = "".join(
                json.loads(line[6:])["delta"]["text"] for line in reply.body.decode().split("\n") if '"text"' in line
            )
            assert said == " ".join(TOLD)

    scenario()


def test_the_log_says_what_was_replaced_by_which_rule(duties: GuardDuties) -> None:
    widen = widened(duties, policy(user=CONTEXT))

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen) as world:
            await world.ask_json({"a": "falcon falcon"})
            [event] = world.sink.of(Redacted)
            assert (event.kind, event.rule, event.count) == ("CODE-NAME", "context:CODE-NAME", 2)

    scenario()


def test_a_project_cannot_take_back_what_user_and_organisation_say(duties: GuardDuties) -> None:
    project = '[redaction]\ndisable = ["context:CODE-NAME", "context:EMAIL"]\nallow = ["falcon"]\n'
    organisation = '[[context]]\nkind = "CODE-NAME"\nterms = ["osprey"]\n'
    effective = policy(organisation=organisation, user=CONTEXT, project=project)
    widen = widened(duties, effective)

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen) as world:
            await world.ask_json({"a": "falcon osprey jane@mail.example.org"})
            assert leaked(world) == []
            assert b"osprey" not in world.provider.bytes

    scenario()


def test_a_clones_expression_neither_hangs_nor_ends_the_guard(duties: GuardDuties) -> None:
    """Hyperscan crashes on this one where it is asked for the start of a match."""
    hostile = '[[context]]\nkind = "A"\nregex = "a+b"\n[[context]]\nkind = "B"\nregex = "(x+x+)+y"\n'
    widen = widened(duties, policy(user=CONTEXT, project=hostile))

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen) as world:
            await world.ask_json({"a": "a" * 5000 + " " + "x" * 5000 + " falcon"})
            assert leaked(world) == []

    scenario()


def test_a_known_secret_within_a_name_stays_a_secret_of_the_outside(duties: GuardDuties) -> None:
    """Else a name that covers it would make it the inside's own, and it would be restored there (promise 2)."""
    wide = '[[context]]\nkind = "WIDE"\nregex = "key=[^ ]{8,64}"\n'
    widen = widened(duties, policy(user=wide))
    secret = "Tr0ub4dor&" + "3-Zk3vQ8sLw0p"

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen) as world:
            placeholder = world.knows(secret.encode())
            await world.ask_json({"a": f"key={secret} end"})
            assert placeholder in world.provider.requests[0].document["a"]
            assert secret.encode() not in world.provider.bytes
            assert world.vault.restore(placeholder.encode(), to=Origin.INSIDE) == placeholder.encode()

    scenario()


def closed_workspace(folder: Path) -> Path:
    (folder / "training").mkdir(parents=True)
    (folder / "training/score.py").write_text(OWN_CODE)
    (folder / "training/big.bin").write_bytes(b"\0" * 100)
    return folder


DENY = '[files]\ndeny = ["training/**"]\n'


@pytest.mark.parametrize(
    "told",
    [
        OWN_CODE,
        "\n".join(f"+    {line}" for line in OWN_CODE.splitlines()),
        OWN_CODE.replace("total", "x")
        .replace("weight", "w")
        .replace("history", "h")
        .replace('"""Rate one sample."""', "# rate"),
        "Please look at this:\n```python\n" + OWN_CODE + "\n```\n",
        "\n".join(f"{number:6}\t{line}" for number, line in enumerate(OWN_CODE.splitlines(), 1)),
        "\n".join(f"{number:5}→{line}" for number, line in enumerate(OWN_CODE.splitlines(), 40)),
        "\n".join(f"training/score.py:{number}:{line}" for number, line in enumerate(OWN_CODE.splitlines(), 1)),
        "\n".join(f"HEAD:training/score.py:{line}" for line in OWN_CODE.splitlines()),
        "\n".join(f"{number}:{line}" for number, line in enumerate(OWN_CODE.splitlines(), 1)),
        "\n".join(f"training/score.py-{number}-{line}" for number, line in enumerate(OWN_CODE.splitlines(), 1)),
        "\n".join(f"9a7d529d (Jane Doe 2026-11-21 10:00:00 +0000 {n:2}) {line}" for n, line in enumerate(OWN_CODE.splitlines(), 1)),
        "diff --git a/s.py b/s.py\n@@ -1,9 +1,9 @@\n" + "\n".join(f"-{line}" for line in OWN_CODE.splitlines()),
        "\n".join(f"\t\t{line.strip()}   " for line in OWN_CODE.splitlines()),
        "\r\n".join(OWN_CODE.splitlines()),
        json.dumps({"stdout": json.dumps({"file": OWN_CODE})}),
        json.dumps(OWN_CODE).replace("e", "\\u0065"),
    ],
    ids=[
        "as it is", "a diff", "renamed", "a paste", "cat -n", "the client's own line numbers", "grep -n", "git grep",
        "grep of one file", "grep -C", "git blame", "a removal",
        "indented anew", "line ends of others", "JSON in JSON", "needless escapes",
    ],
)  # fmt: skip
@pytest.mark.parametrize("depth", [1, 2])
def test_closed_code_leaves_only_as_a_placeholder_whatever_way_it_came(
    duties: GuardDuties, tmp_path: Path, told: str, depth: int
) -> None:
    widen = widened(duties, policy(user=DENY), closed_workspace(tmp_path / "repo"))

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen) as world:
            text = f"before it\n{told}\nbehind it"
            body = {"messages": [{"role": "user", "content": text if depth == 1 else json.dumps({"out": text})}]}
            await world.ask_json(body)
            sent = world.provider.requests[0].document["messages"][0]["content"]
            assert "MASKED-DENIED-CODE-" in sent
            assert "before it" in sent
            assert "behind it" in sent
            for telling in ("normalise", "decay", "refused"):
                assert telling not in sent
            assert world.vault.restore(sent.encode(), to=Origin.INSIDE).decode() == body["messages"][0]["content"]
            [event] = world.sink.of(Redacted)
            assert (event.kind, event.rule) == ("DENIED-CODE", "fingerprint:training/score.py")

    scenario()


def test_an_old_conversation_that_is_taken_up_again_does_not_bring_it_along(
    duties: GuardDuties, tmp_path: Path
) -> None:
    """It came into the conversation before there was such a policy, and stands anywhere in it."""
    widen = widened(duties, policy(user=DENY), closed_workspace(tmp_path / "repo"))

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen) as world:
            turns: list[dict[str, object]] = []
            for number in range(30):
                told = OWN_CODE if number in (4, 17) else f"nothing of it {number} " * 200
                turns += [
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": told}]},
                    {"role": "assistant", "content": [{"type": "text", "text": f"I saw {number}"}]},
                ]
                if number > 15:
                    await world.ask_json({"messages": turns})
            assert b"normalise" not in world.provider.bytes
            assert b"normalise" not in world.recorded()
            [first, second] = (
                block["content"]
                for message in world.provider.requests[-1].document["messages"]
                for block in message["content"]
                if "DENIED-CODE" in block.get("content", "")
            )
            assert first == second

    scenario()


@pytest.mark.parametrize("word", ["ask", "never"])
def test_a_file_that_the_inside_may_read_but_not_send_leaves_only_as_a_placeholder(
    duties: GuardDuties, tmp_path: Path, word: str
) -> None:
    """Nobody can be asked here, and nobody is a no."""
    text = f'[files.send]\n{word} = ["training/**"]\n'
    widen = widened(duties, policy(user=text), closed_workspace(tmp_path / "repo"))

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen) as world:
            await world.ask_json({"a": f"cat training/score.py\n{OWN_CODE}"})
            assert b"normalise" not in world.provider.bytes
            assert "MASKED-DENIED-CODE-" in world.provider.requests[0].document["a"]

    scenario()


def test_a_secret_in_closed_code_does_not_keep_the_rest_of_it_from_being_recognised(
    duties: GuardDuties, tmp_path: Path
) -> None:
    secret = "Tr0ub4dor&" + "3-Zk3vQ8sLw0p"
    workspace = closed_workspace(tmp_path / "repo")
    text = OWN_CODE.replace('"refused"', f'"{secret}"')
    (workspace / "training/score.py").write_text(text)
    widen = widened(duties, policy(user=DENY), workspace)

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen) as world:
            placeholder = world.knows(secret.encode())
            await world.ask_json({"a": text})
            sent = world.provider.requests[0].document["a"]
            assert sent.count("MASKED-DENIED-CODE-") == 2
            assert placeholder in sent
            assert "normalise" not in sent

    scenario()


def test_other_code_leaves_as_it_is(duties: GuardDuties, tmp_path: Path) -> None:
    text = Path(json.__file__).read_text()
    widen = widened(duties, policy(user=DENY), closed_workspace(tmp_path / "repo"))

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen) as world:
            await world.ask_json({"a": text})
            assert world.provider.requests[0].document["a"] == text

    scenario()


def test_a_placeholder_that_the_model_misspells_is_not_restored_and_the_user_hears_of_it(duties: GuardDuties) -> None:
    """Attack on promise 3: a wrong placeholder written into a file would be there for ever, and nobody would know."""
    widen = widened(duties, policy(user=CONTEXT))

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen) as world:
            right = world.knows(b"Tr0ub4dor&3-of-the-outside")
            wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
            pieces = (
                f"write {right} and {wrong[:12]}",
                wrong[12:],
                " now",
                right.lower()[:20],
                right.lower()[20:],
                " end",
            )
            deltas = (
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
                for piece in pieces
            )
            stream = b"".join(events(*deltas, {"type": "content_block_stop", "index": 0}))
            world.provider.answer = plain(stream, content_type="text/event-stream")
            reply = await world.ask_json({"a": "go"})
            assert wrong[12:].encode() in reply.body
            await world.gateway.close()
            warnings = [event.text for event in world.sink.of(Warned)]
            assert len(warnings) == 2
            assert f"`{wrong}` differs by one character from the placeholder `{right}`" in warnings[0]
            assert "case" in warnings[1]

    scenario()


POST = """
import json, os, subprocess, sys, urllib.request
told = subprocess.run(["git", "show", "HEAD:training/score.py"], capture_output=True, text=True, check=True).stdout
assert "normalise" in told, "git has no such file"
body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "project falcon\\n" + told}]}).encode()
request = urllib.request.Request(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", body, {"Content-Type": "application/json"})
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    print(opener.open(request).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def test_closed_code_taken_from_git_in_a_real_session_reaches_the_provider_only_as_a_placeholder(
    machine: Machine,
) -> None:
    provider = FaultyProvider(Script(turns=(Turn(text="Seen."),)))
    provider.start()
    try:
        closed_workspace(machine.workspace)
        (machine.workspace / "post.py").write_text(POST)
        machine.git("add", "training", "post.py")
        machine.git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "score")
        own = machine.home / ".config/safe-agent/policy.toml"
        own.write_text(f'version = 1\n{CONTEXT}{DENY}[upstream]\nanthropic = "{provider.url}"\n')
        machine.environ["ANTHROPIC_API_KEY"] = fake("sk" + "-ant-api03-", 88)
        done = machine.inside("cat training/score.py; python3 post.py")
        assert done.stdout.strip() == "200", done.stderr
        said = provider.said()
        assert "MASKED-DENIED-CODE-" in said
        assert "MASKED-CODE-NAME-" in said
        assert "normalise" not in said
        assert "falcon" not in said
        assert "normalise" not in machine.log()
    finally:
        provider.stop()


LATER = """
import json, os, pathlib, subprocess, sys, time, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
def post(text):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
    request = urllib.request.Request(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", body, {"Content-Type": "application/json"})
    return opener.open(request).status
post("the guard's services stand")
pathlib.Path("ready").touch()
while not os.path.exists("go"):
    time.sleep(0.05)
told = subprocess.run(["git", "show", "HEAD:training/later.py"], capture_output=True, text=True, check=True).stdout
assert "normalise" in told, "git has no such file"
for number in range(24):
    post(f"harmless {number}")
    time.sleep(0.25)
print(post("told later:\\n" + told))
"""


def test_closed_code_that_comes_during_a_session_is_recognised_seconds_after(machine: Machine) -> None:
    provider = FaultyProvider(Script(turns=(Turn(text="Seen."),)))
    provider.start()
    try:
        (machine.workspace / "later.py").write_text(LATER)
        own = machine.home / ".config/safe-agent/policy.toml"
        own.write_text(f'version = 1\n{DENY}[upstream]\nanthropic = "{provider.url}"\n')
        machine.environ["ANTHROPIC_API_KEY"] = fake("sk" + "-ant-api03-", 88)
        with machine.running("python3 later.py") as running:
            running.reached("ready")
            (machine.workspace / "training").mkdir()
            (machine.workspace / "training/later.py").write_text(OWN_CODE)
            machine.git("add", "training")
            machine.git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "later")
            (machine.workspace / "go").touch()
            done = running.end(within=40)
        assert done.stdout.strip() == "200", done.stderr
        assert "told later:" in provider.said()
        assert "MASKED-DENIED-CODE-" in provider.said()
        assert "normalise" not in provider.said()
    finally:
        provider.stop()


ASKED = '[files.send]\nask = ["training/**"]\n'


def test_a_yes_lets_that_text_leave_and_nothing_else_with_it(
    duties: GuardDuties, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token in the file, and the home folder, stay here; another excerpt is asked about anew."""
    monkeypatch.setenv("HOME", "/home/planted-jane")
    token = forge_token(fake("", 30)).decode()
    workspace = closed_workspace(tmp_path / "repo")
    text = OWN_CODE.replace('"refused"', f'"{token}"').replace("worst = 0.0", 'worst = "/home/planted-jane/x"')
    (workspace / "training/score.py").write_text(text)
    own = f'{ASKED}[identity]\nmask = ["home"]\n'
    widen = widened(duties, policy(user=own), workspace)
    asking = Somebody("yes")

    @in_loop
    async def scenario() -> None:
        folders = Folders(("/home/planted-jane",))
        async with wired(widen=widen, policy=own, asking=asking, folders=folders) as world:
            for _ in range(2):
                await world.ask_json({"a": text})
            assert len(asking.asked) == 1
            assert b"normalise" in world.provider.bytes
            assert token.encode() not in world.provider.bytes
            assert b"planted-jane" not in world.provider.bytes
            asking.choice = "no"
            before = len(world.provider.bytes)
            half = text[: text.index("def penalty")]
            await world.ask_json({"a": half})
            assert len(asking.asked) == 2
            assert b"normalise" not in world.provider.bytes[before:]

    scenario()


@pytest.mark.parametrize("word", ["ask", "never"])
def test_letting_all_findings_leave_does_not_let_closed_text_leave(
    duties: GuardDuties, tmp_path: Path, word: str
) -> None:
    """Nobody can be asked; and what never may leave is no matter of its kind."""
    own = f'[files.send]\n{word} = ["training/**"]\n[wire]\nmonitor = ["*"]\n'
    widen = widened(duties, policy(user=own), closed_workspace(tmp_path / "repo"))

    @in_loop
    async def scenario() -> None:
        async with wired(widen=widen, policy=own) as world:
            await world.ask_json({"a": OWN_CODE})
            assert b"normalise" not in world.provider.bytes

    scenario()
