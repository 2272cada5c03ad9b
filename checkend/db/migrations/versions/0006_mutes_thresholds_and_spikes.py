"""Mutes, occurrence thresholds, spikes and releases.

New columns of problems: when it was last reopened by a report, and its mute. New columns of apps, channels, deliveries
and problem events. ``app_releases`` starts with the releases that problems counted so far.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

RELEASES = (
    "INSERT INTO app_releases (app_id, name, first_seen_at) SELECT p.app_id, f.value, min(p.first_noticed_at) "
    "FROM problem_facets f JOIN problems p ON p.id = f.problem_id WHERE f.name = 'revision' AND f.value <> '' "
    "GROUP BY p.app_id, f.value"
)


def upgrade() -> None:
    for column in (
        sa.Column("regressed_at", sa.BigInteger(), nullable=True),
        sa.Column("muted_at", sa.BigInteger(), nullable=True),
        sa.Column("muted_by", sa.String(), nullable=True),
        sa.Column("mute_reason", sa.String(), nullable=True),
        sa.Column("muted_until", sa.BigInteger(), nullable=True),
        sa.Column("mute_total", sa.Integer(), nullable=True),
        sa.Column("mute_rate", sa.Integer(), nullable=True),
        sa.Column("mute_rate_minutes", sa.Integer(), nullable=True),
        sa.Column("mute_until_release", sa.Boolean(), server_default=sa.text("0"), nullable=False),
    ):
        op.add_column("problems", column)
    is_muted, ends = sa.text("muted_at IS NOT NULL"), sa.text("muted_until IS NOT NULL")
    op.create_index("ix_problems_muted", "problems", ["app_id", "last_noticed_at"], sqlite_where=is_muted)
    op.create_index("ix_problems_muted_until", "problems", ["muted_until"], sqlite_where=ends)
    op.add_column("apps", sa.Column("muted_problems_count", sa.Integer(), server_default=sa.text("0"), nullable=False))
    for column in (
        sa.Column("min_level", sa.String(10), server_default=sa.text("'debug'"), nullable=False),
        sa.Column("spike_occurrences", sa.Integer(), server_default=sa.text("100"), nullable=False),
        sa.Column("spike_minutes", sa.Integer(), server_default=sa.text("5"), nullable=False),
        sa.Column("watches_spikes", sa.Boolean(), server_default=sa.text("0"), nullable=False),
    ):
        op.add_column("channels", column)
    op.add_column("deliveries", sa.Column("details", sa.JSON(), server_default=sa.text("'{}'"), nullable=False))
    _create_tables()
    op.get_bind().exec_driver_sql(RELEASES)
    _recreate_problem_events()


def _create_tables() -> None:
    op.create_table(
        "problem_minutes",
        sa.Column("problem_id", sa.Integer(), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["problem_id"], ["problems.id"], name="fk_problem_minutes_problem_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("problem_id", "minute", name="pk_problem_minutes"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "app_releases",
        sa.Column("app_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_app_releases_app_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("app_id", "name", name="pk_app_releases"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "spikes",
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("problem_id", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name="fk_spikes_channel_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["problem_id"], ["problems.id"], name="fk_spikes_problem_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("channel_id", "problem_id", name="pk_spikes"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_spikes_problem_id", "spikes", ["problem_id"])


def _recreate_problem_events() -> None:
    """Let events be about no particular notice: SQLite cannot drop NOT NULL from a column."""
    run = op.get_bind().exec_driver_sql
    columns = "id, app_id, problem_id, notice_id, event, environment, release, created_at"
    waiting = run(f"SELECT {columns} FROM problem_events ORDER BY id").fetchall()  # a few rows at most
    op.drop_table("problem_events")
    op.create_table(
        "problem_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("app_id", sa.Integer(), nullable=False),
        sa.Column("problem_id", sa.Integer(), nullable=False),
        sa.Column("notice_id", sa.Integer(), nullable=True),
        sa.Column("event", sa.String(20), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("level", sa.String(10), server_default=sa.text("'error'"), nullable=False),
        sa.Column("details", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_problem_events"),
        sqlite_autoincrement=True,
    )
    for row in waiting:
        run(f"INSERT INTO problem_events ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", tuple(row))
