"""The exceptions that more than one package raises or handles."""


class CheckendError(Exception):
    """Parent of all exceptions that Checkend defines."""


class StartupError(CheckendError):
    """Checkend cannot start, or a command cannot run; the message states why and what to do."""


class SettingError(StartupError):
    """A setting has an invalid value; the message states the setting, the value and what is allowed."""


class ApiError(CheckendError):
    """An error response of the API: its status and its message or, for a 422, one message per error.

    ``retry_after`` is the number of seconds after which to try again.
    """

    def __init__(
        self, status: int, message: str = "", *, messages: list[str] | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status
        self.messages = messages
        self.message = message or " ".join(messages or [])


class DomainError(CheckendError):
    """The state of the database does not allow the change; ``messages`` contains one complete sentence per reason."""

    def __init__(self, *messages: str) -> None:
        super().__init__(" ".join(messages))
        self.messages = list(messages)
