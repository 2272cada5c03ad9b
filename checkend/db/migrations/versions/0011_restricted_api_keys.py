"""API keys for certain apps, invitations sent with API keys, levels of problems, and the order of first reports.

Existing keys may use all apps. ``problems.level`` is NULL until the next notice of the problem is stored.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("restricted", sa.Boolean(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "api_key_apps",
        sa.Column("api_key_id", sa.Integer(), nullable=False),
        sa.Column("app_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"], name="fk_api_key_apps_api_key_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_api_key_apps_app_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("api_key_id", "app_id", name="pk_api_key_apps"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_api_key_apps_app_id", "api_key_apps", ["app_id"])
    op.create_table(
        "api_key_invitations",
        sa.Column("invitation_id", sa.Integer(), nullable=False),
        sa.Column("api_key_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invitation_id"], ["invitations.id"], name="fk_api_key_invitations_invitation_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_keys.id"], name="fk_api_key_invitations_api_key_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("invitation_id", name="pk_api_key_invitations"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_api_key_invitations_api_key_id", "api_key_invitations", ["api_key_id"])
    op.add_column("problems", sa.Column("level", sa.String(10), nullable=True))
    op.create_index("ix_problems_new", "problems", ["app_id", "first_noticed_at"])
    op.create_index("ix_problems_all_new", "problems", ["first_noticed_at"])
