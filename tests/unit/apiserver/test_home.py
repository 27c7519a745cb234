"""What the state folder keeps, and who may have it."""

import os
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from apiserver import home
from apiserver.certificates import Certificates

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_token_is_kept_and_private(tmp_path: Path) -> None:
    first = home.token(tmp_path)
    assert len(first) > 30
    (tmp_path / "token").chmod(0o644)
    assert home.token(tmp_path) == first
    assert mode(tmp_path / "token") == 0o600


def test_only_one_has_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with home.owned(folder):
        assert mode(folder) == 0o700
        with pytest.raises(home.StartError, match="another API server already runs"), home.owned(folder):
            pass
    with home.owned(folder):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(home.StartError, match="cannot write to the state folder"), home.owned(tmp_path / "file" / "x"):
        pass


def test_ports_are_remembered(tmp_path: Path) -> None:
    assert home.last_port(tmp_path) == 0
    home.keep_port(tmp_path, 6443)
    assert home.last_port(tmp_path) == 6443
    (tmp_path / "port").write_text("junk")
    assert home.last_port(tmp_path) == 0


def test_a_private_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "kubeconfig"
    home.write_private(path, b"old")
    opened = path.open("rb")
    home.write_private(path, b"new")
    with opened:
        assert opened.read() == b"old"
    assert path.read_bytes() == b"new"
    assert mode(path) == 0o600
    assert os.listdir(path.parent) == ["kubeconfig"]


def test_certificates_are_kept_until_they_end(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificates.ensure("127.0.0.1", NOW)
    authority, serving = certificates.authority.read_bytes(), certificates.serving.read_bytes()
    certificates.ensure("127.0.0.1", NOW + timedelta(days=300))
    assert (certificates.authority.read_bytes(), certificates.serving.read_bytes()) == (authority, serving)
    certificates.ensure("127.0.0.1", NOW + timedelta(days=340))
    assert certificates.authority.read_bytes() == authority
    assert certificates.serving.read_bytes() != serving
    assert mode(tmp_path / "ca.key") == mode(tmp_path / "serving.key") == 0o600


def test_another_address_gets_into_the_certificate(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificates.ensure("127.0.0.1", NOW)
    certificates.ensure("127.0.0.9", NOW)
    found = x509.load_pem_x509_certificate(certificates.serving.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1", "127.0.0.9"]
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(certificates.authority.read_bytes()))
    assert certificates.context().minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("broken", ["ca.crt", "ca.key", "serving.crt", "serving.key"])
def test_what_is_broken_is_made_anew(tmp_path: Path, broken: str) -> None:
    certificates = Certificates(tmp_path)
    certificates.ensure("127.0.0.1", NOW)
    (tmp_path / broken).write_bytes(b"junk")
    certificates.ensure("127.0.0.1", NOW)
    certificates.context()
    found = x509.load_pem_x509_certificate(certificates.serving.read_bytes())
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(certificates.authority.read_bytes()))
