"""API keys of the Management API."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Integer, LargeBinary, String, select, text
from sqlalchemy.orm import Mapped, mapped_column, relationship, selectinload

from checkend import clock
from checkend.auth.permissions import ALL_PERMISSIONS, APP_PERMISSIONS
from checkend.db.session import Model, UtcDateTime, created_column, db
from checkend.exceptions import DomainError
from checkend.models import audit_log
from checkend.models.app import App
from checkend.models.audit_log import Label
from checkend.models.scope import AppScope

PREFIX = "cka_"
PREFIX_LENGTH = len(PREFIX) + 10


class ApiKeyApp(Model):
    """An app that a restricted API key may use."""

    __tablename__ = "api_key_apps"
    __table_args__ = ({"sqlite_with_rowid": False},)

    api_key_id: Mapped[int] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True)
    app_id: Mapped[int] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True, index=True)


class ApiKey(Model):
    """An API key. The database contains a public prefix, a salt and the salted hash of its value, never the value.

    A key that is ``restricted`` may use only its ``apps``. It stays restricted when these are deleted.
    """

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
    restricted: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("0"))

    apps: Mapped[list[App]] = relationship(secondary="api_key_apps", order_by=App.name, passive_deletes=True)

    @classmethod
    def create(
        cls,
        name: str,
        permissions: Iterable[str],
        expires_at: datetime | None = None,
        apps: Sequence[App] | None = None,
    ) -> tuple["ApiKey", str]:
        """Add a new key to the session; return it and its value, which cannot be retrieved later.

        With ``apps``, the key is restricted to them. Raise `DomainError` for an invalid name, no or unknown
        permissions, one that a restricted key cannot have, and an expiry in the past.
        """
        name, permissions = name.strip(), set(permissions)
        _validate(name, permissions, expires_at, restricted=apps is not None)
        value = f"{PREFIX}{secrets.token_hex(5)}_{secrets.token_urlsafe(30)}"
        salt = secrets.token_bytes(16)
        key = cls(
            name=name,
            prefix=value[:PREFIX_LENGTH],
            salt=salt,
            digest=digest_of(salt, value),
            permission_names=" ".join(p for p in ALL_PERMISSIONS if p in permissions),
            expires_at=expires_at,
            restricted=apps is not None,
            apps=list(apps or ()),
        )
        db.session.add(key)
        db.session.flush()
        apps_label = " ".join(app.slug for app in key.apps) if key.restricted else "all"
        audit_log.record("api_key.created", key.label, permissions=key.permission_names, apps=apps_label)
        return key, value

    @classmethod
    def live_named(cls, name: str) -> "ApiKey | None":
        """Return the newest key with exactly this name that is neither revoked nor expired."""
        return next((key for key in cls.newest_first() if key.name == name and key.is_live), None)

    @classmethod
    def newest_first(cls) -> list["ApiKey"]:
        statement = select(cls).options(selectinload(cls.apps))
        return list(db.session.scalars(statement.order_by(cls.created_at.desc(), cls.id.desc())))

    @property
    def permissions(self) -> tuple[str, ...]:
        return tuple(self.permission_names.split())

    @property
    def app_ids(self) -> list[int] | None:
        """The ids of the apps that the key is restricted to, in ascending order; None if it may use all."""
        return sorted(app.id for app in self.apps) if self.restricted else None

    @property
    def scope(self) -> AppScope:
        """The apps that the key may use."""
        if not self.restricted:
            return AppScope.all()
        return AppScope.of(db.session.scalars(select(ApiKeyApp.app_id).where(ApiKeyApp.api_key_id == self.id)))

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
            self._revoke_invitations()
            audit_log.record("api_key.revoked", self.label)

    def delete(self) -> None:
        """Delete the key, which is rejected from the commit on."""
        self._revoke_invitations()
        audit_log.record("api_key.deleted", self.label)
        db.session.delete(self)

    def _revoke_invitations(self) -> None:
        from checkend.models.invitation import Invitation  # imported here: that module imports this one

        Invitation.revoke_sent_with(self)

    @property
    def label(self) -> Label:
        """The key's name in the audit log."""
        name = f"{self.name}, {self.prefix}"
        return Label(f"API key {self.id} ({name})", "api_key", self.id, name)


def digest_of(salt: bytes, value: str) -> bytes:
    """Return the salted hash of a key or token. One round is enough, since they have at least 240 random bits."""
    return hashlib.sha256(salt + value.encode("utf-8", "surrogatepass")).digest()


def _validate(name: str, permissions: set[str], expires_at: datetime | None, *, restricted: bool) -> None:
    errors = []
    if not 1 <= len(name) <= 255:
        errors.append("Name must be 1 to 255 characters.")
    if not permissions:
        errors.append("At least one permission is required.")
    errors += [f"Unknown permission: {unknown}." for unknown in sorted(permissions - set(ALL_PERMISSIONS))]
    if restricted:
        refused = [p for p in ALL_PERMISSIONS if p in permissions and p not in APP_PERMISSIONS]
        errors += [f"A key that is restricted to apps cannot have the permission {p}." for p in refused]
    if expires_at is not None and expires_at <= clock.now():
        errors.append("Expiry must be in the future.")
    if errors:
        raise DomainError(*errors)
