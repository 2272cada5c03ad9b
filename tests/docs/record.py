"""Record the responses that the documents show: ``python -m tests.docs.record``.

Sends every request of docs/api.md and docs/ingestion.md to the app, and writes what it responds into the documents. Run
it after a change of the API, and read the difference.
"""

from tests.docs.examples import DOCS, RECORDED, record


def main() -> None:
    """Rewrite the documents, and print which have changed."""
    for name in RECORDED:
        before = (DOCS / name).read_text(encoding="utf-8")
        after = record(before)
        (DOCS / name).write_text(after, encoding="utf-8")
        print(f"docs/{name}: {'unchanged' if before == after else 'changed'}")


if __name__ == "__main__":
    main()
