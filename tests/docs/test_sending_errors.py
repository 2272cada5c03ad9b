"""docs/sending-errors.md: the code for each SDK is the code that an app's Connect page displays."""

import pytest

from checkend.web.presenters.snippets import Snippet, snippets
from tests.docs.examples import DOCS

PAGE = (DOCS / "sending-errors.md").read_text(encoding="utf-8")
SNIPPETS = snippets("cki_…", "https://errors.example.com")


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.name)
def test_the_page_has_the_code_of_each_sdk(snippet: Snippet) -> None:
    section = PAGE.partition(f"\n## {snippet.label}\n")[2].partition("\n## ")[0]
    assert snippet.install.partition("  #")[0] in section
    assert f"\n{snippet.code}```\n" in section
