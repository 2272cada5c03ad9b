"""Users of the dashboard, and their passwords."""

import secrets
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, ForeignKey, Integer, Select, String, func, select
from sqlalchemy.orm import Mapped, mapped_column, relationship
from werkzeug.security import check_password_hash, generate_password_hash

from checkend.db.session import Model, UtcDateTime, created_column, db, updated_column
from checkend.exceptions import DomainError
from checkend.models import audit_log
from checkend.models.audit_log import Label
from checkend.models.slugs import unique_slug

if TYPE_CHECKING:
    from checkend.models.session import UserSession
    from checkend.models.team import Team, TeamMember

MIN_PASSWORD_LENGTH = 8
PASSWORD_HISTORY_SIZE = 5


class NewPassword:
    """A password to be set. Hashing it, and comparing it with another hash, is slow by design.

    Each is done only once, and should be done before the write transaction begins: other writers wait for its end.
    """

    def __init__(self, password: str) -> None:
        self.digest = generate_password_hash(password)
        self._password = password
        self._results: dict[str, bool] = {}

    def matches(self, digest: str) -> bool:
        """Return whether ``digest`` is a hash of this password."""
        if digest not in self._results:
            self._results[digest] = check_password_hash(digest, self._password)
        return self._results[digest]


class OldPassword(Model):
    """The hash of a password that a user had before, so that recent ones can be rejected."""

    __tablename__ = "old_passwords"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String)
    created_at: Mapped[datetime] = created_column()


class User(Model):
    """A user of the dashboard. Site admins may do everything."""

    __tablename__ = "users"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    slug: Mapped[str] = mapped_column(String(300), unique=True)
    email_address: Mapped[str] = mapped_column(String(255), unique=True)
    password_digest: Mapped[str] = mapped_column(String)
    site_admin: Mapped[bool] = mapped_column(Boolean, default=False)
    last_logged_in_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = created_column()
    updated_at: Mapped[datetime] = updated_column()

    owned_teams: Mapped[list["Team"]] = relationship(back_populates="owner", passive_deletes="all")
    memberships: Mapped[list["TeamMember"]] = relationship(back_populates="user", passive_deletes="all")
    sessions: Mapped[list["UserSession"]] = relationship(back_populates="user", passive_deletes=True)
    old_passwords: Mapped[list[OldPassword]] = relationship(
        order_by=OldPassword.id, cascade="all, delete-orphan", passive_deletes=True
    )

    @classmethod
    def create(cls, email_address: str, password: str | NewPassword, *, site_admin: bool = False) -> "User":
        """Add a new user to the session. Raise `DomainError` if another user has the email address."""
        digest = _hashed(password).digest
        address = normalize_email_address(email_address)
        _reject_taken(address, None)
        user = cls(
            email_address=address,
            slug=unique_slug(cls, address.partition("@")[0], "user"),
            password_digest=digest,
            site_admin=site_admin,
        )
        db.session.add(user)
        db.session.flush()
        audit_log.record("user.created", user.label, site_admin=site_admin)
        return user

    @property
    def label(self) -> Label:
        """The user's name in the audit log."""
        return Label(f"user {self.id} ({self.email_address})", "user", self.id, self.email_address)

    @classmethod
    def with_email_address(cls, email_address: str) -> "User | None":
        """Return the user with this email address, regardless of case and surrounding spaces."""
        return db.session.scalar(select(cls).where(cls.email_address == normalize_email_address(email_address)))

    @classmethod
    def authenticate(cls, email_address: str, password: str) -> "User | None":
        """Return the user with this email address and password, or None.

        Takes as long for an unknown email address as for a wrong password, so that the time does not tell them apart.
        """
        user = cls.with_email_address(email_address)
        is_correct = check_password_hash(user.password_digest if user else _dummy_digest(), password)
        return user if user and is_correct else None

    @classmethod
    def newest_first(cls) -> list["User"]:
        return list(db.session.scalars(select(cls).order_by(cls.created_at.desc(), cls.id.desc())))

    @classmethod
    def search(cls, text: str) -> Select[Any]:
        """Select the users whose email address contains ``text``, in any case; newest first."""
        statement = select(cls).order_by(cls.created_at.desc(), cls.id.desc())
        if not text:
            return statement
        return statement.where(func.instr(cls.email_address, normalize_email_address(text)) > 0)

    def set_email_address(self, email_address: str) -> None:
        """Change the email address. Raise `DomainError` if another user has it."""
        address = normalize_email_address(email_address)
        self.require_available_email_address(address)
        if address != self.email_address:
            audit_log.record("email.changed", self.label, new_email_address=address)
        self.email_address = address

    def require_available_email_address(self, address: str) -> None:
        """Raise `DomainError` if another user has the email address."""
        _reject_taken(address, self.id)

    def check_password(self, password: str) -> bool:
        return check_password_hash(self.password_digest, password)

    def reject_recent(self, password: NewPassword) -> None:
        """Raise `DomainError` for one of the last five passwords, including the current one."""
        recent = [old.digest for old in self.old_passwords[-(PASSWORD_HISTORY_SIZE - 1) :]]
        if any(password.matches(digest) for digest in [self.password_digest, *recent]):
            raise DomainError(f"Password must not be one of your last {PASSWORD_HISTORY_SIZE}.")

    def set_password(
        self, password: str | NewPassword, *, reject_recent: bool = False, keep: "UserSession | None" = None
    ) -> None:
        """Change the password, and end all sessions of the user except ``keep``.

        With ``reject_recent``, raise `DomainError` for one of the last five passwords, including the current one.
        """
        password = _hashed(password)
        if reject_recent:
            self.reject_recent(password)
        self.old_passwords.append(OldPassword(digest=self.password_digest))
        del self.old_passwords[: -(PASSWORD_HISTORY_SIZE - 1)]
        self.password_digest = password.digest
        audit_log.record("password.changed", self.label)
        for session in self.sessions:
            if session is not keep:
                db.session.delete(session)

    def set_site_admin(self, site_admin: bool) -> None:
        """Grant or remove site admin. Raise `DomainError` if that would leave no site admin."""
        if self.site_admin and not site_admin and count_site_admins() == 1:
            raise DomainError("Cannot remove the last site admin.")
        if self.site_admin != site_admin:
            audit_log.record("site_admin.granted" if site_admin else "site_admin.removed", self.label)
        self.site_admin = site_admin
        self.revoke_unauthorized_invitations()

    def revoke_unauthorized_invitations(self) -> None:
        """Revoke the open invitations that the user sent and may no longer send.

        Every change of a user's roles must end with this call. Otherwise a user who was removed or demoted could regain
        access through an invitation that they sent before.
        """
        from checkend.models.invitation import Invitation  # imported here: that module imports this one

        db.session.flush()
        Invitation.revoke_unauthorized(self)

    def delete(self) -> None:
        """Delete the user.

        Raise `DomainError` for the last site admin, and for a user who owns teams or is the last admin of one.
        """
        if self.site_admin and count_site_admins() == 1:
            raise DomainError("Cannot delete the last site admin.")
        if self.owned_teams:
            raise DomainError(
                f"Cannot delete a user who owns teams. Transfer these teams first: {_names(self.owned_teams)}."
            )
        if teams := [membership.team for membership in self.memberships if membership.is_last_admin]:
            raise DomainError(
                f"Cannot delete the last admin of a team. Make another member an admin first: {_names(teams)}."
            )
        from checkend.models.invitation import Invitation  # imported here: that module imports this one

        Invitation.revoke_sent_by(self)
        audit_log.record("user.deleted", self.label)
        db.session.delete(self)


def _hashed(password: str | NewPassword) -> NewPassword:
    return password if isinstance(password, NewPassword) else NewPassword(password)


@cache
def _dummy_digest() -> str:
    """Return a hash that no password matches, and that takes as long to check as any other."""
    return generate_password_hash(secrets.token_urlsafe(32))


def _names(teams: list["Team"]) -> str:
    return ", ".join(sorted(team.name for team in teams))


def count_site_admins() -> int:
    """Return the number of site admins."""
    return db.session.scalar(select(func.count()).select_from(User).where(User.site_admin)) or 0


def normalize_email_address(email_address: str) -> str:
    """Return an email address trimmed and in lower case, as they are stored and compared."""
    return email_address.strip().lower()


def _reject_taken(address: str, allowed_id: int | None) -> None:
    owner = db.session.scalar(select(User.id).where(User.email_address == address))
    if owner is not None and owner != allowed_id:
        raise DomainError("Email address has already been taken.")
