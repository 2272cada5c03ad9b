"""Levels of problems, and indexes for the order in which they were first noticed.

``problems.level`` is NULL until the next notice of the problem is stored.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("problems", sa.Column("level", sa.String(10), nullable=True))
    op.create_index("ix_problems_new", "problems", ["app_id", "first_noticed_at"])
    op.create_index("ix_problems_all_new", "problems", ["first_noticed_at"])
