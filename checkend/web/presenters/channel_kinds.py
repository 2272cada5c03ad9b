"""What the dashboard says about each kind of channel: its name, icon, and the settings that its form shows."""

from dataclasses import dataclass

from checkend.models import Channel, ProblemIssue
from checkend.notifications.channels.kinds import REQUEST_KINDS
from checkend.notifications.message import Event

EVENT_LABELS = {
    Event.NEW_PROBLEM: "New problem",
    Event.REOCCURRENCE: "Reoccurrence",
    Event.THRESHOLD: "Occurrence threshold",
    Event.SPIKE: "Spike",
    Event.UNMUTED: "End of a mute",
    Event.DIGEST: "Digest",
    Event.TEST: "Test",
}

# What a form says in place of the label, where it needs more words.
EVENT_CHOICES = {
    Event.NEW_PROBLEM: "New problems",
    Event.REOCCURRENCE: "Resolved problems that occur again",
    Event.THRESHOLD: "Problems that reach 10, 100, 1,000 and so on occurrences",
    Event.SPIKE: "Spikes: when one starts, and when it ends",
    Event.UNMUTED: "Mutes that end by themselves",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a channel as its form shows it; ``is_list`` for one value per line."""

    name: str
    label: str
    help: str = ""
    placeholder: str = ""
    required: bool = True
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of channel."""

    name: str
    label: str
    icon: str
    description: str
    settings: tuple[Setting, ...]

    def is_secret(self, setting: Setting) -> bool:
        """Whether the setting is encrypted and never shown again."""
        return self.name in REQUEST_KINDS and setting.name in REQUEST_KINDS[self.name].SECRETS


def _http_kind(name: str, icon: str, description: str, *settings: Setting) -> Kind:
    return Kind(name, REQUEST_KINDS[name].LABEL, icon, description, settings)


_KINDS = (
    Kind(
        "email",
        "Email",
        "envelope",
        "To the members of the app's teams, or to the addresses you enter.",
        (
            Setting(
                "recipients",
                "Recipients",
                "One email address per line. Leave empty to write to the members of the app's teams, each of whom can "
                "choose on the account page which email to get.",
                required=False,
                is_list=True,
            ),
        ),
    ),
    _http_kind(
        "slack",
        "slack",
        "An incoming webhook of Slack, or of a compatible server such as Mattermost.",
        Setting(
            "url",
            "Webhook URL",
            "In Slack: create an app, turn on Incoming Webhooks, and add a webhook to the Slack channel.",
            "https://hooks.slack.com/services/…",
        ),
    ),
    _http_kind(
        "discord",
        "discord",
        "A webhook of a Discord channel.",
        Setting(
            "url",
            "Webhook URL",
            "In Discord: Edit Channel, Integrations, Webhooks, New Webhook, Copy Webhook URL.",
            "https://discord.com/api/webhooks/…",
        ),
    ),
    _http_kind(
        "teams",
        "microsoft-teams",
        "A workflow of Microsoft Teams that posts to a channel.",
        Setting(
            "url",
            "Workflow URL",
            "In Teams: Workflows, “Post to a channel when a webhook request is received”, then copy the URL.",
            "https://…",
        ),
    ),
    _http_kind(
        "google_chat",
        "google",
        "An incoming webhook of a Google Chat space.",
        Setting(
            "url",
            "Webhook URL",
            "In Google Chat: open the space's Apps & integrations, and add a webhook.",
            "https://chat.googleapis.com/v1/spaces/…",
        ),
    ),
    _http_kind(
        "telegram",
        "telegram",
        "A bot that posts to a Telegram chat.",
        Setting("token", "Bot token", "From @BotFather.", "123456:ABC-DEF1234ghIkl…"),
        Setting("chat_id", "Chat ID", "A number, or the name of a public channel.", "-1001234567890 or @alerts"),
        Setting("message_thread_id", "Topic ID", "Only for groups with topics.", "optional", required=False),
    ),
    _http_kind(
        "ntfy",
        "phone",
        "A topic on ntfy.sh or on your own ntfy server.",
        Setting("topic", "Topic", placeholder="shop-alerts"),
        Setting("server", "Server", "Leave empty to use ntfy.sh.", "https://ntfy.sh", required=False),
        Setting("token", "Access token", "Only for protected topics.", "optional", required=False),
    ),
    _http_kind(
        "github",
        "github",
        "An issue per problem in a GitHub repository, with a comment when a resolved problem occurs again.",
        Setting("repository", "Repository", placeholder="owner/name"),
        Setting(
            "token", "Token", "A fine-grained token that may read and write the repository's issues.", "github_pat_…"
        ),
        Setting("labels", "Labels", "One label per line, at most 20.", required=False, is_list=True),
        Setting(
            "server",
            "Server",
            "For GitHub Enterprise Server, the URL of its API. Leave empty to use github.com.",
            "https://github.example.com/api/v3",
            required=False,
        ),
    ),
    _http_kind(
        "gitlab",
        "gitlab",
        "An issue per problem in a GitLab project, with a comment when a resolved problem occurs again.",
        Setting("project", "Project", "The path of the project, or its ID.", "group/project"),
        Setting("token", "Token", "A project access token with the scope api and the role Reporter.", "glpat-…"),
        Setting("labels", "Labels", "One label per line, at most 20.", required=False, is_list=True),
        Setting("server", "Server", "Leave empty to use gitlab.com.", "https://gitlab.com", required=False),
    ),
    _http_kind(
        "apprise",
        "megaphone",
        "One of a hundred other services, such as Gotify, Matrix, Opsgenie, PagerDuty, Pushover or Twilio.",
        Setting(
            "url",
            "Apprise URL",
            "As described in Apprise's documentation of the service. The server needs checkend-server[apprise].",
            "gotify://host/token",
        ),
    ),
    _http_kind(
        "webhook",
        "braces",
        "Signed JSON to a URL of your own, as specified by Standard Webhooks.",
        Setting(
            "url",
            "URL",
            "Requests are signed. The signing secret is shown once, when the channel is added.",
            "https://…",
        ),
    ),
)
KINDS = {kind.name: kind for kind in _KINDS}


def describe_target(channel: Channel) -> str:
    """Return where a channel sends to, as far as that is not secret; "" if it is."""
    config = channel.config
    if channel.kind == "email":
        return ", ".join(config.get("recipients", [])) or "members of the app's teams"
    return str(
        config.get("url")
        or config.get("repository")
        or config.get("project")
        or config.get("topic")
        or config.get("chat_id")
        or ""
    )


def event_label(event: str) -> str:
    """Return the name of an event for people."""
    return EVENT_LABELS.get(Event(event), event)


def issues_of(problem_id: int) -> list[tuple[str, str]]:
    """Return the name and the URL of each issue about the problem, such as "GitHub #12"."""
    return [
        (f"{KINDS[issue.channel.kind].label} #{issue.number}", issue.url)
        for issue in ProblemIssue.of_problem(problem_id)
    ]
