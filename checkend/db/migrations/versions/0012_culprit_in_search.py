"""Search also matches the culprit: ``problems.search_text`` ends with ``location``, case folded, if there is one."""

from alembic import op

revision = "0012"
down_revision = "0011"

LENGTH = 300
ROWS = "SELECT id, search_text, location FROM problems WHERE id > ? AND location <> '' ORDER BY id LIMIT 500"


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    after = 0
    while rows := run(ROWS, (after,)).fetchall():
        after = rows[-1][0]
        for problem_id, search_text, location in rows:
            folded = location[:LENGTH].casefold().replace("\0", "")
            run("UPDATE problems SET search_text = ? WHERE id = ?", (f"{search_text}\n{folded}", problem_id))
