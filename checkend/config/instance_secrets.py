"""Secrets that Checkend creates and stores in the instance folder, in files that only their owner can read."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from checkend.config.kinds import MIN_SECRET_LENGTH
from checkend.exceptions import StartupError

_SETUP_TOKEN_FILE_NAME = "setup_token"


def read_or_create_secret_key(folder: Path) -> str:
    """Return the key that signs sessions, created by the first start. Raises `StartupError` if the file is unusable."""
    path = folder / "secret_key"
    try:
        key = read_or_create_secret(path)
    except OSError as error:
        raise StartupError(f"{path} cannot be read or written: {error.strerror}.") from error
    if len(key) < MIN_SECRET_LENGTH:
        reason = f"has fewer than {MIN_SECRET_LENGTH} characters and could be guessed" if key else "is empty"
        raise StartupError(
            f"The secret key in {path} {reason}. Delete the file: the next start creates a new key, and all users "
            "have to sign in again."
        )
    return key


def read_or_create_setup_token(folder: Path) -> str:
    """Return the token in the URL of the setup page; it stays the same until there is a site admin."""
    return read_or_create_secret(folder / _SETUP_TOKEN_FILE_NAME)


def delete_setup_token(folder: Path) -> None:
    """Delete the setup token. Deleting one that does not exist has no effect."""
    (folder / _SETUP_TOKEN_FILE_NAME).unlink(missing_ok=True)


def generate_secret() -> str:
    """Return a random secret of 64 characters."""
    return secrets.token_urlsafe(48)


def read_or_create_secret(path: Path) -> str:
    """Return the secret in the file at ``path``, created if it does not exist.

    Several processes may start at the same time. Each writes a secret to a file of its own and tries to link it to
    ``path``, which only the first can. So no process reads a partially written file, and all use the same secret.
    """
    if not path.exists():
        with _draft(path, generate_secret()) as draft, suppress(FileExistsError):  # another process was first
            os.link(draft, path)
    return path.read_text().strip()


def replace_secret(path: Path, text: str) -> None:
    """Replace the file at ``path`` by ``text``: after a crash, it has either the old content or the new one."""
    with _draft(path, text) as draft:
        os.replace(draft, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _draft(path: Path, text: str) -> Iterator[Path]:
    """Provide a file next to ``path`` that contains ``text``, on the disk, and that is removed at the end."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
