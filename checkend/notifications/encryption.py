"""Secrets at rest: encrypted with keys from a file of the instance folder, so that a copy of the database has none.

The file ``encryption_keys`` holds one key per line. The first line encrypts, every line decrypts:
``checkend secrets rotate`` adds a new first line, encrypts all secrets again, and removes the old lines.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import current_app

from checkend.exceptions import DomainError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

KEYS_FILE_NAME = "encryption_keys"


def secret_box() -> "SecretBox":
    """Return the secret box of the current app's instance folder."""
    return SecretBox(Path(current_app.instance_path))


class SecretsUnreadableError(DomainError):
    """Secrets in the database cannot be decrypted with the keys in the instance folder."""


class SecretBox:
    """Encrypts and decrypts secrets with the keys in ``folder``, created if there are none."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / KEYS_FILE_NAME

    def seal(self, secrets: dict[str, Any]) -> bytes:
        """Return the secrets as an encrypted token."""
        return self._fernet().encrypt(json.dumps(secrets).encode())

    def open(self, token: bytes | None, owner: str = "this channel") -> dict[str, Any]:
        """Return the secrets in ``token``; {} for None. Raises `SecretsUnreadableError`, which names the ``owner``."""
        from cryptography.fernet import InvalidToken

        if token is None:
            return {}
        if not self.path.exists():  # a new key could not decrypt it either
            raise _unreadable(owner)
        try:
            secrets: dict[str, Any] = json.loads(self._fernet().decrypt(token))
        except InvalidToken:
            raise _unreadable(owner) from None
        return secrets

    def add_key(self) -> list[str]:
        """Add a random key that encrypts from now on, and return those that did so far."""
        from checkend.config.instance_secrets import generate_secret, replace_secret

        keys = self._keys()
        replace_secret(self.path, "\n".join([generate_secret(), *keys]))
        return keys

    def remove_keys(self, keys: list[str]) -> None:
        """Remove keys with which nothing is encrypted any more."""
        from checkend.config.instance_secrets import replace_secret

        replace_secret(self.path, "\n".join(key for key in self._keys() if key not in keys))

    def _keys(self) -> list[str]:
        from checkend.config.instance_secrets import read_or_create_secret

        return read_or_create_secret(self.path).split()

    def _fernet(self) -> "MultiFernet":
        from cryptography.fernet import Fernet, MultiFernet

        digests = [hashlib.sha256(key.encode()).digest() for key in self._keys()]
        return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


def _unreadable(owner: str) -> SecretsUnreadableError:
    return SecretsUnreadableError(
        f"The secrets of {owner} cannot be decrypted with the file {KEYS_FILE_NAME} in the instance folder. Restore "
        "that file from a backup, or enter the secrets again."
    )
