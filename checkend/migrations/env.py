"""Alembic's environment: migrates the one SQLite file, in one transaction."""

from alembic import context

import checkend.models  # noqa: F401 - its import fills the metadata
from checkend.extensions import connect, db
