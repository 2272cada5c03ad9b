"""docs/ingestion.md: every status has an example; tests/docs/test_examples.py runs them."""

import re

from tests.docs.examples import DOCS

DOCUMENT = (DOCS / "ingestion.md").read_text(encoding="utf-8")
# Not shown with an example: an unexpected error cannot be caused on purpose, and a wrong method is no report.
WITHOUT_EXAMPLE = {"405", "500"}


def test_each_status_has_an_example() -> None:
    table = set(re.findall(r"^\| (\d{3}) \|", DOCUMENT, re.MULTILINE))
    shown = set(re.findall(r"^HTTP/1.1 (\d{3})", DOCUMENT, re.MULTILINE))
    assert table - shown == WITHOUT_EXAMPLE
    assert shown - table == {"200", "204"}  # the other status of a duplicate, and that of a preflight request
