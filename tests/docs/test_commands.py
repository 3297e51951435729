"""Every command that the documents show is run, and does what stands beside it.

Where output is shown, it comes in that order (`…` stands for any lines; test_docs.py compares the demonstration's). A machine
of the tests' own has what the documents speak of: a project with secrets, a sealed session of each client, keys
that lie elsewhere. `STAND_INS` has what is run in place of a line that has placeholders, or ends otherwise than with 0;
`ELSEWHERE` the few lines that are not run here, with the reason. A line that is in neither is run as it stands.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.clients.codex import with_key
from tests.clients.scene import write_json
from tests.clients.screen import Screen
from tests.docs.shown import SHELLS, SHOWN, TEXTS, blocks, of_block
from tests.fakes.provider import Call, FaultyProvider, Script, Turn, Write
from tests.machine import Machine, fake

pytestmark = pytest.mark.timeout(120)
_PRICING = "\n".join(
    f"def tariff_{n}(weight, zone, rebate):\n    return weight * {n} + zone - rebate\n" for n in range(30)
)
_APP = "".join(f"line_{number} = {number}\n" for number in range(1, 60))


@dataclass(frozen=True)
class Way:
    """How a line is run: `instead` of it (if not as it stands), its exit code, a regex that its output matches.

    On a terminal, `keys` are typed, each when the regex before it stands on the screen. `secrets` are those of the scene
    that it is meant to print.
    """

    instead: str = ""
    code: int = 0
    says: str = ""
    terminal: bool = False
    keys: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()


_KEYS = "~/.config/safe-agent/keys"
_LOCKED = "XDG_CONFIG_HOME=ROOT/locked"
_REVIEW = (
    f"mkdir -p ROOT/review && cp -r ~/.local/state/safe-agent ROOT/review/ && rm -rf ROOT/review/safe-agent/running && "
    f"cp {_KEYS}/audit.key ROOT/reviewer.key &&"
)
_CORPUS = "mkdir -p ROOT/c/data && cp src/pricing.py src/app.py ROOT/c/data && cd ROOT/c && rm -rf verdicts && "
_CHECK = "safe-agent corpus check data/ --out verdicts"
STAND_INS = {
    # placeholders
    'safe-agent explain --text "…"': Way('safe-agent explain --text "key $GITHUB_TOKEN"', says="MASKED-GITHUB-TOKEN-"),
    "safe-agent explain HOST": Way("safe-agent explain www.example.org", says="www.example.org: deny"),
    'safe-agent run --profile strict claude -- -p "…"': Way(
        'safe-agent run --profile strict claude -- -p "go on"', says="All done"
    ),
    'SAFE_AGENT_PROFILE=ci safe-claude -p "…"': Way('SAFE_AGENT_PROFILE=ci safe-claude -p "go on"', says="All done"),
    "safe-agent audit keys add age1… --name 'security team'": Way(
        "age-keygen -o ROOT/second.key 2>ROOT/none && "
        "safe-agent audit keys add $(age-keygen -y ROOT/second.key) --name 'security team'"
    ),
    "safe-agent audit disclose 57": Way("safe-agent audit disclose 0", says="safe-agent disclosure"),
    "safe-agent audit disclose 57 --out record.json": Way(
        "safe-agent audit disclose 0 --out record.json && safe-agent audit disclose --check record.json"
    ),
    # places that a user has and the scene keeps elsewhere
    "safe-agent audit anchor": Way("SAFE_AGENT_POLICY=ROOT/anchored.toml safe-agent audit anchor"),
    "safe-agent audit anchor --check": Way("SAFE_AGENT_POLICY=ROOT/anchored.toml safe-agent audit anchor --check"),
    "safe-agent audit anchor --to file:/media/stick/laptop.notes": Way(
        "safe-agent audit anchor --to file:ROOT/stick.notes && grep safe-agent.local ROOT/stick.notes"
    ),
    "safe-agent audit verify --all --require anchored": Way(
        "export SAFE_AGENT_POLICY=ROOT/anchored.toml; safe-agent audit anchor && "
        "safe-agent audit verify --all --require anchored"
    ),
    "safe-agent audit keys drill --identity /media/safe/audit.key": Way(
        f"cp {_KEYS}/audit.key ROOT/safe.key && safe-agent audit keys drill --identity ROOT/safe.key", says="opened"
    ),
    "age -d -i audit.key 000001.key.age": Way(
        f"age -d -i {_KEYS}/audit.key $(ls -d ~/.local/state/safe-agent/sessions/* | head -1)/000001.key.age | wc -c",
        says="^32$",
    ),
    'XDG_STATE_HOME="$PWD/review" safe-agent audit verify --all': Way(
        f"{_REVIEW} XDG_STATE_HOME=ROOT/review safe-agent audit verify --all", says="SEALED"
    ),
    'XDG_STATE_HOME="$PWD/review" SAFE_AGENT_AUDIT_IDENTITY=reviewer.key safe-agent audit show last': Way(
        f"{_REVIEW} XDG_STATE_HOME=ROOT/review SAFE_AGENT_AUDIT_IDENTITY=ROOT/reviewer.key safe-agent audit show last",
        says="session ",
    ),
    # on a copy, since what comes later needs what these take away
    "safe-agent audit keys init --passphrase": Way(
        f"cp -r ~/.config ROOT/locked && {_LOCKED} safe-agent audit keys init --passphrase",
        terminal=True,
        keys=(("new passphrase for", "correct horse\r"), ("again|once more|repeat", "correct horse\r")),
    ),
    "age -d audit.key": Way(
        "age -d ROOT/locked/safe-agent/keys/audit.key | grep -c AGE-SECRET",
        says="^[1-9]",
        terminal=True,
        keys=(("Enter passphrase", "correct horse\r"),),
    ),
    "rm -r ~/.config/safe-agent ~/.local/state/safe-agent ~/.cache/safe-agent": Way(
        "cp -r ~ ROOT/gone && export HOME=ROOT/gone && "
        "rm -r ~/.config/safe-agent ~/.local/state/safe-agent ~/.cache/safe-agent && ls -d ~/.claude"
    ),
    # on a terminal
    "safe-claude": Way(terminal=True, keys=(("\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}", "/exit\r"),)),
    "safe-agent audit": Way(terminal=True, keys=(("(?i)started|sessions", "q"),)),
    "safe-agent exec -- bash": Way(terminal=True, keys=(("[#$] ", "cat .env; exit\r"),), says="STRIPE_KEY=MASKED-"),
    'safe-agent audit play last --goto "npm test"': Way(
        'safe-agent exec -- echo npm test && safe-agent audit play last --goto "npm test"',
        terminal=True,
        keys=((" end  0:00", "q"),),
    ),
    # what ends otherwise than with 0, as it should
    "safe-agent scan": Way(code=1, says=r"\.env:4:12: STRIPE-KEY certain stripe-key MASKED-STRIPE-KEY-"),
    "safe-agent scan --known": Way(code=1, says=r"\.env:4:12: STRIPE-KEY certain known:raw MASKED-STRIPE-KEY-"),
    "safe-agent scan --sarif": Way(code=1, says='"version": "2.1.0"'),
    'safe-agent audit search "DROP TABLE" --all': Way(code=1),
    "safe-agent left src/pricing.py": Way(code=1, says="pricing.py: left"),
    "safe-agent left --all --since 30d --report left.html": Way(code=1, says="looked through"),
    "safe-agent left --all --report left.html": Way(code=1, says="looked through"),
    # what says something worth looking at
    "safe-agent explain .env GITHUB_TOKEN github.com": Way(
        says=r"(?s)\.env: mask.*GITHUB_TOKEN: mask.*github\.com: deny"
    ),
    'safe-claude -p "list the todos" | jq -R .': Way(says='"All done."'),
    'safe-codex exec "run the tests"': Way(says="All done."),
    "safe-agent redact < report.txt": Way(says="sent with MASKED-GITHUB-TOKEN-"),
    "kubectl logs -f web | safe-agent redact": Way(says="token MASKED-GITHUB-TOKEN-"),
    "safe-agent redact --restore < answer.txt": Way(says="sent with ghp_", secrets=("github",)),
    "safe-agent audit why src/app.py:42": Way(says=r"(?s)line_42 = 42.*written by"),
    "safe-agent audit show --only read": Way(says=r"read +\.env"),
    "safe-agent audit keys list": Way(says="HERE"),
    "safe-agent policy trust": Way(says="granted: line 4: `network.allow`"),
    "safe-agent policy reference": Way(says=r"`files.mask`"),
    # a corpus, of which the agent of the scene wrote a part
    "safe-agent corpus check data/ --out seen": Way(f"{_CORPUS} {_CHECK}", code=1, says="documents: "),
    "safe-agent corpus check data/ --out verdicts": Way(
        f"{_CORPUS} {_CHECK}; code=$?; ls verdicts/croissant.json; exit $code", code=1, says="manifest root"
    ),
    "safe-agent corpus explain --result verdicts doc-0815": Way(
        f"{_CORPUS} {_CHECK}; safe-agent corpus explain --result verdicts app.py", says="session"
    ),
    "safe-agent corpus baseline ~/src/project --before 2023-01-01 --out old.baseline": Way(
        "safe-agent corpus baseline . --before 2123-01-01 --out ROOT/old.baseline", says="codes of"
    ),
    "safe-agent corpus check data/ --baseline old.baseline --out verdicts": Way(
        f"safe-agent corpus baseline . --rev HEAD --out ROOT/old2.baseline && {_CORPUS} "
        "safe-agent corpus check data/pricing.py --baseline ROOT/old2.baseline --out verdicts",
        says="accepted",
    ),
    "safe-agent corpus verify verdicts --root HASH": Way(
        f"{_CORPUS} {_CHECK}; safe-agent corpus verify verdicts --root $(jq -r .root verdicts/summary.json)",
        says="as they were judged",
    ),
    "safe-agent corpus check data/ --index laptop-7.pack --index laptop-8.pack --key provenance.key --out verdicts": Way(
        f"{_CORPUS} safe-agent provenance pack --out a.pack && cp a.pack b.pack && safe-agent corpus check data/ "
        "--index a.pack --index b.pack --key ~/.config/safe-agent/provenance.key --out verdicts",
        code=1,
    ),
    "safe-agent provenance pack --out laptop-7.pack": Way("safe-agent provenance pack --out ROOT/laptop-7.pack"),
    # what is there twice
    "safe-agent policy init": Way(
        "rm -f ~/.config/safe-agent/policy.toml; safe-agent policy init && safe-agent policy check"
    ),
    "command claude": Way("command claude --version"),
    "command codex": Way("command codex --version"),
    "safe-agent doctor": Way(says="(?s)bubblewrap.*held"),
    "safe-agent doctor --json | jq '.attacks[] | select(.status != \"held\")'": Way(
        "safe-agent doctor --json --no-attacks | jq '.attacks[] | select(.status != \"held\")'"
    ),
    "safe-agent doctor --verbose": Way("safe-agent doctor --verbose --no-attacks", says="bubblewrap"),
    "safe-agent run --report FILE": Way(
        "safe-agent exec --report ~/r.json -- true && jq .exit_code ~/r.json", says="^0$"
    ),
    'safe-agent run --report ~/report.json claude -- -p "list the todos"': Way(
        'safe-agent run --report ~/report.json claude -- -p "list the todos" && jq -r .agent ~/report.json',
        says="^claude$",
    ),
}
ELSEWHERE = {
    r"safe-agent (run|exec|audit export|blame|blame FILE|left|left \[REV:\]PATH\|--all|corpus check|provenance (export|rebuild))": "names a command that needs arguments",
    r"safe-agent demo": "test_docs.py runs it, and compares every line",
    r"\./install\.sh( --demo| --corpus| --uninstall)?": "tests/install runs it, with a package index of its own",
    r"\./install\.sh --test": "is what runs these tests",
    r"(git|npm|pip|go|gh) [a-z-]+( [a-z]+)?( -[ubS]| --global| --amend -S)?": "names what people do; tried inside by test_faq.py and others",
    r"git (update-ref|cherry-pick|push) .*": "names what a person does with a commit that was taken back",
    r"git worktree add \S+": "test_faq.py runs it inside",
    r"(npm config get|pip config get|go env) \S+": "asks tools of others for a host that is not ours to name",
    r"safe-(claude|codex) (auth )?(login|logout)": "clients/test_logins.py does it, against an authorisation server of its own",
    r"chmod 600": "names what to do with a file",
    r"safe-agent corpus check s3://.*": "needs a cluster and a store; tests/corpus runs Ray, and a stand-in of S3",
    r"aws .*": "needs an account; tests/anchors tries the bucket on a stand-in",
    r"sudo .*": "changes the whole machine",
}
"""Lines that are not run here, as regexes, and why."""


def way_of(line: str) -> Way | str:
    """Give how a line is run, or the reason why it is not."""
    for pattern, reason in ELSEWHERE.items():
        if line not in STAND_INS and re.fullmatch(pattern, line):
            return reason
    return STAND_INS.get(line, Way())


LINES = tuple(dict.fromkeys(shown.line for shown in SHOWN))
TRIED = tuple(line for line in LINES if isinstance(way_of(line), Way))


@pytest.fixture(scope="module")
def scene() -> Iterator[Machine]:
    """A machine on which the documents' lines make sense."""
    machine = Machine.make()
    script = Script(
        turns=(
            Turn(text="I look.", calls=(Call(run="echo npm test; cat .env src/pricing.py"),)),
            Turn(text="I write.", calls=(Call(write=Write(str(machine.workspace / "src/app.py"), _APP)),)),
            Turn(text="All done."),
        )
    )
    provider = FaultyProvider(script)
    provider.start()
    _prepare(machine, provider)
    yield machine
    provider.stop()
    machine.remove()


def _prepare(machine: Machine, provider: FaultyProvider) -> None:
    key = fake("sk" + "-ant-api03-", 88)
    machine.planted["anthropic"] = key
    machine.environ |= {"SHELL": "/bin/bash", "ANTHROPIC_API_KEY": key, "ANTHROPIC_BASE_URL": provider.url}
    state = {
        "hasCompletedOnboarding": True,
        "customApiKeyResponses": {"approved": [key[-20:]], "rejected": []},
        "projects": {str(machine.workspace): {"hasTrustDialogAccepted": True}},
    }
    write_json(machine.home / ".claude.json", state)
    with_key(machine, provider)
    work = machine.workspace
    for name, content in {
        "src/pricing.py": _PRICING,
        "prod.env": f"SMTP_PASSWORD={fake('', 24)}\n",
        "report.txt": f"sent with {machine.planted['github']}\n",
        ".safe-agent.toml": 'version = 1\n\n[network]\nallow = ["git.example.org"]\n',
    }.items():
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text(content)
    machine.git("add", "src", ".safe-agent.toml")
    tools = machine.root / "tools"
    tools.mkdir()
    (tools / "kubectl").write_text(f"#!/bin/sh\necho 'token {machine.planted['github']}'\n")
    (tools / "kubectl").chmod(0o755)
    machine.environ["PATH"] = f"{tools}:{machine.environ['PATH']}"
    done = machine.host("safe-claude", "-p", "look around", "--allowedTools", "Bash Read Edit Write")
    assert (done.returncode, done.stdout) == (0, "All done.\n"), done.stderr
    machine.host("bash", "-c", "safe-agent redact < report.txt > answer.txt", check=True)
    (machine.root / "anchored.toml").write_text(
        f'version = 1\n[audit]\nanchors = ["file:{machine.root}/anchor.notes"]\n'
    )


@pytest.mark.parametrize("line", TRIED)
def test_a_shown_command_does_what_is_said(scene: Machine, line: str) -> None:
    way = way_of(line)
    assert isinstance(way, Way)
    typed = (way.instead or line).replace("ROOT", str(scene.root))
    if way.terminal:
        printed, code = _on_a_terminal(scene, typed, way)
    else:
        done = scene.host("bash", "-c", f"set -o pipefail; {typed}")
        printed, code = done.stdout + done.stderr, done.returncode
    assert code == way.code, printed
    assert re.search(way.says, printed, re.MULTILINE), printed
    assert tuple(scene.leaks(printed)) == way.secrets
    for output in {shown.output for shown in SHOWN if shown.line == line}:
        found = iter([_shape(row) for row in printed.splitlines()])
        assert [row for row in output if row not in ("", "…") and _shape(row) not in found] == []


def _shape(row: str) -> str:
    """Give a line of output with numbers, which differ, as one sign."""
    return re.sub(r"\d+", "0", row).rstrip()


def _on_a_terminal(machine: Machine, typed: str, way: Way) -> tuple[str, int]:
    with Screen(machine.environ, machine.workspace) as screen:
        screen.type(f"{typed}; echo code=$?=\r")
        for seen, keys in way.keys:
            screen.wait(seen)
            screen.type(keys)
        screen.wait(r"code=\d+=")
        return screen.text, int(re.findall(r"code=(\d+)=", screen.text)[-1])


def test_no_reason_and_no_stand_in_is_for_a_line_that_nobody_shows() -> None:
    assert set(STAND_INS) <= set(LINES)
    assert [one for one in ELSEWHERE if not any(re.fullmatch(one, line) for line in LINES)] == []
    assert len(TRIED) > 60


def test_a_block_is_of_commands_or_of_something_else() -> None:
    """So that no line is left out because its program is not among `PROGRAMS`."""
    for document, text in TEXTS.items():
        for block in blocks(text, *SHELLS):
            lines = [line for line in block.replace("\\\n", "").splitlines() if line.strip()]
            shown = list(of_block(document, block))
            assert not shown or shown[0].output or len(shown) == len(lines), block


def test_a_line_that_does_not_do_what_is_said_would_be_noticed(scene: Machine) -> None:
    assert scene.host("bash", "-c", "safe-agent audit show --nosuch").returncode == 2
    assert scene.leaks(scene.planted["github"]) == ["github"]
