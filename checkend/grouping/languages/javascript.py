"""JavaScript: Node, browsers and edge runtimes; minified names, callbacks, bundles, vendor chunks."""

from __future__ import annotations

import re

from checkend.grouping.language import Language, words
from checkend.grouping.paths import normalize_path
from checkend.grouping.stacktrace import ANONYMOUS, UNKNOWN, Frame

# Before version 16 Node did not prefix its own files with `node:`.
_NODE_CORE = re.compile(
    r"internal/|(?:_http_\w+|_stream_\w+|_tls_\w+|assert|bootstrap_node|buffer|child_process|dgram|dns|domain|"
    r"events|fs|http|https|module|net|readline|repl|stream|timers|tls|url|util|vm|zlib)\.js\Z"
)
_VENDOR_CHUNK = re.compile(
    r"""(?:chunk-|npm\.)?(?:vendors?|polyfills?|framework|libs?|third-party)(?:[-.~_].*)?\.[cm]?js |
        (?:.*_)?node_modules[_.~-] |
        (?:react|react-dom|vue|angular|jquery|lodash|zone|core-js|d3|bootstrap|htmx|alpine)(?:[-.].*)?\.js |
        (?:webpack|main)-polyfill|gtm\.js|gtag|analytics|fbevents""",
    re.VERBOSE,
)
_CDN = re.compile(
    r"https?://(?:[\w-]+\.)*(?:unpkg\.com|jsdelivr\.net|cdnjs\.cloudflare\.com|googleapis\.com|gstatic\.com|"
    r"googletagmanager\.com|google-analytics\.com|facebook\.net|jquery\.com|hotjar\.com|stripe\.com)/"
)
_NODE_PACKAGE = re.compile(r".*node_modules/((?:@[^/]{1,100}/)?[^/]{1,100})", re.DOTALL)
_WORD = re.compile(r"\w*")
_NAMELESS = frozenset(
    {
        "",
        ANONYMOUS,
        "anonymous",
        "(anonymous)",
        "Anonymous function",
        "?",
        "eval",
        "<computed>",
        "global code",
        "eval code",
        "module code",
    }
)
_PLAIN_RECEIVERS = frozenset({"Object", "Function", "Module", "Proxy", "Window", "Promise", "Runtime"})
# Up to two characters, or three with one that no programmer's short word has.
_MINIFIED_NAME = re.compile(r"[\w$]{1,2}\Z|(?=[\w$]?[A-Z0-9$_]|[\w$]{2}[A-Z0-9$_])[\w$]{3}\Z")


def is_minified(frame: Frame) -> bool:
    """Return whether a minifier has most likely renamed the functions in the frame's file."""
    return frame.file.startswith(("http://", "https://")) or "/.next/" in frame.file or ".min." in frame.file


def is_renamed(frame: Frame) -> bool:
    """Return whether a minifier has most likely renamed the frame's function, rather than left it without a name."""
    return is_minified(frame) and frame.method != UNKNOWN and bool(_clean_name(frame.method, False))


def _is_library(path: str, function: str) -> bool:
    if path in (ANONYMOUS, "") or path.startswith("index ") or _NODE_CORE.match(path):
        return True
    file_name = path.partition("?")[0].rpartition("/")[2]
    return bool(_VENDOR_CHUNK.match(file_name) or _CDN.match(path))


def _clean_name(name: str, minified: bool) -> str:
    name = name.rpartition("*")[2]  # Firefox: async*total, promise callback*total
    name = name.removeprefix("async ").partition(" [as ")[0]
    is_constructor = name.startswith("new ")
    name = _strip_inner_functions(name.removeprefix("new "))
    receiver, _, own = name.rpartition(".")
    own = own.removeprefix("get ").removeprefix("set ")
    if own in _NAMELESS or (minified and _MINIFIED_NAME.match(own)):
        return ""
    if is_constructor:
        return f"new {own}"
    # Not every browser includes the receiver, and minifiers rename it.
    receiver = receiver.rpartition(".")[2]
    if minified or not receiver[:1].isupper() or len(receiver) < 3 or receiver in _PLAIN_RECEIVERS:
        return own
    return f"{receiver}.{own}"


def _strip_inner_functions(name: str) -> str:
    r"""Strip Firefox's marks of functions inside others: ``total/<``, ``total/each<`` and ``total<`` are in total.

    This is a loop because a single pattern, ``(?:/<|<|/\w*<)+\Z``, takes exponential time.
    """
    while name.endswith("<"):
        name = name.rstrip("<")
        outer, slash, inner = name.rpartition("/")
        if slash and _WORD.fullmatch(inner):
            name = outer
    return name


def _package(frame: Frame) -> str:
    match = _NODE_PACKAGE.match(frame.path_end)
    if match:
        return match[1]
    if frame.file.startswith(("http", "webpack")):
        return normalize_path(frame.file)
    # Which of Node's own files appear differs from version to version: they count as one package.
    return "" if frame.file.startswith("<") else "node"


LANGUAGE = Language(
    name="javascript",
    aliases=words("javascript typescript node browser nextjs"),
    extensions=words("js mjs cjs ts tsx jsx vue svelte"),
    recognizes=lambda frame: frame.file.startswith(("http://", "https://")),
    is_library=_is_library,
    clean_name=_clean_name,
    package=_package,
    library_paths=r"""/node_modules/ | ^node_modules/ | /bower_components/ | /\.yarn/ | ^\[native\ code\] | ^node: |
        ^(?:bun|deno|ext|native): | ^native$ | ^(?:chrome|moz|safari-web|safari)-extension://""",
    generated_paths=r"^eval\ at\  | \ >\ (?:eval|Function)\Z | ^evalmachine\.",
    runtime_errors=words(
        """
        TypeError RangeError ReferenceError SyntaxError URIError EvalError InternalError AggregateError
        DOMException AbortError NetworkError QuotaExceededError SecurityError NotAllowedError
        InvalidStateError NotSupportedError DataCloneError TimeoutError ChunkLoadError
        """
    ),
)
