"""Certificates for servers on loopback: an authority of our own, and what it signs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK = ("127.0.0.1", "localhost")
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its key, as files in PEM form."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """A certificate authority that lives as long as a test session."""

    folder: Path
    name: str
    _key: ec.EllipticCurvePrivateKey
    _certificate: x509.Certificate

    @property
    def certificate(self) -> Path:
        """The authority's own certificate, a PEM file."""
        return self.folder / f"{self.name}.crt"

    @classmethod
    def create(cls, folder: Path, name: str) -> "Authority":
        """A new authority whose files go into `folder`."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, key.public_key(), issuer=name, issuer_key=key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        certificate = builder.add_extension(_usage(signs_certificates=True), critical=True).sign(key, hashes.SHA256())
        authority = cls(folder, name, key, certificate)
        _write(authority.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        return authority

    def issue(self, common_name: str, hosts: Sequence[str] = ()) -> KeyPair:
        """A server certificate for those hosts; without any, a client certificate."""
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        return self._issue(common_name, hosts, [purpose])

    def issue_for_both(self, host: str) -> KeyPair:
        """A certificate for a server that is a client of its like too."""
        return self._issue(host, [host], [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])

    def _issue(self, common_name: str, hosts: Sequence[str], purposes: Sequence[x509.ObjectIdentifier]) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(common_name, key.public_key(), issuer=self.name, issuer_key=self._key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_host, hosts))), critical=False)
        pair = KeyPair(self.folder / f"{common_name}.crt", self.folder / f"{common_name}.key")
        certificate = builder.sign(self._key, hashes.SHA256())
        _write(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        _write(pair.key, private_pem(key))
        return pair


def rsa_key(path: Path) -> Path:
    """A new RSA key, such as service account tokens are signed with."""
    _write(path, private_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    return path


def private_pem(key: PrivateKey) -> bytes:
    """The key in PKCS 8, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _builder(
    name: str, key: ec.EllipticCurvePublicKey, *, issuer: str, issuer_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, content: bytes) -> None:
    """Keys must never be readable by others, so no file is."""
    path.touch(mode=0o600)
    path.write_bytes(content)
