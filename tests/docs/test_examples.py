"""The commands of the documents, sent to the real app: each response is the one that the document shows."""

import difflib

import pytest

from tests.docs.examples import DOCS, RECORDED, record
from tests.docs.record import split


@pytest.mark.parametrize("name", RECORDED)
def test_the_responses_are_those_of_the_app(name: str) -> None:
    document, _ = split((DOCS / name).read_text(encoding="utf-8"))
    recorded = record(document)
    lines = document.splitlines(), recorded.splitlines()
    difference = difflib.unified_diff(*lines, f"docs/{name}", "the app", lineterm="")
    assert recorded == document, "\n".join(["Run `python -m tests.docs.record`, if this is right:", *difference])


@pytest.mark.parametrize("name", RECORDED)
def test_each_command_is_followed_by_its_response(name: str) -> None:
    document, _ = split((DOCS / name).read_text(encoding="utf-8"))
    assert document.count("```sh\ncurl ") == document.count("\n```\n\n```http\nHTTP/1.1 ") > 0
