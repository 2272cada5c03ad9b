"""Settings: definitions (`settings`, `kinds`), where values come from (`loading`), and misspelled variables."""

from checkend.config.kinds import MIN_SECRET_LENGTH
from checkend.config.loading import Value, instance_path, load, override
from checkend.config.settings import (
    BY_NAME,
    MAX_RETENTION_DAYS,
    MAX_RETENTION_NOTICES,
    PREFIX,
    SETTINGS,
    Setting,
)

__all__ = [
    "BY_NAME",
    "MAX_RETENTION_DAYS",
    "MAX_RETENTION_NOTICES",
    "MIN_SECRET_LENGTH",
    "PREFIX",
    "SETTINGS",
    "Setting",
    "Value",
    "instance_path",
    "load",
    "override",
]
