"""What the inside reads, whichever adapter shows the workspace: promise 2."""

import json
import os
import re
import secrets

from tests.machine import Machine, fake, private_key

_SIZES = "stat -c 'size %s' .env; ls -l .env; wc -c < .env; cat .env | wc -c; python3 -c 'import os; print(os.stat(\".env\").st_size)'"


def test_a_masked_file_has_the_size_of_what_it_shows(anyones_shown: Machine) -> None:
    """Promise 2: the length of a secret is told by no size; whatever reads the file finds its end where it is."""
    env = anyones_shown.workspace / ".env"
    seen = anyones_shown.seen(f"cat .env; {_SIZES}")
    assert not anyones_shown.leaks(seen)
    text = seen[: seen.index("size ")]
    numbers = {int(word) for word in re.findall(r"\b\d{3}\b", seen[len(text) :].replace(env.name, ""))}
    assert len(text) in numbers
    assert env.stat().st_size not in numbers - {len(text)}
    for line, shown in zip(env.read_text().splitlines(), text.splitlines(), strict=True):
        assert shown.partition("=")[0] == line.partition("=")[0]
        assert ("MASKED-" in shown) == any(value in line for value in anyones_shown.planted.values())


def test_every_way_of_reading_shows_the_same(shown: Machine) -> None:
    """Promise 2: by parts, from the end, mapped, sent, spliced, through a descriptor's own path."""
    code = (
        "import mmap, os\n"
        "size = os.stat('.env').st_size\n"
        "at = os.open('.env', os.O_RDONLY)\n"
        "ways = [b''.join(os.pread(at, 7, part) for part in range(0, size, 7))]\n"
        "ways.append(os.pread(at, 1 << 20, 0))\n"
        "ways.append(mmap.mmap(at, 0, prot=mmap.PROT_READ)[:])\n"
        "ways.append(mmap.mmap(at, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)[:])\n"
        "out = os.memfd_create('x'); os.sendfile(out, at, 0, 1 << 20); ways.append(os.pread(out, 1 << 20, 0))\n"
        "out = os.memfd_create('x'); os.lseek(at, 0, 0)\n"
        "r, w = os.pipe(); os.splice(at, w, 1 << 16, offset_src=0); ways.append(os.read(r, 1 << 20))\n"
        "ways.append(open(f'/proc/self/fd/{at}', 'rb').read())\n"
        "ways.append(open(os.getcwd() + '/./.git/../.env', 'rb').read())\n"
        "os.lseek(at, -20, 2); ways.append(ways[0][:-20] + os.read(at, 99))\n"
        "print(ways[0].decode(), len(set(ways)), len(ways))\n"
    )
    (shown.workspace / "read.py").write_text(code)
    seen = shown.seen("python3 read.py")
    assert not shown.leaks(seen)
    assert "STRIPE_KEY=MASKED-" in seen
    assert seen.split()[-2:] == ["1", "9"]


def test_files_of_every_kind_are_masked_and_keep_their_form(shown: Machine) -> None:
    """Promise 2: PEM, JSON, a known value in a source file, a token far down in a long one; no binary that holds a value."""
    token, known = fake("sk" + "_live_", 24), shown.planted["odd"]
    shown.planted |= {"token": token, "key": (key := private_key()).splitlines()[3]}
    document = {"user": "me", "password": shown.planted["database"], "n": [1, {"token": None}]}
    files = {
        "bundle.txt": f"before\n{key}after\n",
        "credentials.json": json.dumps(document, indent=1),
        "notes.md": f"the key is {known}, keep it\n",
        "long.txt": "nothing here\n" * 60_000 + f"token={token}\n" + "nor here\n" * 10_000,
    }
    for name, text in files.items():
        (shown.workspace / name).write_text(text)
    (shown.workspace / "data.bin").write_bytes(b"\0\1\2" * 100 + known.encode() + secrets.token_bytes(5000))
    seen = shown.seen(
        "cat bundle.txt notes.md; grep -v nothing long.txt | head -3; python3 -m json.tool credentials.json; "
        "wc -l long.txt; strings data.bin; cat data.bin"
    )
    assert not shown.leaks(seen)
    assert "before\n-----BEGIN OPENSSH PRIVATE KEY-----" in seen
    assert "the key is MASKED-" in seen
    assert "token=MASKED-STRIPE" in seen
    assert '"user": "me"' in seen
    assert '"token": null' in seen
    assert "70001 long.txt" in seen
    assert "data.bin: Permission denied" in seen


def test_what_is_denied_or_hidden_is_read_by_no_way(anyones_shown: Machine) -> None:
    """Promise 2: key stores that git tracks or not, a file and a folder that policy denies, one that it hides."""
    work, key = anyones_shown.workspace, private_key()
    marks = {name: fake("mark", 12) for name in ("deep", "file", "hidden", "ring")}
    anyones_shown.planted |= marks | {"key": key.splitlines()[3]}
    anyones_shown.show_by(anyones_shown.view, 'deny = ["training/", "*.weights"]', 'hide = ["plans.txt"]')
    for name, text in {
        "id_rsa": key,
        "server.key": key,
        "training/a/b.txt": marks["deep"],
        "m.weights": marks["file"],
        "plans.txt": marks["hidden"],
        "conf/.ssh/config.d/x": marks["ring"],
    }.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    anyones_shown.give()
    anyones_shown.git("add", "-f", "id_rsa")
    names = "id_rsa server.key m.weights plans.txt training/a/b.txt conf/.ssh/config.d/x"
    seen = anyones_shown.seen(
        f"cat {names}; for f in {names}; do head -c 5 $f; dd if=$f; cp $f copy; ln $f link; mv $f moved; cat copy link moved; "
        "done; grep -r mark . ; tar cf - . | tr -d '\\000'; chmod -R 777 .; find . -type f ! -path './.git/*' -exec cat {} +; "
        "cp -r training t2; mv training t3; find . -name b.txt -exec cat {} +"
    )
    assert not anyones_shown.leaks(seen)
    assert "Permission denied" in seen
    for name, text in (
        ("id_rsa", key),
        ("server.key", key),
        ("m.weights", marks["file"]),
        ("plans.txt", marks["hidden"]),
    ):
        assert (work / name).read_text() == text, f"{name} was changed through its closed name"
    assert (work / "conf/.ssh/config.d/x").read_text() == marks["ring"]


def test_links_show_what_their_target_shows_and_lead_nowhere_else(anyones_shown: Machine) -> None:
    """Promise 2: links and hard links to masked files, links out of the workspace, links with a name of their own."""
    work = anyones_shown.workspace
    plain = fake("", 14)
    anyones_shown.planted["plain"] = plain
    (work / "settings.txt").write_text(f"PASSWORD={plain}\n")
    for name, target in {
        "link": ".env",
        "absolute": str(work / ".env"),
        ".env.local": "settings.txt",
        "out": str(anyones_shown.home / ".ssh/id_ed25519"),
        "up": "../home/.aws/credentials",
        "folder": str(anyones_shown.home),
        "loop": "loop",
    }.items():
        (work / name).symlink_to(target)
    (work / "hard").hardlink_to(work / ".env")
    anyones_shown.give()
    seen = anyones_shown.seen(
        "cat link absolute hard; echo --; cat .env.local settings.txt; echo --; cat out up folder/.ssh/id_ed25519 loop; "
        "ln -s .env own; cat own; readlink link out"
    )
    assert not anyones_shown.leaks(seen)
    masked, named, rest = seen.split("--\n")
    assert masked.count("STRIPE_KEY=MASKED-") == 3
    assert named.count("PASSWORD=MASKED-") == 2, "a link's own name says what its target is"
    assert rest.count("No such file") == 3
    assert ".env\n" in rest


def test_names_that_are_no_text_are_masked_as_others(shown: Machine) -> None:
    """Promise 2: in no encoding, with a newline, with control codes, as long as a name can be."""
    names = [b"\xff\xfe", b"new\nline", b"\x1b[31m", b"-rf", "ü".encode() * 127]
    files = {shown.workspace / os.fsdecode(name) / ".env": fake("", 24) for name in names}
    for file, value in files.items():
        file.parent.mkdir()
        file.write_text(f"PASSWORD={value}\n")
    seen = shown.seen('cat ./*/.env; for f in ./*/.env; do echo PORT=1 >> "$f"; cp "$f" "${f%.env}copy"; done')
    assert not [value for value in files.values() if value in seen]
    assert seen.count("PASSWORD=MASKED-") == len(files)
    for file, value in files.items():
        for path in (file, file.with_name("copy")):
            assert path.read_text() == f"PASSWORD={value}\nPORT=1\n"


def test_a_large_file_is_read_as_it_is(shown: Machine) -> None:
    """What is no secret passes: 40 MB of random bytes, byte for byte, whole and in its middle."""
    data = secrets.token_bytes(40 << 20)
    (shown.workspace / "large.bin").write_bytes(data)
    import hashlib

    done = shown.inside("sha256sum < large.bin; dd if=large.bin bs=1000 skip=20000 count=3 2>/dev/null | sha256sum")
    middle = data[20_000_000:20_003_000]
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        hashlib.sha256(part).hexdigest() for part in (data, middle)
    ]


def test_the_log_says_how_the_workspace_was_shown(anyones_shown: Machine) -> None:
    """Promise 5: whoever reads the log knows which promises held."""
    anyones_shown.inside("true").check_returncode()
    (start,) = (json.loads(line) for line in anyones_shown.log().splitlines() if '"type": "start"' in line)
    kind = {"fuse": "fuse", "binds": "binds: policy `files.view`"}[anyones_shown.view]
    assert start["view"] == kind
