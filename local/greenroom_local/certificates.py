"""The certificates and keys of one control plane: made fresh, valid on this machine only."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LIFETIME = timedelta(days=365)
_SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody else who gets a certificate of the same authority, to serve at `addresses` with it as well."""

    name: str
    common_name: str
    organisation: str | None = None
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths to PEM files in one folder."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def server(self) -> Path:
        return self.folder / "server.crt"

    @property
    def server_key(self) -> Path:
        return self.folder / "server.key"

    @property
    def admin(self) -> Path:
        return self.folder / "admin.crt"

    @property
    def admin_key(self) -> Path:
        return self.folder / "admin.key"

    @property
    def controllers(self) -> Path:
        """The client certificate of a kube-controller-manager."""
        return self.folder / "controllers.crt"

    @property
    def controllers_key(self) -> Path:
        return self.folder / "controllers.key"

    @property
    def service_account_key(self) -> Path:
        return self.folder / "service-account.key"

    def identity(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of an :class:`Identity`."""
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"


def make_certificates(
    folder: Path, now: datetime, server_addresses: Sequence[str] = ("10.0.0.1",), identities: Sequence[Identity] = ()
) -> Certificates:
    """Write all files into `folder` (made if absent), readable by this user alone.

    The servers are known at the loopback address and at `server_addresses`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = Certificates(folder)
    authority = _Authority(now)
    _write(files.ca, _pem(authority.certificate))
    served = _alternative_names(_SERVER_NAMES, (_LOOPBACK, *server_addresses))
    _issue(authority, files.server, files.server_key, _name("greenroom-local"), served)
    _issue(authority, files.admin, files.admin_key, _name("greenroom-admin", "system:masters"))
    _issue(authority, files.controllers, files.controllers_key, _name("system:kube-controller-manager"))
    for identity in identities:
        subject = _name(identity.common_name, identity.organisation)
        serves = _alternative_names((), identity.addresses) if identity.addresses else None
        _issue(authority, *files.identity(identity.name), subject, serves)
    _write(files.service_account_key, _key_pem(_new_key()))
    return files


class _Authority:
    def __init__(self, now: datetime) -> None:
        self.now = now
        self.key = _new_key()
        name = _name("greenroom-local-ca")
        self.certificate = (
            _builder(name, name, self.key, now)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, served: x509.SubjectAlternativeName | None
    ) -> x509.Certificate:
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            _builder(subject, self.certificate.subject, key, self.now)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if served is not None:
            # etcd serves with it, and the API server is also etcd's client with it.
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(served, critical=False)
        return builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False).sign(self.key, hashes.SHA256())


def _issue(
    authority: _Authority,
    certificate: Path,
    key_file: Path,
    subject: x509.Name,
    served: x509.SubjectAlternativeName | None = None,
) -> None:
    key = _new_key()
    _write(key_file, _key_pem(key))
    _write(certificate, _pem(authority.sign(subject, key, served)))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
    )


def _name(common_name: str, organisation: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organisation is not None:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)


def _alternative_names(names: Sequence[str], addresses: Sequence[str]) -> x509.SubjectAlternativeName:
    found: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    found += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    return x509.SubjectAlternativeName(found)


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


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
