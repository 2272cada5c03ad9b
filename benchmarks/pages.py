"""Duration of each list of the API and each page of the dashboard, one request at a time."""

import http.cookiejar
import re
import time
import urllib.parse
import urllib.request
from statistics import median

from benchmarks.seed import EMAIL, PASSWORD

API = (
    "/apps",
    "/apps/{slug}/problems",
    "/apps/{slug}/problems?status=unresolved&sort=notices",
    "/apps/{slug}/problems?search=literal%20777",
    "/apps/{slug}/problems?min_notices=50&sort=oldest",
    "/apps/{slug}/problems?page=300",
    "/apps/{slug}/problems/{problem}/notices",
    "/apps/{slug}/problems/{problem}/tags",
    "/teams",
    "/users",
)
PAGES = (
    "/",
    "/apps",
    "/apps/{slug}",
    "/apps/{slug}/problems",
    "/apps/{slug}/problems?search=literal%20777",
    "/apps/{slug}/problems?environment=production&sort=notices",
    "/problems",
    "/problems?status=resolved&page=50",
    "/problems/{problem}",
    "/problems/{problem}/notices",
    "/problems/{problem}/notices/{notice}",
    "/api-keys",
    "/teams",
    "/users",
    "/account",
)


def api(url: str, key: str, names: dict[str, str], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each list route."""
    opener = urllib.request.build_opener()
    opener.addheaders = [("Checkend-API-Key", key)]
    return {path: _median(opener, f"{url}/api/v1{path.format(**names)}", rounds) for path in API}


def dashboard(url: str, names: dict[str, str], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each page for a site admin."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    form = opener.open(url + "/sign-in").read().decode()
    token = re.search(r'name="csrf_token" value="([^"]+)"', form)
    assert token, "the sign-in page has no form"
    fields = {"csrf_token": token[1], "email_address": EMAIL, "password": PASSWORD}
    opener.open(url + "/sign-in", urllib.parse.urlencode(fields).encode()).read()
    return {path: _median(opener, url + path.format(**names), rounds) for path in PAGES}


def _median(opener: urllib.request.OpenerDirector, url: str, rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        with opener.open(url) as response:
            response.read()
            if "/sign-in" in response.geturl():
                raise RuntimeError(f"{url} requires signing in")
        times.append((time.perf_counter() - started) * 1000)
    return median(times[1:])
