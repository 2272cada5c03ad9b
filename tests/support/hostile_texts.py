"""A report whose every part means harm, and what must never be found on a page that shows it."""

from typing import Any

SCRIPT = "<script>window.hacked = true</script>"
NASTY = (
    f"{SCRIPT}<img src=x onerror='window.hacked=true'>\"'`\0\x1b[31m\u202eevil\u2066\u200b{{{{7*7}}}}</textarea></pre>"
)
LONG = "L" * 100_000
LONG_WORDS = "word " * 20_000


def hostile_report() -> dict[str, Any]:
    """Every field with markup, quotes, control and direction characters, and lines of 100 kB."""
    return {
        "error": {
            "class": NASTY + "C" * 5000,
            "message": NASTY + LONG,
            "backtrace": [
                f"/srv/{NASTY}.py:7 in {NASTY}",
                f"/srv/{LONG}.py:8 in deep",
                NASTY,
                {"file": NASTY, "line": -5, "method": NASTY},
                ["a list", NASTY],
            ],
            "tags": [NASTY, "ok"],
        },
        "context": {
            "environment": NASTY,
            "revision": NASTY,
            "hostname": NASTY,
            NASTY: {NASTY: [NASTY, {NASTY: None}]},
            "words": LONG_WORDS,
        },
        "request": {"url": f"javascript:alert(1)//{NASTY}", "method": NASTY, "headers": {NASTY: NASTY}, "params": []},
        "user": {"id": NASTY, "email": NASTY, "name": ["\u202e"]},
        "notifier": {"name": NASTY, "version": NASTY, "language": "python", "items": 1},
    }


# Tags and attributes as they would stand if something had not been escaped, and characters that must not hide.
FORBIDDEN = (
    "<script>window",
    "<img src=x",
    "onerror='",
    "\0",
    "\x1b",
    "\u202e",
    "\u2066",
    "\u200b",
    'href="javascript:',
)
