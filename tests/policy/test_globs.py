"""Path patterns are gitignore's: checked against git itself; and cheap over a large checkout."""

import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wrapper.policy.globs import NameMatcher, PathMatcher, Pattern, problem


def hit(pattern: str, path: str) -> bool:
    return PathMatcher([Pattern(pattern, 0, 0)], 1).best(path) is not None


def last(patterns: list[str], path: str) -> int:
    matcher = PathMatcher([Pattern(text, 0, place) for place, text in enumerate(patterns)], 1)
    best = matcher.best(path)
    return -1 if best is None else best[0]


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (".env", ".env"),
        (".env", "a/b/.env"),
        (".env", ".env/inside"),
        (".env.*", ".env.local"),
        ("*.pem", "deep/er/key.pem"),
        ("id_*", "id_rsa"),
        ("*secret*", "my-secrets.txt"),
        ("a?c", "abc"),
        ("[ab]x", "bx"),
        ("[!ab]x", "cx"),
        ("/top", "top"),
        ("a/b", "a/b"),
        ("a/b", "a/b/c/d"),
        ("**/a/b", "a/b"),
        ("**/a/b", "x/y/a/b"),
        ("a/**", "a/x"),
        ("a/**", "a/x/y/z"),
        ("a/**/z", "a/z"),
        ("a/**/z", "a/b/c/z"),
        ("**/a/**/z", "q/a/b/z"),
        ("**/.git/*", ".git/index"),
        ("**/.git/*", "sub/.git/objects/aa"),
        ("build/", "build/x"),
        ("build/", "a/build/"),
        ("*", "anything/at/all"),
        ("**", "anything/at/all"),
        ("/*", "top"),
        (r"\*", "*"),
        (r"\[a", "[a"),
        ("a[*]b", "a*b"),
        ("[]x]", "]"),
    ],
)
def test_a_pattern_matches(pattern: str, path: str) -> None:
    assert hit(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (".env", "x.env"),
        (".env", ".envrc"),
        ("*.pem", "pem"),
        ("*.pem", "key.pem.txt"),
        ("ab*ba", "aba"),
        ("/top", "a/top"),
        ("a/b", "x/a/b"),
        ("a/*", "a"),
        ("a/**", "a"),
        ("a/**", "b/a/x"),
        ("a?c", "a/c"),
        ("a*c", "a/c"),
        ("[!a]", "/"),
        ("build/", "build"),
        ("build/", "a/build"),
        ("a/**/z", "a/bz"),
        ("**/a/b", "a/x/b"),
        (r"\*", "x"),
        ("a.c", "abc"),
        ("(a|b)", "a"),
    ],
)
def test_a_pattern_does_not_match(pattern: str, path: str) -> None:
    assert not hit(pattern, path)


SEGMENT = st.sampled_from(["a", "b", "ab", "*", "**", "?", "a*", "*b", "[ab]", "[!a]", "a*b", "*a*", "a?b*"])
NAME = st.sampled_from(["a", "b", "ab", "ba", "aab", "abb", "c", "aXbY"])
PATTERNS = st.builds(
    lambda front, parts, end: front + "/".join(parts) + end,
    st.sampled_from(["", "", "/", "**/"]),
    st.lists(SEGMENT, min_size=1, max_size=4),
    st.sampled_from(["", "", "/", "/**"]),
)
PATHS = st.lists(st.lists(NAME, min_size=1, max_size=5).map("/".join), min_size=1, max_size=30, unique=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_CONFIG_GLOBAL": "/dev/null"}
    subprocess.run(["git", "init", "-q", str(folder)], check=True, env=environment)
    return folder


@settings(max_examples=150, deadline=None)
@given(pattern=PATTERNS, paths=PATHS)
def test_git_agrees(repository: Path, pattern: str, paths: list[str]) -> None:
    (repository / ".gitignore").write_text(pattern + "\n")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(repository), "GIT_CONFIG_GLOBAL": "/dev/null"}
    answer = subprocess.run(
        ["git", "-C", str(repository), "check-ignore", "--no-index", "-z", "--stdin"],
        input="\0".join(paths).encode(),
        capture_output=True,
        check=False,
        env=environment,
    )
    assert answer.returncode in (0, 1), answer.stderr
    ignored = set(answer.stdout.decode().split("\0")) - {""}
    assert {path for path in paths if hit(pattern, path)} == ignored


@given(patterns=st.lists(PATTERNS, min_size=1, max_size=6), paths=PATHS)
def test_many_patterns_at_once_answer_as_each_alone_in_any_order_of_asking(
    patterns: list[str], paths: list[str]
) -> None:
    matcher = PathMatcher([Pattern(text, 0, place) for place, text in enumerate(patterns)], 1)
    for path in paths + paths[::-1]:
        alone = max((place for place, text in enumerate(patterns) if hit(text, path)), default=-1)
        assert matcher.best(path) == (None if alone < 0 else (alone,))


def test_the_last_match_counts_also_beneath_a_folder_that_matched() -> None:
    assert last(["training/", "training/README.md"], "training/README.md") == 1
    assert last(["training/README.md", "training/"], "training/README.md") == 1
    assert last(["training/", "training/README.md"], "training/data") == 0


def test_each_list_answers_for_itself() -> None:
    matcher = PathMatcher([Pattern("*.key", 0, 0), Pattern("a/", 2, 1)], 3)
    assert matcher.best("a/x.key") == (0, -1, 1)
    assert matcher.best("x.key") == (0, -1, -1)
    assert matcher.best("x") is None


def test_a_path_of_two_thousand_folders_is_answered() -> None:
    assert hit("**/b/**", "/".join(["a"] * 2000 + ["b", "c"]))


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/".join(["**", "a"] * 30 + ["c"]), "/".join(["a"] * 200 + ["b"])),
        ("*a" * 60 + "b", "a" * 250),
        ("**/" * 40 + "x", "/".join(["a"] * 300)),
    ],
)
def test_a_hostile_pattern_does_not_make_matching_slow(pattern: str, path: str) -> None:
    start = time.process_time()
    assert not hit(pattern, path)
    assert time.process_time() - start < 0.5


def test_fifteen_thousand_paths_are_decided_in_a_blink() -> None:
    texts = [f"name-{number}" for number in range(60)] + [f"*.ext{number}" for number in range(60)]
    texts += [f"**/.folder{number}/**" for number in range(30)]
    matcher = PathMatcher([Pattern(text, place % 5, place) for place, text in enumerate(texts)], 15)
    paths = [f"src/pkg{number % 300}/sub{number % 7}/module_{number}.py" for number in range(15_000)]
    start = time.process_time()
    assert not any(matcher.best(path) for path in paths)
    assert time.process_time() - start < 0.4  # 20 ms on the machine this was written on


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("LC_*", "LC_ALL", True),
        ("LC_*", "XLC_ALL", False),
        ("*TOKEN*", "MY_TOKENS", True),
        ("PATH", "PATH", True),
        ("PATH", "path", False),
        ("*_proxy", "https_proxy", True),
        ("TF_VAR_?", "TF_VAR_a", True),
        ("A*B*C", "AxBxC", True),
        ("A*B*C", "AxB", False),
        ("X[0-9]", "X7", True),
    ],
)
def test_a_variable_pattern_is_held_against_the_whole_name(pattern: str, name: str, *, matches: bool) -> None:
    assert (NameMatcher([Pattern(pattern, 0, 0)], 1).best(name) is not None) is matches


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("  ", "empty"),
        (" a", "blank"),
        ("*.{pem,key}", "braces"),
        ("a[", "`]`"),
        ("[z-a]", "set"),
        ("a\\", "backslash"),
        ("a\nb", "control"),
        ("a\x1b[31m]", "control"),
    ],
)
def test_a_pattern_that_could_never_do_what_it_says_is_a_problem(text: str, says: str) -> None:
    assert says in problem(text)


@pytest.mark.parametrize("text", ["a", "**/x", "a[!b]c", r"\{a\}", "ä*", "a b", "[]]"])
def test_a_good_pattern_is_no_problem(text: str) -> None:
    assert problem(text) == ""
