"""The events of the audit log, as sentences."""

import re
from typing import Any

from checkend.models.audit_entry import AuditEntry

# What follows the actor. {target} is the label of the target, and the other names are details.
SENTENCES = {
    "sign_in.succeeded": "signed in",
    "sign_in.failed": "failed to sign in as {target}: {reason}",
    "sign_out": "ended {sessions} of {target}",
    "password.changed": "set the password of {target}",
    "password_link.created": "created a password link for {target}",
    "email.changed": "changed the email address of {target} to {new_email_address}",
    "user.created": "created the user {target}",
    "user.deleted": "deleted the user {target}",
    "site_admin.granted": "made {target} a site admin",
    "site_admin.removed": "removed {target} from the site admins",
    "team.created": "created the team {target}, owned by {owner}",
    "team.renamed": "renamed the team {target} to {new_name}",
    "team.transferred": "transferred the team {target} from {previous_owner} to {owner}",
    "team.deleted": "deleted the team {target}",
    "member.added": "added {target} to the team {team} as {role}",
    "member.role_changed": "changed the role of {target} in the team {team} from {previous_role} to {role}",
    "member.removed": "removed {target} from the team {team}",
    "invitation.created": "invited {target} as {role}",
    "invitation.renewed": "renewed the invitation of {target} as {role}",
    "invitation.accepted": "accepted the invitation of {target} as {role}",
    "invitation.revoked": "revoked the invitation of {target} as {role}",
    "api_key.created": "created the API key {target} with {permissions}",
    "api_key.revoked": "revoked the API key {target}",
    "api_key.deleted": "deleted the API key {target}",
    "ingestion_key.regenerated": "regenerated the ingestion key of the app {target}",
    "app.created": "created the app {target}",
    "app.changed": "changed the app {target}: {changes}",
    "app.deleted": "deleted the app {target}",
    "app.assigned": "assigned the app {target} to the team {team}",
    "app.unassigned": "removed the app {target} from the team {team}",
    "channel.created": "created the channel {target}",
    "channel.changed": "changed the channel {target}: {fields}",
    "channel.deleted": "deleted the channel {target}",
    "mail_settings.changed": "changed the mail settings: {fields}",
    "mail_settings.deleted": "deleted the mail settings",
    "mail.tested": "sent a test mail to {recipient}",
    "problem.resolved": "resolved {problems}",
    "problem.reopened": "reopened {problems}",
    "problem.muted": "muted {problems}",
    "problem.unmuted": "unmuted {problems}",
    "problem.deleted": "deleted {problems}",
    "problem.tagged": "added the tag {tag} to {problems}",
    "problem.untagged": "removed the tag {tag} from {problems}",
}
GROUPS = tuple(dict.fromkeys(event.partition(".")[0] for event in SENTENCES))
_ACTORS = {"command_line": "The command line", "anonymous": "Somebody who was not signed in"}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def actor_name(entry: AuditEntry) -> str:
    """Return the actor as the subject of a sentence."""
    return (
        f"API key {entry.actor_label}"
        if entry.actor_kind == "api_key"
        else _ACTORS.get(entry.actor_kind, entry.actor_label)
    )


def predicate(entry: AuditEntry) -> str:
    """Return what the actor did, such as ``resolved 3 problems of Shop``."""
    values = {"target": entry.target_label, "problems": _problems(entry)}
    values |= {name: _text(name, value) for name, value in entry.details.items()}
    template = SENTENCES.get(entry.event, f"{entry.event} {{target}}")
    sentence = _PLACEHOLDER.sub(lambda match: values.get(match[1], "?"), template)
    if entry.event == "mail.tested" and "error" in values:
        return f"{sentence}, which failed: {values['error']}"
    return sentence


def _problems(entry: AuditEntry) -> str:
    details = entry.details
    what = f"the problem {entry.target_label}" if entry.target_kind == "problem" else entry.target_label
    if details.get("app"):
        return f"{what} of {details['app']['label']}"
    return f"{what} of {details['apps_count']} apps" if "apps_count" in details else what


def _text(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return str(value["label"]) if "label" in value else ", ".join(value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if name == "sessions":
        return f"{value} {'session' if value == 1 else 'sessions'}"
    return str(value)
