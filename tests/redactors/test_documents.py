"""A masked file still reads as what it is, shows no secret, and can be written back byte for byte."""

import configparser
import hashlib
import json
import netrc
import os
import tomllib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from redactors import Engine, KnownValues, Origin, Vault
from redactors.baseline import parse_baseline
from redactors.documents import is_dotenv, mask_document
from redactors.rules.catalogue import expand
from tests.compiled import load

TOKEN = expand("{base62:20}4")
GITHUB = expand(["gh", "p_{base62:30}{crc32}"])
PEM = expand(["-----BEGIN PRIVATE ", "KEY-----\n{base64:64}\n{base64:64}\n-----END PRIVATE ", "KEY-----\n"])


@pytest.fixture
def engine() -> Engine:
    vault = Vault(os.urandom(32))
    return load(vault, KnownValues(vault))


@pytest.fixture(scope="module")
def shared() -> Engine:
    vault = Vault(os.urandom(32))
    return load(vault, KnownValues(vault))


def masked(engine: Engine, path: str, text: str, *secrets: str) -> str:
    """Mask `text` whole; no secret is left, and the vault gives the file back."""
    vault = engine.vault
    out = mask_document(path, text.encode(), engine, whole=True).data
    assert vault.restore(out, to=Origin.OUTSIDE) == text.encode()
    assert vault.restore(out, to=Origin.INSIDE) == out, "the inside never gets it back"
    for secret in secrets:
        assert secret.encode() not in out
    return out.decode()


def test_a_dotenv_keeps_keys_comments_quotes_and_plain_values(engine: Engine) -> None:
    text = (
        "# the database\nexport DB_PASSWORD='s3 cret' # why\r\nNODE_ENV=development\nPORT=3000\nDEBUG=true\n"
        f'API_URL=http://localhost:3000/v1\nNAME="{TOKEN}"\nEMPTY=\nREF=${{DB_PASSWORD}}\nHOST=localhost\n'
    )
    out = masked(engine, ".env.local", text, "s3 cret", TOKEN)
    for kept in (
        "# the database\nexport DB_PASSWORD='MASKED-PASSWORD-",
        "' # why\r\nNODE_ENV=development\nPORT=3000\nDEBUG=true\nAPI_URL=http://localhost:3000/v1\nNAME=\"MASKED-VALUE-",
        '"\nEMPTY=\nREF=${DB_PASSWORD}\nHOST=localhost\n',
    ):
        assert kept in out


def test_a_url_in_a_dotenv_loses_only_its_password(engine: Engine) -> None:
    out = masked(engine, ".env", f"DATABASE_URL=postgres://app:{TOKEN}@db:5432/x?ssl=1\n", TOKEN)
    assert out.startswith("DATABASE_URL=postgres://app:MASKED-URL-PASSWORD-")
    assert out.endswith("@db:5432/x?ssl=1\n")


def test_a_private_key_in_a_dotenv_keeps_its_lines(engine: Engine) -> None:
    out = masked(engine, ".env", f'KEY="{PEM}"\nA=1\n', PEM.split("\n")[1])
    assert out.split("\n")[0].endswith("KEY-----")
    assert out.split("\n")[2].startswith("-----END")


def test_names_of_dotenv_files() -> None:
    assert all(is_dotenv(name) for name in (".env", "a/.env.production", "prod.env", ".envrc", "x/.flaskenv"))
    assert not any(is_dotenv(name) for name in ("environment.py", "venv", "env.example.md"))


def test_an_npmrc_keeps_its_hosts(engine: Engine) -> None:
    text = f"registry=https://host.test/\n//host.test/:_authToken={TOKEN}\n_auth=bWU6{TOKEN}\nalways-auth=true\n"
    out = masked(engine, ".npmrc", text, TOKEN)
    assert "registry=https://host.test/\n//host.test/:_authToken=MASKED-NPM-" in out
    assert out.endswith("always-auth=true\n")


def test_a_netrc_still_parses(engine: Engine, tmp_path: Path) -> None:
    out = masked(
        engine, ".netrc", f"machine a.test\n login me\n password {TOKEN}\nmachine b.test login x password y1\n", TOKEN
    )
    (tmp_path / "netrc").write_text(out)
    login, _, password = netrc.netrc(str(tmp_path / "netrc")).authenticators("a.test") or ("", "", "")
    assert login == "me"
    assert password is not None
    assert password.startswith("MASKED-PASSWORD-")


def test_cloud_credentials_still_parse(engine: Engine) -> None:
    text = (
        f"[default]\naws_access_key_id = AKIA{expand('{base32:16}')}\naws_secret_access_key={TOKEN}/+a\n"
        "region = eu-west-1\n; a comment\n[profile other]\nrole_arn = arn:aws:iam::123456789012:role/x\n"
    )
    out = masked(engine, ".aws/credentials", text, TOKEN, "AKIA")
    parsed = configparser.ConfigParser()
    parsed.read_string(out)
    assert parsed["default"]["region"] == "eu-west-1"
    assert parsed["default"]["aws_access_key_id"].startswith("MASKED-")
    assert parsed["profile other"]["role_arn"] == "arn:aws:iam::123456789012:role/x"


def test_a_pypirc_still_parses(engine: Engine) -> None:
    out = masked(
        engine, ".pypirc", f"[index]\nrepository = https://host.test/\nusername = me\npassword = {TOKEN}%%x\n", TOKEN
    )
    parsed = configparser.RawConfigParser()
    parsed.read_string(out)
    assert parsed["index"]["username"] == "me"
    assert parsed["index"]["password"].startswith("MASKED-PASSWORD-")


def test_json_credentials_still_parse(engine: Engine) -> None:
    document = {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": expand("{hex:40}"),
        "private_key": PEM,
        "client_email": "svc@my-project.test",
        "token_uri": "https://oauth.test/token",
        "refresh_token": f'1//"{TOKEN}\\',
        "nested": {"tokens": [TOKEN, {"note": "plain"}], "port": 8080, "secure": True},
    }
    parsed = json.loads(masked(engine, "key.json", json.dumps(document, indent=2), TOKEN, PEM.split("\n")[1]))
    assert parsed["private_key"].split("\n")[0] == PEM.split("\n")[0]
    assert parsed["private_key"].split("\n")[1].startswith("MASKED-PRIVATE-KEY-")
    for kept in ("type", "project_id", "client_email", "token_uri"):
        assert parsed[kept] == document[kept]
    assert parsed["refresh_token"].startswith("MASKED-")
    assert parsed["nested"]["tokens"][0].startswith("MASKED-")
    assert parsed["nested"]["tokens"][1] == {"note": "plain"}
    assert parsed["nested"]["port"] == 8080


def test_a_docker_configuration_still_parses(engine: Engine) -> None:
    auth = "bWU6c2VjcmV0LXBhc3N3b3Jk"
    text = json.dumps({"auths": {"host.test": {"auth": auth}}, "credHelpers": {"x": "gcloud"}})
    parsed = json.loads(masked(engine, ".docker/config.json", text, auth))
    assert parsed["credHelpers"] == {"x": "gcloud"}
    assert parsed["auths"]["host.test"]["auth"].startswith("MASKED-")


def test_a_kubeconfig_still_parses(engine: Engine) -> None:
    text = (
        "apiVersion: v1\nclusters:\n- cluster:\n    server: https://k.test:6443\n  name: c\nusers:\n- name: me\n"
        f'  user:\n    client-key-data: {expand("LS0tLS1CRUdJTi{base64:80}==")}\n    token: "{TOKEN}" # mine\n'
        "current-context: c\n"
    )
    parsed = yaml.safe_load(masked(engine, ".kube/config", text, TOKEN, "LS0tLS1CRUdJTi"))
    assert parsed["clusters"][0]["cluster"]["server"] == "https://k.test:6443"
    user = parsed["users"][0]["user"]
    assert user["token"].startswith("MASKED-")
    assert user["client-key-data"].startswith("MASKED-")


def test_a_kubernetes_secret_still_parses(engine: Engine) -> None:
    text = (
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  username: YWRtaW4tdXNlcg==\n  cert: |\n"
        f"    line one {TOKEN}\n    line two\nstringData:\n  any: '{TOKEN}'\ntype: Opaque\n"
    )
    parsed = yaml.safe_load(masked(engine, "secret.yaml", text, TOKEN, "YWRtaW4tdXNlcg", "line two"))
    assert parsed["metadata"] == {"name": "db"}
    assert parsed["type"] == "Opaque"
    assert all(
        value.strip().startswith("MASKED-") for value in (*parsed["data"].values(), *parsed["stringData"].values())
    )


def test_yaml_in_flow_style_still_parses(engine: Engine) -> None:
    text = (
        f"db: {{host: db.test, port: 5432, password: {TOKEN}, 'api_key': \"{TOKEN}a\"}}\n"
        f"list: [{{name: one, token: '{TOKEN}b'}},\n  {{name: two, token: {TOKEN}c}}]  # mine\ntokens: [{TOKEN}d, {TOKEN}e]\n"
        "plain: {level: info, ratio: 0.5}\n"
    )
    parsed = yaml.safe_load(masked(engine, "app.yaml", text, TOKEN))
    assert parsed["db"]["host"] == "db.test"
    assert parsed["db"]["port"] == 5432
    assert parsed["db"]["password"].startswith("MASKED-")
    assert parsed["db"]["api_key"].startswith("MASKED-")
    assert [one["name"] for one in parsed["list"]] == ["one", "two"]
    assert all(one["token"].startswith("MASKED-") for one in parsed["list"])
    assert all(one.startswith("MASKED-") for one in parsed["tokens"])
    assert parsed["plain"] == {"level": "info", "ratio": 0.5}


def test_a_kubernetes_secret_in_flow_style_still_parses(engine: Engine) -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata: {user: YWRtaW4tdXNlcg==, any: c29tZS13b3Jk}\n"
    parsed = yaml.safe_load(masked(engine, "secret.yaml", text, "YWRtaW4tdXNlcg", "c29tZS13b3Jk"))
    assert parsed["metadata"] == {"name": "db"}
    assert all(value.startswith("MASKED-") for value in parsed["data"].values())


def test_toml_credentials_still_parse(engine: Engine) -> None:
    text = f'[server]\nport = 8080\npassword = "{TOKEN}" # x\ntoken = \'{TOKEN}b\'\nhosts = ["a", "b"]\ndebug = false\n'
    parsed = tomllib.loads(masked(engine, "credentials.toml", text, TOKEN))
    assert parsed["server"]["port"] == 8080
    assert parsed["server"]["hosts"] == ["a", "b"]
    assert parsed["server"]["password"].startswith("MASKED-")
    assert parsed["server"]["token"].startswith("MASKED-")


@pytest.mark.parametrize(
    ("path", "text", "kept"),
    [
        (".pgpass", f"# c\ndb.test:5432:app:me:{TOKEN}\n", "# c\ndb.test:5432:app:me:MASKED-"),
        (".htpasswd", f"me:$apr1${TOKEN}\n", "me:MASKED-"),
        (".env", f"P=${{P:-3000}}\nC=${{D:-}}\nA=${{B:-{TOKEN}}}\n", "P=${P:-3000}\nC=${D:-}\nA=MASKED-"),
        (".git-credentials", f"https://me:{TOKEN}@forge.test\n", "https://me:MASKED-"),
        (
            ".git/config",
            f'[remote "o"]\n\turl = https://me:{TOKEN}@forge.test/a.git\n',
            '[remote "o"]\n\turl = https://me:MASKED-',
        ),
        (
            "prod.tfvars",
            f'region = "eu-west-1"\ndb_password = "{TOKEN}"\n',
            'region = "eu-west-1"\ndb_password = "MASKED-',
        ),
    ],
)
def test_other_credential_files_keep_their_shape(engine: Engine, path: str, text: str, kept: str) -> None:
    assert masked(engine, path, text, TOKEN).startswith(kept)


def test_a_source_file_shows_likely_values_but_no_certain_ones(engine: Engine) -> None:
    text = f'api_key = "{TOKEN}"\ngithub = "{GITHUB}"\n'.encode()
    out = mask_document("tests/conftest.py", text, engine, whole=False).data
    assert TOKEN.encode() in out
    assert GITHUB.encode() not in out


def test_a_remark_holds_for_ordinary_files_only(engine: Engine) -> None:
    text = f'github = "{GITHUB}"  # pragma: allowlist secret\n'.encode()
    assert mask_document("a.py", text, engine, whole=False).data is text
    assert mask_document("a.cfg", text, engine, whole=True).data is not text


def test_a_baseline_holds_for_its_file_only(engine: Engine) -> None:
    digest = hashlib.sha1(GITHUB.encode(), usedforsecurity=False).hexdigest()
    allowed = parse_baseline(
        json.dumps({"results": {"b.py": [{"hashed_secret": digest, "is_secret": False}]}}).encode()
    )
    plain = f'github = "{GITHUB}"\n'.encode()
    assert mask_document("b.py", plain, engine, whole=False, baseline=allowed).data is plain
    assert mask_document("c.py", plain, engine, whole=False, baseline=allowed).data is not plain


def test_masked_values_are_found_afterwards_wherever_they_go(engine: Engine) -> None:
    mask_document(".env", f'A="{TOKEN}"\n'.encode(), engine, whole=True)
    assert [one.value for one in engine.find(f"saw {TOKEN} there".encode())] == [TOKEN.encode()]


@pytest.mark.parametrize("path", [".env", "a.json", "a.yaml", ".npmrc", ".netrc", ".pgpass", "x"])
@given(data=st.binary(max_size=200))
def test_any_bytes_can_be_masked_and_given_back(shared: Engine, path: str, data: bytes) -> None:
    out = mask_document(path, data, shared, whole=True).data
    assert shared.vault.restore(out, to=Origin.OUTSIDE) == data


def test_a_url_keeps_its_shape_also_when_its_password_is_known_by_now(engine: Engine) -> None:
    text = f"DATABASE_URL=postgres://app:{TOKEN}@db.test:5432/app\n"
    first = masked(engine, ".env", text, TOKEN)
    assert first.startswith("DATABASE_URL=postgres://app:MASKED-")
    assert masked(engine, ".env", text, TOKEN) == first


def test_a_known_value_elsewhere_in_a_url_does_not_show_its_password(engine: Engine) -> None:
    assert engine.known is not None
    engine.known.add("HOST", b"db7.q4vz.test", Origin.OUTSIDE)
    out = masked(engine, ".env", "DATABASE_URL=postgres://app:password@db7.q4vz.test/app\n", "password")
    assert out.startswith("DATABASE_URL=MASKED-")


def test_a_value_that_was_masked_before_is_not_masked_again(engine: Engine) -> None:
    shown = b"DATABASE_URL=postgres://app:MASKED-PASSWORD-ABCDEFGH@db/app\nAPI_KEY=MASKED-KEY-ABCDEFGH\n"
    shown += (
        b"ORIGIN_URL=https://MASKED-URL-TOKEN-ABCDEFGH@forge.test/x.git\nBOTH=MASKED-KEY-ABCDEFGH,MASKED-KEY-ABCDEFGX\n"
    )
    assert mask_document(".env.copy", shown, engine, whole=True).data == shown


@pytest.mark.parametrize(
    "shown",
    [
        "KEY=MASKED-KEY-ABCDEFGH:{}",
        "KEY={}MASKED-KEY-ABCDEFGH",
        "DATABASE_URL=postgres://app:MASKED-KEY-ABCDEFGH{}@db/app",
        "DATABASE_URL=postgres://{}:MASKED-KEY-ABCDEFGH@db/app?sslpassword={}",
        "DATABASE_URL=postgres://{}:MASKED-KEY-ABCDEFGH@db/app",
        "DATABASE_URL=https://MASKED-KEY-ABCDEFGH@db/{}",
    ],
)
def test_what_looks_like_a_placeholder_shields_no_secret(engine: Engine, shown: str) -> None:
    value = expand("{base62:24}")
    assert (
        value.encode() not in mask_document(".env", f"{shown.replace('{}', value)}\n".encode(), engine, whole=True).data
    )
