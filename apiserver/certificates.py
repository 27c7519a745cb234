"""Which certificate does the server show? One of its own authority, kept over restarts and renewed before it ends."""

import ipaddress
import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from apiserver.home import write_private

_AUTHORITY_LIFE = timedelta(days=3650)
_SERVING_LIFE = timedelta(days=365)
_RENEW_BEFORE = timedelta(days=30)
_NAMES = ("localhost", "127.0.0.1", "::1")


class Certificates:
    """The authority and the serving certificate of one state folder."""

    def __init__(self, folder: Path) -> None:
        self.authority = folder / "ca.crt"
        self._authority_key = folder / "ca.key"
        self.serving = folder / "serving.crt"
        self._serving_key = folder / "serving.key"

    def ensure(self, listen: str, now: datetime) -> None:
        """Make what is missing, ends soon, or does not name the address that is listened on."""
        names = tuple(dict.fromkeys((*_NAMES, listen)))
        if not _lasts(self.authority, self._authority_key, now):
            self._make_authority(now)
            self.serving.unlink(missing_ok=True)
        if not _lasts(self.serving, self._serving_key, now) or not _names_all(self.serving, names):
            self._make_serving(names, now)

    def context(self) -> ssl.SSLContext:
        """For the listening socket."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.serving, self._serving_key)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _make_authority(self, now: datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hypersdk-apiserver-ca")])
        certificate = (
            _builder(name, name, key, now, _AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_private(self._authority_key, _pem_key(key))
        write_private(self.authority, certificate.public_bytes(serialization.Encoding.PEM))

    def _make_serving(self, names: tuple[str, ...], now: datetime) -> None:
        authority = x509.load_pem_x509_certificate(self.authority.read_bytes())
        authority_key = serialization.load_pem_private_key(self._authority_key.read_bytes(), None)
        assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hypersdk-apiserver")])
        issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        certificate = (
            _builder(name, authority.subject, key, now, _SERVING_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_general(one) for one in names]), critical=False)
            .add_extension(issuer_id, critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        write_private(self._serving_key, _pem_key(key))
        write_private(self.serving, certificate.public_bytes(serialization.Encoding.PEM))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None


def _lasts(certificate: Path, key: Path, now: datetime) -> bool:
    """Whether a certificate and its key are there, belong together, and do not end soon."""
    found = _load(certificate)
    if found is None or found.not_valid_after_utc - _RENEW_BEFORE < now:
        return False
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError):
        return False
    return private.public_key() == found.public_key()


def _names_all(certificate: Path, names: tuple[str, ...]) -> bool:
    found = _load(certificate)
    if found is None:
        return False
    stated = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return all(_general(name) in stated for name in names)
