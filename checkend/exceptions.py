"""The exceptions that more than one package raises or handles."""


class CheckendError(Exception):
    """Parent of all exceptions that Checkend defines."""


class StartupError(CheckendError):
    """Checkend cannot be used as it stands; the text says in a sentence or two why, and what to do."""


class SettingError(StartupError):
    """A setting has a value that cannot be used; the text names the setting, the value and what is allowed."""


class ApiError(CheckendError):
    """An answer of the API other than success: its status, its sentence, for a 422 one sentence per fault.

    ``retry_after`` is the whole seconds after which to try again.
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
    """The state of the store forbids what was asked; ``messages`` holds one full sentence per fault."""

    def __init__(self, *messages: str) -> None:
        super().__init__(" ".join(messages))
        self.messages = list(messages)
