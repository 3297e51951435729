"""Everything in a workspace that must not be seen as it is gets a verdict, and nothing else does."""

import hashlib
import json
import os
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from redactors.finding import Finding
from redactors.loading import load
from redactors.vault import Origin, Vault
from tests.plan.bench import Bench, secret
from wrapper.plan import contents
from wrapper.plan.inventory import Inventory, rescan, take_inventory


def pem() -> str:
    body = "\n".join(secret(62) for _ in range(8))
    return f"-----BEGIN RSA PRIVATE {'KEY'}-----\n{body}\n-----END RSA PRIVATE {'KEY'}-----\n"


def token() -> str:
    """Make a token that its issuer's rule alone is certain of."""
    return f"AGE-SECRET-{'KEY'}-1" + "".join(random.SystemRandom().choices("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", k=58))


@pytest.fixture
def bench(tmp_path: Path, engine_cache: Path) -> Bench:
    return Bench(tmp_path.resolve(), engine_cache)


def age(bench: Bench) -> None:
    """Let everything written so far grow too old to be racy."""
    newest = max((path.lstat().st_ctime_ns for path in bench.workspace.rglob("*")), default=0)
    while time.time_ns() < newest + 60_000_000:
        time.sleep(0.01)


def modes(inventory: Inventory) -> dict[str, str]:
    return {verdict.path: verdict.mode for verdict in inventory.files}


# names


def test_a_dotenv_file_is_masked_whole_and_its_values_are_known(bench: Bench) -> None:
    value = secret()
    bench.write("app/.env", f"DEBUG=true\nDB_PASSWORD={value}\n")
    found = bench.take()
    assert modes(found) == {"app/.env": "mask"}
    assert found.files[0].whole
    assert ".env" in found.files[0].reason
    assert found.files[0].kinds
    assert bench.knows(value)


def test_ordinary_files_get_no_verdict(bench: Bench) -> None:
    bench.write("src/main.py", "import os\nprint(os.environ['HOME'])\n")
    bench.write("README.md", "# hello\nSet API_KEY=your-key-here\n")
    bench.write("empty", "")
    found = bench.take()
    assert found.files == ()
    assert found.counts.files == 3


def test_a_file_that_policy_passes_is_left_alone_whatever_is_in_it(bench: Bench) -> None:
    bench.text = '[files]\npass = ["fixtures/**"]'
    bench.write("fixtures/key.txt", token())
    bench.write("fixtures/.env", f"A_SECRET={secret()}\n")
    assert bench.take().files == ()


def test_deny_and_hide_are_taken_from_policy(bench: Bench) -> None:
    bench.text = '[files]\ndeny = ["notes.txt"]\nhide = ["*.sqlite"]'
    bench.write("notes.txt", "x")
    bench.write("db/app.sqlite", "x")
    found = bench.take()
    assert modes(found) == {"notes.txt": "deny", "db/app.sqlite": "hide"}
    assert 'deny "notes.txt"' in found.by_path["notes.txt"].reason


def test_a_key_store_is_denied_if_git_tracks_it_and_hidden_if_not(bench: Bench) -> None:
    bench.write("in/server.key", pem())
    bench.write("out/server.key", pem())
    bench.git("init", "-q")
    bench.git("add", "in")
    found = bench.take()
    assert modes(found) == {"in/server.key": "deny", "out/server.key": "hide"}


def test_a_key_store_in_a_nested_repository_is_asked_of_that_repository(bench: Bench) -> None:
    key = bench.write("sub/server.key", pem())
    bench.git("init", "-q")
    bench.git("-C", "sub", "init", "-q")
    bench.git("-C", "sub", "add", key.name)
    assert modes(bench.take()) == {"sub/server.key": "deny"}


def test_a_key_store_outside_of_git_is_hidden_and_its_key_is_known(bench: Bench) -> None:
    key = pem()
    bench.write("server.key", key)
    assert modes(bench.take()) == {"server.key": "hide"}
    assert bench.engine.known is not None
    assert bench.engine.known.find(key.encode())


def test_a_key_store_is_denied_where_the_index_cannot_be_read(bench: Bench) -> None:
    bench.write("server.key", "x")
    bench.git("init", "-q")
    bench.write(".git/index", b"DIRC" + b"\xff" * 99)
    assert modes(bench.take()) == {"server.key": "deny"}


def test_a_closed_folder_is_one_verdict_for_all_beneath(bench: Bench) -> None:
    bench.text = '[files]\ndeny = ["training/**"]\nhide = ["private/"]'
    for name in ("a", "b", "deep/c"):
        bench.write(f"training/{name}", "x")
        bench.write(f"private/{name}", "x")
    found = bench.take()
    assert modes(found) == {"training": "deny", "private": "hide"}
    assert all(verdict.folder for verdict in found.files)


def test_a_closed_folder_in_which_policy_opens_something_is_closed_file_by_file(bench: Bench) -> None:
    bench.text = '[files]\ndeny = ["training/**", "!training/README.md"]'
    for name in ("a", "README.md", "deep/c"):
        bench.write(f"training/{name}", "x")
    assert modes(bench.take()) == {"training/a": "deny", "training/deep": "deny"}


def test_the_values_in_a_closed_folder_are_known(bench: Bench) -> None:
    bench.text = '[files]\ndeny = ["training/**"]'
    value = token()
    bench.write("training/notes.txt", f"key {value}\n")
    bench.take()
    assert bench.knows(value)


def test_a_forgotten_dotenv_in_a_folder_that_is_not_scanned_is_masked(bench: Bench) -> None:
    value = secret()
    bench.write("node_modules/thing/.env", f"A_SECRET={value}\n")
    bench.write("node_modules/thing/code.js", f"const key = '{token()}'\n")
    for _ in range(2):
        age(bench)
        found = bench.take()
        assert modes(found) == {"node_modules/thing/.env": "mask"}
        assert bench.knows(value)
    bench.write("node_modules/thing/lib/.env", f"B_SECRET={secret()}\n")
    assert "node_modules/thing/lib/.env" in modes(bench.take())


# contents


def test_a_certain_finding_masks_and_a_likely_one_does_not(bench: Bench) -> None:
    bench.write("config.py", f'KEY = "{token()}"\n')
    bench.write("maybe.py", f'password = "{secret(18)}"\n')
    found = bench.take()
    assert modes(found) == {"config.py": "mask"}
    assert not found.files[0].whole
    assert found.counts.likely == 1


def test_a_value_known_from_the_environment_is_certain(bench: Bench) -> None:
    value = secret()
    bench.outside = [value]
    bench.write("script.sh", f"curl -H 'x: {value}'\n")
    assert modes(bench.take()) == {"script.sh": "mask"}


def test_a_value_known_from_a_dotenv_is_certain_in_other_files(bench: Bench) -> None:
    value = secret()
    bench.write("z/.env", f"A_PASSWORD={value}\n")
    bench.write("a.txt", f"it is {value}\n")
    assert modes(bench.take()) == {"a.txt": "mask", "z/.env": "mask"}


def test_what_the_inside_sees_holds_no_value_and_keeps_the_rest(bench: Bench) -> None:
    value = token()
    file = bench.write("config.py", f'A = 1\nKEY = "{value}"\nB = 2\n')
    found = bench.take()
    shown = found.judge.mask_file(found.by_path["config.py"], file.read_bytes())
    assert value.encode() not in shown
    assert shown.startswith(b'A = 1\nKEY = "')
    assert shown.endswith(b'"\nB = 2\n')
    assert bench.engine.vault.restore(shown, to=Origin.OUTSIDE) == file.read_bytes()


def test_a_file_that_may_not_be_opened_has_no_content_for_the_inside(bench: Bench) -> None:
    bench.text = '[files]\ndeny = ["x"]'
    bench.write("x", "x")
    found = bench.take()
    with pytest.raises(ValueError, match="not shown"):
        found.judge.mask_file(found.by_path["x"], b"x")


def test_a_remark_beside_a_token_lets_it_be_seen(bench: Bench) -> None:
    bench.write("fixture.py", f'KEY = "{token()}"  # pragma: allowlist secret\n')
    bench.write("other.py", f'KEY = "{token()}"\n')
    for _ in range(2):
        age(bench)
        assert modes(bench.take()) == {"other.py": "mask"}


def test_a_remark_does_not_free_a_value_that_is_known(bench: Bench) -> None:
    value = token()
    bench.outside = [value]
    bench.write("fixture.py", f'KEY = "{value}"  # pragma: allowlist secret\n')
    assert modes(bench.take()) == {"fixture.py": "mask"}


def test_what_a_baseline_has_audited_as_harmless_is_seen_and_a_new_baseline_is_noticed(bench: Bench) -> None:
    value = token()
    bench.write("fixture.py", f'KEY = "{value}"\n')
    bench.write(".secrets.baseline", "no json")
    age(bench)
    assert modes(bench.take()) == {"fixture.py": "mask"}
    digest = hashlib.sha1(value.encode(), usedforsecurity=False).hexdigest()
    entry = {"hashed_secret": digest, "is_secret": False}
    bench.write(".secrets.baseline", json.dumps({"results": {"fixture.py": [entry]}}))
    found = bench.take()
    assert found.files == ()
    assert not bench.knows(value)


def test_the_values_of_a_dotenv_that_policy_denies_are_known(bench: Bench) -> None:
    value = secret(20)
    bench.text = '[files]\ndeny = [".env.production"]'
    bench.write(".env.production", f"SOMETHING={value}\n")
    assert modes(bench.take()) == {".env.production": "deny"}
    assert bench.knows(value)


def test_a_binary_that_holds_a_known_value_is_denied_not_broken(bench: Bench) -> None:
    value = secret()
    bench.outside = [value]
    bench.write("app.db", b"\0\1\2" * 99 + value.encode() + b"\0" * 99)
    bench.write("clean.db", b"\0\1\2" * 99)
    assert modes(bench.take()) == {"app.db": "deny"}


def test_a_private_key_in_a_binary_is_found_and_a_mere_begin_line_is_not(bench: Bench) -> None:
    bench.write("bundle", b"\0\0" + pem().encode() + b"\0")
    bench.write("program", b"\0\0-----BEGIN RSA PRIVATE " + b"KEY-----\0-----END RSA PRIVATE " + b"KEY-----\0")
    assert modes(bench.take()) == {"bundle": "deny"}


def test_text_in_utf16_is_read_as_text(bench: Bench) -> None:
    bench.write("notes.txt", f"the key: {token()}\r\n".encode("utf-16"))
    assert modes(bench.take()) == {"notes.txt": "deny"}


def test_a_secret_behind_the_scan_limit_is_found_also_across_a_window_border(bench: Bench) -> None:
    value = token()
    line = "just a line of a log that says nothing at all\n"
    border = (1 << 20) - 30
    filler = (line * (border // len(line) + 1))[:border]
    bench.write("big.log", f"{filler}\n{value}\n{line * 50_000}")
    assert modes(bench.take()) == {"big.log": "mask"}


def test_a_file_too_large_to_be_masked_is_denied_if_it_holds_a_secret(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "MOST_BYTES", 4096)
    bench.write("dump.sql", f"{token()}\n" + "x = 1\n" * 2000)
    assert modes(bench.take()) == {"dump.sql": "deny"}


def test_the_scan_can_be_turned_off_names_still_count(bench: Bench) -> None:
    bench.text = "[files.scan]\nenabled = false"
    bench.write("config.py", f'KEY = "{token()}"\n')
    bench.write(".env", f"A_SECRET={secret()}\n")
    assert modes(bench.take()) == {".env": "mask"}


def test_the_address_with_a_token_in_gits_config_is_masked(bench: Bench) -> None:
    bench.git("init", "-q")
    value = secret()
    bench.outside = [value]
    bench.git("remote", "add", "origin", f"https://u:{value}@forge.example/x.git")
    assert modes(bench.take()) == {".git/config": "mask"}


# links


def test_a_link_out_of_the_workspace_is_not_followed(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/config.py").write_text(token())
    (bench.workspace / "door").symlink_to(tmp_path / "elsewhere")
    (bench.workspace / "file").symlink_to(tmp_path / "elsewhere/config.py")
    assert bench.take().files == ()


def test_what_a_link_with_a_secret_name_leads_to_is_masked(bench: Bench) -> None:
    value = secret()
    bench.write("conf/dev.settings", f"DB_PASSWORD={value}\n")
    (bench.workspace / ".env").symlink_to("conf/dev.settings")
    found = bench.take()
    assert modes(found) == {"conf/dev.settings": "mask"}
    assert found.files[0].whole
    assert found.judge.judge("conf/dev.settings") is not None


def test_the_values_behind_a_secret_link_that_leads_outside_are_known(bench: Bench, tmp_path: Path) -> None:
    value = secret()
    (tmp_path / "real.env").write_text(f"DB_PASSWORD={value}\n")
    (bench.workspace / ".env").symlink_to(tmp_path / "real.env")
    assert bench.take().files == ()
    assert bench.knows(value)


def test_a_folder_under_another_name_is_judged_by_that_name_too(bench: Bench) -> None:
    bench.write("conf/cloud/credentials", f"[default]\naws_secret_access_key = {secret(36)}\n")
    (bench.workspace / ".aws").symlink_to("conf/cloud")
    assert modes(bench.take()) == {"conf/cloud/credentials": "mask"}


def test_links_in_circles_and_to_nowhere_are_harmless(bench: Bench) -> None:
    (bench.workspace / "a").symlink_to("b")
    (bench.workspace / "b").symlink_to("a")
    (bench.workspace / "up").symlink_to(".")
    (bench.workspace / ".env").symlink_to("gone")
    assert bench.take().files == ()


def test_each_name_of_a_masked_file_is_masked(bench: Bench) -> None:
    file = bench.write("deep/.env", f"A_SECRET={secret()}\n")
    os.link(file, bench.workspace / "innocent.txt")
    for _ in range(2):
        age(bench)
        found = bench.take()
        assert modes(found) == {"deep/.env": "mask", "innocent.txt": "mask"}
        assert found.by_path["innocent.txt"].whole
    verdict = found.judge.judge("innocent.txt")
    assert verdict is not None
    assert verdict.whole


def test_the_strictest_verdict_counts_for_all_names(bench: Bench) -> None:
    file = bench.write(".env", f"A_SECRET={secret()}\n")
    os.link(file, bench.workspace / "a.key")
    assert set(modes(bench.take()).values()) == {"hide"}


def test_another_name_in_a_folder_that_is_not_scanned_is_masked(bench: Bench) -> None:
    file = bench.write(".env", f"A_SECRET={secret()}\n")
    (bench.workspace / "node_modules/x").mkdir(parents=True)
    os.link(file, bench.workspace / "node_modules/x/data")
    assert modes(bench.take()) == {".env": "mask", "node_modules/x/data": "mask"}


def test_another_name_of_a_masked_file_in_an_unscanned_folder_is_masked(bench: Bench) -> None:
    file = bench.write("node_modules/x/.env", f"A_SECRET={secret()}\n")
    os.link(file, bench.workspace / "data")
    assert modes(bench.take()) == {"data": "mask", "node_modules/x/.env": "mask"}


def test_pipes_sockets_and_devices_are_hidden_and_never_opened(bench: Bench) -> None:
    os.mkfifo(bench.workspace / ".env")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(bench.workspace / "agent.sock"))
    try:
        assert modes(bench.take()) == {".env": "hide", "agent.sock": "hide"}
    finally:
        listener.close()


# protected paths


def test_existing_protected_paths_are_listed_a_folder_as_a_whole(bench: Bench) -> None:
    bench.git("init", "-q")
    bench.write(".git/hooks/pre-commit.sample", "x")
    bench.write(".envrc", "x")
    bench.write("sub/.vscode/tasks.json", "{}")
    bench.write("sub/.vscode/other.json", "{}")
    protected = bench.take().protected
    assert ".git/hooks/" in protected
    assert ".git/config" in protected
    assert ".envrc" in protected
    assert "sub/.vscode/tasks.json" in protected
    assert "sub/.vscode/other.json" not in protected
    assert not any(path.startswith(".git/hooks/") and path != ".git/hooks/" for path in protected)


# the cache


def test_a_second_start_reads_nothing_and_says_the_same(bench: Bench) -> None:
    for n in range(30):
        bench.write(f"d{n % 3}/f{n}.py", f"print({n})\n")
    bench.write("config.py", f'KEY = "{token()}"\n')
    bench.write(".env", f"A_SECRET={secret()}\n")
    age(bench)
    first, second = bench.take(), bench.take()
    assert first.counts.scanned == 31
    assert second.counts.scanned == 0
    assert second.files == first.files
    assert second.protected == first.protected
    assert "store" not in second.seconds


def write_in_place(file: Path, text: str) -> None:
    file.write_text(text)


def replace_by_rename(file: Path, text: str) -> None:
    file.with_name("new").write_text(text)
    file.with_name("new").replace(file)


def write_with_its_old_time(file: Path, text: str) -> None:
    file.write_text(text)
    os.utime(file, (1, 1))


@pytest.mark.parametrize("change", [write_in_place, replace_by_rename, write_with_its_old_time])
def test_a_changed_file_is_read_again(bench: Bench, change: Callable[[Path, str], None]) -> None:
    file = bench.write("config.py", "x" * 75)
    os.utime(file, (1, 1))
    age(bench)
    assert bench.take().files == ()
    change(file, token().ljust(75)[:75])
    assert modes(bench.take()) == {"config.py": "mask"}


def test_a_change_within_one_tick_of_the_clock_is_not_missed(bench: Bench) -> None:
    """A file scanned right after it was written may change again without its ctime showing it."""
    file = bench.write("config.py", "x" * 75)
    assert bench.take().files == ()
    file.write_bytes(token().ljust(75)[:75].encode())
    assert modes(bench.take()) == {"config.py": "mask"}


def test_new_and_removed_files_and_folders_are_noticed(bench: Bench) -> None:
    bench.write("a/old.py", f'KEY = "{token()}"\n')
    bench.write("a/keep.py", "x = 1\n")
    age(bench)
    assert modes(bench.take()) == {"a/old.py": "mask"}
    (bench.workspace / "a/old.py").unlink()
    bench.write("b/c/new.py", f'KEY = "{token()}"\n')
    age(bench)
    found = bench.take()
    assert modes(found) == {"b/c/new.py": "mask"}
    assert found.counts.scanned == 1
    assert bench.take().counts.scanned == 0


def test_a_new_known_value_is_searched_for_in_files_that_the_cache_called_clean(bench: Bench) -> None:
    value = secret()
    bench.write("notes.txt", f"remember {value}\n")
    bench.write("other.txt", "x\n")
    age(bench)
    assert bench.take().files == ()
    bench.outside = [value]
    assert modes(bench.take()) == {"notes.txt": "mask"}
    assert modes(bench.take()) == {"notes.txt": "mask"}
    assert bench.take().counts.scanned == 0
    bench.outside = []
    assert bench.take().files == ()


def test_another_policy_does_not_believe_the_cache(bench: Bench) -> None:
    bench.write("notes.txt", "x\n")
    age(bench)
    assert bench.take().files == ()
    bench.text = '[files]\ndeny = ["notes.txt"]'
    assert modes(bench.take()) == {"notes.txt": "deny"}


def test_a_corrupt_cache_costs_a_scan_and_nothing_else(bench: Bench) -> None:
    bench.write("config.py", f'KEY = "{token()}"\n')
    age(bench)
    first = bench.take()
    cache = next((bench.cache / "scans").iterdir())
    cache.write_bytes(cache.read_bytes()[:-5] + b"wrong")
    second = bench.take()
    assert second.counts.scanned == 1
    assert second.files == first.files


def test_a_cache_that_cannot_be_written_is_no_error(bench: Bench) -> None:
    bench.write("config.py", f'KEY = "{token()}"\n')
    (bench.cache / "scans").write_text("in the way")
    assert modes(bench.take()) == {"config.py": "mask"}


def test_the_cache_holds_no_secret(bench: Bench) -> None:
    values = [secret(), token(), secret()]
    bench.outside = [values[2]]
    bench.write(".env", f"A_SECRET={values[0]}\n")
    bench.write("config.py", f'KEY = "{values[1]}" # {values[2]}\n')
    bench.take()
    for file in (bench.cache / "scans").iterdir():
        content = file.read_bytes()
        assert not any(value.encode() in content for value in values)


# the whole


def test_many_files_on_two_processors_get_the_same_verdicts_as_on_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {}
    for n in range(400):
        bad = n % 50 == 0
        bench.write(f"d{n % 7}/f{n}.py", (token() if bad else "line of code\n" * 300) + "\n")
        if bad:
            expected[f"d{n % 7}/f{n}.py"] = "mask"
    assert modes(bench.take()) == expected
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    for file in (bench.cache / "scans").iterdir():
        file.unlink()
    assert modes(bench.take()) == expected


def test_the_share_of_a_worker_that_dies_is_scanned_all_the_same(tmp_path: Path) -> None:
    paths = []
    for n in range(300):
        paths.append(str(tmp_path / str(n)))
        Path(paths[-1]).write_text("x" * 5000)
    parent = os.getpid()

    def scan(path: str) -> int:
        if os.getpid() != parent:
            os._exit(3)
        return int(Path(path).name)

    assert contents.scan_all(paths, [5000] * 300, scan) == list(range(300))


def test_windows_cover_everything_and_overlap() -> None:
    data = os.urandom(3 << 20)
    pieces = list(contents.windows(data))
    at = 0
    for piece in pieces:
        place = data.index(piece)
        assert place <= at
        at = place + len(piece)
    assert at == len(data)


def test_files_that_cannot_be_read_are_noted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write("locked.txt", "x" * 40)
    bench.write("open.txt", "y" * 40)
    original = os.open

    def refuse(path: str, flags: int, *rest: int, **more: int) -> int:
        if str(path).endswith("locked.txt"):
            raise PermissionError(13, "permission denied")
        return original(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    assert bench.take().unreadable == ("locked.txt",)


def test_names_that_are_not_utf8_are_judged_and_cached(bench: Bench) -> None:
    name = os.fsdecode(b"caf\xe9.py")
    bench.write(name, f'KEY = "{token()}"\n')
    age(bench)
    assert modes(bench.take()) == {name: "mask"}
    found = bench.take()
    assert modes(found) == {name: "mask"}
    assert found.counts.scanned == 0


# HOME, and the watcher


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (".aws/credentials", "[default]\naws_access_key_id = AKIAQ{0:.0}\naws_secret_access_key = {0}\n"),
        (".netrc", "machine forge.example login me password {0}\n"),
        (".npmrc", "//npm.example/:_authToken={0}\n"),
        (".pypirc", "[pypi]\nusername = __token__\npassword = {0}\n"),
        (".config/gh/hosts.yml", "forge.example:\n    oauth_token: {0}\n    user: me\n"),
        (".git-credentials", "https://me:{0}@forge.example\n"),
        (".cargo/credentials.toml", '[registry]\ntoken = "{0}"\n'),
        (
            ".config/gcloud/application_default_credentials.json",
            '{{"client_secret": "{0}", "type": "authorized_user"}}',
        ),
    ],
)
def test_credentials_of_home_are_known_and_no_part_of_the_verdicts(bench: Bench, path: str, content: str) -> None:
    value = secret(38)
    file = bench.home / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content.format(value))
    found = bench.take()
    assert found.files == ()
    assert found.learned == (path,)
    assert bench.knows(value)


def test_a_private_key_of_home_is_known_and_its_public_half_is_not_read(bench: Bench) -> None:
    key = pem()
    (bench.home / ".ssh").mkdir()
    (bench.home / ".ssh/id_rsa").write_text(key)
    (bench.home / ".ssh/id_rsa.pub").write_text("ssh-rsa AAAA me\n")
    assert bench.take().learned == (".ssh/id_rsa",)
    assert bench.engine.known is not None
    assert bench.engine.known.find(key.encode())


def test_a_credential_file_of_home_that_is_a_link_or_a_pipe(bench: Bench, tmp_path: Path) -> None:
    value = secret()
    (tmp_path / "dotfiles-netrc").write_text(f"machine x.example login me password {value}\n")
    (bench.home / ".netrc").symlink_to(tmp_path / "dotfiles-netrc")
    os.mkfifo(bench.home / ".npmrc")
    assert bench.take().learned == (".netrc",)
    assert bench.knows(value)


def test_a_changed_file_is_judged_as_the_inventory_would(bench: Bench) -> None:
    bench.write("config.py", "x = 1\n")
    bench.write("node_modules/x/a.js", "x\n")
    found = bench.take()
    value = token()
    bench.write("config.py", f'KEY = "{value}"\n')
    bench.write("sub/.env", f"A_SECRET={secret()}\n")
    bench.write("node_modules/x/a.js", value)
    verdicts = rescan(found.judge, ["config.py", "sub/.env", "gone.py", "node_modules/x/a.js", "sub"])
    assert {path: verdict and verdict.mode for path, verdict in verdicts.items()} == {
        "config.py": "mask",
        "sub/.env": "mask",
        "gone.py": None,
        "node_modules/x/a.js": None,
        "sub": None,
    }
    assert bench.knows(value)
    again = bench.take()
    assert [verdicts["config.py"], verdicts["sub/.env"]] == list(again.files)


def test_a_path_below_a_closed_folder_is_judged_closed(bench: Bench) -> None:
    bench.text = '[files]\ndeny = ["training/**"]'
    bench.write("training/a", "x")
    found = bench.take()
    bench.write("training/new/b", "x")
    assert modes(found) == {"training": "deny"}
    verdict = found.judge.judge("training/new/b")
    assert verdict is not None
    assert verdict.mode == "deny"


def test_an_engine_that_cannot_learn_is_refused(bench: Bench, engine_cache: Path) -> None:
    found = bench.take()
    engine = load(Vault(bytes(32)), cache_dir=engine_cache)
    with pytest.raises(ValueError, match="known values"):
        take_inventory(bench.workspace, policy=found.judge.policy, engine=engine, cache=bench.cache, home=bench.home)


def test_the_layout_of_git_is_given(bench: Bench) -> None:
    assert bench.take().git is None
    bench.git("init", "-q")
    layout = bench.take().git
    assert layout is not None
    assert layout.git_dir == bench.workspace / ".git"


def test_findings_of_a_scan_do_not_depend_on_reading_in_windows() -> None:
    def find(data: bytes) -> list[Finding]:
        return []

    assert contents.scan(b"x" * 100, 10, find, find) == contents.scan(b"x" * 100, 1000, find, find) == 0
