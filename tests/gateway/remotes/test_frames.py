"""What the stub says, as the broker reads it."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.gateway.remotes.addresses import Asked
from wrapper.gateway.remotes.frames import FrameError, FrameReader, greeting
from wrapper.gateway.remotes.inside import HELLO, INPUT, INPUT_END, MOST, PORT, UsageError, frame, hello
from wrapper.gateway.remotes.stub import stub

PATH = "git-upload-pack 'org/repo.git'"


def heard(*arguments: str, protocol: str = "") -> tuple[Asked, str]:
    reader = FrameReader()
    reader.feed(hello(list(arguments), protocol))
    one = reader.frame()
    assert one is not None
    assert one[0] == HELLO
    return greeting(one[1])


@given(st.lists(st.tuples(st.sampled_from((HELLO, INPUT, INPUT_END)), st.binary(max_size=60)), max_size=8), st.data())
def test_frames_come_out_as_they_went_in_whatever_the_pieces(
    frames: list[tuple[int, bytes]], draw: st.DataObject
) -> None:
    data, reader, found = b"".join(frame(*one) for one in frames), FrameReader(), []
    while data:
        size = draw.draw(st.integers(1, len(data)))
        reader.feed(data[:size])
        data = data[size:]
        while (one := reader.frame()) is not None:
            found.append(one)
    assert found == frames


@pytest.mark.parametrize("data", [b"X\0\0\0\0", b"O\0\0\0\1x", frame(INPUT, b"x" * (MOST + 1)), b"I\xff\xff\xff\xff"])
def test_what_no_stub_says_is_an_error(data: bytes) -> None:
    reader = FrameReader()
    reader.feed(data)
    with pytest.raises(FrameError):
        reader.frame()


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("git@forge.test", PATH), Asked("forge.test", 0, "git", PATH)),
        (("-o", "SendEnv=GIT_PROTOCOL", "git@forge.test", PATH), Asked("forge.test", 0, "git", PATH)),
        (("-o", "SendEnv=GIT_PROTOCOL", "-4", "-p", "2222", "forge.test", PATH), Asked("forge.test", 2222, "", PATH)),
        (("-p2222", "-lgit", "--", "forge.test", PATH), Asked("forge.test", 2222, "git", PATH)),
        (("-i", "~/.ssh/id", "-oIdentitiesOnly=yes", "-Tx", "git@forge.test", PATH), Asked("forge.test", 0, "git", PATH)),
        (("ssh://git@forge.test:22/", PATH), Asked("forge.test", 22, "git", PATH)),
        (("forge.test", "-p", "22", "git-upload-pack", "'x/y'"), Asked("forge.test", 22, "", "git-upload-pack 'x/y'")),
        (("forge.test",), Asked("forge.test", 0, "", "")),
        (("forge.test", "ls", "-l"), Asked("forge.test", 0, "", "ls -l")),
        (("-o", "ProxyCommand=touch /tmp/x", "forge.test", "id"), Asked("forge.test", 0, "", "id")),
    ],
)  # fmt: skip
def test_sshs_arguments_are_read_as_ssh_does(arguments: tuple[str, ...], asked: Asked) -> None:
    assert heard(*arguments) == (asked, "")


@pytest.mark.parametrize(
    "option", ["-D1080", "-L", "-R", "-W", "-w", "-O", "-N", "-f", "-M", "-S", "-G", "-J"[:2] + "x"]
)
def test_an_option_that_would_do_something_else_is_refused_by_the_stub(option: str) -> None:
    if option == "-Jx":  # where the way leads through is the user's to say, outside
        assert heard(option, "forge.test", PATH)[0].host == "forge.test"
        return
    with pytest.raises(UsageError):
        hello([option, "forge.test", PATH], "")


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("",), ("--", "-oProxyCommand=id", PATH), ("-oProxyCommand=id@forge.test@x y", PATH), ("a b", PATH),
        ("git@", PATH), ("-l", "-oX", "forge.test", PATH), ("-l", "a b", "forge.test", PATH), ("$(id)", PATH),
        ("forge.test\n", PATH), ("[::1]", PATH), ("-p", "99999999", "forge.test", PATH), ("forge.test", "a\nb"),
        ("-p", "-1", "forge.test", PATH), ("-p", "022", "forge.test", PATH), ("forge.test", "x" * 5000), ("a" * 300, PATH),
        ("forge.test/x", PATH), ("forge.test", "a\x1b[2J"), ("-", PATH), ("fo\udcffrge", PATH),
    ],
)  # fmt: skip
def test_a_host_user_or_port_that_ssh_could_take_for_something_else_is_an_error(arguments: tuple[str, ...]) -> None:
    with pytest.raises(FrameError):
        heard(*arguments)


@pytest.mark.parametrize(
    "data", [b"", b"a\0b", b"a\0\0\0\0", b"a\0\0\0\0\0\0", b"a\0\0\0\0\0x", b"\xff\0\0\0\0\0", b"a\0\0\0c\0p\0x"]
)
def test_a_greeting_of_other_than_five_words_is_an_error(data: bytes) -> None:
    with pytest.raises(FrameError):
        greeting(data)


@given(st.binary(max_size=60))
def test_any_greeting_is_read_or_refused_and_a_host_never_looks_like_an_option(data: bytes) -> None:
    try:
        asked, protocol = greeting(data)
    except FrameError:
        return
    assert asked.host[0] != "-"
    assert not asked.user.startswith("-")
    assert protocol in ("", *(f"version={one}" for one in range(10)))


@pytest.mark.parametrize(
    ("said", "passed"), [("version=2", "version=2"), ("version=1:x", ""), ("a\nb", ""), ("version=22", "")]
)
def test_gits_protocol_is_passed_on_in_one_form_only(said: str, passed: str) -> None:
    assert heard("forge.test", PATH, protocol=said)[1] == passed


def test_the_stub_runs_alone_by_any_python_however_its_path_is_written(tmp_path: Path) -> None:
    python = tmp_path / "it's a 'folder'" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    file = tmp_path / "ssh"
    file.write_bytes(stub(str(python), 1))
    file.chmod(0o755)

    def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [file, *arguments], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
        )

    assert (ran("-V").returncode, ran("-V").stderr[:11]) == (0, "safe-agent:")
    assert ran("-G", "-o", "SendEnv=GIT_PROTOCOL", "forge.test").returncode == 0
    alone = ran("forge.test", PATH)
    assert (alone.returncode, alone.stdout) == (255, "")
    assert "the policy has no `[[remotes]]` by ssh" in alone.stderr
    assert ran("-D1", "forge.test").returncode == 255


def test_the_stubs_port_is_the_one_it_is_made_for() -> None:
    assert f"\nPORT = {PORT}\n".encode() in stub("/usr/bin/python3")
    assert b"\nPORT = 7\n" in stub("/usr/bin/python3", 7)
