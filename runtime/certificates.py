"""Self-signed TLS certificates, for servers whose clients are handed the certificate itself."""

import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LIFETIME = timedelta(days=3650)
_SKEW = timedelta(hours=1)
"""Clocks of two machines may differ by this much."""


@dataclass(frozen=True)
class Certificate:
    """A private key and its certificate, each as PEM."""

    key: str
    certificate: str

    def server_context(self) -> ssl.SSLContext:
        """Return what a server speaks TLS with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        with tempfile.TemporaryDirectory() as folder:  # the library loads keys from files only
            file = Path(folder, "pem")
            file.touch(mode=0o600)
            file.write_text(self.key + self.certificate)
            context.load_cert_chain(file)
        return context


def self_signed(name: str, addresses: tuple[str, ...]) -> Certificate:
    """Make a certificate for a server; name: for people to read; addresses: host names and IP addresses it has."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_alternative(each) for each in addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode())


def trusting(certificate: str) -> ssl.SSLContext:
    """Return what a client speaks TLS with to a server whose certificate (PEM) it was handed."""
    return ssl.create_default_context(cadata=certificate)


def _alternative(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(address))
    except ValueError:
        return x509.DNSName(address)
