"""What the text search finds of a problem, and bringing it into the search index.

A problem is found by its class, the message that it was opened with, and the message of its latest stored notice. The
latter may change with every report, and an index update per report would halve the throughput. The writer only marks
the problem with ``search_pending``; searches look through the latest messages of the problems so marked, and
`index_latest_messages` brings them into the index later. A search is therefore never behind.
"""

from collections.abc import Iterator

from sqlalchemy import select, text, update

from checkend.db.search import fold
from checkend.db.session import db
from checkend.db.transactions import begin_writing, commit
from checkend.models.problem import ID_BATCH_SIZE, Problem

MAX_SEARCH_TEXT_LENGTH = 1_000  # characters indexed per problem
_CLASS_LENGTH = 200
_PROBLEM_BATCH_SIZE = 50


def search_text(error_class: str, first_message: str, latest_message: str | None = None) -> str:
    """Return what is indexed of a problem: at most `MAX_SEARCH_TEXT_LENGTH` characters, case folded, each part on its
    own line.

    Where the parts are longer in all, the class keeps 200 characters, and each message at least half of the rest.
    """
    head, first, latest = (
        fold(part[:MAX_SEARCH_TEXT_LENGTH]) for part in (error_class, first_message, latest_message or "")
    )
    whole = "\n".join((head, first, latest) if latest else (head, first))
    if len(whole) <= MAX_SEARCH_TEXT_LENGTH:
        return whole
    head = head[:_CLASS_LENGTH]
    room = MAX_SEARCH_TEXT_LENGTH - len(head) - 1
    if not latest:
        return f"{head}\n{first[:room]}"
    room -= 1
    first = first[: max(room // 2, room - len(latest))]
    return f"{head}\n{first}\n{latest[: room - len(first)]}"


def index_latest_messages() -> Iterator[int]:
    """Bring the latest messages into the search index, in short transactions; yields the problems of each step.

    Takes at most `ID_BATCH_SIZE` problems, so that it ends while reports go on coming in. Needs an app context.
    """
    ids = db.session.scalars(select(Problem.id).where(text("search_pending")).limit(ID_BATCH_SIZE)).all()
    for start in range(0, len(ids), _PROBLEM_BATCH_SIZE):
        begin_writing()
        rows = db.session.execute(
            select(Problem.id, Problem.error_class, Problem.first_message, Problem.latest_message).where(
                Problem.id.in_(ids[start : start + _PROBLEM_BATCH_SIZE])
            )
        ).all()
        for problem_id, error_class, first, latest in rows:
            values = {
                "search_text": search_text(error_class, first, latest),
                "search_pending": False,
                "updated_at": Problem.updated_at,
            }
            statement = update(Problem).where(Problem.id == problem_id).values(values)
            db.session.execute(statement.execution_options(synchronize_session=False))
        commit()
        yield len(rows)
    db.session.rollback()
