"""Invitations to a team: links that work once."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ForeignKey, Integer, LargeBinary, String, select
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship, selectinload

from checkend import clock
from checkend.db.session import Model, UtcDateTime, created_column, db
from checkend.exceptions import DomainError
from checkend.models import audit_log
from checkend.models.api_key import ApiKey, digest_of
from checkend.models.audit_log import Label
from checkend.models.team import Role, Team
from checkend.models.user import User, normalize_email_address

VALID_FOR = timedelta(days=7)
NO_LONGER_OPEN = "This invitation has been used or revoked, or is older than seven days. Ask for a new one."
NO_LONGER_AUTHORIZED = "The sender of this invitation may no longer invite with this role. Ask an admin for a new one."


class ApiKeyInvitation(Model):
    """An invitation that was sent with an API key."""

    __tablename__ = "api_key_invitations"
    __table_args__ = ({"sqlite_with_rowid": False},)

    invitation_id: Mapped[int] = mapped_column(ForeignKey("invitations.id", ondelete="CASCADE"), primary_key=True)
    api_key_id: Mapped[int] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)


class Invitation(Model):
    """A link that adds one user to a team with a role. It works once, for seven days, unless it is revoked.

    It is sent by a user, or with an API key, and valid only as long as these may send it.
    """

    __tablename__ = "invitations"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), index=True)
    email_address: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(String(20))
    token_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    invited_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = created_column()
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    team: Mapped[Team] = relationship()
    invited_by: Mapped[User | None] = relationship()
    invited_with: Mapped[ApiKey | None] = relationship(secondary="api_key_invitations", passive_deletes=True)

    @classmethod
    def create(cls, team: Team, email_address: str, role: Role, sender: User | ApiKey) -> tuple["Invitation", str]:
        """Add a new invitation to the session; return it and the token of its link, which cannot be retrieved later."""
        token = _new_token()
        invitation = cls(
            team=team,
            email_address=normalize_email_address(email_address),
            role=role,
            token_digest=digest_of(b"", token),
            invited_by=sender if isinstance(sender, User) else None,
            invited_with=sender if isinstance(sender, ApiKey) else None,
            expires_at=clock.now() + VALID_FOR,
        )
        db.session.add(invitation)
        db.session.flush()
        audit_log.record("invitation.created", invitation.label, role=role)
        return invitation, token

    def renew_token(self) -> str:
        """Replace the link by a new one that expires at the same time; return its token.

        Raise `DomainError` if the invitation is no longer open or authorized.
        """
        self._require_valid()
        token = _new_token()
        self.token_digest = digest_of(b"", token)
        audit_log.record("invitation.renewed", self.label, role=self.role)
        return token

    @classmethod
    def with_token(cls, token: str) -> "Invitation | None":
        """Return the invitation whose link has ``token``, even if it is no longer open."""
        return db.session.scalar(select(cls).where(cls.token_digest == digest_of(b"", token)))

    @classmethod
    def open_of(cls, team: Team) -> list["Invitation"]:
        """Return the open invitations to ``team``, newest first."""
        return cls._open(cls.team_id == team.id)

    @classmethod
    def revoke_sent_with(cls, key: ApiKey) -> None:
        """Revoke all open invitations that were sent with ``key``."""
        for invitation in cls._open(cls.invited_with.has(ApiKey.id == key.id)):
            invitation.revoke()

    @classmethod
    def revoke_sent_by(cls, inviter: User) -> None:
        """Revoke all open invitations that ``inviter`` sent."""
        for invitation in cls._open(cls.invited_by_id == inviter.id):
            invitation.revoke()

    @classmethod
    def revoke_unauthorized(cls, inviter: User) -> None:
        """Revoke the open invitations that ``inviter`` sent and, after a change of role, may no longer send."""
        for invitation in cls._open(cls.invited_by_id == inviter.id):
            if not invitation.is_authorized:
                invitation.revoke()

    @classmethod
    def _open(cls, condition: ColumnElement[bool]) -> list["Invitation"]:
        unused = select(cls).where(condition, cls.accepted_at.is_(None), cls.revoked_at.is_(None))
        unused = unused.options(joinedload(cls.invited_by), selectinload(cls.invited_with))
        return list(db.session.scalars(unused.where(cls.expires_at > clock.now()).order_by(cls.id.desc())))

    def accept(self, user: User) -> None:
        """Add ``user`` to the team; the link does not work again.

        Raise `DomainError` if the invitation is no longer open or authorized, or if the user is already a member.
        """
        self._require_valid()
        self.team.add_member(user, self.role)
        self.accepted_at = clock.now()
        audit_log.record("invitation.accepted", self.label, user=user.label, role=self.role)

    def revoke(self) -> None:
        """Stop the link from working; no change if the invitation is not open."""
        if self.is_open:
            self.revoked_at = clock.now()
            audit_log.record("invitation.revoked", self.label, role=self.role)

    def _require_valid(self) -> None:
        if not self.is_open:
            raise DomainError(NO_LONGER_OPEN)
        if not self.is_authorized:
            raise DomainError(NO_LONGER_AUTHORIZED)

    @property
    def is_open(self) -> bool:
        """Return whether the invitation is neither used, revoked nor expired."""
        return self.accepted_at is None and self.revoked_at is None and self.expires_at > clock.now()

    @property
    def is_authorized(self) -> bool:
        """Return whether the user or the API key that sent it may still do so."""
        if self.invited_with is not None:
            permissions = permissions_to_invite(self.email_address)
            return self.invited_with.is_live and permissions <= set(self.invited_with.permissions)
        return self.invited_by is not None and self.team.may_invite(self.invited_by, self.role)

    @property
    def label(self) -> Label:
        """The invitation's name in the audit log."""
        text = f"invitation {self.id} ({self.email_address} into {self.team.label})"
        return Label(text, "invitation", self.id, f"{self.email_address} into {self.team.name}")


def permissions_to_invite(email_address: str) -> set[str]:
    """Return the permissions with which an API key may invite the email address.

    Someone without an account creates one when they accept, so that takes the permission to create users as well.
    """
    has_account = User.with_email_address(email_address) is not None
    return {"teams:write"} if has_account else {"teams:write", "users:write"}


def _new_token() -> str:
    return secrets.token_urlsafe(32)
