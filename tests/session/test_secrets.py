"""What the inside sees of the environment, and what the log holds of it all."""

import json

from tests.machine import Machine, fake, private_key


def test_secrets_of_the_environment_keep_their_shape_and_not_their_value(machine: Machine) -> None:
    """Promise 2: several lines, JSON, URLs and connection strings."""
    machine.planted |= {
        "json": fake("", 24),
        "url": fake("", 24),
        "dsn": fake("", 24),
        "list1": fake("", 24),
        "list2": fake("", 24),
    }
    key = private_key()
    machine.planted["pem"] = key.splitlines()[3]
    more = {
        "DEPLOY_KEY": key,
        "GOOGLE_CREDENTIALS": json.dumps({"type": "service_account", "private_key": machine.planted["json"], "n": 1}),
        "DATABASE_URL": f"postgres://app:{machine.planted['url']}@db.example.com:5432/app?sslmode=require",
        "SENTRY_DSN": f"https://{machine.planted['dsn']}@sentry.example.com/1",
        "API_TOKENS": f"{machine.planted['list1']},{machine.planted['list2']}",
        "UNLISTED_SECRET_THING": machine.planted["odd"],
        "NEVER_HEARD_OF": machine.planted["aws"],
        "SSH_AUTH_SOCK": "/tmp/agent",
        "LANG": "C.UTF-8",
    }
    seen = machine.seen(
        "env; printf '%s' \"$DEPLOY_KEY\" | wc -l; printenv GOOGLE_CREDENTIALS | python3 -m json.tool", **more
    )
    assert not machine.leaks(seen)
    assert "postgres://app:MASKED-" in seen
    assert "@db.example.com:5432/app?sslmode=require" in seen
    assert "-----BEGIN OPENSSH PRIVATE KEY-----" in seen
    assert "NEVER_HEARD_OF" not in seen
    assert "SSH_AUTH_SOCK" not in seen
    assert "LANG=C.UTF-8" in seen


def test_a_value_of_the_environment_is_masked_in_files_and_on_the_screen(machine: Machine) -> None:
    """Promise 2: the same value has the same placeholder everywhere."""
    token = machine.planted["github"]
    (machine.workspace / "notes.md").write_text(f"use {token} here\n")
    seen = machine.seen("cat notes.md; echo $GITHUB_TOKEN")
    assert not machine.leaks(seen)
    assert seen.split()[1] == seen.split()[-1]
    done = machine.inside(
        f"echo {token[:9]}; printf {token[:20]}; sleep 0.01; printf '{token[20:]}\\n'; echo {token} >&2"
    )
    assert token not in done.stdout
    assert token not in done.stderr


def test_a_huge_dotenv_is_masked_whole(machine: Machine) -> None:
    """Promise 2: five hundred values, a line of 100 KB, quotes, several lines, Windows ends, no newline at the end."""
    values = [fake("", 24) for _ in range(500)]
    lines = [f"SECRET_{number}={value}" for number, value in enumerate(values)]
    long = fake("", 100_000)
    text = "\r\n".join(
        [*lines, f"LONG_SECRET={long}", f'MULTI="{private_key()}"', f"export LAST_TOKEN='{machine.planted['odd']}'"]
    )
    (machine.workspace / ".env.huge").write_text(text, newline="")
    seen = machine.seen("cat .env.huge; wc -l .env.huge; echo ADDED=1 >> .env.huge")
    assert not [value for value in values if value in seen]
    assert long[:100] not in seen
    assert not machine.leaks(seen)
    assert (machine.workspace / ".env.huge").read_bytes() == text.encode() + b"ADDED=1\n"


def test_the_log_holds_no_secret_and_verifies(anyones: Machine) -> None:
    """Promise 4: not in arguments, output, file names' events, plan or placeholders; at rest nothing is readable."""
    (anyones.workspace / "id_rsa").write_text((anyones.home / ".ssh/id_ed25519").read_text())
    anyones.give()
    github = anyones.planted["github"]
    script = f"echo {github}; cat .env; env; cat id_rsa; echo {github} > made; curl -s -H 'x: {github}' http://{github}.example.com/"
    done = anyones.inside(script)
    log = anyones.log()
    assert not anyones.leaks(log, done.stdout, done.stderr)
    for kind in ("start", "output", "redacted", "file", "connection", "end"):
        assert f'"type": "{kind}"' in log
    assert anyones.host("safe-agent", "audit", "verify").returncode == 0
    (session,) = anyones.sessions()
    raw = b"".join(path.read_bytes() for path in session.rglob("*") if path.is_file())
    assert not anyones.leaks(raw)
    assert b"app.py" not in raw
    assert b"sh" + b" -c" not in raw
    assert not list(session.glob("view"))


def test_what_explain_says_is_what_happens(machine: Machine) -> None:
    """Promise 5: the plan is shown before anything runs, and holds no secret."""
    done = machine.host("safe-agent", "explain")
    assert done.returncode == 0
    assert not machine.leaks(done.stdout, machine.host("safe-agent", "explain", "--json").stdout)
    assert ".env" in done.stdout
    assert machine.sessions() == []


def test_the_home_inside_is_private_and_gone_afterwards(machine: Machine) -> None:
    seen = machine.seen("touch ~/x ~/.bashrc /tmp/y /var/tmp/z; ls -A ~ /tmp")
    assert "x" in seen.split()
    assert not (machine.home / ".bashrc").exists()
    assert not (machine.home / "x").exists()
    assert "x" not in machine.seen("ls -A ~ /tmp /var/tmp").splitlines()
