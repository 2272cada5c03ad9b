"""Count the hours of problems' charts, 35 bytes each, in the bytes that an app stores (``apps.stored_bytes``)."""

from alembic import op

revision = "0004"
down_revision = "0003"

HOURS = (
    "WITH charted AS (SELECT p.app_id, 35 * count(*) AS total FROM problem_hours h JOIN problems p "
    "ON p.id = h.problem_id GROUP BY p.app_id) "
    "UPDATE apps SET stored_bytes = stored_bytes + coalesce((SELECT total FROM charted WHERE app_id = apps.id), 0)"
)


def upgrade() -> None:
    op.get_bind().exec_driver_sql(HOURS)
