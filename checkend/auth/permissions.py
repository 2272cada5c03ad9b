"""Permissions of API keys."""

from enum import StrEnum


class DescribedEnum(StrEnum):
    """An enum whose members have a value and a description: ``NAME = "value", "description"``."""

    help: str

    def __new__(cls, value: str, help: str = "") -> "DescribedEnum":
        member = str.__new__(cls, value)
        member._value_ = value
        member.help = help
        return member


class Permission(DescribedEnum):
    """A permission of the Management API, ``resource:action``. Writing does not imply reading."""

    APPS_READ = "apps:read", "List apps and see their settings."
    APPS_WRITE = "apps:write", "Create, change and delete apps, regenerate ingestion keys, and send test errors."
    PROBLEMS_READ = "problems:read", "List problems and see their details."
    PROBLEMS_WRITE = "problems:write", "Resolve, reopen, mute, tag in bulk and delete problems."
    NOTICES_READ = "notices:read", "Read notices: backtraces, requests, users and context."
    TAGS_READ = "tags:read", "List the tags of a problem and of an app."
    TAGS_WRITE = "tags:write", "Add tags to problems and remove them."
    TEAMS_READ = "teams:read", "List teams, their members, apps and invitations."
    TEAMS_WRITE = "teams:write", "Create, change and delete teams, their members, apps and invitations."
    USERS_READ = "users:read", "List users."
    USERS_WRITE = (
        "users:write",
        "Create and delete users, set their notification preferences, and the email address and password of everyone "
        "but site admins: "
        "anyone with the key can sign in as any of them.",
    )
    AUDIT_READ = "audit:read", "Read the audit log: who changed what, with email addresses and client IPs."


ALL_PERMISSIONS: tuple[str, ...] = tuple(p.value for p in Permission)
# What a key that is restricted to certain apps can be granted: teams, users and the audit log are not parts of an app.
APP_PERMISSIONS: tuple[str, ...] = tuple(
    p for p in ALL_PERMISSIONS if p.partition(":")[0] in {"apps", "problems", "notices", "tags"}
)
READ_PERMISSIONS: tuple[str, ...] = tuple(p for p in ALL_PERMISSIONS if p.endswith(":read"))
