"""When the demo's errors happen, and what each report says: believable, and the same for the same seed and moment."""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

from checkend import clock
from checkend.demo.story import DemoApp, Story

DAYS = 90
_HOUR = timedelta(hours=1)
_PEOPLE = ("mia", "liam", "noor", "jonas", "aiko", "lucia", "omar", "ines", "pavel", "grace", "tomas", "wanjiru")
_BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
)


def moments(story: Story, random: Random, now: datetime) -> list[datetime]:
    """The times of all reports of ``story`` up to ``now``, oldest first; errors come in small clusters."""
    course = COURSES[story.course]
    found: list[datetime] = []
    while len(found) < story.times:
        begin = now - course(random) * timedelta(days=1)
        for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
            found.append(begin)
            begin += timedelta(seconds=random.uniform(0.3, 25))
    return sorted(moment for moment in found[: story.times] if moment <= now)


def _by_day(days_ago: float, random: Random) -> float:
    """Move a time to the hours in which people are up, mostly."""
    whole = int(days_ago)
    hour = min(max(random.gauss(14, 4.5), 0), 23.9)
    return max(whole + 1 - hour / 24, 0.001)


# How many days ago something happens, by the course that its story takes.
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


def report(app: DemoApp, story: Story, moment: datetime, random: Random) -> dict[str, Any]:
    """One report as the app's SDK sends it."""
    person = random.choice(_PEOPLE)
    number = random.randint(1, 400)
    words = {"n": number, "n2": number % 40 + 10, "n4": number + 4000, "email": f"{person}@example.com"}
    frames = [*story.frames, *app.outer]
    if app.notifier["language"] == "python":
        frames.reverse()
    context: dict[str, Any] = {"environment": app.environment, "revision": revision(app, moment), **dict(story.context)}
    if app.hosts:
        context["hostname"] = random.choice(app.hosts)
    value: dict[str, Any] = {
        "error": {
            "class": story.error_class,
            "message": random.choice(story.messages).format(**words),
            "backtrace": frames,
            "tags": list(story.tags),
            "occurred_at": clock.iso(moment),
        },
        "context": context,
        "notifier": app.notifier,
    }
    if story.url:
        value["request"] = _request(story, words, random)
        value["user"] = {"id": _PEOPLE.index(person) + 101, "email": words["email"], "name": person.capitalize()}
    return value


def _request(story: Story, words: dict[str, Any], random: Random) -> dict[str, Any]:
    return {
        "url": story.url.format(**words),
        "method": story.method,
        "headers": {
            "User-Agent": random.choice(_BROWSERS),
            "Accept-Language": random.choice(("en-GB,en;q=0.9", "de-DE,de;q=0.8", "fr-FR,fr;q=0.7")),
            "Cookie": "[FILTERED]",
        },
        "params": {"id": words["n"]} if "{n}" in story.url else {},
        "remote_ip": f"203.0.113.{random.randint(1, 254)}",
    }


def revision(app: DemoApp, moment: datetime) -> str:
    """The revision that ran at ``moment``: a new one every six days, each app on its own day."""
    offset = sum(app.name.encode()) % 6
    number = int((moment - clock.EPOCH).total_seconds() // 86400 + offset) // 6
    return Random(f"{app.name}{number}").randbytes(4).hex()
