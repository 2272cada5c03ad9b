"""The text of a problem that search matches, and its way into the search index.

Search matches a problem's class, culprit and tags, the message that opened it, and the message of its latest stored
notice. The last of these may change with every report, and an index update per report would halve the throughput. The
writer therefore only marks the problem with ``search_pending``; searches scan the latest messages of the problems that
are marked, and `index_latest_messages` adds them to the index later. Search results are therefore never out of date.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import select, text, update

from checkend.db.search import fold
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.models.problem import Problem

MAX_SEARCH_TEXT_LENGTH = 1_000  # characters indexed per problem
MAX_LOCATION_LENGTH = 300
MAX_PROBLEMS_PER_RUN = 1_000
_CLASS_LENGTH = 200
_PROBLEM_BATCH_SIZE = 50


def search_text(error_class: str, location: str, first_message: str, latest_message: str | None = None) -> str:
    """Return the text to index: the class, the messages and the location, each on its own line and case folded.

    At most `MAX_SEARCH_TEXT_LENGTH` characters without the location, of which there are at most `MAX_LOCATION_LENGTH`.
    If the other parts are longer in total, the class keeps 200 characters, and each message at least half of the rest.
    """
    text_without_location = _shortened(error_class, first_message, latest_message or "")
    return f"{text_without_location}\n{fold(location[:MAX_LOCATION_LENGTH])}" if location else text_without_location


def _shortened(error_class: str, first_message: str, latest_message: str) -> str:
    error_class, first, latest = (
        fold(part[:MAX_SEARCH_TEXT_LENGTH]) for part in (error_class, first_message, latest_message)
    )
    complete = "\n".join((error_class, first, latest) if latest else (error_class, first))
    if len(complete) <= MAX_SEARCH_TEXT_LENGTH:
        return complete
    error_class = error_class[:_CLASS_LENGTH]
    remaining = MAX_SEARCH_TEXT_LENGTH - len(error_class) - 1
    if not latest:
        return f"{error_class}\n{first[:remaining]}"
    remaining -= 1
    first = first[: max(remaining // 2, remaining - len(latest))]
    return f"{error_class}\n{first}\n{latest[: remaining - len(first)]}"


def index_latest_messages() -> Iterator[int]:
    """Add the latest messages to the search index, in short transactions; yield the number of problems of each.

    Handles at most `MAX_PROBLEMS_PER_RUN` problems, so that it ends even if reports keep arriving. Needs an app
    context.
    """
    ids = db.session.scalars(select(Problem.id).where(text("search_pending")).limit(MAX_PROBLEMS_PER_RUN)).all()
    for start in range(0, len(ids), _PROBLEM_BATCH_SIZE):
        with write_transaction():
            count = _index_latest_messages_of(ids[start : start + _PROBLEM_BATCH_SIZE])
        yield count
    db.session.rollback()


def _index_latest_messages_of(ids: Sequence[int]) -> int:
    columns = (Problem.id, Problem.error_class, Problem.location, Problem.first_message, Problem.latest_message)
    rows = db.session.execute(select(*columns).where(Problem.id.in_(ids))).all()
    for problem_id, error_class, location, first, latest in rows:
        values = {
            "search_text": search_text(error_class, location, first, latest),
            "search_pending": False,
            "updated_at": Problem.updated_at,
        }
        statement = update(Problem).where(Problem.id == problem_id).values(values)
        db.session.execute(statement.execution_options(synchronize_session=False))
    return len(rows)
