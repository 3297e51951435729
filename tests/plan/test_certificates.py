"""Which files of certificates stand inside because a variable names them: never one that holds more."""

import os
from pathlib import Path

import pytest

from wrapper.plan.caching import copied
from wrapper.plan.certificates import VARIABLES, choose, only_certificates

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUd2hhdCBp\ncyBpbiBoZXJl\n-----END CERTIFICATE-----\n"


def block(label: str) -> str:
    return CERTIFICATE.replace("CERTIFICATE", label)


@pytest.mark.parametrize(
    ("text", "is_shown"),
    [
        (CERTIFICATE, True),
        (f"# Issuer: CN=Corp\n{CERTIFICATE}\nCorp Root 2\n{CERTIFICATE}", True),
        (CERTIFICATE.replace("\n", "\r\n"), True),
        (block("TRUSTED CERTIFICATE"), True),
        ("", False),
        ("password", False),
        (CERTIFICATE + block("PRIVATE" + " KEY"), False),
        (block("RSA PRIVATE" + " KEY") + CERTIFICATE, False),
        (CERTIFICATE + "-----BEGIN PRIVATE" + " KEY-----", False),
        ("-----BEGIN CERTIFICATE-----\nsecret: yes!\n-----END CERTIFICATE-----\n", False),
        (CERTIFICATE.replace("END CERTIFICATE", "END X509 CERTIFICATE"), False),
    ],
)
def test_a_file_is_shown_if_it_holds_certificates_and_nothing_else(
    tmp_path: Path, text: str, *, is_shown: bool
) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(text.encode())
    assert bool(only_certificates(str(file))) is is_shown
    chosen = choose({"NODE_EXTRA_CA_CERTS": str(file)}, ["/usr"])
    assert list(chosen.files) == ([str(file)] if is_shown else [])
    assert [str(file) in notice for notice in chosen.notices] == ([] if is_shown else [True])


def test_what_stands_between_certificates_is_not_shown(tmp_path: Path) -> None:
    """Promise 2: a settings file with a certificate in it (OpenVPN's, a cluster's) holds passwords too."""
    file = tmp_path / "office.ovpn"
    file.write_text(
        f"<auth-user-pass>\njoe\nhunter2-hunter2\n</auth-user-pass>\n<ca>\n{CERTIFICATE}</ca>\n{CERTIFICATE}"
    )
    assert only_certificates(str(file)) == CERTIFICATE.encode() * 2


def test_a_file_that_is_swapped_for_a_link_after_the_look_leads_nowhere(tmp_path: Path) -> None:
    """Promise 2: a session inside may write where another one's variable points."""
    file, key = tmp_path / "ca.pem", tmp_path / "key"
    file.write_text(CERTIFICATE)
    key.write_text("very private")
    trusted = choose({"SSL_CERT_FILE": str(file)}, [])
    file.unlink()
    file.symlink_to(key)
    for _ in range(2):
        copy = copied(trusted.files, tmp_path / "cache")[str(file)]
        assert Path(copy).is_relative_to(tmp_path / "cache")
        assert Path(copy).read_text() == CERTIFICATE
        Path(copy).write_text("damaged")


def test_a_pipe_does_not_hold_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ca.pem")
    assert only_certificates(str(tmp_path / "ca.pem")) == b""
    assert only_certificates("/dev/zero") == b""


def test_what_is_inside_already_relative_or_missing_needs_nothing(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(CERTIFICATE)
    inside = dict(zip(VARIABLES, (f"{tmp_path}/ca.pem", "ca.pem", f"{tmp_path}/none.pem", str(tmp_path)), strict=False))
    assert choose(inside, [str(tmp_path)]) == choose({}, [])
    assert list(choose(inside, ["/usr"]).files) == [f"{tmp_path}/ca.pem"]


def test_a_link_that_is_inside_is_followed_to_what_is_not(tmp_path: Path) -> None:
    shown, elsewhere = tmp_path / "shown", tmp_path / "elsewhere"
    shown.mkdir()
    elsewhere.mkdir()
    (elsewhere / "ca.pem").write_text(CERTIFICATE)
    (shown / "ca.pem").symlink_to(elsewhere / "ca.pem")
    assert list(choose({"SSL_CERT_FILE": f"{shown}/ca.pem"}, [str(shown)]).files) == [f"{elsewhere}/ca.pem"]


def test_two_variables_that_name_one_file_show_it_once(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(CERTIFICATE)
    inside = dict.fromkeys(VARIABLES, f"{tmp_path}/ca.pem")
    assert list(choose(inside, []).files) == [f"{tmp_path}/ca.pem"]


@pytest.mark.parametrize(
    "line",
    [
        "cafile={}",
        "cert = {}",
        "\tsslCAInfo = {}",
        'cainfo = "{}"',
        "ssl_verify: {}",
        "x=1\ncafile={}\r\ny=2",
        "cert = {} \t",
    ],
)
def test_settings_of_git_and_package_managers_name_files_too(tmp_path: Path, line: str) -> None:
    (tmp_path / "ca.pem").write_text(CERTIFICATE)
    (tmp_path / ".npmrc").write_text(line.format(f"{tmp_path}/ca.pem") + "\n")
    (tmp_path / "other").write_text(f"# {line.format('/etc/none.pem')}\nregistry={tmp_path}/ca.pem\n")
    names = [f"{tmp_path}/{name}" for name in (".npmrc", "other", "missing")]
    assert list(choose({}, [], names).files) == [f"{tmp_path}/ca.pem"]
    assert choose({}, [], names[1:]) == choose({}, [])
    (tmp_path / "ca.pem").write_text(CERTIFICATE + block("PRIVATE" + " KEY"))
    assert "/.npmrc` names" in choose({}, [], names).notices[0]
