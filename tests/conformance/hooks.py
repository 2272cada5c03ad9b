"""What Schemathesis cannot know from the document; loaded by its command line."""

import uuid
from typing import Any

import schemathesis


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Send every request with an idempotency key of its own, and let none wait for a notice for long.

    A repeated key with another body is rejected, and a wait may take 25 seconds.
    """
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if str((case.query or {}).get("wait", "")).isdigit():
        case.query["wait"] = "0"


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out parameters without a value: they count as not given, which the document cannot express."""
    return "" not in (case.query or {}).values()
