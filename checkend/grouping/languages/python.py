"""Python: outermost frame first, comprehensions as frames of their own, compiled extensions, AWS Lambda."""

from __future__ import annotations

import re
from collections.abc import Sequence

from checkend.grouping.language import Language, words
from checkend.grouping.stacktrace import Frame

# Only the first call of a program or a thread has these names (an import may fail in a `<module>`).
_ENTRY_POINTS = frozenset({"_bootstrap", "_bootstrap_inner", "_run_module_as_main"})
_NAMELESS = frozenset({"<lambda>", "<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>"})
_LIBRARY_ROOT = re.compile(r".*/(?:(?:site|dist)-packages|lib/python[\d.]+|Lib)/", re.DOTALL)
# The standard library on Windows: C:/Python311/Lib/json/decoder.py. A path that only begins like it also matches, but
# without the group, so that its characters are not scanned again from the next /Lib/ in it: the cost is linear.
_WINDOWS_LIBRARY = re.compile(r"/Lib/(?=\w+\.py$|[a-z_]+/[\w/])[\w/]*+(\.py$)?")
# Serverless platforms unpack the dependencies next to the code. Only there a package is recognized by its name alone.
_SERVERLESS = re.compile(r"(?:/var/task|/opt/python|/home/site/wwwroot)/(\w{1,60})")
_SERVERLESS_PACKAGES = words(
    """
    aiohttp aiobotocore alembic anyio asyncpg attr attrs aws_lambda_powertools awslambdaric boto3
    botocore bs4 cachetools celery certifi cffi charset_normalizer click cryptography dateutil django
    dns email_validator fastapi flask google graphql greenlet grpc h11 h2 httpcore httpx idna
    itsdangerous jinja2 jmespath jose jsonschema jwt kombu ldap3 loguru lxml mangum markupsafe
    marshmallow mongoengine motor msgpack multidict mysql numpy oauthlib openai openpyxl opentelemetry
    orjson packaging pandas paramiko passlib peewee PIL pkg_resources playhouse prometheus_client
    psycopg psycopg2 pyarrow pyasn1 pydantic pydantic_core pydantic_settings pymongo pymysql pynamodb
    pytz redis referencing requests requests_oauthlib rest_framework retrying rsa s3transfer sanic scipy
    setuptools simplejson six slack_sdk sniffio sqlalchemy sqlmodel starlette stripe structlog tenacity
    tornado twilio typing_extensions ujson urllib3 uvicorn uvloop watchtower werkzeug wrapt xmltodict
    yaml yarl zeep zipp checkend
    """
)


def _innermost_first(frames: Sequence[Frame]) -> list[Frame]:
    # Python lists callers before callees, unlike all other languages. If the last frame is where a program begins, the
    # client has reversed the list already.
    is_reversed = bool(frames) and frames[-1].method in _ENTRY_POINTS
    return list(frames if is_reversed else reversed(frames))


def is_windows_standard_library(path: str) -> bool:
    """Return whether ``path``, with forward slashes, is a file of Python's standard library on Windows."""
    return any(match[1] for match in _WINDOWS_LIBRARY.finditer(path))


def _is_library(path: str, function: str) -> bool:
    if _is_compiled_extension(path, function):
        return True
    match = _SERVERLESS.match(path)
    return match is not None and match[1] in _SERVERLESS_PACKAGES


def _is_compiled_extension(path: str, function: str) -> bool:
    """Return whether the frame is in a compiled extension, such as one written in Cython.

    Its file is a path on the machine where it was built, lib/x/fast.py, and its function is qualified with the module,
    x.fast.Reader.read.
    """
    if path.startswith(("/", "[")) or path[1:2] == ":":
        return False
    stem, _, extension = path.rpartition(".")
    if extension in ("pyx", "pxi", "pxd"):
        return True
    module = stem.rpartition("/")[2]
    packages, separator, _ = function.partition(f"{module}.")
    return bool(separator) and "." in function and f"/{stem}".endswith(f"/{packages.replace('.', '/')}{module}")


def _package(frame: Frame) -> str:
    path = frame.path_end
    root = _LIBRARY_ROOT.match(path)
    rest = path[root.end() :] if root else path.removeprefix("/var/task/").removeprefix("/opt/python/")
    return rest.lstrip("/").partition("/")[0].removesuffix(".py")


LANGUAGE = Language(
    name="python",
    aliases=words("python"),
    extensions=words("py pyx"),
    innermost_first=_innermost_first,
    is_library=_is_library,
    clean_name=lambda name, minified: "" if name in _NAMELESS else name.rpartition(".<locals>.")[2],
    package=_package,
    max_frames=100,  # the SDK keeps the 100 outermost
    library_paths=r"/(?:site|dist)-packages/ | /lib/python\d[\d.]*/ | \.egg/ | /\.pex/ | /_vendor/ | ^<frozen\ ",
    scheduler_packages=r"""threading | asyncio | concurrent | multiprocessing | runpy | importlib | contextlib |
        socketserver | selectors | queue | sched | gunicorn | uvicorn""",
    runtime_errors=words(
        """
        TypeError KeyError IndexError AttributeError NameError UnboundLocalError ZeroDivisionError SyntaxError
        ImportError ModuleNotFoundError UnicodeDecodeError UnicodeEncodeError RecursionError MemoryError StopIteration
        ConnectionError ConnectionRefusedError ConnectionResetError BrokenPipeError FileNotFoundError PermissionError
        IsADirectoryError NotADirectoryError FileExistsError OverflowError BlockingIOError TimeoutError
        """
    ),
    overflow_errors=words("RecursionError"),
)
