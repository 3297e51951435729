"""Claude Code set to a cloud: where its requests go, by which key, and what is refused."""

import pytest

from tests.agents.building import GATEWAY, facts
from tests.agents.test_claude import LOGIN, launch
from wrapper.agents.claude import UPSTREAM
from wrapper.agents.clouds import BEDROCK, FOUNDRY, MANTLE, VERTEX
from wrapper.agents.clouds import cloud as chosen
from wrapper.errors import SessionError

AWS = {BEDROCK: "1", "AWS_BEARER_TOKEN_BEDROCK": "fake-bedrock-key", "AWS_REGION": "eu-central-1"}
AZURE = {FOUNDRY: "true", "ANTHROPIC_FOUNDRY_RESOURCE": "lab-1", "ANTHROPIC_FOUNDRY_API_KEY": "fake-foundry-key"}
GOOGLE = {VERTEX: "1", "ANTHROPIC_VERTEX_PROJECT_ID": "proj-1", "CLOUD_ML_REGION": "europe-west1"}


def test_bedrock_is_two_hosts_of_a_region_and_the_key_stays_outside() -> None:
    found = launch(environ=AWS)
    assert found.upstream == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    assert found.beside == {"/inference-profiles": "https://bedrock.eu-central-1.amazonaws.com"}
    assert found.environment["ANTHROPIC_BEDROCK_BASE_URL"] == GATEWAY
    assert (found.environment[BEDROCK], found.environment["AWS_REGION"]) == ("1", "eu-central-1")
    assert found.credential is not None
    assert found.credential.headers == {"authorization": "Bearer fake-bedrock-key"}
    assert "fake-bedrock-key" not in str(found.environment) + str(found.credential)
    assert found.credential.variables["AWS_BEARER_TOKEN_BEDROCK"].value == b"fake-bedrock-key"
    assert "POST /model/**/invoke-with-response-stream" in found.asks
    assert found.upstream in found.providers


@pytest.mark.parametrize(
    ("environ", "files", "host"),
    [
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-west-2"}, {}, "us-west-2.amazonaws.com"),
        ({"AWS_REGION": ""}, {}, "us-east-1.amazonaws.com"),
        ({"AWS_REGION": ""}, {".aws/config": "[default]\nregion = ap-south-1\n"}, "ap-south-1.amazonaws.com"),
        (
            {"AWS_REGION": "", "AWS_PROFILE": "lab"},
            {".aws/config": "[default]\nregion = x\n[profile lab]\nregion = sa-east-1\n"},
            "sa-east-1.amazonaws.com",
        ),
        ({"AWS_REGION": ""}, {".aws/config": "no settings"}, "us-east-1.amazonaws.com"),
        ({"AWS_REGION": "cn-north-1"}, {}, "cn-north-1.amazonaws.com.cn"),
        ({"AWS_REGION": "us-gov-west-1"}, {}, "us-gov-west-1.amazonaws.com"),
    ],
)
def test_the_region_is_found_as_the_tools_of_aws_do(environ: dict[str, str], files: dict[str, str], host: str) -> None:
    assert launch(environ=AWS | environ, files=dict(files)).upstream == f"https://bedrock-runtime.{host}"


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("", "us-east5-aiplatform.googleapis.com"),
        ("europe-west1", "europe-west1-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_vertex_is_a_host_of_a_region_and_the_token_comes_from_googles_own_command(region: str, host: str) -> None:
    found = launch(environ=GOOGLE | {"CLOUD_ML_REGION": region, "ANTHROPIC_API_KEY": "sk-fake"})
    assert found.upstream == f"https://{host}/v1"
    assert found.environment["CLAUDE_CODE_SKIP_VERTEX_AUTH"] == "1"
    assert found.credential is not None
    assert found.credential.command.startswith("gcloud ")
    assert not found.credential.headers, "a key of Anthropic's is not for Google"


def test_foundry_is_a_host_of_a_resource_and_a_token_goes_before_a_key() -> None:
    found = launch(environ=AZURE)
    assert found.upstream == "https://lab-1.services.ai.azure.com/anthropic"
    assert found.credential is not None
    assert found.credential.headers == {"x-api-key": "fake-foundry-key"}
    found = launch(environ=AZURE | {"ANTHROPIC_FOUNDRY_AUTH_TOKEN": "fake-foundry-token"})
    assert found.credential is not None
    assert found.credential.headers == {"authorization": "Bearer fake-foundry-token"}


def test_mantle_is_bedrocks_other_door() -> None:
    found = launch(environ={**AWS, BEDROCK: "", MANTLE: "1"})
    assert found.upstream == "https://bedrock-mantle.eu-central-1.api.aws/anthropic"
    assert found.environment["ANTHROPIC_BEDROCK_MANTLE_BASE_URL"] == GATEWAY


def test_of_several_switches_the_clients_own_order_counts() -> None:
    one = chosen(AWS | AZURE | GOOGLE, facts())
    other = chosen(AZURE | GOOGLE, facts())
    assert one is not None
    assert other is not None
    assert (one.base, other.base) == ("ANTHROPIC_BEDROCK_BASE_URL", "ANTHROPIC_FOUNDRY_BASE_URL")
    assert chosen({BEDROCK: "0", VERTEX: ""}, facts()) is None


def test_policys_upstream_and_the_users_own_gateway_go_before_the_cloud() -> None:
    said = launch(environ=AWS | {"ANTHROPIC_BEDROCK_BASE_URL": "https://llm.test/bedrock/"})
    assert (said.upstream, dict(said.beside)) == ("https://llm.test/bedrock", {})
    assert launch(environ=AWS, upstreams={"anthropic": "https://policy.test"}).upstream == "https://policy.test"
    assert not launch(environ=AWS, upstreams={"anthropic": "https://policy.test"}).beside


def test_a_login_at_anthropic_is_not_sent_to_a_cloud_nor_to_a_gateway_before_it() -> None:
    files = {".claude/.credentials.json": LOGIN}
    at_cloud = launch(files=files, environ=AWS)
    skipping = launch(files=files, environ={BEDROCK: "1", "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1"})
    own = {BEDROCK: "1", "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1", "ANTHROPIC_AUTH_TOKEN": "fake-gateway-token"}
    before = launch(files=files, environ=own)
    assert at_cloud.credential is not None
    assert skipping.credential is not None
    assert before.credential is not None
    assert at_cloud.credential.headers == {"authorization": "Bearer fake-bedrock-key"}
    assert skipping.credential.headers == {}
    assert before.credential.headers == {"authorization": "Bearer fake-gateway-token"}
    for one in (at_cloud, skipping, before):
        assert one.credential is not None
        assert b"fake-access-token" in {secret.value for secret in one.credential.secrets}, "it stays outside"


def test_nothing_in_settings_inside_leads_to_another_cloud() -> None:
    for environ in ({}, AWS):
        found = launch(environ=dict(environ))
        assert found.above is not None
        (content,) = found.above(found.environment).values()
        for name in (VERTEX, FOUNDRY, MANTLE):
            assert f'"{name}": ""'.encode() in content
        for name in ("ANTHROPIC_FOUNDRY_BASE_URL", "CLAUDE_CODE_SKIP_BEDROCK_AUTH", "AWS_ENDPOINT_URL_BEDROCK"):
            assert (f'"{name}": ""'.encode() in content) is bool(environ)
        # else a variable that the user's own scripts may want would be empty for them
        assert b"AWS_BEARER_TOKEN_BEDROCK" not in content or environ
        assert (f'"{BEDROCK}": "1"'.encode() in content) is bool(environ)
    assert launch().upstream == UPSTREAM
    assert not launch().asks


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({BEDROCK: "1"}, "AWS_BEARER_TOKEN_BEDROCK"),
        (AWS | {"AWS_BEARER_TOKEN_BEDROCK": "two\nlines"}, "AWS_BEARER_TOKEN_BEDROCK"),
        (AWS | {"AWS_REGION": "evil.test/x"}, "AWS_REGION"),
        (AWS | {"AWS_REGION": "us-east-1\n.evil.test"}, "AWS_REGION"),
        (GOOGLE | {"CLOUD_ML_REGION": "evil.test/"}, "CLOUD_ML_REGION"),
        ({VERTEX: "1"}, "ANTHROPIC_VERTEX_PROJECT_ID"),
        ({FOUNDRY: "1"}, "ANTHROPIC_FOUNDRY_RESOURCE"),
        (AZURE | {"ANTHROPIC_FOUNDRY_RESOURCE": "evil.test/#"}, "ANTHROPIC_FOUNDRY_RESOURCE"),
        ({FOUNDRY: "1", "ANTHROPIC_FOUNDRY_RESOURCE": "lab"}, "ANTHROPIC_FOUNDRY_API_KEY"),
        ({"CLAUDE_CODE_USE_ANTHROPIC_AWS": "1"}, "CLAUDE_CODE_USE_ANTHROPIC_AWS"),
    ],
)
def test_what_cannot_be_served_is_refused_with_what_to_set(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SessionError) as refused:
        launch(environ=environ)
    assert named in f"{refused.value.what} {refused.value.hint}"
