"""What the first start makes and prints: the secret key, and how to make the first admin."""

import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path

from flask import Flask
from sqlalchemy import func, select

from checkend.extensions import db
from checkend.models import User


def secret_key(folder: Path) -> str:
    """The instance's secret key, made on the first start; only its owner may read the file."""
    path = folder / "secret_key"
    if not path.exists():
        draft = folder / f"secret_key.{os.getpid()}.{secrets.token_hex(4)}"
        handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
        with suppress(FileExistsError):  # another process made it meanwhile: its key stands
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()


def announce(app: Flask, state: str) -> None:
    """Say on standard error where the store is when it was made or migrated, and how to make the first admin."""
    if state != "current":
        print(f"Checkend: the store in {app.instance_path} was {state}.", file=sys.stderr)
    with app.app_context():
        users = db.session.scalar(select(func.count()).select_from(User))
        db.session.remove()
    if not users:
        print(
            "Checkend: there is no user yet. Make the first admin with:\n"
            "    checkend user create you@example.com --site-admin",
            file=sys.stderr,
        )
