"""Issues of trackers, linked from problems."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "problem_issues",
        sa.Column("problem_id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("marker", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["problem_id"], ["problems.id"], name="fk_problem_issues_problem_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name="fk_problem_issues_channel_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("problem_id", "channel_id", name="pk_problem_issues"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_problem_issues_channel_id", "problem_issues", ["channel_id"])
