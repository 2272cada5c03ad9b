"""Text of reports on a page: nothing hides, nothing runs, nothing is lost."""

import json

import pytest

from checkend.web.text import as_json, cut, link_of, shown, visible


@pytest.mark.parametrize(
    ("character", "mark"),
    [("\0", "␀"), ("\x1b", "␛"), ("\x7f", "␡"), ("\u202e", "[U+202E]"), ("\u200b", "[U+200B]"), ("\ud800", "[U+D800]")],
)
def test_characters_that_cannot_be_seen_stand_as_marks(character: str, mark: str) -> None:
    assert visible(f"a{character}b") == f"a{mark}b"
    assert shown(f"a{character}b") == (
        f'<bdi>a<span class="unseen" title="U+{ord(character):04X}">{mark}</span>b</bdi>'
    )


def test_joiners_letters_of_all_scripts_tabs_and_line_feeds_stay() -> None:
    text = "می‌خواهم 👩‍👩‍👧 שלום\tx\ny"
    assert visible(text) == text


def test_markup_is_escaped_and_isolated() -> None:
    assert shown("<script>&\"'") == "<bdi>&lt;script&gt;&amp;&#34;&#39;</bdi>"


def test_a_cut_text_says_so_and_stays_within_its_length() -> None:
    assert cut("a\n b", 10) == "a b"
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"
    assert cut(" " * 1000 + "x", 6) == "…"


def test_json_can_be_copied_back_though_nothing_in_it_hides() -> None:
    value = {"a\u202eb": ["\0", "\ufeff", "é", "\U000e0041"]}
    text = as_json(value)
    assert "\u202e" not in text
    assert "\U000e0041" not in text
    assert "é" in text
    assert json.loads(text) == value


def test_json_nested_too_deeply_is_still_shown() -> None:
    value: object = 1
    for _ in range(900):
        value = [value]
    assert as_json(value).count("[") == 900


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "https://a b", "https://a\u202eb", "//x", 5, "data:text/html,x"]
)
def test_only_plain_web_addresses_become_links(text: object) -> None:
    assert link_of(text) is None


def test_a_web_address_becomes_a_link() -> None:
    assert link_of("https://example.com/?a=1") == "https://example.com/?a=1"
