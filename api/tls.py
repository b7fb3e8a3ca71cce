"""The gateway's certificate: an authority of its own, made once, and a server certificate it signs whenever one is due.

A client is handed the authority (it stands in its kubeconfig), so the server certificate may change without anybody
noticing. Extensions are those that strict verification asks for (RFC 5280; Python 3.13 and Go check them).
"""

import os
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY = "ca.crt"
_AUTHORITY_KEY, _CERTIFICATE, _KEY = "ca.key", "tls.crt", "tls.key"

_AUTHORITY_LIFE = timedelta(days=3650)
_SERVER_LIFE = timedelta(days=365)
_RENEWED_BEFORE = timedelta(days=30)
_SKEW = timedelta(hours=1)
"""Clocks of two machines may differ by this much."""


def ensure(folder: Path, names: Iterable[str]) -> ssl.SSLContext:
    """Return what the gateway speaks TLS with, under these host names and IP addresses; makes what is not there.

    folder: of its keys and certificates; only its owner may look into it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    refresh(context, folder, names)
    return context


def refresh(context: ssl.SSLContext, folder: Path, names: Iterable[str]) -> None:
    """Have connections from now on meet a certificate that serves for a while; makes one when that is due."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = sorted(set(names))
    authority, authority_key = _authority(folder)
    if not _serves(folder, wanted, authority):
        _issue(folder, wanted, authority, authority_key)
    context.load_cert_chain(folder / _CERTIFICATE, folder / _KEY)


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the authority. Its certificate is written last, so one that is there has a key."""
    if not (folder / AUTHORITY).exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vmflow gateway authority")])
        usage = _usage(signs_certificates=True)
        builder = _builder(name, name, key.public_key(), _AUTHORITY_LIFE, key)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        certificate = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
        _write(folder / _AUTHORITY_KEY, _private(key))
        _write(folder / AUTHORITY, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    stored = serialization.load_pem_private_key((folder / _AUTHORITY_KEY).read_bytes(), None)
    if not isinstance(stored, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{folder / _AUTHORITY_KEY} holds no key of an elliptic curve")
    return x509.load_pem_x509_certificate((folder / AUTHORITY).read_bytes()), stored


def _serves(folder: Path, names: list[str], authority: x509.Certificate) -> bool:
    """Tell whether the server certificate there is serves for these names, and for a while."""
    try:
        found = x509.load_pem_x509_certificate((folder / _CERTIFICATE).read_bytes())
        key = serialization.load_pem_private_key((folder / _KEY).read_bytes(), None)
        found.verify_directly_issued_by(authority)
    except (OSError, ValueError, TypeError, x509.InvalidVersion):
        return False
    alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    fits = found.public_key() == key.public_key() and set(alternatives) == {_alternative(name) for name in names}
    return fits and found.not_valid_after_utc - _RENEWED_BEFORE > datetime.now(UTC)


def _issue(folder: Path, names: list[str], authority: x509.Certificate, signer: ec.EllipticCurvePrivateKey) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vmflow gateway")])
    alternatives = x509.SubjectAlternativeName([_alternative(each) for each in names])
    builder = _builder(name, authority.subject, key.public_key(), _SERVER_LIFE, signer)
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(alternatives, critical=False)
        .sign(signer, hashes.SHA256())
    )
    _write(folder / _KEY, _private(key))
    _write(folder / _CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    life: timedelta,
    signer: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(file: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file whole or not at all, nobody else reading it meanwhile."""
    partial = file.with_name(f"{file.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
        opened.write(content)
    partial.replace(file)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
