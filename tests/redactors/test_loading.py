"""The cache of compiled rules: what is damaged or another's is not used, and what is built twice at once is good."""

import multiprocessing
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from redactors import Engine, KnownValues, Origin, Rule, Vault, load, loading
from redactors.glance import Glance
from redactors.loading import bundled_rules
from redactors.patterns import Patterns
from redactors.rules.catalogue import expand
from redactors.scanner import compile_glances, compile_rules

GITHUB = expand(["gh", "p_{base62:30}{crc32}"]).encode()


def one_family() -> tuple[Path, ...]:
    return (Path(loading.__file__).parent / "rules" / "forges.toml",)


def finds(engine: Engine) -> bool:
    return bool(engine.find(b"x " + GITHUB))


@pytest.fixture(scope="module", autouse=True)
def _few_rules() -> Iterator[None]:
    """Compile one family only: what is tested is the cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "family_files", one_family)
        yield


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("cache")
    load(Vault(bytes(32)), cache_dir=folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def cache(tmp_path: Path, built: dict[str, bytes]) -> Path:
    for name, content in built.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    return tmp_path


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rules were compiled, for each time that it was done."""
    counts: list[int] = []

    def counting(rules: Sequence[Rule]) -> object:
        counts.append(len(rules))
        return compile_rules(rules)

    monkeypatch.setattr(loading, "compile_rules", counting)
    return counts


def test_a_second_load_compiles_nothing(cache: Path, compiled: list[int]) -> None:
    assert finds(load(Vault(bytes(32)), cache_dir=cache))
    assert compiled == []


def test_the_cache_is_for_its_user_alone(cache: Path) -> None:
    load(Vault(bytes(32)), cache_dir=cache / "new")
    assert stat.S_IMODE((cache / "new").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (cache / "new").iterdir()} == {0o600}


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "title only": lambda content: content.partition(b"\n")[0] + b"\n",
    "truncated": lambda content: content[: len(content) // 2],
    "one bit": lambda content: content[:1000] + bytes([content[1000] ^ 1]) + content[1001:],
    "longer": lambda content: content + b"\0" * 64,
    "zeros": lambda content: bytes(len(content)),
    "noise": lambda _: os.urandom(200_000),
    "no title": lambda content: content.partition(b"\n")[2],
    "an endless first line": lambda _: b"[" * 200_000,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_built_anew(cache: Path, compiled: list[int], damage: Callable[[bytes], bytes]) -> None:
    whole = {file: file.read_bytes() for file in cache.iterdir()}
    for file, content in whole.items():
        file.write_bytes(damage(content))
    assert finds(load(Vault(bytes(32)), cache_dir=cache))
    assert len(compiled) == 1
    assert {file: len(file.read_bytes()) for file in cache.iterdir()} == {
        file: len(content) for file, content in whole.items()
    }
    load(Vault(bytes(32)), cache_dir=cache)
    assert len(compiled) == 1, "the new file is good"


def test_what_glances_are_made_with_is_compiled_once_and_built_anew_if_damaged(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    def counting(rules: Sequence[Rule]) -> object:
        counts.append(len(rules))
        return compile_glances(rules)

    monkeypatch.setattr(loading, "compile_glances", counting)
    (file,) = cache.glob("glances-*.hs")
    for damaged in (False, True):
        if damaged:
            file.write_bytes(file.read_bytes()[:-9] + b"otherwise")
        engine = load(Vault(bytes(32)), cache_dir=cache)
        assert [engine.probe()(b"x " + GITHUB) for _ in range(2)] == [Glance.MAY_FIND] * 2
        assert len(counts) == damaged


def test_rules_that_changed_on_disk_are_not_those_that_run(cache: Path) -> None:
    (packed,) = cache.glob("rules-*.json")
    packed.write_bytes(packed.read_bytes().replace(b"github", b"gitbub"))
    assert bundled_rules(cache) == bundled_rules()


def test_the_database_of_other_rules_is_not_taken(cache: Path, compiled: list[int]) -> None:
    load(Vault(bytes(32)), disable=["github-token"], cache_dir=cache)
    first, second = sorted(cache.glob("database-*.hs"), key=lambda file: file.stat().st_mtime_ns)
    first.write_bytes(second.read_bytes())
    assert finds(load(Vault(bytes(32)), cache_dir=cache))
    assert len(compiled) == 2


def test_the_database_of_another_library_version_is_not_asked_for(
    cache: Path, compiled: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "library_version", lambda: "0.0.0")
    load(Vault(bytes(32)), cache_dir=cache)
    assert len(compiled) == 1
    assert len(list(cache.glob("database-*.hs"))) == 2


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_read(cache: Path, compiled: list[int], mode: int) -> None:
    (database,) = cache.glob("database-*.hs")
    database.chmod(mode)
    load(Vault(bytes(32)), cache_dir=cache)
    assert len(compiled) == 1
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


def test_a_file_of_another_user_is_not_read(cache: Path, compiled: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_TRUSTED_OWNERS", ())
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 4711)
    load(Vault(bytes(32)), cache_dir=cache)
    assert len(compiled) == 1


def test_a_link_and_a_pipe_in_the_place_of_a_file_are_not_followed(cache: Path, compiled: list[int]) -> None:
    (database,) = cache.glob("database-*.hs")
    database.rename(cache / "elsewhere")
    database.symlink_to(cache / "elsewhere")
    load(Vault(bytes(32)), cache_dir=cache)
    database.unlink()
    os.mkfifo(database, 0o600)
    load(Vault(bytes(32)), cache_dir=cache)
    assert len(compiled) == 2
    assert database.is_file()


def build(cache: str, start: Barrier, results: "Queue[bool]") -> None:
    loading.family_files = one_family
    start.wait()
    results.put(finds(load(Vault(bytes(32)), cache_dir=Path(cache))))


def test_processes_that_build_at_once_end_with_one_good_file_each(tmp_path: Path, compiled: list[int]) -> None:
    context = multiprocessing.get_context("spawn")
    results, start = context.Queue(), context.Barrier(3)
    builders = [context.Process(target=build, args=(str(tmp_path), start, results)) for _ in range(3)]
    for builder in builders:
        builder.start()
    assert [results.get(timeout=60) for _ in builders] == [True] * 3
    for builder in builders:
        builder.join()
    kinds = [file.name.partition("-")[0] for file in tmp_path.iterdir()]
    assert sorted(set(kinds)) == ["database", "glances", "patterns", "rules"]
    assert (kinds.count("database"), kinds.count("glances"), kinds.count("rules")) == (1, 1, 1)
    assert finds(load(Vault(bytes(32)), cache_dir=tmp_path))
    assert compiled == []


def test_a_folder_that_cannot_be_made_costs_no_protection(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert finds(load(Vault(bytes(32)), cache_dir=tmp_path / "file" / "cache"))


def test_what_known_values_are_searched_with_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(Vault(bytes(32)), cache_dir=tmp_path)
    kept = {file.name: file.read_bytes() for file in tmp_path.glob("patterns-*.hs")}
    monkeypatch.setattr(Patterns, "dump", lambda _: pytest.fail("compiled again"))
    load(Vault(bytes(32)), cache_dir=tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.glob("patterns-*.hs")} == kept


def test_a_known_value_is_found_also_when_its_patterns_were_damaged(tmp_path: Path) -> None:
    load(Vault(bytes(32)), cache_dir=tmp_path)
    for file in tmp_path.glob("patterns-*.hs"):
        file.write_bytes(file.read_bytes()[:-9] + b"otherwise")
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    value = expand("{base62:30}").encode()
    known.add("MINE", value, Origin.OUTSIDE)
    cut = b"\x1b[31m".join((value[:9], value[9:]))
    assert value[9:] not in load(vault, known, cache_dir=tmp_path).redact(b"x " + cut + b" y").data


def test_who_only_looks_needs_no_vault() -> None:
    (found,) = load().find(b"x " + GITHUB)
    assert (found.start, found.end, found.kind) == (2, 2 + len(GITHUB), "GITHUB-TOKEN")
    assert load().redact(GITHUB).data != load().redact(GITHUB).data  # placeholders of another key
