"""What rules find in a stream: the same output however the bytes come, and the same as of the whole."""

import json
import random
import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from redactors.engine import Engine
from redactors.finding import Confidence, Finding
from redactors.glance import REACH, Glance
from redactors.loading import bundled_rules, family_files
from redactors.rules import catalogue
from redactors.rules.model import Rule
from redactors.rules.openings import openings
from redactors.rulestream import _KEY_LINES, LONGEST_HELD, RuleStream
from redactors.scanner import GlancingScanner, compile_glances, compile_rules
from redactors.squeeze import ESCAPE_SEQUENCE
from redactors.vault import Origin, Vault
from tests.compiled import load

VAULT = Vault(bytes(32))
TOKEN = catalogue.expand(["gh", "p_{base62:30}{crc32}"]).encode()


def private_key(lines: int, width: int = 64) -> bytes:
    body = [f"{{base64:{width}}}\n" for _ in range(lines)]
    return catalogue.expand(
        ["-----BEGIN RSA PRIVATE ", "KEY-----\n", *body, "{base64:22}==\n-----END RSA PRIVATE ", "KEY-----\n"]
    ).encode()


KEYS = [private_key(lines, width) for lines in (1, 3, 20) for width in (16, 32, 64, 76)]
TEXTS = [
    *(
        text.encode()
        for path in family_files()
        for one in catalogue.examples(path.read_text())
        for text in (*one.match, *one.miss)
    ),
    *KEYS * 5,
    *(key.replace(b"\n", b"\r\n") for key in KEYS),
    *(json.dumps(key.decode()).encode() for key in KEYS * 5),
    *(b"a" * 300, b"ab1 " * 200, b"0123456789abcdef" * 40),
]
# A line end a few characters behind the BEGIN line, or in the middle of a key a line that begins with as few before a
# blank or its end: only the END line would tell that they belong to a key.
UNLIKE_A_KEY = re.compile(
    rb"-----BEGIN [^\n]*-----(?:\s|\\+[nr])+(?:[A-Za-z0-9+/=]{1,15}\s"
    rb"|(?:[A-Za-z0-9+/=]{16,120}(?:\s|\\+[nr])+)+[A-Za-z0-9+/=]{1,15}(?:\s|\\+[nr])+[A-Za-z0-9+/=])"
)
BETWEEN = [b"", b" ", b"\n", b"\r\n", b"\r", b"\n\n", b", ", b'"', b"\t", b" = ", b"text "]
SEQUENCES = [b"\x1b[31m", b"\x1b[0m", b"\x1b[K", b"\x1b[2;5H", b"\x1b]0;title\x07", b"\x1b["]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load(VAULT)


def run(engine: Engine, chunks: list[bytes]) -> bytes:
    stream = RuleStream(engine, VAULT)
    return b"".join([*(stream.feed(chunk) for chunk in chunks), stream.flush()])


def output_of(number: Callable[[int, int], int], glue: list[bytes]) -> bytes:
    """Text made of the examples of all rules, whole and cut, with anything between them; `number` chooses."""

    def one_of(choices: list[bytes]) -> bytes:
        return choices[number(0, len(choices) - 1)]

    parts: list[bytes] = []
    for _ in range(number(1, 6)):
        text = one_of(TEXTS)
        if number(0, 4) == 0:
            cut = number(0, len(text))
            text = one_of([text[:cut], text[cut:], text[:cut] + one_of(glue) + text[cut:]])
        parts += text, one_of(glue)
    return b"".join(parts)


@st.composite
def outputs(draw: st.DrawFn, glue: list[bytes]) -> bytes:
    return output_of(lambda low, high: draw(st.integers(low, high)), glue)


@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(outputs([*BETWEEN, *SEQUENCES]), st.data())
def test_any_chunking_gives_the_same_output(engine: Engine, output: bytes, data: st.DataObject) -> None:
    whole = run(engine, [output])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(output)), max_size=8)))
    assert (
        run(engine, [output[start:end] for start, end in zip([0, *cuts], [*cuts, len(output)], strict=True)]) == whole
    )
    assert run(engine, [output[at : at + 1] for at in range(len(output))]) == whole


# The same examples each time: a search of the whole may take text behind a key without its ends for a part of it, or a
# word on the next line for one of a mnemonic, which a stream that looks at a line cannot (its module, "What would break
# it"); no pattern here tells all of these. (Derandomised, Hypothesis still draws by the constants of what is imported.)
@pytest.mark.parametrize("seed", range(20, 80))
def test_the_output_is_that_of_the_engine_for_the_whole(engine: Engine, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  (examples)
    for _ in range(10):
        output = output_of(chance.randint, BETWEEN)
        if not UNLIKE_A_KEY.search(output):
            assert run(engine, [output]) == engine.for_lines().redact(output).data


@st.composite
def across_lines(draw: st.DrawFn, outputs: st.SearchStrategy[bytes]) -> bytes:
    """The same with line ends where blanks were, here and there, and more blanks beside them."""
    chance = draw(st.randoms(use_true_random=False))
    share = draw(st.sampled_from([0.1, 0.5, 1.0]))
    ends = [b"\n", b"\r\n", b"\n    ", b" \n" + b" " * 60]
    return re.sub(rb" |(?<=,)", lambda at: chance.choice(ends) if chance.random() < share else at[0], draw(outputs))


OUTPUTS = outputs([*BETWEEN, *SEQUENCES, b"\x1b]0;two\nlines\x07", b"\x1b]8;;l\x1b\\"])


@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.one_of(OUTPUTS, across_lines(OUTPUTS)),
    st.integers(1, 900),
    st.integers(0, 30),
)
def test_a_glance_skips_nothing_that_a_search_would_find(engine: Engine, output: bytes, size: int, every: int) -> None:
    glancing, searching = RuleStream(engine, VAULT), RuleStream(engine, VAULT)
    searching._glance = lambda data: Glance.MAY_FIND
    for number, at in enumerate(range(0, len(output), size), 1):
        chunk = output[at : at + size]
        assert glancing.feed(chunk) == searching.feed(chunk)
        assert glancing.held == searching.held
        if every and number % every == 0:
            assert glancing.flush() == searching.flush()
    assert glancing.flush() == searching.flush()


TRIGGERS = [rule.hyperscan_pattern() for rule in bundled_rules()]
OVER_LINES = [trigger for trigger in TRIGGERS if openings(trigger, longer=0)]
LINE = re.compile(rb"[^\n]*\n")


@st.composite
def matches(draw: st.DrawFn, triggers: list[str]) -> bytes:
    """What a trigger matches, with as many line ends as it lets in."""
    pattern = re.compile(draw(st.sampled_from(triggers)).encode())
    match = draw(st.from_regex(pattern, fullmatch=True))
    chance = draw(st.randoms(use_true_random=False))
    for at in (found.start() for found in re.finditer(rb"[\s,;]|(?<=\W)\w", match)):
        other = match[:at] + b"\n" + match[at + 1 :]
        if chance.random() < 0.3 and pattern.fullmatch(other):
            match = other
    return match


@settings(max_examples=300, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.one_of(matches(OVER_LINES), matches(TRIGGERS)), st.integers(0, 200))
def test_a_glance_tells_every_match_that_may_go_on_behind_a_line(engine: Engine, match: bytes, more: int) -> None:
    glance = engine.probe()
    for line in LINE.finditer(match):
        begun = match[: line.end()]
        if REACH < len(begun) < len(match):
            assert glance(b" " * more + begun) is not Glance.NOTHING


@settings(max_examples=300, suppress_health_check=list(HealthCheck), deadline=None)
@given(matches(OVER_LINES), st.integers(1, 3))
def test_a_match_over_lines_does_not_pass_however_far_back_it_begins(engine: Engine, match: bytes, size: int) -> None:
    stream = RuleStream(engine, VAULT)
    assert stream.passes(b"ordinary words\n" * 40)
    lines = LINE.findall(b"ordinary words\n" + match + b"\n")
    assume(len(match) <= 512)
    assume(b"\x1b" not in match)
    assume(engine.probe()(b"".join(lines)) is Glance.MAY_FIND)
    assert not all(stream.passes(b"".join(lines[at : at + size])) for at in range(0, len(lines), size))


@pytest.mark.parametrize("before", ["", r"\b", r"\B", "(?m:^)"])
@pytest.mark.parametrize("reach", [4, REACH - 1, REACH, REACH + 1, REACH + 9])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_match_does_not_pass_to_the_byte(before: str, reach: int, size: int) -> None:
    rule = Rule(id="far", kind="FAR", regex="q[0-9]{9}", trigger=rf"{before}q[a-z]{{{reach - 2}}}\n[0-9]{{9}}")
    far = Engine([rule], GlancingScanner(compile_rules([rule]), lambda: compile_glances([rule])), VAULT)
    begins = {"": b"", r"\b": b"x ", r"\B": b"x", "(?m:^)": b""}[before]
    lines = [b"ordinary words\n", begins + b"q" + b"a" * (reach - 2) + b"\n", b"123456789\n"]
    for apart in range(3):
        stream = RuleStream(far, VAULT)
        text = [b"ordinary words\n"] * apart + lines
        passed = [stream.passes(b"".join(text[at : at + size])) for at in range(0, len(text), size)]
        assert passed == [True] * (len(passed) - 1) + [False]


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        *([100, size] for size in (511, 512, 513, 514, 5000)),
        *([3] * times for times in (1, 31, 32, 33, 64, 300)),
        *([16] * times + [512, 7] for times in (30, 31, 32)),
        *(random.Random(seed).choices([2, 20, 200, 600], k=40) for seed in range(20)),  # noqa: S311  (sizes)
    ],
)
def test_what_is_searched_is_the_end_of_what_passed_and_the_new_lines(engine: Engine, sizes: list[int]) -> None:
    stream = RuleStream(engine, VAULT)
    told: list[int] = []
    searched: list[bytes] = []
    find = stream._find

    def noted(text: bytes) -> Sequence[Finding]:
        searched.append(text)
        return find(text)

    stream._find = noted  # type: ignore[method-assign]
    stream.on_mask = lambda found, _: told.append(found.start)
    whole = b""
    for number, size in enumerate(sizes):
        lines = (b"%d lines " % number * size)[: size - 1] + b"\n"
        assert stream.passes(lines)
        whole += lines
    stream.feed(TOKEN + b"\n", looks=True)
    assert searched[0] == whole[-513:] + TOKEN + b"\n"
    assert told == [len(whole)]


def test_ordinary_lines_are_not_searched(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = RuleStream(engine, VAULT)
    monkeypatch.setattr(Engine, "find", None)
    for line in (b"total 8\n", b"50%\r60%\r\n", b"\x1b[32mok\x1b[0m\n", b"part") * 9:
        stream.feed(line)


def test_lines_behind_a_secret_are_searched_only_while_it_is_their_context(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = RuleStream(engine, VAULT)
    stream.feed(b"ordinary\n" * 9 + TOKEN + b"\n")
    for _ in range(5):
        assert stream.feed(b"ordinary\n") == b"ordinary\n"
    monkeypatch.setattr(Engine, "find", None)
    assert stream.feed(b"ordinary\n") == b"ordinary\n"


@pytest.mark.parametrize("before", [b"", b"a\n", b"a\n" * 6, b"word " * 200 + b"\n"])
@pytest.mark.parametrize("size", [1, 9, 26, 40, 700])
def test_the_context_that_is_kept_behind_a_secret_is_enough(engine: Engine, before: bytes, size: int) -> None:
    secret = catalogue.expand("{base62:16}").encode()
    text = (
        before + TOKEN + b"\nmachine a.test\n  login me\n  account mine\n  password " + secret + b"\n" + TOKEN + b"\n"
    )
    shown = run(engine, [text[at : at + size] for at in range(0, len(text), size)])
    assert secret not in shown
    assert shown == engine.redact(text).data


class Word:
    """Finds a word that no rule knows."""

    def find(self, data: bytes) -> list[Finding]:
        """Find it once."""
        at = data.find(b"walrus")
        return [] if at < 0 else [Finding(at, at + 6, "WORD", Confidence.CERTAIN, "word", b"walrus")]


def test_what_sources_find_is_masked_whenever_the_engine_got_them(engine: Engine) -> None:
    engine.probe()
    line = b"the walrus\n"
    assert run(engine, [line]) == line
    wider = engine.with_sources(Word())
    assert wider.probe()(b"") is Glance.MAY_FIND
    assert b"walrus" not in run(wider, [line])
    assert engine.probe()(line) is Glance.NOTHING
    first = Engine((), Nothing(), VAULT, sources=[Word()])
    assert b"walrus" not in run(first, [line])
    assert run(Engine((), Nothing(), VAULT), [line]) == line


class Nothing:
    """The scanner of no rules, which has no probe."""

    def scan(self, data: bytes) -> tuple[tuple[int, int], ...]:
        """Find no candidates."""
        del data
        return ()


NETRC = b"\x1b[1mmachine\x1b[0m a.test\n", b"  login me\n  password "


@pytest.mark.parametrize(
    "chunks",
    [
        [TOKEN[:12] + b"\x1b]0;two\n", b"lines\x07" + TOKEN[12:] + b"\n"],
        [NETRC[0], NETRC[1] + b"{secret}\n"],
        [NETRC[0], NETRC[1] + b"\x1b[1m{secret}\x1b[0m\n"],
        [b"\x1b[1mok\x1b[0m\n", TOKEN + b"\n" * 600 + NETRC[0], NETRC[1] + b"\x1b[1m{secret}\x1b[0m\n"],
    ],
)
def test_the_context_of_a_glance_is_that_of_a_search_among_sequences(engine: Engine, chunks: list[bytes]) -> None:
    secret = catalogue.expand("{base62:16}").encode()
    stream = RuleStream(engine, VAULT)
    for chunk in chunks[:-1]:
        stream.feed(chunk)
    shown = stream.feed(chunks[-1].replace(b"{secret}", secret))
    assert b"MASKED-" in shown
    assert secret not in shown


def test_a_key_whose_begin_line_passed_with_one_of_another_kind_is_masked(engine: Engine) -> None:
    key = private_key(3, 16)
    text = b"-----BEGIN CERTIFICATE-----\n" + key
    for size in (1, 29, 30, 500):
        shown = run(engine, [text[at : at + size] for at in range(0, len(text), size)])
        assert not any(line in shown for line in key.splitlines()[1:-1])


@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
@given(outputs([*BETWEEN, *SEQUENCES]), st.lists(st.booleans(), max_size=60))
def test_flushes_lose_and_repeat_nothing_but_secrets(engine: Engine, output: bytes, flushes: list[bool]) -> None:
    stream = RuleStream(engine, VAULT)
    masked: list[tuple[int, int]] = []
    stream.on_mask = lambda found, _: masked.append((found.start, found.end))
    shown = b""
    for at, flush in enumerate([*flushes, *[False] * len(output)]):
        shown += stream.feed(output[at : at + 1]) + (stream.flush() if flush else b"")
    shown += stream.flush()
    rebuilt, done = b"", 0
    for start, end in masked:
        rebuilt += output[done:start]
        done = end
    for placeholder in {issued.placeholder.encode() for issued in VAULT.issued()}:
        shown = shown.replace(placeholder, b"")
    kept = ESCAPE_SEQUENCE.sub(b"", rebuilt + output[done:])
    assert ESCAPE_SEQUENCE.sub(b"", shown) == kept


@given(st.binary(max_size=400), st.integers(1, 9))
@settings(suppress_health_check=list(HealthCheck), deadline=None)
def test_binary_data_passes_unchanged(engine: Engine, output: bytes, size: int) -> None:
    assert run(engine, [output[at : at + size] for at in range(0, len(output), size)]) == output


@pytest.mark.parametrize("size", [1, 100, 4096, 10**6])
def test_a_private_key_of_20_kilobytes_is_one_secret(engine: Engine, size: int) -> None:
    key = private_key(310)
    text = b"# cat key\r\n" + key + b"done\n"
    shown = run(engine, [text[at : at + size] for at in range(0, len(text), size)])
    placeholder = VAULT.issue("PRIVATE-KEY", key.partition(b"-\n")[2].partition(b"\n-----END")[0], Origin.INSIDE)
    lines = key.splitlines()
    assert shown == b"\n".join([b"# cat key\r", lines[0], placeholder.encode(), lines[-1], b"done\n"])


def test_what_is_held_is_bounded_and_a_line_without_end_is_masked_all_the_same(engine: Engine) -> None:
    chance = random.Random(1)  # noqa: S311  (noise)
    stream = RuleStream(engine, VAULT)
    fed = shown = found = 0
    for number in range(400):
        filler = bytes(chance.choices(b"abcdefgh ,;:", k=4096))
        piece = filler + (b" " + TOKEN + b" " if number % 10 == 0 else b"")
        given_out = stream.feed(piece)
        fed, shown, found = fed + len(piece), shown + len(given_out), found + given_out.count(b"MASKED-GITHUB")
        assert TOKEN not in given_out
        assert fed - shown <= 2 * LONGEST_HELD
    assert found + stream.flush().count(b"MASKED-GITHUB") == 40


@pytest.mark.parametrize("filler", [b"a", b"\0", b"\r", b"\x1b[", b"\n", b"-----BEGIN RSA PRIVATE " + b"KEY-----\n"])
def test_memory_is_bounded_whatever_comes(engine: Engine, filler: bytes) -> None:
    stream = RuleStream(engine, VAULT)
    fed = shown = 0
    for _ in range(60):
        piece = filler * (4096 // len(filler))
        fed += len(piece)
        shown += len(stream.feed(piece))
        assert fed - shown <= LONGEST_HELD + 4096


@pytest.mark.parametrize("behind", range(-40, 41, 8))
def test_a_token_where_a_long_line_must_be_cut_is_masked(engine: Engine, behind: int) -> None:
    for filler in (b"ab cd ef ", b"abcdefgh;"):
        line = (filler * LONGEST_HELD)[: LONGEST_HELD + behind - 9]
        text = line[: line.rfind(filler[-1:]) + 1] + TOKEN + filler[-1:] + filler * LONGEST_HELD
        shown = run(engine, [text[at : at + 4096] for at in range(0, len(text), 4096)])
        assert TOKEN[:20] not in shown
        assert shown == run(engine, [text])


def test_lines_are_not_held_back_once_they_are_over(engine: Engine) -> None:
    stream = RuleStream(engine, VAULT)
    for line in (b"total 8\n", b"key: value\r\n", b"\x1b[32mok\x1b[0m\n", b"-----BEGIN CERTIFICATE-----\n"):
        assert stream.feed(line) == line
        assert not stream.held
    assert stream.feed(b"50%\r60%\r70") == b"50%\r60%\r"
    assert stream.held
    assert stream.flush() == b"70"
    assert not stream.held


def test_the_context_of_a_secret_has_been_shown_and_still_counts(engine: Engine) -> None:
    stream = RuleStream(engine, VAULT)
    password = catalogue.expand("{base62:16}").encode()
    assert stream.feed(b"machine a.test\n  login me\n") == b"machine a.test\n  login me\n"
    shown = stream.feed(b"  password " + password + b"\n")
    assert shown.startswith(b"  password MASKED-")
    assert password not in shown


@pytest.mark.parametrize("cut", range(1, len(TOKEN)))
def test_the_rest_of_a_secret_is_masked_after_a_flush_in_its_middle(engine: Engine, cut: int) -> None:
    stream = RuleStream(engine, VAULT)
    first = stream.feed(b"> " + TOKEN[:cut]) + stream.flush()
    rest = stream.feed(TOKEN[cut:] + b" end\n") + stream.flush()
    assert first.startswith(b"> ")
    assert TOKEN[cut:] + b" end" not in rest
    assert rest.endswith(b" end\n")
    assert b"MASKED-" in first + rest


def test_a_key_that_is_flushed_line_by_line_stays_masked(engine: Engine) -> None:
    key = private_key(20)
    stream = RuleStream(engine, VAULT)
    shown = b""
    for line in key.splitlines(keepends=True):
        shown += stream.feed(line) + stream.flush()
    assert not any(line in shown for line in key.splitlines()[1:-1])
    assert shown.endswith(key.splitlines(keepends=True)[-1])


def test_a_coloured_token_is_masked_and_its_colours_stay(engine: Engine) -> None:
    secret = catalogue.expand("{base62:32}").encode()
    line = b'\x1b[34m"api_key"\x1b[0m: \x1b[32m"' + secret + b'"\x1b[0m\n'
    shown = run(engine, [line])
    assert secret not in shown
    assert ESCAPE_SEQUENCE.findall(shown) == ESCAPE_SEQUENCE.findall(line)
    cut = run(engine, [TOKEN[:20] + b"\x1b[7m" + TOKEN[20:] + b"\x1b[0m\n"])
    assert ESCAPE_SEQUENCE.sub(b"", cut).startswith(b"MASKED-GITHUB")
    assert cut.count(b"\x1b") == 2


def test_each_mask_is_told_with_its_place_in_the_stream(engine: Engine) -> None:
    told: list[tuple[Finding, str]] = []
    stream = RuleStream(engine, VAULT)
    stream.on_mask = lambda found, placeholder: told.append((found, placeholder))
    text = b"word " * 1000 + TOKEN + b"\n" + b"more\n" * 1000 + TOKEN + b" \n"
    for at in range(0, len(text), 100):
        stream.feed(text[at : at + 100])
    assert [text[found.start : found.end] for found, _ in told] == [TOKEN, TOKEN]
    assert all(VAULT.value_of(placeholder) == TOKEN for _, placeholder in told)


def test_no_line_passes_that_begins_a_key_or_is_found_or_whose_beginning_is_held_back(engine: Engine) -> None:
    stream = RuleStream(engine, VAULT)
    for lines, passes in ((b"word\n", True), (TOKEN + b"\n", False), (b"-----BEGIN CERTIFICATE-----\n", False)):
        assert stream.passes(lines) == passes
    stream.feed(b"half a line")
    assert not stream.passes(b"word\n")


@pytest.mark.parametrize("line", [b"A" * 16 + b" AB=", b"A" * 16 + b"\tA", b"A" * 20 + b".", b"AB= AB="])
def test_a_line_that_begins_as_one_of_a_key_is_taken_as_the_last_one_whole(line: bytes) -> None:
    found = _KEY_LINES.match(line + b"\nthe next one\n")
    assert found is not None
    assert found.end() == len(line) + 1
