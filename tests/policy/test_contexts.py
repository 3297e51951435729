"""`[[context]]`: mistakes are errors with a line, layers only add, the organisation's rules stay."""

from pathlib import Path

import pytest

from tests.policy.writing import policy, refused
from wrapper.errors import PolicyError
from wrapper.policy import bundled
from wrapper.policy.load import load_policy
from wrapper.policy.model import Layer, Policy

FALCON = '[[context]]\nkind = "CODE-NAME"\nterms = ["falcon"]\n'
EMAIL = '[[context]]\nbuiltin = "email"\n'


@pytest.mark.parametrize(
    ("text", "line", "what", "hint"),
    [
        ('[[contex]]\nbuiltin = "email"\n', 2, "unknown key `contex`", "`context`"),
        (EMAIL + "term = []\n", 4, "unknown key `context.term`", "`context.terms`"),
        ('[[context]]\nterms = ["falcon"]\n', 2, "no `kind`", "MASKED-KIND"),
        ('[[context]]\nkind = "A"\n', 2, "one of `terms`", "one `[[context]]` for each"),
        (EMAIL + 'terms = ["falcon"]\n', 2, "one of `terms`", ""),
        ('[[context]]\nkind = "code name"\nterms = ["falcon"]\n', 3, "not a kind", "A-Z"),
        ('[[context]]\nkind = "A"\nterms = [\n "falcon",\n "x",\n]\n', 6, "2 to 200 characters", ""),
        ('[[context]]\nkind = "A"\nterms = ["User"]\n', 4, "every request", ""),
        ('[[context]]\nkind = "A"\nterms = ["a\\nb"]\n', 4, "on one line", ""),
        (FALCON + 'borders = "words"\n', 5, '"words" is not a border', "part"),
        (FALCON + 'confidence = "sure"\n', 5, "not a confidence", "likely"),
        (FALCON + 'hosts = ["a"]\n', 5, "belongs to", ""),
        (FALCON + 'allow = ["*"]\n', 5, "allow everything", ""),
        (EMAIL + 'borders = "word"\n', 4, "terms only", ""),
        (EMAIL + "ignore_case = true\n", 4, "terms only", ""),
        ('[[context]]\nbuiltin = "e-mail"\n', 3, "no builtin", '"email"'),
        ('[[context]]\nbuiltin = "zzz"\n', 3, "no builtin", "git-remote"),
        ('[[context]]\nbuiltin = "internal-host"\nhosts = ["*.a.org"]\n', 4, "not a host name", "no patterns"),
        ('[[context]]\nkind = "A"\nregex = "("\n', 4, "not a valid regex", ""),
        ('[[context]]\nkind = "A"\nregex = "a*"\n', 4, "matches nothing at all", ""),
        ('[[context]]\nkind = "A"\nregex = "(?<=x)a"\n', 4, "searched for", "look-around"),
        ('[[context]]\nkind = "A"\nregex = "(a)\\\\1"\n', 4, "searched for", "back-references"),
        ('[[context]]\nkind = "A"\nregex = "[äö]"\n', 4, "(?:ä|ö)", ""),
        ('[[redaction.rules]]\nid = "a"\nkind = "A"\nregex = "x(?=y)"\n', 5, "searched for", "look-around"),
    ],
)
def test_a_mistake_is_an_error_that_says_where_and_what_is_right(text: str, line: int, what: str, hint: str) -> None:
    error = refused(text)
    assert error.what.startswith(f"policy.toml:{line}: "), error.what
    assert what in error.what
    assert hint in error.hint


def test_every_layer_adds_its_rules_and_shows_where_they_stand() -> None:
    found = policy(organisation=FALCON, user=EMAIL, project='[[context]]\nkind = "B"\nregex = "b+"\n')
    assert [one.label for one in found.context] == ["CODE-NAME", "EMAIL", "B"]
    rows = [(row.value, row.rule.layer) for row in found.settings() if row.key == "context"]
    assert rows == [
        ("CODE-NAME: 1 terms", Layer.ORGANISATION),
        ("EMAIL: email", Layer.USER),
        ("B: b+", Layer.PROJECT),
    ]


def test_the_terms_themselves_are_not_printed() -> None:
    found = policy(user=FALCON)
    assert "falcon" not in found.to_json()
    assert "falcon" not in "".join(row.value for row in found.settings())


def test_another_term_is_another_policy() -> None:
    assert policy(user=FALCON).digest != policy(user=FALCON.replace("falcon", "heron")).digest


def test_a_user_may_turn_off_what_is_bundled_and_an_untrusted_project_may_not() -> None:
    off = '[redaction]\ndisable = ["context:EMAIL"]\n'
    bundle = bundled.folder().joinpath("default.toml").read_text() + EMAIL
    assert policy(bundle=bundle, user=off).context == ()
    project = policy(bundle=bundle, project=off)
    assert [one.label for one in project.context] == ["EMAIL"]
    assert len(project.notices) == 1


@pytest.mark.parametrize("layer", ["user", "project"])
def test_nobody_below_turns_off_what_the_organisation_says(layer: str) -> None:
    found = policy(organisation=EMAIL, trusted=True, **{layer: '[redaction]\ndisable = ["context:EMAIL"]\n'})
    assert [one.label for one in found.context] == ["EMAIL"]
    assert "organisation" in found.notices[0].what


def load(root: Path, *, explicit: str = "", project: str = "") -> Policy:
    for folder in ("config", "work"):
        (root / folder).mkdir(exist_ok=True)
    (root / "config/policy.toml").write_text(f"version = 1\n{explicit}")
    (root / "work/.safe-agent.toml").write_text(f"version = 1\n{project}")
    return load_policy(
        profile="default", workspace=root / "work", config_home=root / "config", organisation=root / "none.toml"
    )


LIST = '[[context]]\nkind = "CUSTOMER"\nterms_file = "{}"\n'


def test_a_terms_file_is_read_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/names.txt").write_text("Acme GmbH\n\n# a remark\n  Börealis \n")
    [found] = load(tmp_path, explicit=LIST.format("names.txt")).context
    assert found.terms == ("Acme GmbH", "Börealis")
    (tmp_path / "config/names.txt").write_text("Acme GmbH\n")
    assert load(tmp_path, explicit=LIST.format(tmp_path / "config/names.txt")).context[0].terms == ("Acme GmbH",)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "No such file"),
        (b"\xff\xfe", "utf-8"),
        (b"ok name\nx\n", "line 2 of the terms file"),
        (b"a" * 300 + b"\n", "200 characters"),
    ],
)
def test_a_terms_file_that_cannot_be_used_is_an_error_with_file_and_line(
    tmp_path: Path, content: bytes | None, what: str
) -> None:
    (tmp_path / "config").mkdir()
    if content is not None:
        (tmp_path / "config/names.txt").write_bytes(content)
    with pytest.raises(PolicyError, match=r"policy\.toml:4: ") as caught:
        load(tmp_path, explicit=LIST.format("names.txt"))
    assert what in caught.value.what


def test_a_terms_file_that_is_a_pipe_or_a_folder_does_not_hang_the_start(tmp_path: Path) -> None:
    import os

    (tmp_path / "config").mkdir()
    os.mkfifo(tmp_path / "config/pipe")
    for name in ("pipe", "."):
        with pytest.raises(PolicyError):
            load(tmp_path, explicit=LIST.format(name))


def test_a_project_names_only_files_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "secret.txt").write_text("somebody else's\n")
    (tmp_path / "work/own.txt").write_text("Heron\n")
    (tmp_path / "work/link.txt").symlink_to(tmp_path / "secret.txt")
    assert load(tmp_path, project=LIST.format("own.txt")).context[0].terms == ("Heron",)
    for name in ("../secret.txt", str(tmp_path / "secret.txt"), "link.txt", "~/secret.txt"):
        with pytest.raises(PolicyError):
            load(tmp_path, project=LIST.format(name))


@pytest.mark.parametrize(("name", "expected"), [("strict", "email"), ("lab", "git-remote")])
def test_profiles_switch_on_what_they_promise(name: str, expected: str) -> None:
    nowhere = Path("/nonexistent")
    found = load_policy(profile=name, workspace=nowhere, config_home=nowhere, organisation=nowhere / "p.toml")
    assert expected in [one.builtin for one in found.context]
    plain = load_policy(profile="default", workspace=nowhere, config_home=nowhere, organisation=nowhere / "p.toml")
    assert plain.context == ()
