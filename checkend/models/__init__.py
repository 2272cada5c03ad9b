"""Models: columns, relationships, rules and queries, independent of HTTP requests."""

from checkend.models.api_key import ApiKey
from checkend.models.app import App
from checkend.models.backtrace import Backtrace
from checkend.models.counters import AppHour, ProblemFacet, ProblemHour
from checkend.models.invitation import Invitation
from checkend.models.notice import Notice
from checkend.models.problem import Problem, ProblemFilter
from checkend.models.session import UserSession
from checkend.models.tag import ProblemTag, Tag
from checkend.models.team import Team, TeamApp, TeamMember
from checkend.models.user import OldPassword, User

__all__ = [
    "ApiKey",
    "App",
    "AppHour",
    "Backtrace",
    "Invitation",
    "Notice",
    "OldPassword",
    "Problem",
    "ProblemFacet",
    "ProblemFilter",
    "ProblemHour",
    "ProblemTag",
    "Tag",
    "Team",
    "TeamApp",
    "TeamMember",
    "User",
    "UserSession",
]
