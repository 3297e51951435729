"""Where the values of secrets come from."""

import json
import os
import resource
from pathlib import Path

import pytest

from wrapper.policy.egress import Source
from wrapper.sources import Sources


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources({"PATH": os.defpath, "TOKEN": " s3cret-value \n", "EMPTY": ""}, tmp_path)


def read(sources: Sources, text: str) -> tuple[bytes, str]:
    kind, _, rest = text.partition(":")
    value = sources.read(Source(kind, rest))
    return value.value, value.why


def test_a_variable_gives_its_value_without_white_space(sources: Sources) -> None:
    assert read(sources, "env:TOKEN") == (b"s3cret-value", "")


@pytest.mark.parametrize("name", ["NOT_THERE", "EMPTY"])
def test_a_variable_that_is_not_set_says_so(sources: Sources, name: str) -> None:
    assert read(sources, f"env:{name}") == (b"", f"the variable {name} is not set")


def test_a_file_gives_all_it_holds(sources: Sources) -> None:
    (sources.home / "key").write_bytes(b"line one\nline two\n")
    assert read(sources, "file:~/key") == (b"line one\nline two", "")
    assert read(sources, f"file:{sources.home}/key") == (b"line one\nline two", "")


def test_a_file_of_json_gives_what_stands_under_a_key(sources: Sources) -> None:
    (sources.home / "hosts.json").write_text(
        json.dumps({"a": {"tokens": [{"value": "v-1"}, {"value": "v-2"}]}, "n": 5})
    )
    assert read(sources, "file:~/hosts.json#a.tokens.1.value") == (b"v-2", "")
    for key in ("a.tokens.7.value", "a.none", "n", "a", "a.tokens.x"):
        value, why = read(sources, f"file:~/hosts.json#{key}")
        assert (value, why) == (b"", f"`~/hosts.json` has no text under `{key}`")


def test_what_is_no_file_is_not_read(sources: Sources) -> None:
    os.mkfifo(sources.home / "pipe")
    assert read(sources, "file:~/pipe") == (b"", "`~/pipe` cannot be read: it is no file")
    assert "No such file" in read(sources, "file:~/none")[1]


def test_a_file_that_the_inside_can_write_is_not_read(sources: Sources) -> None:
    """Promise 2: an agent leaves a link to another secret of the user's, for the next session to send it."""
    work, other = sources.home / "work", sources.home / "other-key"
    work.mkdir()
    other.write_text("of another service")
    (work / "key").symlink_to(other)
    (sources.home / "led").symlink_to(work)
    (sources.home / "further").symlink_to("led/key")
    (work / "folder").symlink_to(sources.home / "beside")
    (sources.home / "beside").mkdir()
    (sources.home / "beside/key").write_text("of another service")
    here = Sources(sources.environ, sources.home, (work,))
    assert read(sources, "file:~/work/key")[0] == b"of another service"  # the control
    for path in ("~/work/key", f"{work}/key", "~/led/key", "~/further", "~/work/folder/key", "~/led/folder/key"):
        assert read(here, f"file:{path}") == (b"", f"`{path}` lies where the inside can write")
    assert read(here, "file:~/other-key")[0] == b"of another service"
    assert read(here, "file:~/beside/key")[0] == b"of another service"


def test_a_program_that_the_inside_can_write_is_not_run(sources: Sources) -> None:
    """What an agent leaves there would run outside at the next start."""
    work = sources.home / "work"
    work.mkdir()
    (work / "show").write_text("#!/bin/sh\necho ran\n")
    (work / "show").chmod(0o755)
    here = Sources(sources.environ, sources.home, (work,))
    assert read(sources, "cmd:work/show")[0] == b"ran"  # the control
    for path in ("work/show", f"{work}/show"):
        assert read(here, f"cmd:{path}") == (b"", f"its command `{path}` lies where the inside can write")


def test_a_value_that_no_request_could_hold_is_not_taken(sources: Sources) -> None:
    """To search for a megabyte takes seconds at each start."""
    (sources.home / "long").write_bytes(b"x" * 40_000)
    assert read(sources, "file:~/long") == (b"", "it is longer than 32 KiB")


def test_a_value_that_is_no_text_is_not_taken(sources: Sources) -> None:
    """It is cut where it is searched for, and each of its pieces would be found in ordinary text."""
    (sources.home / "key").write_bytes(b"abcdefgh\0ijklmnop")
    assert read(sources, "file:~/key") == (b"", "it is no text: there are control characters in it")


def test_json_that_cannot_be_read_has_no_text(sources: Sources) -> None:
    for text in ("[" * 100_000, r'{"a": "\ud800"}', "{"):
        (sources.home / "odd.json").write_text(text)
        assert read(sources, "file:~/odd.json#a") == (b"", "`~/odd.json` has no text under `a`")


def test_a_command_may_leave_something_running(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent of a password manager keeps the output open; what prints without end fills no memory."""
    monkeypatch.setattr("wrapper.sources._PATIENCE", 0.5)
    assert read(sources, "cmd:sh -c 'echo value; sleep 2 &'") == (b"value", "")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "did not end" in read(sources, "cmd:yes")[1]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 50_000


def test_a_command_gives_its_first_line(sources: Sources) -> None:
    (sources.home / "show").write_text("#!/bin/sh\nprintf 'pass-word\\nurl: x\\n'; echo $TOKEN >&2; pwd > here\n")
    (sources.home / "show").chmod(0o755)
    assert read(sources, f"cmd:{sources.home}/show 'two words'") == (b"pass-word", "")
    assert (sources.home / "here").read_text() == f"{sources.home}\n"


def test_a_command_that_fails_says_how(sources: Sources) -> None:
    assert read(sources, "cmd:false")[1] == "its command ended with code 1"
    assert "No such file" in read(sources, "cmd:no-such-program")[1]
    assert "No closing quotation" in read(sources, "cmd:echo 'open")[1]


def test_no_shell_reads_the_command(sources: Sources) -> None:
    assert read(sources, "cmd:echo $(id) ; touch made")[0] == b"$(id) ; touch made"
    assert not (sources.home / "made").exists()


def test_a_command_is_never_one_that_the_inside_wrote(tmp_path: Path) -> None:
    """Promise 2: a folder of the workspace stands in PATH, and an agent has left a program in it."""
    folder = tmp_path / "work" / "bin"
    folder.mkdir(parents=True)
    (folder / "pass").write_text("#!/bin/sh\necho from the agent\n")
    (folder / "pass").chmod(0o755)
    environ = {"PATH": f"{folder}:{os.defpath}"}
    assert read(Sources(environ, tmp_path), "cmd:pass")[0] == b"from the agent"  # the control
    assert read(Sources(environ, tmp_path, (tmp_path / "work",)), "cmd:pass")[0] != b"from the agent"


def test_the_keyring_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.backend import KeyringBackend

    class Held(KeyringBackend):
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            return {("a/b", "me"): "held-value"}.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            raise NotImplementedError

        def delete_password(self, service: str, username: str) -> None:
            raise NotImplementedError

    before = keyring.get_keyring()
    keyring.set_keyring(Held())  # type: ignore[no-untyped-call]
    try:
        assert read(Sources({}, tmp_path), "keyring:a/b/me") == (b"held-value", "")
        assert read(Sources({}, tmp_path), "keyring:a/b/you")[1] == "the keyring has nothing for `a/b`, user `you`"
    finally:
        keyring.set_keyring(before)


def test_a_machine_without_a_keyring_says_so(tmp_path: Path) -> None:
    import keyring
    from keyring.backends.fail import Keyring

    before = keyring.get_keyring()
    keyring.set_keyring(Keyring())  # type: ignore[no-untyped-call]
    try:
        assert "the keyring does not answer" in read(Sources({}, tmp_path), "keyring:a/b")[1]
    finally:
        keyring.set_keyring(before)


def test_values_are_in_no_representation(sources: Sources) -> None:
    assert "s3cret" not in repr(sources)
    assert "s3cret" not in repr(sources.read(Source("env", "TOKEN")))
