"""API keys of the Management API."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Integer, LargeBinary, String, select
from sqlalchemy.orm import Mapped, mapped_column

from checkend import clock
from checkend.auth.permissions import ALL_PERMISSIONS
from checkend.db.session import Model, UtcDateTime, created_column, db
from checkend.exceptions import DomainError
from checkend.models import audit_log
from checkend.models.audit_log import Label

PREFIX = "cka_"
PREFIX_LENGTH = len(PREFIX) + 10


class ApiKey(Model):
    """An API key. The database contains a public prefix, a salt and the salted hash of its value, never the value."""

    __tablename__ = "api_keys"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    prefix: Mapped[str] = mapped_column(String(20), unique=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary(16))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    permission_names: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime] = created_column()
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @classmethod
    def create(cls, name: str, permissions: Iterable[str], expires_at: datetime | None = None) -> tuple["ApiKey", str]:
        """Add a new key to the session; return it and its value, which cannot be retrieved later.

        Raise `DomainError` for an invalid name, no or unknown permissions, and an expiry in the past.
        """
        name, permissions = name.strip(), set(permissions)
        _validate(name, permissions, expires_at)
        value = f"{PREFIX}{secrets.token_hex(5)}_{secrets.token_urlsafe(30)}"
        salt = secrets.token_bytes(16)
        key = cls(
            name=name,
            prefix=value[:PREFIX_LENGTH],
            salt=salt,
            digest=digest_of(salt, value),
            permission_names=" ".join(p for p in ALL_PERMISSIONS if p in permissions),
            expires_at=expires_at,
        )
        db.session.add(key)
        db.session.flush()
        audit_log.record("api_key.created", key.label, permissions=key.permission_names)
        return key, value

    @classmethod
    def live_named(cls, name: str) -> "ApiKey | None":
        """Return the newest key with exactly this name that is neither revoked nor expired."""
        return next((key for key in cls.newest_first() if key.name == name and key.is_live), None)

    @classmethod
    def newest_first(cls) -> list["ApiKey"]:
        return list(db.session.scalars(select(cls).order_by(cls.created_at.desc(), cls.id.desc())))

    @property
    def permissions(self) -> tuple[str, ...]:
        return tuple(self.permission_names.split())

    @property
    def is_live(self) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > clock.now())

    def matches(self, value: str) -> bool:
        """Return whether ``value`` is the value of this key; the comparison takes constant time."""
        return hmac.compare_digest(self.digest, digest_of(self.salt, value))

    def revoke(self) -> None:
        """Reject the key from the commit on, but keep its record; no change if it is revoked already."""
        if self.revoked_at is None:
            self.revoked_at = clock.now()
            audit_log.record("api_key.revoked", self.label)

    def delete(self) -> None:
        """Delete the key, which is rejected from the commit on."""
        audit_log.record("api_key.deleted", self.label)
        db.session.delete(self)

    @property
    def label(self) -> Label:
        """The key's name in the audit log."""
        name = f"{self.name}, {self.prefix}"
        return Label(f"API key {self.id} ({name})", "api_key", self.id, name)


def digest_of(salt: bytes, value: str) -> bytes:
    """Return the salted hash of a key or token. One round is enough, since they have at least 240 random bits."""
    return hashlib.sha256(salt + value.encode("utf-8", "surrogatepass")).digest()


def _validate(name: str, permissions: set[str], expires_at: datetime | None) -> None:
    errors = []
    if not 1 <= len(name) <= 255:
        errors.append("Name must be 1 to 255 characters.")
    if not permissions:
        errors.append("At least one permission is required.")
    errors += [f"Unknown permission: {unknown}." for unknown in sorted(permissions - set(ALL_PERMISSIONS))]
    if expires_at is not None and expires_at <= clock.now():
        errors.append("Expiry must be in the future.")
    if errors:
        raise DomainError(*errors)
