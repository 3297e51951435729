"""Whom the programs inside trust."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.fakes.company import Authority as Company
from wrapper.errors import SessionError
from wrapper.guard.trusting import make_authority
from wrapper.plan.certificates import choose
from wrapper.plan.trust import BUNDLE, EXTRA, INSIDE, JAVA, JAVA_PASSWORD, Trust, plan_trust


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    company = Company(tmp_path)
    inside = {"NODE_EXTRA_CA_CERTS": str(company.file), "REQUESTS_CA_BUNDLE": str(company.file)}
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch()
    (tmp_path / "shown").mkdir()
    folder = str(tmp_path / "shown")
    return plan_trust(folder, ("a.example",), {}, choose(inside, ()), (str(tmp_path / "bin"),))


def subjects(file: Path) -> list[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(file)
    return [dict(pair[0] for pair in one["subject"]).get("commonName", "") for one in context.get_ca_certs()]  # type: ignore[misc]


def test_all_authorities_stand_in_the_bundle_and_only_the_new_ones_beside_it(trust: Trust) -> None:
    make_authority(trust)
    more, everyone = subjects(Path(trust.folder, EXTRA)), subjects(Path(trust.folder, BUNDLE))
    assert sorted(more) == ["Company CA", "safe-agent, for this session only"]
    assert set(more) < set(everyone)
    assert len(everyone) > 50  # Debian's ca-certificates


def test_no_private_key_is_shown(trust: Trust) -> None:
    make_authority(trust)
    for file in Path(trust.folder).iterdir():
        assert b"PRIVATE" not in file.read_bytes()


def test_java_reads_its_own_file(trust: Trust) -> None:
    make_authority(trust)
    store = Path(trust.folder, JAVA)
    openssl = ["openssl", "pkcs12", "-in", str(store), "-passin", f"pass:{JAVA_PASSWORD}", "-nokeys"]
    shown = subprocess.run(openssl, capture_output=True, check=True).stdout
    assert b"safe-agent, for this session only" in shown
    if shutil.which("keytool"):
        keytool = ["keytool", "-list", "-keystore", str(store), "-storepass", JAVA_PASSWORD]
        assert shown.count(b"BEGIN CERTIFICATE") == subprocess.run(
            keytool, capture_output=True, check=True
        ).stdout.count(b"trustedCertEntry")


def test_each_kind_of_program_is_told_by_a_variable_of_its_own(trust: Trust) -> None:
    told = trust.variables({"JAVA_TOOL_OPTIONS": "-Xmx1g"})
    assert {told["SSL_CERT_FILE"], told["CURL_CA_BUNDLE"], told["GIT_SSL_CAINFO"]} == {f"{INSIDE}/{BUNDLE}"}
    assert {told["NODE_EXTRA_CA_CERTS"], told["DENO_CERT"]} == {f"{INSIDE}/{EXTRA}"}
    assert told["JAVA_TOOL_OPTIONS"].startswith(f"-Xmx1g -Djavax.net.ssl.trustStore={INSIDE}/{JAVA} ")


def test_the_users_own_file_takes_the_place_of_the_systems(tmp_path: Path) -> None:
    company = Company(tmp_path)
    one = plan_trust(str(tmp_path), ("a.example",), {"SSL_CERT_FILE": str(company.file)}, choose({}, ()), ())
    assert one.system == str(company.file)
    assert not one.java
    assert "JAVA_TOOL_OPTIONS" not in one.variables({})


def test_a_file_that_is_inside_already_counts_as_well(tmp_path: Path) -> None:
    """The session's file takes the place of the variable's: who stood in that one must stand in it too."""
    company = Company(tmp_path)
    inside = {"NODE_EXTRA_CA_CERTS": str(company.file), "NPM_CONFIG_CAFILE": str(company.file)}
    one = plan_trust(str(tmp_path), ("a.example",), inside, choose(inside, ()), ())
    make_authority(one)
    assert "Company CA" in subjects(tmp_path / EXTRA)
    assert one.variables(inside)["NPM_CONFIG_CAFILE"] == one.variables(inside)["npm_config_cafile"]


def test_what_is_no_file_of_certificates_does_not_take_the_place_of_the_systems(tmp_path: Path) -> None:
    (tmp_path / "mixed.pem").write_text("-----BEGIN PRIVATE" + " KEY-----\nAAAA\n-----END PRIVATE" + " KEY-----\n")
    inside = {"SSL_CERT_FILE": str(tmp_path / "mixed.pem")}
    make_authority(plan_trust(str(tmp_path), ("a.example",), inside, choose(inside, ()), ()))
    assert len(subjects(tmp_path / BUNDLE)) > 50


def test_the_systems_file_is_added_only_where_a_variable_adds_it(tmp_path: Path) -> None:
    """A company's authority may stand in it, and Node reads no other; but each start of Node reads all of it."""
    for name, least, most in (("NODE_EXTRA_CA_CERTS", 50, 9999), ("REQUESTS_CA_BUNDLE", 1, 1)):
        inside = {name: plan_trust(str(tmp_path), ("a.example",), {}, choose({}, ()), ()).system}
        make_authority(plan_trust(str(tmp_path), ("a.example",), inside, choose(inside, ()), ()))
        assert least <= len(subjects(tmp_path / EXTRA)) <= most


def test_what_cannot_be_written_is_said(trust: Trust) -> None:
    """Promise 5."""
    Path(trust.folder, BUNDLE).mkdir()
    with pytest.raises(SessionError, match=r"cannot be written to .+: Is a directory"):
        make_authority(trust)
