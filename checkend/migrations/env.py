"""Alembic's environment: migrates the one SQLite file, in one transaction."""

import checkend.models  # noqa: F401 - its import fills the metadata
