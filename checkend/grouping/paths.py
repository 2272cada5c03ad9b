"""What of a file's name stays the same between runs, machines and deploys."""

from __future__ import annotations

import re
from functools import lru_cache


def normalize_path(file: str) -> str:
    """The file's folder and name, without the project's root, a host, or what a build or release put in.

    One folder is kept, since `blog/views.py` and `forum/views.py` are two files; no more, since what
    lies further up is likelier to be a matter of the machine.
    """
    return _normalize_path(file[-_MAX_LENGTH:])


_MAX_LENGTH = 600  # a longer path counts by its end; and it bounds what the cache can hold


@lru_cache(maxsize=2048)
def _normalize_path(file: str) -> str:
    path = file.replace("\\", "/")
    is_web = _WEB.match(path)
    path = path[is_web.end() :].partition("?")[0].partition("#")[0] if is_web else _below_root(path)
    *folders, name = path.strip("/").split("/")
    if is_web or name.endswith((".js", ".mjs", ".cjs")):
        name = _without_hash(name)
    folder = folders[-1] if folders else ""
    if not folder or folder in _NO_NEWS or _PASSING.match(folder) or (is_web and _WEB_FOLDER.match(folder)):
        return name
    return f"{folder}/{name}"


# A script from the web, or one named by a bundler: webpack:///./src/a.js, webpack-internal:///(rsc)/./a.js
_WEB = re.compile(
    r"(?:https?|app|capacitor|ionic|webpack(?:-internal)?|blob|turbopack|rsc)://[^/?#]*/?(?:\([\w-]+\)/)?",
    re.IGNORECASE,
)

# Where machines put projects: all of it up to the project itself is cut. In each line the last part is the
# project's own folder, whose name is the machine's affair.
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
# Capistrano and its like: /releases/20240101093000/, and the link to the newest of them.
_RELEASE = re.compile(r"(?:.*/)?(?:releases?|deployments?|revisions|versions)/[^/]+/|(?:.*/)?current/")


def _below_root(path: str) -> str:
    root = _ROOT.match(path)
    path = path[root.end() :] if root else path
    release = _RELEASE.match(path)
    return path[release.end() :] if release else path


_NO_NEWS = frozenset({"", ".", "..", "current", "html", "htdocs", "public_html", "wwwroot"})
# Folders that a web server or bundler adds, and that move when an asset goes to another host.
_WEB_FOLDER = re.compile(r"(?:assets|static|js|chunks|dist|build|bundles|packs|immutable|_next|_nuxt|scripts|out)\Z")
# A folder that is a date, a number, a hash, a temporary name, or a version.
_PASSING = re.compile(
    r"""(?: \d+ | \d{6}.* | (?=[a-f]*\d)[0-9a-f]{7,64} | tmp[\w-]{4,} | v?\d+\.\d[\w.+-]* |
        (?:release|build|deploy)[-_.]?\d[\w.-]* |
        [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{20,} | \w+\.[A-Za-z0-9]{6,12} )\Z""",
    re.VERBOSE,
)

# What bundlers put into names: `app.3e81c07d.js`, `index-Zk3vTq9B.js`, `17.9d02e4f6.chunk.js`
_HASH = re.compile(
    r"[-._](?:(?=[a-f]*\d)[0-9a-f]{6,64}|[0-9a-f]{16,64}|(?=[\w-]{0,7}\d|[\w-]{1,7}[A-Z])[\w-]{8})(?=[-._])"
)
_BUNDLER_WORDS = re.compile(r"(?:[.-](?:chunk|bundle|min|production|prod|legacy|modern))++((?=\.[cm]?js\Z))?")
_ONLY_HASH = re.compile(r"(?:(?=[a-f]{0,63}+\d)[0-9a-f]{6,64}+|(?<!\d)\d++)(?=[-._])")


def _without_hash(name: str) -> str:
    # Words elsewhere in the name are matched too, and kept: so no character is read twice.
    name = _BUNDLER_WORDS.sub(lambda match: match[0] if match[1] is None else "", _HASH.sub("", name))
    return _ONLY_HASH.sub("chunk", name, count=1) if name[:1] in "0123456789abcdef" else name
