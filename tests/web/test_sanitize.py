"""Untrusted text on a page: nothing is hidden, executed or lost."""

import json

import pytest

from checkend.web.sanitize import escape_controls, pretty_json, safe_html, safe_link, truncate_line


@pytest.mark.parametrize(
    ("character", "mark"),
    [("\0", "␀"), ("\x1b", "␛"), ("\x7f", "␡"), ("\u202e", "[U+202E]"), ("\u200b", "[U+200B]"), ("\ud800", "[U+D800]")],
)
def test_invisible_characters_are_replaced_by_symbols(character: str, mark: str) -> None:
    assert escape_controls(f"a{character}b") == f"a{mark}b"
    assert safe_html(f"a{character}b") == (
        f'<bdi>a<span class="unseen" title="U+{ord(character):04X}">{mark}</span>b</bdi>'
    )


def test_joiners_letters_of_all_scripts_tabs_and_line_feeds_stay() -> None:
    text = "می‌خواهم 👩‍👩‍👧 שלום\tx\ny"
    assert escape_controls(text) == text


def test_markup_is_escaped_and_isolated() -> None:
    assert safe_html("<script>&\"'") == "<bdi>&lt;script&gt;&amp;&#34;&#39;</bdi>"


def test_a_truncated_text_ends_in_an_ellipsis_and_keeps_its_length() -> None:
    assert truncate_line("a\n b", 10) == "a b"
    assert truncate_line("abcdef", 6) == "abcdef"
    assert truncate_line("abcdefg", 6) == "abcde…"
    assert truncate_line(" " * 1000 + "x", 6) == "…"


def test_json_can_be_copied_back_though_nothing_in_it_hides() -> None:
    value = {"a\u202eb": ["\0", "\ufeff", "é", "\U000e0041"]}
    text = pretty_json(value)
    assert "\u202e" not in text
    assert "\U000e0041" not in text
    assert "é" in text
    assert json.loads(text) == value


def test_json_nested_too_deeply_is_still_shown() -> None:
    value: object = 1
    for _ in range(900):
        value = [value]
    assert pretty_json(value).count("[") == 900


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "https://a b", "https://a\u202eb", "//x", 5, "data:text/html,x"]
)
def test_only_plain_web_addresses_become_links(text: object) -> None:
    assert safe_link(text) is None


def test_a_web_address_becomes_a_link() -> None:
    assert safe_link("https://example.com/?a=1") == "https://example.com/?a=1"
