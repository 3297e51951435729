import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.corpus.policy import Decision, Measure, SpanMeasure, Stage, decide
from wrapper.corpus.policyfile import BUILT_IN, built_in, parse
from wrapper.errors import PolicyError
from wrapper.provenance.model import Emission, Kind


def emission(kind: Kind = Kind.WRITE, model: str = "claude-x", session: str = "s1") -> Emission:
    return Emission(kind=kind, session=session, at=1.0, model=model)


def test_the_printed_policy_is_the_built_in_one() -> None:
    assert parse(BUILT_IN.encode(), "built-in") == built_in()


def test_a_file_changes_what_it_names_and_nothing_else() -> None:
    policy = parse(b'version = 1\n[refuse]\ncoverage = 0.9\nmodels = ["gpt-*"]\n[columns]\ntext = ["a.b"]\n', "f")
    assert policy.refuse.coverage == 0.9
    assert policy.refuse.least_lines == built_in().refuse.least_lines
    assert policy.columns.text == ("a.b",)
    assert policy.quarantine == built_in().quarantine


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        (
            "version = 1\n\n[refuse]\ncoverge = 1",
            "f:4: unknown key `refuse.coverge`",
            "did you mean `refuse.coverage`?",
        ),
        ("version = 1\nkinds = 3", "f:2: unknown key `kinds`", "did you mean `refuse.kinds`?"),
        ("version = 1\nundecidd = 3", "f:2: unknown key `undecidd`", "did you mean `undecided`?"),
        ('version = 1\n[refuse]\nkinds = ["tex"]', "f:3: `refuse.kinds`: invalid enum value 'tex'", "kinds are"),
        ('version = 1\n[refuse]\nkinds = ["host"]', "f:3: `host` is what people wrote", "kinds are"),
        ("version = 1\n[refuse]\nkinds = []", "f:3: `refuse.kinds` is empty", "nothing would ever be found"),
        ("version = 1\n[quarantine]\ncoverage = 1.5", "f:3: `quarantine.coverage` is 1.5", "from 0 to 1"),
        ("version = 1\n[refuse]\nleast_lines = 0", "f:3: `refuse.least_lines` is less than 1", ""),
        ('version = 1\n[undecided]\nbinary = "no"', "f:3: `undecided.binary`", '"refuse", "quarantine" or "accept"'),
        ("version = 1\nundecided = 3", "f:2: `undecided`", ""),
        ('version = 1\n[git]\nread = "all"', "f:3: `git.read`", '"history"'),
        ('version = 1\n[paths]\ninclude = ["a",\n"[x"]', "f:4: the pattern `[x`", ""),
        ('version = 1\n[columns]\ntext = ["a..b"]', "f:3: `a..b`", ""),
        ("version = 1\n[limits]\nratio = 0", "f:3: `limits.ratio`", ""),
        ("version = 2", "f:1: version 2 is not known", "newer"),
        ("[refuse]\ncoverage = 0.1", "f:1: `version` is missing", "version = 1"),
        ("version = ", "f:1: not valid TOML", ""),
        ("version = 1\nrefuse = 3", "f:2: `refuse`", ""),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_would_be_right(text: str, what: str, hint: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(text.encode(), "f")
    assert caught.value.what.startswith(what)
    assert hint in caught.value.hint


@given(st.binary(max_size=200))
def test_any_bytes_are_a_policy_or_a_policy_error(content: bytes) -> None:
    try:
        parse(b"version = 1\n" + content, "f")
    except PolicyError as error:
        assert error.what.startswith("f:")


def test_only_emissions_of_the_policys_kinds_models_and_sessions_count() -> None:
    bounds = parse(b'version=1\n[refuse]\nkinds=["text"]\nmodels=["claude-*"]\nsessions=["s1"]', "f").refuse
    assert bounds.counts(emission(Kind.TEXT))
    assert not bounds.counts(emission(Kind.WRITE))
    assert not bounds.counts(emission(Kind.TEXT, model="gpt-5"))
    assert not bounds.counts(emission(Kind.TEXT, session="s2"))


def test_by_default_claims_are_quarantined_and_not_refused_and_people_never_count() -> None:
    policy = built_in()
    assert not policy.refuse.counts(emission(Kind.CLAIM))
    assert policy.quarantine.counts(emission(Kind.CLAIM))
    assert not policy.counts(emission(Kind.HOST))
    assert all(policy.refuse.counts(emission(kind)) for kind in (Kind.TEXT, Kind.INPUT, Kind.WRITE))


def measured(stage: Stage = Stage.SPANS, coverage: float = 0.01, *spans: tuple[int, int]) -> Measure:
    return Measure(stage, coverage, [SpanMeasure(*span) for span in spans])


@pytest.mark.parametrize(
    ("found", "decision"),
    [
        (measured(Stage.CLEAN, 0.0), "accept"),
        (measured(Stage.SPANS, 0.01, (49, 4)), "accept"),
        (measured(Stage.SPANS, 0.01, (50, 1)), "quarantine"),
        (measured(Stage.SPANS, 0.01, (20, 5)), "quarantine"),
        (measured(Stage.SPANS, 0.05, (20, 2)), "quarantine"),
        (measured(Stage.SPANS, 0.01, (120, 1)), "refuse"),
        (measured(Stage.SPANS, 0.01, (60, 10)), "refuse"),
        (measured(Stage.SPANS, 0.3, (20, 2)), "refuse"),
        (measured(Stage.BLOB, 0.0), "quarantine"),
        (measured(Stage.NORMALISED, 0.0), "quarantine"),
        (measured(Stage.BLOB, 0.02, (20, 2)), "accept"),
        (measured(Stage.BLOB, 0.99, (500, 40)), "refuse"),
        (measured(Stage.UNREADABLE, 0.0), "quarantine"),
        (measured(Stage.BINARY, 0.0), "accept"),
    ],
)
def test_the_built_in_bounds_decide_at_their_edges(found: Measure, decision: str) -> None:
    assert decide(built_in(), found, found) == decision


@pytest.mark.parametrize("says", list(Decision))
def test_what_cannot_be_compared_is_the_policys_to_decide(says: Decision) -> None:
    policy = parse(
        f'version=1\n[undecided]\nunreadable="{says}"\nbinary="{says}"\nincomplete_index="{says}"\n'.encode(), "f"
    )
    for stage in (Stage.UNREADABLE, Stage.BINARY):
        assert decide(policy, measured(stage, 0.0), measured(stage, 0.0)) is says
    clean = measured(Stage.CLEAN, 0.0)
    assert decide(policy, clean, clean, is_incomplete=True) is says
    assert decide(policy, clean, clean) is Decision.ACCEPT
    refused = measured(Stage.SPANS, 0.9, (500, 40))
    assert decide(policy, refused, refused, is_incomplete=True) is Decision.REFUSE


def test_what_only_the_quarantine_counts_is_never_refused() -> None:
    claim = measured(Stage.SPANS, 0.9, (500, 40))
    assert decide(built_in(), measured(Stage.SPANS, 0.0), claim) is Decision.QUARANTINE
