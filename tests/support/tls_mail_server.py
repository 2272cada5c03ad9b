"""An SMTP server with STARTTLS, TLS and login, and a certificate authority for it."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USERNAME, PASSWORD = "checkend", "smtp password"


class CertificateAuthority:
    """A new certificate authority. ``path`` is its certificate, for ``SSL_CERT_FILE``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        own = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
        ) | {"key_cert_sign": True, "crl_sign": True, "encipher_only": False, "decipher_only": False}
        own = own.add_extension(x509.KeyUsage(**usage), critical=True)
        self.path = folder / "authority.pem"
        self.path.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def server_context(self, address: str) -> ssl.SSLContext:
        """Return the context of a server with a certificate for an IP address."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = self._builder(name, key).add_extension(names, critical=False)
        certificate = certificate.add_extension(issuer, critical=False)
        path = self._folder / f"{address}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(path)
        return context

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )


class TlsMailServer(Controller):
    """An SMTP server on a free port of 127.0.0.1 that accepts mail only over TLS and after login.

    ``mails`` has the recipient, the content, and the TLS version for each. It responds to recipients after
    ``delay_seconds``.
    """

    def __init__(self, context: ssl.SSLContext, *, starttls: bool) -> None:
        self.mails: list[tuple[str, bytes, str]] = []
        self.delay_seconds = 0.0
        self._starttls_context = context if starttls else None
        super().__init__(self, "127.0.0.1", 0, ssl_context=None if starttls else context)

    def factory(self) -> SMTP:
        """Return the protocol of one connection."""
        return SMTP(
            self,
            tls_context=self._starttls_context,
            require_starttls=self._starttls_context is not None,
            auth_require_tls=self._starttls_context is not None,
            authenticator=_authenticate,
        )

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Accept the recipient."""
        await asyncio.sleep(self.delay_seconds)
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Record the mail."""
        if not session.authenticated:
            return "530 5.7.0 authentication required"
        version = server.transport.get_extra_info("ssl_object").version()
        self.mails.append((envelope.rcpt_tos[0], envelope.content, version))
        return "250 ok"

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # the one that was free
        super()._trigger_server()


def _authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    expected = LoginPassword(USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=data == expected, handled=False)
