import os
from pathlib import Path

from wrapper.plan.dotfiles import git_configurations, git_files, hosts_file
from wrapper.plan.places import Places


def test_gits_files_are_those_that_are_there_and_are_files(tmp_path: Path) -> None:
    (tmp_path / ".config/git").mkdir(parents=True)
    (tmp_path / ".gitconfig").write_text("")
    (tmp_path / ".config/git/ignore").write_text("")
    (tmp_path / ".config/git/config").symlink_to("/etc/passwd")
    (tmp_path / ".config/git/attributes").mkdir()
    assert git_files(tmp_path) == (str(tmp_path / ".gitconfig"), str(tmp_path / ".config/git/ignore"))


def test_tokens_may_stand_in_configurations_only(tmp_path: Path) -> None:
    (tmp_path / ".config/git").mkdir(parents=True)
    for name in (".gitconfig", ".config/git/config", ".config/git/ignore"):
        (tmp_path / name).write_text("")
    assert git_configurations(tmp_path) == (str(tmp_path / ".gitconfig"), str(tmp_path / ".config/git/config"))


def test_the_hosts_file_names_localhost_only(tmp_path: Path) -> None:
    places = Places.from_environment({"HOME": str(tmp_path)})
    places.private(places.cache)
    file = Path(hosts_file(places))
    assert file.is_relative_to(places.cache)
    assert {line.split()[0] for line in file.read_text().splitlines()} == {"127.0.0.1", "::1"}


def test_the_hosts_file_is_written_again_only_if_somebody_changed_it(tmp_path: Path) -> None:
    places = Places.from_environment({"HOME": str(tmp_path)})
    places.private(places.cache)
    file = Path(hosts_file(places))
    os.utime(file, (1, 1))
    hosts_file(places)
    assert file.stat().st_mtime == 1
    file.write_text("6.6.6.6 localhost\n")
    hosts_file(places)
    assert "6.6.6.6" not in file.read_text()
