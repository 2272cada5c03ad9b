"""Which frames are the application's own code, and which belong to a library, the runtime or generated code.

Decided by the frame alone, from where each language keeps what it did not write: folders for the languages
that send paths, namespaces for those that send qualified names (Java, .NET, Elixir; Go has both).
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

from checkend.grouping.stacktrace import UNKNOWN, Frame


class FrameOrigin(Enum):
    """Who wrote the code of a frame."""

    APPLICATION = "application"
    LIBRARY = "library"
    GENERATED = "generated"  # made at run time, an eval or a compiled template: its own name passes with it
    NOWHERE = "nowhere"  # no place at all: a line that no grammar knows


def classify_frame(frame: Frame, language: str) -> FrameOrigin:
    """Who wrote the frame's code; `language` is a value of `runtimes.detect_language`."""
    file, line, method, column = frame
    if len(file) + len(method) > _MAX_LENGTH or (method == UNKNOWN and line == 0 and column == 0):
        return FrameOrigin.NOWHERE
    if len(file) + len(method) > _CACHED_LENGTH:
        return _classify_frame(file, method, language)
    return _cached_classify_frame(file, method, language)


_MAX_LENGTH = 1000  # no file and function together are longer
_CACHED_LENGTH = 300  # longer ones are looked at anew each time: so 4,096 entries take at most some megabytes


def _classify_frame(file: str, method: str, language: str) -> FrameOrigin:
    path = file.replace("\\", "/")
    if _GENERATED.search(path):
        return FrameOrigin.GENERATED
    if _LIBRARY_FOLDER.search(path) or any(found[1] for found in _WINDOWS_PYTHON.finditer(path)):
        return FrameOrigin.LIBRARY
    special = _BY_LANGUAGE.get(language)
    return special(path, method) if special else FrameOrigin.APPLICATION


_cached_classify_frame = lru_cache(maxsize=4096)(_classify_frame)

# Code that exists only while it runs: Python's exec (`<string>`), Ruby's and PHP's eval, V8's `eval at`, and
# the folders where template engines keep what they compiled, under names that change with each deploy.
_GENERATED = re.compile(
    r"""^<(?!anonymous>|frozen|internal|computed) | ^\(eval | ^eval\ at\  | eval\(\)'d\ code |
        \ >\ (?:eval|Function)\Z | ^evalmachine\. | ^\(erb | runtime-created\ function |
        /var/cache/ | /storage/framework/views/ | /templates_c/""",
    re.VERBOSE,
)
# Folders that package managers and runtimes own, whatever the language.
_LIBRARY_FOLDER = re.compile(
    r"""/(?:site|dist)-packages/ | /node_modules/ | ^node_modules/ | /gems/ | ^\[GEM_ROOT\] |
        /vendor/(?!assets/|javascript/) | ^vendor/ | (?:^|/)deps/ | /pkg/mod/ | \.egg/ | ^phar:// |
        /lib/python\d[\d.]*/ | ^<frozen\  | ^<internal: |
        /lib/ruby/ | /usr/share/(?:php|ruby|rubygems) | /usr/lib/ruby | /bower_components/ |
        ^\[internal\ function\] | ^\[native\ code\] | ^node: | ^(?:bun|deno|ext|native): | ^native$ |
        ^(?:chrome|moz|safari-web|safari)-extension:// |
        ^dart: | ^package:flutter/ | /\.cargo/registry/ | ^/rustc/ |
        /wp-includes/ | /wp-admin/ | /_vendor/ | /third_party/ | /var/runtime/ | /\.pex/ | /\.yarn/""",
    re.VERBOSE,
)
# Python's own files on Windows: C:/Python311/Lib/json/decoder.py. A path that only begins like it is matched too,
# without the group, so that its characters are not read again from the next /Lib/ in it: the cost is linear.
_WINDOWS_PYTHON = re.compile(r"/Lib/(?=\w+\.py$|[a-z_]+/[\w/])[\w/]*+(\.py$)?")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _python(file: str, method: str) -> FrameOrigin:
    if _is_compiled(file, method):
        return FrameOrigin.LIBRARY
    found = _LAMBDA_TASK.match(file)
    return FrameOrigin.LIBRARY if found and found[1] in _UNPACKED_BESIDE else FrameOrigin.APPLICATION


def _is_compiled(file: str, method: str) -> bool:
    """Whether the frame is of a compiled extension.

    Such names its source as it lay where it was built, lib/x/fast.py, and the function with its whole module,
    x.fast.Reader.read.
    """
    if file.startswith(("/", "[")) or file[1:2] == ":":
        return False
    path, _, ending = file.rpartition(".")
    if ending in ("pyx", "pxi", "pxd"):
        return True
    module = path.rpartition("/")[2]
    packages, found, _ = method.partition(f"{module}.")
    return bool(found) and "." in method and f"/{path}".endswith(f"/{packages.replace('.', '/')}{module}")


# AWS Lambda unpacks the dependencies beside the code. Only there is a package known by its name alone.
_LAMBDA_TASK = re.compile(r"(?:/var/task|/opt/python|/home/site/wwwroot)/(\w{1,60})")
_UNPACKED_BESIDE = _names(
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


def _javascript(file: str, method: str) -> FrameOrigin:
    if file in ("<anonymous>", "") or file.startswith("index ") or _NODE_CORE.match(file):
        return FrameOrigin.LIBRARY
    name = file.partition("?")[0].rpartition("/")[2]
    return FrameOrigin.LIBRARY if _VENDOR_CHUNK.match(name) or _CDN.match(file) else FrameOrigin.APPLICATION


# Before version 16 Node named its own files without `node:`.
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


def _ruby(file: str, method: str) -> FrameOrigin:
    return FrameOrigin.LIBRARY if _RUBY_STARTER.search(file) else FrameOrigin.APPLICATION


_RUBY_STARTER = re.compile(r"(?:^|/)bin/(?:bundle|rails|rake|puma|sidekiq|rspec|irb|ruby)\Z|^\(irb\)")


def _go(file: str, method: str) -> FrameOrigin:
    # The standard library has no dot in its import path, like many an application; so its folder decides:
    # GOROOT/src/net/http/server.go, or with -trimpath net/http/server.go.
    folder, _, last = method.rpartition("/")
    package = f"{folder}/{last.partition('.')[0]}".lstrip("/")
    standard = package.partition("/")[0] in _GO_STANDARD
    at_home = f"/src/{package}/" in file or file.startswith(f"{package}/")
    from_module = "@" in file  # the module cache keeps each version apart: mod/github.com/x/y@v1.2.3
    if from_module or method.startswith("runtime.") or (standard and at_home):
        return FrameOrigin.LIBRARY
    return FrameOrigin.APPLICATION


_GO_STANDARD = _names(
    """
    archive bufio bytes cmp compress container context crypto database debug embed encoding errors
    expvar flag fmt go hash html image index internal io iter log maps math mime net os path plugin
    reflect regexp runtime slices sort strconv strings structs sync syscall testing text time unicode
    unique unsafe weak
    """
)


def _elixir(file: str, method: str) -> FrameOrigin:
    name = method.removeprefix("anonymous fn/").partition(" in ")[2] or method
    name = name.removeprefix("Elixir.")
    head = name.partition(".")[0]
    if head[:1].islower() or name.startswith(":"):
        # An Erlang module. The application's own lie in its src folder; OTP's come without a folder.
        own = "/src/" in f"/{file}" and not file.startswith(("src/erl", "/usr"))
        return FrameOrigin.APPLICATION if own else FrameOrigin.LIBRARY
    return FrameOrigin.LIBRARY if head in _ELIXIR_MODULES else FrameOrigin.APPLICATION


_ELIXIR_MODULES = _names(
    """
    Access Agent Application Atom Base Bitwise Calendar Code Collectable Config Date DateTime Dict
    Duration DynamicSupervisor EEx Enum Enumerable Exception ExUnit File Float Function GenEvent
    GenServer GenStage HashDict IEx IO Inspect Integer JSON Kernel Keyword List Logger Macro Map MapSet
    Mix Module NaiveDateTime Node OptionParser PartitionSupervisor Path Port Process Protocol Range
    Record Regex Registry Set Stream String StringIO Supervisor System Task Time Tuple URI Version
    Absinthe Ash Bandit Broadway Cachex Checkend Cowboy DBConnection Dataloader Ecto Exqlite ExAws Finch
    Floki Gettext Guardian HTTPoison Hackney Jason Joken Mint Mongo MyXQL Nebulex NimbleOptions
    NimblePool Oban Phoenix Plug Poison Postgrex Protobuf Quantum Redix Req Sentry Swoosh Telemetry
    Tesla ThousandIsland Timex Tzdata WebSockAdapter Xandra
    """
)


def _java(file: str, method: str) -> FrameOrigin:
    if _JAVA_GENERATED.search(method):
        return FrameOrigin.LIBRARY
    name = method.rpartition("/")[2]  # without the class loader and module: app//, java.base/
    head, _, rest = name.partition(".")
    is_library = head in _JAVA_HEADS or f"{head}.{rest.partition('.')[0]}" in _JAVA_OWNERS
    # A servlet container compiles the application's own pages into a package of its own.
    return FrameOrigin.LIBRARY if is_library and not name.startswith("org.apache.jsp.") else FrameOrigin.APPLICATION


_JAVA_HEADS = _names(
    """
    java javax jakarta jdk sun oracle kotlin kotlinx scala groovy clojure akka android androidx dalvik
    junit javassist reactor rx feign okhttp3 okio retrofit2 freemarker play zio cats weblogic brave
    antlr dagger coil
    """
)
_JAVA_OWNERS = _names(
    """
    org.springframework org.apache org.hibernate org.eclipse org.jboss org.wildfly org.junit
    org.postgresql org.h2 org.hsqldb org.mariadb org.mongodb org.slf4j org.aopalliance org.aspectj
    org.mockito org.thymeleaf org.mybatis org.jooq org.quartz org.glassfish org.flywaydb org.liquibase
    org.elasticsearch org.opensearch org.codehaus org.jetbrains org.joda org.yaml org.json org.antlr
    org.redisson org.keycloak org.bouncycastle org.ehcache org.objectweb org.xerial org.sqlite org.jsoup
    org.http4s org.scalatest org.neo4j org.owasp org.testng org.gradle org.reactivestreams
    com.sun com.fasterxml com.google com.mysql com.zaxxer com.mongodb com.netflix com.amazonaws com.ibm
    com.rabbitmq com.microsoft com.azure com.oracle com.github com.squareup com.jayway com.thoughtworks
    com.datastax com.twilio com.stripe com.hazelcast com.typesafe com.android com.mchange com.alibaba
    com.baomidou com.checkend com.vaadin com.esotericsoftware com.lmax com.novell com.codahale
    io.netty io.undertow io.micronaut io.quarkus io.vertx io.reactivex io.lettuce io.grpc io.micrometer
    io.opentelemetry io.opentracing io.jsonwebtoken io.swagger io.ktor io.r2dbc io.smallrye
    io.dropwizard io.prometheus io.kubernetes io.confluent io.sentry io.github io.agroal
    net.sf net.bytebuddy net.snowflake net.sourceforge net.spy net.minidev net.jodah
    ch.qos redis.clients software.amazon nl.basjes de.codecentric
    """
)
# Proxies, reflection stubs and hidden lambda classes: made by the JVM or a framework at run time.
_JAVA_GENERATED = re.compile(
    r"\$\$Lambda|\$Proxy\d|CGLIB\$\$|\$\$FastClass|GeneratedMethodAccessor|GeneratedConstructorAccessor|"
    r"LambdaForm\$|\$HibernateProxy|\$ByteBuddy|\$MockitoMock|\$auxiliary\$|_ClientProxy\.|_Subclass\."
)


def _dotnet(file: str, method: str) -> FrameOrigin:
    head = _DOTNET_HEAD.match(method)
    return FrameOrigin.LIBRARY if head and head[0] in _DOTNET_NAMESPACES else FrameOrigin.APPLICATION


_DOTNET_HEAD = re.compile(r"lambda_method|[^.+(]+")  # the dynamic lambda_method123 counts without its number
_DOTNET_NAMESPACES = _names(
    """
    System Microsoft Newtonsoft Npgsql Dapper AutoMapper MediatR FluentValidation Serilog Polly Hangfire
    MassTransit StackExchange MySql MySqlConnector MongoDB RestSharp Refit Swashbuckle NSwag Quartz
    Castle Grpc Google Amazon Azure Oracle NHibernate Autofac Duende IdentityServer4 RabbitMQ Confluent
    Elasticsearch Elastic Nest NLog log4net xunit Xunit NUnit Moq Interop Internal Orleans Akka Stripe
    Twilio SixLabors CsvHelper HotChocolate GraphQL Ocelot Yarp OpenTelemetry Checkend lambda_method
    DynamicClass
    """
)

_BY_LANGUAGE = {
    "python": _python,
    "javascript": _javascript,
    "ruby": _ruby,
    "go": _go,
    "elixir": _elixir,
    "java": _java,
    "dotnet": _dotnet,
}
