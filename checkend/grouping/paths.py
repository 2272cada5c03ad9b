"""Normalize file paths so that they are stable across runs, machines and deploys."""

from __future__ import annotations

import re
from functools import lru_cache


def normalize_path(file: str) -> str:
    """Return the folder and name of a file, without the project folder, host, and hashes of builds or releases.

    One folder is kept, since `blog/views.py` and `forum/views.py` are two files. Folders further up are more likely to
    differ from machine to machine.
    """
    return _normalize_path(file[-_MAX_LENGTH:])


_MAX_LENGTH = 600  # characters at the end of a path that count, which bounds the size of the cache


@lru_cache(maxsize=2048)
def _normalize_path(file: str) -> str:
    path = file.replace("\\", "/")
    is_web = _WEB.match(path)
    if is_web:
        path = path[is_web.end() :].partition("?")[0].partition("#")[0]
    else:
        for prefix in (_ROOT, _RELEASE):
            match = prefix.match(path)
            path = path[match.end() :] if match else path
    *folders, name = path.strip("/").split("/")
    if is_web or name.endswith((".js", ".mjs", ".cjs")):
        name = _without_hash(name)
    folder = folders[-1] if folders else ""
    if not folder or folder in _IGNORED_FOLDERS or _VOLATILE.match(folder) or (is_web and _WEB_FOLDER.match(folder)):
        return name
    return f"{folder}/{name}"


# A script from the web, or one named by a bundler: webpack:///./src/a.js, webpack-internal:///(rsc)/./a.js
_WEB = re.compile(
    r"(?:https?|app|capacitor|ionic|webpack(?:-internal)?|blob|turbopack|rsc)://[^/?#]*/?(?:\([\w-]+\)/)?",
    re.IGNORECASE,
)

# The usual folders of projects, up to and including the project's own folder, whose name differs from machine to
# machine.
_ROOT = re.compile(
    r"""(?:file:///?)?(?:
        \[PROJECT_ROOT\]/ | \./ |
        [A-Za-z]:/Users/[^/]+/(?:[^/]+/){1,2}? | [A-Za-z]:/agent/_work/\d+/s/ |
        [A-Za-z]:/(?:app|code|src|project)/ | [A-Za-z]:/[^/]+/(?:[^/]+/)? |
        /home/runner/work/[^/]+/[^/]+/ | /github/workspace/ | /builds/[^/]+/[^/]+/ |
        /codebuild/output/[^/]+/src/ | /(?:home|Users)/[^/]+/(?:[^/]+/)? | /root/(?:[^/]+/)? |
        /var/www/(?:[^/]+/)? | /usr/src/[^/]+/ | /usr/local/[^/]+/ | /var/task/ |
        /(?:srv|opt|data|mnt|apps|sites|www)/(?:[^/]+/)? | /workspaces?/(?:[^/]+/)? |
        /(?:app|code|src|rails|usr/app|project|application|tmp|build|function|layers|home)/ | /
    )""",
    re.VERBOSE,
)
# Folders of deploy tools such as Capistrano: /releases/20240101093000/, and the link to the current release.
_RELEASE = re.compile(r"(?:.*/)?(?:releases?|deployments?|revisions|versions)/[^/]+/|(?:.*/)?current/")


_IGNORED_FOLDERS = frozenset({"", ".", "..", "current", "html", "htdocs", "public_html", "wwwroot"})
# Folders of web servers and bundlers, which change when assets move to another host.
_WEB_FOLDER = re.compile(r"(?:assets|static|js|chunks|dist|build|bundles|packs|immutable|_next|_nuxt|scripts|out)\Z")
# A folder that is a date, a number, a hash, a temporary name, or a version.
_VOLATILE = re.compile(
    r"""(?: \d+ | \d{6}.* | (?=[a-f]*\d)[0-9a-f]{7,64} | tmp[\w-]{4,} | v?\d+\.\d[\w.+-]* |
        (?:release|build|deploy)[-_.]?\d[\w.-]* |
        [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{20,} | \w+\.[A-Za-z0-9]{6,12} )\Z""",
    re.VERBOSE,
)

# Hashes that bundlers add to names: `app.3e81c07d.js`, `index-Zk3vTq9B.js`, `17.9d02e4f6.chunk.js`
_HASH = re.compile(
    r"[-._](?:(?=[a-f]*\d)[0-9a-f]{6,64}|[0-9a-f]{16,64}|(?=[\w-]{0,7}\d|[\w-]{1,7}[A-Z])[\w-]{8})(?=[-._])"
)
_BUNDLER_WORDS = re.compile(r"(?:[.-](?:chunk|bundle|min|production|prod|legacy|modern))++((?=\.[cm]?js\Z))?")
_ONLY_HASH = re.compile(r"(?:(?=[a-f]{0,63}+\d)[0-9a-f]{6,64}+|(?<!\d)\d++)(?=[-._])")


def _without_hash(name: str) -> str:
    # Words elsewhere in the name are matched as well, but kept, so that no character is scanned twice.
    name = _BUNDLER_WORDS.sub(lambda match: match[0] if match[1] is None else "", _HASH.sub("", name))
    return _ONLY_HASH.sub("chunk", name, count=1) if name[:1] in "0123456789abcdef" else name
