"""The times and contents of the demo's reports: realistic, and the same for the same seed and current time."""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

from checkend import clock
from checkend.demo.story import DemoApp, Story

DAYS = 90
_FIRST_NAMES = ("mia", "liam", "noor", "jonas", "aiko", "lucia", "omar", "ines", "pavel", "grace", "tomas", "wanjiru")
_USER_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
)


def report_times(story: Story, random: Random, now: datetime) -> list[datetime]:
    """Return the times of all reports of ``story`` up to ``now``, oldest first, in small clusters."""
    course = COURSES[story.course]
    times: list[datetime] = []
    while len(times) < story.times:
        time = now - course(random) * timedelta(days=1)
        for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
            times.append(time)
            time += timedelta(seconds=random.uniform(0.3, 25))
    return sorted(time for time in times[: story.times] if time <= now)


def _by_day(days_ago: float, random: Random) -> float:
    """Move a time to the hours in which most users are awake."""
    hour = min(max(random.gauss(14, 4.5), 0), 23.9)
    return max(int(days_ago) + 1 - hour / 24, 0.001)


# The number of days ago at which a report is sent, by the course of its story.
COURSES: dict[str, Callable[[Random], float]] = {
    "steady": lambda random: _by_day(random.uniform(0, DAYS), random),
    "growing": lambda random: _by_day(DAYS * random.random() ** 3.2, random),
    "deploy": lambda random: min(random.expovariate(1 / 4.0), 8.6) if random.random() < 0.9 else random.uniform(8.6, 9),
    "burst": lambda random: (
        random.choice((3.2, 19.4, 41.7)) + random.gauss(0, 0.16) if random.random() < 0.8 else random.uniform(0.02, 60)
    ),
    "nightly": lambda random: int(random.uniform(0, 75)) + 0.42 + random.uniform(0, 0.05),
    "past": lambda random: random.uniform(32, 80),
    "fresh": lambda random: random.uniform(0.004, 0.5),
}


def build_report(app: DemoApp, story: Story, time: datetime, random: Random) -> dict[str, Any]:
    """Return a report as the app's SDK sends it."""
    first_name = random.choice(_FIRST_NAMES)
    number = random.randint(1, 400)
    values = {"n": number, "n2": number % 40 + 10, "n4": number + 4000, "email": f"{first_name}@example.com"}
    frames = [*story.frames, *app.outer]
    if app.notifier["language"] == "python":
        frames.reverse()
    context: dict[str, Any] = {"environment": app.environment, "revision": revision(app, time), **dict(story.context)}
    if app.hosts:
        context["hostname"] = random.choice(app.hosts)
    report: dict[str, Any] = {
        "error": {
            "class": story.error_class,
            "message": random.choice(story.messages).format(**values),
            "backtrace": frames,
            "tags": list(story.tags),
            "occurred_at": clock.iso(time),
        },
        "context": context,
        "notifier": app.notifier,
    }
    if story.url:
        report["request"] = _request(story, values, random)
        report["user"] = {
            "id": _FIRST_NAMES.index(first_name) + 101,
            "email": values["email"],
            "name": first_name.capitalize(),
        }
    return report


def _request(story: Story, values: dict[str, Any], random: Random) -> dict[str, Any]:
    return {
        "url": story.url.format(**values),
        "method": story.method,
        "headers": {
            "User-Agent": random.choice(_USER_AGENTS),
            "Accept-Language": random.choice(("en-GB,en;q=0.9", "de-DE,de;q=0.8", "fr-FR,fr;q=0.7")),
            "Cookie": "[FILTERED]",
        },
        "params": {"id": values["n"]} if "{n}" in story.url else {},
        "remote_ip": f"203.0.113.{random.randint(1, 254)}",
    }


def revision(app: DemoApp, time: datetime) -> str:
    """Return the revision deployed at ``time``: a new one every six days, on different days for each app."""
    offset = sum(app.name.encode()) % 6
    number = int((time - clock.EPOCH).total_seconds() // 86400 + offset) // 6
    return Random(f"{app.name}{number}").randbytes(4).hex()
