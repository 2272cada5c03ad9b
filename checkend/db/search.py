"""Text search: the trigram index of problems, and the condition that queries it."""

from typing import Any, cast

from sqlalchemy import BindParameter, ColumnElement, bindparam, column, func, or_, text

# An index of the trigrams in problems.search_text, maintained by triggers.
SEARCH_DDL = (
    "CREATE VIRTUAL TABLE problems_search USING fts5("
    "search_text, content='problems', content_rowid='id', tokenize='trigram case_sensitive 1')",
    "CREATE TRIGGER problems_search_insert AFTER INSERT ON problems BEGIN "
    "INSERT INTO problems_search(rowid, search_text) VALUES (new.id, new.search_text); END",
    "CREATE TRIGGER problems_search_delete AFTER DELETE ON problems BEGIN "
    "INSERT INTO problems_search(problems_search, rowid, search_text) VALUES ('delete', old.id, old.search_text); END",
    "CREATE TRIGGER problems_search_update AFTER UPDATE OF search_text ON problems BEGIN "
    "INSERT INTO problems_search(problems_search, rowid, search_text) VALUES ('delete', old.id, old.search_text); "
    "INSERT INTO problems_search(rowid, search_text) VALUES (new.id, new.search_text); END",
)
# Beside the index: latest messages that are not in it yet, and tags.
_OTHER_MATCHES = (
    "SELECT id FROM problems WHERE search_pending AND instr(fold(latest_message), :folded) > 0 "
    "UNION ALL SELECT problem_id FROM problem_tags JOIN tags ON tags.id = tag_id WHERE instr(tags.name, :folded) > 0"
)
_INDEXED_LENGTH = 3
_PHRASE_LENGTH = 32  # characters looked up in the index, each at the same cost; the rest is compared with the rows
MAX_SEARCH_LENGTH = 200  # characters; the cost of a search grows with their number


def fold(text: str) -> str:
    """Return ``text`` case folded and without null characters, at which SQLite's functions end a text."""
    return text.casefold().replace("\0", "")


def contains_text(id_column: Any, folded_column: Any, search: str, *, look_up: bool = True) -> ColumnElement[bool]:
    """Return the condition that the text or a tag of problems contains ``search`` literally, in any case.

    Only its first `MAX_SEARCH_LENGTH` characters count. Texts of three or more characters are looked up in the index
    of `SEARCH_DDL`; shorter ones need a scan. Without ``look_up``, the rows that meet the other conditions are scanned,
    which is faster if another text has been looked up. The few latest messages that are not in the index yet are always
    scanned.
    """
    folded = fold(search[:MAX_SEARCH_LENGTH])
    value: BindParameter[str] = bindparam("folded", folded, unique=True)
    if len(folded) < _INDEXED_LENGTH or not look_up:
        others = text(_OTHER_MATCHES).bindparams(value).columns(column("id"))
        return or_(func.instr(folded_column, folded) > 0, id_column.in_(others))
    phrase: BindParameter[str] = bindparam(
        "phrase", '"' + folded[:_PHRASE_LENGTH].replace('"', '""') + '"', unique=True
    )
    matches = text(
        "SELECT rowid FROM problems_search WHERE search_text MATCH :phrase AND instr(search_text, :folded) > 0 "
        f"UNION ALL {_OTHER_MATCHES}"
    ).bindparams(phrase, value)
    return cast("ColumnElement[bool]", id_column.in_(matches.columns(column("rowid"))))
