"""Stack traces for display: innermost frame first, in-app frames separated from library frames."""

from checkend.web.presenters.facets import facet_shares
from checkend.web.presenters.stacktrace import MAX_FRAMES, present_stacktrace

PYTHON = {"name": "checkend-python", "language": "python"}


def test_pythons_frames_are_turned_and_library_frames_form_runs() -> None:
    raw = [
        "/srv/app.py:7 in outer",
        "/srv/.venv/lib/python3.11/site-packages/flask/app.py:1 in a",
        "/srv/.venv/lib/python3.11/site-packages/flask/app.py:2 in b",
        "/srv/shop.py:9 in pay",
    ]
    shown = present_stacktrace(raw, PYTHON)
    assert [(run.in_app, [frame.method for frame in run.frames]) for run in shown.runs] == [
        (True, ["pay"]),
        (False, ["b", "a"]),
        (True, ["outer"]),
    ]
    assert (shown.total, shown.in_app, shown.omitted) == (4, 2, 0)
    assert shown.text.splitlines()[0] == "→ /srv/shop.py:9 in pay"


def test_an_extremely_long_stack_trace_is_truncated_and_says_by_how_much() -> None:
    shown = present_stacktrace(["/srv/a.rb:1:in 'b'"] * (MAX_FRAMES + 5), {"language": "ruby"})
    assert sum(len(run.frames) for run in shown.runs) == MAX_FRAMES
    assert shown.omitted == 5


def test_without_a_stack_trace_there_are_no_frames() -> None:
    assert present_stacktrace([], None).total == 0


def test_the_values_beyond_the_top_are_counted_as_others() -> None:
    counted = {"user": [("7", 50), ("8", 20), ("9", 10), ("a", 5), ("b", 5), ("c", 2), ("", 8)]}
    facet = facet_shares(counted)[0]
    assert [(share.value, share.percent) for share in facet.shares] == [
        ("7", 50),
        ("8", 20),
        ("9", 10),
        ("a", 5),
        ("b", 5),
        (None, 10),
    ]


def test_a_partial_share_is_never_rounded_to_0_or_100_percent() -> None:
    facet = facet_shares({"host": [("a", 9999), ("b", 1)]})[0]
    assert [share.percent for share in facet.shares] == [99, 1]
