"""Indexes for problems in the order in which they were first noticed."""

from alembic import op

revision = "0011"
down_revision = "0009"


def upgrade() -> None:
    op.create_index("ix_problems_new", "problems", ["app_id", "first_noticed_at"])
    op.create_index("ix_problems_all_new", "problems", ["first_noticed_at"])
