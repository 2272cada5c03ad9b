"""Models: columns, relationships, rules and queries, independent of HTTP requests."""

from checkend.models.api_key import ApiKey, ApiKeyApp
from checkend.models.app import App
from checkend.models.audit_entry import AuditEntry
from checkend.models.backtrace import Backtrace
from checkend.models.channel import Channel, Delivery, ProblemEvent, Spike
from checkend.models.counters import AppHour, AppRelease, ProblemFacet, ProblemHour, ProblemMinute
from checkend.models.idempotent_response import IdempotentResponse
from checkend.models.invitation import ApiKeyInvitation, Invitation
from checkend.models.issue import ProblemIssue
from checkend.models.mail_settings import StoredMailSettings
from checkend.models.notice import Notice
from checkend.models.notification_preference import NotificationPreference
from checkend.models.outgoing_mail import OutgoingMail
from checkend.models.problem import Problem
from checkend.models.problem_list import ProblemFilter
from checkend.models.session import UserSession
from checkend.models.tag import ProblemTag, Tag
from checkend.models.team import Team, TeamApp, TeamMember
from checkend.models.user import OldPassword, User

__all__ = [
    "ApiKey",
    "ApiKeyApp",
    "ApiKeyInvitation",
    "App",
    "AppHour",
    "AppRelease",
    "AuditEntry",
    "Backtrace",
    "Channel",
    "Delivery",
    "IdempotentResponse",
    "Invitation",
    "Notice",
    "NotificationPreference",
    "OldPassword",
    "OutgoingMail",
    "Problem",
    "ProblemEvent",
    "ProblemFacet",
    "ProblemFilter",
    "ProblemHour",
    "ProblemIssue",
    "ProblemMinute",
    "ProblemTag",
    "Spike",
    "StoredMailSettings",
    "Tag",
    "Team",
    "TeamApp",
    "TeamMember",
    "User",
    "UserSession",
]
