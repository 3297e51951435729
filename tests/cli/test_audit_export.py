import json
import os
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, frames_of, put, start_event, warned
from tests.review.export.session import happened
from wrapper.audit.events import Event
from wrapper.cli import audit
from wrapper.errors import SafeAgentError

_FORMATS = ("cast", "jsonl", "ocsf", "otlp", "html")


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(audit.group, ["export", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


def story() -> list[Event]:
    return list(happened())


@pytest.mark.parametrize("form", _FORMATS)
def test_each_format_goes_to_standard_output_and_to_a_file_alike(user: Home, tmp_path: Path, form: str) -> None:
    user.write(written=story())
    out = tmp_path / "export"
    shown = run("last", "--format", form)
    assert shown.exit_code == 0
    assert run("s-1", "--format", form, "--out", str(out)).exit_code == 0
    assert out.read_bytes() == shown.stdout_bytes
    assert len(shown.stdout_bytes) > 400


def test_a_file_is_readable_by_its_owner_only(user: Home, tmp_path: Path) -> None:
    user.write(written=story())
    run("--format", "jsonl", "--out", str(tmp_path / "x"))
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600


def test_an_open_log_is_exported_and_the_code_says_so(user: Home) -> None:
    user.write(written=story(), seal=False)
    result = run("--format", "ocsf")
    assert (result.exit_code, len(result.stdout.splitlines())) == (10, 37)
    assert "not sealed" in result.stderr
    assert "was not sealed when this page was made" in run("--format", "html").stdout


@pytest.mark.parametrize("form", _FORMATS)
def test_of_a_tampered_log_what_was_good_is_exported(user: Home, form: str) -> None:
    directory = user.write(written=[start_event(), warned("good"), warned("bad"), ended()])
    header, frames = frames_of(directory)
    put(directory, header, [*frames[:4], frames[4][:-1] + bytes([frames[4][-1] ^ 1]), *frames[5:]])
    result = run("--format", form)
    assert isinstance(result.exception, SafeAgentError)
    assert result.exception.exit_code == 12
    assert "bad" not in result.stdout.replace("good from here on", "").partition("<script>")[0]
    assert form == "cast" or "good" in result.stdout


def test_what_cannot_be_read_at_all_leaves_the_file_as_it_was(user: Home, tmp_path: Path) -> None:
    directory = user.write(written=story())
    (directory / "000001.key.age").unlink()
    out = tmp_path / "x"
    out.write_text("an earlier export")
    result = run("--format", "jsonl", "--out", str(out))
    assert isinstance(result.exception, SafeAgentError)
    assert result.exception.exit_code == 13
    assert out.read_text() == "an earlier export"


def test_a_file_that_cannot_be_written_is_named(user: Home, tmp_path: Path) -> None:
    user.write(written=story())
    result = run("--format", "jsonl", "--out", str(tmp_path / "none" / "x"))
    assert isinstance(result.exception, SafeAgentError)
    assert result.exception.what == f"cannot write `{tmp_path}/none/x`: No such file or directory"


def test_a_disk_that_is_full_is_said_to_be() -> None:
    from wrapper.cli.auditing import export

    with pytest.raises(SafeAgentError, match="No space left"), export._opened(Path("/dev/full")) as stream:
        stream.write(b"x" * 100_000)


def test_a_page_is_not_written_to_a_terminal(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import pexpect

    user.write(written=story())
    command = "from wrapper.cli.audit import group; group(['export', '--format', 'html'])"
    child = pexpect.spawn(sys.executable, ["-c", command], env=dict(os.environ), timeout=20)
    child.expect("a page is nothing for a terminal")
    child.wait()
    assert child.exitstatus == 2


def test_a_format_is_needed_and_has_to_be_one_of_five(user: Home) -> None:
    assert "Missing option '--format'" in run().stderr
    assert run("--format", "pdf").exit_code == 2


def test_lines_of_ocsf_are_those_of_the_log(user: Home) -> None:
    user.write(written=story())
    rows = [json.loads(line) for line in run("--format", "ocsf").stdout.splitlines()]
    assert {row["metadata"]["correlation_uid"] for row in rows} == {"s-1"}
